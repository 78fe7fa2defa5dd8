// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"
)

// StatKind says what was delivered.
type StatKind int8

// Kinds of what is delivered. The numbers are stored.
const (
	StatImage   StatKind = iota // things are pixelsteps
	StatText                    // things are tokens
	StatAlchemy                 // things are forms
	statKinds
)

// stat is what workers of a type deliver.
func (t WorkerType) stat() StatKind {
	switch t {
	case Scribe:
		return StatText
	case Alchemist:
		return StatAlchemy
	case Dreamer:
	}
	return StatImage
}

// StatSpan is a stretch of time that ends now.
type StatSpan int8

// Spans of a series, each in steps of the next smaller unit.
const (
	LastHour  StatSpan = iota // 60 minutes
	LastDay                   // 24 hours
	LastMonth                 // 30 days
)

const (
	// MaxStatModels is how many models of a kind one stretch of time counts by name: the most used ones. The rest is in
	// the sums alone.
	MaxStatModels = 1000

	openStat  = "open"  // the running minute; the only page that changes in place
	totalStat = "total" // everything before the running minute

	minutesKept, hoursKept, daysKept  = 60, 24, 30
	minuteLength, hourLength, daySpan = 60, 3600, 86400 // seconds
)

const statRecord RecordKind = "stats"

// Made counts deliveries and the work in them.
type Made struct {
	Count  int64 `json:"n,omitempty"`
	Things int64 `json:"t,omitempty"`
}

func (m *Made) add(o Made) {
	m.Count += o.Count
	m.Things += o.Things
}

// statBucket is what was delivered in one minute, hour or day, or ever. Only the running minute's changes; the others
// are replaced as a whole, so that readers may keep them.
type statBucket struct {
	At     int64                       `json:"at"` // which minute, hour or day since 1970
	Sum    [statKinds]Made             `json:"sum"`
	Models [statKinds]map[string]int64 `json:"models,omitzero"` // deliveries; a minute that is over has none
}

// with is the sum of two buckets, in a new one. A nil bucket is empty.
func (b *statBucket) with(at int64, more *statBucket) *statBucket {
	out := &statBucket{At: at}
	for kind := range statKinds {
		out.Sum[kind] = more.Sum[kind]
		out.Models[kind] = make(map[string]int64, len(more.Models[kind]))
		maps.Copy(out.Models[kind], more.Models[kind])
		if b != nil {
			out.Sum[kind].add(b.Sum[kind])
			addCounts(out.Models[kind], b.Models[kind])
		}
		keepLargest(out.Models[kind])
	}
	return out
}

func addCounts(to, from map[string]int64) {
	for name, n := range from {
		to[name] += n
	}
}

// keepLargest holds counts to their bound.
func keepLargest(counts map[string]int64) {
	if len(counts) <= MaxStatModels {
		return
	}
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	for _, name := range names[MaxStatModels:] {
		delete(counts, name)
	}
}

// recently is what was delivered in the last minute, to the second.
type recently struct{ count, things minuteSum }

func (r *recently) add(now time.Time, m Made) {
	r.count.add(now, m.Count)
	r.things.add(now, m.Things)
}

// countDelivered counts one delivery for ever. It touches one page, which every commit that delivers writes once: a
// crash loses no count. Once a minute the page is added to its hour, its day and the total.
func (s *State) countDelivered(c *Change, kind StatKind, model string, things int64) {
	minute := c.Now.Unix() / minuteLength
	open := s.stats.pages[openStat]
	if open == nil || open.At < minute { // a clock that went back goes on in the later minute
		if open != nil {
			s.closeMinute(c, open)
		}
		open = &statBucket{At: minute}
		s.stats.pages[openStat] = open
	}
	one := Made{Count: 1, Things: things}
	open.Sum[kind].add(one)
	if open.Models[kind] == nil {
		open.Models[kind] = make(map[string]int64)
	}
	if _, known := open.Models[kind][model]; model != "" && (known || len(open.Models[kind]) < MaxStatModels) {
		open.Models[kind][model]++
	}
	s.recent[kind].add(c.Now, one)
	c.saveRecord(statRecord, openStat)
}

// closeMinute moves a minute that is over to where it is kept. Pages go round, so that there is never a page too many.
func (s *State) closeMinute(c *Change, open *statBucket) {
	s.stats.put(c, statPage("m", open.At%minutesKept), &statBucket{At: open.At, Sum: open.Sum})
	hour := open.At * minuteLength / hourLength
	day := open.At * minuteLength / daySpan
	add := func(id string, at int64) {
		page := s.stats.pages[id]
		if page != nil && page.At != at {
			page = nil // of an earlier round
		}
		s.stats.put(c, id, page.with(at, open))
	}
	add(statPage("h", hour%hoursKept), hour)
	add(statPage("d", day%daysKept), day)
	add(totalStat, 0)
}

