// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// Bounds of presets.
const (
	maxPresetName = 32 // characters
	maxRecent     = 25 // requests that a preset can be made of
	maxLookedAt   = 75 // of which these are chosen
)

// verbPreset is the verb of the button under a shared preset: the ID is its owner, the argument its own.
const verbPreset = "ps"

// presetsOf lists somebody's presets by name.
func (s *Set) presetsOf(ctx context.Context, person string) ([]entry[chat.Preset], error) {
	list, err := s.presets.ofPerson(ctx, person)
	if err != nil {
		return nil, fmt.Errorf("presets of a person: %w", err)
	}
	slices.SortStableFunc(list, func(a, b entry[chat.Preset]) int {
		return strings.Compare(strings.ToLower(a.value.Name), strings.ToLower(b.value.Name))
	})
	return list, nil
}

// preset finds one of somebody's presets by its name.
func (s *Set) preset(ctx context.Context, in *discord.Interaction, name string) (entry[chat.Preset], error) {
	list, err := s.presetsOf(ctx, in.User.ID)
	if err != nil {
		return entry[chat.Preset]{}, err
	}
	for _, e := range list {
		if strings.EqualFold(e.value.Name, plain(name)) {
			return e, nil
		}
	}
	return entry[chat.Preset]{}, tell(s.say(in).T("preset.none", "Name", escape(name)))
}

// presetFor is preset for requests of a kind alone.
func (s *Set) presetFor(ctx context.Context, in *discord.Interaction, name string, kind horde.StyleKind) (entry[chat.Preset], error) {
	e, err := s.preset(ctx, in, name)
	if err == nil && !suits(e.value, kind) {
		err = tell(s.say(in).T("preset.otherkind", "Name", escape(e.value.Name)))
	}
	return e, err
}

// recent lists somebody's last requests for images and texts, the newest first. Deleted ones, and those about images that
// are there, have nothing to keep, and copies in galleries are no requests.
func (s *Set) recent(ctx context.Context, person string) ([]entry[params], error) {
	rows, err := s.deps.Docs.MessagesOfPerson(ctx, person, maxLookedAt) // those that are running, too
	if err != nil {
		return nil, fmt.Errorf("requests of a person: %w", err)
	}
	var out []entry[params]
	for _, row := range rows {
		var p params
		if len(out) < maxRecent && !isGone(row) && !inGallery(row) && json.Unmarshal(row.Params, &p) == nil && p.Forms == nil {
			out = append(out, entry[params]{row.Key, p})
		}
	}
	return out, nil
}

// over puts parameters over others; what is empty leaves the others'.
func over(wide, narrow chat.Defaults) chat.Defaults {
	setIf(&wide.Model, narrow.Model)
	setIf(&wide.Style, narrow.Style)
	setIf(&wide.Negative, narrow.Negative)
	if narrow.Width > 0 {
		wide.Width, wide.Height = narrow.Width, narrow.Height
	}
	setIf(&wide.Steps, narrow.Steps)
	setIf(&wide.Amount, narrow.Amount)
	setIf(&wide.CFG, narrow.CFG)
	setIf(&wide.Sampler, narrow.Sampler)
	setIf(&wide.Karras, narrow.Karras)
	setIf(&wide.Text, narrow.Text)
	if len(narrow.Fine) > 0 {
		wide.Fine = narrow.Fine
	}
	return wide
}

