// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"sync"
)

// turns lets one after the other do something about a thing that a key names, within this process. The zero value is
// ready; it is safe for concurrent use, and knows only the keys that somebody has or waits for.
type turns struct {
	mu     sync.Mutex // guards queues and their people
	queues map[string]*queue
}

type queue struct {
	baton  chan struct{} // holds 1: somebody's turn
	people int           // who have the turn or wait for it
}

// take waits for the turn, and fails when ctx ends before. done lets the next one have it.
func (t *turns) take(ctx context.Context, key string) (done func(), err error) {
	t.mu.Lock()
	if t.queues == nil {
		t.queues = make(map[string]*queue)
	}
	q := t.queues[key]
	if q == nil {
		q = &queue{baton: make(chan struct{}, 1)}
		t.queues[key] = q
	}
	q.people++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if q.people--; q.people == 0 {
			delete(t.queues, key)
		}
	}
	select {
	case q.baton <- struct{}{}:
		return func() {
			<-q.baton
			leave()
		}, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}

// inTurn does f when it is this one's turn.
func (t *turns) inTurn(ctx context.Context, key string, f func() error) error {
	done, err := t.take(ctx, key)
	if err != nil {
		return err
	}
	defer done()
	return f()
}
