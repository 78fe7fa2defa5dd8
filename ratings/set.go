// SPDX-License-Identifier: AGPL-3.0-or-later

package ratings

import (
	"context"
	"errors"
	"fmt"

	"stablemate/horde"
	"stablemate/horde/kudos"
)

// OwnSet are somebody's ratings of the images of their own request, each with or without artifacts, and the best one.
type OwnSet struct {
	Request horde.RequestID
	Ratings []horde.Rating
	Best    horde.GenerationID // zero: not named
	Client  string             // Client-Agent of whoever sends them
	Guild   string             // Discord ID; may be empty
}

// RateOwn files the ratings of a set, once for each request, and thanks its requester. It refuses with the codes of the
// API; horde.CodeAestheticsAlreadyExist for a set that was rated before.
func (r *Ratings) RateOwn(ctx context.Context, own OwnSet) (kudos.Amount, error) {
	set, err := r.deps.Engine.RatedSet(own.Request)
	if err != nil {
		return 0, err
	}
	verdict, err := horde.JudgeSet(&set, own.Ratings, own.Best)
	if err != nil {
		return 0, err
	}
	u, ok := r.deps.Engine.User(set.User)
	if !ok || u.ID == horde.Anonymous || u.Has(horde.RoleFlagged) || u.Suspicious() {
		verdict.Reward = 0 // nobody in particular, or nobody to be thanked
	}
	now := r.deps.Now()
	filed := Set{
		Request: own.Request.UUID, Rater: set.User, Best: verdict.Best.UUID, Images: len(set.Images), Client: own.Client, At: now,
		Reward: verdict.Reward,
	}
	var votes []Vote
	vote := func(id horde.GenerationID) *Vote {
		votes = append(votes, Vote{
			Image: id.UUID, Rater: set.User, Artifacts: horde.NoArtifacts, Own: true, Best: id == verdict.Best,
			Client: own.Client, Guild: own.Guild, At: now, Paid: true, // the set is paid as a whole
		})
		v := &votes[len(votes)-1]
		v.facts(&u, now)
		return v
	}
	for _, rating := range own.Ratings {
		v := vote(rating.Generation)
		v.Rating, v.Artifacts = rating.Rating, rating.Artifacts
	}
	for i := range set.Images {
		if err := r.offer(ctx, &set, &set.Images[i]); err != nil {
			return 0, fmt.Errorf("keep the images of a rated set: %w", err)
		}
	}
	err = r.deps.Store.SaveSet(ctx, filed, votes)
	switch {
	case errors.Is(err, ErrVoted):
		return 0, horde.Refuse(horde.CodeAestheticsAlreadyExist, "these images were rated already")
	case err != nil:
		return 0, fmt.Errorf("keep a rated set: %w", err)
	}
	r.settle(ctx, Owed{Set: true, ID: filed.Request, Rater: filed.Rater, Amount: filed.Reward})
	return filed.Reward, nil
}
