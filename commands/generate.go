// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/horde/origin"
	"stablemate/internal/discord"
)

// checkTime is how long checks may take before the acknowledgement; what is slower goes on after it.
const checkTime = 1200 * time.Millisecond

// keyPrefix begins the idempotency keys of requests from chat; the interaction's ID follows.
const keyPrefix = "discord:"

func keyOf(interaction string) string { return keyPrefix + interaction }

// originOf is where limits count a person: their stand-in within the guild.
func originOf(guild, person string) (origin.Origin, error) {
	g := uint64(0)
	if guild != "" {
		var err error
		if g, err = strconv.ParseUint(guild, 10, 64); err != nil {
			return origin.Origin{}, fmt.Errorf("guild: %w", err)
		}
	}
	p, err := strconv.ParseUint(person, 10, 64)
	if err != nil {
		return origin.Origin{}, fmt.Errorf("person: %w", err)
	}
	return origin.FromDiscord(g, p), nil
}

func (s *Set) generate(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	e, err := s.effective(ctx, in)
	if err != nil {
		return err
	}
	defaults := e.person.Defaults
	if name := in.Command.Options.String("preset"); name != "" {
		preset, err := s.presetFor(ctx, in, name, horde.StyleImage)
		if err != nil {
			return err
		}
		defaults = over(defaults, preset.value.Defaults)
	}
	if defaults, err = s.presetOr(ctx, in, defaults, horde.StyleImage); err != nil {
		return err
	}
	p, err := s.read(e.say, in.Command.Options, defaults)
	if err != nil {
		return err
	}
	e.fit(&p, in.Command.Options)
	return s.start(ctx, in, r, p, e.hidden(in.Command.Options))
}

// rule holds a request against what is allowed where it is asked for, and notes what the place adds to it.
func (s *Set) rule(e Effective, p *params, hidden bool) error {
	if err := e.admit(p.feature()); err != nil {
		return err
	}
	a := ask{
		model: p.Model, style: p.Style, texts: []string{p.Prompt, p.Negative}, width: p.Width, height: p.Height, steps: p.Steps,
		amount: p.Amount, source: p.sourced(),
	}
	if p.Fine != nil {
		a.texts = append(a.texts, p.Fine.QR)
	}
	if p.Styled != nil {
		a.styleModels, a.styleTag = p.Styled.Models, append(slices.Clone(p.Styled.Tags), p.Styled.Name) // it may have been drawn
	}
	models := s.engine.Models
	switch p.kind() {
	case jobImage:
	case jobForms: // the lists of models and the amounts are those of images
		a.model, a.styleModels, a.amount, models = "", nil, 0, nil
	case jobText:
		a.amount, a.length, a.written = 0, p.Text.Length, p.Amount
		e, models = e.ofTexts(), func() []horde.ModelStatus { return s.engine.ModelsOf(horde.Scribe) }
	}
	if err := e.allows(a); err != nil {
		return err
	}
	p.Models = nil
	if p.Model == "" && models != nil {
		p.Models = e.offered(models())
	}
	p.Added, p.Adult, p.Veiled, p.Share, p.NoAlt = e.negative, e.adult, e.spoiler || p.Spoil, e.person.Share, e.person.NoAlt
	p.Caption = e.person.AltCaption && !p.NoAlt && p.pictures()
	if p.Sharing != nil {
		p.Share = *p.Sharing
	}
	p.Share = p.Share && e.share && !p.sourced()
	p.Locale = e.words(hidden).Locale()
	if !p.pictures() {
		return nil
	}
	return s.room(e, p.Amount)
}

// asking is a request on its way from an interaction to the core.
type asking struct {
	in     *discord.Interaction
	e      Effective
	p      params
	key    string // what makes a repeat one request
	from   origin.Origin
	hidden bool // the answer is for the person alone
}

// blame is whom a refusal of it falls on.
func (a *asking) blame() blame { return blame{guild: a.in.GuildID, person: a.in.User.ID, from: a.from} }

