// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/horde/kudos"
	"stablemate/internal/discord"
)

// Bounds of votes and of the pictures with the results.
const (
	partyVotePage = 500
	maxPartyVotes = 20_000           // that are counted
	partyShelf    = 2 * time.Minute  // to bring the pictures together
	partyPicture  = 15 * time.Second // to bring one
)

// finals are the numbers of the entries that people vote between: all but the host's, and where those are too many, the
// ones with most reactions.
func (h *host) finals(ctx context.Context, id string, p chat.Party) ([]int, error) {
	var out []int
	for i, e := range p.Entries {
		if e.Person != p.Host {
			out = append(out, i+1)
		}
	}
	if len(out) <= chat.MaxPartyFinalists {
		return out, nil
	}
	votes, err := h.votes(ctx, id, p)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(out, func(a, b int) int { return votes[b-1] - votes[a-1] })
	out = out[:chat.MaxPartyFinalists]
	slices.Sort(out)
	return out, nil
}

// ballot asks everybody for the picture they like best.
func (h *host) ballot(w words.Words, id string, p *chat.Party, finals []int) discord.Message {
	choose := &discord.Select{
		CustomID: discord.CustomID{Verb: verbPartyVote, ID: id}.String(), Placeholder: discord.Clip(w.T("party.vote"), discord.MaxLabel),
	}
	var list []string
	for _, n := range finals {
		e := p.Entries[n-1]
		choose.Options = append(choose.Options, discord.SelectOption{
			Label: discord.Clip(w.T("party.votefor", "Number", n), discord.MaxLabel), Value: strconv.Itoa(n),
		})
		list = append(list, strconv.Itoa(n)+" · "+mention(e.Person)+" · "+messageLink(p.Guild, id, e.Message))
	}
	text := w.T("party.ballot", "Name", escape(p.Name), "Until", stamp(h.s.now().Add(partyPoll)))
	return discord.Message{
		Content: text, Components: []discord.Row{{Select: choose}},
		Embeds: []discord.Embed{{Color: embedColor, Description: discord.Clip(lines(list...), discord.MaxEmbedDescription)}},
	}
}

// partyVote notes which entry somebody likes best. They may change it until the end.
func (s *Set) partyVote(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	id := in.Component.ID.ID
	e, err := s.effective(ctx, in)
	if err != nil {
		return err
	}
	if err := e.admit(""); err != nil {
		return err
	}
	p, found, err := s.parties.get(ctx, id)
	number, _ := strconv.Atoi(picked(in))
	switch {
	case err != nil:
		return fmt.Errorf("party: %w", err)
	case !found || p.Guild != in.GuildID || id != in.ChannelID:
		return tell(e.say.T("request.old"))
	case !p.Votes(s.now()):
		return tell(e.say.T("party.isover"))
	case !slices.Contains(p.Finals, number):
		return tell(e.say.T("party.noentry", "Number", number))
	case in.User.ID == p.Host:
		return tell(e.say.T("party.hostvote"))
	case p.Entries[number-1].Person == in.User.ID:
		return tell(e.say.T("party.ownentry"))
	}
	a := about{person: in.User.ID, guild: p.Guild, due: s.now().Add(partyPoll + partyWait)}
	if _, err := s.partyVotes.change(ctx, id+":"+in.User.ID, a, func(v *chat.PartyVote) error {
		*v = chat.PartyVote{Entry: number, At: s.now()}
		return nil
	}); err != nil {
		return fmt.Errorf("vote of a party: %w", err)
	}
	return r.Reply(ctx, private(e.say.T("party.voted", "Number", number)))
}