// presetSave makes a preset of a request's parameters: the named one's, or the last one's.
func (s *Set) presetSave(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w, o := s.say(in), in.Command.Options
	name := plain(o.String("name"))
	if n := utf8.RuneCountInString(name); n < 1 || n > maxPresetName {
		return tell(w.T("preset.badname", "Most", maxPresetName))
	}
	recent, err := s.recent(ctx, in.User.ID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(recent, func(e entry[params]) bool { return !o.Has("from") || e.key == keyOf(o.String("from")) })
	if i < 0 {
		return tell(w.T("preset.norequest", "Generate", s.cmd("generate")))
	}
	d, err := recent[i].value.defaults()
	if err != nil {
		return err
	}
	return s.keepPreset(ctx, in, r, chat.Preset{Name: name, Made: s.now(), Defaults: d})
}

// defaults are the parameters of a request that a preset keeps: all but what it is about. What is done with a source image
// goes with that image.
func (p *params) defaults() (chat.Defaults, error) {
	if p.Text != nil {
		return chat.Defaults{Model: p.Model, Style: p.Style, Amount: p.Amount, Text: p.Text.defaults()}, nil
	}
	d := chat.Defaults{
		Model: p.Model, Style: p.Style, Negative: p.Negative, Width: p.Width, Height: p.Height, Steps: p.Steps, Amount: p.Amount, CFG: p.CFG,
		Sampler: p.Sampler, Karras: new(p.Karras),
	}
	if p.Fine == nil {
		return d, nil
	}
	f := *p.Fine
	f.Mode, f.Control, f.Extra, f.QR = "", "", nil, ""
	data, err := json.Marshal(f)
	if err != nil {
		return d, fmt.Errorf("encode parameters: %w", err)
	}
	if string(data) != "{}" {
		d.Fine = data
	}
	return d, nil
}

// fineOf reads the fine parameters of a preset; nil when it has none.
func fineOf(d chat.Defaults) (*fine, error) {
	if len(d.Fine) == 0 {
		return nil, nil //nolint:nilnil // most presets have none
	}
	var f fine
	if err := json.Unmarshal(d.Fine, &f); err != nil {
		return nil, fmt.Errorf("read a preset: %w", err)
	}
	return &f, nil
}

// suits reports whether a preset is one for requests of a kind.
func suits(p chat.Preset, kind horde.StyleKind) bool {
	return (p.Text != nil) == (kind == horde.StyleText)
}

// keepPreset saves a preset and says so.
func (s *Set) keepPreset(ctx context.Context, in *discord.Interaction, r *discord.Responder, p chat.Preset) error {
	if err := s.storePreset(ctx, in, p); err != nil {
		return err
	}
	w := s.say(in)
	if p.Text != nil {
		return r.Reply(ctx, private(w.T("preset.savedtext", "Name", escape(p.Name), "What", showDefaults(w, p.Defaults), "Text", s.cmd("text"))))
	}
	return r.Reply(ctx, private(w.T("preset.saved", "Name", escape(p.Name), "What", showDefaults(w, p.Defaults), "Generate", s.cmd("generate"))))
}

// storePreset saves a preset in place of one with the same name, or beside the others.
func (s *Set) storePreset(ctx context.Context, in *discord.Interaction, p chat.Preset) error {
	done, err := s.panels.take(ctx, verbPreset+":"+in.User.ID) // so that there is one of a name, and not too many
	if err != nil {
		return err
	}
	defer done()
	list, err := s.presetsOf(ctx, in.User.ID)
	if err != nil {
		return err
	}
	key := in.User.ID + ":" + in.ID
	i := slices.IndexFunc(list, func(e entry[chat.Preset]) bool { return strings.EqualFold(e.value.Name, p.Name) })
	switch {
	case i >= 0:
		key = list[i].key
	case len(list) >= chat.MaxPresets:
		return tell(s.say(in).T("preset.toomany", "Most", chat.MaxPresets))
	}
	if _, err := s.presets.change(ctx, key, about{person: in.User.ID}, func(v *chat.Preset) error {
		*v = p
		return nil
	}); err != nil {
		return fmt.Errorf("save a preset: %w", err)
	}
	return nil
}

func (s *Set) presetList(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	w := s.say(in)
	list, err := s.presetsOf(ctx, in.User.ID)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return r.Reply(ctx, private(w.T("preset.empty", "Save", s.cmd("settings preset save"))))
	}
	var out []string
	for _, e := range list {
		out = append(out, "**"+escape(e.value.Name)+"** · "+discord.Clip(showDefaults(w, e.value.Defaults), 4000/chat.MaxPresets-maxPresetName-15))
	}
	m := private("")
	m.Embeds = []discord.Embed{{
		Title: w.T("preset.title"), Color: embedColor, Description: discord.Clip(strings.Join(out, "\n"), discord.MaxEmbedDescription),
	}}
	return r.Reply(ctx, m)
}

