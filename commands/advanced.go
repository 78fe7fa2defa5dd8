// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"encoding/json"
	"fmt"
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
			text("lora", maxLoraLine, false), loraStrengthSpec, text("embeddings", maxLoraLine, false), text("post", maxLoraLine, true),
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
	if in.Command.Focused != "post" {
		return s.complete(ctx, in, r)
	}
	typed := in.Command.Options.String("post")
	i := strings.LastIndex(typed, ",")
	before, last := typed[:i+1], strings.ToLower(strings.TrimSpace(typed[i+1:]))
	if before != "" {
		before += " "
	}
	var choices []discord.Choice
	for _, name := range horde.PostProcessors() {
		if text := before + name; strings.Contains(strings.ToLower(name), last) && len(text) <= 100 {
			choices = append(choices, discord.Choice{Name: text, Value: text})
		}
	}
	return late(r.Autocomplete(ctx, choices[:min(len(choices), discord.MaxChoices)]))
}

func (s *Set) advanced(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	e, err := s.effective(ctx, in)
	if err != nil {
		return err
	}
	d, err := s.presetOr(ctx, in, e.person.Defaults)
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
	f.ClipSkip, f.Hires = int(o.Int("clip_skip", 0)), o.Bool("hires_fix", false)
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
	if f.Loras, err = loras(o.String("lora"), o.Number("lora_strength", 1)); err != nil {
		return nil, err
	}
	if f.TIs, err = embeddings(o.String("embeddings")); err != nil {
		return nil, err
	}
	if f.Post, err = postProcessors(o.String("post")); err != nil {
		return nil, err
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

// embeddings reads textual inversions in the same way.
func embeddings(text string) ([]horde.TI, error) {
	all, err := loras(text, 1)
	if err != nil {
		return nil, err
	}
	var out []horde.TI
	for _, l := range all {
		out = append(out, horde.TI{Name: l.Name, Strength: l.Model, InjectTI: "prompt"})
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

// paste reads parameters as other programs write them: "Steps: 30, Sampler: Euler a, Seed: 7", flags, or the horde's own
// JSON. What it does not know it lists.
func (s *Set) paste(p *params, text string) (unknown []string, err error) {
	var found []flag
	switch {
	case strings.HasPrefix(text, "{"):
		var body map[string]any
		if json.Unmarshal([]byte(text), &body) != nil {
			return nil, tellPlain("refused.json")
		}
		found = jsonFlags(body)
	case flagPattern.MatchString(text):
		var all []string
		for _, m := range flagPattern.FindAllStringSubmatch(text, -1) {
			all = append(all, strings.ToLower(m[1]))
		}
		_, found = flags(text, all)
	default:
		for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' }) {
			name, value, ok := strings.Cut(part, ":")
			if name = strings.TrimSpace(name); ok && name != "" {
				found = append(found, flag{strings.ToLower(name), strings.TrimSpace(value)})
			} else if name != "" {
				unknown = append(unknown, name)
			}
		}
	}
	for _, f := range found {
		known, err := s.pasted(p, f)
		switch {
		case err != nil:
			return nil, err
		case !known:
			unknown = append(unknown, f.name)
		}
	}
	return unknown, nil
}

// jsonFlags flattens a request of the horde's API; its "params" are one level down.
func jsonFlags(body map[string]any) []flag {
	var out []flag
	for _, name := range sortedKeys(body) {
		switch v := body[name].(type) {
		case map[string]any:
			if name == "params" {
				out = append(out, jsonFlags(v)...)
			} else {
				out = append(out, flag{name, "{}"})
			}
		case []any:
			var parts []string
			for _, x := range v {
				parts = append(parts, fmt.Sprint(x))
			}
			out = append(out, flag{name, strings.Join(parts, ",")})
		case nil:
		default:
			out = append(out, flag{name, fmt.Sprint(v)})
		}
	}
	return out
}

func sortedKeys(m map[string]any) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// pasted takes one pasted parameter; known is false for names that mean nothing here.
func (s *Set) pasted(p *params, f flag) (known bool, err error) {
	fine, name := p.detail(), strings.NewReplacer(" ", "", "_", "", "-", "").Replace(f.name)
	bad := tellPlain("refused.behind", "Value", escape(discord.Clip(f.value, 50)), "Name", escape(discord.Clip(f.name, 50)))
	truth := func(into *bool) error {
		v, err := strconv.ParseBool(strings.ToLower(f.value))
		if f.value == "" {
			v, err = true, nil
		}
		if err != nil {
			return bad
		}
		*into = v
		return nil
	}
	whole := func(into *int, least, most int) error {
		v, err := strconv.Atoi(f.value)
		if err != nil || v < least || v > most {
			return bad
		}
		*into = v
		return nil
	}
	switch name {
	case "negativeprompt", "negative":
		p.Negative = discord.Clip(f.value, maxNegative)
		return true, nil
	case "cfgscale":
		f.name = "cfg"
	case "samplername":
		f.name = "sampler"
	case "models":
		f.name = "model"
	case "prompt":
		positive, negative, _ := strings.Cut(f.value, "###")
		p.Prompt = discord.Clip(strings.TrimSpace(positive), maxPrompt)
		if negative = strings.TrimSpace(negative); negative != "" {
			p.Negative = discord.Clip(negative, maxNegative)
		}
		return true, nil
	case "width":
		return true, whole(&p.Width, horde.MinSide, horde.MaxSide)
	case "height":
		return true, whole(&p.Height, horde.MinSide, horde.MaxSide)
	case "karras":
		return true, truth(&p.Karras)
	case "scheduletype", "scheduler":
		p.Karras = strings.EqualFold(f.value, "karras")
		return true, nil
	case "tiling":
		return true, truth(&fine.Tiling)
	case "hiresfix":
		return true, truth(&fine.Hires)
	case "transparent":
		return true, truth(&fine.Transparent)
	case "trustedworkers":
		return true, truth(&fine.Trusted)
	case "clipskip":
		return true, whole(&fine.ClipSkip, 1, maxClipSkip)
	case "seedvariation":
		return true, whole(&fine.Variation, 1, 1000)
	case "postprocessing", "post":
		fine.Post, err = postProcessors(f.value)
		return true, err
	case "qr", "qrcode":
		fine.QR = discord.Clip(f.value, maxQR)
		return true, nil
	case "lora":
		fine.Loras, err = loras(f.value, 1)
		return true, err
	case "denoisingstrength", "strength":
		v, err := strconv.ParseFloat(strings.TrimSuffix(f.value, "%"), 64)
		if err != nil || !(v > 0 && v <= 100) {
			return true, bad
		}
		if v > 1 {
			v /= 100
		}
		p.Strength = v
		return true, nil
	case "amount":
		f.name = "n"
	}
	if !slices.Contains(shortNames(), f.name) {
		return false, nil
	}
	return true, s.flag(p, f)
}
