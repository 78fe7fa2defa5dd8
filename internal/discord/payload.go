package discord

import (
	"encoding/json"
	"strconv"
	"time"
)

const (
	flagEphemeral = 1 << 6

	callbackReply       = 4
	callbackDefer       = 5
	callbackDeferUpdate = 6
	callbackUpdate      = 7
	callbackChoices     = 8
	callbackModal       = 9
)

// wireMessage is a message as requests carry it. Pointers tell "leave as it is" (nil) from "clear" (empty).
type wireMessage struct {
	Content         *string           `json:"content,omitempty"`
	Embeds          *[]wireEmbed      `json:"embeds,omitempty"`
	Components      *[]wireComponent  `json:"components,omitempty"`
	Attachments     *[]wireAttachment `json:"attachments,omitempty"`
	AllowedMentions wireMentions      `json:"allowed_mentions"`
	Flags           int               `json:"flags,omitempty"`
	Nonce           string            `json:"nonce,omitempty"`
	EnforceNonce    bool              `json:"enforce_nonce,omitempty"`

	clear bool // content and embeds are sent as null
}

// MarshalJSON implements json.Marshaler.
func (w wireMessage) MarshalJSON() ([]byte, error) {
	type plain wireMessage // without this method
	if !w.clear {
		return json.Marshal(plain(w))
	}
	return json.Marshal(struct {
		plain
		Content *string      `json:"content"`
		Embeds  *[]wireEmbed `json:"embeds"`
	}{plain: plain(w)})
}

type wireMentions struct {
	Parse []string `json:"parse"`
	Roles []string `json:"roles,omitempty"`
}

type wireAttachment struct {
	ID          string `json:"id"`
	Filename    string `json:"filename,omitempty"`
	Description string `json:"description,omitempty"`
	Spoiler     bool   `json:"is_spoiler,omitempty"`
}

type wireEmbed struct {
	Title       string      `json:"title,omitempty"`
	Description string      `json:"description,omitempty"`
	URL         string      `json:"url,omitempty"`
	Color       int         `json:"color,omitempty"`
	Timestamp   string      `json:"timestamp,omitempty"`
	Fields      []wireField `json:"fields,omitempty"`
	Image       *wireMedia  `json:"image,omitempty"`
	Thumbnail   *wireMedia  `json:"thumbnail,omitempty"`
	Footer      *wireFooter `json:"footer,omitempty"`
	Author      *wireAuthor `json:"author,omitempty"`
}

type wireField struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Inline bool   `json:"inline,omitempty"`
}

type wireMedia struct {
	URL string `json:"url"`
}

type wireFooter struct {
	Text string `json:"text"`
}

type wireAuthor struct {
	Name string `json:"name"`
}

type wireComponent struct {
	Type        int             `json:"type"`
	Components  []wireComponent `json:"components,omitempty"`
	Style       int             `json:"style,omitempty"`
	Label       string          `json:"label,omitempty"`
	Emoji       *wireEmoji      `json:"emoji,omitempty"`
	CustomID    string          `json:"custom_id,omitempty"`
	URL         string          `json:"url,omitempty"`
	Disabled    bool            `json:"disabled,omitempty"`
	Placeholder string          `json:"placeholder,omitempty"`
	Options     []wireSelect    `json:"options,omitempty"`
	MinValues   *int            `json:"min_values,omitempty"`
	MaxValues   *int            `json:"max_values,omitempty"`
	MinLength   *int            `json:"min_length,omitempty"`
	MaxLength   *int            `json:"max_length,omitempty"`
	Required    *bool           `json:"required,omitempty"`
	Value       string          `json:"value,omitempty"`

	// of layouts
	Content     string         `json:"content,omitempty"`
	Accessory   *wireComponent `json:"accessory,omitempty"`
	Items       []wireItem     `json:"items,omitempty"`
	Media       *wireMedia     `json:"media,omitempty"`
	Description string         `json:"description,omitempty"`
	Spoiler     bool           `json:"spoiler,omitempty"`
	Divider     *bool          `json:"divider,omitempty"`
	Spacing     int            `json:"spacing,omitempty"`
	Color       *int           `json:"accent_color,omitempty"`

	// of forms
	Component *wireComponent `json:"component,omitempty"`
}

// wireItem is a picture of a gallery.
type wireItem struct {
	Media       wireMedia `json:"media"`
	Description string    `json:"description,omitempty"`
	Spoiler     bool      `json:"spoiler,omitempty"`
}

type wireEmoji struct {
	Name string `json:"name"`
}

type wireSelect struct {
	Label       string `json:"label"`
	Value       string `json:"value"`
	Description string `json:"description,omitempty"`
	Default     bool   `json:"default,omitempty"`
}

// create is the body that makes the message: absent parts are left out.
func (m Message) create() wireMessage {
	w := wireMessage{AllowedMentions: wireMentions{Parse: []string{}, Roles: m.Pings}}
	if m.Content != "" {
		w.Content = &m.Content
	}
	if len(m.Embeds) > 0 {
		w.Embeds = wireEmbeds(m.Embeds)
	}
	if len(m.Components) > 0 {
		w.Components = wireRows(m.Components)
	}
	if len(m.Files) > 0 {
		w.Attachments = m.attachments(nil)
	}
	if m.Ephemeral {
		w.Flags = flagEphemeral
	}
	if len(m.Layout) > 0 {
		w.Flags |= flagLayout
		w.Components = m.Layout.wire()
	}
	return w
}

