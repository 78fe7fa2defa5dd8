package discord

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of Discord that Message and Modal are checked against before they are sent. Lengths are in characters.
const (
	MaxContent          = 2000
	MaxPings            = 100 // roles
	MaxEmbeds           = 10
	MaxEmbedTotal       = 6000 // over all texts of all embeds of one message
	MaxEmbedTitle       = 256
	MaxEmbedDescription = 4096
	MaxEmbedFields      = 25
	MaxFieldName        = 256
	MaxFieldValue       = 1024
	MaxFooter           = 2048
	MaxRows             = 5
	MaxButtons          = 5 // per row
	MaxLabel            = 80
	MaxSelectOptions    = 25
	MaxOptionText       = 100 // of an option's label, value and description each
	MaxPlaceholder      = 150 // of a select; a text of a form has MaxInputHint
	MaxInputHint        = 100
	MaxFiles            = 10
	MaxDescription      = 1024 // alt text of a file
	MaxCustomID         = 100
	MaxChoices          = 25
	MaxModalInputs      = 5
	MaxModalTitle       = 45
	MaxInputLabel       = 45
	MaxInputValue       = 4000
)

// Message is everything a message shows. Sending it creates that message; editing with it replaces the whole message, so
// an absent part is cleared (files excepted when KeepFiles is set). Mentions ping nobody but the Pings of a new message.
type Message struct {
	Content    string
	Embeds     []Embed
	Components []Row
	Files      []File
	// Layout replaces Content, Embeds and Components by blocks; see there.
	Layout Layout

	// Pings are the roles that hear of a new message which mentions them. An edit pings nobody.
	Pings []string

	// Ephemeral shows a reply or follow-up to the person who caused it and to nobody else. It has no meaning in an edit:
	// the first answer decides.
	Ephemeral bool
	// KeepFiles keeps, in an edit, the files that the message already has.
	KeepFiles bool
	// Nonce names the sending of a new message by SendMessage or DM, so that it is not sent twice when nobody knows
	// whether it arrived: Discord makes one message of those with the same nonce within some minutes. See NonceOf.
	Nonce string
	// Optional marks an edit that may be dropped when Discord refuses too many of our requests: a progress report.
	Optional bool
}

// Embed is a framed block of a message. URLs may be https or attachment://name for a file of the same message.
type Embed struct {
	Title       string
	Description string
	URL         string
	Color       int // 0xRRGGBB; 0 is Discord's default
	Fields      []Field
	Image       string
	Thumbnail   string
	Footer      string
	Author      string
	Time        time.Time // zero for none
}

// Field is one name and value of an embed.
type Field struct {
	Name, Value string
	Inline      bool
}

// Row is one line of components: up to five buttons, or one select.
type Row struct {
	Buttons []Button
	Select  *Select
}

// ButtonStyle is the colour of a button.
type ButtonStyle int

// The styles a button can have. A button with a URL is a link whatever its style says.
const (
	Secondary ButtonStyle = iota // grey; the zero value
	Primary                      // blue
	Success                      // green
	Danger                       // red
)

// Button is a button of a message. Exactly one of CustomID and URL is set.
type Button struct {
	Label    string
	Emoji    string // one Unicode emoji, or empty
	CustomID string // see CustomID.String
	URL      string
	Style    ButtonStyle
	Disabled bool
}

// SelectKind says what a Select lets people choose; the numbers are Discord's.
type SelectKind int

// The kinds of selects. The zero value lists texts.
const (
	SelectTexts    SelectKind = 0
	SelectUsers    SelectKind = 5
	SelectRoles    SelectKind = 6
	SelectChannels SelectKind = 8
)

// Select is a menu of texts, people, roles or channels. What was chosen arrives as Component.Values: the texts' values, or
// ids.
type Select struct {
	Kind        SelectKind
	CustomID    string
	Placeholder string
	Options     []SelectOption
	Min, Max    int // how many may be chosen; 0, 0 means exactly one
	Disabled    bool
}

