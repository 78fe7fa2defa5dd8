// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import "errors"

// Term is the right to write to a store: Epoch grows with each process that takes the lead, Seq with each
// commit. A batch carries its own Seq, one more than the last one committed.
type Term struct {
	Epoch, Seq int64
}

// Errors of stores that say who may write.
var (
	ErrLed    = errors.New("another process leads this store")
	ErrFenced = errors.New("this process no longer leads the store")
)
