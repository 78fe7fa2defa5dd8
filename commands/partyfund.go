// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
	"stablemate/internal/discord"
)

// partyUse begins the name that the seal of a party's shared key is bound to; the draft's follows.
const partyUse = "party:"

// partyTopUp sets more kudos aside: the host's, or those of anybody who likes the party. The interaction is the key: the
// kudos move once, and what moved is counted even when the party has just ended.
func (s *Set) partyTopUp(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	p, err := s.partyHere(ctx, in)
	if err != nil {
		return err
	}
	w, n := s.say(in), in.Command.Options.Int("kudos", 0)
	_, perr := horde.ParseUUID(p.Purse)
	toPrize := in.Command.Options.Bool("prize", p.Award == 0)
	switch {
	case p.Stage != chat.PartyRunning:
		return tell(w.T("party.isover"))
	case n < 1 || n > maxPartyBudget || perr != nil, toPrize && p.Picks == chat.WinnerNone, !toPrize && p.Award == 0:
		return tell(w.T("party.notopup"))
	}
	return s.topUp(ctx, in, r, chat.GiftDraft{Person: in.User.ID, Amount: int64(kudos.Whole(n)), Party: in.ChannelID, Prize: toPrize, Name: p.Name}, false)
}

// fillParty sets kudos aside for a party and counts them, once for a key.
func (s *Set) fillParty(ctx context.Context, in *discord.Interaction, d chat.GiftDraft, key string) (discord.Message, error) {
	w := s.say(in)
	p, found, err := s.parties.get(ctx, d.Party)
	if err != nil {
		return discord.Message{}, fmt.Errorf("party: %w", err)
	}
	id, perr := horde.ParseUUID(p.Purse)
	if !found || p.Stage != chat.PartyRunning || perr != nil {
		return discord.Message{}, tell(w.T("party.isover"))
	}
	u, _, ok, err := s.account(ctx, in.User.ID, in.User.DisplayName())
	switch {
	case err != nil:
		return discord.Message{}, err
	case !ok:
		return discord.Message{}, tell(w.T("common.needsaccount", "Login", s.cmd("login")))
	}
	more := kudos.Amount(d.Amount)
	if u.ID == horde.UserID(p.User) {
		_, err = s.engine.FillPurse(ctx, horde.FillPurse{
			Owner: u.ID, Purse: horde.PurseID{UUID: id}, Amount: more, Life: p.Ends.Sub(s.now()) + partySpare, Key: partyUse + key,
		})
	} else {
		_, err = s.engine.JoinPurse(ctx, horde.JoinPurse{From: u.ID, Purse: horde.PurseID{UUID: id}, Amount: more, Key: partyUse + key})
	}
	if err != nil {
		return discord.Message{}, err
	}
	p, err = s.changeParty(ctx, d.Party, func(x *chat.Party) error {
		if !x.Fill(key) {
			return nil
		}
		x.Budget += int64(more)
		if d.Prize {
			x.Prize += int64(more)
		}
		if u.ID != horde.UserID(x.User) {
			x.Fund(chat.PartyFund{Person: in.User.ID, User: int64(u.ID), Amount: int64(more)})
		}
		return nil
	})
	if err != nil {
		return discord.Message{}, err
	}
	aloud := s.partyWords(&p)
	text := aloud.T("party.toppedup", "Person", mention(in.User.ID), "Amount", more.String(), "Left", hundredths(p.Left()))
	if d.Prize {
		text = aloud.T("party.prizeup", "Person", mention(in.User.ID), "Amount", more.String(), "Prize", hundredths(p.Prize))
	}
	return discord.Message{Content: text}, nil
}

// partyStyle checks the style that all pictures of a party shall be made in, and tells its models and tags.
func (s *Set) partyStyle(ctx context.Context, in *discord.Interaction, p *chat.Party) (models, tags []string, err error) {
	if strings.HasPrefix(p.Style, presetMark) {
		return nil, nil, tell(s.say(in).T("party.nopreset"))
	}
	try := params{Style: p.Style}
	if err := s.dress(ctx, in, &try); err != nil || try.Styled == nil {
		return nil, nil, err
	}
	return try.Styled.Models, try.Styled.Tags, nil
}

