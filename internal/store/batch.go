// SPDX-License-Identifier: AGPL-3.0-or-later

package store

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"

	"stablemate/horde"
	"stablemate/horde/kudos"
)

// statement numbers the writes of a commit, in the order in which they run.
type statement int

const (
	deleteGenerations statement = iota
	deleteRequests
	deleteWorkers
	upsertAccounts
	upsertWorkers
	insertRequests
	updateRequests
	insertGenerations
	updateGenerations
	insertEvents
	insertPostings
	upsertSystem
	upsertModes
	deleteRecords
	upsertRecords
	statements // how many there are
)

// String says what a statement writes, for errors.
func (s statement) String() string {
	return [...]string{
		"delete generations", "delete requests", "delete workers", "write accounts", "write workers", "add requests",
		"write requests", "add generations", "write generations", "add ledger events", "add postings",
		"write system accounts", "write modes", "delete records", "write records",
	}[s]
}

// rows is a batch as each engine's statements take it: their arguments, column by column.
type rows [statements]table

// table holds the arguments of one statement: columns of equal length.
type table []column

func (t table) len() int {
	if len(t) == 0 {
		return 0
	}
	return t[0].len()
}

// column is one argument of a statement, for all its rows.
type column interface {
	len() int
	value(i int) driver.Value // SQLite's writer binds row by row
	array() any               // PostgreSQL takes the whole column
}

type (
	ints  []int64
	texts []string
	bools []bool
	blobs [][]byte
	uuids [][16]byte
)

func (c ints) len() int                  { return len(c) }
func (c ints) value(i int) driver.Value  { return c[i] }
func (c ints) array() any                { return []int64(c) }
func (c texts) len() int                 { return len(c) }
func (c texts) value(i int) driver.Value { return c[i] }
func (c texts) array() any               { return []string(c) }
func (c bools) len() int                 { return len(c) }
func (c bools) value(i int) driver.Value { return c[i] }
func (c bools) array() any               { return []bool(c) }
func (c blobs) len() int                 { return len(c) }
func (c blobs) value(i int) driver.Value { return c[i] }
func (c blobs) array() any               { return [][]byte(c) }
func (c uuids) len() int                 { return len(c) }
func (c uuids) value(i int) driver.Value { return c[i][:] }
func (c uuids) array() any               { return [][16]byte(c) }

// encode lays a batch out for the statements. An error means that a row cannot be written at all.
func encode(b *horde.Batch) (*rows, error) {
	r := &rows{}
	gone := make(uuids, len(b.GoneRequests))
	for i, id := range b.GoneRequests {
		gone[i] = id.UUID
	}
	r[deleteGenerations], r[deleteRequests] = table{gone}, table{gone}
	idle := make(uuids, len(b.GoneWorkers))
	for i, id := range b.GoneWorkers {
		idle[i] = id.UUID
	}
	r[deleteWorkers] = table{idle}

	var err error
	if r[upsertAccounts], err = accountRows(b.Users); err != nil {
		return nil, err
	}
	if r[upsertWorkers], err = workerRows(b.Workers); err != nil {
		return nil, err
	}
	if r[insertRequests], err = newRequestRows(b.NewRequests); err != nil {
		return nil, err
	}
	r[updateRequests] = requestRows(b.Requests)
	if r[insertGenerations], err = newGenerationRows(b.NewGens); err != nil {
		return nil, err
	}
	if r[updateGenerations], err = generationRows(b.Generations); err != nil {
		return nil, err
	}
	r[insertEvents], r[insertPostings] = ledgerRows(b.Ledger)
	r[upsertSystem] = systemRows(b.System)
	if m := b.Modes; m != nil {
		r[upsertModes] = table{bools{m.Maintenance}, bools{m.InviteOnly}, bools{m.Raid}}
	}
	r[deleteRecords], r[upsertRecords] = recordRows(b.Records)
	return r, nil
}

