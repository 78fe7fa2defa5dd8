// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"time"

	"stablemate/commands/chat"
)

// Bounds of the counting of what was made.
const (
	countWaiting  = 4096 // results that wait to be counted; more are not
	countTogether = 256  // results that one save counts at most
	countTime     = 10 * time.Second
)

// tallies counts what was made for people and guilds, beside showing it. Only it writes these documents. A result that was
// shown just before a crash may not be counted.
type tallies struct {
	s       *Set
	docs    *memory[chat.Tally]
	waiting chan made
}

// made is a result to be counted.
type made struct {
	guild, person string
	at            time.Time
	images        int
	models        map[string]int
}

func newTallies(s *Set) *tallies {
	return &tallies{s: s, docs: newMemory[chat.Tally](s.deps.Docs, chat.KindMade), waiting: make(chan made, countWaiting)}
}

func tallyOfPerson(person string) string { return "p" + person }
func tallyOfGuild(guild string) string   { return "g" + guild }

// count notes a request whose end is shown. It does not wait.
func (t *tallies) count(row chat.Message, end *ending) {
	if end == nil || end.kind != endDone || len(end.status.Generations) == 0 {
		return
	}
	m := made{guild: row.Guild, person: row.Person, at: end.at, models: make(map[string]int)}
	for _, g := range end.status.Generations {
		m.images++
		if g.Model != "" {
			m.models[g.Model]++
		}
	}
	select {
	case t.waiting <- m:
	default:
		t.s.log.Warn().Msg("too many results are waiting to be counted")
	}
}

// run counts until ctx ends.
func (t *tallies) run(ctx context.Context) {
	for {
		select {
		case m := <-t.waiting:
			t.save(context.WithoutCancel(ctx), m)
		case <-ctx.Done():
			return
		}
	}
}

// last counts what is left when everybody else has stopped.
func (t *tallies) last(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countTime)
	defer cancel()
	for ctx.Err() == nil {
		select {
		case m := <-t.waiting:
			t.save(ctx, m)
		default:
			return
		}
	}
}

// save counts a result and those that wait behind it, with one save for each person and guild.
func (t *tallies) save(ctx context.Context, first made) {
	ctx, cancel := context.WithTimeout(ctx, countTime)
	defer cancel()
	all := []made{first}
	for more := true; more && len(all) < countTogether; {
		select {
		case m := <-t.waiting:
			all = append(all, m)
		default:
			more = false
		}
	}
	whose := make(map[string]about)
	parts := make(map[string][]made)
	for _, m := range all {
		key := tallyOfPerson(m.person)
		whose[key] = about{person: m.person}
		parts[key] = append(parts[key], m)
		if m.guild != "" {
			key = tallyOfGuild(m.guild)
			whose[key] = about{guild: m.guild}
			parts[key] = append(parts[key], m)
		}
	}
	for key, part := range parts {
		_ = t.s.contained(ctx, "counting results", func() error {
			_, err := t.docs.change(ctx, key, whose[key], func(v *chat.Tally) error {
				for _, m := range part {
					v.Add(m.at, m.images, m.models)
				}
				return nil
			})
			return err
		})
	}
}
