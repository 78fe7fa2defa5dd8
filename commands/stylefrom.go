// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"slices"
	"strings"

	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/discord"
)

// verbStyleFrom is the button under everything about an image that makes a style of it, and its form.
const verbStyleFrom = "sf"

// makesStyles reports whether an account may make styles, as far as its roles say.
func makesStyles(u horde.User) bool { return u.Has(horde.RoleTrusted) || u.Has(horde.RoleCustomizer) }

// styleFromRow offers to make a style of a request, to who may; nothing for what a style made already.
func (s *Set) styleFromRow(w words.Words, person, id string, p *params) []discord.Row {
	u, ok := s.find(person)
	if !ok || !makesStyles(u) || !p.pictures() || p.Styled != nil {
		return nil
	}
	return []discord.Row{{Buttons: []discord.Button{button(w.T("styles.from"), "🎨", verbStyleFrom, id, discord.Secondary)}}}
}

// pressStyleFrom opens the form. Its prompt has the places for what people will ask for.
func (s *Set) pressStyleFrom(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	row, p, e, ok, err := s.remakes(ctx, in, r)
	if err != nil || !ok {
		return err
	}
	w := e.say
	prompt := "{p}, " + p.Prompt + " ### {np}"
	if p.Negative != "" {
		prompt += ", " + p.Negative
	}
	input := func(name string, most int, required bool) discord.Input {
		return discord.Input{CustomID: name, Label: discord.Clip(w.T("styles.form."+name), discord.MaxInputLabel), Max: most, Required: required}
	}
	text := input("prompt", maxPrompt, true)
	text.Paragraph, text.Value = true, discord.Clip(prompt, maxPrompt)
	return r.Modal(ctx, discord.Modal{
		CustomID: discord.CustomID{Verb: verbStyleFrom, ID: short(row)}.String(), Title: discord.Clip(w.T("styles.from"), discord.MaxModalTitle),
		Inputs: []discord.Input{input("name", horde.MaxStyleName, true), text, input("tags", 300, false), input("info", horde.MaxStyleInfo, false)},
	})
}

// submitStyleFrom makes the style. It is nobody's but its person's until they show it in the lists.
func (s *Set) submitStyleFrom(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	in.Component.ID = in.Modal.ID // the row is found by it
	_, p, e, ok, err := s.remakes(ctx, in, r)
	if err != nil || !ok {
		return err
	}
	by, err := s.need(ctx, in)
	if err != nil {
		return err
	}
	v := in.Modal.Values
	draft := horde.StyleDraft{
		Kind: horde.StyleImage, Name: v["name"], Info: v["info"], Prompt: v["prompt"], Tags: splitList(v["tags"]), NSFW: p.Adult,
		Models: p.usedModels(), Image: p.asStyle(),
	}
	if err := horde.CheckStyleCounts(draft.Models, draft.Tags); err != nil {
		return err
	}
	st, err := engine.Do(ctx, s.engine, horde.CreateStyle{By: by.ID, StyleDraft: draft})
	if err != nil {
		return err
	}
	return r.Reply(ctx, private(e.say.T("styles.created", "Style", escape(st.Name), "Info", s.cmd("styles info"))))
}

// usedModels are the models of a request: the one that was asked for, or those that made it.
func (p *params) usedModels() []string {
	if p.Model != "" {
		return []string{p.Model}
	}
	var out []string
	for _, g := range p.Made {
		if g.Model != "" && !slices.Contains(out, g.Model) && len(out) < horde.MaxStyleModels {
			out = append(out, g.Model)
		}
	}
	return out
}

// asStyle are the parameters of a request as a style has them: how it is made, and not what is in it.
func (p *params) asStyle() *horde.ImageStyle {
	st := &horde.ImageStyle{Sampler: p.Sampler, CFG: &p.CFG, Width: p.Width, Height: p.Height, Steps: p.Steps, Karras: &p.Karras}
	if f := p.Fine; f != nil {
		st.ClipSkip, st.Post, st.Loras, st.TIs = f.ClipSkip, slices.Clone(f.Post), slices.Clone(f.Loras), slices.Clone(f.TIs)
		for _, b := range []struct {
			is bool
			at **bool
		}{{f.Tiling, &st.Tiling}, {f.Hires, &st.HiresFix}, {f.Transparent, &st.Transparent}} {
			if b.is {
				*b.at = new(true)
			}
		}
		if f.FaceFixer > 0 {
			st.FaceFixer = new(f.FaceFixer)
		}
	}
	return st
}

// styleExample adds a picture that shows what a style does, or takes one away. The horde keeps its address alone, so it must
// lie where it stays.
func (s *Set) styleExample(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	by, err := s.need(ctx, in)
	if err != nil {
		return err
	}
	o, w := in.Command.Options, s.say(in)
	st, err := s.styleCalled(in, o.String("style"))
	if err != nil {
		return err
	}
	address := strings.TrimSpace(o.String("address"))
	i := slices.IndexFunc(st.Examples, func(x horde.Example) bool { return x.URL == address })
	switch {
	case o.Bool("remove", false) && i < 0:
		return tell(w.T("styles.noexample"))
	case o.Bool("remove", false):
		_, err = engine.Do(ctx, s.engine, horde.DeleteExample{By: by.ID, Style: st.ID, Example: st.Examples[i].ID})
	case i >= 0:
		_, err = engine.Do(ctx, s.engine, horde.ChangeExample{By: by.ID, Style: st.ID, Example: st.Examples[i].ID, Primary: flagOf(o, "primary")})
	default:
		_, err = engine.Do(ctx, s.engine, horde.AddExample{By: by.ID, Style: st.ID, URL: address, Primary: o.Bool("primary", false)})
	}
	if err != nil {
		return err
	}
	st, err = s.styleCalled(in, st.ID.String())
	if err != nil {
		return err
	}
	return r.Reply(ctx, private(w.T("styles.examples", "Style", escape(st.Name), "Count", len(st.Examples))))
}

// textStyleHasNone refuses parameters of images for a style that writes texts.
func (s *Set) textStyleHasNone(in *discord.Interaction) error {
	if slices.ContainsFunc([]string{"steps", "cfg", "sampler", "size"}, in.Command.Options.Has) {
		return tell(s.say(in).T("styles.textonly"))
	}
	return nil
}
