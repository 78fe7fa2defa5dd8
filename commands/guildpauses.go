// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"fmt"
	"strings"

	"stablemate/commands/words"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/discord"
)

// pressLift is the argument of the button under /serverconfig show that ends pauses.
const pressLift = "lift"

// guildPause is what bars somebody, or everybody, in a guild.
type guildPause struct {
	horde.Pause
	person string // Discord ID; empty for the whole guild and for people without an account
	whole  bool
}

// pausesHere lists what the core holds against a guild and its people. Whom an address stands for is known of people with
// an account alone, and of the one who asks.
func (s *Set) pausesHere(ctx context.Context, in *discord.Interaction) ([]guildPause, error) {
	from, err := originOf(in.GuildID, in.User.ID)
	if err != nil {
		return nil, err
	}
	list := s.engine.Pauses(from.Group())
	if len(list) == 0 {
		return nil, nil
	}
	known := map[string]string{from.String(): in.User.ID}
	members, err := s.roles.members.ofGuild(ctx, in.GuildID)
	if err != nil {
		return nil, fmt.Errorf("members of a guild: %w", err)
	}
	for _, m := range members {
		_, id, _ := strings.Cut(m.key, ":")
		if at, err := originOf(in.GuildID, id); err == nil {
			known[at.String()] = id
		}
	}
	out := make([]guildPause, len(list))
	for i, p := range list {
		out[i] = guildPause{Pause: p, person: known[p.Address], whole: strings.Contains(p.Address, "/")}
	}
	return out, nil
}

// mayLift reports whether a guild's administrators may end a pause: not what moderators of the horde decided, and nobody
// their own.
func (p guildPause) mayLift(presser string) bool { return !p.Decided && p.person != presser }

func (s *Set) pauseLine(w words.Words, p guildPause) string {
	who := w.T("server.pause.somebody")
	switch {
	case p.whole:
		who = w.T("server.pause.everybody")
	case p.person != "":
		who = mention(p.person)
	}
	text := who + " · " + stamp(s.now().Add(p.Rest))
	if p.Decided {
		text += " · " + w.T("server.pause.decided")
	}
	return text
}

// liftPauses ends what strikes led to in a guild, and shows what is left.
func (s *Set) liftPauses(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	list, err := s.pausesHere(ctx, in)
	if err != nil {
		return err
	}
	n := 0
	for _, p := range list {
		if !p.mayLift(in.User.ID) {
			continue
		}
		ended, err := engine.Do(ctx, s.engine, horde.Relent{Address: p.Address})
		if err != nil {
			return fmt.Errorf("end a pause: %w", err)
		}
		if ended {
			n++
		}
	}
	if n > 0 {
		s.logTo(ctx, in.GuildID, func(w words.Words) string { return w.T("server.log.lifted", "Who", mention(in.User.ID), "Count", n) })
	}
	m, err := s.serverOverview(ctx, in)
	if err != nil {
		return err
	}
	m.Content = s.say(in).T("server.pause.lifted", "Count", n)
	return r.Update(ctx, m)
}
