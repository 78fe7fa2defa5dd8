// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/discord"
)

// verbDraft is the verb of everything in the panel of /advanced; the arg says which part. The draft is found by who
// presses and where, so no id can name somebody else's.
const verbDraft = "dr"

// Parts of the panel.
const (
	draftModel    = "model"
	draftSampler  = "sampler"
	draftSize     = "size"
	draftPost     = "post"
	draftPrompt   = "prompt"
	draftNumbers  = "numbers"
	draftLoras    = "loras"
	draftImage    = "image"
	draftSwitches = "switches"
	draftSwitch   = "switch"
	draftBack     = "back"
	draftClear    = "clear"
	draftEstimate = "estimate"
	draftGenerate = "generate"
	draftDiscard  = "discard"
	draftSave     = "save"
	draftQR       = "qr"
)

// anyModel is the value of the choice of any model.
const anyModel = "*"

func draftKey(in *discord.Interaction) string { return in.User.ID + ":" + in.ChannelID }

// saveDraft keeps what is being put together for a day.
func (s *Set) saveDraft(ctx context.Context, in *discord.Interaction, p params, hidden bool) error {
	_, err := s.drafts.change(ctx, draftKey(in), about{person: in.User.ID, guild: in.GuildID, due: s.now().Add(chat.DraftLife)}, func(d *chat.Draft) error {
		data, err := json.Marshal(p)
		if err != nil {
			return fmt.Errorf("encode parameters: %w", err)
		}
		d.Params, d.Private, d.At = data, hidden, s.now()
		return nil
	})
	return err
}

// changeDraft changes a draft as it is now: another press may have changed something else a moment ago.
func (s *Set) changeDraft(ctx context.Context, in *discord.Interaction, f func(p *params) error) (p params, err error) {
	gone := tell(s.say(in).T("advanced.gone", "Advanced", s.cmd("advanced")))
	a := about{person: in.User.ID, guild: in.GuildID, due: s.now().Add(chat.DraftLife)}
	_, err = s.drafts.change(ctx, draftKey(in), a, func(d *chat.Draft) error {
		p = params{}
		if len(d.Params) == 0 || s.now().After(d.At.Add(chat.DraftLife)) || json.Unmarshal(d.Params, &p) != nil {
			return gone
		}
		if err := f(&p); err != nil {
			return err
		}
		data, err := json.Marshal(p)
		if err != nil {
			return fmt.Errorf("encode parameters: %w", err)
		}
		d.Params, d.At = data, s.now()
		return nil
	})
	return p, err
}

// atDraft does something with a draft and shows it. One press comes after the other, so that the panel shows the last one.
func (s *Set) atDraft(ctx context.Context, in *discord.Interaction, f func() error) error {
	return s.panels.inTurn(ctx, verbDraft+":"+draftKey(in), f)
}

// openDraft reads it back.
func (s *Set) openDraft(ctx context.Context, in *discord.Interaction) (p params, hidden bool, e Effective, err error) {
	d, ok, err := s.drafts.get(ctx, draftKey(in))
	if err != nil {
		return p, false, e, err
	}
	if !ok || s.now().After(d.At.Add(chat.DraftLife)) || json.Unmarshal(d.Params, &p) != nil {
		return p, false, e, tell(s.say(in).T("advanced.gone", "Advanced", s.cmd("advanced")))
	}
	e, err = s.effective(ctx, in)
	return p, d.Private, e, err
}

// sweepDrafts forgets drafts and offers that nobody came back to.
func (s *Set) sweepDrafts(ctx context.Context) {
	if err := errors.Join(sweep(ctx, s.drafts, s.now()), sweep(ctx, s.offers, s.now())); err != nil && ctx.Err() == nil {
		s.log.Warn().Err(err).Msg("cannot forget old drafts")
	}
}

