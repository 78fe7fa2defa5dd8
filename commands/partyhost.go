// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
	"stablemate/internal/contain"
	"stablemate/internal/discord"
)

const (
	partyEvery  = time.Minute // between two looks at what is due
	partyBatch  = 20          // parties of one look
	partySweep  = 500         // drafts and votes of one look
	partyTime   = 5 * time.Minute
	partyNews   = 10 * time.Second // for a line about an entry
	partyAgain  = time.Minute      // after something went wrong
	partyPoll   = 24 * time.Hour   // in which people vote
	maxPartyTop = 10               // entries in the results

	partyStamp = "20060102150405" // tells the parties of one thread apart
)

// host looks after parties: it notes entries, gives rewards, and ends what is due. Every step can be done again without
// doing it twice, so that a process may end anywhere in it.
type host struct {
	s    *Set
	wake chan struct{} // holds 1: something is due now
	tops tops
}

func newHost(s *Set) *host {
	return &host{s: s, wake: make(chan struct{}, 1), tops: tops{known: make(map[string]topCount)}}
}

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
		log := h.s.log.With().Str("party", x.key).Logger()
		err := contain.Call(ctx, log, "looking after a party", func() error { return h.step(ctx, x.key, x.value) })
		if err != nil && ctx.Err() == nil {
			if err := h.s.parties.putOff(ctx, x.key, now.Add(partyAgain)); err != nil {
				log.Warn().Err(err).Msg("nor is it put off")
			}
		}
	}
	if err := errors.Join(sweep(ctx, h.s.partyDrafts, now), sweep(ctx, h.s.partyVotes, now)); err != nil && ctx.Err() == nil {
		h.s.log.Warn().Err(err).Msg("cannot forget drafts and votes of parties")
	}
}

// sweep forgets documents that are due, and were not renewed since that was seen.
func sweep[V any](ctx context.Context, docs *memory[V], now time.Time) error {
	due, err := docs.due(ctx, now, partySweep)
	for _, x := range due {
		if err := docs.dropDue(ctx, x.key, now); err != nil {
			return err
		}
	}
	return err
}

