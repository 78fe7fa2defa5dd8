// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/horde/origin"
	"stablemate/internal/discord"
)

// Bounds of announcements.
const (
	announcePace  = 250 * time.Millisecond // between two guilds
	announceEvery = 10 * time.Second       // announcements that a restart interrupted are looked for
	announcePage  = 200
)

// network is what operators decide for everybody: who is kept out, what is switched off, and whether new work is taken.
type network struct {
	bans     *memory[chat.Ban]
	switches *memory[chat.Switches]
	announce *memory[chat.Announcement]
	draining atomic.Bool // until the process ends
	drained  atomic.Bool // operators were told that nothing is running any more
	wake     chan struct{}
}

func newNetwork(docs Docs) *network {
	return &network{
		bans: newMemory[chat.Ban](docs, chat.KindBan), switches: newMemory[chat.Switches](docs, chat.KindSwitches),
		announce: newMemory[chat.Announcement](docs, chat.KindAnnounce), wake: make(chan struct{}, 1),
	}
}

// banOf finds what keeps somebody out, if it still holds.
func (s *Set) banOf(ctx context.Context, guild, person string) (chat.Ban, bool, error) {
	for _, key := range []string{chat.BanKey(person, ""), chat.BanKey("", guild)} {
		if key == chat.BanKey("", "") {
			continue
		}
		b, found, err := s.network.bans.get(ctx, key)
		if err != nil {
			return b, false, fmt.Errorf("read who is kept out: %w", err)
		}
		if found && s.now().Before(b.Until) {
			return b, true, nil
		}
	}
	return chat.Ban{}, false, nil
}

// outlaw refuses people and guilds that operators keep out. What is about oneself alone still works.
func (s *Set) outlaw(ctx context.Context, in *discord.Interaction) error {
	if in.Type == discord.CommandRun && slices.Contains(alwaysHere(), in.Command.Name) || in.Command.Name == operatorCommand {
		return nil
	}
	if brought(in) {
		off, err := s.shut(ctx)
		if err != nil {
			return err
		}
		if slices.Contains(off, chat.Installed) {
			return tell(s.say(in).T("network.notbrought"))
		}
	}
	b, barred, err := s.banOf(ctx, in.GuildID, in.User.ID)
	if err != nil || !barred {
		return err
	}
	key := "network.barred.person"
	if b.Person == "" {
		key = "network.barred.guild"
	}
	if b.Review {
		key = "strikes.barred"
	}
	return tell(s.say(in).T(key, "Until", stamp(b.Until)))
}

// shut lists the features that are switched off, as far as that is at hand.
func (s *Set) shut(ctx context.Context) ([]chat.Feature, error) {
	v, _, err := s.network.switches.get(ctx, chat.SwitchesKey)
	if err != nil {
		return nil, fmt.Errorf("read the switches: %w", err)
	}
	return v.Off, nil
}

// open refuses features that the operators switched off, and new work before a restart.
func (e *Effective) open(f chat.Feature) error {
	switch {
	case slices.Contains(e.shut, f):
		return tell(e.say.T("network.shut"))
	case e.draining && (f == chat.Images || f == chat.Tools || f == chat.Texts):
		return tell(e.say.T("network.draining"))
	case !e.storm.IsZero() && (f == chat.Images || f == chat.Tools):
		return tell(e.say.T("strikes.storm.here", "Until", stamp(e.storm)))
	}
	return nil
}

// standIns lists the addresses that a person, or everybody in a guild, counts by.
func (s *Set) standIns(ctx context.Context, guild, person string) ([]string, error) {
	if person == "" {
		from, err := originOf(guild, "1")
		if err != nil {
			return nil, tellPlain("network.noguild")
		}
		return []string{from.Group().String()}, nil
	}
	guilds := []string{""}
	members, err := s.roles.members.ofPerson(ctx, person)
	if err != nil {
		return nil, fmt.Errorf("read where somebody is a member: %w", err)
	}
	for _, m := range members {
		id, _, _ := strings.Cut(m.key, ":")
		guilds = append(guilds, id)
	}
	if guild != "" && !slices.Contains(guilds, guild) {
		guilds = append(guilds, guild)
	}
	out := make([]string, 0, len(guilds))
	for _, g := range guilds {
		from, err := originOf(g, person)
		if err != nil {
			return nil, err
		}
		out = append(out, from.String())
	}
	return out, nil
}

