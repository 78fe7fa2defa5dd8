// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"bytes"
	"container/heap"
	"sort"
	"time"
)

// need is a bit set of what a request asks of a worker that can be decided without looking at texts.
type need uint32

const (
	needNSFW need = 1 << iota
	needTrusted
	needFast
	needR2
	needImg2Img
	needPainting
	needPost
	needLora
	needTI
	needControl
	needHires
	needTiling
	needTransparent
	okExtraSlow // not a need: the request lets extra slow workers have it

	// Of scribes:
	needValidated // software that counts tokens honestly
	needTokens3   // tokens per second, at least
	needTokens4
	needTokens5
)

func needsOf(r *Request) need {
	if r.Text != nil {
		return needsOfText(r)
	}
	var n need
	set := func(on bool, bit need) {
		if on {
			n |= bit
		}
	}
	set(r.NSFW, needNSFW)
	set(r.TrustedWorkers, needTrusted)
	set(!r.SlowWorkers, needFast)
	set(r.R2, needR2)
	set(r.Image.Source != "", needImg2Img)
	set(r.Image.Painting(), needPainting)
	set(len(r.Image.Post) > 0, needPost)
	set(len(r.Image.Loras) > 0, needLora)
	set(len(r.Image.TIs) > 0, needTI)
	set(r.Image.Control != "", needControl)
	set(r.Image.HiresFix, needHires)
	set(r.Image.Tiling, needTiling)
	set(r.Image.Transparent, needTransparent)
	set(r.ExtraSlowWorkers, okExtraSlow)
	return n
}

// class groups waiting requests that the same workers can take: size is the area of an image or the length of a text,
// context that of a text.
type class struct {
	need    need
	size    int32
	context int32
}

// queue holds waiting requests by where a pop looks for them: under each model they name, under "" when
// any model will do, or under the workers they are aimed at, all of it apart for each kind. Inside, one heap per class.
type queue struct {
	shelves map[shelf]*shelfQueue
	waiting map[RequestID]*Request
}

// shelf is a model name, or a worker for requests aimed at workers.
type shelf struct {
	lane   lane
	model  string
	worker WorkerID
}

type shelfQueue struct {
	classes []*bucket
	byClass map[class]*bucket
}

type bucket struct {
	class   class
	entries entries
}

// entry is one request in one bucket. It is stale when the request left or came back since: tickets differ.
type entry struct {
	r      *Request
	ticket uint32
}

func (e entry) stale() bool { return e.ticket != e.r.ticket || !e.r.queued }

type entries []entry

func (e entries) Len() int           { return len(e) }
func (e entries) Less(i, j int) bool { return before(e[i].r, e[j].r) }
func (e entries) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }

// Push is for container/heap.
func (e *entries) Push(x any) { *e = append(*e, x.(entry)) }

// Pop is for container/heap.
func (e *entries) Pop() any {
	old := *e
	x := old[len(old)-1]
	old[len(old)-1] = entry{}
	*e = old[:len(old)-1]
	return x
}

// before is the order of the queue: rank, then age, then ID so that it is total.
func before(a, b *Request) bool {
	if a.Rank != b.Rank {
		return a.Rank < b.Rank
	}
	if !a.Created.Equal(b.Created) {
		return a.Created.Before(b.Created)
	}
	return bytes.Compare(a.ID.UUID[:], b.ID.UUID[:]) < 0
}

func (q *queue) init() {
	q.shelves = make(map[shelf]*shelfQueue)
	q.waiting = make(map[RequestID]*Request)
}

// enqueue files a request with images left under its shelves.
func (s *State) enqueue(r *Request) {
	if r.queued {
		return
	}
	r.ticket++
	r.queued = true
	s.queue.waiting[r.ID] = r
	s.desks[r.User].waiting[r.ID] = r
	s.count(r, +r.N)
	for _, at := range shelvesOf(r) {
		q := s.queue.shelves[at]
		if q == nil {
			q = &shelfQueue{byClass: make(map[class]*bucket)}
			s.queue.shelves[at] = q
		}
		c := r.class()
		b := q.byClass[c]
		if b == nil {
			b = &bucket{class: c}
			q.byClass[c] = b
			q.classes = append(q.classes, b)
		}
		heap.Push(&b.entries, entry{r, r.ticket})
	}
}