// SelectOption is one line of a Select.
type SelectOption struct {
	Label, Value, Description string
	Default                   bool
}

// File is a file to upload.
type File struct {
	Name        string // file name with extension; attachment://Name refers to it
	ContentType string // empty means application/octet-stream
	Data        []byte
	Description string // alt text, at most MaxDescription characters
	Spoiler     bool
}

// Modal is a form in a dialog.
type Modal struct {
	CustomID string
	Title    string
	Inputs   []Input
}

// InputKind says what a field of a Modal takes; the numbers are Discord's. discordgo does not know all of them.
type InputKind int

// The kinds of fields. The zero value is a text.
const (
	InputText   InputKind = 0
	InputSelect InputKind = 3  // of Options; what was chosen arrives in ModalValues.Values, separated by commas
	InputFiles  InputKind = 19 // what was uploaded arrives in ModalValues.Files
)

// MaxUploads is the most files that one field of a Modal takes.
const MaxUploads = 10

// Input is one field of a Modal.
type Input struct {
	Kind        InputKind
	CustomID    string
	Label       string
	Description string // a line below the label, at most 100 characters
	Placeholder string
	Value       string // what a text holds at first
	Options     []SelectOption
	Paragraph   bool // several lines of text
	Required    bool
	Min, Max    int // characters of a text, where Max 0 means MaxInputValue; options or files of others, where it means 1
}

// Choice is one suggestion for an option, or one of the fixed values of an option. Value is a string, an int64 or a
// float64, as the type of its option wants.
type Choice struct {
	Name  string
	Value any
	Names map[string]string // the name in other languages, of fixed values
}

// MessageRef names a message for later edits. It is a plain value: stored and loaded again after a restart, it still
// names the same message.
type MessageRef struct {
	ChannelID string    `json:"channel_id"`
	MessageID string    `json:"message_id"`
	AppID     string    `json:"app_id,omitempty"`
	Token     string    `json:"token,omitempty"`     // interaction token, a secret; empty for messages sent with the bot token
	Expires   time.Time `json:"expires,omitzero"`    // until when Token is used, 14 minutes after the interaction
	Ephemeral bool      `json:"ephemeral,omitempty"` // only Token reaches it; after Expires nothing does
}

// NonceOf makes a Message's Nonce from what names the occasion, such as the key of a row.
func NonceOf(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(p), p) // never fails
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18]) // Discord takes 25 characters
}

// Clip shortens s to at most limit characters, ending in an ellipsis when something was cut.
func Clip(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	if limit < 1 {
		return ""
	}
	return strings.TrimRight(string([]rune(s)[:limit-1]), " \n") + "…"
}

// Validate reports the first limit of Discord that the message breaks. Every sending method calls it.
func (m Message) Validate() error {
	if len(m.Layout) > 0 {
		if err := m.Layout.validate(m); err != nil {
			return err
		}
	}
	if n := utf8.RuneCountInString(m.Content); n > MaxContent {
		return fmt.Errorf("content has %d characters, limit %d", n, MaxContent)
	}
	if len(m.Pings) > MaxPings {
		return fmt.Errorf("%d roles are pinged, limit %d", len(m.Pings), MaxPings)
	}
	if len(m.Embeds) > MaxEmbeds {
		return fmt.Errorf("%d embeds, limit %d", len(m.Embeds), MaxEmbeds)
	}
	total := 0
	for _, e := range m.Embeds {
		n, err := e.validate()
		if err != nil {
			return err
		}
		total += n
	}
	if total > MaxEmbedTotal {
		return fmt.Errorf("embeds have %d characters in all, limit %d", total, MaxEmbedTotal)
	}
	if len(m.Components) > MaxRows {
		return fmt.Errorf("%d component rows, limit %d", len(m.Components), MaxRows)
	}
	seen := map[string]bool{}
	for _, row := range m.Components {
		if err := row.validate(seen); err != nil {
			return err
		}
	}
	if len(m.Files) > MaxFiles {
		return fmt.Errorf("%d files, limit %d", len(m.Files), MaxFiles)
	}
	for _, f := range m.Files {
		if f.Name == "" {
			return errors.New("a file has no name")
		}
		if utf8.RuneCountInString(f.Description) > MaxDescription {
			return fmt.Errorf("description of file %q is longer than %d", f.Name, MaxDescription)
		}
	}
	return nil
}

