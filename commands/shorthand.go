// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// ratioLimit is how many times one side may be the other.
const ratioLimit = 20

var (
	flagPattern  = regexp.MustCompile(`(?:^|\s)(?:--|—|–)([A-Za-z_]+)(?:[\s=]+|$)`)
	ratioPattern = regexp.MustCompile(`^(\d{1,3}) ?[:/] ?(\d{1,3})$`)
)

// flag is one "--name value" of a prompt.
type flag struct{ name, value string }

// flags takes the flags with the given names out of a text. A value goes on to the next of them, or to the end.
func flags(text string, names []string) (rest string, found []flag) {
	from := -1
	take := func(to int) {
		if from >= 0 {
			found[len(found)-1].value = strings.Trim(strings.TrimSpace(text[from:to]), `"“”`)
		}
	}
	rest = text
	for _, m := range flagPattern.FindAllStringSubmatchIndex(text, -1) {
		name := strings.ToLower(text[m[2]:m[3]])
		if !slices.Contains(names, name) {
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

// shortNames are the flags that the prompt of /generate may have.
func shortNames() []string {
	return []string{"ar", "no", "seed", "model", "style", "size", "steps", "cfg", "sampler", "n"}
}

// shorthand takes what is written as flags in a prompt into the parameters. Flags win over options.
func (s *Set) shorthand(p *params) error {
	rest, found := flags(p.Prompt, shortNames())
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

// flag takes one parameter by its name.
func (s *Set) flag(p *params, f flag) error {
	bad := func() error {
		return tellPlain("refused.behind", "Value", escape(discord.Clip(f.value, 50)), "Name", "--"+f.name)
	}
	number := func(into *int, least, most int) error {
		n, err := strconv.Atoi(f.value)
		if err != nil || n < least || n > most {
			return bad()
		}
		*into = n
		return nil
	}
	switch f.name {
	case "ar":
		w, h, ok := ratio(f.value)
		if !ok {
			return bad()
		}
		p.Width, p.Height = shape(w, h, p.Width*p.Height)
	case "no":
		p.Negative = discord.Clip(strings.Trim(p.Negative+", "+f.value, ", "), maxNegative)
	case "seed":
		if f.value == "" || utf8.RuneCountInString(f.value) > maxSeed {
			return bad()
		}
		p.Seed = f.value
	case "model":
		if f.value == "" || utf8.RuneCountInString(f.value) > maxModel {
			return bad()
		}
		p.Model = s.modelNamed(f.value)
	case "style":
		if f.value == "" || utf8.RuneCountInString(f.value) > 2*horde.MaxStyleName {
			return bad()
		}
		p.Style = f.value
	case "size":
		size, ok := sizeOf(s.sizes(p.Model), f.value)
		if w, h, shaped := ratio(f.value); shaped {
			size.Width, size.Height = shape(w, h, p.Width*p.Height)
		}
		if !ok || f.value == "" {
			return bad()
		}
		p.Width, p.Height = size.Width, size.Height
	case "steps":
		return number(&p.Steps, 1, horde.MaxSteps)
	case "n":
		return number(&p.Amount, 1, maxAmount)
	case "cfg":
		v, err := strconv.ParseFloat(strings.Replace(f.value, ",", ".", 1), 64)
		if err != nil || !(v >= 0 && v <= 100) {
			return bad()
		}
		p.CFG = v
	case "sampler":
		i := slices.IndexFunc(horde.Samplers(), func(n string) bool { return samplerName(n) == samplerName(f.value) })
		if i < 0 {
			return bad()
		}
		p.Sampler = horde.Samplers()[i]
	}
	return nil
}

// samplerName makes the many ways to write a sampler one: "DPM++ 2M" is k_dpmpp_2m.
func samplerName(text string) string {
	text = strings.TrimPrefix(strings.ToLower(text), "k_")
	return strings.NewReplacer("++", "pp", "ancestral", "a", " ", "", "_", "", "-", "").Replace(text)
}

// modelNamed is a served model whatever its letters' case, or what was typed; "any" is none.
func (s *Set) modelNamed(text string) string {
	text = strings.TrimSpace(text)
	if strings.EqualFold(text, choiceAny) || strings.EqualFold(text, "any") {
		return ""
	}
	for _, m := range s.engine.Models() {
		if strings.EqualFold(m.Name, text) {
			return m.Name
		}
	}
	return text
}

// presetMark begins the name of an own preset in the option "style".
const presetMark = "★ "

// presetOr is the preset that the option "style" names, over somebody's defaults; or these alone.
func (s *Set) presetOr(ctx context.Context, in *discord.Interaction, d chat.Defaults) (chat.Defaults, error) {
	name, ok := strings.CutPrefix(in.Command.Options.String("style"), presetMark)
	if !ok {
		return d, nil
	}
	found, err := s.preset(ctx, in, name)
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
	if kind == horde.StyleImage {
		docs, err := s.presetsOf(ctx, in.User.ID)
		if err == nil {
			for _, d := range docs {
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
