// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"net/netip"
	"time"
)

// Pause bars an origin of a guild, or the whole guild.
type Pause struct {
	Block
	Decided bool // by a moderator, and not by strikes
}

// Pauses lists what bars a range and the origins within it, by address. Wider ranges are not among it.
func (s *State) Pauses(within netip.Prefix, now time.Time) (out []Pause) {
	for _, key := range s.guard.timeouts.ids() {
		p, single, err := parseBlock(key)
		t := s.guard.timeouts.pages[key]
		if err != nil || !now.Before(t.Until) || p.Bits() < within.Bits() || !within.Contains(p.Addr()) {
			continue
		}
		out = append(out, Pause{Block{blockKey(p, single), t.Until.Sub(now)}, t.By != 0})
	}
	return out
}

// Relent ends a pause that strikes led to, of a person on Discord or of a guild. The strikes still count: the next one
// weighs as much as if nobody had relented. What a moderator decided stays. Whoever gives this operation has made sure that
// the guild's administrators want it.
type Relent struct {
	Address string // as in Pause
}

func (op Relent) apply(s *State, c *Change) (bool, error) {
	if err := CheckBlock(op.Address); err != nil {
		return false, err
	}
	p, single, _ := parseBlock(op.Address) // checked above
	key := blockKey(p, single)
	old, there := s.guard.timeouts.pages[key]
	if !there || old.By != 0 || !c.Now.Before(old.Until) {
		return false, nil
	}
	t := *old
	t.Until = c.Now
	s.setTimeout(c, key, &t)
	return true, nil
}
