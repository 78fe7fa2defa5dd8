// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"bytes"
	"fmt"
	"maps"
	"sort"
	"strconv"
	"time"

	"stablemate/horde/kudos"
)

// Settings are what an operator decides about the rules.
type Settings struct {
	AnonymousAllowed bool
	AnonymousKey     KeyHash // hash of the well-known key of ten zeros
	TransfersAllowed bool
	// KnownModels is what workers may serve besides what customizers bring; empty means any name.
	KnownModels []string
	// TrustThreshold is how much more than it an account must have in escrow to become trusted by itself; 0: nobody does.
	TrustThreshold kudos.Amount
	// Sharing lets requesters give their images to a public collection, for a lower charge; anonymous ones always do.
	Sharing bool
	// AnonymousWaiting is how many images of all anonymous requesters together may wait; 0 means AnonymousConcurrency.
	AnonymousWaiting int
	// AnonymousPerOrigin is how many of those may come from one origin; 0 means any number.
	AnonymousPerOrigin int
	// Profane says which texts no name may hold; nil means none.
	Profane func(text string) bool
	// Models is what is known about image models; of two entries with one name the last counts.
	Models []Model
	// NoPromptFilter lets every prompt through. Only tests and simulations may say so.
	NoPromptFilter bool
}

// State is the whole horde. It is not safe for concurrent use; the engine owns it.
type State struct {
	settings Settings
	known    map[string]bool
	models   map[string]*Model

	users      map[UserID]*User
	byExternal map[string]UserID
	byKey      map[KeyHash]UserID
	byPasskey  map[KeyHash]UserID
	nextUser   UserID
	desks      map[UserID]*desk // live requests of each user
	sharedKeys book[SharedKey]
	sharedOf   map[UserID][]SharedKeyID // oldest first

	workers      map[WorkerID]*Worker
	workerByName map[string]WorkerID
	byOwner      map[UserID]int
	teams        book[Team]
	alchemies    book[Alchemy]
	lab          lab
	teamByName   map[string]TeamID // in lower case
	messages     book[Message]
	inbox        map[WorkerID][]*Message // oldest first; broadcasts under the zero ID
	decoys       map[GenerationID]*Generation
	decoysOf     map[WorkerID]int
	notices      book[Notice]
	lastNotice   int64
	tallies      map[string]*tally // by subject

	requests    map[RequestID]*Request
	generations map[GenerationID]*Generation
	requestKeys map[requestKey]RequestID

	queue      queue
	queued     [lanes]load // what is not handed out
	load       [lanes]map[string]*load
	deadlines  deadlines
	receipts   map[string]receipt
	receiptLog []receiptEntry // oldest first
	lastGift   map[pair]time.Time

	system    map[kudos.Account]kudos.Amount
	lastEvent int64
	modes     Modes
	guard     guard

	gifts       gifts
	purses      book[Purse]
	stats       book[statBucket]
	recent      [statKinds]recently
	styles      book[Style]
	collections book[Collection]
	rack        styleRack

	delivered [lanes]minuteSum // things delivered of late
}

type requestKey struct {
	user UserID
	key  string
}

// desk holds what one user has in the horde: everything live, and of that what waits in the queue. The second is bounded
// by the user's concurrency, the first is not.
type desk struct {
	live, waiting map[RequestID]*Request
	prompts       int // bytes of text prompts among live
}

type pair struct{ from, to UserID }

// Snapshot is what a store hands back at start: every row, in any order.
type Snapshot struct {
	Users       []User
	Workers     []Worker
	Requests    []Request
	Generations []Generation
	System      map[kudos.Account]kudos.Amount
	LastEvent   int64
	Modes       Modes
	Records     []Record
	// Recent are ledger events of the last ReceiptWindow, for idempotency keys.
	Recent []kudos.Event
}

