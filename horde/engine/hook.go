// SPDX-License-Identifier: AGPL-3.0-or-later

package engine

import "stablemate/horde"

// Hook reads whom to tell of a delivered generation, and what.
func (e *Engine) Hook(id horde.GenerationID) (horde.Hook, bool) {
	return read(e, func(s *horde.State) (horde.Hook, bool) { return s.Hook(id) })
}