// panel shows a draft with everything that changes it.
func (s *Set) panel(e Effective, p params, note string) discord.Message {
	w := e.say
	part := func(arg string) string { return discord.CustomID{Verb: verbDraft, Arg: arg}.String() }
	press := func(key, emoji, arg string, style discord.ButtonStyle) discord.Button {
		return discord.Button{Label: w.T(key), Emoji: emoji, CustomID: part(arg), Style: style}
	}
	embed := discord.Embed{Title: w.T("advanced.title"), Description: codeBlock(p.Prompt, 2000)}
	add := func(key, value string) {
		if value != "" {
			embed.Fields = append(embed.Fields, discord.Field{Name: w.T(key), Value: discord.Clip(value, 900), Inline: true})
		}
	}
	add("image.fieldnegative", escape(discord.Clip(p.Negative, 400)))
	add("image.fieldparams", codeBlock(p.line(), 800))
	if f := p.Fine; f != nil {
		var more []string
		for _, sw := range switches() {
			if *sw.of(&p) {
				more = append(more, w.T("advanced.switch"+sw.name))
			}
		}
		if f.ClipSkip > 0 {
			more = append(more, "clip skip "+strconv.Itoa(f.ClipSkip))
		}
		add("advanced.switches", strings.Join(more, ", "))
		add("advanced.post", escape(strings.Join(f.Post, ", ")))
		add("advanced.loras", escape(strings.Trim(loraLines(f, ", ")+", "+tiLines(f, ", "), ", ")))
		if f.QR != "" {
			add("advanced.qr", codeBlock(f.QR, maxQR))
		}
	}
	if p.sourced() {
		add("advanced.image", imageLine(w, &p))
	}
	return discord.Message{
		Content: note, Ephemeral: true, Embeds: []discord.Embed{embed}, Components: []discord.Row{
			{Select: s.draftModels(e, p, part(draftModel))},
			{Select: draftSelect(part(draftSampler), w.T("advanced.sampler"), horde.Samplers(), p.Sampler)},
			{Select: s.draftSizes(e, p, part(draftSize))},
			{Buttons: []discord.Button{
				press("image.fieldprompt", "✏️", draftPrompt, discord.Secondary), press("advanced.numbers", "🔢", draftNumbers, discord.Secondary),
				press("advanced.loras", "🧩", draftLoras, discord.Secondary), press("advanced.switches", "🎚️", draftSwitches, discord.Secondary),
				press("advanced.image", "🖼️", draftImage, discord.Secondary),
			}},
			{Buttons: []discord.Button{
				press("advanced.estimate", "🧮", draftEstimate, discord.Secondary), press("advanced.generate", "🎨", draftGenerate, discord.Primary),
				press("advanced.save", "⭐", draftSave, discord.Secondary), press("advanced.qr", "🔳", draftQR, discord.Secondary),
				press("advanced.discard", "🗑️", draftDiscard, discord.Secondary),
			}},
		},
	}
}

// draftSelect is a select of some values, with the present one chosen.
func draftSelect(id, placeholder string, values []string, chosen string) *discord.Select {
	sel := &discord.Select{CustomID: id, Placeholder: placeholder}
	for _, v := range values[:min(len(values), discord.MaxSelectOptions)] {
		sel.Options = append(sel.Options, discord.SelectOption{Label: discord.Clip(plain(v), 100), Value: v, Default: v == chosen})
	}
	return sel
}

// draftModels offers any model, the chosen one, and those that are served and allowed here.
func (s *Set) draftModels(e Effective, p params, id string) *discord.Select {
	sel := &discord.Select{CustomID: id, Placeholder: e.say.T("advanced.model")}
	add := func(label, value string, chosen bool) {
		if len(sel.Options) < discord.MaxSelectOptions && len(value) <= 100 {
			sel.Options = append(sel.Options, discord.SelectOption{Label: discord.Clip(plain(label), 100), Value: value, Default: chosen})
		}
	}
	add(e.say.T("request.anymodel"), anyModel, p.Model == "")
	if p.Model != "" {
		add(p.Model, p.Model, true)
	}
	for _, m := range s.engine.Models() {
		if m.Threads > 0 && m.Name != p.Model && e.serves(m.Name) {
			add(voice{e.say}.model(m), m.Name, false)
		}
	}
	return sel
}

