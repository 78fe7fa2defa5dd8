// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/internal/discord"
)

// Bounds of gifts by command whose givers still have to hear of them.
const (
	orderWait  = time.Minute // whoever gives has so long to tell, too
	orderFirst = time.Minute // before it is told again; doubles
	orderMost  = time.Hour
	orderLife  = 24 * time.Hour // then it is not told any more
	orderTime  = 10 * time.Second
)

func aboutOrder(o *chat.GiftOrder) about {
	return about{person: o.Draft.Person, guild: o.Guild, due: o.Due}
}

// fulfil gives by a draft and shows it. What is given is written down before kudos move: should the process end in between,
// or Discord not take the answer, its giver hears of it later. The interaction is acknowledged.
func (s *Set) fulfil(
	ctx context.Context, in *discord.Interaction, r *discord.Responder, d chat.GiftDraft, key string, opened bool,
	show func(discord.Message) error,
) error {
	if err := s.noteOrder(ctx, in, r, d, key); err != nil {
		return err
	}
	m, err := s.give(ctx, in, d, key, opened, false)
	if err != nil {
		if refusing(err) {
			s.forgetOrder(ctx, key)
		} // otherwise nobody knows yet whether kudos moved
		return err
	}
	if err := show(m); err != nil { // the kudos have moved: that must not look like a failure
		s.log.Warn().Err(err).Str("interaction", in.ID).Msg("cannot show a gift, writing to its giver")
		if _, err := s.reach(ctx, in.User.ID, discord.Message{Content: m.Content}); err != nil {
			s.log.Warn().Err(err).Str("interaction", in.ID).Msg("nor write to them yet")
			return nil
		}
	}
	s.forgetOrder(ctx, key)
	return nil
}

// give gives as a draft says, once for a key, and says what to answer.
func (s *Set) give(ctx context.Context, in *discord.Interaction, d chat.GiftDraft, key string, opened, again bool) (discord.Message, error) {
	switch {
	case d.Party != "":
		return s.fillParty(ctx, in, d, key)
	case d.Sealed != nil:
		return s.fillKey(ctx, in, d, key, again)
	}
	return s.sendGift(ctx, in, d, key, opened, again)
}

// postingOf is the ledger's key of what a draft gives.
func postingOf(d chat.GiftDraft, key string) string {
	switch {
	case d.Party != "":
		return partyUse + key
	case d.Sealed != nil:
		return topUpUse + keyOf(key)
	}
	return giftKey(d, key)
}

// topUp gives to a party or a shared key, or asks back. As with gifts, what is refused is refused first, and kudos move only
// once somebody will see it.
func (s *Set) topUp(ctx context.Context, in *discord.Interaction, r *discord.Responder, d chat.GiftDraft, hidden bool) error {
	e, err := s.effective(ctx, in)
	if err != nil {
		return err
	}
	if err := e.admit(chat.Gifts); err != nil {
		return err
	}
	u, opened, ok, err := s.account(ctx, in.User.ID, in.User.DisplayName())
	switch {
	case err != nil:
		return err
	case !ok:
		return tell(s.say(in).T("common.needsaccount", "Login", s.cmd("login")))
	}
	early, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	try := horde.Give{From: u.ID, To: external(""), Amount: kudos.Amount(d.Amount), Key: postingOf(d, in.ID), DryRun: true} // to nobody yet
	_, err = s.engine.Give(early, try)
	if slow := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil; err != nil && !slow {
		return err
	}
	if asked, err := s.askBack(ctx, in, r, &e, d, in.ID); asked || err != nil {
		return err
	}
	if err := r.Defer(ctx, hidden); err != nil {
		return err
	}
	return s.fulfil(ctx, in, r, d, in.ID, opened, func(m discord.Message) error { return r.Reply(ctx, m) })
}

// refusing reports that an error is an answer, not a fault.
func refusing(err error) bool {
	_, refused := errors.AsType[*horde.Error](err)
	_, told := errors.AsType[*toldError](err)
	return refused || told
}

