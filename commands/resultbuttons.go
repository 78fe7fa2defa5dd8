// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// Verbs of the buttons and forms of results. The id is the interaction of the request.
const (
	verbVary     = "va" // arg: number of the image, or empty in a select, then s or h
	verbUpscale  = "up" // arg: number of the image
	verbUpscaler = "uq"
	verbRemix    = "rm"
	verbInfo     = "if"
	verbDescribe = "ds"
	verbSend     = "dm"
	verbFav      = "fv"
)

// Bounds of what results offer.
const (
	maxNumbered  = 4    // images with buttons of their own; more have a select
	maxParamLine = 1000 // characters of parameters written as one line
)

// resultFamily is the buttons under a result.
func (s *Set) resultFamily() family {
	return family{register: func(rt *discord.Router) {
		rt.Component(verbVary, discord.Route{Handle: s.answered(s.pressVary)})
		rt.Component(verbUpscale, discord.Route{Handle: s.answered(s.pressUpscale), Private: true})
		rt.Component(verbUpscaler, discord.Route{Handle: s.answered(s.pressUpscaler)})
		rt.Component(verbRemix, discord.Route{Handle: s.answered(s.pressRemix), Private: true})
		rt.Modal(verbRemix, discord.Route{Handle: s.answered(s.submitRemix)})
		rt.Component(verbInfo, discord.Route{Handle: s.answered(s.pressInfo), Private: true})
		rt.Component(verbPNG, discord.Route{Handle: s.answered(s.pressPNG), Private: true})
		rt.Component(verbDescribe, discord.Route{Handle: s.answered(s.pressDescribe), Private: true})
		rt.Component(verbSend, discord.Route{Handle: s.answered(s.pressSend), Private: true})
		rt.Component(verbFav, discord.Route{Handle: s.answered(s.pressFavourite), Private: true})
	}}
}

// short is the id of a row in buttons.
func short(row chat.Message) string { return strings.TrimPrefix(row.Key, keyPrefix) }

// there are the numbers, from 1, of the images that can be used.
func (p *params) there() []int {
	var out []int
	for i, m := range p.Made {
		if m.Blob != "" && !m.Censored {
			out = append(out, i+1)
		}
	}
	return out
}

// pick makes a button about one image of a request.
func pickButton(label, emoji, verb, id, arg string) discord.Button {
	return discord.Button{
		Label: label, Emoji: emoji, Style: discord.Secondary, CustomID: discord.CustomID{Verb: verb, ID: id, Arg: arg}.String(),
	}
}

// resultRows are the buttons under a result.
func (s *Set) resultRows(row chat.Message, p *params) []discord.Row {
	id, w := short(row), s.bundle.For(p.Locale)
	again, del := button(w.T("request.again"), "🔁", verbAgain, id, discord.Primary), button(w.T("request.delete"), "🗑️", verbDelete, id, discord.Secondary)
	there := p.there()
	switch {
	case len(there) == 0 && len(p.Made) > 0:
		return []discord.Row{{Buttons: []discord.Button{again, giftButton(w, row), del}}}
	case len(there) == 0 && p.CancelledBy != "":
		return []discord.Row{{Buttons: []discord.Button{again, del}}}
	case len(there) == 0:
		other := append([]discord.Button{again, newModelButton(voice{w}, id)}, s.notifyButtons(voice{w}, p, id)...)
		return []discord.Row{{Buttons: append(other, del)}}
	}
	rows := s.imageRows(w, id, there)
	return append(rows,
		discord.Row{Buttons: []discord.Button{
			again, button(w.T("image.remix"), "🎛️", verbRemix, id, discord.Secondary), button(w.T("image.info"), "ℹ️", verbInfo, id, discord.Secondary),
			button(w.T("image.favourite"), "⭐", verbFav, id, discord.Secondary), del,
		}},
		discord.Row{Buttons: []discord.Button{
			button(w.T("image.describe"), "💬", verbDescribe, id, discord.Secondary),
			button(w.T("image.send"), "📨", verbSend, id, discord.Secondary), giftButton(w, row),
		}},
	)
}