// draftSizes offers the named sizes and the present one. Those that are too large here are left out.
func (s *Set) draftSizes(e Effective, p params, id string) *discord.Select {
	sel := &discord.Select{CustomID: id, Placeholder: e.say.T("advanced.size")}
	sizes := append([]Size{{Width: p.Width, Height: p.Height}}, s.sizes(p.Model)...)
	seen := make(map[string]bool)
	for i, z := range sizes {
		value := fmt.Sprintf("%dx%d", z.Width, z.Height)
		if seen[value] || len(sel.Options) >= discord.MaxSelectOptions || i > 0 && e.limits.Pixels > 0 && z.Width*z.Height > e.limits.Pixels {
			continue
		}
		seen[value] = true
		sel.Options = append(sel.Options, discord.SelectOption{Label: discord.Clip(sizeChoice(z), 100), Value: value, Default: i == 0})
	}
	return sel
}

// toggle is a switch of the panel.
type toggle struct {
	name string
	of   func(p *params) *bool
}

// switches lists them. Each has a text "advanced.switch" with its name.
func switches() []toggle {
	return []toggle{
		{"karras", func(p *params) *bool { return &p.Karras }},
		{"hires", func(p *params) *bool { return &p.detail().Hires }},
		{"tiling", func(p *params) *bool { return &p.detail().Tiling }},
		{"transparent", func(p *params) *bool { return &p.detail().Transparent }},
		{"trusted", func(p *params) *bool { return &p.detail().Trusted }},
		{"fast", func(p *params) *bool { return &p.detail().Fast }},
		{"downgrade", func(p *params) *bool { return &p.detail().Downgrade }},
		{"nobatch", func(p *params) *bool { return &p.detail().NoBatch }},
	}
}

// loraLines writes LoRAs as loras reads them.
func loraLines(f *fine, between string) string {
	var out []string
	for _, l := range f.Loras {
		line := l.Name + ":" + strconv.FormatFloat(l.Model, 'f', -1, 64) + ":" + strconv.FormatFloat(l.Clip, 'f', -1, 64)
		if l.InjectTrigger != "" {
			line += ":" + l.InjectTrigger
		}
		out = append(out, line)
	}
	return strings.Join(out, between)
}

// tiLines writes textual inversions as embeddings reads them.
func tiLines(f *fine, between string) string {
	var out []string
	for _, t := range f.TIs {
		line := t.Name + ":" + strconv.FormatFloat(t.Strength, 'f', -1, 64)
		if t.InjectTI == injectNegative {
			line += ":neg"
		}
		out = append(out, line)
	}
	return strings.Join(out, between)
}

// switchPanel shows the switches and the post-processors, which do not fit beside the rest.
func (s *Set) switchPanel(e Effective, p params) discord.Message {
	w := e.say
	on := &discord.Select{CustomID: discord.CustomID{Verb: verbDraft, Arg: draftSwitch}.String(), Placeholder: w.T("advanced.switches"), Max: len(switches())}
	for _, sw := range switches() {
		on.Options = append(on.Options, discord.SelectOption{Label: w.T("advanced.switch" + sw.name), Value: sw.name, Default: *sw.of(&p)})
	}
	post := &discord.Select{CustomID: discord.CustomID{Verb: verbDraft, Arg: draftPost}.String(), Placeholder: w.T("advanced.post")}
	for _, name := range horde.PostProcessors()[:min(len(horde.PostProcessors()), maxPostShown)] {
		post.Options = append(post.Options, discord.SelectOption{Label: name, Value: name, Default: slices.Contains(p.detail().Post, name)})
	}
	post.Max = len(post.Options)
	m := private(w.T("advanced.switcheshint"))
	m.Components = []discord.Row{{Select: on}, {Select: post}, {Buttons: []discord.Button{
		pickButton(w.T("common.back"), "◀️", verbDraft, "", draftBack), pickButton(w.T("advanced.clear"), "", verbDraft, "", draftClear),
	}}}
	return m
}

