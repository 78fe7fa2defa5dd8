// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"stablemate/horde/origin"
)

// Bounds of time-outs.
const (
	StrikeWindow = 24 * time.Hour // since the last strike; then they are forgotten
	StrikeStep   = 3 * time.Minute

	// StormStrikes in a StormWindow on people of one guild are a strike on the guild.
	StormStrikes = 20
	StormWindow  = time.Hour

	MinBlock    = time.Hour
	MaxBlock    = 720 * time.Hour
	MaxTimeouts = 50_000 // origins and ranges remembered at once

	// maxToldTimeout is the longest rest of a time-out that is told to whom it concerns.
	maxToldTimeout = 4 * 24 * time.Hour
)

// Timeout bars an origin, or a range of addresses, for a while. It also counts the strikes that led to it.
type Timeout struct {
	Until time.Time `json:"until"`
	Hits  int       `json:"hits,omitempty"`
	Last  time.Time `json:"last,omitzero"` // strike
	By    UserID    `json:"by,omitempty"`  // the moderator who decided it
}

// over reports whether there is nothing left to remember.
func (t *Timeout) over(now time.Time) bool {
	return !now.Before(t.Until) && now.Sub(t.Last) >= StrikeWindow
}

// strikeSpan is how long the k-th strike bars: 3, 9, 15, 21, … minutes.
func strikeSpan(k int) time.Duration {
	return min(MaxBlock, StrikeStep*time.Duration(2*min(k, math.MaxInt32)-1))
}

// strike holds something against an origin: a person on Discord, or an address. What comes from inside the process has
// none. Many strikes on people of one guild in a short time bar the guild.
func (s *State) strike(c *Change, from origin.Origin) {
	if !from.Addr().IsValid() {
		return
	}
	s.hit(c, from.String(), StrikeWindow, 1)
	if guild := from.Group(); from.IsDiscord() && isGuild(guild) {
		s.hit(c, guild.String(), StormWindow, StormStrikes)
	}
}

// isGuild tells guilds from direct messages, which share one range but have nothing in common.
func isGuild(group netip.Prefix) bool {
	a := group.Addr().As16()
	return slices.ContainsFunc(a[2:10], func(b byte) bool { return b != 0 })
}

// hit counts a strike and bars from the first one on that matters.
func (s *State) hit(c *Change, key string, window time.Duration, first int) {
	t := Timeout{}
	if old, ok := s.guard.timeouts.pages[key]; ok {
		t = *old
		if !c.Now.Before(t.Until) {
			t.By = 0 // what a moderator decided is over
		}
	} else if !s.roomForTimeout(c) {
		return // the refusal stands; only its memory is lost
	}
	if c.Now.Sub(t.Last) >= window {
		t.Hits = 0
	}
	t.Hits++
	t.Last = c.Now
	if t.Hits >= first {
		if until := c.Now.Add(strikeSpan(t.Hits - first + 1)); until.After(t.Until) {
			t.Until = until
		}
	}
	s.setTimeout(c, key, &t)
}

// roomForTimeout reports whether one more can be remembered.
func (s *State) roomForTimeout(c *Change) bool {
	if len(s.guard.timeouts.pages) < MaxTimeouts {
		return true
	}
	if c.Now.Sub(s.guard.fullSince) < time.Minute {
		return false // looking through all of them takes a while
	}
	s.guard.fullSince = c.Now
	return s.sweepTimeouts(c) > 0
}

func (s *State) sweepTimeouts(c *Change) (gone int) {
	for _, key := range s.guard.timeouts.ids() {
		if s.guard.timeouts.pages[key].over(c.Now) {
			s.dropTimeout(c, key)
			gone++
		}
	}
	return gone
}

func (s *State) setTimeout(c *Change, key string, t *Timeout) {
	if s.guard.timeouts.pages[key] == nil {
		_ = s.guard.count(key, +1) // keys are ours
	}
	s.guard.timeouts.put(c, key, t)
}

func (s *State) dropTimeout(c *Change, key string) {
	_ = s.guard.count(key, -1) // keys are ours
	s.guard.timeouts.drop(c, key)
}

// TimedOut tells how long an origin is still barred, by itself or by a range it is in; 0 when it is not. What comes from
// inside the process never is.
func (s *State) TimedOut(from origin.Origin, now time.Time) (rest time.Duration) {
	a := from.Addr()
	if !a.IsValid() || len(s.guard.timeouts.pages) == 0 {
		return 0
	}
	if t, ok := s.guard.timeouts.pages[a.String()]; ok {
		rest = t.Until.Sub(now)
	}
	for bits, n := range s.guard.ranges[family(a)] {
		if n == 0 {
			continue
		}
		if p, err := a.Prefix(bits); err == nil {
			if t, ok := s.guard.timeouts.pages[p.String()]; ok {
				rest = max(rest, t.Until.Sub(now))
			}
		}
	}
	return max(0, rest)
}

// mayAsk refuses an origin that is timed out.
func (s *State) mayAsk(from origin.Origin, now time.Time) error {
	switch rest := s.TimedOut(from, now); {
	case rest == 0:
		return nil
	case rest > maxToldTimeout:
		return refuse(CodeTimeoutIP, "requests from here are paused because of what came from here before")
	default:
		return refuse(CodeTimeoutIP, "requests from here are paused for another %d seconds because of what came from here before",
			int(math.Ceil(rest.Seconds())))
	}
}

