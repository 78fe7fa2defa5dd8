// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"sync"
	"time"

	"stablemate/commands/words"
	"stablemate/internal/discord"
)

// Bounds of the logs of guilds.
const (
	logTime    = 20 * time.Second // for one line; Discord may want us to wait
	logWaiting = 1024             // lines that wait for their turn; more are dropped
	logWriters = 4
	logLast    = 5 * time.Second // for what is waiting when the process stops
)

// diary writes into the channels where guilds want to hear of changes, while those who change things go on.
type diary struct {
	s       *Set
	waiting chan logLine
}

type logLine struct{ guild, channel, text string }

func newDiary(s *Set) *diary { return &diary{s: s, waiting: make(chan logLine, logWaiting)} }

// logTo writes a line into a guild's log, in its language, after this call. It is best effort: a log that cannot be written
// keeps nothing from happening.
func (s *Set) logTo(ctx context.Context, guild string, line func(w words.Words) string) {
	g, _, err := s.guilds.get(ctx, guild)
	if err != nil || g.Log == "" {
		return
	}
	text := discord.Clip(line(s.bundle.For(g.Language)), discord.MaxContent)
	if text == "" {
		return
	}
	select {
	case s.diary.waiting <- logLine{guild, g.Log, text}:
	default:
		s.log.Warn().Str("guild", guild).Msg("too many lines are waiting for the logs of guilds")
	}
}

// run writes until ctx ends, and what is left then for a moment longer.
func (d *diary) run(ctx context.Context) {
	var writers sync.WaitGroup
	for range logWriters {
		writers.Go(func() {
			for {
				select {
				case l := <-d.waiting:
					d.write(ctx, l)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	writers.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), logLast)
	defer cancel()
	for last.Err() == nil {
		select {
		case l := <-d.waiting:
			d.write(last, l)
		default:
			return
		}
	}
}

func (d *diary) write(ctx context.Context, l logLine) {
	ctx, cancel := context.WithTimeout(ctx, logTime)
	defer cancel()
	_ = d.s.contained(ctx, "writing to the log of a guild", func() error {
		if _, err := d.s.bot.SendMessage(ctx, l.channel, discord.Message{Content: l.text}); err != nil {
			d.s.log.Debug().Err(err).Str("guild", l.guild).Msg("cannot write to a guild's log")
		}
		return nil
	})
}