// dequeue takes a request out; its entries go stale and are swept when a pop meets them.
func (s *State) dequeue(r *Request) {
	if !r.queued {
		return
	}
	r.queued = false
	delete(s.queue.waiting, r.ID)
	delete(s.desks[r.User].waiting, r.ID)
	s.count(r, -r.N)
	// Entries left behind would pin memory on a shelf nobody asks for: sweep the ones at the top.
	for _, at := range shelvesOf(r) {
		q := s.queue.shelves[at]
		if q == nil {
			continue
		}
		if b := q.byClass[r.class()]; b != nil {
			s.sweep(at, q, b)
		}
	}
}

// sweep drops stale entries from the top of a bucket, and the bucket and shelf when they are empty.
// A heap that is mostly stale below the top is rebuilt.
func (s *State) sweep(at shelf, q *shelfQueue, b *bucket) {
	for len(b.entries) > 0 && b.entries[0].stale() {
		heap.Pop(&b.entries)
	}
	if n := len(b.entries); n > 64 && n > 4*len(s.queue.waiting) {
		kept := b.entries[:0]
		for _, e := range b.entries {
			if !e.stale() {
				kept = append(kept, e)
			}
		}
		clear(b.entries[len(kept):])
		b.entries = kept
		heap.Init(&b.entries)
	}
	if len(b.entries) > 0 {
		return
	}
	delete(q.byClass, b.class)
	for i, x := range q.classes {
		if x == b {
			q.classes = append(q.classes[:i], q.classes[i+1:]...)
			break
		}
	}
	if len(q.classes) == 0 {
		delete(s.queue.shelves, at)
	}
}

// handOut takes n images of a queued request out of the queue.
func (s *State) handOut(r *Request, n int) {
	s.count(r, -n)
	r.N -= n
	if r.N == 0 {
		// The images are already uncounted, so dequeue has nothing left to subtract.
		s.dequeue(r)
	}
}

// giveBack returns one image to the queue.
func (s *State) giveBack(r *Request) {
	r.N++
	if r.queued {
		s.count(r, 1)
		return
	}
	if r.ready() {
		s.enqueue(r)
	}
}

// load is what waits: in one lane, or for one model.
type load struct {
	jobs   int
	things int64
}

func (s *State) count(r *Request, n int) {
	at, things := r.lane(), int64(n)*r.Things()
	s.queued[at].jobs += n
	s.queued[at].things += things
	loads := s.load[at]
	for _, m := range r.Models {
		l := loads[m]
		if l == nil {
			l = &load{}
			loads[m] = l
		}
		l.jobs += n
		l.things += things
		if l.jobs == 0 {
			delete(loads, m)
		}
	}
}

func shelvesOf(r *Request) []shelf {
	at := r.lane()
	if len(r.Workers) > 0 && !r.Exclude {
		out := make([]shelf, len(r.Workers))
		for i, w := range r.Workers {
			out[i] = shelf{lane: at, worker: w}
		}
		return out
	}
	if len(r.Models) == 0 {
		return []shelf{{lane: at}}
	}
	out := make([]shelf, 0, len(r.Models))
	for _, m := range r.Models {
		out = append(out, shelf{lane: at, model: m})
	}
	return out
}

// deadlines is one heap of all that ends by itself.
type deadlines struct{ items deadlineHeap }

type deadline struct {
	at         time.Time
	seq        uint64
	request    RequestID
	generation GenerationID
	message    MessageID
	gift       GiftID
	purse      PurseID
	alchemy    RequestID
	form       FormID
}

type deadlineHeap []deadline

func (h deadlineHeap) Len() int { return len(h) }
func (h deadlineHeap) Less(i, j int) bool {
	if !h[i].at.Equal(h[j].at) {
		return h[i].at.Before(h[j].at)
	}
	return h[i].seq < h[j].seq
}
func (h deadlineHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push is for container/heap.
func (h *deadlineHeap) Push(x any) { *h = append(*h, x.(deadline)) }

// Pop is for container/heap.
func (h *deadlineHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

func (d *deadlines) push(at time.Time, what deadline) {
	what.at = at
	what.seq = uint64(len(d.items))
	heap.Push(&d.items, what)
}

func (d *deadlines) pop() deadline { return heap.Pop(&d.items).(deadline) }

func (d *deadlines) next() (time.Time, bool) {
	if len(d.items) == 0 {
		return time.Time{}, false
	}
	return d.items[0].at, true
}

func sortGenerations(g []*Generation) {
	sort.Slice(g, func(i, j int) bool {
		if !g[i].Started.Equal(g[j].Started) {
			return g[i].Started.Before(g[j].Started)
		}
		return bytes.Compare(g[i].ID.UUID[:], g[j].ID.UUID[:]) < 0
	})
}
