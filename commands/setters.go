// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"stablemate/horde"
	"stablemate/internal/discord"
)

// errUnreadable says that a value cannot be read; who asked says which and of what.
var errUnreadable = errors.New("unreadable value")

// errUnknownSampler says that nobody has such a sampler.
var errUnknownSampler = errors.New("unknown sampler")

// setter takes a value into parameters.
type setter func(p *params, value string) error

// plainName is the name of a parameter as people and programs write it in many ways: "CFG scale" is cfgscale.
func plainName(name string) string {
	return strings.NewReplacer(" ", "", "_", "", "-", "").Replace(strings.ToLower(name))
}

// set takes one parameter by its name, and refuses what cannot be read with the name as it is shown. known is false for names
// that mean nothing here.
func (s *Set) set(p *params, f flag, shown string) (known bool, err error) {
	take, known := s.setters()[plainName(f.name)]
	if !known {
		return false, nil
	}
	was := *p
	if err = take(p, f.value); err == nil && !reflect.DeepEqual(was, *p) {
		p.says(f.name) // a form may repeat what a style says
	}
	if errors.Is(err, errUnreadable) || errors.Is(err, errUnknownSampler) {
		err = &unreadError{cause: err, keyedError: keyedError{"refused.behind", []any{"Value", escape(discord.Clip(f.value, 50)), "Name", shown}}}
	}
	return true, err
}

// flag takes one parameter of a prompt by its name.
func (s *Set) flag(p *params, f flag) error {
	_, err := s.set(p, f, "--"+f.name)
	return err
}

// setters are all parameters by their plain names, other programs' names for them among these.
func (s *Set) setters() map[string]setter {
	all := map[string]setter{
		"ar":    setRatio,
		"size":  s.setSize,
		"model": s.setModel,
		"style": func(p *params, value string) error {
			return takeText(&p.Style, value, 2*horde.MaxStyleName)
		},
		"seed": func(p *params, value string) error { return takeText(&p.Seed, value, maxSeed) },
		"no": func(p *params, value string) error {
			p.Negative = discord.Clip(strings.Trim(p.Negative+", "+value, ", "), maxNegative)
			return nil
		},
		"negative": func(p *params, value string) error {
			p.Negative = discord.Clip(value, maxNegative)
			return nil
		},
		"prompt":  setPrompt,
		"sampler": setSampler,
		"scheduler": func(p *params, value string) error {
			p.Karras = strings.EqualFold(value, "karras")
			return nil
		},
		"steps":  func(p *params, value string) error { return takeWhole(&p.Steps, value, 1, horde.MaxSteps) },
		"n":      func(p *params, value string) error { return takeWhole(&p.Amount, value, 1, maxAmount) },
		"width":  func(p *params, value string) error { return takeWhole(&p.Width, value, horde.MinSide, horde.MaxSide) },
		"height": func(p *params, value string) error { return takeWhole(&p.Height, value, horde.MinSide, horde.MaxSide) },
		"cfg":    func(p *params, value string) error { return takeNumber(&p.CFG, value, 0, maxCFG) },
		"strength": func(p *params, value string) error {
			return setStrength(&p.Strength, value)
		},
		"clipskip":      func(p *params, value string) error { return takeWhole(&p.detail().ClipSkip, value, 1, maxClipSkip) },
		"seedvariation": func(p *params, value string) error { return takeWhole(&p.detail().Variation, value, 1, maxVariation) },
		"qr": func(p *params, value string) error {
			p.detail().QR = discord.Clip(value, maxQR)
			return nil
		},
		"post": func(p *params, value string) (err error) {
			p.detail().Post, err = postProcessors(value)
			return err
		},
		"lora": func(p *params, value string) (err error) {
			p.detail().Loras, err = loras(value, 1)
			return err
		},
		"embeddings": func(p *params, value string) (err error) {
			p.detail().TIs, err = embeddings(value)
			return err
		},
		"facefixerstrength": func(p *params, value string) error { return takeNumber(&p.detail().FaceFixer, value, 0, 1) },
		"controltype":       setControl,
		"slowworkers": func(p *params, value string) error {
			slow := true
			err := takeTruth(&slow, value)
			p.detail().Fast = !slow
			return err
		},
	}
	for _, sw := range switches() {
		all[sw.name] = func(p *params, value string) error { return takeTruth(sw.of(p), value) }
	}
	for other, name := range map[string]string{
		"negativeprompt": "negative", "cfgscale": "cfg", "samplername": "sampler", "models": "model", "scheduletype": "scheduler",
		"amount": "n", "denoisingstrength": "strength", "postprocessing": "post", "loras": "lora", "tis": "embeddings",
		"hiresfix": "hires", "trustedworkers": "trusted", "allowdowngrade": "downgrade", "disablebatching": "nobatch", "control": "controltype", "qrcode": "qr",
	} {
		all[other] = all[name]
	}
	return all
}

