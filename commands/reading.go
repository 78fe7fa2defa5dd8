// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"slices"
	"strings"
	"unicode/utf8"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// Bounds of a request from chat, beside those of the core. Lengths are in characters.
const (
	maxPrompt   = 4000
	maxNegative = 2000
	maxSeed     = 100
	maxModel    = 100 // what Discord lets a suggestion have
	maxAmount   = 10  // Discord shows no more; defaultAmount counts where nobody says more
)

// read turns the options of /generate into parameters, beginning with somebody's defaults. It refuses what the core would
// not notice.
func (s *Set) read(w words.Words, o discord.OptionValues, d chat.Defaults) (params, error) {
	p := params{
		Prompt: strings.TrimSpace(o.String("prompt")), Negative: strings.TrimSpace(o.String("negative")),
		Model: s.opts.Model, Seed: strings.TrimSpace(o.String("seed")), Steps: s.opts.Steps, Amount: 1,
		CFG: s.opts.CFG, Sampler: s.opts.Sampler, Karras: s.opts.Karras,
	}
	setIf(&p.Model, d.Model)
	setIf(&p.Steps, d.Steps)
	setIf(&p.Amount, d.Amount)
	setIf(&p.CFG, d.CFG)
	setIf(&p.Sampler, d.Sampler)
	replace(&p.Karras, d.Karras)
	var err error
	if p.Fine, err = fineOf(d); err != nil {
		return p, err
	}
	p.Steps, p.Amount = int(o.Int("steps", int64(p.Steps))), int(o.Int("amount", int64(p.Amount)))
	if !o.Has("negative") {
		p.Negative = d.Negative
	}
	if o.Has("model") {
		p.Model = strings.TrimSpace(o.String("model"))
	}
	p.Style = strings.TrimSpace(o.String("style"))
	if !o.Has("style") {
		p.Style = d.Style
	}
	if o.Has("share") {
		p.Sharing = new(o.Bool("share", false))
	}
	p.Spoil = o.Bool("spoiler", false)
	for _, name := range styledNames() {
		if o.Has(name) {
			p.says(name)
		}
	}
	if err := p.bounds(w); err != nil {
		return p, err
	}
	if p.Model != "" {
		p.Model = s.modelNamed(p.Model)
	}
	rest, written := flags(p.Prompt, shortName)
	p.Prompt = rest
	isModel := func(f flag) bool { return f.name == "model" }
	if i := slices.IndexFunc(written, isModel); i >= 0 { // sizes are those of the model
		if err := s.flagged(&p, written[i:i+1]); err != nil {
			return p, err
		}
	}
	size, err := s.sizeOption(w, o, d, p.Model)
	if err != nil {
		return p, err
	}
	p.Width, p.Height = size.Width, size.Height
	if err := s.sourceOption(o, &p); err != nil {
		return p, err
	}
	return p, s.flagged(&p, written)
}

// bounds refuses what is longer or more than chat takes.
func (p *params) bounds(w words.Words) error {
	if n := utf8.RuneCountInString(p.Prompt); n > maxPrompt {
		return horde.Refuse(horde.CodeInvalidPromptSize, "%s", w.T("refused.longprompt", "Number", n, "Most", maxPrompt))
	}
	if n := utf8.RuneCountInString(p.Negative); n > maxNegative {
		return horde.Refuse(horde.CodeInvalidPromptSize, "%s", w.T("refused.longnegative", "Number", n, "Most", maxNegative))
	}
	switch {
	case utf8.RuneCountInString(p.Seed) > maxSeed:
		return horde.Refuse(horde.CodeBadRequest, "%s", w.T("refused.longseed", "Most", maxSeed))
	case utf8.RuneCountInString(p.Model) > maxModel:
		return horde.Refuse(horde.CodeBadRequest, "%s", w.T("refused.longmodel", "Most", maxModel))
	case p.Amount < 1 || p.Amount > maxAmount:
		return horde.Refuse(horde.CodeBadRequest, "%s", w.T("refused.amount", "Most", maxAmount))
	}
	return nil
}

// fit makes what nobody asked for, the defaults, fit into what is allowed here. What is written as flags is asked for, too.
func (e *Effective) fit(p *params, o discord.OptionValues) {
	said := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return o.Has(n) || slices.Contains(p.Said, n) })
	}
	if !said("model") && p.Model != "" && !e.serves(p.Model) {
		p.Model = ""
	}
	if n := e.limits.Steps; n > 0 && !said("steps") {
		p.Steps = min(p.Steps, n)
	}
	if n := e.limits.Amount; n > 0 && !said("amount", "n") {
		p.Amount = min(p.Amount, n)
	}
	if n := e.limits.Pixels; n > 0 && (p.shaped || !said("size", "width", "height")) {
		p.Width, p.Height = squeeze(p.Width, p.Height, n)
	}
}
