// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// Verbs of the buttons under a refusal. The ID is the interaction that was refused; what it asked for is found by who
// presses and where.
const (
	verbCorrect   = "co" // the panel opens at what was refused; the arg says where that is
	verbCorrected = "cd" // it is asked for again, as it may be
)

// correctable is a refusal with the request that it is about, as it was asked for.
type correctable struct {
	refusal error
	p       params
	hidden  bool
}

func (c *correctable) Error() string { return c.refusal.Error() }

func (c *correctable) Unwrap() error { return c.refusal }

// correctable notes with a refusal what was asked for. Only requests for images have a panel to correct them in.
func (p params) correctable(err error, hidden bool) error {
	if err == nil || !p.pictures() {
		return err
	}
	return &correctable{err, p, hidden}
}

// faultyPart is the part of the panel that a refusal is about; empty when there is none.
func faultyPart(err error) string {
	if told, ok := errors.AsType[*toldError](err); ok {
		return told.part
	}
	refusal, ok := errors.AsType[*horde.Error](err)
	if !ok {
		return ""
	}
	switch refusal.Code {
	case horde.CodeMissingPrompt, horde.CodeCorruptPrompt, horde.CodeInvalidPromptSize, horde.CodeNulByte:
		return draftPrompt
	case horde.CodeUnexpectedModelName:
		return draftModel
	case horde.CodeInvalidSize, horde.CodeKudosUpfront:
		return draftSize
	case horde.CodeBadCFGDecimals, horde.CodeBadCFGNumber:
		return draftNumbers
	case horde.CodeTooManyLoras, horde.CodeBadLoraVersion, horde.CodeTooManyTIs:
		return draftLoras
	case horde.CodeTooManyUpscalers, horde.CodeHiResMismatch,
		horde.CodeTransparencyModel, horde.CodeTransparencyImg2Img, horde.CodeTransparencyCN:
		return draftSwitches
	case horde.CodeSourceMaskUnnecessary, horde.CodeInpaintingMissingMask, horde.CodeSourceRequired,
		horde.CodeControlNetSource, horde.CodeControlNetInpainting, horde.CodeControlNetUnsupported, horde.CodeControlNetMismatch,
		horde.CodeControlNetMismatchDot, horde.CodeControlNetPayload, horde.CodeInvalidRemix,
		horde.CodeExtraSourceImages, horde.CodeTooManyExtraSources, horde.CodeMoreExtraSources,
		horde.CodeImageValidation, horde.CodeSourceResolution, horde.CodeSourceSize:
		return draftImage
	default:
		return ""
	}
}

// offer puts buttons under a refusal that lead to what can be corrected, where there is something. Without them the refusal
// is as good: it is best effort.
func (s *Set) offer(ctx context.Context, in *discord.Interaction, m *discord.Message, err error) {
	c, ok := errors.AsType[*correctable](err)
	part := faultyPart(err)
	if !ok || part == "" {
		return
	}
	e, err := s.effective(ctx, in)
	if err != nil {
		return
	}
	refusal, _ := errors.AsType[*horde.Error](c.refusal)
	o := chat.Offer{ID: in.ID, Private: c.hidden, Upfront: refusal != nil && refusal.Code == horde.CodeKudosUpfront, At: s.now()}
	for part, pics := range map[string][]*photo{offerImage: {c.p.from}, offerMask: {c.p.mask}, offerExtra: c.p.extra} {
		for _, pic := range pics {
			if pic != nil {
				o.Images = append(o.Images, chat.OfferImage{Part: part, URL: pic.url, Blob: pic.blob, Name: pic.name, Width: pic.width, Height: pic.height})
			}
		}
	}
	if o.Params, err = json.Marshal(c.p); err == nil {
		a := about{person: in.User.ID, guild: in.GuildID, due: o.At.Add(chat.OfferLife)}
		_, err = s.offers.change(ctx, draftKey(in), a, func(v *chat.Offer) error { *v = o; return nil })
	}
	if err != nil {
		s.log.Warn().Err(err).Msg("a refused request cannot be offered for correction")
		return
	}
	w := e.say
	var buttons []discord.Button
	if _, what := s.corrected(&e, c.p, o.Upfront); what != "" {
		buttons = append(buttons, button(discord.Clip(w.T("advanced.correct", "What", what), discord.MaxLabel), "✅", verbCorrected, in.ID, discord.Primary))
	}
	buttons = append(buttons, discord.Button{
		Label: w.T("advanced.open"), Emoji: "✏️", CustomID: discord.CustomID{Verb: verbCorrect, ID: in.ID, Arg: part}.String(), Style: discord.Secondary,
	})
	m.Components = append(m.Components, discord.Row{Buttons: buttons})
}

