// SPDX-License-Identifier: AGPL-3.0-or-later

package chat

import (
	"maps"
	"time"
)

// Kinds of documents about prompts that the safety filter refused for good. They are about nobody: whoever asks to be
// forgotten begins anew no sooner than anybody else.
const (
	KindStrikes DocKind = "strikes" // Strikes, by person; it is due when they are forgotten
	KindStorm   DocKind = "storm"   // Storm, by guild; the same
)

// Bounds of strikes.
const (
	StrikeLife  = 30 * 24 * time.Hour // then one is forgotten
	ReviewAfter = 4                   // strikes after which an operator has to look
	maxStrikes  = 10                  // that are remembered

	StormSpan    = 24 * time.Hour // people of one guild with strikes within it count, and it loses for as long
	StormSmall   = 5              // different people: the guild loses anonymous use
	StormGreat   = 10             // then also images
	maxOffenders = 50             // that are remembered
)

// Strikes are when prompts of somebody were refused for good, the oldest first.
type Strikes struct {
	At []time.Time `json:"at"`
}

// Live counts those that are not forgotten.
func (s *Strikes) Live(now time.Time) (n int) {
	for _, at := range s.At {
		if now.Sub(at) < StrikeLife {
			n++
		}
	}
	return n
}

// Add notes one and returns how many there are.
func (s *Strikes) Add(now time.Time) int {
	var kept []time.Time
	for _, at := range s.At {
		if now.Sub(at) < StrikeLife {
			kept = append(kept, at)
		}
	}
	kept = append(kept, now)
	s.At = kept[max(0, len(kept)-maxStrikes):]
	return len(s.At)
}

// StrikePause is how long somebody pauses for their n-th strike; review says until an operator has looked at it. The first
// is a warning.
func StrikePause(n int) (span time.Duration, review bool) {
	switch {
	case n < 2:
		return 0, false
	case n == 2:
		return time.Hour, false
	case n < ReviewAfter:
		return 24 * time.Hour, false
	}
	return 0, true
}

// StormLevel is what a guild has lost for a while.
type StormLevel int

// The levels. Each has what the ones before it have.
const (
	StormNone StormLevel = iota
	StormAnonymous
	StormImages
)

// Storm is who in a guild has strikes of late, and what the guild lost for that.
type Storm struct {
	People map[string]time.Time `json:"people,omitempty"` // their last strike
	Level  StormLevel           `json:"level,omitempty"`
	Until  time.Time            `json:"until,omitzero"`
}

// At is what the guild has lost at a time.
func (s *Storm) At(now time.Time) StormLevel {
	if now.Before(s.Until) {
		return s.Level
	}
	return StormNone
}

// Add notes a strike of somebody, and reports whether the guild loses more than it had lost.
func (s *Storm) Add(person string, now time.Time) (worse bool) {
	was, people := s.At(now), maps.Clone(s.People)
	if people == nil {
		people = make(map[string]time.Time)
	}
	maps.DeleteFunc(people, func(_ string, at time.Time) bool { return now.Sub(at) >= StormSpan })
	if _, known := people[person]; known || len(people) < maxOffenders {
		people[person] = now
	}
	s.People = people
	level := StormNone
	switch n := len(people); {
	case n >= StormGreat:
		level = StormImages
	case n >= StormSmall:
		level = StormAnonymous
	}
	if level > was {
		s.Level, s.Until = level, now.Add(StormSpan)
		return true
	}
	return false
}
