// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"time"

	"stablemate/horde/kudos"
)

// Change gathers what operations did, until a commit takes it: which rows to write, which events to
// append to the ledger, and what to announce once all of it is durable.
type Change struct {
	Now time.Time
	IDs IDSource

	dirty  dirty
	ledger []kudos.Event
	events []Event
	modes  bool
	writes int
}

// dirty remembers touched rows, each once, in the order of first touch.
type dirty struct {
	users       order[UserID]
	workers     order[WorkerID]
	requests    order[RequestID]
	generations order[GenerationID]
	// born are rows the store has not seen; gone are rows it must drop.
	bornRequests map[RequestID]bool
	bornGens     map[GenerationID]bool
	goneRequests order[RequestID]
	goneWorkers  order[WorkerID]
	records      order[recordKey]
}

type order[K comparable] struct {
	keys []K
	has  map[K]bool
}

func (o *order[K]) add(k K) {
	if o.has == nil {
		o.has = make(map[K]bool)
	}
	if !o.has[k] {
		o.has[k] = true
		o.keys = append(o.keys, k)
	}
}

func newDirty() dirty {
	return dirty{bornRequests: make(map[RequestID]bool), bornGens: make(map[GenerationID]bool)}
}

func (c *Change) saveUser(u *User)             { c.writes++; c.dirty.users.add(u.ID) }
func (c *Change) saveWorker(w *Worker)         { c.writes++; c.dirty.workers.add(w.ID) }
func (c *Change) saveRequest(r *Request)       { c.writes++; c.dirty.requests.add(r.ID) }
func (c *Change) saveGeneration(g *Generation) { c.writes++; c.dirty.generations.add(g.ID) }

// saveRecord marks a document as changed or gone.
func (c *Change) saveRecord(kind RecordKind, id string) {
	c.writes++
	c.dirty.records.add(recordKey{kind, id})
}

// At moves the change's time forward to now; it never goes back.
func (c *Change) At(now time.Time) {
	if now = now.UTC().Truncate(time.Microsecond); now.After(c.Now) {
		c.Now = now
	}
}

// Writes counts what was saved or posted so far, so that a caller can tell whether an operation wrote.
func (c *Change) Writes() int  { return c.writes }
func (c *Change) emit(e Event) { c.events = append(c.events, e) }

// post appends an event to the ledger and moves the balances in memory. Postings of zero are left out;
// an event that would be empty is not written.
func (c *Change) post(s *State, key string, kind kudos.Kind, postings []kudos.Posting) {
	kept := postings[:0:0]
	for _, p := range postings {
		if p.Amount != 0 {
			kept = append(kept, p)
		}
	}
	if len(kept) == 0 {
		return
	}
	s.lastEvent++
	e := kudos.Event{ID: s.lastEvent, Key: key, Kind: kind, At: c.Now, Postings: kept}
	if e.Sum() != 0 {
		panic("horde: event " + key + " does not sum to zero") // a rule is wrong; nothing may be committed
	}
	for _, p := range kept {
		s.move(p)
		if id, _, ok := p.Account.User(); ok {
			c.dirty.users.add(UserID(id))
			c.emit(Event{Kind: BalanceChanged, User: UserID(id)})
		}
	}
	c.writes++
	c.ledger = append(c.ledger, e)
}

// Empty reports whether there is nothing to commit. Announcements alone need no commit.
func (c *Change) Empty() bool {
	d := &c.dirty
	return !c.modes && len(c.ledger) == 0 && len(d.users.keys) == 0 && len(d.workers.keys) == 0 && len(d.requests.keys) == 0 &&
		len(d.generations.keys) == 0 && len(d.goneRequests.keys) == 0 && len(d.goneWorkers.keys) == 0 &&
		len(d.records.keys) == 0
}

// Size is the number of rows and events gathered, for bounding a commit.
func (c *Change) Size() int {
	d := &c.dirty
	return len(c.ledger) + len(d.users.keys) + len(d.workers.keys) + len(d.requests.keys) + len(d.generations.keys) +
		len(d.records.keys)
}