// imageRows are those about single images: buttons for one, numbered ones for a few, selects for many.
func (s *Set) imageRows(w words.Words, id string, there []int) []discord.Row {
	if len(there) == 1 {
		n := strconv.Itoa(there[0])
		return []discord.Row{{Buttons: []discord.Button{
			pickButton(w.T("image.upscale"), "🔍", verbUpscale, id, n),
			pickButton(w.T("image.subtle"), "🪄", verbVary, id, n+"s"), pickButton(w.T("image.strong"), "🌪️", verbVary, id, n+"h"),
		}}}
	}
	if len(there) <= maxNumbered {
		var up, vary discord.Row
		for _, n := range there {
			up.Buttons = append(up.Buttons, pickButton("U"+strconv.Itoa(n), "🔍", verbUpscale, id, strconv.Itoa(n)))
			vary.Buttons = append(vary.Buttons, pickButton("V"+strconv.Itoa(n), "🪄", verbVary, id, strconv.Itoa(n)))
		}
		return []discord.Row{up, vary}
	}
	menu := func(verb, placeholder string) discord.Row {
		sel := &discord.Select{CustomID: discord.CustomID{Verb: verb, ID: id}.String(), Placeholder: placeholder}
		for _, n := range there[:min(len(there), discord.MaxSelectOptions)] {
			sel.Options = append(sel.Options, discord.SelectOption{Label: w.T("image.number", "Number", n), Value: strconv.Itoa(n)})
		}
		return discord.Row{Select: sel}
	}
	return []discord.Row{menu(verbUpscale, w.T("image.upscalewhich")), menu(verbVary, w.T("image.varywhich"))}
}

// remakes finds the request that a button is about, for somebody who may make something new of it.
func (s *Set) remakes(ctx context.Context, in *discord.Interaction, r *discord.Responder) (row chat.Message, p params, e Effective, ok bool, err error) {
	if row, p, ok, err = s.pressed(ctx, in, r); err != nil || !ok {
		return row, p, e, false, err
	}
	if e, err = s.effective(ctx, in); err != nil {
		return row, p, e, false, err
	}
	return row, p, e, true, s.mayPress(ctx, &e, row.Person)
}

// usable is pressed for buttons that make something new of a result. It finds the image that the button is about.
func (s *Set) usable(ctx context.Context, in *discord.Interaction, r *discord.Responder) (row chat.Message, p params, e Effective, number int, ok bool, err error) {
	if row, p, e, ok, err = s.remakes(ctx, in, r); err != nil || !ok {
		return row, p, e, 0, false, err
	}
	number, err = which(in, &p)
	return row, p, e, number, err == nil, err
}

// which finds the number of the image that a button or a form is about.
func which(in *discord.Interaction, p *params) (int, error) {
	arg := in.Component.ID.Arg
	if in.Type == discord.ModalSubmit {
		arg = in.Modal.ID.Arg
	} else if arg == "" && len(in.Component.Values) > 0 {
		arg = in.Component.Values[0]
	}
	there := p.there()
	if len(there) == 0 {
		return 0, tellPlain("image.gone")
	}
	number := there[0]
	if n, err := strconv.Atoi(strings.TrimRight(arg, "sh")); err == nil {
		number = n
	}
	if !slices.Contains(there, number) {
		return 0, tellPlain("image.gone")
	}
	return number, nil
}

// pressVary makes an image from an image. Whoever presses, pays.
func (s *Set) pressVary(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	row, p, e, number, ok, err := s.usable(ctx, in, r)
	if err != nil || !ok {
		return err
	}
	arg, id, n := in.Component.ID.Arg, short(row), strconv.Itoa(number)
	strength := strengthSubtle
	switch {
	case strings.HasSuffix(arg, "h"):
		strength = strengthStrong
	case !strings.HasSuffix(arg, "s"):
		m := private(e.say.T("image.varyhow", "Number", number))
		m.Components = []discord.Row{{Buttons: []discord.Button{
			pickButton(e.say.T("image.subtle"), "🪄", verbVary, id, n+"s"), pickButton(e.say.T("image.strong"), "🌪️", verbVary, id, n+"h"),
		}}}
		return r.Reply(ctx, m)
	}
	blob := p.Made[number-1].Blob
	p = p.fresh()
	p.begin(&photo{blob: blob}, strength)
	p.Seed, p.Amount = "", 1
	p.follow(row)
	return s.start(ctx, in, r, p, row.Ephemeral || e.answers == chat.AnswersPrivate)
}

