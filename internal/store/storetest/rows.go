// SPDX-License-Identifier: AGPL-3.0-or-later

package storetest

import (
	"bytes"
	order "cmp"
	"maps"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/horde/origin"
)

// Rows is what a store must hold: batches applied the obvious way.
type Rows struct {
	users       map[horde.UserID]horde.User
	workers     map[horde.WorkerID]horde.Worker
	requests    map[horde.RequestID]horde.Request
	generations map[horde.GenerationID]horde.Generation
	system      map[kudos.Account]kudos.Amount
	events      []kudos.Event
	keys        map[string]kudos.Event
	modes       horde.Modes
	records     map[[2]string]horde.Record
}

// NewRows is an empty store.
func NewRows() *Rows {
	return &Rows{
		users: make(map[horde.UserID]horde.User), workers: make(map[horde.WorkerID]horde.Worker),
		requests: make(map[horde.RequestID]horde.Request), generations: make(map[horde.GenerationID]horde.Generation),
		system: make(map[kudos.Account]kudos.Amount), keys: make(map[string]kudos.Event),
		records: make(map[[2]string]horde.Record),
	}
}

// Apply does to the rows what Commit does.
func (r *Rows) Apply(b *horde.Batch) {
	for _, id := range b.GoneRequests {
		delete(r.requests, id)
		maps.DeleteFunc(r.generations, func(_ horde.GenerationID, g horde.Generation) bool { return g.Request == id })
	}
	for _, id := range b.GoneWorkers {
		delete(r.workers, id)
	}
	for _, u := range b.Users {
		r.users[u.ID] = u
	}
	for _, w := range b.Workers {
		r.workers[w.ID] = w
	}
	for _, list := range [][]horde.Request{b.NewRequests, b.Requests} {
		for _, x := range list {
			r.requests[x.ID] = x
		}
	}
	for _, list := range [][]horde.Generation{b.NewGens, b.Generations} {
		for _, x := range list {
			r.generations[x.ID] = x
		}
	}
	maps.Copy(r.system, b.System)
	r.events = append(r.events, b.Ledger...)
	for _, e := range b.Ledger {
		r.keys[e.Key] = e
	}
	for _, d := range b.Records {
		if key := [2]string{string(d.Kind), d.ID}; d.Value == nil {
			delete(r.records, key)
		} else {
			r.records[key] = d
		}
	}
	if b.Modes != nil {
		r.modes = *b.Modes
	}
}

// LastEvent is the newest event's number.
func (r *Rows) LastEvent() int64 { return int64(len(r.events)) }

// Snapshot is what Load must return for events since a time.
func (r *Rows) Snapshot(recent time.Time) *horde.Snapshot {
	s := &horde.Snapshot{
		Users: slices.Collect(maps.Values(r.users)), Workers: slices.Collect(maps.Values(r.workers)),
		Requests: slices.Collect(maps.Values(r.requests)), Generations: slices.Collect(maps.Values(r.generations)),
		System: r.system, LastEvent: r.LastEvent(), Modes: r.modes,
		Records: slices.Collect(maps.Values(r.records)),
	}
	for _, e := range r.events {
		if !e.At.Before(recent) {
			s.Recent = append(s.Recent, e)
		}
	}
	return s
}

// Diff says how what was loaded differs from what was written; "" when it does not.
func Diff(want, got *horde.Snapshot) string {
	for _, s := range []*horde.Snapshot{want, got} {
		slices.SortFunc(s.Users, func(a, b horde.User) int { return int(a.ID - b.ID) })
		slices.SortFunc(s.Workers, func(a, b horde.Worker) int { return bytes.Compare(a.ID.UUID[:], b.ID.UUID[:]) })
		slices.SortFunc(s.Requests, func(a, b horde.Request) int { return bytes.Compare(a.ID.UUID[:], b.ID.UUID[:]) })
		slices.SortFunc(s.Records, func(a, b horde.Record) int { return order.Or(order.Compare(a.Kind, b.Kind), order.Compare(a.ID, b.ID)) })
		slices.SortFunc(s.Generations, func(a, b horde.Generation) int { return bytes.Compare(a.ID.UUID[:], b.ID.UUID[:]) })
	}
	return cmp.Diff(want, got, cmpopts.EquateEmpty(),
		cmp.Comparer(func(a, b origin.Origin) bool { return a == b }),
		cmpopts.IgnoreUnexported(horde.Worker{}, horde.Request{}, horde.Generation{}))
}
