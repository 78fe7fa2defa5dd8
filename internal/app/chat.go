// SPDX-License-Identifier: AGPL-3.0-or-later

package app

import (
	"context"
	"errors"
	"fmt"

	"stablemate/commands"
	"stablemate/internal/blob"
	"stablemate/internal/schedule"
)

// chatSchedule sets what the chat does by the clock. Passes over the roles of guilds are due once a night, each at its own
// time; whoever is due is looked for every minute.
func (a *assembly) chatSchedule(chat *commands.Set, album *blob.Album) error {
	s := schedule.New(a.log)
	if err := errors.Join(
		s.Add("@every 1m", "roles", chat.RoleTick),
		s.Add("@every 10m", "news", chat.NewsTick),
		s.Add("@every 1h", "sweep the album", func(ctx context.Context) error {
			_, err := album.Sweep(ctx, systemClock.Now().Add(-a.keep()))
			return err
		}),
	); err != nil {
		return fmt.Errorf("schedule the chat: %w", err)
	}
	a.add(2, "chat schedule", s.Run)
	return nil
}
