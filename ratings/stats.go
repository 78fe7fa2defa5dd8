// SPDX-License-Identifier: AGPL-3.0-or-later

package ratings

import (
	"context"
	"sync"
	"time"

	"stablemate/horde"
	"stablemate/horde/kudos"
)

// Bounds of what is counted.
const (
	maxTallies = 20
	maxLeaders = 25
	memoTime   = time.Minute // counts of all images are that old at most
)

// memo keeps what is dear to count.
type memo struct {
	mu       sync.Mutex // guards what follows; held while counting, so that one caller does
	at       time.Time
	datasets []Dataset
	byVotes  map[int]int64
}

// Mine is what a person may know about their own ratings.
type Mine struct {
	Votes, Artifacts int64
	Reward           kudos.Amount // promised so far
	Today            int
	Given            kudos.Amount // promised today
	Daily            int
	Checks, Agreed   int64 // probes answered, and right
	Streak           int   // days in a row with a rating, up to today or yesterday
	Hidden           bool
	Why              Why // of a pause until Until
	Until            time.Time
}

// Mine reads a person's own figures.
func (r *Ratings) Mine(ctx context.Context, user horde.UserID) (Mine, error) {
	rater, err := r.deps.Store.Rater(ctx, user)
	if err != nil {
		return Mine{}, err
	}
	d, now := &rater.Desk, r.deps.Now()
	d.today(now)
	m := Mine{
		Votes: rater.Votes, Artifacts: d.Artifacts, Reward: rater.Reward, Today: d.Today, Given: d.Given, Daily: r.opts.Daily,
		Checks: d.Checks, Agreed: d.Agreed, Streak: d.streak(now), Hidden: rater.Hidden,
	}
	if now.Before(d.Until) {
		m.Why, m.Until = d.Why, d.Until
	}
	return m, nil
}

// Hide takes a person off the leaderboard, or puts them back.
func (r *Ratings) Hide(ctx context.Context, user horde.UserID, hidden bool) error {
	defer r.own(user)()
	rater, err := r.deps.Store.Rater(ctx, user)
	if err != nil || rater.Hidden == hidden {
		return err
	}
	rater.Hidden = hidden
	_, err = r.save(ctx, rater)
	return err
}

// Totals are the figures of all ratings.
type Totals struct {
	Tally
	Images  int64
	ByVotes map[int]int64 // images with that many votes
	Clients []Tally       // the largest, by the names of programs
}

// Totals counts all ratings. Counts of images may be a minute old.
func (r *Ratings) Totals(ctx context.Context) (Totals, error) {
	var t Totals
	var err error
	if t.Tally, err = r.deps.Store.RatingTally(ctx, ByAll, ""); err != nil {
		return t, err
	}
	if t.Clients, err = r.deps.Store.RatingTallies(ctx, ByClient, maxTallies); err != nil {
		return t, err
	}
	_, byVotes, err := r.counted(ctx)
	if err != nil {
		return t, err
	}
	t.ByVotes = byVotes
	for _, n := range byVotes {
		t.Images += n
	}
	return t, nil
}

// Guild counts the ratings that came from a guild.
func (r *Ratings) Guild(ctx context.Context, guild string) (Tally, error) {
	return r.deps.Store.RatingTally(ctx, ByGuild, guild)
}

// Datasets lists what there is to rate, with the votes of each. It may be a minute old.
func (r *Ratings) Datasets(ctx context.Context) ([]Dataset, map[string]Tally, error) {
	sets, _, err := r.counted(ctx)
	if err != nil {
		return nil, nil, err
	}
	tallies, err := r.deps.Store.RatingTallies(ctx, ByDataset, maxTallies)
	if err != nil {
		return nil, nil, err
	}
	by := make(map[string]Tally, len(tallies))
	for _, t := range tallies {
		by[t.Name] = t
	}
	return sets, by, nil
}

// Leaders lists who rated most and does not hide it.
func (r *Ratings) Leaders(ctx context.Context) ([]Rater, error) {
	return r.deps.Store.RatingLeaders(ctx, maxLeaders)
}

// counted counts images once in memoTime. Nobody changes what it returns.
func (r *Ratings) counted(ctx context.Context) ([]Dataset, map[int]int64, error) {
	r.memo.mu.Lock()
	defer r.memo.mu.Unlock()
	now := r.deps.Now()
	if r.memo.byVotes != nil && now.Sub(r.memo.at) < memoTime && !now.Before(r.memo.at) {
		return r.memo.datasets, r.memo.byVotes, nil
	}
	sets, err := r.deps.Store.RatingDatasets(ctx)
	if err != nil {
		return nil, nil, err
	}
	byVotes, err := r.deps.Store.ImagesByVotes(ctx)
	if err != nil {
		return nil, nil, err
	}
	r.memo.at, r.memo.datasets, r.memo.byVotes = now, sets, byVotes
	return sets, byVotes, nil
}
