// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
	"stablemate/internal/discord"
)

const (
	partyEvery  = time.Minute // between two looks at what is due
	partyBatch  = 20          // parties of one look
	partyTime   = 5 * time.Minute
	partyNews   = 10 * time.Second // for a line about an entry
	partyAgain  = time.Minute      // after something went wrong
	maxPartyTop = 10               // entries in the results
)

// host looks after parties: it notes entries, gives rewards, and ends what is due. Every step can be done again without
// doing it twice, so that a process may end anywhere in it.
type host struct {
	s    *Set
	wake chan struct{} // holds 1: something is due now
}

func newHost(s *Set) *host { return &host{s: s, wake: make(chan struct{}, 1)} }

func (h *host) ring() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// run ends parties that are due until ctx ends.
func (h *host) run(ctx context.Context) {
	tick := time.NewTicker(partyEvery)
	defer tick.Stop()
	for {
		h.pass(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-h.wake:
		}
	}
}

func (h *host) pass(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, partyTime)
	defer cancel()
	now := h.s.now()
	due, err := h.s.parties.due(ctx, now, partyBatch)
	if err != nil && ctx.Err() == nil {
		h.s.log.Warn().Err(err).Msg("cannot look for parties that end")
	}
	for _, x := range due {
		if err := h.step(ctx, x.key, x.value); err != nil && ctx.Err() == nil {
			h.s.log.Warn().Err(err).Str("party", x.key).Msg("a party does not end yet")
			if _, err := h.s.changeParty(ctx, x.key, func(p *chat.Party) error { p.Due = now.Add(partyAgain); return nil }); err != nil {
				h.s.log.Warn().Err(err).Str("party", x.key).Msg("nor is it put off")
			}
		}
	}
	drafts, err := h.s.partyDrafts.due(ctx, now, partyBatch)
	for _, x := range drafts {
		if _, err = h.s.partyDrafts.drop(ctx, x.key); err != nil {
			break
		}
	}
	if err != nil && ctx.Err() == nil {
		h.s.log.Warn().Err(err).Msg("cannot forget drafts of parties")
	}
}

// step takes a party that is due as far as it goes.
func (h *host) step(ctx context.Context, id string, p chat.Party) (err error) {
	switch p.Stage {
	case chat.PartyOver:
		_, err := h.s.parties.drop(ctx, id)
		return err
	case chat.PartyRunning, chat.PartyWaiting:
		// A host who did not pick in time leaves the party without a favourite.
		p, err = h.s.changeParty(ctx, id, func(x *chat.Party) error {
			if x.Stage == p.Stage && !h.s.now().Before(x.Due) {
				x.Stage = chat.PartyEnding
			}
			return nil
		})
		if err != nil || p.Stage != chat.PartyEnding {
			return err
		}
		return h.end(ctx, id, p)
	case chat.PartyEnding:
		return h.end(ctx, id, p)
	}
	return nil
}