// keyedError is a refusal as the key of its text, for places that know no language. args are what the text names.
type keyedError struct {
	key  string
	args []any
}

func (e *keyedError) Error() string { return e.key }

func tellPlain(key string, args ...any) error { return &keyedError{key, args} }

// pauses lists what bars some addresses in the core, and the longest rest.
func (s *Set) pauses(addresses []string) (list []horde.Block, longest time.Duration) {
	for _, a := range addresses {
		if strings.Contains(a, "/") {
			for _, b := range s.engine.Blocks() {
				if b.Address == a {
					list = append(list, b)
					longest = max(longest, b.Rest)
				}
			}
			continue
		}
		from, err := origin.Parse(a)
		if err != nil {
			continue
		}
		if rest := s.engine.TimedOut(from); rest > 0 {
			list = append(list, horde.Block{Address: a, Rest: rest})
			longest = max(longest, rest)
		}
	}
	return list, longest
}

// runAnnouncements tells guilds what operators announce, one after the other, until ctx ends.
func (s *Set) runAnnouncements(ctx context.Context) {
	tick := time.NewTicker(announceEvery)
	defer tick.Stop()
	for {
		s.tellDrained(ctx)
		due, err := s.network.announce.due(ctx, s.now(), 10)
		if err != nil && ctx.Err() == nil {
			s.log.Warn().Err(err).Msg("cannot read announcements")
		}
		for _, a := range due {
			_ = s.contained(ctx, "an announcement", func() error { return s.announce(ctx, a.key, a.value) }) // it goes on later
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.network.wake:
		}
	}
}

// announce tells the guilds that were not told yet. Each is noted before it is told: nobody hears it twice.
func (s *Set) announce(ctx context.Context, key string, a chat.Announcement) error {
	for {
		guilds, err := s.guilds.after(ctx, a.After, announcePage)
		if err != nil {
			return fmt.Errorf("read the guilds: %w", err)
		}
		for _, g := range guilds {
			a.After = g.key
			if !hears(g.value) {
				continue
			}
			if err := s.saveAnnouncement(ctx, key, a, s.now()); err != nil {
				return err
			}
			m := discord.Message{Embeds: []discord.Embed{{
				Title: discord.Clip(a.Title, discord.MaxEmbedTitle), Description: discord.Clip(a.Text, discord.MaxEmbedDescription),
				Color: embedColor, Time: a.Made, Footer: s.bundle.For(g.value.Language).T("network.announcement"),
			}}}
			if _, err := s.bot.SendMessage(ctx, g.value.Log, m); err != nil {
				s.log.Info().Err(err).Str("guild", g.key).Msg("a guild cannot be told")
				a.Failed++
			} else {
				a.Sent++
			}
			if sleepUntil(ctx, announcePace) {
				return ctx.Err()
			}
		}
		if len(guilds) < announcePage {
			return s.saveAnnouncement(ctx, key, a, time.Time{})
		}
	}
}

// hears reports whether a guild takes announcements.
func hears(g chat.Guild) bool { return g.Log != "" && !g.NoNews }

// hearers counts the guilds that take announcements.
func (s *Set) hearers(ctx context.Context) (n int, err error) {
	after := ""
	for {
		guilds, err := s.guilds.after(ctx, after, announcePage)
		if err != nil {
			return n, fmt.Errorf("read the guilds: %w", err)
		}
		for _, g := range guilds {
			after = g.key
			if hears(g.value) {
				n++
			}
		}
		if len(guilds) < announcePage {
			return n, nil
		}
	}
}

func (s *Set) saveAnnouncement(ctx context.Context, key string, a chat.Announcement, due time.Time) error {
	_, err := s.network.announce.change(ctx, key, about{due: due}, func(v *chat.Announcement) error { *v = a; return nil })
	if err != nil {
		return fmt.Errorf("note an announcement: %w", err)
	}
	return nil
}
