package sandbox

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	flagEphemeral = 1 << 6
	flagLoading   = 1 << 7
)

// message is a message of the world.
type message struct {
	ID          string     `json:"id"`
	Channel     string     `json:"channel"`
	Author      string     `json:"author"`
	Content     string     `json:"content"`
	Embeds      []obj      `json:"embeds"`
	Components  []obj      `json:"components"`
	Files       []*file    `json:"files"`
	Flags       int        `json:"flags"`
	Created     time.Time  `json:"created"`
	Edited      time.Time  `json:"edited,omitzero"`
	Edits       int        `json:"edits"`
	Reactions   []reaction `json:"reactions"`
	Viewer      string     `json:"viewer"`      // the only person who sees it; "" for everybody
	Interaction string     `json:"interaction"` // that it answers
	Invoker     string     `json:"invoker"`     // who ran that
	Command     string     `json:"command"`     // and what, when it was a command
	Meta        obj        `json:"meta"`        // interaction_metadata of the API
	Nonce       string     `json:"nonce"`
	Pings       []string   `json:"pings,omitempty"` // roles that it pinged
	Pinned      bool       `json:"pinned,omitempty"`
}

// file is an attachment.
type file struct {
	ID          string `json:"id"`
	Channel     string `json:"channel"`
	Name        string `json:"name"`
	ContentType string `json:"content_type"`
	Description string `json:"description"`
	Size        int    `json:"size"`
	Width       int    `json:"width"`
	Height      int    `json:"height"`
	Spoiler     bool   `json:"spoiler,omitempty"`
	Embedded    bool   `json:"embedded"` // shown by an embed and therefore not listed
	data        []byte
}

// reaction is one emoji under a message and who used it, in order.
type reaction struct {
	Emoji emoji    `json:"emoji"`
	Users []string `json:"users"`
}

// emoji is a Unicode emoji, or one of a guild when ID is set.
type emoji struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

func (e emoji) api() obj {
	if e.ID == "" {
		return obj{"id": nil, "name": e.Name}
	}
	return obj{"id": e.ID, "name": e.Name, "animated": false}
}

// parseEmoji reads a Unicode emoji, name:id, or <:name:id>.
func parseEmoji(s string) (emoji, bool) {
	s = strings.TrimSpace(s)
	s = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSuffix(s, ">"), "<a:"), "<:")
	if name, id, ok := strings.Cut(s, ":"); ok {
		_, err := strconv.ParseUint(id, 10, 64)
		return emoji{ID: id, Name: name}, err == nil && name != ""
	}
	if s == "" || len(s) > 64 {
		return emoji{}, false
	}
	for _, r := range s {
		if r < 0xA9 && !strings.ContainsRune("#*0123456789", r) {
			return emoji{}, false
		}
	}
	// A lone digit is no emoji, a keycap is longer.
	return emoji{Name: s}, len(s) > 1
}

func (e emoji) same(o emoji) bool {
	if e.ID != "" || o.ID != "" {
		return e.ID == o.ID
	}
	return strings.ReplaceAll(e.Name, "\uFE0F", "") == strings.ReplaceAll(o.Name, "\uFE0F", "")
}

// visible reports whether a person sees the message.
func (m *message) visible(userID string) bool { return m.Viewer == "" || m.Viewer == userID }

// api is the message as the API shows it to viewer.
func (s *Server) apiMessage(m *message, viewer string) obj {
	author, _ := s.w.person(m.Author)
	out := obj{
		"id": m.ID, "channel_id": m.Channel, "author": author.api(), "content": m.Content, "timestamp": stamp(m.Created),
		"edited_timestamp": nil, "tts": false, "mention_everyone": false, "mentions": []any{}, "mention_roles": append([]string{}, m.Pings...),
		"attachments": []any{}, "embeds": embedsAPI(m.Embeds), "components": nonNil(m.Components), "pinned": m.Pinned, "type": 0,
		"flags": m.Flags,
	}
	if m.Edits > 0 {
		out["edited_timestamp"] = stamp(m.Edited)
	}
	list := []any{}
	for _, f := range m.Files {
		if !f.Embedded {
			list = append(list, s.apiFile(f))
		}
	}
	out["attachments"] = list
	if len(m.Reactions) > 0 {
		list := []any{}
		for _, r := range m.Reactions {
			list = append(list, obj{
				"emoji": r.Emoji.api(), "count": len(r.Users), "count_details": obj{"burst": 0, "normal": len(r.Users)},
				"me": slices.Contains(r.Users, viewer), "me_burst": false, "burst_me": false, "burst_count": 0, "burst_colors": []any{},
			})
		}
		out["reactions"] = list
	}
	if m.Author == BotID {
		out["application_id"] = BotID
	}
	if m.Meta != nil {
		out["webhook_id"], out["interaction_metadata"] = BotID, m.Meta
		if m.Command != "" {
			out["type"] = 20
		}
	}
	if m.Nonce != "" {
		out["nonce"] = m.Nonce
	}
	return out
}

// attachmentSpoiler is the flag of a file that is hidden until it is clicked.
const attachmentSpoiler = 1 << 3

func (s *Server) apiFile(f *file) obj {
	url := s.APIURL() + "/attachments/" + f.Channel + "/" + f.ID + "/" + pathSegment(f.Name)
	out := obj{
		"id": f.ID, "filename": f.Name, "size": f.Size, "url": url, "proxy_url": url, "content_type": f.ContentType,
	}
	if f.Description != "" {
		out["description"] = f.Description
	}
	if f.Spoiler {
		out["flags"] = attachmentSpoiler
	}
	if f.Width > 0 {
		out["width"], out["height"] = f.Width, f.Height
	}
	return out
}