func (s *Set) presetDelete(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	e, err := s.preset(ctx, in, in.Command.Options.String("name"))
	if err != nil {
		return err
	}
	if _, err := s.presets.drop(ctx, e.key); err != nil {
		return fmt.Errorf("delete a preset: %w", err)
	}
	return r.Reply(ctx, private(s.say(in).T("preset.deleted", "Name", escape(e.value.Name))))
}

// presetShare shows a preset to everybody, who may copy it from then on.
func (s *Set) presetShare(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	e, err := s.preset(ctx, in, in.Command.Options.String("name"))
	if err != nil {
		return err
	}
	rules, err := s.effective(ctx, in)
	if err != nil {
		return err
	}
	if err := rules.allows(ask{texts: []string{e.value.Name, e.value.Negative, e.value.Model, e.value.Style}}); err != nil {
		return err
	}
	if _, err := s.presets.change(ctx, e.key, about{person: in.User.ID}, func(v *chat.Preset) error {
		v.Share = true
		return nil
	}); err != nil {
		return fmt.Errorf("share a preset: %w", err)
	}
	w := s.sayAloud(in)
	_, id, _ := strings.Cut(e.key, ":")
	return r.Reply(ctx, discord.Message{
		Content: w.T("preset.shared", "Who", mention(in.User.ID), "Name", escape(e.value.Name), "What", showDefaults(w, e.value.Defaults)),
		Components: []discord.Row{{Buttons: []discord.Button{{
			Label: w.T("preset.copy"), Style: discord.Primary, CustomID: discord.CustomID{Verb: verbPreset, ID: in.User.ID, Arg: id}.String(),
		}}}},
	})
}

// pressPreset copies a shared preset for whoever presses.
func (s *Set) pressPreset(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	id := in.Component.ID
	p, found, err := s.presets.get(ctx, id.ID+":"+id.Arg)
	switch {
	case err != nil:
		return fmt.Errorf("read a preset: %w", err)
	case !found || !p.Share:
		return tell(s.say(in).T("preset.gone"))
	}
	p.Made, p.From, p.Share = s.now(), id.ID, false
	return s.keepPreset(ctx, in, r, p)
}

// completePreset suggests somebody's presets, or the requests that one can be made of.
func (s *Set) completePreset(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	var choices []discord.Choice
	typed := strings.ToLower(plain(in.Command.Options.String(in.Command.Focused)))
	if in.Command.Focused == "from" {
		recent, err := s.recent(ctx, in.User.ID)
		if err != nil {
			return err
		}
		for _, e := range recent {
			if text := plain(e.value.Prompt); text != "" && strings.Contains(strings.ToLower(text), typed) {
				choices = append(choices, discord.Choice{Name: discord.Clip(text, 100), Value: strings.TrimPrefix(e.key, keyPrefix)})
			}
		}
	} else {
		list, err := s.presetsOf(ctx, in.User.ID)
		if err != nil {
			return err
		}
		for _, e := range list {
			if in.Command.Path == "generate" && !suits(e.value, horde.StyleImage) || in.Command.Path == "settings preset text" && !suits(e.value, horde.StyleText) {
				continue
			}
			if len(choices) < discord.MaxChoices && strings.Contains(strings.ToLower(e.value.Name), typed) {
				choices = append(choices, discord.Choice{Name: e.value.Name, Value: e.value.Name})
			}
		}
	}
	err := r.Autocomplete(ctx, choices)
	if errors.Is(err, discord.ErrTooLate) {
		return nil
	}
	return err
}
