// SPDX-License-Identifier: AGPL-3.0-or-later

package store

import (
	"context"
	"database/sql"
	"fmt"

	"stablemate/horde"
	"stablemate/horde/kudos"
)

// MaxDifferences is how many differences an AuditReport spells out.
const MaxDifferences = 20

// AuditReport says whether the books are right, and what was looked at.
type AuditReport struct {
	Accounts, Requests, Generations int
	Events, Postings                int64

	Wrong       int      // how many differences there are
	Differences []string // the first MaxDifferences of them, a sentence each
}

// OK reports whether nothing is wrong.
func (r *AuditReport) OK() bool { return r.Wrong == 0 }

func (r *AuditReport) add(format string, args ...any) {
	if r.Wrong++; len(r.Differences) < MaxDifferences {
		r.Differences = append(r.Differences, fmt.Sprintf(format, args...))
	}
}

// Audit proves the books in one consistent moment: the files are sound, every event sums to zero, event ids have no gaps,
// each balance is the sum of its account's postings, all balances sum to zero, and what is held from each person is what
// that person's live requests hold. It works beside a leader. It reads the whole ledger, seconds for each million postings,
// and on SQLite the log beside the file grows meanwhile. Differences are no error; an error means that the audit failed.
func (s *Store) Audit(ctx context.Context) (AuditReport, error) {
	var r AuditReport
	unsound, err := s.db.check(ctx)
	if err != nil {
		return r, s.wrap("audit the store", err)
	}
	for _, sentence := range unsound {
		r.add("%s", sentence)
	}
	tx, err := s.db.moment(ctx)
	if err != nil {
		return r, s.wrap("audit the store", err)
	}
	defer func() { _ = tx.Rollback() }() // it wrote nothing
	for _, audit := range []func(context.Context, *sql.Tx, *AuditReport) error{s.auditEvents, s.auditBalances, s.auditRequests, s.auditGifts} {
		if err := audit(ctx, tx, &r); err != nil {
			return r, s.wrap("audit the store", err)
		}
	}
	return r, nil
}

