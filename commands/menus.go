// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"strconv"
	"strings"

	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/internal/discord"
)

// onMessage begins an entry of the context menu of messages that is about one image.
func (s *Set) onMessage(verb string) discord.HandlerFunc {
	return func(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
		e, err := s.imageTools(ctx, in)
		if err != nil {
			return err
		}
		return s.onOneImage(ctx, in, r, e, verb)
	}
}

// onOneImage does what the entry says with the one image of its message, or asks which one is meant.
func (s *Set) onOneImage(ctx context.Context, in *discord.Interaction, r *discord.Responder, e Effective, verb string) error {
	msg := in.Command.TargetMessage
	all := picturesOf(msg)
	s.glances.keep(glanceKey(in, msg.ID), all, s.now())
	switch len(all) {
	case 0:
		return tell(e.say.T("tools.noimage"))
	case 1:
		return s.onImage(ctx, in, r, e, verb, msg.ID, 0, all[0])
	}
	return s.askWhich(ctx, r, e, verb, msg.ID, len(all))
}

// askWhich lets somebody choose one of several images of a message.
func (s *Set) askWhich(ctx context.Context, r *discord.Responder, e Effective, verb, message string, n int) error {
	sel := &discord.Select{CustomID: discord.CustomID{Verb: verb, ID: message}.String(), Placeholder: e.say.T("tools.which")}
	for i := range n {
		sel.Options = append(sel.Options, discord.SelectOption{Label: e.say.T("image.number", "Number", i+1), Value: strconv.Itoa(i)})
	}
	m := private(e.say.T("tools.which"))
	m.Components = []discord.Row{{Select: sel}}
	return r.Reply(ctx, m)
}

// onImage does what the entry says with one image.
func (s *Set) onImage(ctx context.Context, in *discord.Interaction, r *discord.Responder, e Effective, verb, message string, number int, pic *photo) error {
	id := discord.CustomID{Verb: verb, ID: message, Arg: strconv.Itoa(number)}
	switch verb {
	case verbMenuDescribe:
		return s.startDescribe(ctx, in, r, e, pic, formCaption, true)
	case verbMenuRemix:
		return r.Modal(ctx, remixForm(e.say, id))
	case verbMenuDetails:
		return s.fileDetails(ctx, r, e, pic)
	}
	id.Verb = verbMenuScaler
	m := private(e.say.T("image.upscaler"))
	m.Components = []discord.Row{{Select: upscalers(e.say, id)}}
	return r.Reply(ctx, m)
}

// remixForm asks what to make of an image.
func remixForm(w words.Words, id discord.CustomID) discord.Modal {
	return discord.Modal{
		CustomID: id.String(), Title: discord.Clip(w.T("image.remixtitle"), discord.MaxModalTitle), Inputs: []discord.Input{
			{CustomID: "prompt", Label: w.T("image.fieldprompt"), Paragraph: true, Required: true, Max: maxPrompt},
			{CustomID: "strength", Label: w.T("image.fieldstrength"), Value: strconv.Itoa(int(strengthUsual * 100)), Max: 5},
			{CustomID: "model", Label: w.T("image.fieldmodel"), Max: maxModel},
		},
	}
}

// target reads the message of an earlier menu again: its channel is where the presser is, and Discord says what is in it.
func (s *Set) target(ctx context.Context, in *discord.Interaction, message, number string) (Effective, *photo, error) {
	e, err := s.imageTools(ctx, in)
	if err != nil {
		return e, nil, err
	}
	pic, err := s.targeted(ctx, in, e, message, number)
	return e, pic, err
}

// targeted is target where nothing is made of the image.
func (s *Set) targeted(ctx context.Context, in *discord.Interaction, e Effective, message, number string) (*photo, error) {
	var all []*photo
	if msg, err := s.bot.FetchMessage(ctx, in.ChannelID, message); err == nil {
		all = picturesOf(msg)
	} else if all = s.glances.find(glanceKey(in, message), s.now()); all == nil {
		return nil, tell(e.say.T("tools.unreadable"))
	}
	i, err := strconv.Atoi(number)
	if err != nil || i < 0 || i >= len(all) {
		return nil, tell(e.say.T("tools.noimage"))
	}
	return all[i], nil
}

// onPicked goes on when somebody has chosen one of several images.
func (s *Set) onPicked(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	id := in.Component.ID
	if len(in.Component.Values) != 1 {
		return r.Reply(ctx, private(s.say(in).T("request.old")))
	}
	var e Effective
	var pic *photo
	var err error
	if id.Verb != verbMenuDetails {
		e, pic, err = s.target(ctx, in, id.ID, in.Component.Values[0])
	} else if e, err = s.effective(ctx, in); err == nil { // only looked at, which source images being off does not forbid
		pic, err = s.targeted(ctx, in, e, id.ID, in.Component.Values[0])
	}
	if err != nil {
		return err
	}
	n, _ := strconv.Atoi(in.Component.Values[0]) // target has read it
	return s.onImage(ctx, in, r, e, id.Verb, id.ID, n, pic)
}

