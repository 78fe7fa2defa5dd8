// SPDX-License-Identifier: AGPL-3.0-or-later

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"stablemate/horde"
)

// RankBy says what accounts are compared by.
type RankBy int

// What accounts can be compared by.
const (
	ByGiven    RankBy = iota // hundredths of kudos given to others, without what came back
	ByReceived               // hundredths of kudos given by others
	ByMade                   // results delivered to others
	ByRated                  // images rated
)

// Rank is how much an account did since a time.
type Rank struct {
	User   horde.UserID
	N      int64
	Hidden bool // it wants no place on the list of ratings
}

// Ranks lists who did most since a time, at most limit accounts. It reads everything since then; callers keep the answer for
// a while.
func (s *Store) Ranks(ctx context.Context, by RankBy, since time.Time, limit int) ([]Rank, error) {
	// Accounts of the ledger are eight times the number of their user and a pocket; see kudos.Of. Kinds are numbered in
	// horde/kudos.
	const (
		from  = ` FROM event e JOIN posting p ON p.event = e.id WHERE e.id >= $1 AND p.account >= 0 AND `
		until = ` GROUP BY p.account / 8 ORDER BY 2 DESC, 1 LIMIT $2`
		given = `SELECT p.account / 8, CAST(SUM(-p.amount) AS BIGINT), 0` + from +
			`(e.kind = 6 AND p.amount < 0 OR e.kind IN (32, 34))` + until
		received = `SELECT p.account / 8, CAST(SUM(p.amount) AS BIGINT), 0` + from + `e.kind IN (6, 33) AND p.amount > 0` + until
		made     = `SELECT p.account / 8, COUNT(DISTINCT e.id), 0` + from + `e.kind = 4 AND p.amount > 0` + until
		rated    = `
SELECT v.rater, COUNT(*), MAX(r.hidden) FROM rating_vote v JOIN rating_rater r ON r.rater = v.rater
WHERE v.at >= $1 AND v.turn = 0 AND v.kind = 0 GROUP BY v.rater ORDER BY 2 DESC, 1 LIMIT $2`
	)
	query, start := rated, micros(since)
	if by != ByRated {
		query = map[RankBy]string{ByGiven: given, ByReceived: received, ByMade: made}[by]
		first, err := s.firstEvent(ctx, since)
		if err != nil {
			return nil, s.wrap("find where the ledger's events begin", err)
		}
		start = first
	}
	var out []Rank
	err := s.each(ctx, s.read, func(scan func(...any) error) error {
		var user, n, hidden int64
		if err := scan(&user, &n, &hidden); err != nil {
			return err
		}
		if n > 0 {
			out = append(out, Rank{User: horde.UserID(user), N: n, Hidden: hidden != 0})
		}
		return nil
	}, query, start, int64(limit))
	return out, s.wrap("compare accounts", err)
}

// firstEvent is the id of the first event since a time, or one beyond the last. Times follow ids, as far as the clock did.
func (s *Store) firstEvent(ctx context.Context, since time.Time) (int64, error) {
	var last sql.NullInt64
	if err := s.read.QueryRowContext(ctx, `SELECT MAX(id) FROM event`).Scan(&last); err != nil {
		return 0, fmt.Errorf("read the last event: %w", err)
	}
	return s.searchEvents(ctx, s.read, last.Int64, since)
}

// rower is a connection pool or a transaction.
type rower interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// searchEvents finds the first of so many events since a time, or one beyond the last.
func (s *Store) searchEvents(ctx context.Context, in rower, last int64, since time.Time) (int64, error) {
	const probe = `SELECT created FROM event WHERE id = $1`
	from, beyond := int64(1), last+1
	for from < beyond {
		middle := from + (beyond-from)/2
		var created int64
		switch err := in.QueryRowContext(ctx, s.db.text(probe), middle).Scan(&created); {
		case errors.Is(err, sql.ErrNoRows):
			return 0, fmt.Errorf("the ledger has no event %d, though it has %d", middle, last)
		case err != nil:
			return 0, fmt.Errorf("read event %d: %w", middle, err)
		}
		if created >= micros(since) {
			beyond = middle
		} else {
			from = middle + 1
		}
	}
	return from, nil
}