// pressUpscale asks how to enlarge an image.
func (s *Set) pressUpscale(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	row, _, e, number, ok, err := s.usable(ctx, in, r)
	if err != nil || !ok {
		return err
	}
	if err := e.admit(chat.Tools); err != nil {
		return err
	}
	m := private(e.say.T("image.upscalehow", "Number", number))
	m.Components = []discord.Row{{Select: upscalers(e.say, discord.CustomID{Verb: verbUpscaler, ID: short(row), Arg: strconv.Itoa(number)})}}
	return r.Reply(ctx, m)
}

// upscalers is a select of what alchemists can make of an image.
func upscalers(w words.Words, id discord.CustomID) *discord.Select {
	sel := &discord.Select{CustomID: id.String(), Placeholder: w.T("image.upscaler")}
	for _, name := range horde.PostProcessors() {
		o := discord.SelectOption{Label: name, Value: name}
		switch {
		case horde.Upscaler(name):
			o.Description = w.T("tools.enlarges")
		case name == "strip_background":
			o.Description = w.T("tools.cutsout")
		default:
			o.Description = w.T("tools.faces")
		}
		sel.Options = append(sel.Options, o)
	}
	return sel
}

// pressUpscaler sends an image to an alchemist.
func (s *Set) pressUpscaler(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	arg := in.Component.ID.Arg
	row, p, e, number, ok, err := s.usable(ctx, in, r)
	if err != nil || !ok {
		return err
	}
	if len(in.Component.Values) != 1 || !horde.PostForm(in.Component.Values[0]) || arg == "" {
		return r.Reply(ctx, private(s.say(in).T("request.old")))
	}
	ask := s.forms(e.say, aimUpscale, &photo{blob: p.Made[number-1].Blob}, in.Component.Values[0])
	ask.follow(row)
	return s.start(ctx, in, r, ask, row.Ephemeral || e.answers == chat.AnswersPrivate)
}

// pressDescribe says in words what is in an image, to whoever wants to know: who does not see it must not need the leave of
// its person.
func (s *Set) pressDescribe(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	row, p, ok, err := s.pressed(ctx, in, r)
	if err != nil || !ok {
		return err
	}
	number, err := which(in, &p)
	if err != nil {
		return err
	}
	e, err := s.effective(ctx, in)
	if err != nil {
		return err
	}
	pic := &photo{blob: p.Made[number-1].Blob, name: short(row) + "-" + strconv.Itoa(number) + ".webp"} // as its file is called
	return s.startDescribe(ctx, in, r, e, pic, formCaption, true)
}

// pressRemix opens a form with everything that made an image.
func (s *Set) pressRemix(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	row, p, e, _, ok, err := s.usable(ctx, in, r)
	if err != nil || !ok {
		return err
	}
	w := e.say
	m := discord.Modal{
		CustomID: discord.CustomID{Verb: verbRemix, ID: short(row)}.String(), Title: discord.Clip(w.T("image.remixtitle"), discord.MaxModalTitle),
		Inputs: []discord.Input{
			{CustomID: "prompt", Label: w.T("image.fieldprompt"), Value: p.Prompt, Paragraph: true, Required: true, Max: maxPrompt},
			{CustomID: "negative", Label: w.T("image.fieldnegative"), Value: p.Negative, Paragraph: true, Max: maxNegative},
			{CustomID: "strength", Label: w.T("image.fieldstrength"), Value: strconv.Itoa(int(strengthUsual * 100)), Max: 5},
			{CustomID: "params", Label: w.T("image.fieldparams"), Value: p.line(), Max: maxParamLine},
		},
	}
	if there := p.there(); len(there) > 1 {
		m.Inputs = append(m.Inputs, discord.Input{CustomID: "image", Label: w.T("image.fieldimage"), Value: strconv.Itoa(there[0]), Required: true, Max: 2})
	}
	return r.Modal(ctx, m)
}

