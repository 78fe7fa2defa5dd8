// SPDX-License-Identifier: AGPL-3.0-or-later

// Package ratings lets people rate images, one after the other, and thanks them for it. Images come from the requests of
// people who share theirs, and from folders that the operator imports. What is kept of each vote is enough to tell later
// how much it is worth; who gave it is known by the number of an account alone.
//
//	rows.go     what a store keeps
//	quality.go  rewards, pauses and limits: pure rules
//	desk.go     showing, rating, skipping, taking back
//	set.go      people rating what they asked for
//	collect.go  copying shared images, importing others
//	stats.go    counts
package ratings

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
)

// Shelf keeps images by key for as long as they are rated. An image that is not there is an fs.ErrNotExist.
type Shelf interface {
	PutBytes(ctx context.Context, key string, data []byte) error
	Read(ctx context.Context, key string, limit int64) ([]byte, error)
	// Delete removes an image; one that is gone already is no error.
	Delete(ctx context.Context, key string) error
}

// Images reads delivered images. One that is not kept any more is an fs.ErrNotExist.
type Images interface {
	Read(ctx context.Context, key string, limit int64) ([]byte, error)
}

// Deps are what ratings need. All are required.
type Deps struct {
	Engine *engine.Engine
	Store  Store
	Shelf  Shelf
	Images Images
	Random func() uint64
	Now    func() time.Time
	Log    zerolog.Logger
}

// Options tune ratings. Zero values are replaced by the named defaults.
type Options struct {
	Enough      int          // votes that an image needs; default 5
	Reports     int          // persons whose reports take an image out; default 3
	Daily       int          // answers of a person in a day; default 500
	DailyReward kudos.Amount // of a person in a day; default 1,000 kudos
	// Probes is how many images there are to one whose answer is a check: a repeat or one of known quality; default 20,
	// negative for none.
	Probes int
}

func (o *Options) defaults() {
	if o.Enough <= 0 {
		o.Enough = 5
	}
	if o.Reports <= 0 {
		o.Reports = 3
	}
	if o.Daily <= 0 {
		o.Daily = 500
	}
	if o.DailyReward <= 0 {
		o.DailyReward = 1000 * kudos.One
	}
	if o.Probes == 0 {
		o.Probes = 20
	}
}

// locks is over how many locks the persons are spread.
const locks = 64

// Ratings is safe for concurrent use. Run must run for shared images to be collected and old debts to be paid.
type Ratings struct {
	deps Deps
	opts Options
	seed maphash.Seed
	busy [locks]sync.Mutex // one answer of a person after the other
	memo memo
}

// New checks what it is given.
func New(deps Deps, opts Options) (*Ratings, error) {
	switch {
	case deps.Engine == nil, deps.Store == nil, deps.Shelf == nil, deps.Images == nil:
		return nil, errors.New("ratings: engine, store, shelf and images are needed")
	case deps.Random == nil, deps.Now == nil:
		return nil, errors.New("ratings: randomness and a clock are needed")
	}
	opts.defaults()
	return &Ratings{deps: deps, opts: opts, seed: maphash.MakeSeed()}, nil
}

// own holds the lock of a person.
func (r *Ratings) own(user horde.UserID) (unlock func()) {
	m := &r.busy[maphash.Comparable(r.seed, user)%locks]
	m.Lock()
	return m.Unlock
}

// below is a random number from 0 to n-1.
func (r *Ratings) below(n int) int {
	if n <= 1 {
		return 0
	}
	return int(r.deps.Random() % uint64(n))
}

// place is a random place among images.
func (r *Ratings) place() int64 { return int64(r.deps.Random() >> 1) }

// voteKey and setKey name rewards in the ledger.
func voteKey(image horde.UUID, rater horde.UserID, turn int) string {
	return fmt.Sprintf("%s:%d:%d", image, rater, turn)
}

func setKey(request horde.UUID) string { return "set:" + request.String() }

// pay hands out a reward that the store has promised. What fails is paid by Run later.
func (r *Ratings) pay(ctx context.Context, o Owed) error {
	if o.Amount > 0 {
		key := voteKey(o.ID, o.Rater, o.Turn)
		if o.Set {
			key = setKey(o.ID)
		}
		_, err := r.deps.Engine.RewardRating(ctx, horde.RewardRating{User: o.Rater, Amount: o.Amount, Key: key})
		if refusal, ok := errors.AsType[*horde.Error](err); ok && refusal.Code != horde.CodeUserNotFound {
			return fmt.Errorf("reward %s: %w", key, refusal)
		} else if err != nil && !ok {
			return fmt.Errorf("reward %s: %w", key, err)
		}
	}
	return r.deps.Store.RatingPaid(ctx, o)
}

// settle pays at once where it can; the reward is promised either way.
func (r *Ratings) settle(ctx context.Context, o Owed) {
	if o.Amount == 0 {
		return
	}
	if err := r.pay(ctx, o); err != nil {
		r.deps.Log.Warn().Err(err).Msg("a reward for rating waits to be paid")
	}
}