func (s *Store) auditEvents(ctx context.Context, tx *sql.Tx, r *AuditReport) error {
	var first, last int64
	const bounds = `SELECT count(*), coalesce(min(id), 1), coalesce(max(id), 0) FROM event`
	if err := tx.QueryRowContext(ctx, bounds).Scan(&r.Events, &first, &last); err != nil {
		return fmt.Errorf("count events: %w", err)
	}
	if first != 1 {
		r.add("the ledger begins with event %d, not 1", first)
	}
	if missing := last - first + 1 - r.Events; missing > 0 {
		r.add("%d of the events %d to %d are missing", missing, first, last)
		const gaps = `
SELECT e.id FROM event e WHERE e.id < $1 AND NOT EXISTS (SELECT 1 FROM event n WHERE n.id = e.id + 1) ORDER BY e.id LIMIT $2`
		err := s.each(ctx, tx, func(scan func(...any) error) error {
			var id int64
			err := scan(&id)
			r.add("no event follows %d", id)
			return err
		}, gaps, last, int64(MaxDifferences))
		if err != nil {
			return fmt.Errorf("look for gaps: %w", err)
		}
	}
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM posting`).Scan(&r.Postings); err != nil {
		return fmt.Errorf("count postings: %w", err)
	}
	const unbalanced = `
SELECT event, CAST(sum(amount) AS BIGINT) FROM posting GROUP BY event HAVING sum(amount) <> 0 ORDER BY event`
	err := s.each(ctx, tx, func(scan func(...any) error) error {
		var event, sum int64
		err := scan(&event, &sum)
		r.add("the postings of event %d sum to %s kudos, not 0", event, kudos.Amount(sum))
		return err
	}, unbalanced)
	if err != nil {
		return fmt.Errorf("sum up events: %w", err)
	}
	for _, look := range []struct{ sentence, query string }{
		{"event %d has no postings", `
SELECT e.id FROM event e WHERE NOT EXISTS (SELECT 1 FROM posting p WHERE p.event = e.id) ORDER BY e.id`},
		{"there are postings of event %d, but not the event", `
SELECT DISTINCT p.event FROM posting p WHERE NOT EXISTS (SELECT 1 FROM event e WHERE e.id = p.event) ORDER BY p.event`},
	} {
		err := s.each(ctx, tx, func(scan func(...any) error) error {
			var id int64
			err := scan(&id)
			r.add(look.sentence, id)
			return err
		}, look.query)
		if err != nil {
			return fmt.Errorf("match events and postings: %w", err)
		}
	}
	return nil
}

func (s *Store) auditBalances(ctx context.Context, tx *sql.Tx, r *AuditReport) error {
	balances := make(map[kudos.Account]kudos.Amount)
	var order []kudos.Account
	var total kudos.Amount
	keep := func(a kudos.Account, amount kudos.Amount) {
		balances[a] = amount
		order = append(order, a)
		total += amount
	}
	err := s.each(ctx, tx, func(scan func(...any) error) error {
		var id, spendable, held, evaluated int64
		if err := scan(&id, &spendable, &held, &evaluated); err != nil {
			return err
		}
		r.Accounts++
		keep(kudos.Of(id, kudos.Spendable), kudos.Amount(spendable))
		keep(kudos.Of(id, kudos.Held), kudos.Amount(held))
		keep(kudos.Of(id, kudos.Evaluated), kudos.Amount(evaluated))
		return nil
	}, `SELECT id, balance, held, evaluated FROM account ORDER BY id`)
	if err != nil {
		return fmt.Errorf("read balances: %w", err)
	}
	err = s.each(ctx, tx, func(scan func(...any) error) error {
		var id, balance int64
		err := scan(&id, &balance)
		keep(kudos.Account(id), kudos.Amount(balance))
		return err
	}, `SELECT id, balance FROM system_account ORDER BY id`)
	if err != nil {
		return fmt.Errorf("read system balances: %w", err)
	}
	if total != 0 {
		r.add("all balances sum to %s kudos, not 0", total)
	}
	sums := make(map[kudos.Account]kudos.Amount, len(balances))
	err = s.each(ctx, tx, func(scan func(...any) error) error {
		var account, sum int64
		if err := scan(&account, &sum); err != nil {
			return err
		}
		a := kudos.Account(account)
		sums[a] = kudos.Amount(sum)
		if _, known := balances[a]; !known {
			r.add("account %s has postings of %s kudos, but no balance", a, kudos.Amount(sum))
		}
		return nil
	}, `SELECT account, CAST(sum(amount) AS BIGINT) FROM posting GROUP BY account ORDER BY account`)
	if err != nil {
		return fmt.Errorf("sum up postings: %w", err)
	}
	for _, a := range order {
		if balances[a] != sums[a] {
			r.add("account %s has a balance of %s kudos, its postings sum to %s", a, balances[a], sums[a])
		}
	}
	return nil
}

func (s *Store) auditRequests(ctx context.Context, tx *sql.Tx, r *AuditReport) error {
	const counts = `SELECT (SELECT count(*) FROM request), (SELECT count(*) FROM generation)`
	if err := tx.QueryRowContext(ctx, counts).Scan(&r.Requests, &r.Generations); err != nil {
		return fmt.Errorf("count requests: %w", err)
	}
	const holds = `
SELECT coalesce(a.id, r.user_id), coalesce(a.held, 0), coalesce(r.held, 0)
FROM account a FULL JOIN (SELECT user_id, CAST(sum(held) AS BIGINT) AS held FROM request GROUP BY user_id) r ON r.user_id = a.id
WHERE coalesce(a.held, 0) <> coalesce(r.held, 0) ORDER BY 1`
	err := s.each(ctx, tx, func(scan func(...any) error) error {
		var user, pocket, sum int64
		err := scan(&user, &pocket, &sum)
		r.add("account %d has %s kudos held, its live requests hold %s", user, kudos.Amount(pocket), kudos.Amount(sum))
		return err
	}, holds)
	if err != nil {
		return fmt.Errorf("compare holds: %w", err)
	}
	const orphans = `
SELECT g.id, g.request FROM generation g WHERE NOT EXISTS (SELECT 1 FROM request r WHERE r.id = g.request) ORDER BY g.id`
	err = s.each(ctx, tx, func(scan func(...any) error) error {
		var id, request uid
		err := scan(&id, &request)
		r.add("generation %s belongs to request %s, which is gone", horde.UUID(id), horde.UUID(request))
		return err
	}, orphans)
	if err != nil {
		return fmt.Errorf("match generations and requests: %w", err)
	}
	return nil
}
