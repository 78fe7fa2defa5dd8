package discord

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of a layout.
const (
	MaxLayout      = 40   // components, nested ones counted
	MaxLayoutText  = 4000 // characters over all texts
	MaxGallery     = 10
	MaxSectionText = 3
)

const flagLayout = 1 << 15 // IS_COMPONENTS_V2; a message never loses it

// Block is a part of a Layout: Text, Section, Gallery, Divider, Row or Container.
type Block interface {
	wire() wireComponent
	// check adds what the block uses up and reports the first rule that it breaks.
	check(u *usage) error
}

// Layout is the body of a message made of components alone, Discord's "Components V2": texts, pictures and buttons in any
// order. Such a message has no content and no embeds; files show only where a block refers to them. A message that once
// had a layout always has one.
type Layout []Block

// Text is a paragraph with Discord's markup.
type Text string

// Picture is an image inside of a layout.
type Picture struct {
	URL         string // attachment://name of a file of the same message, or https
	Description string // alt text, at most MaxDescription characters
	Spoiler     bool
}

// Gallery shows 1 to MaxGallery pictures as a grid.
type Gallery []Picture

// Section is one to three texts with a picture or a button beside them.
type Section struct {
	Texts   []string
	Picture *Picture
	Button  *Button // exactly one of Picture and Button is set
}

// Divider separates blocks.
type Divider struct {
	Invisible bool // only space
	Large     bool
}

// Container frames blocks; it cannot hold another one.
type Container struct {
	Blocks  []Block
	Color   int // 0xRRGGBB; 0 for none
	Spoiler bool
}

// usage is what a layout has used up so far.
type usage struct {
	components, text int
	ids              map[string]bool
	files            map[string]bool // of the message; nil when they are not known, as in an edit that keeps files
	inside           bool
}

func (u *usage) add(n int) error {
	if u.components += n; u.components > MaxLayout {
		return fmt.Errorf("layout has more than %d components", MaxLayout)
	}
	return nil
}

func (u *usage) words(s string) error {
	n := utf8.RuneCountInString(s)
	if n == 0 {
		return errors.New("a text of the layout is empty")
	}
	if u.text += n; u.text > MaxLayoutText {
		return fmt.Errorf("layout has more than %d characters", MaxLayoutText)
	}
	return nil
}

func (u *usage) picture(p Picture) error {
	if utf8.RuneCountInString(p.Description) > MaxDescription {
		return fmt.Errorf("description of picture %q is longer than %d", p.URL, MaxDescription)
	}
	name, attached := strings.CutPrefix(p.URL, "attachment://")
	switch {
	case attached && u.files != nil && !u.files[name]:
		return fmt.Errorf("picture %q is no file of the message", name)
	case !attached && !strings.HasPrefix(p.URL, "https://") && !strings.HasPrefix(p.URL, "http://"):
		return fmt.Errorf("picture %q is neither a file nor an address", p.URL)
	}
	return nil
}

// validate reports the first limit that a message with a layout breaks.
func (l Layout) validate(m Message) error {
	if m.Content != "" || len(m.Embeds) > 0 || len(m.Components) > 0 {
		return errors.New("a message with a layout has no content, embeds or rows beside it")
	}
	u := &usage{ids: map[string]bool{}}
	if !m.KeepFiles {
		u.files = map[string]bool{}
		for _, f := range m.Files {
			u.files[fileName(f)] = true
		}
	}
	for _, b := range l {
		if b == nil {
			return errors.New("a block of the layout is missing")
		}
		if err := b.check(u); err != nil {
			return err
		}
	}
	return nil
}

func (l Layout) wire() *[]wireComponent {
	list := []wireComponent{}
	for _, b := range l {
		list = append(list, b.wire())
	}
	return &list
}

func (t Text) check(u *usage) error { return errors.Join(u.add(1), u.words(string(t))) }

func (t Text) wire() wireComponent { return wireComponent{Type: 10, Content: string(t)} }

func (p Picture) wire(kind int) wireComponent {
	return wireComponent{Type: kind, Media: &wireMedia{URL: p.URL}, Description: p.Description, Spoiler: p.Spoiler}
}

func (g Gallery) check(u *usage) error {
	if len(g) < 1 || len(g) > MaxGallery {
		return fmt.Errorf("gallery has %d pictures, want 1 to %d", len(g), MaxGallery)
	}
	for _, p := range g {
		if err := u.picture(p); err != nil {
			return err
		}
	}
	return u.add(1)
}

func (g Gallery) wire() wireComponent {
	w := wireComponent{Type: 12}
	for _, p := range g {
		w.Items = append(w.Items, wireItem{Media: wireMedia{URL: p.URL}, Description: p.Description, Spoiler: p.Spoiler})
	}
	return w
}

func (s Section) check(u *usage) error {
	if len(s.Texts) < 1 || len(s.Texts) > MaxSectionText {
		return fmt.Errorf("section has %d texts, want 1 to %d", len(s.Texts), MaxSectionText)
	}
	for _, t := range s.Texts {
		if err := u.words(t); err != nil {
			return err
		}
	}
	switch {
	case (s.Picture == nil) == (s.Button == nil):
		return errors.New("a section has a picture or a button beside it, and not both")
	case s.Picture != nil:
		if err := u.picture(*s.Picture); err != nil {
			return err
		}
	default:
		if err := s.Button.validate(u.ids); err != nil {
			return err
		}
	}
	return u.add(2 + len(s.Texts))
}

func (s Section) wire() wireComponent {
	w := wireComponent{Type: 9}
	for _, t := range s.Texts {
		w.Components = append(w.Components, Text(t).wire())
	}
	var beside wireComponent
	if s.Picture != nil {
		beside = s.Picture.wire(11)
	} else {
		beside = s.Button.wire()
	}
	w.Accessory = &beside
	return w
}

func (d Divider) check(u *usage) error { return u.add(1) }

func (d Divider) wire() wireComponent {
	visible := !d.Invisible
	w := wireComponent{Type: 14, Divider: &visible, Spacing: 1}
	if d.Large {
		w.Spacing = 2
	}
	return w
}

func (r Row) check(u *usage) error {
	if err := r.validate(u.ids); err != nil {
		return err
	}
	n := 1 + len(r.Buttons)
	if r.Select != nil {
		n++
	}
	return u.add(n)
}

func (r Row) wire() wireComponent {
	row := wireComponent{Type: 1}
	for _, b := range r.Buttons {
		row.Components = append(row.Components, b.wire())
	}
	if r.Select != nil {
		row.Components = append(row.Components, r.Select.wire())
	}
	return row
}

func (c Container) check(u *usage) error {
	if u.inside {
		return errors.New("a container cannot hold another one")
	}
	if len(c.Blocks) == 0 {
		return errors.New("a container is empty")
	}
	if c.Color < 0 || c.Color > 0xFFFFFF {
		return fmt.Errorf("container colour %#x is not 0xRRGGBB", c.Color)
	}
	u.inside = true
	defer func() { u.inside = false }()
	for _, b := range c.Blocks {
		if b == nil {
			return errors.New("a block of a container is missing")
		}
		if err := b.check(u); err != nil {
			return err
		}
	}
	return u.add(1)
}

func (c Container) wire() wireComponent {
	w := wireComponent{Type: 17, Spoiler: c.Spoiler}
	if c.Color != 0 {
		w.Color = &c.Color
	}
	for _, b := range c.Blocks {
		w.Components = append(w.Components, b.wire())
	}
	return w
}
