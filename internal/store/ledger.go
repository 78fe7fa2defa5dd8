// SPDX-License-Identifier: AGPL-3.0-or-later

package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"stablemate/horde/kudos"
)

// LedgerEvent finds an event by its idempotency key; nil without error when there is none.
func (s *Store) LedgerEvent(ctx context.Context, key string) (*kudos.Event, error) {
	const query = `
SELECT e.id, e.key, e.kind, e.created, p.account, p.amount
FROM event e JOIN posting p ON p.event = e.id
WHERE e.key = $1 ORDER BY p.line`
	events, err := s.events(ctx, s.read, query, plain(key))
	if err != nil {
		return nil, s.wrap("look up a ledger event", err)
	}
	if len(events) == 0 {
		return nil, nil //nolint:nilnil // the interface says so: absence is an answer here
	}
	return &events[0], nil
}

// recentEvents reads the events since a time, oldest first. Their times follow their ids, as far as the clock did.
func (s *Store) recentEvents(ctx context.Context, tx *sql.Tx, last int64, since time.Time) ([]kudos.Event, error) {
	from, err := s.searchEvents(ctx, tx, last, since)
	if err != nil {
		return nil, err
	}
	const query = `
SELECT e.id, e.key, e.kind, e.created, p.account, p.amount
FROM event e JOIN posting p ON p.event = e.id
WHERE e.id >= $1 ORDER BY e.id, p.line`
	return s.events(ctx, tx, query, from)
}

// events reads events with their postings, one row per posting, in the query's order.
func (s *Store) events(ctx context.Context, from querier, query string, args ...any) ([]kudos.Event, error) {
	var out []kudos.Event
	err := s.each(ctx, from, func(scan func(...any) error) error {
		var (
			e                        kudos.Event
			key                      string
			created, account, amount int64
		)
		if err := scan(&e.ID, &key, &e.Kind, &created, &account, &amount); err != nil {
			return fmt.Errorf("read a ledger event: %w", err)
		}
		if len(out) == 0 || out[len(out)-1].ID != e.ID {
			var err error
			if e.Key, err = unplain(key); err != nil {
				return fmt.Errorf("read ledger event %d: %w", e.ID, err)
			}
			e.At = fromMicros(created)
			out = append(out, e)
		}
		at := &out[len(out)-1]
		at.Postings = append(at.Postings, kudos.Posting{Account: kudos.Account(account), Amount: kudos.Amount(amount)})
		return nil
	}, query, args...)
	return out, err
}

// MaxHistory is the most entries that History returns. Those of some kinds are looked for among the last historyDepth.
const (
	MaxHistory   = 1000
	historyDepth = 100_000
)

// Entry is one line of an account's history.
type Entry struct {
	Event  int64
	Key    string
	Kind   kudos.Kind
	At     time.Time
	Amount kudos.Amount  // what the account gained or lost
	Other  kudos.Account // of a transfer, where it came from or went; of others the treasury
}

// History lists the last movements of an account, newest first, at most limit and never more than MaxHistory: all of them,
// or those of some kinds.
func (s *Store) History(ctx context.Context, account kudos.Account, kinds []kudos.Kind, limit int) ([]Entry, error) {
	const query = `
SELECT e.id, e.key, e.kind, e.created, p.amount,
  COALESCE((SELECT MIN(o.account) FROM posting o WHERE o.event = p.event AND o.account >= 0 AND o.account <> p.account), -1)
FROM (SELECT event, line, account, amount FROM posting WHERE account = $1 ORDER BY event DESC, line DESC LIMIT $2) p
JOIN event e ON e.id = p.event
WHERE ((CAST(1 AS BIGINT) << CAST(e.kind AS INTEGER)) & $3) <> 0
ORDER BY p.event DESC, p.line DESC LIMIT $4`
	limit = min(max(limit, 0), MaxHistory)
	depth, mask := int64(limit), int64(-1)
	if len(kinds) > 0 {
		depth, mask = historyDepth, 0
		for _, k := range kinds {
			mask |= 1 << k
		}
	}
	var out []Entry
	err := s.each(ctx, s.read, func(scan func(...any) error) error {
		var (
			e                      Entry
			key                    string
			created, amount, other int64
		)
		if err := scan(&e.Event, &key, &e.Kind, &created, &amount, &other); err != nil {
			return err
		}
		var err error
		e.Key, err = unplain(key)
		e.At, e.Amount, e.Other = fromMicros(created), kudos.Amount(amount), kudos.Treasury
		if e.Kind == kudos.KindTransfer {
			e.Other = kudos.Account(other)
		}
		out = append(out, e)
		return err
	}, query, int64(account), depth, mask, int64(limit))
	return out, s.wrap("read the history of "+account.String(), err)
}
