// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"regexp"
	"strconv"
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
	if err := p.bounds(w); err != nil {
		return p, err
	}
	if p.Model != "" {
		p.Model = s.modelNamed(p.Model)
	}
	size, err := s.sizeOption(w, o, d)
	if err != nil {
		return p, err
	}
	p.Width, p.Height = size.Width, size.Height
	if err := s.sourceOption(o, &p); err != nil {
		return p, err
	}
	return p, s.shorthand(&p)
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

// sizeOption reads the size that was asked for: by name, in pixels or as a ratio. Without one it is the person's default.
func (s *Set) sizeOption(w words.Words, o discord.OptionValues, d chat.Defaults) (Size, error) {
	text := o.String("size")
	if !o.Has("size") && d.Width > 0 && d.Height > 0 {
		return Size{Width: d.Width, Height: d.Height}, nil
	}
	if w, h, shaped := ratio(text); shaped {
		base := s.opts.Sizes[0]
		width, height := shape(w, h, base.Width*base.Height)
		return Size{Width: width, Height: height}, nil
	}
	size, ok := s.size(text)
	if !ok {
		return size, horde.Refuse(horde.CodeInvalidSize, "%s", w.T("refused.badsize"))
	}
	return size, nil
}

var sizePattern = regexp.MustCompile(`^(\d{1,4})(?: ?[x×X*] ?(\d{1,4}))?$`)

// size reads a size: a name of ours, or width and height. Whether the sides are allowed is the core's to say.
func (s *Set) size(text string) (Size, bool) {
	text = strings.TrimSpace(text)
	if text == "" {
		return s.opts.Sizes[0], true
	}
	for _, z := range s.opts.Sizes {
		if strings.EqualFold(text, z.Name) || text == sizeChoice(z) {
			return z, true
		}
	}
	m := sizePattern.FindStringSubmatch(text)
	if m == nil {
		return Size{}, false
	}
	if m[2] == "" {
		m[2] = m[1]
	}
	w, err1 := strconv.Atoi(m[1])
	h, err2 := strconv.Atoi(m[2])
	return Size{Width: w, Height: h}, err1 == nil && err2 == nil
}

// fit makes what nobody asked for, the defaults, fit into what is allowed here.
func (e *Effective) fit(p *params, o discord.OptionValues) {
	if !o.Has("model") && p.Model != "" && !e.serves(p.Model) {
		p.Model = ""
	}
	if n := e.limits.Steps; n > 0 && !o.Has("steps") {
		p.Steps = min(p.Steps, n)
	}
	if n := e.limits.Amount; n > 0 && !o.Has("amount") {
		p.Amount = min(p.Amount, n)
	}
	if n := e.limits.Pixels; n > 0 && !o.Has("size") {
		p.Width, p.Height = squeeze(p.Width, p.Height, n)
	}
}

// snap is the nearest side that the horde takes.
func snap(side int) int {
	return min(max((side+horde.SideStep/2)/horde.SideStep*horde.SideStep, horde.MinSide), horde.MaxSide)
}
