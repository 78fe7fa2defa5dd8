// SPDX-License-Identifier: AGPL-3.0-or-later

package emojikudos

import (
	"sync"
	"time"
)

// window counts what happens under each key in one stretch of time after the other. It never holds more than size keys.
type window struct {
	span time.Duration
	most int // under one key
	size int

	mu     sync.Mutex // guards what follows
	since  time.Time
	counts map[string]int
}

func newWindow(span time.Duration, most, size int) *window {
	return &window{span: span, most: most, size: size, counts: make(map[string]int)}
}

// room says whether a window had room.
type room int

const (
	roomy   room = iota
	spent        // the key has had all it may
	crowded      // too many keys are counted
)

// take counts one more if there is room for it.
func (w *window) take(key string, now time.Time) room {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Sub(w.since) >= w.span || now.Before(w.since) {
		clear(w.counts)
		w.since = now
	}
	n, known := w.counts[key]
	switch {
	case n >= w.most:
		return spent
	case !known && len(w.counts) >= w.size:
		return crowded
	}
	w.counts[key] = n + 1
	return roomy
}
