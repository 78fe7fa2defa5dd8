// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"slices"
	"strconv"

	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// noImage is the mode that lets go of the image of a draft, noControl the guide that is none.
const (
	noImage   = "none"
	noControl = "none"
)

// imageForm asks with what a draft begins, and what is done with it.
func imageForm(w words.Words, p *params) discord.Modal {
	f := p.detail()
	mode := discord.Input{Kind: discord.InputSelect, CustomID: "mode", Label: w.T("advanced.mode"), Description: w.T("advanced.optmode")}
	for _, m := range modes() {
		mode.Options = append(mode.Options, discord.SelectOption{Label: m, Value: m, Default: m == cmp.Or(f.Mode, modeOf(p))})
	}
	mode.Options = append(mode.Options, discord.SelectOption{Label: w.T("advanced.noimage"), Value: noImage})
	control := discord.Input{Kind: discord.InputSelect, CustomID: "control", Label: w.T("advanced.control"), Description: w.T("advanced.controlhint")}
	control.Options = append(control.Options, discord.SelectOption{Label: w.T("advanced.nocontrol"), Value: noControl, Default: f.Control == ""})
	for _, c := range horde.ControlTypes() {
		control.Options = append(control.Options, discord.SelectOption{Label: c, Value: c, Default: c == f.Control})
	}
	return discord.Modal{
		CustomID: discord.CustomID{Verb: verbDraft, Arg: draftImage}.String(), Title: discord.Clip(w.T("advanced.image"), discord.MaxModalTitle),
		Inputs: []discord.Input{
			{Kind: discord.InputFiles, CustomID: "image", Label: w.T("advanced.image"), Description: w.T("image.optimage")},
			{Kind: discord.InputFiles, CustomID: "mask", Label: w.T("advanced.mask"), Description: w.T("advanced.optmask")},
			mode, control,
			{Kind: discord.InputFiles, CustomID: "extra", Label: w.T("advanced.extra"), Description: w.T("advanced.extrahint"), Max: horde.MaxExtraSources},
		},
	}
}

// modeOf is what is done with the image of a draft when nobody says.
func modeOf(p *params) string {
	if p.Mask != "" || p.mask != nil {
		return "inpainting"
	}
	return processing
}

// takeImages takes what such a form says. What it does not upload stays as it was.
func takeImages(p *params, in *discord.ModalValues) error {
	mode, control := in.Values["mode"], in.Values["control"]
	if mode == noImage {
		p.begin(nil, 0)
		return nil
	}
	f := p.detail()
	if f.Mode = mode; mode != "" && !slices.Contains(modes(), mode) {
		return tellPlain("refused.mode", "Mode", escape(discord.Clip(mode, 50)))
	}
	if f.Control = control; control == noControl || !slices.Contains(horde.ControlTypes(), control) {
		f.Control = ""
	}
	upload := func(field string) ([]*photo, error) {
		var out []*photo
		for _, a := range in.Files[field] {
			pic, ok := ofAttachment(a)
			switch {
			case a.Size > maxPicture:
				return nil, tellPlain("refused.pic.large", "MiB", maxPicture>>20)
			case !ok:
				return nil, tellPlain("refused.pic.none")
			}
			out = append(out, pic)
		}
		return out, nil
	}
	image, err := upload("image")
	if err != nil {
		return err
	}
	mask, err := upload("mask")
	if err != nil {
		return err
	}
	extra, err := upload("extra")
	if err != nil {
		return err
	}
	if len(image) > 0 {
		if p.from, p.Source = image[0], ""; p.Strength == 0 {
			p.Strength = strengthUsual
		}
		p.Mask = "" // it belonged to the image before
		p.takeShape()
	}
	if len(mask) > 0 {
		if p.mask, p.Mask = mask[0], ""; !p.sourced() {
			return tellPlain("refused.maskalone")
		}
		if f.Mode == processing {
			f.Mode = "" // a mask says what is meant
		}
	}
	if len(extra) > 0 {
		f.Extra, p.extra = nil, extra
	}
	return nil
}

// uploaded puts images that were kept in the place of those that were just taken.
func (p *params) uploaded(kept *params) {
	if p.from != nil {
		p.from, p.Source, p.Brought = nil, kept.Source, kept.Brought
	}
	if p.mask != nil {
		p.mask, p.Mask = nil, kept.Mask
	}
	if p.extra != nil {
		p.extra, p.detail().Extra = nil, slices.Clone(kept.detail().Extra)
	}
}

// imageLine says with what a draft begins.
func imageLine(w words.Words, p *params) string {
	text := w.T("advanced.withimage", "Strength", int(p.Strength*100+0.5))
	f := p.detail()
	text += " · " + cmp.Or(f.Mode, modeOf(p))
	if p.Mask != "" {
		text += " · " + w.T("advanced.mask")
	}
	if f.Control != "" {
		text += " · " + f.Control
	}
	if n := len(f.Extra); n > 0 {
		text += " · +" + strconv.Itoa(n)
	}
	return text
}