// pressDraft changes a draft, or does what it says.
func (s *Set) pressDraft(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	p, hidden, e, err := s.openDraft(ctx, in)
	if err != nil {
		return err
	}
	w, arg, values := e.say, in.Component.ID.Arg, in.Component.Values
	switch arg {
	case draftImage:
		if !e.sources {
			return e.noSources()
		}
		return r.Modal(ctx, imageForm(w, &p))
	case draftPrompt, draftNumbers, draftLoras, draftSave, draftQR:
		return r.Modal(ctx, draftForm(e, &p, arg))
	case draftDiscard:
		if _, err := s.drafts.drop(ctx, draftKey(in)); err != nil {
			return err
		}
		return r.Update(ctx, private(w.T("advanced.discarded")))
	case draftGenerate:
		return s.start(ctx, in, r, p.fresh(), hidden || e.answers == chat.AnswersPrivate)
	case draftEstimate:
		note, err := s.estimate(ctx, in, e, p, hidden)
		if err != nil {
			return err
		}
		return r.Update(ctx, s.panel(e, p, note))
	}
	return s.atDraft(ctx, in, func() error {
		p, err := s.changeDraft(ctx, in, func(p *params) error { return s.pressedDraft(e, p, arg, values) })
		switch {
		case err != nil:
			return err
		case slices.Contains([]string{draftSwitches, draftSwitch, draftPost, draftClear}, arg):
			return r.Update(ctx, s.switchPanel(e, p))
		}
		return r.Update(ctx, s.panel(e, p, ""))
	})
}

// pressedDraft is what a press changes in a draft, if anything.
func (s *Set) pressedDraft(e Effective, p *params, arg string, values []string) (err error) {
	one := ""
	if len(values) > 0 {
		one = values[0]
	}
	switch arg {
	case draftModel:
		if p.Model = one; one == anyModel {
			p.Model = ""
		}
		p.Style, p.Styled = "", nil
		return e.allowsModel(ask{model: p.Model})
	case draftSampler:
		return s.flag(p, flag{"sampler", one})
	case draftSize:
		return s.flag(p, flag{"size", one})
	case draftSwitch:
		for _, sw := range switches() {
			*sw.of(p) = slices.Contains(values, sw.name)
		}
	case draftClear:
		for _, sw := range switches() {
			*sw.of(p) = false
		}
		p.detail().Post = nil
	case draftPost:
		p.detail().Post, err = postProcessors(strings.Join(values, ","))
	case draftBack, draftSwitches:
	default:
		return tell(e.say.T("request.old"))
	}
	return err
}

// estimate asks the core what a draft would cost and whether it would take it.
func (s *Set) estimate(ctx context.Context, in *discord.Interaction, e Effective, p params, hidden bool) (string, error) {
	from, err := originOf(in.GuildID, in.User.ID)
	if err != nil {
		return "", err
	}
	if err := s.dress(ctx, in, &p); err != nil {
		return "", err
	}
	if err := s.rule(e, &p, hidden); err != nil {
		return "", err
	}
	if err := s.payer(ctx, in, e, &p); err != nil {
		return "", err
	}
	try := p.newImage("", from)
	try.DryRun = true
	out, err := engine.Do(ctx, s.engine, horde.Enqueue{NewImage: try})
	if refusal, ok := errors.AsType[*horde.Error](err); ok {
		return e.say.T("advanced.refused", "Words", s.refusal(e.say, refusal)), nil
	}
	if err != nil {
		return "", err
	}
	return e.say.T("advanced.costs", "Kudos", out.Kudos.String()), nil
}

// draftForm is the form of one part of the panel.
func draftForm(e Effective, p *params, arg string) discord.Modal {
	w := e.say
	m := discord.Modal{CustomID: discord.CustomID{Verb: verbDraft, Arg: arg}.String(), Title: discord.Clip(w.T("advanced.title"), discord.MaxModalTitle)}
	line := func(id, label, value string, most int) {
		m.Inputs = append(m.Inputs, discord.Input{CustomID: id, Label: label, Value: value, Max: most})
	}
	switch arg {
	case draftPrompt:
		m.Inputs = []discord.Input{
			{CustomID: "prompt", Label: w.T("image.fieldprompt"), Value: p.Prompt, Paragraph: true, Required: true, Max: maxPrompt},
			{CustomID: "negative", Label: w.T("image.fieldnegative"), Value: p.Negative, Paragraph: true, Max: maxNegative},
		}
		line("n", w.T("advanced.amount"), strconv.Itoa(p.Amount), 2)
	case draftSave:
		m.Inputs = []discord.Input{{CustomID: "name", Label: w.T("advanced.presetname"), Required: true, Max: maxPresetName}}
	case draftNumbers:
		clip := ""
		if n := p.detail().ClipSkip; n > 0 {
			clip = strconv.Itoa(n)
		}
		line("steps", "Steps", strconv.Itoa(p.Steps), 3)
		line("cfg", "CFG", strconv.FormatFloat(p.CFG, 'f', -1, 64), 6)
		line("seed", "Seed", p.Seed, maxSeed)
		line("clipskip", "Clip skip", clip, 2)
		strength := ""
		if p.sourced() {
			strength = strconv.Itoa(int(p.Strength*100 + 0.5))
		}
		line("strength", w.T("advanced.strength"), strength, 4)
	case draftQR:
		m.Inputs = []discord.Input{
			{CustomID: "qr", Label: discord.Clip(w.T("advanced.qrtext"), discord.MaxInputLabel), Value: p.detail().QR, Paragraph: true, Max: maxQR},
		}
	case draftLoras:
		m.Inputs = []discord.Input{
			{CustomID: "lora", Label: w.T("advanced.loraline"), Value: loraLines(p.detail(), "\n"), Paragraph: true, Max: 1000},
			{CustomID: "ti", Label: w.T("advanced.tiline"), Value: tiLines(p.detail(), "\n"), Paragraph: true, Max: 1000},
		}
	}
	return m
}

