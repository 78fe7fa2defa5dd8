// SPDX-License-Identifier: AGPL-3.0-or-later

package engine

import (
	"context"
	"fmt"

	"stablemate/horde"
)

// FillPurse sets kudos aside; see horde.FillPurse. With one key it happens once for ever.
func (e *Engine) FillPurse(ctx context.Context, op horde.FillPurse) (horde.Purse, error) {
	if op.Key != "" {
		prior, err := e.store.LedgerEvent(ctx, op.Key)
		if err != nil {
			return horde.Purse{}, fmt.Errorf("%w: look up a purse: %w", ErrUnavailable, err)
		}
		op.Prior = prior
	}
	return Do(ctx, e, op)
}

// JoinPurse adds somebody else's kudos to a purse; see horde.JoinPurse. With one key it happens once for ever.
func (e *Engine) JoinPurse(ctx context.Context, op horde.JoinPurse) (horde.Purse, error) {
	prior, err := e.store.LedgerEvent(ctx, op.Key)
	if err != nil {
		return horde.Purse{}, fmt.Errorf("%w: look up a purse: %w", ErrUnavailable, err)
	}
	op.Prior = prior
	return Do(ctx, e, op)
}

// PayPurse gives kudos out of a purse; see horde.PayPurse. With one key it happens once for ever.
func (e *Engine) PayPurse(ctx context.Context, op horde.PayPurse) (horde.Transferred, error) {
	prior, err := e.store.LedgerEvent(ctx, op.Key)
	if err != nil {
		return horde.Transferred{}, fmt.Errorf("%w: look up a payment: %w", ErrUnavailable, err)
	}
	op.Prior = prior
	return Do(ctx, e, op)
}

// Purse reads a purse that is open.
func (e *Engine) Purse(id horde.PurseID) (horde.Purse, bool) {
	return read(e, func(s *horde.State) (horde.Purse, bool) { return s.Purse(id) })
}

// Purses lists the open purses of an account, oldest first.
func (e *Engine) Purses(owner horde.UserID) []horde.Purse {
	out, _ := read(e, func(s *horde.State) ([]horde.Purse, bool) { return s.Purses(owner), true })
	return out
}