func embedsAPI(embeds []obj) []any {
	list := []any{}
	for _, e := range embeds {
		list = append(list, e)
	}
	return list
}

func nonNil(list []obj) []obj {
	if list == nil {
		return []obj{}
	}
	return list
}

// Message is a message as a person sees it.
type Message struct {
	ID, ChannelID string
	AuthorID      string
	Content       string
	Embeds        []Embed
	Attachments   []Attachment // those shown by an embed included
	Texts         []string     // of a layout
	Pictures      []Picture    // of a layout
	Buttons       []Button
	Selects       []Button // Label is the placeholder
	Reactions     []Reaction
	Ephemeral     bool // nobody else sees it
	Pinned        bool
	Loading       bool // "thinking…"
	InteractionID string
	Command       string // that it answers, such as "kudos gift"
	Edits         int
	Raw           map[string]any // the message as the API shows it
}

// Embed is a framed part of a Message.
type Embed struct {
	Title, Description, Image, Footer string
	Fields                            [][2]string
}

// Attachment is a file of a Message. URL is served by the sandbox.
type Attachment struct {
	ID, Filename, ContentType, Description, URL string
	Spoiler                                     bool
	Data                                        []byte
}

// Button is something that can be pressed.
type Button struct {
	CustomID, Label, Emoji, URL string
	Disabled                    bool
}

// Reaction is an emoji and the ids of the people who used it.
type Reaction struct {
	Emoji string // Unicode, or name:id
	Users []string
}

// view makes the exported form. s.mu is held.
func (s *Server) view(m *message, viewer string) Message {
	v := Message{
		ID: m.ID, ChannelID: m.Channel, AuthorID: m.Author, Content: m.Content, Ephemeral: m.Viewer != "", Pinned: m.Pinned,
		Loading: m.Flags&flagLoading != 0, InteractionID: m.Interaction, Command: m.Command, Edits: m.Edits,
		Raw: s.apiMessage(m, viewer),
	}
	for _, e := range m.Embeds {
		image, _ := e["image"].(obj)
		footer, _ := e["footer"].(obj)
		embed := Embed{Title: str(e["title"]), Description: str(e["description"]), Image: str(image["url"]), Footer: str(footer["text"])}
		fields, _ := e["fields"].([]any)
		for _, f := range fields {
			field, _ := f.(obj)
			embed.Fields = append(embed.Fields, [2]string{str(field["name"]), str(field["value"])})
		}
		v.Embeds = append(v.Embeds, embed)
	}
	v.Texts, v.Pictures = viewLayout(m.Components)
	for _, f := range m.Files {
		v.Attachments = append(v.Attachments, Attachment{
			ID: f.ID, Filename: f.Name, ContentType: f.ContentType, Description: f.Description, Spoiler: f.Spoiler,
			URL: str(s.apiFile(f)["url"]), Data: f.data,
		})
	}
	walkComponents(m.Components, func(c obj) {
		e, _ := c["emoji"].(obj)
		disabled, _ := c["disabled"].(bool)
		b := Button{CustomID: str(c["custom_id"]), Label: str(c["label"]), Emoji: str(e["name"]), URL: str(c["url"]), Disabled: disabled}
		switch num(c["type"]) {
		case componentButton:
			v.Buttons = append(v.Buttons, b)
		case componentSelect, 5, 6, 7, 8:
			b.Label = str(c["placeholder"])
			v.Selects = append(v.Selects, b)
		}
	})
	for _, r := range m.Reactions {
		name := r.Emoji.Name
		if r.Emoji.ID != "" {
			name += ":" + r.Emoji.ID
		}
		v.Reactions = append(v.Reactions, Reaction{Emoji: name, Users: slices.Clone(r.Users)})
	}
	return v
}

const (
	componentRow       = 1
	componentButton    = 2
	componentSelect    = 3
	componentTextInput = 4
	componentLabel     = 18
	componentUpload    = 19
)

// walkComponents visits every component, the outer before the inner.
func walkComponents(list []obj, visit func(obj)) {
	for _, c := range list {
		visit(c)
		if inner, ok := c["component"].(obj); ok {
			walkComponents([]obj{inner}, visit)
		}
		if inner, ok := c["accessory"].(obj); ok {
			walkComponents([]obj{inner}, visit)
		}
		walkComponents(objects(c["components"]), visit)
	}
}

// objects returns the objects of a decoded JSON array.
func objects(v any) []obj {
	switch list := v.(type) {
	case []obj:
		return list
	case []any:
		var out []obj
		for _, item := range list {
			if o, ok := item.(obj); ok {
				out = append(out, o)
			}
		}
		return out
	}
	return nil
}

func str(v any) string {
	s, _ := v.(string)
	return s
}

func num(v any) int {
	switch n := v.(type) {
	case float64:
		return int(n)
	case int:
		return n
	}
	return 0
}

// find returns a message of a channel. s.mu is held.
func (w *world) find(channelID, messageID string) *message {
	for _, m := range slices.Backward(w.Messages[channelID]) { // mostly the last ones are meant
		if m.ID == messageID {
			return m
		}
	}
	return nil
}

// findAnywhere returns a message by its id alone.
func (w *world) findAnywhere(messageID string) *message {
	for channel := range w.Messages {
		if m := w.find(channel, messageID); m != nil {
			return m
		}
	}
	return nil
}