// start asks for images, texts or forms on behalf of whoever caused the interaction. Everything that can be refused in time
// is refused before the acknowledgement. Then the row comes before the request, and the request carries the row's key, so
// that a crash in between leads to one request and not to two.
func (s *Set) start(ctx context.Context, in *discord.Interaction, r *discord.Responder, p params, hidden bool) error {
	return p.correctable(s.begin(ctx, in, r, p, hidden), hidden)
}

// begin is start without what can be done about a refusal.
func (s *Set) begin(ctx context.Context, in *discord.Interaction, r *discord.Responder, p params, hidden bool) error {
	if s.follow.full() {
		return r.Reply(ctx, private(s.say(in).T("request.busy")))
	}
	if p.Erased && p.Prompt == "" {
		return tell(s.say(in).T("privacy.erased", "Consent", s.cmd("privacy consent")))
	}
	p.Erased = false
	a, err := s.prepare(ctx, in, p, hidden)
	if err != nil {
		return err
	}
	slow, err := s.checkInTime(ctx, &a)
	if err != nil {
		return s.blamed(ctx, a.e.say, a.blame(), err)
	}
	ref, placing, err := s.promise(ctx, in, r, a.e, a.hidden)
	if err != nil {
		return err
	}
	err = s.place(ctx, &a, ref, slow)
	if err != nil && placing {
		s.unplace(ctx, ref)
	}
	return err
}

// place asks for what was promised in a message. unchecked says that the checks are still to be made.
func (s *Set) place(ctx context.Context, a *asking, ref discord.MessageRef, unchecked bool) error {
	if unchecked {
		if err := s.check(ctx, a); err != nil {
			return s.blamed(ctx, a.e.say, a.blame(), err)
		}
	}
	if _, known, err := s.deps.Messages.MessageByKey(ctx, a.key); err != nil || known {
		return err // Discord told us twice about it
	}
	if err := s.keepPictures(ctx, a.in.ID, &a.p); err != nil {
		return err
	}
	// Nobody shows through us what they may not show themselves.
	a.p.Brought = a.p.Brought && (a.hidden || a.in.GuildID == "" || a.in.MemberPermissions.Has(discord.AttachFiles))
	row, err := s.record(ctx, a, ref)
	if err != nil {
		return err
	}
	if err := s.submit(ctx, a, &row); err != nil {
		return err
	}
	s.follow.add(row, a.p, ref.Token)
	return nil
}

// prepare gathers what counts for a request: the rules of the place, who is to blame for it, and the party that it belongs to.
func (s *Set) prepare(ctx context.Context, in *discord.Interaction, p params, hidden bool) (asking, error) {
	e, err := s.effective(ctx, in)
	if err != nil {
		return asking{}, err
	}
	from, err := originOf(in.GuildID, in.User.ID)
	if err != nil {
		return asking{}, err
	}
	p.Guest, p.Left = foreign(in), false
	joined, err := s.host.join(ctx, e, &p)
	if err != nil {
		return asking{}, err
	}
	hidden = hidden && (!joined || e.answers == chat.AnswersPrivate)
	return asking{in: in, e: e, p: p, key: keyOf(in.ID), from: from, hidden: hidden}, nil
}

// checkInTime checks a request as long as an acknowledgement can wait. What is too slow is to be checked after it.
func (s *Set) checkInTime(ctx context.Context, a *asking) (slow bool, err error) {
	early, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	err = s.check(early, a)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return true, nil
	}
	return false, err
}

// check refuses what the rules or the core refuse, and decides who pays. It may be done again.
func (s *Set) check(ctx context.Context, a *asking) error {
	if err := s.dress(ctx, a.in, &a.p); err != nil {
		return err
	}
	if err := s.rule(a.e, &a.p, a.hidden); err != nil {
		return err
	}
	for {
		if err := s.payer(ctx, a.in, a.e, &a.p); err != nil {
			return err
		}
		out, err := s.enqueue(ctx, a.p, a.key, a.from, true)
		if !a.p.goesAlone(err) {
			a.p.Tamed = out.tamed
			return err
		}
	}
}

