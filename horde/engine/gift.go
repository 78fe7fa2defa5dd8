// SPDX-License-Identifier: AGPL-3.0-or-later

package engine

import (
	"context"
	"fmt"
	"time"

	"stablemate/horde"
)

// Give gives kudos to an identity, or sets them aside for it; see horde.Give. Like Transfer it happens once for ever.
func (e *Engine) Give(ctx context.Context, op horde.Give) (horde.Given, error) {
	if len(op.Key) > horde.MaxIdempotencyKey {
		return horde.Given{}, horde.Refuse(horde.CodeBadRequest, "an idempotency key has at most %d bytes", horde.MaxIdempotencyKey)
	}
	prior, err := e.store.LedgerEvent(ctx, op.Key)
	if err != nil {
		return horde.Given{}, fmt.Errorf("%w: look up gift: %w", ErrUnavailable, err)
	}
	op.Prior = prior
	return Do(ctx, e, op)
}

// Posted tells when the ledger's event with a key happened, if it did.
func (e *Engine) Posted(ctx context.Context, key string) (at time.Time, ok bool, err error) {
	event, err := e.store.LedgerEvent(ctx, key)
	if err != nil {
		return at, false, fmt.Errorf("%w: look up a key: %w", ErrUnavailable, err)
	}
	if event == nil {
		return at, false, nil
	}
	return event.At, true, nil
}

// GiftsFrom lists the gifts of an account that wait for their recipients, oldest first.
func (e *Engine) GiftsFrom(u horde.UserID) []horde.Gift {
	out, _ := read(e, func(s *horde.State) ([]horde.Gift, bool) { return s.GiftsFrom(u), true })
	return out
}

// GiftsFor lists what waits for an identity such as "d_<Discord id>", oldest first.
func (e *Engine) GiftsFor(external string) []horde.Gift {
	out, _ := read(e, func(s *horde.State) ([]horde.Gift, bool) { return s.GiftsFor(external), true })
	return out
}
