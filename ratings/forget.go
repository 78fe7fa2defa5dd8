// SPDX-License-Identifier: AGPL-3.0-or-later

package ratings

import (
	"context"
	"fmt"

	"stablemate/horde"
)

// Bounds of what is read and deleted about one person.
const (
	maxSaid      = 5000 // votes of an export
	maxForgotten = 200  // images in one go
)

// Said lists what a person said of images, the newest first, at most maxSaid.
func (r *Ratings) Said(ctx context.Context, user horde.UserID) ([]Vote, error) {
	return r.deps.Store.VotesOf(ctx, user, maxSaid)
}

// forgetAll takes the deleted accounts out of the ratings, whoever deleted them and however: this process may not have run
// then. It reports whether it must be done again.
func (r *Ratings) forgetAll(ctx context.Context) (again bool) {
	for _, u := range r.deps.Engine.Users() {
		if ctx.Err() != nil {
			return true
		}
		if u.Has(horde.RoleDeleted) {
			again = !r.farewell(ctx, u.ID) || again
		}
	}
	return again
}

// farewell forgets a deleted account. It reports whether that is done with.
func (r *Ratings) farewell(ctx context.Context, user horde.UserID) bool {
	err := r.Forget(ctx, user)
	if err != nil && ctx.Err() == nil {
		r.deps.Log.Error().Err(err).Int64("account", int64(user)).Msg("cannot forget the ratings of a deleted account yet")
	}
	return err == nil
}

// Forget takes a person out of the ratings for good. What they said of images stays as the word of nobody in particular,
// since others' ratings are compared with it; the images that they shared go, and so does everything that is kept about
// them. It may be called again, and goes on where it was interrupted. Run calls it for every account that is deleted.
func (r *Ratings) Forget(ctx context.Context, user horde.UserID) error {
	defer r.own(user)()
	alias := -2 - horde.UserID(r.deps.Random()>>2) // below Nobody
	for {
		blobs, err := r.deps.Store.ForgetRater(ctx, user, alias, maxForgotten)
		if err != nil {
			return fmt.Errorf("forget who rated: %w", err)
		}
		for _, key := range blobs {
			if err := r.deps.Shelf.Delete(ctx, key); err != nil {
				r.deps.Log.Warn().Err(err).Msg("a withdrawn image stays on the shelf")
			}
		}
		if len(blobs) < maxForgotten {
			return nil
		}
	}
}