// edit is the body that replaces the message: absent parts are cleared. keep lists the ids of files that stay beside new
// ones.
func (m Message) edit(keep []string) wireMessage {
	w := wireMessage{
		Content: &m.Content, Embeds: wireEmbeds(m.Embeds), Components: wireRows(m.Components),
		AllowedMentions: wireMentions{Parse: []string{}},
	}
	if !m.KeepFiles || len(m.Files) > 0 {
		w.Attachments = m.attachments(keep)
	}
	if len(m.Layout) > 0 { // what a message without a layout has is cleared, by null
		w.Content, w.Embeds, w.Components, w.Flags = nil, nil, m.Layout.wire(), flagLayout
		w.clear = true
	}
	return w
}

func (m Message) attachments(keep []string) *[]wireAttachment {
	list := []wireAttachment{}
	for _, id := range keep {
		list = append(list, wireAttachment{ID: id})
	}
	for i, f := range m.Files {
		list = append(list, wireAttachment{ID: strconv.Itoa(i), Filename: fileName(f), Description: f.Description, Spoiler: f.Spoiler})
	}
	return &list
}

func wireEmbeds(embeds []Embed) *[]wireEmbed {
	list := []wireEmbed{}
	for _, e := range embeds {
		w := wireEmbed{Title: e.Title, Description: e.Description, URL: e.URL, Color: e.Color}
		for _, f := range e.Fields {
			w.Fields = append(w.Fields, wireField(f))
		}
		if e.Image != "" {
			w.Image = &wireMedia{URL: e.Image}
		}
		if e.Thumbnail != "" {
			w.Thumbnail = &wireMedia{URL: e.Thumbnail}
		}
		if e.Footer != "" {
			w.Footer = &wireFooter{Text: e.Footer}
		}
		if e.Author != "" {
			w.Author = &wireAuthor{Name: e.Author}
		}
		if !e.Time.IsZero() {
			w.Timestamp = e.Time.UTC().Format(time.RFC3339)
		}
		list = append(list, w)
	}
	return &list
}

func wireRows(rows []Row) *[]wireComponent {
	list := []wireComponent{}
	for _, r := range rows {
		list = append(list, r.wire())
	}
	return &list
}

func (b Button) wire() wireComponent {
	w := wireComponent{Type: 2, Label: b.Label, CustomID: b.CustomID, URL: b.URL, Disabled: b.Disabled}
	switch {
	case b.URL != "":
		w.Style = 5
	case b.Style == Primary:
		w.Style = 1
	case b.Style == Success:
		w.Style = 3
	case b.Style == Danger:
		w.Style = 4
	default:
		w.Style = 2
	}
	if b.Emoji != "" {
		w.Emoji = &wireEmoji{Name: b.Emoji}
	}
	return w
}

func (s Select) wire() wireComponent {
	kind := int(s.Kind)
	if s.Kind == SelectTexts {
		kind = 3
	}
	w := wireComponent{Type: kind, CustomID: s.CustomID, Placeholder: s.Placeholder, Disabled: s.Disabled}
	if s.Min != 0 || s.Max != 0 {
		w.MinValues, w.MaxValues = &s.Min, &s.Max
	}
	for _, o := range s.Options {
		w.Options = append(w.Options, wireSelect(o))
	}
	return w
}

type wireModal struct {
	CustomID   string          `json:"custom_id"`
	Title      string          `json:"title"`
	Components []wireComponent `json:"components"`
}

func (m Modal) wire() wireModal {
	w := wireModal{CustomID: m.CustomID, Title: m.Title}
	for _, in := range m.Inputs {
		if in.Kind != InputText || in.Description != "" {
			w.Components = append(w.Components, in.labelled())
			continue
		}
		field := wireComponent{
			Type: 4, CustomID: in.CustomID, Label: in.Label, Placeholder: in.Placeholder, Value: in.Value, Style: 1,
			Required: &in.Required,
		}
		if in.Paragraph {
			field.Style = 2
		}
		if in.Min > 0 {
			field.MinLength = &in.Min
		}
		if in.Max > 0 {
			field.MaxLength = &in.Max
		}
		w.Components = append(w.Components, wireComponent{Type: 1, Components: []wireComponent{field}})
	}
	return w
}

// labelled is a field below a label of its own, as newer kinds want it.
func (in Input) labelled() wireComponent {
	field := wireComponent{Type: int(in.Kind), CustomID: in.CustomID, Placeholder: in.Placeholder, Required: &in.Required}
	if in.Kind == InputText {
		field.Type, field.Style, field.Value = 4, 1, in.Value
		if in.Paragraph {
			field.Style = 2
		}
		if in.Min > 0 {
			field.MinLength = &in.Min
		}
		if in.Max > 0 {
			field.MaxLength = &in.Max
		}
	} else {
		least, most := in.Min, max(in.Max, 1)
		if in.Required {
			least = max(least, 1)
		}
		field.MinValues, field.MaxValues = &least, &most
	}
	for _, o := range in.Options {
		field.Options = append(field.Options, wireSelect(o))
	}
	return wireComponent{Type: 18, Label: in.Label, Description: in.Description, Component: &field}
}

func wireChoices(choices []Choice) []wireChoice {
	list := []wireChoice{}
	for _, c := range choices[:min(len(choices), MaxChoices)] {
		c.Name = Clip(c.Name, 100)
		list = append(list, wireChoice(c))
	}
	return list
}