// recordRows: kind, id of those that are gone; kind, id, value of the others.
func recordRows(records []horde.Record) (gone, kept table) {
	var goneKind, goneID, kind, id, value texts
	for _, r := range records {
		if r.Value == nil {
			goneKind, goneID = append(goneKind, string(r.Kind)), append(goneID, plain(r.ID))
			continue
		}
		kind, id, value = append(kind, string(r.Kind)), append(id, plain(r.ID)), append(value, string(r.Value))
	}
	return table{goneKind, goneID}, table{kind, id, value}
}

// accountRows: id, external, key_hash, name, created, last_active, roles, concurrency, invited, suspicion, balance,
// held, evaluated, details.
func accountRows(users []horde.User) (table, error) {
	n := len(users)
	id, external, key, name := make(ints, n), make(texts, n), make(blobs, n), make(texts, n)
	created, active, roles, concurrency := make(ints, n), make(ints, n), make(ints, n), make(ints, n)
	invited, suspicion, balance, held := make(ints, n), make(ints, n), make(ints, n), make(ints, n)
	evaluated, details := make(ints, n), make(texts, n)
	for i := range users {
		u := &users[i]
		id[i], external[i], key[i], name[i] = int64(u.ID), plain(u.External), u.Key[:], plain(u.Name)
		created[i], active[i] = micros(u.Created), micros(u.LastActive)
		roles[i], concurrency[i], invited[i], suspicion[i] = int64(u.Roles), int64(u.Concurrency), int64(u.Invited), int64(u.Suspicion)
		balance[i], held[i], evaluated[i] = int64(u.Balance), int64(u.Held), int64(u.Evaluated)
		text, err := json.Marshal(detailsOf(u))
		if err != nil {
			return nil, fmt.Errorf("write account %d: %w", u.ID, err)
		}
		details[i] = string(text)
	}
	return table{
		id, external, key, name, created, active, roles, concurrency, invited, suspicion, balance, held, evaluated, details,
	}, nil
}

// workerRows: id, owner, type, created, last_seen, origin, offer, record.
func workerRows(workers []horde.Worker) (table, error) {
	n := len(workers)
	id, owner, kind, created := make(uuids, n), make(ints, n), make(texts, n), make(ints, n)
	seen, from, offer, record := make(ints, n), make(texts, n), make(texts, n), make(texts, n)
	for i := range workers {
		w := &workers[i]
		id[i], owner[i], kind[i] = w.ID.UUID, int64(w.Owner), string(w.Type)
		created[i], seen[i], from[i] = micros(w.Created), micros(w.LastSeen), w.Origin.String()
		text, err := json.Marshal(workerOffer(w.Offer))
		if err != nil {
			return nil, fmt.Errorf("write worker %s: %w", w.ID, err)
		}
		offer[i] = string(text)
		if text, err = json.Marshal(recordOf(w)); err != nil {
			return nil, fmt.Errorf("write worker %s: %w", w.ID, err)
		}
		record[i] = string(text)
	}
	return table{id, owner, kind, created, seen, from, offer, record}, nil
}

// newRequestRows: id, user_id, origin, created, rank, price, n, jobs, faults, state, expiry, consumed, held, spec.
func newRequestRows(requests []horde.Request) (table, error) {
	n := len(requests)
	user, from, created, rank := make(ints, n), make(texts, n), make(ints, n), make(ints, n)
	price, spec := make(ints, n), make(texts, n)
	for i := range requests {
		r := &requests[i]
		user[i], from[i], created[i], rank[i], price[i] = int64(r.User), r.Origin.String(), micros(r.Created), r.Rank, int64(r.Price)
		text, err := json.Marshal(specOf(r))
		if err != nil {
			return nil, fmt.Errorf("write request %s: %w", r.ID, err)
		}
		spec[i] = string(text)
	}
	m := requestRows(requests)
	return table{m[0], user, from, created, rank, price, m[1], m[2], m[3], m[4], m[5], m[6], m[7], spec}, nil
}

