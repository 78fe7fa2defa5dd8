// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/discord"
)

// worn is the style that a request is made in, as it was then.
type worn struct {
	horde.Style `json:"style"`
	Collection  horde.CollectionID `json:"collection,omitzero"` // that it was drawn from
}

// choice is the core's form of it.
func (w *worn) choice() *horde.StyleChoice {
	return &horde.StyleChoice{Style: w.Style, Collection: w.Collection}
}

// dress finds the style that a request names and lets it set what it sets, so that the rules see it.
func (s *Set) dress(ctx context.Context, in *discord.Interaction, p *params) error {
	if p.Style == "" || p.Forms != nil {
		p.Styled = nil
		return nil
	}
	if p.Styled != nil && p.Styled.Name != "" {
		return nil
	}
	kind := horde.StyleImage
	if p.Text != nil {
		kind = horde.StyleText
	}
	name := p.Style
	if tag, ok := strings.CutPrefix(name, tagMark); ok {
		var err error
		if name, err = s.drawStyle(ctx, in, kind, strings.TrimSpace(tag)); err != nil {
			return err
		}
	}
	choice, err := engine.Do(ctx, s.engine, horde.ChooseStyle{Name: name, Kind: kind})
	if err != nil {
		return err
	}
	choice.SharedKey, choice.Examples, choice.Info = "", nil, "" // the message keeps what is needed to ask again
	p.Styled = &worn{Style: choice.Style, Collection: choice.Collection}
	s.wear(p)
	if choice.NSFW {
		e, err := s.effective(ctx, in)
		if err != nil {
			return err
		}
		if !e.adult {
			return tell(e.say.T("effective.style", "Style", escape(p.Style)))
		}
	}
	return nil
}

// styledNames are the options that a style has values for, too: what somebody says wins over the style, and the style over
// defaults.
func styledNames() []string {
	return []string{"model", "size", "width", "height", "steps", "cfg", "sampler", "scheduler", "clip_skip", "hires_fix", "lora", "embeddings", "post"}
}

// says notes that somebody chose something themselves.
func (p *params) says(name string) {
	switch plainName(name) {
	case "width", "height", "ar":
		name = "size"
	case "scheduler", "scheduletype":
		name = "karras"
	case "models":
		name = "model"
	case "cfgscale":
		name = "cfg"
	case "samplername":
		name = "sampler"
	case "clipskip":
		name = "clip_skip"
	case "hires", "hiresfix":
		name = "hires_fix"
	case "loras":
		name = "lora"
	case "tis":
		name = "embeddings"
	case "postprocessing":
		name = "post"
	}
	p.shaped = p.shaped && name != "size"
	if !slices.Contains(p.Said, name) {
		p.Said = append(p.Said, name)
	}
}

// wear lets the style set what nobody chose, and takes out of it what somebody did.
func (s *Set) wear(p *params) {
	said := func(name string) bool { return slices.Contains(p.Said, name) }
	st := p.Styled
	if said("model") {
		st.Models = nil
	} else if len(st.Models) > 0 {
		p.Model = "" // a style brings its own
	}
	var i horde.ImageStyle
	if st.Image != nil {
		i = *st.Image
	}
	if !said("size") && i.Width == 0 && i.Height == 0 && len(st.Models) > 0 {
		z, _ := sizeOf(s.sizes(st.Models[0]), "")
		p.Width, p.Height = shape(p.Width, p.Height, z.Width*z.Height)
	}
	if st.Image == nil {
		return
	}
	if said("size") {
		i.Width, i.Height = 0, 0
	}
	if said("steps") {
		i.Steps = 0
	}
	if said("cfg") {
		i.CFG = nil
	}
	if said("sampler") {
		i.Sampler = ""
	}
	if said("karras") {
		i.Karras = nil
	}
	if said("clip_skip") {
		i.ClipSkip = 0
	}
	if said("hires_fix") {
		i.HiresFix = nil
	}
	if said("lora") {
		i.Loras = nil
	}
	if said("embeddings") {
		i.TIs = nil
	}
	if said("post") {
		i.Post = nil
	}
	p.Width, p.Height, p.Steps = cmp.Or(i.Width, p.Width), cmp.Or(i.Height, p.Height), cmp.Or(i.Steps, p.Steps)
	p.Sampler = cmp.Or(i.Sampler, p.Sampler)
	if i.CFG != nil {
		p.CFG = *i.CFG
	}
	st.Image = &i
}