// end gives what is owed, finds the favourite, gives its prize, gives back what is left, and tells.
func (h *host) end(ctx context.Context, id string, p chat.Party) error {
	for i := range p.Entries {
		if err := h.reward(ctx, id, p.Entries[i].Key); err != nil {
			return err
		}
	}
	if p.Picks == chat.WinnerEmoji && p.Winner == 0 {
		votes, err := h.votes(ctx, id, p)
		if err != nil {
			return err
		}
		p, err = h.s.changeParty(ctx, id, func(x *chat.Party) error {
			for i := range min(len(votes), len(x.Entries)) {
				x.Entries[i].Votes = votes[i]
			}
			x.Winner = x.Favourite()
			return nil
		})
		if err != nil {
			return err
		}
	}
	w := h.s.partyWords(&p)
	if p.Picks == chat.WinnerHost && p.Winner == 0 && len(p.Entries) > 0 && p.Asked.IsZero() {
		return h.wait(ctx, id, w.T("party.pick", "Host", mention(p.Host), "Winner", h.s.cmd("party winner"), "Until", stamp(h.s.now().Add(partyWait))))
	}
	given, err := h.prize(ctx, id, p)
	if err != nil {
		return err
	}
	back := kudos.Amount(0)
	if purse, err := horde.ParseUUID(p.Purse); err == nil {
		back, err = engine.Do(ctx, h.s.engine, horde.ClosePurse{Owner: horde.UserID(p.User), Purse: horde.PurseID{UUID: purse}})
		if err != nil {
			return fmt.Errorf("give back what is left: %w", err)
		}
	}
	results := []string{w.T("party.results", "Name", escape(p.Name), "Entries", len(p.Entries))}
	if p.Winner > 0 {
		e := p.Entries[p.Winner-1]
		results = append(results, w.T("party.favourite", "Entry", entryLine(w, &p, id, p.Winner, e)))
		if given > 0 {
			results = append(results, w.T("party.prized", "Person", mention(e.Person), "Amount", given.String()))
		}
	}
	if p.Promised() > 0 {
		results = append(results, w.T("party.thanks", "Amount", hundredths(p.Promised())))
	}
	if back > 0 {
		results = append(results, w.T("party.back", "Amount", back.String(), "Host", mention(p.Host)))
	}
	results = append(results, h.gallery(id, &p)...)
	_, err = h.s.bot.SendMessage(ctx, id, discord.Message{Content: lines(results...)})
	if err != nil && !discord.IsMissingPermission(err) && !vanished(err) {
		return fmt.Errorf("tell the results: %w", err)
	}
	_, err = h.s.changeParty(ctx, id, func(x *chat.Party) error {
		x.Stage, x.Due = chat.PartyOver, h.s.now().Add(partyWait)
		return nil
	})
	return err
}

// vanished reports whether what Discord was asked for is not there any more.
func vanished(err error) bool {
	api, ok := errors.AsType[*discord.APIError](err)
	return ok && api.Status == 404
}

// wait leaves the party to its host for a while.
func (h *host) wait(ctx context.Context, id, text string) error {
	_, err := h.s.changeParty(ctx, id, func(x *chat.Party) error {
		x.Stage, x.Asked, x.Due = chat.PartyWaiting, h.s.now(), h.s.now().Add(partyWait)
		return nil
	})
	if err != nil {
		return err
	}
	if _, err := h.s.bot.SendMessage(ctx, id, discord.Message{Content: text}); err != nil {
		h.s.log.Warn().Err(err).Str("party", id).Msg("the host of a party is not asked")
	}
	return nil
}

// gallery links the entries that most people liked, or the newest.
func (h *host) gallery(id string, p *chat.Party) []string {
	w := h.s.partyWords(p)
	order := make([]int, len(p.Entries))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return p.Entries[b].Votes - p.Entries[a].Votes })
	var out []string
	for _, i := range order[:min(len(order), maxPartyTop)] {
		line := entryLine(w, p, id, i+1, p.Entries[i])
		if n := p.Entries[i].Votes; n > 0 {
			line += " · " + strconv.Itoa(n) + " " + shownEmoji(p.Emoji)
		}
		out = append(out, "- "+line)
	}
	return out
}

// votes counts for each entry who reacted with the party's emoji: people, once, and not to their own.
func (h *host) votes(ctx context.Context, id string, p chat.Party) ([]int, error) {
	votes := make([]int, len(p.Entries))
	for i, e := range p.Entries {
		if e.Person == p.Host {
			continue // there would be nobody to give the prize to
		}
		people, err := h.s.bot.Reactors(ctx, id, e.Message, p.Emoji)
		if discord.IsMissingPermission(err) || vanished(err) {
			continue
		}
		if err != nil {
			api, ok := errors.AsType[*discord.APIError](err)
			if ok && api.Status == 400 {
				return votes, nil // it is no emoji
			}
			return nil, fmt.Errorf("count reactions: %w", err)
		}
		for _, u := range people {
			if !u.Bot && u.ID != e.Person && u.ID != p.Host {
				votes[i]++
			}
		}
	}
	return votes, nil
}

// prize gives the prize for the favourite, once. It returns what was given.
func (h *host) prize(ctx context.Context, id string, p chat.Party) (kudos.Amount, error) {
	if p.Winner == 0 || p.Prize == 0 || p.Entries[p.Winner-1].Person == p.Host {
		return 0, nil
	}
	done, err := h.pay(ctx, p, p.Entries[p.Winner-1].Person, p.Prize, "party:"+id+":"+p.Begun.UTC().Format("20060102150405")+":prize")
	return done, err
}