// blank reports whether Discord would refuse to create the message because it shows nothing.
func (m Message) blank() bool {
	return m.Content == "" && len(m.Embeds) == 0 && len(m.Components) == 0 && len(m.Files) == 0 && len(m.Layout) == 0
}

func (e Embed) validate() (int, error) {
	total := 0
	within := func(what, s string, limit int) error {
		n := utf8.RuneCountInString(s)
		total += n
		if n > limit {
			return fmt.Errorf("embed %s has %d characters, limit %d", what, n, limit)
		}
		return nil
	}
	if len(e.Fields) > MaxEmbedFields {
		return 0, fmt.Errorf("embed has %d fields, limit %d", len(e.Fields), MaxEmbedFields)
	}
	type part struct {
		what, text string
		limit      int
	}
	parts := []part{
		{"title", e.Title, MaxEmbedTitle},
		{"description", e.Description, MaxEmbedDescription},
		{"footer", e.Footer, MaxFooter},
		{"author", e.Author, MaxEmbedTitle},
	}
	for _, f := range e.Fields {
		if f.Name == "" || f.Value == "" {
			return 0, fmt.Errorf("embed field %q has no name or no value", f.Name+f.Value)
		}
		parts = append(parts, part{"field name", f.Name, MaxFieldName}, part{"field value", f.Value, MaxFieldValue})
	}
	for _, p := range parts {
		if err := within(p.what, p.text, p.limit); err != nil {
			return 0, err
		}
	}
	return total, nil
}

func (r Row) validate(seen map[string]bool) error {
	switch {
	case r.Select != nil && len(r.Buttons) > 0:
		return errors.New("a row holds buttons or one select, not both")
	case r.Select != nil:
		return r.Select.validate(seen)
	case len(r.Buttons) < 1 || len(r.Buttons) > MaxButtons:
		return fmt.Errorf("row has %d buttons, want 1 to %d", len(r.Buttons), MaxButtons)
	}
	for _, b := range r.Buttons {
		if err := b.validate(seen); err != nil {
			return err
		}
	}
	return nil
}

func (s *Select) validate(seen map[string]bool) error {
	if n := utf8.RuneCountInString(s.Placeholder); n > MaxPlaceholder {
		return fmt.Errorf("placeholder %q is longer than %d", s.Placeholder, MaxPlaceholder)
	}
	if s.Kind == SelectTexts {
		if err := validateLines(s.Options); err != nil {
			return err
		}
	}
	if s.Min < 0 || s.Max < 0 || s.Min > MaxSelectOptions || s.Max > MaxSelectOptions || s.Max > 0 && s.Min > s.Max {
		return fmt.Errorf("select %q takes %d to %d", s.CustomID, s.Min, s.Max)
	}
	return customOnce(s.CustomID, seen)
}

// validateLines checks the lines of a select.
func validateLines(list []SelectOption) error {
	if n := len(list); n < 1 || n > MaxSelectOptions {
		return fmt.Errorf("select has %d options, want 1 to %d", n, MaxSelectOptions)
	}
	values := make(map[string]bool, len(list))
	for _, o := range list {
		label, value := utf8.RuneCountInString(o.Label), utf8.RuneCountInString(o.Value)
		switch {
		case label < 1 || label > MaxOptionText || value < 1 || value > MaxOptionText || utf8.RuneCountInString(o.Description) > MaxOptionText:
			return fmt.Errorf("option %q with value %q and description %q must have 1 to %d characters each", o.Label, o.Value, o.Description, MaxOptionText)
		case values[o.Value]:
			return fmt.Errorf("value %q of an option is used twice", o.Value)
		}
		values[o.Value] = true
	}
	return nil
}

