// SPDX-License-Identifier: AGPL-3.0-or-later

package engine

import (
	"context"
	"time"

	"stablemate/horde"
	"stablemate/horde/kudos"
)

// Store is the horde's memory on disk. One engine leads it at a time.
type Store interface {
	// Lead takes the store's lock for this process and starts a new term. It fails with horde.ErrLed while
	// another process holds the lock. Lost is closed when the lock is known to be gone.
	Lead(ctx context.Context) (term horde.Term, lost <-chan struct{}, err error)
	// Load reads every row of one consistent moment, with ledger events since a time.
	Load(ctx context.Context, recent time.Time) (*horde.Snapshot, error)
	// Commit writes a batch: all of it or nothing, durable when it returns nil. It does so only when the
	// term's epoch is the store's and seq is the one after the last; anything else is horde.ErrFenced.
	Commit(ctx context.Context, term horde.Term, b *horde.Batch) error
	// LedgerEvent finds an event by its idempotency key; nil without error when there is none.
	LedgerEvent(ctx context.Context, key string) (*kudos.Event, error)
}