// Batch is one transaction: final images of the rows that changed, and the ledger's new events.
// Everything in it is a copy.
type Batch struct {
	Users       []User
	Workers     []Worker
	NewRequests []Request // whole rows
	Requests    []Request // only the fields that change are to be written: N, Jobs, Faults, State, Expiry, Consumed, Held
	NewGens     []Generation
	Generations []Generation // only State, Finished, Seed, Blob, Text, Censored, Meta, Reward
	GoneWorkers []WorkerID
	// GoneRequests leave with their generations.
	GoneRequests []RequestID
	Ledger       []kudos.Event
	System       map[kudos.Account]kudos.Amount // balances of system accounts the batch moved
	Modes        *Modes
	Records      []Record // documents that changed, or with a nil Value those that are gone
}

// Cut turns the gathered change into a batch and the announcements to make after its commit. An error means that a row
// cannot be written at all.
func (c *Change) Cut(s *State) (*Batch, []Event, error) {
	d := &c.dirty
	b := &Batch{ // rows are large: growing step by step would copy most of them twice
		Ledger: c.ledger, Users: make([]User, 0, len(d.users.keys)), Workers: make([]Worker, 0, len(d.workers.keys)),
		NewRequests: make([]Request, 0, len(d.bornRequests)), Requests: make([]Request, 0, max(0, len(d.requests.keys)-len(d.bornRequests))),
		NewGens: make([]Generation, 0, len(d.bornGens)), Generations: make([]Generation, 0, max(0, len(d.generations.keys)-len(d.bornGens))),
	}
	for _, id := range d.users.keys {
		b.Users = append(b.Users, *s.users[id])
	}
	for _, id := range d.workers.keys {
		if w, ok := s.workers[id]; ok {
			b.Workers = append(b.Workers, w.copy())
		}
	}
	for _, id := range d.requests.keys {
		r, ok := s.requests[id]
		switch {
		case !ok:
		case d.bornRequests[id]:
			b.NewRequests = append(b.NewRequests, r.bare())
		default:
			b.Requests = append(b.Requests, r.bare())
		}
	}
	for _, id := range d.generations.keys {
		g, ok := s.generations[id]
		switch {
		case !ok:
		case d.bornGens[id]:
			b.NewGens = append(b.NewGens, g.bare())
		default:
			b.Generations = append(b.Generations, g.bare())
		}
	}
	for _, id := range d.goneRequests.keys {
		if !d.bornRequests[id] {
			b.GoneRequests = append(b.GoneRequests, id)
		}
	}
	b.GoneWorkers = d.goneWorkers.keys
	for _, e := range c.ledger {
		for _, p := range e.Postings {
			if _, _, ok := p.Account.User(); !ok {
				if b.System == nil {
					b.System = make(map[kudos.Account]kudos.Amount)
				}
				b.System[p.Account] = s.system[p.Account]
			}
		}
	}
	if c.modes {
		m := s.modes
		b.Modes = &m
	}
	var err error
	if b.Records, err = s.cutRecords(d.records.keys); err != nil {
		return nil, nil, err
	}
	return b, c.events, nil
}

// bare copies a request without what is derived.
func (r *Request) bare() Request {
	out := *r
	out.generations, out.decoys, out.needs, out.ticket, out.queued, out.processing, out.finished = nil, nil, 0, 0, false, 0, 0
	return out
}

func (g *Generation) bare() Generation {
	out := *g
	out.request = nil
	return out
}

// EventKind says what happened. News are hints: whoever gets one looks again.
type EventKind int8

// Kinds of news.
const (
	RequestQueued EventKind = iota
	RequestChanged
	GenerationDone
	RequestDone
	RequestGone // expired or faulted
	BalanceChanged
	WorkerChanged
	UserChanged // opened or deleted, or an operator's decision about it
	OperatorsNoticed
)

// Event is a piece of news about the horde.
type Event struct {
	Kind       EventKind
	Request    RequestID
	Generation GenerationID
	User       UserID
	Worker     WorkerID
}

// Modes are switches of the whole horde.
type Modes struct {
	Maintenance bool
	InviteOnly  bool
	Raid        bool
}