// pay gives kudos of a party; a refusal gives nothing and is no error.
func (h *host) pay(ctx context.Context, p chat.Party, person string, amount int64, key string) (kudos.Amount, error) {
	purse, err := horde.ParseUUID(p.Purse)
	to, ok := h.s.find(person)
	if err != nil || !ok {
		return 0, nil //nolint:nilerr // without a purse or an account there is nothing to give
	}
	done, err := h.s.engine.PayPurse(ctx, horde.PayPurse{
		Owner: horde.UserID(p.User), Purse: horde.PurseID{UUID: purse}, To: to.ID, Amount: kudos.Amount(amount), Key: key,
	})
	if refusal, refused := errors.AsType[*horde.Error](err); refused {
		h.s.log.Info().Str("code", string(refusal.Code)).Msg("a reward of a party is refused")
		return 0, nil
	}
	return done.Amount, err
}

// reward gives what an entry was promised. What is refused is promised no more.
func (h *host) reward(ctx context.Context, id, key string) error {
	p, found, err := h.s.parties.get(ctx, id)
	i := slices.IndexFunc(p.Entries, func(e chat.PartyEntry) bool { return e.Key == key })
	if err != nil || !found || i < 0 || p.Entries[i].Given || p.Entries[i].Reward == 0 {
		return err
	}
	given, err := h.pay(ctx, p, p.Entries[i].Person, p.Entries[i].Reward, "party:"+id+":"+key)
	if err != nil {
		return fmt.Errorf("reward of a party: %w", err)
	}
	_, err = h.s.changeParty(ctx, id, func(x *chat.Party) error {
		x.Entries[i].Reward, x.Entries[i].Given = int64(given), given > 0
		return nil
	})
	return err
}

// enter notes a result that is shown in a party's thread as an entry, and gives its reward. It may be called again.
func (h *host) enter(ctx context.Context, row chat.Message, p params, end *ending) error {
	if p.Party == "" || p.Party != row.Channel || row.Ephemeral || row.Message == "" || end == nil || end.kind != endDone ||
		!slices.ContainsFunc(end.status.Generations, func(g horde.Delivered) bool { return !g.Censored }) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
	defer cancel()
	number, fresh := 0, false
	party, err := h.s.changeParty(ctx, p.Party, func(x *chat.Party) error {
		number, fresh = x.Enter(chat.PartyEntry{Key: row.Key, Person: row.Person, Message: row.Message, At: end.at})
		return nil
	})
	switch {
	case errors.Is(err, errNoParty):
		return nil
	case err != nil:
		return fmt.Errorf("entry of a party: %w", err)
	case number == 0:
		return nil
	}
	if err := h.reward(ctx, p.Party, row.Key); err != nil {
		return err
	}
	if !fresh {
		return nil
	}
	if now, found, err := h.s.parties.get(ctx, p.Party); err == nil && found {
		party = now // with what became of the reward
	}
	w := h.s.partyWords(&party)
	text := w.T("party.entered", "Number", number, "Person", mention(row.Person))
	if e := party.Entries[number-1]; e.Given {
		text += " " + w.T("party.rewarded", "Amount", hundredths(e.Reward), "Left", hundredths(party.Left()))
	}
	news, stop := context.WithTimeout(ctx, partyNews)
	defer stop()
	if _, err := h.s.bot.SendMessage(news, p.Party, discord.Message{Content: text, Optional: true}); err != nil {
		h.s.log.Debug().Err(err).Str("party", p.Party).Msg("an entry is not told")
	}
	return nil
}

// join makes a request follow the rules of the party in whose thread it is asked for.
func (h *host) join(ctx context.Context, e Effective, p *params) (joined bool, err error) {
	p.Party = ""
	party, found, err := h.s.parties.get(ctx, e.channel)
	if err != nil {
		return false, fmt.Errorf("party: %w", err)
	}
	if !found || party.Guild != e.guild || party.Stage != chat.PartyRunning || !h.s.now().Before(party.Ends) {
		return false, nil
	}
	if party.Model != "" {
		p.Model = party.Model
	}
	for _, word := range party.Words {
		if !hasWord(p.Prompt, []string{word}) {
			return false, tell(e.say.T("party.needswords", "Words", escape(strings.Join(party.Words, ", "))))
		}
	}
	p.Party = e.channel
	return true, nil
}