func (s *Set) pressMenuScaler(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	if len(in.Component.Values) != 1 || !horde.PostForm(in.Component.Values[0]) {
		return r.Reply(ctx, private(s.say(in).T("request.old")))
	}
	e, pic, err := s.target(ctx, in, in.Component.ID.ID, in.Component.ID.Arg)
	if err != nil {
		return err
	}
	return s.start(ctx, in, r, s.forms(e.say, aimUpscale, pic, in.Component.Values[0]), e.hidden(nil))
}

func (s *Set) submitMenuRemix(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	e, pic, err := s.target(ctx, in, in.Modal.ID.ID, in.Modal.ID.Arg)
	if err != nil {
		return err
	}
	return s.submitPicture(ctx, in, r, e, pic)
}

// submitPicture makes what a remix form says of a picture.
func (s *Set) submitPicture(ctx context.Context, in *discord.Interaction, r *discord.Responder, e Effective, pic *photo) error {
	o, v := discord.OptionValues{}, in.Modal.Values
	text := func(name, value string) {
		if value = strings.TrimSpace(value); value != "" {
			o[name] = discord.OptionValue{Type: discord.OptionString, Value: value}
		}
	}
	text("prompt", v["prompt"])
	text("model", s.modelNamed(v["model"]))
	if t := strings.TrimSuffix(strings.TrimSpace(v["strength"]), "%"); t != "" {
		n, err := strconv.Atoi(t)
		if err != nil || n < 1 || n > 100 {
			return tellPlain("refused.strength")
		}
		o["strength"] = discord.OptionValue{Type: discord.OptionInteger, Value: float64(n)}
	}
	return s.startRemix(ctx, in, r, e, pic, o)
}

// remixAvatar opens the form for somebody's picture.
func (s *Set) remixAvatar(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	e, err := s.avatars(ctx, in, in.Command.TargetUser.ID)
	if err != nil {
		return err
	}
	u := in.Command.TargetUser
	return r.Modal(ctx, remixForm(e.say, discord.CustomID{Verb: verbAvatar, ID: u.ID, Arg: u.Avatar}))
}

func (s *Set) submitAvatar(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	e, err := s.avatars(ctx, in, in.Modal.ID.ID)
	if err != nil {
		return err
	}
	return s.submitPicture(ctx, in, r, e, avatar(discord.User{ID: in.Modal.ID.ID, Avatar: in.Modal.ID.Arg}))
}

func (s *Set) captionAvatar(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	e, err := s.avatars(ctx, in, in.Command.TargetUser.ID)
	if err != nil {
		return err
	}
	return s.startDescribe(ctx, in, r, e, avatar(in.Command.TargetUser), formCaption, true)
}

// avatars resolves what holds for somebody's picture, and whether they let others use it.
func (s *Set) avatars(ctx context.Context, in *discord.Interaction, person string) (Effective, error) {
	e, err := s.imageTools(ctx, in)
	if err != nil {
		return e, err
	}
	return e, s.lendsAvatar(ctx, in, e.say, person)
}

// lendsAvatar refuses where somebody does not let others use their picture.
func (s *Set) lendsAvatar(ctx context.Context, in *discord.Interaction, w words.Words, person string) error {
	owner, _, err := s.people.get(ctx, person)
	if err != nil {
		return fmt.Errorf("settings of a person: %w", err)
	}
	if owner.NoAvatar && person != in.User.ID {
		return tell(w.T("tools.noavatar"))
	}
	return nil
}

// details tells what is known about an image: of ours everything, of others what their file says.
func (s *Set) details(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	e, err := s.effective(ctx, in)
	if err != nil {
		return err
	}
	msg := in.Command.TargetMessage
	row, ok, err := s.deps.Messages.MessageByDiscord(ctx, in.ChannelID, msg.ID)
	if err != nil {
		return fmt.Errorf("find message: %w", err)
	}
	var p params
	if ok && !isGone(row) && (!row.Ephemeral || row.Person == in.User.ID) && json.Unmarshal(row.Params, &p) == nil {
		m, err := s.info(e.say, row, &p)
		if err != nil {
			return err
		}
		return r.Reply(ctx, m)
	}
	return s.onOneImage(ctx, in, r, e, verbMenuDetails)
}

// fileDetails tells what a file says about itself.
func (s *Set) fileDetails(ctx context.Context, r *discord.Responder, e Effective, pic *photo) error {
	if err := r.Defer(ctx, true); err != nil {
		return err
	}
	data, err := s.readPicture(ctx, pic)
	if err != nil {
		return err
	}
	cfg, format, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return tell(e.say.T("tools.unreadable"))
	}
	m := private(e.say.T("tools.details", "Format", format, "Width", cfg.Width, "Height", cfg.Height, "KiB", (len(data)+1023)/1024))
	if texts := fileTexts(data); texts != "" {
		m.Embeds = []discord.Embed{{Description: codeBlock(texts, 3500)}}
	} else {
		m.Content = lines(m.Content, e.say.T("tools.nometa"))
	}
	return r.Reply(ctx, m)
}
