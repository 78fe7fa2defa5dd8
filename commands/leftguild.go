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

// leftTime is how long the settings of a guild are kept that the bot had to leave: it may come back.
const leftTime = 30 * 24 * time.Hour

// guildFamily is what happens when guilds come and go.
func (s *Set) guildFamily() family {
	return family{register: func(rt *discord.Router) {
		rt.GuildLeft(func(ctx context.Context, guild string) error {
			// It is about nobody: forgetting the guild does not forget this.
			_, err := s.left.change(ctx, guild, about{due: s.now().Add(leftTime)}, func(l *chat.LeftGuild) error {
				l.At = s.now()
				return nil
			})
			if err != nil {
				return fmt.Errorf("note a guild that was left: %w", err)
			}
			return nil
		})
		rt.GuildJoined(func(ctx context.Context, g discord.Guild) error {
			if _, err := s.left.drop(ctx, g.ID); err != nil {
				return fmt.Errorf("note a guild that was joined: %w", err)
			}
			return errors.Join(s.roles.welcomeBack(ctx, g.ID), s.welcomeGuild(ctx, g))
		})
	}}
}

// forgetGuilds deletes what was decided in guilds that the bot left long ago.
func (s *Set) forgetGuilds(ctx context.Context) error {
	return eachDue(ctx, s, s.left, "forgetting a guild", choreRow, choreAgain, func(ctx context.Context, e entry[chat.LeftGuild]) error {
		_, err := s.bot.Guild(ctx, e.key) // it may have come back while nobody was here
		gone := discord.IsMissingPermission(err) || vanished(err)
		if err != nil && !gone {
			return fmt.Errorf("look whether a guild is there: %w", err)
		}
		if gone {
			n, err := s.deps.Docs.ForgetGuild(ctx, e.key)
			if err != nil {
				return fmt.Errorf("forget a guild: %w", err)
			}
			s.log.Info().Int64("rows", n).Msg("a guild is forgotten")
		}
		if _, err := s.left.drop(ctx, e.key); err != nil {
			return fmt.Errorf("forget that a guild was left: %w", err)
		}
		return nil
	})
}