// step takes a party that is due as far as it goes.
func (h *host) step(ctx context.Context, id string, p chat.Party) (err error) {
	switch p.Stage {
	case chat.PartyOver:
		_, err := h.s.parties.drop(ctx, id)
		return err
	case chat.PartyRunning, chat.PartyWaiting:
		if p.Begins && p.Stage == chat.PartyRunning && h.s.now().Before(p.Ends) {
			return h.begin(ctx, id, p)
		}
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

// begin makes the purse of a party last as long as the party, and posts and pins its rules.
func (h *host) begin(ctx context.Context, id string, p chat.Party) error {
	p, err := h.keepPurse(ctx, id, p)
	if err != nil {
		return err
	}
	w := h.s.partyWords(&p)
	rules := discord.Message{Embeds: []discord.Embed{h.s.partyCard(w, &p)}, Content: w.T("party.rules", "Generate", h.s.cmd("generate"))}
	if p.Purse != "" {
		rules.Content = lines(rules.Content, w.T("party.cofund", "TopUp", h.s.cmd("party topup")))
	}
	if p.Ping != "" {
		rules.Content, rules.Pings = roleMention(p.Ping)+" "+rules.Content, []string{p.Ping}
	}
	ref, err := h.s.bot.SendMessage(ctx, id, rules)
	if err != nil && !discord.IsMissingPermission(err) && !vanished(err) {
		return fmt.Errorf("post the rules of a party: %w", err)
	}
	if _, err = h.s.changeParty(ctx, id, func(x *chat.Party) error {
		x.Rules = ref.MessageID
		if x.Begins = false; x.Stage == chat.PartyRunning {
			x.Due = x.Ends
		}
		return nil
	}); err != nil {
		return err
	}
	h.pin(ctx, id, ref.MessageID)
	return nil
}

// keepPurse makes the purse of a party last as long as the party. Where its kudos went back while nobody was here, they are
// set aside anew; a host who has not enough any more has a party without them.
func (h *host) keepPurse(ctx context.Context, id string, p chat.Party) (chat.Party, error) {
	uuid, err := horde.ParseUUID(p.Purse)
	if err != nil {
		return p, nil //nolint:nilerr // nothing was set aside
	}
	fill := horde.FillPurse{Owner: horde.UserID(p.User), Purse: horde.PurseID{UUID: uuid}, Life: p.Ends.Sub(h.s.now()) + partySpare}
	_, err = h.s.engine.FillPurse(ctx, fill)
	if _, gone := errors.AsType[*horde.Error](err); !gone {
		return p, err
	}
	mine := p.Budget // without what others added, which went back to them
	for _, f := range p.Funds {
		mine -= f.Amount
	}
	fill.Purse, fill.Amount, fill.Key = horde.PurseID{}, kudos.Amount(mine), partyUse+id+":"+p.Begun.UTC().Format(partyStamp)+":anew"
	purse, err := h.s.engine.FillPurse(ctx, fill)
	_, poor := errors.AsType[*horde.Error](err)
	if err != nil && !poor {
		return p, err
	}
	return h.s.changeParty(ctx, id, func(x *chat.Party) error {
		x.Purse, x.Funds, x.Budget, x.Prize = purse.ID.String(), nil, mine, min(x.Prize, mine)
		if poor {
			x.Purse, x.Budget, x.Prize, x.Award = "", 0, 0, 0
		}
		return nil
	})
}

// note changes a party also while the process stops: what was said shall be known.
func (h *host) note(ctx context.Context, id string, f func(p *chat.Party) error) (chat.Party, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
	defer cancel()
	return h.s.changeParty(ctx, id, f)
}

// end gives what is owed, finds the favourite, gives its prize, gives back what is left, and tells.
func (h *host) end(ctx context.Context, id string, p chat.Party) error {
	if err := h.s.dropPartyKey(ctx, &p); err != nil {
		return fmt.Errorf("delete the shared key of a party: %w", err)
	}
	for i := range p.Entries {
		if err := h.reward(ctx, id, p.Entries[i].Key); err != nil {
			return err
		}
	}
	p, waits, err := h.favourite(ctx, id, p)
	if err != nil || waits {
		return err
	}
	given, err := h.prize(ctx, id, p)
	if err != nil {
		return err
	}
	if p, err = h.giveBack(ctx, id, p); err != nil {
		return err
	}
	if err := h.wins(ctx, id, p); err != nil {
		return err
	}
	if !p.Told {
		if err := h.tell(ctx, id, p, given); err != nil {
			return err
		}
		if p, err = h.note(ctx, id, func(x *chat.Party) error { x.Told = true; return nil }); err != nil {
			return err
		}
		h.notify(ctx, id, p, given)
	}
	h.unpin(ctx, id, p)
	_, err = h.s.changeParty(ctx, id, func(x *chat.Party) error {
		x.Stage, x.Due = chat.PartyOver, h.s.now().Add(partyWait)
		return nil
	})
	return err
}

// pin pins the rules of a party, where the bot may do that. It is best effort.
func (h *host) pin(ctx context.Context, id, message string) {
	if message == "" {
		return
	}
	if err := h.s.bot.PinMessage(ctx, id, message); err != nil {
		h.s.log.Info().Err(err).Str("party", id).Msg("the rules of a party are not pinned")
	}
}

// unpin takes the rules down. It is best effort.
func (h *host) unpin(ctx context.Context, id string, p chat.Party) {
	if p.Rules == "" {
		return
	}
	if err := h.s.bot.UnpinMessage(ctx, id, p.Rules); err != nil {
		h.s.log.Info().Err(err).Str("party", id).Msg("the rules of a party stay pinned")
	}
}

// favourite finds the favourite picture. waits says that somebody has to be asked first.
func (h *host) favourite(ctx context.Context, id string, p chat.Party) (out chat.Party, waits bool, err error) {
	if p.Winner > 0 {
		return p, false, nil
	}
	w := h.s.partyWords(&p)
	var votes []int
	switch p.Picks {
	case chat.WinnerNone:
		return p, false, nil
	case chat.WinnerHost:
		if len(p.Entries) == 0 || !p.Asked.IsZero() {
			return p, false, nil // a host who did not pick in time leaves the party without a favourite
		}
		return p, true, h.wait(ctx, id, partyWait, discord.Message{
			Content: w.T("party.pick", "Host", mention(p.Host), "Winner", h.s.cmd("party winner"), "Until", stamp(h.s.now().Add(partyWait))),
		})
	case chat.WinnerPoll:
		if p.Asked.IsZero() {
			finals, err := h.finals(ctx, id, p)
			if err != nil {
				return p, false, err
			}
			if len(finals) > 1 {
				if p, err = h.s.changeParty(ctx, id, func(x *chat.Party) error { x.Finals = finals; return nil }); err != nil {
					return p, false, err
				}
				return p, true, h.wait(ctx, id, partyPoll, h.ballot(w, id, &p, finals))
			}
			if len(finals) == 1 { // there is nothing to choose
				p, err = h.s.changeParty(ctx, id, func(x *chat.Party) error { x.Winner = finals[0]; return nil })
			}
			return p, false, err
		}
		votes, err = h.count(ctx, id, p)
	case chat.WinnerEmoji:
		votes, err = h.votes(ctx, id, p)
	}
	if err != nil {
		return p, false, err
	}
	p, err = h.s.changeParty(ctx, id, func(x *chat.Party) error {
		for i := range min(len(votes), len(x.Entries)) {
			x.Entries[i].Votes = votes[i]
		}
		x.Winner = x.Favourite()
		return nil
	})
	return p, false, err
}

// giveBack closes the purse. Whose the rest is, is noted before, so that it can be told after an interruption, too.
func (h *host) giveBack(ctx context.Context, id string, p chat.Party) (chat.Party, error) {
	uuid, err := horde.ParseUUID(p.Purse)
	if err != nil {
		return p, nil //nolint:nilerr // nothing was set aside
	}
	if purse, open := h.s.engine.Purse(horde.PurseID{UUID: uuid}); open && purse.Left > 0 {
		p, err = h.s.changeParty(ctx, id, func(x *chat.Party) error {
			x.Back = nil
			for _, f := range purse.Shares() {
				back := chat.PartyFund{User: int64(f.User), Amount: int64(f.Put), Person: x.Host}
				if i := slices.IndexFunc(x.Funds, func(y chat.PartyFund) bool { return y.User == back.User }); i >= 0 {
					back.Person = x.Funds[i].Person
				}
				if back.Amount > 0 {
					x.Back = append(x.Back, back)
				}
			}
			return nil
		})
		if err != nil {
			return p, err
		}
	}
	_, err = engine.Do(ctx, h.s.engine, horde.ClosePurse{Owner: horde.UserID(p.User), Purse: horde.PurseID{UUID: uuid}})
	if err != nil {
		return p, fmt.Errorf("give back what is left: %w", err)
	}
	return p, nil
}

// wins notes for whoever made the favourite picture that they did.
func (h *host) wins(ctx context.Context, id string, p chat.Party) error {
	if p.Winner == 0 {
		return nil
	}
	person := p.Entries[p.Winner-1].Person
	_, err := h.s.partyWins.change(ctx, p.Guild+":"+person, about{person: person, guild: p.Guild}, func(w *chat.PartyWins) error {
		w.Won(id + "/" + p.Begun.UTC().Format(partyStamp))
		return nil
	})
	if err != nil {
		return fmt.Errorf("note who won a party: %w", err)
	}
	return nil
}

// tell posts the results with the best pictures.
func (h *host) tell(ctx context.Context, id string, p chat.Party, given kudos.Amount) error {
	w := h.s.partyWords(&p)
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
	for _, b := range p.Back {
		results = append(results, w.T("party.back", "Amount", hundredths(b.Amount), "Host", mention(b.Person)))
	}
	order := best(&p)
	results = append(results, h.gallery(h.s.partyWords(&p), id, &p, order)...)
	m := discord.Message{
		Content: discord.Clip(lines(results...), discord.MaxContent), Files: h.pictures(ctx, id, &p, order), Nonce: discord.NonceOf("party", id),
	}
	_, err := h.s.bot.SendMessage(ctx, id, m)
	if err != nil && len(m.Files) > 0 && (discord.IsTooLarge(err) || discord.IsMissingPermission(err)) {
		m.Files = nil
		_, err = h.s.bot.SendMessage(ctx, id, m)
	}
	if err != nil && !discord.IsMissingPermission(err) && !vanished(err) {
		return fmt.Errorf("tell the results: %w", err)
	}
	return nil
}

// vanished reports whether what Discord was asked for is not there any more.
func vanished(err error) bool {
	api, ok := errors.AsType[*discord.APIError](err)
	return ok && api.Status == 404
}

// wait asks people, and leaves the party to them for a while. It asks before it notes that it did: who is asked twice is
// better off than who never is.
func (h *host) wait(ctx context.Context, id string, most time.Duration, m discord.Message) error {
	if _, err := h.s.bot.SendMessage(ctx, id, m); err != nil && !discord.IsMissingPermission(err) && !vanished(err) {
		return fmt.Errorf("ask for the favourite of a party: %w", err)
	}
	_, err := h.note(ctx, id, func(x *chat.Party) error {
		x.Stage, x.Asked, x.Due = chat.PartyWaiting, h.s.now(), h.s.now().Add(most)
		return nil
	})
	return err
}

// best lists the entries that most people liked, the favourite first, or the newest.
func best(p *chat.Party) []int {
	order := make([]int, len(p.Entries))
	for i := range order {
		order[i] = i
	}
	rank := func(i int) int {
		if i == p.Winner-1 {
			return -1
		}
		return 0
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(p.Entries[b].Votes, p.Entries[a].Votes), cmp.Compare(b, a))
	})
	return order[:min(len(order), maxPartyTop)]
}

