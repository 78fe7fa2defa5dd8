// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"stablemate/horde"
	"stablemate/internal/discord"
)

// Bounds of the fine parameters.
const (
	maxClipSkip  = 12
	maxLoraLine  = 300
	maxPasteLine = 3000
	loraStrength = 5.0
	maxVariation = 1000
	maxPostShown = 25
)

// modes are what may be done with a source image.
func modes() []string { return []string{"img2img", "inpainting", "outpainting", "remix"} }

// advancedFamily is /advanced and its panel.
func (s *Set) advancedFamily() family {
	number := func(name string, kind discord.OptionType, least, most float64) discord.OptionSpec {
		return s.optionOf("advanced.opt"+name, discord.OptionSpec{Name: name, Type: kind, Min: new(least), Max: new(most)})
	}
	text := func(name string, most int, complete bool) discord.OptionSpec {
		return s.optionOf("advanced.opt"+name, discord.OptionSpec{
			Name: name, Type: discord.OptionString, MaxLength: new(most), Autocomplete: complete,
		})
	}
	choices := func(list []string) (out []discord.Choice) {
		for _, v := range list {
			out = append(out, discord.Choice{Name: v, Value: v})
		}
		return out
	}
	clip, hires := number("clipskip", discord.OptionInteger, 1, maxClipSkip), s.optionOf("advanced.opthires", discord.OptionSpec{Name: "hires_fix", Type: discord.OptionBoolean})
	clip.Name = "clip_skip"
	loraStrengthSpec := number("lorastrength", discord.OptionNumber, -loraStrength, loraStrength)
	loraStrengthSpec.Name = "lora_strength"
	spec := discord.CommandSpec{
		Name: "advanced", Description: s.bundle.For("en").T("advanced.desc"), Descriptions: s.bundle.Locales("advanced.desc"), DMs: true, UserInstall: true,
		Options: []discord.OptionSpec{
			{Name: "prompt", Description: descPrompt, Type: discord.OptionString, Required: true, MinLength: new(1), MaxLength: new(maxPrompt)},
			{Name: "negative", Description: descNegative, Type: discord.OptionString, MaxLength: new(maxNegative)},
			s.optionOf("image.optstyle", discord.OptionSpec{Name: "style", Type: discord.OptionString, Autocomplete: true, MaxLength: new(2 * horde.MaxStyleName)}),
			{Name: "model", Description: descModel, Type: discord.OptionString, Autocomplete: true, MaxLength: new(maxModel)},
			number("width", discord.OptionInteger, horde.MinSide, horde.MaxSide), number("height", discord.OptionInteger, horde.MinSide, horde.MaxSide),
			{Name: "steps", Description: descSteps, Type: discord.OptionInteger, Min: new(1.0), Max: new(float64(horde.MaxSteps))},
			number("cfg", discord.OptionNumber, 0, 100),
			s.optionOf("advanced.optsampler", discord.OptionSpec{Name: "sampler", Type: discord.OptionString, Choices: choices(horde.Samplers())}),
			s.optionOf("advanced.optscheduler", discord.OptionSpec{Name: "scheduler", Type: discord.OptionString, Choices: choices([]string{"karras", "simple"})}),
			{Name: "seed", Description: descSeed, Type: discord.OptionString, MaxLength: new(maxSeed)},
			{Name: "amount", Description: descAmount, Type: discord.OptionInteger, Min: new(1.0), Max: new(float64(maxAmount))},
			s.optionOf("image.optimage", discord.OptionSpec{Name: "image", Type: discord.OptionAttachment}),
			s.optionOf("advanced.optmask", discord.OptionSpec{Name: "mask", Type: discord.OptionAttachment}),
			s.optionOf("advanced.optmode", discord.OptionSpec{Name: "mode", Type: discord.OptionString, Choices: choices(modes())}),
			s.optionOf("image.optstrength", discord.OptionSpec{Name: "strength", Type: discord.OptionInteger, Min: new(1.0), Max: new(100.0)}),
			text("lora", maxLoraLine, true), loraStrengthSpec, text("embeddings", maxLoraLine, true), text("post", maxLoraLine, true),
			clip, hires, text("parameters", maxPasteLine, false),
			s.optionOf("advanced.optreview", discord.OptionSpec{Name: "review", Type: discord.OptionBoolean}),
			{Name: "private", Description: descPrivate, Type: discord.OptionBoolean},
		},
	}
	return family{specs: []discord.CommandSpec{spec}, register: func(rt *discord.Router) {
		rt.Command("advanced", discord.Route{Handle: s.answered(s.advanced), Autocomplete: s.completeAdvanced})
		rt.Component(verbDraft, discord.Route{Handle: s.answered(s.pressDraft), Private: true})
		rt.Modal(verbDraft, discord.Route{Handle: s.answered(s.submitDraft), Private: true})
		rt.Component(verbCorrect, discord.Route{Handle: s.answered(s.pressCorrect), Private: true})
		rt.Component(verbCorrected, discord.Route{Handle: s.answered(s.pressCorrected)})
	}}
}

func (s *Set) completeAdvanced(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	switch in.Command.Focused {
	case "post":
		return completeList(ctx, in, r, horde.PostProcessors())
	case "lora", "embeddings":
		typed := in.Command.Options.String(in.Command.Focused)
		return late(r.Autocomplete(ctx, inList(s.knownNetworks(ctx, in, in.Command.Focused == "lora"), typed)))
	}
	return s.complete(ctx, in, r)
}

