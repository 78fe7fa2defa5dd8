// SPDX-License-Identifier: AGPL-3.0-or-later

package web

import (
	"sync"
	"time"
)

// Limits per caller.
const (
	viewsPerMinute = 90

	signinsPerMinute = 10

	accountsPerHour = 20
	giftsPerHour    = 90     // of an account
	changesPerHour  = 30     // of an account
	maxCallers      = 20_000 // counted at once
)

// tally counts per caller in fixed spans. A nil tally counts nothing and allows all.
type tally struct {
	most int
	span time.Duration
	now  func() time.Time

	mu    sync.Mutex // guards what follows
	calls map[string]count
}

type count struct {
	ends time.Time
	n    int
}

func newTally(most int, span time.Duration, now func() time.Time) *tally {
	return &tally{most: most, span: span, now: now, calls: make(map[string]count)}
}

// allow counts one more and reports whether it is not too many.
func (t *tally) allow(caller string) bool {
	if t == nil {
		return true
	}
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	c, ok := t.calls[caller]
	if !ok && len(t.calls) >= maxCallers {
		for who, c := range t.calls {
			if !now.Before(c.ends) {
				delete(t.calls, who)
			}
		}
		if len(t.calls) >= maxCallers {
			clear(t.calls) // all are counted anew rather than anybody locked out
		}
	}
	if !ok || !now.Before(c.ends) {
		c = count{ends: now.Add(t.span)}
	}
	c.n++
	t.calls[caller] = c
	return c.n <= t.most
}
