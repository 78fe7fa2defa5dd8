// SPDX-License-Identifier: AGPL-3.0-or-later

package engine

import (
	"sync"

	"stablemate/horde"
)

// exchange passes news to whoever waits. A subscription holds one hint: what it misses in between it
// sees when it looks again.
type exchange struct {
	mu       sync.Mutex // guards the maps
	requests map[horde.RequestID]map[*Subscription]bool
	queue    map[*Subscription]bool
	all      map[*Subscription]bool
	closed   bool
}

// Subscription is a wish to be told. Hints holds at most one; it is closed when the engine stops.
type Subscription struct {
	hints chan struct{}
	ex    *exchange
	where map[*Subscription]bool
	of    horde.RequestID
	log   chan horde.Event // for subscribers that want the events themselves, or nil
}

// Hints tells that something happened since the last receive.
func (s *Subscription) Hints() <-chan struct{} { return s.hints }

// Events are the news themselves, for a subscription made by Engine.Events; what does not fit its buffer
// is dropped, and the hint says to look again.
func (s *Subscription) Events() <-chan horde.Event { return s.log }

func newExchange() *exchange {
	return &exchange{
		requests: make(map[horde.RequestID]map[*Subscription]bool),
		queue:    make(map[*Subscription]bool), all: make(map[*Subscription]bool),
	}
}

// Watch tells about one request. Close the subscription when done.
func (e *Engine) Watch(id horde.RequestID) *Subscription {
	e.news.mu.Lock()
	defer e.news.mu.Unlock()
	m := e.news.requests[id]
	if m == nil {
		m = make(map[*Subscription]bool)
		e.news.requests[id] = m
	}
	s := e.news.add(m)
	s.of = id
	return s
}

// WatchQueue tells when a request enters the queue or comes back to it.
func (e *Engine) WatchQueue() *Subscription {
	e.news.mu.Lock()
	defer e.news.mu.Unlock()
	return e.news.add(e.news.queue)
}

// Events delivers all news, with a buffer of the given size.
func (e *Engine) Events(buffer int) *Subscription {
	e.news.mu.Lock()
	defer e.news.mu.Unlock()
	s := e.news.add(e.news.all)
	s.log = make(chan horde.Event, buffer)
	return s
}

func (x *exchange) add(m map[*Subscription]bool) *Subscription {
	s := &Subscription{hints: make(chan struct{}, 1), ex: x, where: m}
	if x.closed {
		close(s.hints)
		return s
	}
	m[s] = true
	return s
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.ex.mu.Lock()
	defer s.ex.mu.Unlock()
	delete(s.where, s)
	if m, ok := s.ex.requests[s.of]; ok && len(m) == 0 {
		delete(s.ex.requests, s.of)
	}
}

func (s *Subscription) hint() {
	select {
	case s.hints <- struct{}{}:
	default:
	}
}

func (x *exchange) publish(events []horde.Event) {
	if len(events) == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, ev := range events {
		if ev.Kind == horde.RequestQueued {
			for s := range x.queue {
				s.hint()
			}
		}
		for s := range x.requests[ev.Request] {
			s.hint()
		}
		for s := range x.all {
			select {
			case s.log <- ev:
			default:
			}
			s.hint()
		}
	}
}

// publishAll tells everybody to look again, after a reload.
func (x *exchange) publishAll() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, m := range x.everyone() {
		for s := range m {
			s.hint()
		}
	}
}

func (x *exchange) close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return
	}
	x.closed = true
	for _, m := range x.everyone() {
		for s := range m {
			close(s.hints)
			delete(m, s)
		}
	}
}

func (x *exchange) everyone() []map[*Subscription]bool {
	out := []map[*Subscription]bool{x.queue, x.all}
	for _, m := range x.requests {
		out = append(out, m)
	}
	return out
}