// line writes the parameters that a person may want to change as flags.
func (p *params) line() string {
	parts := []string{
		fmt.Sprintf("--size %dx%d", p.Width, p.Height), "--steps " + strconv.Itoa(p.Steps),
		"--cfg " + strconv.FormatFloat(p.CFG, 'f', -1, 64), "--sampler " + p.Sampler, "--n " + strconv.Itoa(p.Amount),
	}
	switch {
	case p.Style != "":
		parts = append(parts, "--style "+p.Style)
	case p.Model != "":
		parts = append(parts, "--model "+p.Model)
	}
	if p.Seed != "" {
		parts = append(parts, "--seed "+p.Seed)
	}
	return discord.Clip(strings.Join(parts, " "), maxParamLine)
}

// submitRemix makes what the form says. Without a strength the words alone count.
func (s *Set) submitRemix(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	in.Component.ID = in.Modal.ID // the row is found by it
	v := in.Modal.Values
	if n := strings.TrimSpace(v["image"]); n != "" {
		in.Modal.ID.Arg = n
	}
	row, p, e, number, ok, err := s.usable(ctx, in, r)
	if err != nil || !ok {
		return err
	}
	blob := p.Made[number-1].Blob
	p = p.fresh()
	if err := s.fillRemix(&p, v); err != nil {
		return err
	}
	pic := &photo{blob: blob}
	if p.Strength == 0 {
		pic = nil
	}
	p.begin(pic, p.Strength)
	p.follow(row)
	return s.start(ctx, in, r, p, row.Ephemeral || e.answers == chat.AnswersPrivate)
}

// fillRemix takes the fields of a remix form.
func (s *Set) fillRemix(p *params, v map[string]string) error {
	p.Prompt, p.Negative, p.Seed = strings.TrimSpace(v["prompt"]), strings.TrimSpace(v["negative"]), ""
	style := p.Style
	_, found := flags(v["params"], shortName)
	for _, f := range found {
		if f.name == "style" && f.value == style {
			continue
		}
		if f.name == "model" {
			p.Style = "" // a style brings its own models
		}
		if err := s.flag(p, f); err != nil {
			return err
		}
	}
	if p.Style != style {
		p.Styled = nil
	} else if p.Styled != nil {
		worn := *p.Styled
		p.Styled = &worn
		s.wear(p) // the form may say something else than the style
	}
	p.Strength = 0
	if text := strings.TrimSuffix(strings.TrimSpace(v["strength"]), "%"); text != "" {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 0 || n > 100 {
			return tellPlain("refused.strength")
		}
		p.Strength = float64(n) / 100
	}
	return s.shorthand(p)
}

// pressInfo tells everything about a result, in words and as a file.
func (s *Set) pressInfo(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	row, p, ok, err := s.pressed(ctx, in, r)
	if err != nil || !ok {
		return err
	}
	m, err := s.info(s.say(in), row, &p)
	if err != nil {
		return err
	}
	m.Components = append(m.Components, s.styleFromRow(s.say(in), in.User.ID, short(row), &p)...)
	return r.Reply(ctx, m)
}