// submitDraft takes a form of the panel.
func (s *Set) submitDraft(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	p, _, e, err := s.openDraft(ctx, in)
	if err != nil {
		return err
	}
	v, arg := in.Modal.Values, in.Modal.ID.Arg
	change := func(p *params) error { return s.filledDraft(p, arg, v) }
	switch arg {
	case draftSave:
		return s.savePreset(ctx, in, r, e, &p, plain(v["name"]))
	case draftImage:
		if !e.sources {
			return e.noSources()
		}
		if err := r.DeferUpdate(ctx); err != nil { // reading what was uploaded takes a while
			return err
		}
		if err := takeImages(&p, &in.Modal); err != nil {
			return err
		}
		if err := s.keepPictures(ctx, in.ID, &p); err != nil {
			return err
		}
		kept := p
		change = func(p *params) error {
			err := takeImages(p, &in.Modal)
			p.uploaded(&kept)
			return err
		}
	}
	return s.atDraft(ctx, in, func() error {
		p, err := s.changeDraft(ctx, in, change)
		if err != nil {
			return err
		}
		return r.Update(ctx, s.panel(e, p, ""))
	})
}

// filledDraft is what a form changes in a draft.
func (s *Set) filledDraft(p *params, arg string, v map[string]string) (err error) {
	switch arg {
	case draftPrompt:
		if p.Prompt = strings.TrimSpace(v["prompt"]); p.Prompt == "" {
			return horde.Refuse(horde.CodeMissingPrompt, "there is no prompt")
		}
		p.Negative = strings.TrimSpace(v["negative"])
		if n := strings.TrimSpace(v["n"]); n != "" {
			err = s.flag(p, flag{"n", n})
		}
	case draftNumbers:
		p.Seed, p.detail().ClipSkip = "", 0
		for _, name := range []string{"steps", "cfg", "seed", "clipskip", "strength"} {
			if value := strings.TrimSpace(v[name]); value != "" && err == nil {
				_, err = s.set(p, flag{name, value}, name)
			}
		}
	case draftQR:
		p.detail().QR = discord.Clip(strings.TrimSpace(v["qr"]), maxQR)
	case draftLoras:
		f := p.detail()
		if f.Loras, err = loras(v["lora"], 1); err == nil {
			f.TIs, err = embeddings(v["ti"])
		}
	default:
		return tellPlain("request.old")
	}
	return err
}

// savePreset keeps the parameters that presets have under a name, in place of an earlier one of that name.
func (s *Set) savePreset(ctx context.Context, in *discord.Interaction, r *discord.Responder, e Effective, p *params, name string) error {
	if name = discord.Clip(strings.TrimSpace(name), maxPresetName); name == "" {
		return tell(e.say.T("advanced.noname"))
	}
	d, err := p.defaults()
	if err != nil {
		return err
	}
	if err := s.storePreset(ctx, in, chat.Preset{Name: name, Made: s.now(), Defaults: d}); err != nil {
		return err
	}
	return r.Update(ctx, s.panel(e, *p, e.say.T("advanced.saved", "Name", escape(name))))
}
