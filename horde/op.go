// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import "time"

// Op is an operation: a plain struct that the rules apply to the state. Its result is R.
// Only this package defines operations.
type Op[R any] interface {
	apply(s *State, c *Change) (R, error)
}

// Apply runs an operation. On a refusal (an *Error) state and change are as before, except for the mark that a
// prompt refused by the filter leaves. On success the change lists what to save, post and announce; the caller
// collects changes of several operations in one.
func Apply[R any](s *State, c *Change, op Op[R]) (R, error) {
	return op.apply(s, c)
}

// NewChange starts a change at a time, truncated to microseconds as stores keep it.
func NewChange(now time.Time, ids IDSource) *Change {
	return &Change{Now: now.UTC().Truncate(time.Microsecond), IDs: ids, dirty: newDirty()}
}