// makePartyKey makes the shared key that pictures of a party's guests are paid through, if the host wants to.
func (s *Set) makePartyKey(ctx context.Context, w words.Words, p *chat.Party, draft string) error {
	if p.Pay == 0 {
		return nil
	}
	name, budget := discord.Clip(p.Name, maxPartyName), kudos.Amount(p.Pay)
	days := keyDays(time.Duration(p.Hours) * time.Hour)
	k, err := engine.Do(ctx, s.engine, horde.CreateSharedKey{
		Owner: horde.UserID(p.User), SharedKeyTerms: horde.SharedKeyTerms{Name: &name, Budget: &budget, Days: &days},
	})
	if refusal, ok := errors.AsType[*horde.Error](err); ok && refusal.Code == horde.CodeManySharedKeys {
		return tell(w.T("party.nokey", "List", s.cmd("sharedkey list")))
	}
	if err != nil {
		return err
	}
	p.PayUse = partyUse + draft
	sealed, err := s.deps.Seal([]byte(k.ID.String()), []byte(p.PayUse))
	if err != nil {
		return fmt.Errorf("seal the shared key of a party: %w", err)
	}
	p.Key = &chat.KeyUse{Sealed: sealed, By: p.Host, Name: k.Name, At: s.now()}
	return nil
}

// keyDays is how long the key of a party works: a day longer than the party.
func keyDays(life time.Duration) int { return int(life/(24*time.Hour)) + 2 }

// partyKey finds the shared key of a party, while there is one.
func (s *Set) partyKey(p *chat.Party) (horde.SharedKey, bool) {
	if p.Key == nil {
		return horde.SharedKey{}, false
	}
	id, err := s.unsealKey(&paidBy{Use: p.PayUse, Sealed: p.Key.Sealed})
	if err != nil {
		s.log.Warn().Err(err).Msg("the shared key of a party cannot be read")
		return horde.SharedKey{}, false
	}
	k, _, ok := s.engine.SharedKey(id)
	return k, ok
}

// keepPartyKey lets the shared key of a party work as long as the party.
func (s *Set) keepPartyKey(ctx context.Context, p *chat.Party, ends time.Time) error {
	k, ok := s.partyKey(p)
	if !ok {
		return nil
	}
	days := keyDays(ends.Sub(s.now()))
	_, err := engine.Do(ctx, s.engine, horde.ChangeSharedKey{By: k.Owner, Key: k.ID, SharedKeyTerms: horde.SharedKeyTerms{Days: &days}})
	return err
}

// dropPartyKey deletes the shared key of a party. One that is gone, or that styles use by now, is left alone: it has its
// budget, and expires.
func (s *Set) dropPartyKey(ctx context.Context, p *chat.Party) error {
	k, ok := s.partyKey(p)
	if !ok {
		return nil
	}
	_, err := engine.Do(ctx, s.engine, horde.DeleteSharedKey{By: k.Owner, Key: k.ID})
	if _, refused := errors.AsType[*horde.Error](err); refused {
		return nil
	}
	return err
}

// payForGuest makes a party pay for a picture of a guest, while it can.
func (s *Set) payForGuest(ctx context.Context, person string, p *params) (paid bool, err error) {
	if p.Party == "" || p.alone {
		return false, nil
	}
	party, found, err := s.parties.get(ctx, p.Party)
	if err != nil {
		return false, fmt.Errorf("party: %w", err)
	}
	if !found || party.Host == person {
		return false, nil
	}
	k, ok := s.partyKey(&party)
	if !ok || k.Expired(s.now()) || k.Budget == 0 {
		return false, nil
	}
	p.Paid, p.shared = &paidBy{Use: party.PayUse, Sealed: party.Key.Sealed, Name: k.Name}, k.ID
	return true, nil
}

// goesAlone reports whether a request is refused only because a party has not enough left to pay for it. The person then
// pays for it.
func (p *params) goesAlone(err error) bool {
	refusal, ok := errors.AsType[*horde.Error](err)
	if !ok || p.Paid == nil || p.alone || !strings.HasPrefix(p.Paid.Use, partyUse) {
		return false
	}
	switch refusal.Code {
	case horde.CodeSharedKeyEmpty, horde.CodeSharedKeyExpired, horde.CodeSharedKeyInsufficient, horde.CodeSharedKeyStyles, horde.CodeInvalidAPIKey:
		p.alone = true
	default:
	}
	return p.alone
}