// noteOrder writes down what will be given.
func (s *Set) noteOrder(ctx context.Context, in *discord.Interaction, r *discord.Responder, d chat.GiftDraft, key string) error {
	now := s.now()
	o := chat.GiftOrder{
		Draft: d, Name: in.User.DisplayName(), Locale: in.Locale, Guild: in.GuildID, Aloud: in.GuildLocale, Made: now, Due: now.Add(orderWait),
	}
	if ref, err := r.Message(ctx); err != nil {
		s.log.Debug().Err(err).Msg("cannot find the answer to a gift")
	} else if o.Sealed, err = s.deps.Seal([]byte(ref.Token), []byte(key)); err != nil {
		return fmt.Errorf("seal token: %w", err)
	} else {
		o.App, o.Channel, o.Message, o.Ends = ref.AppID, ref.ChannelID, ref.MessageID, ref.Expires
	}
	if _, err := s.giftOrders.changeAs(ctx, key, aboutOrder, func(x *chat.GiftOrder) error { *x = o; return nil }); err != nil {
		return fmt.Errorf("note a gift: %w", err)
	}
	return nil
}

// forgetOrder notes that the giver knows what became of a gift, also while the process stops.
func (s *Set) forgetOrder(ctx context.Context, key string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), orderTime)
	defer cancel()
	if _, err := s.giftOrders.drop(ctx, key); err != nil {
		s.log.Warn().Err(err).Msg("somebody will hear of their gift once more")
	}
}

// tellOrders tells givers what became of their gifts where nobody has done that, and when to look again.
func (o *rounds) tellOrders(ctx context.Context, now time.Time) (next time.Time, err error) {
	next = now.Add(roundIdle)
	list, err := o.s.giftOrders.due(ctx, now.Add(orderWait), roundBatch)
	if err != nil {
		return next, fmt.Errorf("gifts that were not told: %w", err)
	}
	for _, x := range list {
		left := x.value.Tries == 0 && x.value.Made.Before(o.began) // by a process that has ended
		if x.value.Due.After(now) && !left {
			next = earlier(next, x.value.Due)
			continue
		}
		if o.s.contained(ctx, "telling of a gift", func() error { return o.s.tellOrder(ctx, x.key, x.value) }) == nil {
			continue
		}
		_, err := o.s.giftOrders.changeAs(ctx, x.key, aboutOrder, func(v *chat.GiftOrder) error {
			v.Due = now.Add(min(orderFirst<<min(v.Tries, 10), orderMost))
			v.Tries++
			return nil
		})
		if err != nil && ctx.Err() == nil {
			o.s.log.Warn().Err(err).Msg("telling of a gift is not put off")
		}
	}
	return next, nil
}

// tellOrder tells a giver what became of a gift that was broken off. It gives nothing: who saw nothing happen may have given
// again by now.
func (s *Set) tellOrder(ctx context.Context, key string, o chat.GiftOrder) error {
	if s.now().Sub(o.Made) > orderLife {
		s.forgetOrder(ctx, key)
		return nil
	}
	_, moved, err := s.engine.Posted(ctx, postingOf(o.Draft, key))
	if err != nil {
		return err
	}
	in := &discord.Interaction{
		ID: key, GuildID: o.Guild, GuildLocale: o.Aloud, Locale: o.Locale, User: discord.User{ID: o.Draft.Person, GlobalName: o.Name},
	}
	m := discord.Message{Content: s.say(in).T("kudos.notgiven", "Amount", kudos.Amount(o.Draft.Amount).String(), "To", s.recipientText(o.Draft))}
	if moved {
		m, err = s.give(ctx, in, o.Draft, key, false, true)
		switch {
		case refusing(err): // what it was for is gone by now, but the ledger has it
			m = discord.Message{Content: s.say(in).T("kudos.done")}
		case err != nil:
			return err
		}
	}
	if !s.editOrder(ctx, key, o, discord.Message{Content: m.Content}) {
		if _, err := s.reach(ctx, o.Draft.Person, discord.Message{Content: m.Content}); err != nil {
			return err
		}
	}
	s.forgetOrder(ctx, key)
	return nil
}

// editOrder changes the answer to a gift, while it can be reached.
func (s *Set) editOrder(ctx context.Context, key string, o chat.GiftOrder, m discord.Message) bool {
	if len(o.Sealed) == 0 || !s.now().Before(o.Ends) {
		return false
	}
	token, err := s.deps.Unseal(o.Sealed, []byte(key))
	if err != nil {
		return false
	}
	ref := discord.MessageRef{ChannelID: o.Channel, MessageID: o.Message, AppID: o.App, Token: string(token), Expires: o.Ends, Ephemeral: true}
	if err := s.bot.EditMessage(ctx, ref, m); err != nil {
		s.log.Debug().Err(err).Msg("cannot change the answer to a gift, writing to its giver")
		return false
	}
	return true
}