// Block is a time-out as moderators see it.
type Block struct {
	Address string // or range
	Rest    time.Duration
}

// Blocks lists the ranges that are barred.
func (s *State) Blocks(now time.Time) (out []Block) {
	for _, key := range s.guard.timeouts.ids() {
		p, single, err := parseBlock(key)
		if t := s.guard.timeouts.pages[key]; err == nil && !single && now.Before(t.Until) {
			out = append(out, Block{p.String(), t.Until.Sub(now)})
		}
	}
	return out
}

// BlocksOf lists the ranges that bar an address, then the address itself when it is barred.
func (s *State) BlocksOf(address string, now time.Time) ([]Block, error) {
	p, single, err := parseBlock(address)
	if err != nil || !single {
		return nil, refuse(CodeBadRequest, "this is not an address")
	}
	var out []Block
	for _, b := range s.Blocks(now) {
		if wide, err := netip.ParsePrefix(b.Address); err == nil && wide.Contains(p.Addr()) {
			out = append(out, b)
		}
	}
	if t, ok := s.guard.timeouts.pages[blockKey(p, single)]; ok && now.Before(t.Until) {
		if asked, err := netip.ParseAddr(address); err == nil {
			address = asked.Unmap().WithZone("").String()
		}
		out = append(out, Block{address, t.Until.Sub(now)})
	}
	return out, nil
}

// parseBlock reads an address or a range. An address over IPv6 stands for its /64, as origins do; those of people on
// Discord stand for themselves.
func parseBlock(text string) (p netip.Prefix, single bool, err error) {
	if p, err = netip.ParsePrefix(text); err == nil && !p.IsSingleIP() {
		if p.Addr().Is4In6() {
			return p, false, fmt.Errorf("range %q mixes the two kinds of addresses", text)
		}
		return p.Masked(), false, nil
	}
	a := p.Addr()
	if err != nil {
		if a, err = netip.ParseAddr(text); err != nil {
			return p, false, fmt.Errorf("address %q: %w", text, err)
		}
	}
	a = a.Unmap().WithZone("")
	if from, err := origin.Parse(a.String()); err == nil && !from.IsDiscord() {
		a = origin.FromAddr(a).Addr()
	}
	return netip.PrefixFrom(a, a.BitLen()), true, nil
}

func blockKey(p netip.Prefix, single bool) string {
	if single {
		return p.Addr().String()
	}
	return p.String()
}

// CheckBlock refuses what is neither an address nor a range.
func CheckBlock(text string) error {
	if _, _, err := parseBlock(text); err != nil {
		return refuse(CodeBadRequest, "this is neither an address nor a range of addresses")
	}
	return nil
}

// SetBlock bars an address or range, or with For 0 lifts whatever bars it.
type SetBlock struct {
	By      UserID
	Address string
	For     time.Duration // MinBlock to MaxBlock
}

func (op SetBlock) apply(s *State, c *Change) (bool, error) {
	if err := CheckBlock(op.Address); err != nil {
		return false, err
	}
	if err := s.mustModerate(op.By); err != nil {
		return false, err
	}
	p, single, _ := parseBlock(op.Address) // checked above
	return s.block(c, op.By, blockKey(p, single), op.For)
}

// block bars or frees a key; it reports whether anything changed.
func (s *State) block(c *Change, by UserID, key string, span time.Duration) (bool, error) {
	old, there := s.guard.timeouts.pages[key]
	switch {
	case span == 0 && there:
		s.dropTimeout(c, key)
		return true, nil
	case span == 0:
		return false, nil
	case span < MinBlock || span > MaxBlock:
		return false, refuse(CodeBadRequest, "a block lasts between %d and %d hours", int(MinBlock.Hours()), int(MaxBlock.Hours()))
	case !there && !s.roomForTimeout(c):
		return false, refuse(CodeBadRequest, "there are %d blocks and time-outs already; please lift some first", MaxTimeouts)
	}
	t := Timeout{}
	if there {
		t = *old
	}
	t.Until, t.By = c.Now.Add(span), by
	s.setTimeout(c, key, &t)
	return true, nil
}

// BlockWorker bars the address that a worker came from last, over IPv6 its /64, or with For 0 lifts that.
type BlockWorker struct {
	By     UserID
	Worker WorkerID
	For    time.Duration
}

func (op BlockWorker) apply(s *State, c *Change) (bool, error) {
	if err := s.mustModerate(op.By); err != nil {
		return false, err
	}
	w, ok := s.workers[op.Worker]
	switch {
	case !ok:
		return false, refuse(CodeWorkerNotFound, "Worker with ID '%s' not found.", op.Worker)
	case !w.Origin.Addr().IsValid():
		return false, refuse(CodeBadRequest, "this worker runs inside the horde and has no address")
	}
	key := w.Origin.String()
	if w.Origin.Addr().Is6() && !w.Origin.IsDiscord() {
		if p, err := w.Origin.Addr().Prefix(64); err == nil {
			key = p.String()
		}
	}
	return s.block(c, op.By, key, op.For)
}
