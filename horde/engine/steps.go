// SPDX-License-Identifier: AGPL-3.0-or-later

package engine

import (
	"sync"
	"time"

	"stablemate/horde"
)

// Bounds of what is known about images in the making.
const (
	maxDrawings = 1024
	drawingLife = 2 * time.Minute // since a worker last said something about one
)

// drawings is how far workers of this process say they are. It is news and no fact: it is kept in memory alone, and gone
// when nobody renews it.
type drawings struct {
	mu sync.Mutex // guards of
	of map[horde.GenerationID]drawing
}

type drawing struct {
	request     horde.RequestID
	step, total int
	said        time.Time
}

// Drawing notes how far a worker is with a generation of a request; a total of 0 forgets it. It costs no commit. It is
// safe for concurrent use.
func (e *Engine) Drawing(request horde.RequestID, id horde.GenerationID, step, total int) {
	d, now := &e.drawn, e.opts.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if total <= 0 {
		delete(d.of, id)
		return
	}
	if _, known := d.of[id]; !known && len(d.of) >= maxDrawings {
		for k, v := range d.of {
			if now.Sub(v.said) > drawingLife {
				delete(d.of, k)
			}
		}
		if len(d.of) >= maxDrawings {
			return
		}
	}
	if d.of == nil {
		d.of = make(map[horde.GenerationID]drawing)
	}
	d.of[id] = drawing{request, min(max(step, 0), total), total, now}
}

// Steps adds up how far the images of a request are that workers speak of: steps done and steps in all. Both are 0 when
// nobody says anything, as remote workers do.
func (e *Engine) Steps(request horde.RequestID) (done, total int) {
	d, now := &e.drawn, e.opts.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, v := range d.of {
		if v.request == request && now.Sub(v.said) <= drawingLife {
			done, total = done+v.step, total+v.total
		}
	}
	return done, total
}
