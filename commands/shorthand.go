// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// ratioLimit is how many times one side may be the other.
const ratioLimit = 20

var (
	flagPattern  = regexp.MustCompile(`(?:^|\s)(?:--|—|–)([A-Za-z_]+)`)
	ratioPattern = regexp.MustCompile(`^(\d{1,3}) ?[:/] ?(\d{1,3})$`)
)

// flag is one "--name value" of a prompt.
type flag struct{ name, value string }

// flags takes the flags that are known out of a text. A value goes on to the next of them, or to the end.
func flags(text string, known func(name string) bool) (rest string, found []flag) {
	from := -1
	take := func(to int) {
		if from >= 0 {
			value := strings.TrimSpace(strings.TrimPrefix(text[from:to], "="))
			found[len(found)-1].value = strings.Trim(value, `"“”`)
		}
	}
	rest = text
	for _, m := range flagPattern.FindAllStringSubmatchIndex(text, -1) {
		name := strings.ToLower(text[m[2]:m[3]])
		if end := text[m[3]:]; end != "" && !strings.ContainsAny(end[:1], "= \t\n\r") || !known(name) {
			continue
		}
		if from < 0 {
			rest = text[:m[0]]
		}
		take(m[0])
		found, from = append(found, flag{name: name}), m[1]
	}
	take(len(text))
	return strings.TrimSpace(rest), found
}

// shortName reports whether the prompt of /generate may have such a flag.
func shortName(name string) bool {
	return slices.Contains([]string{"ar", "no", "seed", "model", "style", "size", "steps", "cfg", "sampler", "n"}, name)
}

// shorthand takes what is written as flags in a prompt into the parameters. Flags win over options.
func (s *Set) shorthand(p *params) error {
	rest, found := flags(p.Prompt, shortName)
	p.Prompt = rest
	return s.flagged(p, found)
}

// flagged takes flags into the parameters, each in its turn.
func (s *Set) flagged(p *params, found []flag) error {
	for _, f := range found {
		p.says(f.name)
		if err := s.flag(p, f); err != nil {
			return err
		}
	}
	return nil
}

// modelNamed is a served model whatever its letters' case, or what was typed; "any" is none.
func (s *Set) modelNamed(text string) string { return modelAmong(s.engine.Models(), text) }

// modelAmong is modelNamed among some models.
func modelAmong(models []horde.ModelStatus, text string) string {
	text = strings.TrimSpace(text)
	if strings.EqualFold(text, choiceAny) || strings.EqualFold(text, "any") {
		return ""
	}
	same := text
	for _, m := range models {
		if m.Name == text {
			return text
		}
		if strings.EqualFold(m.Name, text) {
			same = m.Name
		}
	}
	return same
}

// presetMark begins the name of an own preset in the option "style".
const presetMark = "★ "

// presetOr is the preset that the option "style" names, over somebody's defaults; or these alone.
func (s *Set) presetOr(ctx context.Context, in *discord.Interaction, d chat.Defaults, kind horde.StyleKind) (chat.Defaults, error) {
	name, ok := strings.CutPrefix(in.Command.Options.String("style"), presetMark)
	if !ok {
		return d, nil
	}
	found, err := s.presetFor(ctx, in, name, kind)
	if err != nil {
		return d, err
	}
	d = over(d, found.value.Defaults)
	d.Style = found.value.Style
	in.Command.Options["style"] = discord.OptionValue{Type: discord.OptionString, Value: d.Style}
	return d, nil
}

// completeStyle suggests own presets, own styles, the most used public ones, what many of them have in common, and
// collections.
func (s *Set) completeStyle(ctx context.Context, in *discord.Interaction, kind horde.StyleKind, typed string) []discord.Choice {
	typed = strings.ToLower(strings.TrimSpace(typed))
	e, err := s.effective(ctx, in)
	if err != nil {
		return nil
	}
	var out []discord.Choice
	seen := make(map[string]bool)
	add := func(label, value string, names ...string) {
		if seen[value] || len(out) >= discord.MaxChoices || utf8.RuneCountInString(value) > 100 ||
			!strings.Contains(strings.ToLower(label), typed) || slices.ContainsFunc(append(names, value), e.blockedStyle) {
			return
		}
		seen[value] = true
		out = append(out, discord.Choice{Name: discord.Clip(plain(label), 100), Value: value})
	}
	if docs, err := s.presetsOf(ctx, in.User.ID); err == nil {
		for _, d := range docs {
			if suits(d.value, kind) {
				add(presetMark+d.value.Name, presetMark+d.value.Name)
			}
		}
	}
	style := func(mark string, v horde.StyleView) {
		if v.Kind == kind && (!v.NSFW || e.adult) {
			add(mark+v.Name+" · "+v.Creator, v.FullName(), append(slices.Clone(v.Tags), v.Name)...)
		}
	}
	for _, id := range s.firsts(ctx, in.User.ID).Styles {
		if v, ok := s.engine.StyleNamed(id, kind); ok {
			style("⭐ ", v)
		}
	}
	if u, ok := s.find(in.User.ID); ok {
		for _, v := range s.engine.StylesOf(u.ID) {
			style("👤 ", v)
		}
	}
	const pages = 8
	var popular []horde.StyleView
	for page := 1; page <= pages; page++ {
		list := s.engine.Styles(horde.StyleQuery{Kind: kind, Sort: horde.SortPopular, Page: page})
		popular = append(popular, list...)
		if len(list) < horde.StylesPerPage {
			break
		}
	}
	// What is drawn from gets some room beside the many that are chosen by name.
	for _, v := range popular {
		if len(out) >= discord.MaxChoices-2*maxTagsOffered {
			break
		}
		style("", v)
	}
	before := len(out)
	for _, tag := range styleTags(popular) {
		if len(out) < before+maxTagsOffered {
			add(tagMark+tag, tagMark+tag, tag)
		}
	}
	before = len(out)
	for _, c := range s.engine.Collections(horde.CollectionQuery{Kind: kind, Sort: horde.SortPopular, Page: 1}) {
		if len(out) < before+maxTagsOffered {
			add("🎲 "+c.Name+" · "+c.Creator, c.Creator+"::collection::"+c.Name, c.Name)
		}
	}
	for _, v := range popular {
		style("", v)
	}
	return out
}
