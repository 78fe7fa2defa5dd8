// SPDX-License-Identifier: AGPL-3.0-or-later

package inference

import (
	"context"
	"time"
)

// resident is a model or classifier that a child holds, or is about to.
type resident struct {
	path       string
	classifier bool
	bytes      int64
	ready      chan struct{} // closed when err is set
	err        error
	provider   string

	// Guarded by the child's mu.
	users int
	used  uint64  // the child's count of uses when it was last used
	pace  float64 // seconds per pixel of the slowest step seen
}

// use returns something loaded, loading it when needed, and keeps it from being unloaded until release. Loading goes on
// when ctx ends: it cannot be cancelled, and the next caller will want it.
func (c *child) use(ctx context.Context, path string, bytes int64, classifier bool) (r *resident, release func(), err error) {
	c.mu.Lock()
	r = c.residents[path]
	if r == nil {
		r = &resident{path: path, classifier: classifier, bytes: bytes, ready: make(chan struct{})}
		c.residents[path] = r
		c.under.Go(func() { c.load(r) }) //nolint:contextcheck // it outlives the caller's
	}
	r.users++
	c.uses++
	r.used = c.uses
	c.mu.Unlock()
	release = func() {
		c.mu.Lock()
		r.users--
		c.mu.Unlock()
		select {
		case c.freed <- struct{}{}:
		default:
		}
	}
	select {
	case <-r.ready:
		err = r.err
	case <-c.done:
		err = c.died()
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	return r, release, nil
}

// load makes room and loads. One loads at a time: two at once would both believe the memory is theirs.
func (c *child) load(r *resident) {
	defer close(r.ready)
	select {
	case c.loading <- struct{}{}:
		defer func() { <-c.loading }()
	case <-c.done:
		r.err = c.died()
		return
	}
	ctx := context.Background() // bounded by the watchdog of call and by the child's life
	if r.err = c.makeRoom(ctx, r); r.err == nil {
		var answer message
		answer, r.err = c.call(ctx, message{Kind: kindLoad, Path: r.path, Classifier: r.classifier}, nil, c.opts.LoadLimit)
		r.provider = answer.Provider
		if r.err == nil {
			c.opts.Log.Info().Str("path", r.path).Str("provider", r.provider).Msg("runner loaded a model")
		}
	}
	if r.err != nil {
		c.mu.Lock()
		delete(c.residents, r.path)
		c.mu.Unlock()
	}
}

// makeRoom unloads what was not used for longest until r fits into the budget, and waits while everything is in use.
// What is larger than the budget gets the child to itself.
func (c *child) makeRoom(ctx context.Context, r *resident) error {
	for {
		var held int64
		var others int
		var oldest *resident
		c.mu.Lock()
		for _, o := range c.residents {
			if o == r || !o.isReady() {
				continue // one loads at a time, so what is not ready holds nothing yet
			}
			held += o.bytes
			others++
			if o.users == 0 && (oldest == nil || o.used < oldest.used) {
				oldest = o
			}
		}
		fits := others == 0 || held+r.bytes <= c.opts.MemoryBudget
		if !fits && oldest != nil {
			delete(c.residents, oldest.path)
		}
		c.mu.Unlock()
		switch {
		case fits:
			return nil
		case oldest != nil:
			if _, err := c.call(ctx, message{Kind: kindUnload, Path: oldest.path}, nil, c.opts.LoadLimit); err != nil {
				return err
			}
		default:
			select {
			case <-c.freed:
			case <-c.done:
				return c.died()
			}
		}
	}
}

func (r *resident) isReady() bool {
	select {
	case <-r.ready:
		return r.err == nil
	default:
		return false
	}
}

// patience returns how long the runner may be silent while it draws pictures of a size. At first a CPU gets four times
// as long as an accelerator and a large picture more than a small one; once a model's pace is known, ten times that,
// within StepLimit and the first limit.
func (c *child) patience(r *resident, pixels int) func(time.Duration) time.Duration {
	const common, cpu, margin = 512 * 512, 4, 10
	scale := max(1, (pixels+common-1)/common)
	if r.provider == "cpu" {
		scale *= cpu
	}
	most := c.opts.StepLimit * time.Duration(scale)
	return func(silence time.Duration) time.Duration {
		c.mu.Lock()
		defer c.mu.Unlock()
		r.pace = max(r.pace, silence.Seconds()/float64(pixels))
		if r.pace == 0 {
			return most
		}
		return min(most, max(c.opts.StepLimit, time.Duration(margin*r.pace*float64(pixels)*float64(time.Second))))
	}
}

// holds lists the paths of what is loaded.
func (c *child) holds() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for path, r := range c.residents {
		if r.isReady() {
			out = append(out, path)
		}
	}
	return out
}