// requestRows: id, and what changes in a request: n, jobs, faults, state, expiry, consumed, held.
func requestRows(requests []horde.Request) table {
	n := len(requests)
	id, left, jobs, faults := make(uuids, n), make(ints, n), make(ints, n), make(ints, n)
	state, expiry, consumed, held := make(ints, n), make(ints, n), make(ints, n), make(ints, n)
	for i := range requests {
		r := &requests[i]
		id[i], left[i], jobs[i], faults[i] = r.ID.UUID, int64(r.N), int64(r.Jobs), int64(r.Faults)
		state[i], expiry[i], consumed[i], held[i] = int64(r.State), micros(r.Expiry), int64(r.Consumed), int64(r.Held)
	}
	return table{id, left, jobs, faults, state, expiry, consumed, held}
}

// newGenerationRows: request, id, worker, model, seed, state, started, deadline, finished, blob, censored, meta, reward.
func newGenerationRows(generations []horde.Generation) (table, error) {
	n := len(generations)
	worker, model, seed := make(uuids, n), make(texts, n), make(ints, n)
	started, deadline := make(ints, n), make(ints, n)
	for i := range generations {
		g := &generations[i]
		worker[i], model[i], seed[i] = g.Worker.UUID, plain(g.Model), int64(g.Seed)
		started[i], deadline[i] = micros(g.Started), micros(g.Deadline)
	}
	m, err := generationRows(generations)
	if err != nil {
		return nil, err
	}
	return table{m[0], m[1], worker, model, seed, m[3], started, deadline, m[4], m[5], m[6], m[7], m[8]}, nil
}

// generationRows: request, id, and what changes in a generation: seed, state, finished, blob, censored, meta, reward. The
// seed is among them because a worker may report another one than it was given.
func generationRows(generations []horde.Generation) (table, error) {
	n := len(generations)
	request, id, seed, state, finished := make(uuids, n), make(uuids, n), make(ints, n), make(ints, n), make(ints, n)
	blob, censored, meta, reward := make(texts, n), make(bools, n), make(texts, n), make(ints, n)
	for i := range generations {
		g := &generations[i]
		request[i], id[i], seed[i], state[i], finished[i] = g.Request.UUID, g.ID.UUID, int64(g.Seed), int64(g.State), micros(g.Finished)
		blob[i], censored[i], reward[i] = plain(g.Blob), g.Censored, int64(g.Reward)
		text, err := metaOf(g)
		if err != nil {
			return nil, fmt.Errorf("write generation %s: %w", g.ID, err)
		}
		meta[i] = text
	}
	return table{request, id, seed, state, finished, blob, censored, meta, reward}, nil
}

// ledgerRows: id, key, kind, created of events; event, line, account, amount of their postings.
func ledgerRows(ledger []kudos.Event) (events, postings table) {
	n, m := len(ledger), 0
	for i := range ledger {
		m += len(ledger[i].Postings)
	}
	id, key, kind, created := make(ints, n), make(texts, n), make(ints, n), make(ints, n)
	event, line, account, amount := make(ints, 0, m), make(ints, 0, m), make(ints, 0, m), make(ints, 0, m)
	for i := range ledger {
		e := &ledger[i]
		id[i], key[i], kind[i], created[i] = e.ID, plain(e.Key), int64(e.Kind), micros(e.At)
		for j, p := range e.Postings {
			event, line = append(event, e.ID), append(line, int64(j))
			account, amount = append(account, int64(p.Account)), append(amount, int64(p.Amount))
		}
	}
	return table{id, key, kind, created}, table{event, line, account, amount}
}

// systemRows: id, balance.
func systemRows(system map[kudos.Account]kudos.Amount) table {
	id, balance := make(ints, 0, len(system)), make(ints, 0, len(system))
	for a := range system {
		id = append(id, int64(a))
	}
	slices.Sort(id)
	for _, a := range id {
		balance = append(balance, int64(system[kudos.Account(a)]))
	}
	return table{id, balance}
}