// Parts of a request that images are.
const (
	offerImage = "image"
	offerMask  = "mask"
	offerExtra = "extra"
)

// corrected makes the numbers of a request those that are allowed, and says what is different now; empty for nothing.
func (s *Set) corrected(e *Effective, p params, upfront bool) (params, string) {
	var d chat.Defaults
	w, h := snap(p.Width), snap(p.Height)
	l := e.limits
	if l.Pixels > 0 {
		w, h = squeeze(w, h, l.Pixels)
	}
	if w != p.Width || h != p.Height {
		p.Width, p.Height, d.Width, d.Height = w, h, w, h
	}
	if most := atMostOf(l.Steps, horde.MaxSteps); (p.Steps > most || p.Steps < 1) && p.Styled == nil {
		p.Steps = min(max(p.Steps, 1), most)
		d.Steps = p.Steps
	}
	if most := atMostOf(l.Amount, maxAmount); p.Amount > most {
		p.Amount, d.Amount = most, most
	}
	what := []string{showDefaults(e.say, d)}
	if upfront && !p.detail().Downgrade {
		p.detail().Downgrade = true
		what = append(what, e.say.T("advanced.switchdowngrade"))
	}
	return p, strings.Trim(strings.Join(what, " · "), " ·")
}

// atMostOf is the smaller of two limits; 0 is none.
func atMostOf(limit, most int) int {
	if limit > 0 {
		return min(limit, most)
	}
	return most
}

// offered finds what the presser asked for when they were refused.
func (s *Set) offered(ctx context.Context, in *discord.Interaction) (p params, o chat.Offer, err error) {
	o, found, err := s.offers.get(ctx, draftKey(in))
	if err != nil {
		return p, o, fmt.Errorf("read a refused request: %w", err)
	}
	if !found || o.ID != in.Component.ID.ID || s.now().After(o.At.Add(chat.OfferLife)) || json.Unmarshal(o.Params, &p) != nil {
		return p, o, tell(s.say(in).T("request.old"))
	}
	for _, i := range o.Images {
		pic := &photo{url: i.URL, blob: i.Blob, name: i.Name, width: i.Width, height: i.Height}
		switch i.Part {
		case offerImage:
			p.from = pic
		case offerMask:
			p.mask = pic
		case offerExtra:
			p.extra = append(p.extra, pic)
		}
	}
	return p, o, nil
}

// pressCorrect makes a draft of a refused request, and opens the panel, or its form, where it was refused.
func (s *Set) pressCorrect(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	p, o, err := s.offered(ctx, in)
	if err != nil {
		return err
	}
	e, err := s.effective(ctx, in)
	if err != nil {
		return err
	}
	part, w := in.Component.ID.Arg, e.say
	p = p.fresh()
	reads := p.from != nil || p.mask != nil || len(p.extra) > 0 // that takes longer than a form may
	if reads {
		if err := r.DeferUpdate(ctx); err != nil {
			return err
		}
		if err := s.keepPictures(ctx, in.ID, &p); err != nil {
			return err
		}
	}
	if err := s.saveDraft(ctx, in, p, o.Private); err != nil {
		return err
	}
	switch part {
	case draftImage:
		if e.sources && !reads {
			return r.Modal(ctx, imageForm(w, &p))
		}
	case draftPrompt, draftNumbers, draftLoras:
		if !reads {
			return r.Modal(ctx, draftForm(e, &p, part))
		}
	case draftSwitches:
		return r.Update(ctx, s.switchPanel(e, p))
	}
	return r.Update(ctx, opened(s.panel(e, p, w.T("advanced.here")), part))
}

// opened puts the control of a part of the panel first, where it is a select, or marks its button.
func opened(m discord.Message, part string) discord.Message {
	is := func(id string) bool {
		c, err := discord.ParseCustomID(id)
		return err == nil && c.Arg == part
	}
	for i, row := range m.Components {
		if row.Select != nil && is(row.Select.CustomID) {
			copy(m.Components[1:i+1], m.Components[:i])
			m.Components[0] = row
			break
		}
		for j := range row.Buttons {
			if is(row.Buttons[j].CustomID) {
				row.Buttons[j].Style = discord.Danger
			}
		}
	}
	return m
}

// pressCorrected asks for a refused request again, as it may be. It does so once.
func (s *Set) pressCorrected(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	p, o, err := s.offered(ctx, in)
	if err != nil {
		return err
	}
	e, err := s.effective(ctx, in)
	if err != nil {
		return err
	}
	if mine, err := s.offers.drop(ctx, draftKey(in)); err != nil || !mine {
		return err // somebody pressed twice
	}
	p, _ = s.corrected(&e, p, o.Upfront)
	return s.start(ctx, in, r, p.fresh(), o.Private)
}
