// SPDX-License-Identifier: AGPL-3.0-or-later

package engine

import (
	"context"
	"fmt"

	"stablemate/horde"
	"stablemate/horde/kudos"
)

// RewardRating thanks for ratings, once for ever for each key: keys older than what memory holds are looked up in the
// store first. It returns what moved now.
func (e *Engine) RewardRating(ctx context.Context, op horde.RewardRating) (kudos.Amount, error) {
	if len(op.Key) > horde.MaxIdempotencyKey-len(horde.RatingKey("")) {
		return 0, horde.Refuse(horde.CodeBadRequest, "an idempotency key has at most %d bytes", horde.MaxIdempotencyKey)
	}
	prior, err := e.store.LedgerEvent(ctx, horde.RatingKey(op.Key))
	if err != nil {
		return 0, fmt.Errorf("%w: look up reward: %w", ErrUnavailable, err)
	}
	op.Prior = prior
	return Do(ctx, e, op)
}

// RatedSet reads a request as far as rating its images matters.
func (e *Engine) RatedSet(id horde.RequestID) (horde.RatedSet, error) {
	now := e.opts.Now()
	set, ok := read(e, func(s *horde.State) (horde.RatedSet, bool) { return s.RatedSet(id, now) })
	if !ok {
		return horde.RatedSet{}, notFound(id)
	}
	return set, nil
}

// Ratable reads a delivered image that anybody may rate.
func (e *Engine) Ratable(id horde.GenerationID) (horde.RatedSet, bool) {
	return read(e, func(s *horde.State) (horde.RatedSet, bool) { return s.Ratable(id) })
}

// Ratables lists what may be rated of the live requests, in no order.
func (e *Engine) Ratables() []horde.GenerationID {
	out, _ := read(e, func(s *horde.State) ([]horde.GenerationID, bool) { return s.Ratables(), true })
	return out
}
