// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"bytes"
	"container/heap"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// lab is where forms wait for alchemists, and what is counted about them. All of it follows from the requests.
type lab struct {
	forms   map[FormID]*Form
	live    map[UserID]map[RequestID]*Alchemy
	shelves map[string][]*formBucket // waiting forms by name; inside, one heap per class

	open     int // forms that wait or that a worker has
	ofUser   map[UserID]int
	ofCaller map[caller]int
	ofOrigin map[string]int
	ofClient map[string]int

	memory results
	decoys map[FormID]*formDecoy
}

// caller is a person at an address: what queueing is fair among. Everybody without an account is one account.
type caller struct {
	user   UserID
	origin string
}

func callerOf(a *Alchemy) caller { return caller{a.User, a.Origin} }

func newLab() lab {
	return lab{
		forms: make(map[FormID]*Form), live: make(map[UserID]map[RequestID]*Alchemy), shelves: make(map[string][]*formBucket),
		ofUser: make(map[UserID]int), ofCaller: make(map[caller]int), ofOrigin: make(map[string]int), ofClient: make(map[string]int),
		memory: results{kept: make(map[resultKey]*result)}, decoys: make(map[FormID]*formDecoy),
	}
}

// indexAlchemies files what came back from a store.
func (s *State) indexAlchemies() error {
	s.lab = newLab()
	for _, id := range s.alchemies.ids() {
		a := s.alchemies.pages[id]
		if _, ok := s.users[a.User]; !ok {
			return fmt.Errorf("alchemy %s belongs to unknown account %d", a.ID, a.User)
		}
		for _, f := range a.Forms {
			if f == nil {
				return fmt.Errorf("alchemy %s has an empty form", a.ID)
			}
			f.of = a
		}
		s.indexAlchemy(a)
	}
	s.lab.recollect(s.alchemies.pages)
	return nil
}

func (s *State) indexAlchemy(a *Alchemy) {
	live := s.lab.live[a.User]
	if live == nil {
		live = make(map[RequestID]*Alchemy)
		s.lab.live[a.User] = live
	}
	live[a.ID] = a
	s.deadlines.push(a.Expiry, deadline{alchemy: a.ID})
	for i, f := range a.Forms {
		f.place = i
		s.lab.forms[f.ID] = f
		if f.out() {
			s.deadlines.push(f.Deadline, deadline{form: f.ID})
		}
		if f.open() {
			s.lab.count(a, +1)
		}
		if f.State == FormWaiting {
			s.lab.shelve(f)
		}
	}
}

// count changes the sums of open forms.
func (l *lab) count(a *Alchemy, n int) {
	l.open += n
	add(l.ofUser, a.User, n)
	add(l.ofCaller, callerOf(a), n)
	add(l.ofOrigin, a.Origin, n)
	add(l.ofClient, a.Client, n)
}

func add[K comparable](m map[K]int, k K, n int) {
	if m[k] += n; m[k] == 0 {
		delete(m, k)
	}
}

// admit refuses what would flood the alchemists: one page of one browser once held hundreds of images, and all its
// visitors' thousands. A short queue that refuses early serves more people than a long one that nobody waits for.
// Trusted accounts speak for many people, so that their address and program say little.
func (l *lab) admit(u *User, a *Alchemy, n int) error {
	if n == 0 {
		return nil
	}
	most := u.Concurrency * FormsPerConcurrency
	known := u.Has(RoleTrusted) || u.Has(RoleService)
	switch {
	case l.ofUser[a.User]+n > most:
		return refuse(CodeTooManyPrompts, "%s has %d forms open and may have %d; please wait for some of them", u.Name, l.ofUser[a.User], most)
	case !known && a.Origin != "" && l.ofOrigin[a.Origin]+n > MaxFormsPerOrigin:
		return refuse(CodeTooManyPrompts, "there are %d forms open from your address and there may be %d; please wait for some of them",
			l.ofOrigin[a.Origin], MaxFormsPerOrigin)
	case !known && l.ofClient[a.Client]+n > MaxFormsPerClient:
		return refuse(CodeTooManyPrompts, "the program you use has %d forms open for all its users and may have %d; please try again later",
			l.ofClient[a.Client], MaxFormsPerClient)
	case l.open+n > MaxOpenForms:
		return refuse(CodeTooManyPrompts, "%d forms are open, which is all this horde takes; please try again later", l.open)
	}
	return nil
}

// formClass groups waiting forms that the same workers can take.
type formClass struct {
	trusted, fast bool
	tiles         int // of post-processors, else 0
}

func classOf(f *Form) formClass {
	c := formClass{trusted: f.of.TrustedWorkers, fast: !f.of.SlowWorkers}
	if PostForm(f.Name) {
		c.tiles = f.of.Tiles
	}
	return c
}

// formBucket is a heap of waiting forms of one name and class.
type formBucket struct {
	class   formClass
	entries []formEntry
}

// formEntry is stale when the form was handed out or left since: tickets differ.
type formEntry struct {
	f      *Form
	ticket uint32
}

func (b *formBucket) Len() int           { return len(b.entries) }
func (b *formBucket) Less(i, j int) bool { return beforeForm(b.entries[i].f, b.entries[j].f) }
func (b *formBucket) Swap(i, j int)      { b.entries[i], b.entries[j] = b.entries[j], b.entries[i] }