func (s *Set) advanced(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	e, err := s.effective(ctx, in)
	if err != nil {
		return err
	}
	d, err := s.presetOr(ctx, in, e.person.Defaults, horde.StyleImage)
	if err != nil {
		return err
	}
	o := in.Command.Options
	p, err := s.read(e.say, o, d)
	if err != nil {
		return err
	}
	e.fit(&p, o)
	unknown, err := s.readFine(o, &p)
	if err != nil {
		return err
	}
	hidden := e.hidden(o)
	if !o.Bool("review", false) && len(unknown) == 0 {
		return s.start(ctx, in, r, p, hidden)
	}
	if err := r.Defer(ctx, true); err != nil { // images are read now: their addresses do not last
		return err
	}
	if err := s.keepPictures(ctx, in.ID, &p); err != nil {
		return err
	}
	if err := s.saveDraft(ctx, in, p, hidden); err != nil {
		return err
	}
	note := ""
	if len(unknown) > 0 {
		note = e.say.T("advanced.unknown", "Names", escape(discord.Clip(strings.Join(unknown, ", "), 300)))
	}
	return r.Reply(ctx, s.panel(e, p, note))
}

// readFine takes the options that /generate does not have. unknown lists what a pasted line says and nobody understands.
func (s *Set) readFine(o discord.OptionValues, p *params) (unknown []string, err error) {
	f := p.detail()
	p.Width, p.Height = int(o.Int("width", int64(p.Width))), int(o.Int("height", int64(p.Height)))
	p.CFG = o.Number("cfg", p.CFG)
	if v := o.String("sampler"); v != "" {
		p.Sampler = v
	}
	switch o.String("scheduler") {
	case "karras":
		p.Karras = true
	case "simple":
		p.Karras = false
	}
	f.ClipSkip, f.Hires = int(o.Int("clip_skip", int64(f.ClipSkip))), o.Bool("hires_fix", f.Hires)
	if f.Mode = o.String("mode"); f.Mode != "" && !slices.Contains(modes(), f.Mode) {
		return nil, tellPlain("refused.mode", "Mode", escape(discord.Clip(f.Mode, 50)))
	}
	if a, ok := o.Attachment("mask"); ok {
		pic, ok := ofAttachment(a)
		switch {
		case !ok || a.Size > maxPicture:
			return nil, tellPlain("refused.mask")
		case p.from == nil:
			return nil, tellPlain("refused.maskalone")
		}
		p.mask = pic
	}
	if o.Has("lora") {
		if f.Loras, err = loras(o.String("lora"), o.Number("lora_strength", 1)); err != nil {
			return nil, err
		}
	}
	if o.Has("embeddings") {
		if f.TIs, err = embeddings(o.String("embeddings")); err != nil {
			return nil, err
		}
	}
	if o.Has("post") {
		if f.Post, err = postProcessors(o.String("post")); err != nil {
			return nil, err
		}
	}
	if text := strings.TrimSpace(o.String("parameters")); text != "" {
		return s.paste(p, text)
	}
	return nil, nil
}

// loras reads LoRAs, one a line or separated by commas: name or number, strength, strength of CLIP, trigger; with colons
// in between.
func loras(text string, usual float64) ([]horde.Lora, error) {
	var out []horde.Lora
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == ',' }) {
		parts := strings.SplitN(line, ":", 4)
		l := horde.Lora{Name: strings.TrimSpace(parts[0]), Model: usual, Clip: 1}
		if l.Name == "" {
			continue
		}
		for i, into := range []*float64{&l.Model, &l.Clip} {
			if len(parts) <= i+1 || strings.TrimSpace(parts[i+1]) == "" {
				continue
			}
			v, err := strconv.ParseFloat(strings.TrimSpace(parts[i+1]), 64)
			if err != nil || !(v >= -loraStrength && v <= loraStrength) {
				return nil, tellPlain("refused.lora", "Line", escape(discord.Clip(line, 60)))
			}
			*into = v
		}
		if len(parts) == 4 {
			l.InjectTrigger = strings.TrimSpace(parts[3])
		}
		out = append(out, l)
	}
	if len(out) > horde.MaxLoras {
		return nil, tellPlain("refused.loras", "Most", horde.MaxLoras)
	}
	return out, nil
}

// Where a textual inversion is put.
const (
	injectPrompt   = "prompt"
	injectNegative = "negprompt"
)

// embeddings reads textual inversions in the same way: name or number and strength. The mark "neg" behind these puts one
// into what the image should not show.
func embeddings(text string) ([]horde.TI, error) {
	var out []horde.TI
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == ',' }) {
		parts := strings.SplitN(line, ":", 3)
		ti := horde.TI{Name: strings.TrimSpace(parts[0]), Strength: 1, InjectTI: injectPrompt}
		if ti.Name == "" {
			continue
		}
		for _, part := range parts[1:] {
			switch part = strings.ToLower(strings.TrimSpace(part)); part {
			case "":
			case "neg", "negative", injectNegative:
				ti.InjectTI = injectNegative
			default:
				if takeNumber(&ti.Strength, part, -loraStrength, loraStrength) != nil {
					return nil, tellPlain("refused.ti", "Line", escape(discord.Clip(line, 60)))
				}
			}
		}
		out = append(out, ti)
	}
	if len(out) > horde.MaxTIs {
		return nil, tellPlain("refused.tis", "Most", horde.MaxTIs)
	}
	return out, nil
}

// postProcessors reads a list of them.
func postProcessors(text string) ([]string, error) {
	var out []string
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == ';' }) {
		i := slices.IndexFunc(horde.PostProcessors(), func(n string) bool { return strings.EqualFold(n, part) })
		if i < 0 {
			return nil, tellPlain("refused.post", "Name", escape(discord.Clip(part, 50)))
		}
		if name := horde.PostProcessors()[i]; !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out, nil
}