// gallery links entries, with their votes.
func (h *host) gallery(w words.Words, id string, p *chat.Party, order []int) []string {
	sign := shownEmoji(p)
	if p.Picks == chat.WinnerPoll {
		sign = "🗳️"
	}
	var out []string
	for _, i := range order {
		line := entryLine(w, p, id, i+1, p.Entries[i])
		if n := p.Entries[i].Votes; n > 0 {
			line += " · " + strconv.Itoa(n) + " " + sign
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
	done, err := h.pay(ctx, p, p.Entries[p.Winner-1].Person, p.Prize, "party:"+id+":"+p.Begun.UTC().Format(partyStamp)+":prize")
	return done, err
}

// pay gives kudos of a party; a refusal gives nothing and is no error.
func (h *host) pay(ctx context.Context, p chat.Party, person string, amount int64, key string) (kudos.Amount, error) {
	purse, err := horde.ParseUUID(p.Purse)
	to, ok, failed := h.s.accountOf(ctx, person)
	switch {
	case failed != nil:
		return 0, failed
	case err != nil || !ok:
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
	if !p.pictures() {
		return false, nil
	}
	party, found, err := h.s.parties.get(ctx, e.channel)
	if err != nil {
		return false, fmt.Errorf("party: %w", err)
	}
	if !found || party.Guild != e.guild || party.Stage != chat.PartyRunning || !h.s.now().Before(party.Ends) {
		return false, nil
	}
	switch {
	case party.Style != "" && p.Style != party.Style:
		p.Style, p.Styled, p.Model = party.Style, nil, ""
	case party.Model != "":
		p.Model, p.Style, p.Styled = party.Model, "", nil // a style would bring models of its own
	}
	for _, word := range party.Words {
		if !hasWord(p.Prompt, []string{word}) {
			return false, tellOf(draftPrompt, e.say.T("party.needswords", "Words", escape(strings.Join(party.Words, ", "))))
		}
	}
	p.Party = e.channel
	return true, nil
}

// leave ends the parties of somebody who wants to be forgotten, without asking anybody for a favourite. Where that does
// not work, at least their kudos and their key go back to them.
func (h *host) leave(ctx context.Context, person string) {
	all, err := h.s.parties.ofPerson(ctx, person)
	if err != nil {
		h.s.log.Warn().Err(err).Msg("cannot find the parties of who wants to be forgotten")
	}
	for _, x := range all {
		if x.value.Stage == chat.PartyOver {
			continue
		}
		p, err := h.s.changeParty(ctx, x.key, func(p *chat.Party) error {
			p.Stage, p.Ended, p.Due = chat.PartyEnding, person, h.s.now().Add(partyAgain)
			if p.Asked.IsZero() {
				p.Asked = h.s.now()
			}
			return nil
		})
		if err == nil {
			err = h.end(ctx, x.key, p)
		}
		if err == nil {
			continue
		}
		h.s.log.Warn().Err(err).Str("party", x.key).Msg("a party does not end well")
		if err := h.s.dropPartyKey(ctx, &x.value); err != nil {
			h.s.log.Warn().Err(err).Msg("its shared key stays until it expires")
		}
		if id, err := horde.ParseUUID(x.value.Purse); err == nil {
			if _, err := engine.Do(ctx, h.s.engine, horde.ClosePurse{Owner: horde.UserID(x.value.User), Purse: horde.PurseID{UUID: id}}); err != nil {
				h.s.log.Warn().Err(err).Msg("its kudos go back later")
			}
		}
	}
}