// takeText takes a text that is there and not too long, in characters.
func takeText(into *string, value string, most int) error {
	if value == "" || utf8.RuneCountInString(value) > most {
		return errUnreadable
	}
	*into = value
	return nil
}

// takeWhole takes a whole number within bounds.
func takeWhole(into *int, value string, least, most int) error {
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		return errUnreadable
	}
	*into = n
	return nil
}

// takeNumber takes a number within bounds, with a point or a comma.
func takeNumber(into *float64, value string, least, most float64) error {
	v, err := strconv.ParseFloat(strings.Replace(value, ",", ".", 1), 64)
	if err != nil || !(v >= least && v <= most) {
		return errUnreadable
	}
	*into = v
	return nil
}

// takeTruth takes yes or no; a name alone means yes.
func takeTruth(into *bool, value string) error {
	if value == "" {
		*into = true
		return nil
	}
	v, err := strconv.ParseBool(strings.ToLower(value))
	if err != nil {
		return errUnreadable
	}
	*into = v
	return nil
}

// setStrength takes a part, as 0.6 or as 60 %.
func setStrength(into *float64, value string) error {
	var v float64
	if err := takeNumber(&v, strings.TrimSpace(strings.TrimSuffix(value, "%")), 0, 100); err != nil || v == 0 {
		return errUnreadable
	}
	if v > 1 {
		v /= 100
	}
	*into = v
	return nil
}

func setRatio(p *params, value string) error {
	w, h, ok := ratio(value)
	if !ok {
		return errUnreadable
	}
	p.Width, p.Height = shape(w, h, p.Width*p.Height)
	return nil
}

func (s *Set) setSize(p *params, value string) error {
	if setRatio(p, value) == nil {
		return nil
	}
	size, ok := sizeOf(s.sizes(p.Model), value)
	if !ok || value == "" {
		return errUnreadable
	}
	p.Width, p.Height = size.Width, size.Height
	return nil
}

func (s *Set) setModel(p *params, value string) error {
	if err := takeText(&p.Model, value, maxModel); err != nil {
		return err
	}
	p.Model = s.modelNamed(value)
	return nil
}

// setPrompt takes a prompt as the horde's API has it, with what should not be there behind "###".
func setPrompt(p *params, value string) error {
	positive, negative, _ := strings.Cut(value, "###")
	p.Prompt = discord.Clip(strings.TrimSpace(positive), maxPrompt)
	if negative = strings.TrimSpace(negative); negative != "" {
		p.Negative = discord.Clip(negative, maxNegative)
	}
	return nil
}

// setSampler takes a sampler; other programs write the schedule behind its name.
func setSampler(p *params, value string) error {
	name := samplerName(value)
	find := func(name string) int {
		return slices.IndexFunc(horde.Samplers(), func(n string) bool { return samplerName(n) == name })
	}
	i := find(name)
	if bare, ok := strings.CutSuffix(name, "karras"); ok && i < 0 {
		if i = find(bare); i >= 0 {
			p.Karras = true
			p.says("karras")
		}
	}
	if i < 0 {
		return errUnknownSampler
	}
	p.Sampler = horde.Samplers()[i]
	return nil
}

func setControl(p *params, value string) error {
	if value = strings.ToLower(value); value == noControl {
		value = ""
	}
	if value != "" && !slices.Contains(horde.ControlTypes(), value) {
		return errUnreadable
	}
	p.detail().Control = value
	return nil
}

// unreadError refuses a value that cannot be read.
type unreadError struct {
	cause error
	keyedError
}

func (e *unreadError) Unwrap() []error { return []error{e.cause, &e.keyedError} }

// samplerName makes the many ways to write a sampler one: "DPM++ 2M" is k_dpmpp_2m.
func samplerName(text string) string {
	text = strings.TrimPrefix(strings.ToLower(text), "k_")
	return strings.NewReplacer("++", "pp", "ancestral", "a", " ", "", "_", "", "-", "").Replace(text)
}