// info is the private message with everything about a request.
func (s *Set) info(w words.Words, row chat.Message, p *params) (discord.Message, error) {
	data, err := json.MarshalIndent(infoFile(row, p), "", "  ")
	if err != nil {
		return discord.Message{}, fmt.Errorf("encode parameters: %w", err)
	}
	e := discord.Embed{Title: w.T("image.infotitle"), Description: codeBlock(p.Prompt, 3500)}
	if p.Erased {
		e.Description = p.title(w)
	}
	add := func(key, value string, inline bool) {
		if value != "" && len(e.Fields) < discord.MaxEmbedFields {
			e.Fields = append(e.Fields, discord.Field{Name: w.T(key), Value: discord.Clip(value, discord.MaxFieldValue), Inline: inline})
		}
	}
	if p.Negative != "" {
		add("image.fieldnegative", codeBlock(p.Negative, 900), false)
	}
	if p.kind() == jobImage {
		add("image.fieldparams", codeBlock(p.line(), 900), false)
	}
	var each []string
	for i, g := range p.Made {
		text := fmt.Sprintf("%d · %s · %s", i+1, escape(g.Model), escape(g.Worker))
		if p.kind() == jobImage {
			text += " · seed " + strconv.FormatUint(uint64(g.Seed), 10)
		}
		each = append(each, text)
	}
	add("image.fieldmade", strings.Join(each, "\n"), false)
	add("image.fieldwhen", stamp(row.Created), true)
	if p.Spent > 0 {
		add("image.fieldkudos", p.Spent.String(), true)
	}
	add("image.fieldid", "`"+escape(row.Request)+"`", true)
	var images []kept
	for _, n := range p.there() {
		images = append(images, kept{n, p.Made[n-1].Blob})
	}
	if line, ends := s.imageLinks(voice{w}, images, p.Veiled, maxLinkField); line != "" {
		add("image.fieldlinks", lines(line, "-# "+w.T("image.linksend", "Ends", stamp(ends))), false)
	}
	m := discord.Message{
		Embeds: []discord.Embed{e}, Ephemeral: true,
		Files: []discord.File{{Name: short(row) + ".json", ContentType: "application/json", Data: data}},
	}
	if row, ok := pngRow(w, row, p); ok {
		m.Components = append(m.Components, row)
	}
	return m, nil
}

// codeBlock shows a text that can be copied. Nothing in it ends the block.
func codeBlock(text string, most int) string {
	text = strings.ReplaceAll(discord.Clip(text, most), "```", "'''")
	return "```\n" + text + "\n```"
}

// pressSend brings the files of a result to whoever presses, as a direct message.
func (s *Set) pressSend(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	row, p, ok, err := s.pressed(ctx, in, r)
	if err != nil || !ok {
		return err
	}
	w := s.say(in)
	if err := r.Defer(ctx, true); err != nil {
		return err
	}
	if p.Adult {
		may, err := s.adultDirectly(ctx, in.User.ID)
		if err != nil {
			return err
		}
		if !may {
			return tell(w.T("image.adultdm", "Settings", s.cmd("settings panel")))
		}
		p.Veiled = true
	}
	row.Guild = "" // what a direct message takes counts
	for _, how := range []showing{{}, {noFiles: true}} {
		m, err := s.result(ctx, row, p, p.ended(row), how)
		if err != nil {
			return err
		}
		if len(m.Files) == 0 && (len(p.there()) == 0 || !s.mayLink()) {
			return r.Reply(ctx, private(w.T("image.gone")))
		}
		m.Components = nil
		_, err = s.bot.DM(ctx, in.User.ID, m)
		switch {
		case discord.IsTooLarge(err) && !how.noFiles && s.mayLink():
			continue
		case discord.IsCannotDM(err):
			return r.Reply(ctx, private(w.T("image.nodm")))
		case err != nil:
			return err
		}
		break
	}
	return r.Reply(ctx, private(w.T("image.sent")))
}

// pressFavourite remembers a result for whoever presses, or forgets it again.
func (s *Set) pressFavourite(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	row, p, ok, err := s.pressed(ctx, in, r)
	if err != nil || !ok {
		return err
	}
	w := s.say(in)
	key := in.User.ID + ":" + row.Key
	_, there, err := s.favourites.get(ctx, key)
	if err != nil {
		return err
	}
	if there {
		if _, err := s.favourites.drop(ctx, key); err != nil {
			return err
		}
		if err := r.Reply(ctx, private(w.T("image.unfavoured"))); err != nil {
			return err
		}
		return s.noteFavourite(ctx, in, row, p, false)
	}
	mine, err := s.favourites.ofPerson(ctx, in.User.ID)
	if err != nil {
		return err
	}
	if len(mine) >= chat.MaxFavourites {
		return r.Reply(ctx, private(w.T("image.toomany", "Most", chat.MaxFavourites)))
	}
	row.Sealed = nil
	kept := p // with what was made, which the row may not have yet
	if row.Person != in.User.ID && s.wantsErased(ctx, row.Person) {
		kept.erase()
	}
	if row.Params, err = json.Marshal(kept); err != nil {
		return fmt.Errorf("encode parameters: %w", err)
	}
	if err := s.keepImages(ctx, &p, p.Made); err != nil { // their time there may end before the first renewal
		return fmt.Errorf("keep the images of a favourite: %w", err)
	}
	_, err = s.favourites.change(ctx, key, s.aboutFavourite(in.User.ID), func(f *chat.Favourite) error {
		f.Message, f.At = row, s.now()
		return nil
	})
	if err != nil {
		return err
	}
	if err := r.Reply(ctx, private(w.T("image.favoured", "History", s.cmd("history list")))); err != nil {
		return err
	}
	return s.noteFavourite(ctx, in, row, p, true)
}

