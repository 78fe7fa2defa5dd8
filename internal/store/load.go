// SPDX-License-Identifier: AGPL-3.0-or-later

package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"stablemate/horde"
	"stablemate/horde/kudos"
)

// Load reads every row of one consistent moment, with the ledger's events since a time. Whoever will commit leads first:
// from then on nobody else's commit can land behind what was read.
func (s *Store) Load(ctx context.Context, recent time.Time) (*horde.Snapshot, error) {
	tx, err := s.db.moment(ctx)
	if err != nil {
		return nil, s.wrap("load the horde", err)
	}
	defer func() { _ = tx.Rollback() }() // it wrote nothing
	snap := &horde.Snapshot{System: make(map[kudos.Account]kudos.Amount)}
	for _, read := range []func(context.Context, *sql.Tx, *horde.Snapshot) error{
		s.loadAccounts, s.loadWorkers, s.loadRequests, s.loadGenerations, s.loadSystem, s.loadRecords,
	} {
		if err := read(ctx, tx, snap); err != nil {
			return nil, s.wrap("load the horde", err)
		}
	}
	if snap.Recent, err = s.recentEvents(ctx, tx, snap.LastEvent, recent); err != nil {
		return nil, s.wrap("load the horde", err)
	}
	return snap, nil
}

func (s *Store) loadAccounts(ctx context.Context, tx *sql.Tx, snap *horde.Snapshot) error {
	return s.each(ctx, tx, func(scan func(...any) error) error {
		u, err := scanAccount(scan)
		snap.Users = append(snap.Users, u)
		return err
	}, selectAccounts)
}

func (s *Store) loadWorkers(ctx context.Context, tx *sql.Tx, snap *horde.Snapshot) error {
	return s.each(ctx, tx, func(scan func(...any) error) error {
		w, err := scanWorker(scan)
		snap.Workers = append(snap.Workers, w)
		return err
	}, selectWorkers)
}

// Specifications are decoded in groups beside the reading, since that is the larger half of the work.
const (
	decodeGroup   = 1024
	decodeWorkers = 4
)

func (s *Store) loadRequests(ctx context.Context, tx *sql.Tx, snap *horde.Snapshot) error {
	var decoding errgroup.Group
	decoding.SetLimit(decodeWorkers)
	var groups [][]requestRow
	var group []requestRow
	flush := func() {
		rows := group
		groups, group = append(groups, rows), nil
		decoding.Go(func() error {
			for i := range rows {
				if err := rows[i].decode(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := s.each(ctx, tx, func(scan func(...any) error) error {
		row, err := scanRequest(scan)
		if group = append(group, row); len(group) == decodeGroup {
			flush()
		}
		return err
	}, selectRequests)
	flush()
	if failed := decoding.Wait(); err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	for _, rows := range groups {
		for i := range rows {
			snap.Requests = append(snap.Requests, rows[i].request)
		}
	}
	return nil
}

func (s *Store) loadGenerations(ctx context.Context, tx *sql.Tx, snap *horde.Snapshot) error {
	return s.each(ctx, tx, func(scan func(...any) error) error {
		g, err := scanGeneration(scan)
		snap.Generations = append(snap.Generations, g)
		return err
	}, selectGenerations)
}

func (s *Store) loadSystem(ctx context.Context, tx *sql.Tx, snap *horde.Snapshot) error {
	err := s.each(ctx, tx, func(scan func(...any) error) error {
		var account, balance int64
		err := scan(&account, &balance)
		snap.System[kudos.Account(account)] = kudos.Amount(balance)
		return err
	}, `SELECT id, balance FROM system_account`)
	if err != nil {
		return fmt.Errorf("read the system accounts: %w", err)
	}
	err = s.each(ctx, tx, func(scan func(...any) error) error {
		return scan(&snap.Modes.Maintenance, &snap.Modes.InviteOnly, &snap.Modes.Raid)
	}, `SELECT maintenance, invite_only, raid FROM modes WHERE id = 1`)
	if err != nil {
		return fmt.Errorf("read the modes: %w", err)
	}
	if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) FROM event`).Scan(&snap.LastEvent); err != nil {
		return fmt.Errorf("read the last event: %w", err)
	}
	return nil
}

func (s *Store) loadRecords(ctx context.Context, tx *sql.Tx, snap *horde.Snapshot) error {
	err := s.each(ctx, tx, func(scan func(...any) error) error {
		var kind, id string
		var value []byte
		if err := scan(&kind, &id, &value); err != nil {
			return err
		}
		id, err := unplain(id)
		snap.Records = append(snap.Records, horde.Record{Kind: horde.RecordKind(kind), ID: id, Value: value})
		return err
	}, `SELECT kind, id, value FROM record`)
	if err != nil {
		return fmt.Errorf("read the records: %w", err)
	}
	return nil
}
