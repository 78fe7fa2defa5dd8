// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"fmt"
	"net/netip"
	"time"

	"stablemate/horde/filter"
)

// guard is what protects the horde from abuse: the prompt filter, time-outs of origins, and what was refused.
type guard struct {
	filters  book[Filter]
	lists    book[filterList]
	set      *filter.Set // compiled from filters, anew on each change; nil when prompts are not judged
	timeouts book[Timeout]
	ranges   [2][129]int // how many time-outs there are of ranges of each length, of IPv4 and IPv6
	rejected book[Rejected]
	swept    time.Time
	// fullSince is when the time-outs were last looked through because there was no room.
	fullSince time.Time
}

// Kinds of records that guard the horde.
const (
	KindFilter     RecordKind = "filter"
	KindFilterList RecordKind = "filter_list"
	KindTimeout    RecordKind = "timeout"
	KindRejected   RecordKind = "rejected_prompt"
)

func newGuard() guard {
	return guard{
		filters: newBook[Filter](KindFilter), lists: newBook[filterList](KindFilterList),
		timeouts: newBook[Timeout](KindTimeout), rejected: newBook[Rejected](KindRejected),
	}
}

// readyGuard rebuilds what follows from the records.
func (s *State) readyGuard() error {
	g := &s.guard
	for key := range g.timeouts.pages {
		if err := g.count(key, +1); err != nil {
			return err
		}
	}
	if g.lists.pages[promptList] == nil { // nobody changed the filter yet
		for _, f := range builtInFilters() {
			g.filters.pages[filterKey(f.ID)] = &f
		}
	}
	if s.settings.NoPromptFilter {
		return nil
	}
	set, err := filter.Compile(rulesOf(s.Filters()))
	if err != nil {
		return fmt.Errorf("compile the prompt filter: %w", err)
	}
	g.set = set
	return nil
}

// count keeps track of which lengths of ranges there are, so that looking an address up does not take longer the more
// of them are blocked.
func (g *guard) count(key string, by int) error {
	p, single, err := parseBlock(key)
	if err != nil {
		return fmt.Errorf("time-out of %q: %w", key, err)
	}
	if !single {
		g.ranges[family(p.Addr())][p.Bits()] += by
	}
	return nil
}

func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

const (
	sweepGuardEvery = time.Hour
	// RejectedKept is how long operators can read a refused prompt.
	RejectedKept = 30 * 24 * time.Hour
	// MaxRejected is how many of them are kept.
	MaxRejected = 500
)

// sweepGuard forgets time-outs that are over and refused prompts that are old. It looks once an hour.
func (s *State) sweepGuard(c *Change) (gone int) {
	g := &s.guard
	if c.Now.Sub(g.swept) < sweepGuardEvery {
		return 0
	}
	g.swept = c.Now
	gone = s.sweepTimeouts(c) + s.sweepNotices(c)
	for _, id := range g.rejected.ids() {
		if c.Now.Sub(g.rejected.pages[id].At) >= RejectedKept {
			g.rejected.drop(c, id)
			gone++
		}
	}
	return gone
}
