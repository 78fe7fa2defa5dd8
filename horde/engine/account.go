// SPDX-License-Identifier: AGPL-3.0-or-later

package engine

import (
	"context"
	"fmt"

	"stablemate/horde"
	"stablemate/horde/kudos"
)

// SharedKey reads a shared key and its owner.
func (e *Engine) SharedKey(id horde.SharedKeyID) (k horde.SharedKey, owner horde.User, ok bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.state.SharedKey(id)
}

// SharedKeysOf lists the shared keys of a person, oldest first.
func (e *Engine) SharedKeysOf(u horde.UserID) []horde.SharedKeyID {
	out, _ := read(e, func(s *horde.State) ([]horde.SharedKeyID, bool) { return s.SharedKeysOf(u), true })
	return out
}

// ProxyAccount finds the service account behind a hashed proxy passkey, if it may proxy.
func (e *Engine) ProxyAccount(passkey horde.KeyHash) (horde.User, bool) {
	return read(e, func(s *horde.State) (horde.User, bool) { return s.ProxyAccount(passkey) })
}

// ChangeUser changes an account. What it does with kudos happens once for ever for a key, like a gift.
func (e *Engine) ChangeUser(ctx context.Context, op horde.ChangeUser) (horde.User, error) {
	var err error
	if op.Adjust != nil {
		if op.Prior, err = e.prior(ctx, op.Key, op.AdjustKey()); err != nil {
			return horde.User{}, err
		}
	}
	if op.Monthly != nil {
		if op.PriorMonthly, err = e.prior(ctx, op.Key, op.RaiseKey()); err != nil {
			return horde.User{}, err
		}
	}
	return Do(ctx, e, op)
}

// Award gives an admin's thanks, once for ever for a key.
func (e *Engine) Award(ctx context.Context, op horde.Award) (horde.Awarded, error) {
	var err error
	if op.Prior, err = e.prior(ctx, op.Key, horde.AwardKey(op.Key)); err != nil {
		return horde.Awarded{}, err
	}
	return Do(ctx, e, op)
}

// prior looks up what the ledger says about a key that somebody may have used long ago.
func (e *Engine) prior(ctx context.Context, given, key string) (*kudos.Event, error) {
	if len(given) > horde.MaxIdempotencyKey {
		return nil, horde.Refuse(horde.CodeBadRequest, "an idempotency key has at most %d bytes", horde.MaxIdempotencyKey)
	}
	event, err := e.store.LedgerEvent(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("%w: look up a key: %w", ErrUnavailable, err)
	}
	return event, nil
}

// SharedImages lists the delivered images that belong into the public collection, of requests that are live.
func (e *Engine) SharedImages() []horde.SharedImage {
	out, _ := read(e, func(s *horde.State) ([]horde.SharedImage, bool) { return s.SharedImages(), true })
	return out
}

// StylesWithKey counts the styles that a shared key pays for.
func (e *Engine) StylesWithKey(id horde.SharedKeyID) int {
	n, _ := read(e, func(s *horde.State) (int, bool) { return s.StylesWithKey(id.String()), true })
	return n
}
