// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stablemate/commands/chat"
	"stablemate/internal/discord"
)

// Bounds of greeting guilds.
const (
	newGuildTime  = time.Hour // a guild that the bot is in for longer is not new, whatever the news of it look like
	greetingTries = 5
	greetingAgain = time.Minute // after Discord was in trouble; grows with each try
)

// welcomeGuild greets a guild that the bot was just added to: once, also if it is removed and comes back before the guild
// is forgotten.
func (s *Set) welcomeGuild(ctx context.Context, g discord.Guild) error {
	if !g.Joined.IsZero() && s.now().Sub(g.Joined) > newGuildTime {
		return nil
	}
	fresh := false
	_, err := s.greetings.change(ctx, g.ID, about{guild: g.ID, due: s.now()}, func(v *chat.Greeting) error {
		if v.Name != "" {
			return errGreeted
		}
		fresh, *v = true, chat.Greeting{Name: g.Name, Locale: g.Locale, Channel: g.SystemChannel}
		return nil
	})
	if errors.Is(err, errGreeted) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("note a new guild: %w", err)
	}
	if fresh {
		return s.greet(ctx, g.ID)
	}
	return nil
}

var errGreeted = errors.New("this guild was greeted before")

// greetGuilds greets the guilds for which it did not work at once.
func (s *Set) greetGuilds(ctx context.Context) error {
	list, err := s.greetings.due(ctx, s.now(), choreBatch)
	if err != nil {
		return fmt.Errorf("guilds to greet: %w", err)
	}
	for _, e := range list {
		err = errors.Join(err, s.greet(ctx, e.key))
	}
	return err
}

// greet writes to who added the bot, if the guild tells who that is, or into the channel where the guild wants such messages.
// Where neither is possible, nothing is said.
func (s *Set) greet(ctx context.Context, guild string) error {
	save := func(due time.Time, f func(v *chat.Greeting) error) (chat.Greeting, error) {
		return s.greetings.change(ctx, guild, about{guild: guild, due: due}, f)
	}
	g, err := save(time.Time{}, func(v *chat.Greeting) error {
		if v.Name == "" || !v.Sent.IsZero() {
			return errGreeted
		}
		v.Sent, v.Tries = s.now(), v.Tries+1
		return nil
	})
	if errors.Is(err, errGreeted) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("note a greeting: %w", err)
	}
	if err = s.sayHello(ctx, guild, g); err == nil || g.Tries >= greetingTries {
		if err != nil {
			s.log.Info().Err(err).Str("guild", guild).Msg("a new guild is not greeted")
		}
		return nil
	}
	s.log.Debug().Err(err).Str("guild", guild).Msg("a new guild is greeted later")
	if _, err := save(s.now().Add(time.Duration(g.Tries)*greetingAgain), func(v *chat.Greeting) error {
		v.Sent = time.Time{}
		return nil
	}); err != nil {
		return fmt.Errorf("put a greeting off: %w", err)
	}
	return nil
}

// sayHello sends it. An error is worth another try.
func (s *Set) sayHello(ctx context.Context, guild string, g chat.Greeting) error {
	w := s.bundle.For(g.Locale)
	m := discord.Message{Optional: true, Content: lines(
		w.T("help.greeting", "Server", escape(g.Name), "Generate", s.cmd("generate")),
		w.T("help.greeting.set", "Panel", s.cmd("serverconfig panel"), "Emoji", s.cmd("kudosemoji starter")),
		w.T("help.greeting.help", "Help", s.cmd("help")),
	)}
	inviter, err := s.bot.Inviter(ctx, guild)
	switch {
	case discord.IsMissingPermission(err), vanished(err):
	case err != nil:
		return fmt.Errorf("find who added the bot: %w", err)
	case inviter != "":
		if reached, err := s.reach(ctx, inviter, m); reached || err != nil {
			return err
		}
	}
	if g.Channel == "" {
		return nil
	}
	if _, err := s.bot.SendMessage(ctx, g.Channel, m); err != nil && !discord.IsMissingPermission(err) && !vanished(err) {
		return fmt.Errorf("greet a guild: %w", err)
	}
	return nil
}