func statPage(unit string, n int64) string { return unit + strconv.FormatInt(n, 10) }

// recall fills the seconds of the last minute after a start: what the two newest minutes delivered counts as delivered in
// the middle of each.
func (s *State) recall() {
	open := s.stats.pages[openStat]
	if open == nil {
		return
	}
	pages := []*statBucket{open}
	if last := s.stats.pages[statPage("m", (open.At+minutesKept-1)%minutesKept)]; last != nil && last.At == open.At-1 {
		pages = append(pages, last)
	}
	for _, p := range pages {
		for kind, m := range p.Sum {
			s.recent[kind].add(time.Unix(p.At*minuteLength+minuteLength/2, 0), m)
		}
	}
}

// Statistics is what the horde delivered, at a moment. It shares nothing with the state that changes, so it may be kept
// and read anywhere.
type Statistics struct {
	now                  time.Time
	recent               [statKinds]Made
	open, total          *statBucket // never nil
	minutes, hours, days []*statBucket
}

// Statistics takes a picture of the statistics. Its cost does not depend on how much was ever delivered.
func (s *State) Statistics(now time.Time) Statistics {
	out := Statistics{now: now, open: &statBucket{}, total: &statBucket{}}
	for kind := range statKinds {
		out.recent[kind] = Made{s.recent[kind].count.lastMinute(now), s.recent[kind].things.lastMinute(now)}
	}
	for id, page := range s.stats.pages {
		switch {
		case id == openStat:
			out.open = (*statBucket)(nil).with(page.At, page)
		case id == totalStat:
			out.total = page
		case id[0] == 'm':
			out.minutes = append(out.minutes, page)
		case id[0] == 'h':
			out.hours = append(out.hours, page)
		case id[0] == 'd':
			out.days = append(out.days, page)
		}
	}
	return out
}

// within calls f with every page of a span, the running minute among them.
func (st Statistics) within(span StatSpan, f func(step int64, page *statBucket)) {
	length, steps, pages := st.shape(span)
	first := st.now.Unix()/length - steps + 1
	for _, p := range pages {
		if p.At >= first {
			f(p.At-first, p)
		}
	}
	if at := st.open.At * minuteLength / length; at >= first {
		f(at-first, st.open)
	}
}

func (st Statistics) shape(span StatSpan) (length, steps int64, pages []*statBucket) {
	switch span {
	case LastHour:
		return minuteLength, minutesKept, st.minutes
	case LastDay:
		return hourLength, hoursKept, st.hours
	case LastMonth:
	}
	return daySpan, daysKept, st.days
}

// StatTotals is what was delivered lately and ever.
type StatTotals struct{ Minute, Hour, Day, Month, Total Made }

// Totals adds up one kind. A month is 30 days; the current minute, hour and day count as whole ones.
func (st Statistics) Totals(kind StatKind) StatTotals {
	sum := func(span StatSpan) (m Made) {
		st.within(span, func(_ int64, page *statBucket) { m.add(page.Sum[kind]) })
		return m
	}
	out := StatTotals{Minute: st.recent[kind], Hour: sum(LastHour), Day: sum(LastDay), Month: sum(LastMonth), Total: st.total.Sum[kind]}
	out.Total.add(st.open.Sum[kind])
	return out
}

// StatModels is how often each model was delivered from.
type StatModels struct{ Day, Month, Total map[string]int64 }

// Models adds up the deliveries of each model. The maps are the caller's.
func (st Statistics) Models(kind StatKind) StatModels {
	sum := func(span StatSpan) map[string]int64 {
		m := make(map[string]int64)
		st.within(span, func(_ int64, page *statBucket) { addCounts(m, page.Models[kind]) })
		return m
	}
	out := StatModels{Day: sum(LastDay), Month: sum(LastMonth), Total: make(map[string]int64)}
	addCounts(out.Total, st.total.Models[kind])
	addCounts(out.Total, st.open.Models[kind])
	return out
}

// StatPoint is one step of a series.
type StatPoint struct {
	At time.Time // when the step begins
	Made
}

// Series is a span in even steps, oldest first, ending with the current one.
func (st Statistics) Series(kind StatKind, span StatSpan) []StatPoint {
	length, steps, _ := st.shape(span)
	first := st.now.Unix()/length - steps + 1
	out := make([]StatPoint, steps)
	for i := range out {
		out[i].At = time.Unix((first+int64(i))*length, 0).UTC()
	}
	st.within(span, func(step int64, page *statBucket) {
		out[min(step, steps-1)].add(page.Sum[kind]) // a clock that went back: what is ahead counts as now
	})
	return out
}