// record saves the row of a request: from here on it is not lost.
func (s *Set) record(ctx context.Context, a *asking, ref discord.MessageRef) (chat.Message, error) {
	row := chat.Message{
		Key: a.key, App: ref.AppID, Guild: a.in.GuildID, Channel: ref.ChannelID, Message: ref.MessageID, Person: a.in.User.ID,
		TokenEnds: ref.Expires, Ephemeral: ref.Ephemeral, Created: s.now(), Open: true,
	}
	var err error
	if row.Params, err = json.Marshal(a.p); err != nil {
		return row, fmt.Errorf("encode parameters: %w", err)
	}
	if row.Sealed, err = s.deps.Seal([]byte(ref.Token), []byte(a.key)); err != nil {
		return row, fmt.Errorf("seal token: %w", err)
	}
	if err := s.deps.Messages.SaveMessage(ctx, row); err != nil {
		return row, fmt.Errorf("save message: %w", err)
	}
	return row, nil
}

// submit hands a recorded request to the core. Only a refusal is an error: whatever else goes wrong is tried again by
// whoever follows the row.
func (s *Set) submit(ctx context.Context, a *asking, row *chat.Message) error {
	out, err := s.enqueue(ctx, a.p, a.key, a.from, false)
	refusal, refused := errors.AsType[*horde.Error](err)
	switch {
	case refused:
		row.Open, row.Sealed = false, []byte{}
	case err != nil:
		s.log.Warn().Err(err).Str("interaction", a.in.ID).Msg("request not placed yet, trying again")
		return nil
	default:
		row.Request = out.id.String()
	}
	if err := s.deps.Messages.SaveMessage(ctx, *row); err != nil { // its key still finds it
		s.log.Warn().Err(err).Str("interaction", a.in.ID).Msg("cannot note what became of a request")
	}
	if refused {
		return refusal
	}
	return nil
}

// foreign reports whether only the token of an interaction reaches the messages that answer it: the person brought the
// bot along, or the bot cannot see the channel.
func foreign(in *discord.Interaction) bool {
	if in.GuildID == "" {
		return in.Context == discord.WithOthers
	}
	return !in.GuildInstalled || !in.AppPermissions.Has(discord.ViewChannel)
}

// payer decides which account pays: the person's own, or the shared one of strangers.
func (s *Set) payer(ctx context.Context, in *discord.Interaction, e Effective, p *params) error {
	if err := s.payThrough(ctx, in, p); err != nil {
		return err
	}
	u, opened, ok, err := s.account(ctx, in.User.ID, in.User.DisplayName())
	switch {
	case err != nil:
		return err
	case !ok && p.Paid == nil && (!s.opts.AnonymousAllowed || !e.strange):
		return horde.Refuse(horde.CodeAnonForbidden, "this needs an account")
	case !ok:
		p.User = horde.Anonymous
		return nil
	}
	p.User = u.ID
	if opened {
		p.Opened = &u.Balance
	}
	return nil
}

// unplace takes down a message that says that a request is being placed. Whoever asked hears why it is not.
func (s *Set) unplace(ctx context.Context, ref discord.MessageRef) {
	if err := s.bot.DeleteMessage(ctx, ref); err != nil {
		s.log.Info().Err(err).Msg("cannot take down the message of a request that is refused")
	}
}

// promise acknowledges with a message of its own, which is filled later, and says which message that is. placing reports
// that it shows something already, which goes when the request is refused after all.
func (s *Set) promise(ctx context.Context, in *discord.Interaction, r *discord.Responder, e Effective, hidden bool) (ref discord.MessageRef, placing bool, err error) {
	if err := r.Defer(ctx, hidden); err != nil {
		return discord.MessageRef{}, false, err
	}
	first := discord.Message{Content: e.words(hidden).T("request.placing"), Ephemeral: hidden}
	placing = r.Deferred()
	switch {
	case !placing:
	case in.Component.MessageID+in.Modal.MessageID != "":
		// The router was quicker and stopped the button's waiting only; our message is still to be made.
		ref, err = r.Followup(ctx, first)
		return ref, err == nil, err
	default:
		// The router was quicker with a "thinking…" that everybody sees; a private message has to take its place.
		if err := r.Reply(ctx, first); err != nil {
			return discord.MessageRef{}, false, err
		}
	}
	if ref, err = r.Message(ctx); err != nil {
		return discord.MessageRef{}, false, fmt.Errorf("find the reply: %w", err)
	}
	return ref, placing, nil
}