// NewState rebuilds the horde from its rows, which it may sort. Rows that contradict each other are an error: nothing is guessed.
func NewState(settings Settings, snap *Snapshot) (*State, error) {
	s := &State{
		settings: settings, known: make(map[string]bool),
		users: make(map[UserID]*User), byExternal: make(map[string]UserID), byKey: make(map[KeyHash]UserID),
		byPasskey: make(map[KeyHash]UserID),
		desks:     make(map[UserID]*desk), workers: make(map[WorkerID]*Worker), workerByName: make(map[string]WorkerID),
		byOwner: make(map[UserID]int), requests: make(map[RequestID]*Request), generations: make(map[GenerationID]*Generation),
		requestKeys: make(map[requestKey]RequestID), receipts: make(map[string]receipt),
		lastGift: make(map[pair]time.Time), system: make(map[kudos.Account]kudos.Amount),
		lastEvent: snap.LastEvent, modes: snap.Modes,
		decoys: make(map[GenerationID]*Generation), decoysOf: make(map[WorkerID]int), tallies: make(map[string]*tally),
	}
	s.queue.init()
	for i := range s.load {
		s.load[i] = make(map[string]*load)
	}
	s.newBooks()
	if err := s.loadRecords(snap.Records); err != nil {
		return nil, err
	}
	if err := s.indexSharedKeys(); err != nil {
		return nil, err
	}
	if err := s.indexNotices(); err != nil {
		return nil, err
	}
	s.recall()
	s.rack = newStyleRack()
	if err := s.arrangeStyles(); err != nil {
		return nil, err
	}
	s.indexTeams()
	s.indexMessages()
	s.indexGifts()
	s.indexPurses()
	s.models = make(map[string]*Model, len(settings.Models))
	for i := range settings.Models {
		s.models[settings.Models[i].Name] = &settings.Models[i]
	}
	for _, m := range settings.KnownModels {
		s.known[m] = true
	}
	if err := s.readyGuard(); err != nil {
		return nil, err
	}
	maps.Copy(s.system, snap.System)
	for i := range snap.Users {
		u := snap.Users[i]
		if u.ID == Anonymous { // the well-known key's hash follows the deployment's secret, which may have changed
			u.Key = settings.AnonymousKey
		}
		s.addUser(&u)
	}
	for i := range snap.Workers {
		w := snap.Workers[i]
		w.derive()
		s.workers[w.ID] = &w
		s.workerByName[w.Offer.Name] = w.ID
		s.byOwner[w.Owner]++
	}
	// Generations first by request, so that each request enters the queue with its counts right.
	gens := make(map[RequestID][]*Generation)
	for i := range snap.Generations {
		g := snap.Generations[i]
		s.generations[g.ID] = &g
		gens[g.Request] = append(gens[g.Request], &g)
	}
	sort.Slice(snap.Requests, func(i, j int) bool {
		a, b := &snap.Requests[i], &snap.Requests[j]
		if !a.Created.Equal(b.Created) {
			return a.Created.Before(b.Created)
		}
		return bytes.Compare(a.ID.UUID[:], b.ID.UUID[:]) < 0
	})
	for i := range snap.Requests {
		r := snap.Requests[i]
		if (r.Kind == Scribe) != (r.Text != nil) {
			return nil, fmt.Errorf("request %s of the kind %q does not say what it asks for", r.ID, r.Kind)
		}
		if _, ok := s.users[r.User]; !ok {
			return nil, fmt.Errorf("request %s belongs to unknown account %d", r.ID, r.User)
		}
		r.generations = gens[r.ID]
		sortGenerations(r.generations)
		for _, g := range r.generations {
			g.request = &r
			switch g.State {
			case GenerationProcessing:
				r.processing++
				s.deadlines.push(g.Deadline, deadline{generation: g.ID})
			case GenerationCompleted:
				r.finished++
			case GenerationFaulted:
			}
		}
		delete(gens, r.ID)
		s.index(&r)
	}
	for id := range gens {
		return nil, fmt.Errorf("generations belong to unknown request %s", id)
	}
	if err := s.indexAlchemies(); err != nil {
		return nil, err
	}
	for _, e := range snap.Recent {
		s.remember(e.Key, receiptOf(e), e.At)
	}
	return s, nil
}

func (s *State) addUser(u *User) {
	s.users[u.ID] = u
	s.byExternal[u.External] = u.ID
	s.byKey[u.Key] = u.ID
	if u.Passkey != (KeyHash{}) {
		s.byPasskey[u.Passkey] = u.ID
	}
	s.nextUser = max(s.nextUser, u.ID+1)
}

// index files a request under all that finds it.
func (s *State) index(r *Request) {
	r.needs = needsOf(r)
	s.requests[r.ID] = r
	if r.Key != "" {
		s.requestKeys[requestKey{r.User, r.Key}] = r.ID
	}
	d := s.desks[r.User]
	if d == nil {
		d = &desk{live: make(map[RequestID]*Request), waiting: make(map[RequestID]*Request)}
		s.desks[r.User] = d
	}
	d.live[r.ID] = r
	if r.Text != nil {
		d.prompts += len(r.Text.Prompt)
	}
	s.deadlines.push(r.Expiry, deadline{request: r.ID})
	if r.ready() {
		s.enqueue(r)
	}
}

// move applies one posting to the balances.
func (s *State) move(p kudos.Posting) {
	id, pocket, ok := p.Account.User()
	if !ok {
		s.system[p.Account] += p.Amount
		return
	}
	u := s.users[UserID(id)]
	switch pocket {
	case kudos.Spendable:
		u.Balance += p.Amount
	case kudos.Held:
		u.Held += p.Amount
	case kudos.Evaluated:
		u.Evaluated += p.Amount
	}
}

// Total is the sum of all balances; it is always zero.
func (s *State) Total() kudos.Amount {
	var sum kudos.Amount
	for _, a := range s.system {
		sum += a
	}
	for _, u := range s.users {
		sum += u.Balance + u.Held + u.Evaluated
	}
	return sum
}

// SetModes switches modes of the whole horde.
type SetModes struct{ Modes }

func (op SetModes) apply(s *State, c *Change) (Modes, error) { //nolint:unparam // all operations look alike
	s.modes = op.Modes
	c.modes = true
	c.writes++
	return s.modes, nil
}

func itoa(n int) string { return strconv.Itoa(n) }