// count adds up the votes since people were asked.
func (h *host) count(ctx context.Context, id string, p chat.Party) ([]int, error) {
	votes, after, seen := make([]int, len(p.Entries)), id+":", 0
	for seen < maxPartyVotes {
		page, err := h.s.partyVotes.ofGuildAfter(ctx, p.Guild, after, partyVotePage)
		if err != nil {
			return nil, fmt.Errorf("votes of a party: %w", err)
		}
		for _, v := range page {
			if !strings.HasPrefix(v.key, id+":") {
				return votes, nil
			}
			seen, after = seen+1, v.key
			// Votes of an earlier party in this thread are older.
			if slices.Contains(p.Finals, v.value.Entry) && !v.value.At.Before(p.Begun) {
				votes[v.value.Entry-1]++
			}
		}
		if len(page) < partyVotePage {
			break
		}
	}
	return votes, nil
}

// pictures brings the pictures of some entries together, as many as fit into a message. What cannot be had is left out.
func (h *host) pictures(ctx context.Context, id string, p *chat.Party, order []int) []discord.File {
	ctx, cancel := context.WithTimeout(ctx, partyShelf)
	defer cancel()
	w := h.s.partyWords(p)
	var out []discord.File
	total := 0
	for _, i := range order {
		data, spoiler := h.picture(ctx, id, p.Entries[i])
		if len(data) == 0 || total+len(data) > maxFiles || len(out) == discord.MaxFiles {
			continue
		}
		kind, ending := imageKind(data)
		if !strings.HasPrefix(kind, "image/") {
			continue
		}
		total += len(data)
		out = append(out, discord.File{
			Name: "entry-" + strconv.Itoa(i+1) + ending, ContentType: kind, Data: data, Spoiler: spoiler,
			Description: plain(w.T("party.votefor", "Number", i+1)),
		})
	}
	return out
}

// picture reads the first picture of an entry: from our own shelf, or, when it is not kept any more, from its message.
func (h *host) picture(ctx context.Context, id string, e chat.PartyEntry) (data []byte, spoiler bool) {
	ctx, cancel := context.WithTimeout(ctx, partyPicture)
	defer cancel()
	var p params
	row, found, err := h.s.deps.Messages.MessageByKey(ctx, e.Key)
	if err != nil || found && (isGone(row) || json.Unmarshal(row.Params, &p) != nil) {
		return nil, false // somebody deleted it
	}
	for _, n := range p.there() {
		if data, err := h.s.deps.Images.Read(ctx, p.Made[n-1].Blob, maxImage); err == nil {
			return data, p.Veiled
		}
	}
	m, err := h.s.bot.FetchMessage(ctx, id, e.Message)
	if err != nil || len(m.Attachments) == 0 {
		return nil, false
	}
	a := m.Attachments[0]
	if a.Size > maxImage {
		return nil, false
	}
	if data, err = h.s.bot.Download(ctx, a.URL, maxImage); err != nil {
		h.s.log.Debug().Err(err).Msg("a picture of a party cannot be had")
		return nil, false
	}
	return data, p.Veiled || strings.HasPrefix(a.Filename, "SPOILER_")
}

// notify tells those whom it concerns how a party ended, unless they do not want to hear of it: who made the favourite
// picture, and who added kudos.
func (h *host) notify(ctx context.Context, id string, p chat.Party, given kudos.Amount) {
	tell := func(person, key string, args ...any) {
		own, _, err := h.s.people.get(ctx, person)
		if err != nil || own.QuietParty {
			return
		}
		w := h.s.wordsFor(ctx, person)
		text := w.T(key, append(args, "Name", escape(p.Name), "Thread", "<#"+id+">")...)
		if err := h.s.dm(ctx, person, discord.Message{Content: lines(text, w.T("party.quiet", "Settings", h.s.cmd("settings notifications")))}); err != nil {
			h.s.log.Debug().Err(err).Msg("somebody is not told how a party ended")
		}
	}
	if p.Winner > 0 && p.Entries[p.Winner-1].Person != p.Host {
		key := "party.youwon"
		if given > 0 {
			key = "party.youwonprize"
		}
		tell(p.Entries[p.Winner-1].Person, key, "Amount", given.String())
	}
	for _, b := range p.Back {
		if b.Person != p.Host {
			tell(b.Person, "party.youback", "Amount", hundredths(b.Amount))
		}
	}
}
