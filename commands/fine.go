// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"slices"
	"strconv"
	"strings"

	"stablemate/horde"
	"stablemate/internal/discord"
)

// fine are parameters that most people never need.
type fine struct {
	ClipSkip    int          `json:"clip_skip,omitempty"`
	Variation   int          `json:"seed_variation,omitempty"`
	Tiling      bool         `json:"tiling,omitempty"`
	Hires       bool         `json:"hires_fix,omitempty"`
	Transparent bool         `json:"transparent,omitempty"`
	Post        []string     `json:"post,omitempty"`
	FaceFixer   float64      `json:"face_fixer,omitempty"`
	Control     string       `json:"control,omitempty"`
	Loras       []horde.Lora `json:"loras,omitempty"`
	TIs         []horde.TI   `json:"tis,omitempty"`
	Mode        string       `json:"mode,omitempty"`  // what is done with the source image
	Extra       []string     `json:"extra,omitempty"` // keys of further images, for the mode remix
	Trusted     bool         `json:"trusted,omitempty"`
	Fast        bool         `json:"fast,omitempty"` // no slow workers
	Downgrade   bool         `json:"downgrade,omitempty"`
	NoBatch     bool         `json:"no_batch,omitempty"`
	QR          string       `json:"qr,omitempty"` // text of a QR code that the image hides
}

// maxQR is how many characters a QR code in an image has: with more of them its squares are too small for an image.
const maxQR = 250

// into puts them into the core's form of a request. Nil changes nothing.
func (f *fine) into(n *horde.NewImage) {
	if f == nil {
		return
	}
	i := &n.Image
	i.ClipSkip, i.SeedVariation, i.Tiling, i.HiresFix, i.Transparent = f.ClipSkip, f.Variation, f.Tiling, f.Hires, f.Transparent
	i.Post, i.FaceFixer, i.Control = slices.Clone(f.Post), f.FaceFixer, f.Control
	i.Loras, i.TIs = slices.Clone(f.Loras), slices.Clone(f.TIs)
	if f.QR != "" {
		i.Workflow, i.ExtraTexts = horde.WorkflowQRCode, []horde.ExtraText{{Text: f.QR, Reference: horde.WorkflowQRCode}}
	}
	n.TrustedWorkers, n.SlowWorkers, n.AllowDowngrade, n.DisableBatching = f.Trusted, !f.Fast, f.Downgrade, f.NoBatch
}

// detail is the parameters' fine part, to be changed. What p shared with others before stays as it was.
func (p *params) detail() *fine {
	f := fine{}
	if p.Fine != nil {
		f = *p.Fine
		f.Post, f.Loras, f.TIs = slices.Clone(f.Post), slices.Clone(f.Loras), slices.Clone(f.TIs)
		f.Extra = slices.Clone(f.Extra)
	}
	p.Fine = &f
	return p.Fine
}

// line names in a few words what is not as usual.
func (f *fine) line() string {
	var out []string
	for _, x := range []struct {
		on   bool
		name string
	}{
		{f.Hires, "hires fix"},
		{f.Tiling, "tiling"},
		{f.Transparent, "transparent"},
		{f.Trusted, "trusted"},
		{f.Fast, "no slow workers"},
		{f.Downgrade, "downgrade"},
		{f.NoBatch, "one at a time"},
		{f.ClipSkip > 0, "clip skip " + strconv.Itoa(f.ClipSkip)},
		{f.Variation > 0, "seed variation " + strconv.Itoa(f.Variation)},
	} {
		if x.on {
			out = append(out, x.name)
		}
	}
	for _, l := range f.Loras {
		out = append(out, "LoRA "+l.Name)
	}
	for _, t := range f.TIs {
		out = append(out, "TI "+t.Name)
	}
	return strings.Join(append(out, f.Post...), ", ")
}

// optionOf describes an option of a command in all languages.
func (s *Set) optionOf(key string, o discord.OptionSpec) discord.OptionSpec {
	o.Description, o.Descriptions = s.bundle.For("en").T(key), s.bundle.Locales(key)
	return o
}
