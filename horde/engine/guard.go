// SPDX-License-Identifier: AGPL-3.0-or-later

package engine

import (
	"net/netip"
	"time"

	"stablemate/horde"
	"stablemate/horde/filter"
	"stablemate/horde/origin"
)

// Filter reads a rule of the prompt filter and says whom it is by.
func (e *Engine) Filter(id int64) (f horde.Filter, author string, ok bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	f, ok = e.state.Filter(id)
	return f, e.state.FilterAuthor(f), ok
}

// Filters lists the rules of the prompt filter by number, and whom each is by.
func (e *Engine) Filters() (all []horde.Filter, authors []string) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	all = e.state.Filters()
	for _, f := range all {
		authors = append(authors, e.state.FilterAuthor(f))
	}
	return all, authors
}

// FilterSet is the compiled prompt filter. It never changes; nil lets everything through.
func (e *Engine) FilterSet() *filter.Set {
	out, _ := read(e, func(s *horde.State) (*filter.Set, bool) { return s.FilterSet(), true })
	return out
}

// Blocks lists the ranges of addresses that are barred.
func (e *Engine) Blocks() []horde.Block {
	now := e.opts.Now()
	out, _ := read(e, func(s *horde.State) ([]horde.Block, bool) { return s.Blocks(now), true })
	return out
}

// Pauses lists what bars a range and the origins within it, by address.
func (e *Engine) Pauses(within netip.Prefix) []horde.Pause {
	now := e.opts.Now()
	out, _ := read(e, func(s *horde.State) ([]horde.Pause, bool) { return s.Pauses(within, now), true })
	return out
}

// BlocksOf lists what bars an address: ranges, then the address itself. It refuses what is no address.
func (e *Engine) BlocksOf(address string) ([]horde.Block, error) {
	now := e.opts.Now()
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.state.BlocksOf(address, now)
}

// TimedOut tells how long an origin is still barred; 0 when it is not.
func (e *Engine) TimedOut(from origin.Origin) time.Duration {
	now := e.opts.Now()
	out, _ := read(e, func(s *horde.State) (time.Duration, bool) { return s.TimedOut(from, now), true })
	return out
}

// AddressTimedOut is TimedOut for an origin as it is written; what is none is not barred.
func (e *Engine) AddressTimedOut(address string) time.Duration {
	from, err := origin.Parse(address)
	if err != nil {
		return 0
	}
	return e.TimedOut(from)
}

// Rejected lists refused prompts, the oldest first. They are for operators alone.
func (e *Engine) Rejected() []horde.Rejected {
	out, _ := read(e, func(s *horde.State) ([]horde.Rejected, bool) { return s.Rejected(), true })
	return out
}

// Notices lists what operators were told after a number, the oldest first.
func (e *Engine) Notices(after int64) []horde.Notice {
	out, _ := read(e, func(s *horde.State) ([]horde.Notice, bool) { return s.Notices(after), true })
	return out
}