func (b Button) validate(seen map[string]bool) error {
	switch {
	case (b.CustomID == "") == (b.URL == ""):
		return fmt.Errorf("button %q needs a custom id or a URL, and not both", b.Label)
	case b.Label == "" && b.Emoji == "":
		return errors.New("a button has neither label nor emoji")
	case utf8.RuneCountInString(b.Label) > MaxLabel:
		return fmt.Errorf("button label %q is longer than %d", b.Label, MaxLabel)
	case b.URL == "":
		return customOnce(b.CustomID, seen)
	}
	return nil
}

// customOnce checks a custom id and notes it.
func customOnce(id string, seen map[string]bool) error {
	switch {
	case id == "" || utf8.RuneCountInString(id) > MaxCustomID:
		return fmt.Errorf("custom id %q must have 1 to %d characters", id, MaxCustomID)
	case seen[id]:
		return fmt.Errorf("custom id %q is used twice", id)
	}
	seen[id] = true
	return nil
}

// Validate reports the first limit of Discord that the modal breaks.
func (m Modal) Validate() error {
	if n := utf8.RuneCountInString(m.Title); n < 1 || n > MaxModalTitle {
		return fmt.Errorf("modal title has %d characters, want 1 to %d", n, MaxModalTitle)
	}
	if n := utf8.RuneCountInString(m.CustomID); n < 1 || n > MaxCustomID {
		return fmt.Errorf("modal custom id has %d characters, want 1 to %d", n, MaxCustomID)
	}
	if n := len(m.Inputs); n < 1 || n > MaxModalInputs {
		return fmt.Errorf("modal has %d inputs, want 1 to %d", n, MaxModalInputs)
	}
	seen := map[string]bool{}
	for _, in := range m.Inputs {
		if n := utf8.RuneCountInString(in.Label); n < 1 || n > MaxInputLabel {
			return fmt.Errorf("input label %q must have 1 to %d characters", in.Label, MaxInputLabel)
		}
		if n := utf8.RuneCountInString(in.CustomID); n < 1 || n > MaxCustomID || seen[in.CustomID] {
			return fmt.Errorf("input custom id %q must have 1 to %d characters and be unique", in.CustomID, MaxCustomID)
		}
		seen[in.CustomID] = true
		if n := utf8.RuneCountInString(in.Description); n > 100 {
			return fmt.Errorf("input description %q is longer than 100", in.Description)
		}
		switch n := len(in.Options); {
		case in.Kind == InputSelect && (n < 1 || n > MaxSelectOptions || in.Max > n):
			return fmt.Errorf("input %q has %d options for %d choices, want 1 to %d options", in.CustomID, n, in.Max, MaxSelectOptions)
		case in.Kind == InputFiles && in.Max > MaxUploads:
			return fmt.Errorf("input %q takes %d files, limit %d", in.CustomID, in.Max, MaxUploads)
		}
		if in.Min < 0 || in.Min > MaxInputValue || in.Max < 0 || in.Max > MaxInputValue {
			return fmt.Errorf("input %q has lengths %d to %d, limit %d", in.CustomID, in.Min, in.Max, MaxInputValue)
		}
		if err := in.validate(); err != nil {
			return err
		}
	}
	return nil
}

// validate checks what a field shows at first.
func (in Input) validate() error {
	hint := utf8.RuneCountInString(in.Placeholder)
	switch in.Kind {
	case InputSelect:
		if hint > MaxPlaceholder {
			return fmt.Errorf("placeholder of input %q has %d characters, limit %d", in.CustomID, hint, MaxPlaceholder)
		}
		return validateLines(in.Options)
	case InputText:
		if hint > MaxInputHint {
			return fmt.Errorf("placeholder of input %q has %d characters, limit %d", in.CustomID, hint, MaxInputHint)
		}
		most := in.Max
		if most == 0 {
			most = MaxInputValue
		}
		if n := utf8.RuneCountInString(in.Value); n > most {
			return fmt.Errorf("input %q holds %d characters at first, limit %d", in.CustomID, n, most)
		}
	case InputFiles:
	}
	return nil
}
