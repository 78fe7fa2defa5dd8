// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"strings"

	"stablemate/horde/kudos"
)

// TooFastText is more tokens per second than any machine writes.
const TooFastText = 150.0

// speedLimit is the speed above which nobody believes a worker, in things per second. params is the size of a text model
// in billions, 0 when it is not known; trusted owners are believed more. Alchemists, measured in seconds, have none.
//
// Formula (horde rules, state of workers): 20 megapixelsteps or 150 tokens a second. For text models of known size at
// untrusted owners: 30 from 70 billion parameters, 100 from 14 billion; three times that for mixtures of eight experts.
func speedLimit(kind WorkerType, model string, params float64, trusted bool) (limit float64, limited bool) {
	switch kind {
	case Dreamer:
		return TooFast, true
	case Scribe:
		limit = TooFastText
		if trusted || params <= 0 {
			return limit, true
		}
		switch {
		case params >= 70:
			limit = 30
		case params >= 14:
			limit = 100
		}
		if strings.Contains(strings.ToLower(model), "8x") {
			limit *= 3
		}
		return limit, true
	case Alchemist:
	}
	return 0, false
}

// judgeSpeed looks at the speed of one delivery. Each that is beyond belief counts.
func (s *State) judgeSpeed(c *Change, owner *User, w *Worker, model string, speed float64) {
	params := 0.0
	if w.Type == Scribe {
		params = kudos.TextParams(model)
	}
	if limit, limited := speedLimit(w.Type, model, params, owner.Has(RoleTrusted)); limited && speed > limit {
		s.suspect(c, owner, w, ReasonTooFast)
	}
}