// discard removes the files of a result and what was asked for. Images that help research stay there. When files are left,
// so is what names them, for another try.
func (s *Set) discard(ctx context.Context, row chat.Message, p params) error {
	if row.Open {
		return nil
	}
	s.takeDown(ctx, row)
	if err := s.discardImages(ctx, row, p); err != nil {
		return err
	}
	row.Params, row.Sealed = []byte(chat.Deleted), []byte{}
	if err := s.deps.Messages.SaveMessage(ctx, row); err != nil {
		return fmt.Errorf("forget a request: %w", err)
	}
	return nil
}

// discardImages removes the files of a result, but for those that help research. An error says that some are left; they can
// be removed again.
func (s *Set) discardImages(ctx context.Context, row chat.Message, p params) error {
	var failed []error
	theirs := s.belongsElsewhere(ctx, row, &p)
	for i, g := range p.Made {
		if g.Blob != "" && p.pictures() && s.mayLink() {
			if err := s.deps.Images.Delete(ctx, pngKey(row, i+1)); err != nil {
				failed = append(failed, fmt.Errorf("delete a PNG: %w", err))
			}
		}
		if g.Blob == "" || p.Share || theirs || p.lent(g.Blob) {
			continue
		}
		if err := s.deps.Images.Delete(ctx, g.Blob); err != nil {
			failed = append(failed, fmt.Errorf("delete an image: %w", err))
		}
	}
	sources := []string{p.Source, p.Mask}
	if p.Fine != nil {
		sources = append(sources, p.Fine.Extra...)
	}
	for _, key := range sources {
		if !strings.HasPrefix(key, short(row)) {
			continue // none, or another request's
		}
		if err := s.deps.Images.Delete(ctx, key); err != nil {
			failed = append(failed, fmt.Errorf("delete a source image: %w", err))
		}
	}
	return errors.Join(failed...)
}

// belongsElsewhere reports whether a row only shows a result again that is still there, by itself or as its person's favourite.
func (s *Set) belongsElsewhere(ctx context.Context, row chat.Message, p *params) bool {
	if p.Again == "" {
		return false
	}
	first, there, err := s.deps.Messages.MessageByKey(ctx, p.Again)
	if err != nil || there && !isGone(first) {
		return true // what stays by mistake is swept one day
	}
	_, there, err = s.favourites.get(ctx, row.Person+":"+p.Again)
	return err != nil || there
}

// isGone reports whether a row is of a request that was deleted.
func isGone(row chat.Message) bool { return bytes.Equal(row.Params, []byte(chat.Deleted)) }

// showMade answers privately with a result that was made before, of whoever asks or of somebody else.
func (s *Set) showMade(ctx context.Context, in *discord.Interaction, r *discord.Responder, row chat.Message, p params) error {
	if err := r.Defer(ctx, true); err != nil {
		return err
	}
	m, err := s.result(ctx, row, p, p.ended(row), showing{})
	if err != nil {
		return err
	}
	m.Ephemeral, m.KeepFiles = true, false
	if row.Person != in.User.ID { // it is not theirs to delete
		for i := range m.Components {
			m.Components[i].Buttons = slices.DeleteFunc(m.Components[i].Buttons, func(b discord.Button) bool {
				id, err := discord.ParseCustomID(b.CustomID)
				return err == nil && id.Verb == verbDelete
			})
		}
	}
	return r.Reply(ctx, m)
}
