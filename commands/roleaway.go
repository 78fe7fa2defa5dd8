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

// awayTime is how long a guild is left alone whose members the bot may not see: it is not there any more, and each
// question about somebody would be refused. Coming back ends it, and so does whoever asks for a pass.
const awayTime = 24 * time.Hour

// errGone says that a document to be put off is not there any more.
var errGone = errors.New("it is gone")

// away reports whether the bot is not in a guild, as far as it knows.
func (e *roleEngine) away(guild string) bool {
	if e.s.bot.OutOf(guild) {
		return true
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.s.now().Before(e.shut[guild])
}

// shutOut notes that Discord knows nothing of us in a guild. It reports whether err said so.
func (e *roleEngine) shutOut(guild string, err error) bool {
	if !discord.IsNotInGuild(err) {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.shut) >= maxRoleQueue {
		clear(e.shut) // each costs one refusal
	}
	e.shut[guild] = e.s.now().Add(awayTime)
	return true
}

// welcomeBack has a guild looked at that the bot was added to: it may have been here before.
func (e *roleEngine) welcomeBack(ctx context.Context, guild string) error {
	e.open(guild)
	_, found, err := e.passes.get(ctx, guild)
	if err != nil {
		return fmt.Errorf("read the pass: %w", err)
	}
	if !found {
		return nil
	}
	return e.requestPass(ctx, guild)
}

// open has a guild asked again that turned us away.
func (e *roleEngine) open(guild string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.shut, guild)
}

// leave gives up what a guild's goroutine had to do. Its people are due still: tick puts them off.
func (e *roleEngine) leave(ctx context.Context, guild string) {
	if e.passingNow(guild) {
		if err := e.putOffPass(ctx, guild); err != nil {
			e.s.log.Warn().Err(err).Str("guild", guild).Msg("cannot put a pass off")
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.queued -= len(e.queues[guild].order)
	delete(e.queues, guild)
}

// putOffPass moves a pass to the next night.
func (e *roleEngine) putOffPass(ctx context.Context, guild string) error {
	_, found, err := e.passes.get(ctx, guild)
	if err == nil && found {
		_, err = e.passes.change(ctx, guild, about{guild: guild, due: nextPass(guild, e.s.now())}, func(*chat.RolePass) error { return nil })
	}
	if err != nil {
		return fmt.Errorf("put a pass off: %w", err)
	}
	return nil
}

// putOffMember leaves somebody alone for a while.
func (e *roleEngine) putOffMember(ctx context.Context, guild, person string) error {
	_, err := e.members.change(ctx, memberKey(guild, person), about{person: person, guild: guild, due: e.s.now().Add(awayTime)}, func(m *chat.Member) error {
		if m.Seen.IsZero() {
			return errGone
		}
		return nil
	})
	if err != nil && !errors.Is(err, errGone) {
		return fmt.Errorf("put somebody off: %w", err)
	}
	return nil
}
