// Package clock is the only place that asks the machine what time it is.
//
// Everything else takes a Clock, or its Now method as a func() time.Time, from whoever builds it. So a week of rules
// replays in a test within seconds, and a test never waits for the wall.
package clock

import (
	"sync"
	"time"
)

// Resolution is the finest step of time that the product keeps. Both stores hold whole microseconds; a finer time would
// change on its way to the disk and back.
const Resolution = time.Microsecond

// Clock tells the time in UTC, truncated to Resolution and without a monotonic part, so that a time read from it
// compares equal to the same time read back from a store. Implementations are safe for concurrent use.
type Clock interface {
	Now() time.Time
}

// System is the machine's clock.
type System struct{}

// Now returns the machine's time. It can step backwards when the machine's clock is set.
func (System) Now() time.Time { return normal(time.Now()) }

// Fake is a clock that stands still until a test moves it. It is safe for concurrent use.
type Fake struct {
	mu  sync.Mutex // guards now
	now time.Time
}

// NewFake returns a clock that stands at start.
func NewFake(start time.Time) *Fake { return &Fake{now: normal(start)} }

// Now returns the time the clock was last moved to.
func (f *Fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// Set moves the clock to t, backwards too.
func (f *Fake) Set(t time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = normal(t)
}

// Advance moves the clock by d and returns the new time. A negative d moves it backwards.
func (f *Fake) Advance(d time.Duration) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = normal(f.now.Add(d))
	return f.now
}

func normal(t time.Time) time.Time { return t.UTC().Truncate(Resolution) }