// Push is for container/heap.
func (b *formBucket) Push(x any) { b.entries = append(b.entries, x.(formEntry)) }

// Pop is for container/heap.
func (b *formBucket) Pop() any {
	n := len(b.entries) - 1
	x := b.entries[n]
	b.entries[n] = formEntry{}
	b.entries = b.entries[:n]
	return x
}

// top is the first form of the bucket, nil when it is empty.
func (b *formBucket) top() *Form {
	for len(b.entries) > 0 {
		if e := b.entries[0]; e.f.State == FormWaiting && e.f.ticket == e.ticket {
			return e.f
		}
		heap.Pop(b)
	}
	return nil
}

func (b *formBucket) pop() { heap.Pop(b) }

// beforeForm is the order of the queue: rank, then age, then the request, so that it is total, and its order of forms.
func beforeForm(a, b *Form) bool {
	switch {
	case a.of.Rank != b.of.Rank:
		return a.of.Rank < b.of.Rank
	case !a.of.Created.Equal(b.of.Created):
		return a.of.Created.Before(b.of.Created)
	case a.of != b.of:
		return bytes.Compare(a.of.ID.UUID[:], b.of.ID.UUID[:]) < 0
	}
	return a.place < b.place
}

// shelve files a waiting form.
func (l *lab) shelve(f *Form) {
	f.ticket++
	class := classOf(f)
	at := slices.IndexFunc(l.shelves[f.Name], func(b *formBucket) bool { return b.class == class })
	if at < 0 {
		l.shelves[f.Name] = append(l.shelves[f.Name], &formBucket{class: class})
		at = len(l.shelves[f.Name]) - 1
	}
	b := l.shelves[f.Name][at]
	heap.Push(b, formEntry{f, f.ticket})
	if n := b.Len(); n > 64 && n > 2*l.open { // mostly stale: cancelled faster than anybody pops
		b.entries = slices.DeleteFunc(b.entries, func(e formEntry) bool { return e.f.State != FormWaiting || e.f.ticket != e.ticket })
		heap.Init(b)
	}
}

// tidy drops empty buckets.
func (l *lab) tidy(names []string) {
	for _, name := range names {
		l.shelves[name] = slices.DeleteFunc(l.shelves[name], func(b *formBucket) bool { return b.top() == nil })
		if len(l.shelves[name]) == 0 {
			delete(l.shelves, name)
		}
	}
}

// results remembers what was found out about images, so that asking again costs nothing. It lives in memory alone, and
// is bounded: what was learned first is forgotten first.
type results struct {
	kept  map[resultKey]*result
	order []resultKey // oldest first; a key may stand twice, its later place counts
	first int         // number of the first place in order
	bytes int
}

type resultKey struct{ identity, form string }

type result struct {
	value json.RawMessage
	blob  string
	until time.Time
	place int // in order
}

// lifeOf is how long the result of a form is remembered. An image is kept for a short time only.
func lifeOf(f *Form) time.Duration {
	if f.Blob != "" || PostForm(f.Name) {
		return ResultImageLife
	}
	return ResultLife
}

func keyOf(f *Form) (resultKey, bool) {
	return resultKey{f.of.Identity, f.Name}, f.of.Identity != "" && len(f.Payload) == 0
}

// remember keeps the result of a form that was just filled in.
func (l *lab) remember(f *Form) {
	key, ok := keyOf(f)
	if !ok {
		return
	}
	m := &l.memory
	if old := m.kept[key]; old != nil {
		m.bytes -= len(old.value)
	}
	m.kept[key] = &result{value: f.Result, blob: f.Blob, until: f.Finished.Add(lifeOf(f)), place: m.first + len(m.order)}
	m.order = append(m.order, key)
	m.bytes += len(f.Result)
	for len(m.kept) > MaxResults || m.bytes > MaxResultBytes || len(m.order) > 2*MaxResults {
		oldest := m.order[0]
		if r := m.kept[oldest]; r != nil && r.place == m.first {
			m.bytes -= len(r.value)
			delete(m.kept, oldest)
		}
		m.order[0] = resultKey{} // the next growth of the list leaves it behind
		m.order = m.order[1:]
		m.first++
	}
}

// recall fills in a form from what is remembered.
func (l *lab) recall(f *Form, now time.Time) bool {
	key, ok := keyOf(f)
	if !ok {
		return false
	}
	r := l.memory.kept[key]
	if r == nil || !now.Before(r.until) {
		return false
	}
	f.State, f.Started, f.Finished, f.Result, f.Blob = FormDone, now, now, r.value, r.blob
	return true
}

// recollect remembers after a restart what live requests hold.
func (l *lab) recollect(pages map[string]*Alchemy) {
	var done []*Form
	for _, a := range pages {
		for _, f := range a.Forms {
			if f.State == FormDone {
				done = append(done, f)
			}
		}
	}
	slices.SortFunc(done, func(a, b *Form) int {
		if x := a.Finished.Compare(b.Finished); x != 0 {
			return x
		}
		return bytes.Compare(a.ID.UUID[:], b.ID.UUID[:])
	})
	for _, f := range done {
		l.remember(f)
	}
}
