// SPDX-License-Identifier: AGPL-3.0-or-later

package ratings

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"stablemate/horde"
	"stablemate/horde/kudos"
)

const (
	maxImage   = 8 << 20 // bytes of one that is shown
	findTries  = 5       // images looked at whose bytes are gone
	repeatAge  = 24 * time.Hour
	repeatSpan = 60 * 24 * time.Hour
)

// Answers that are not taken. Nothing has changed after one.
var (
	// ErrOver says that another image is on the desk by now.
	ErrOver = errors.New("another image is shown by now")
	// ErrSoon says that nobody can have looked at the image yet.
	ErrSoon = errors.New("please look at the image first")
	// ErrNothing says that there is no vote to take back.
	ErrNothing = errors.New("there is nothing to take back")
)

// Person is who rates, and where. Adult says that images for adults may be shown there.
type Person struct {
	User   horde.UserID
	Client string // Client-Agent
	Guild  string // Discord ID; may be empty
	Adult  bool
}

// View is what is in front of a person: an image, or why there is none.
type View struct {
	Seq   int64 // to be given back with the answer
	Image Image
	Data  []byte
	Ready time.Time // before, answers are not taken
	Bare  bool      // artifacts are not asked for
	Undo  bool      // there is a vote to take back
	Today int       // answers today
	Daily int       // answers that a day may have
	Votes int64     // ever
	Given kudos.Amount

	Why   Why       // there is no image
	Until time.Time // of a pause
}

// Wish is what somebody wants to rate. Zero values leave things as they are.
type Wish struct {
	Dataset *string
	Bare    *bool
}

// Answer is what somebody says of the image on their desk.
type Answer struct {
	Seq       int64
	Kind      VoteKind
	Rating    int
	Artifacts int // horde.NoArtifacts when they do not say
}

// Outcome is what came of an answer.
type Outcome struct {
	Reward kudos.Amount
	Next   View
}

// check refuses who may not rate.
func (r *Ratings) check(who Person) (horde.User, error) {
	u, ok := r.deps.Engine.User(who.User)
	switch {
	case !ok:
		return u, horde.Refuse(horde.CodeUserNotFound, "there is no such account")
	case u.ID == horde.Anonymous:
		return u, horde.Refuse(horde.CodeAnonForbidden, "rating images needs an account")
	case u.Has(horde.RoleDeleted):
		return u, horde.Refuse(horde.CodeDeletedUser, "this account is marked as deleted")
	case u.Has(horde.RoleFlagged), u.Suspicious():
		return u, horde.Refuse(horde.CodeMayNotRate, "this account cannot rate images at the moment")
	}
	return u, nil
}

// Show puts an image in front of a person, or tells again about the one that is there.
func (r *Ratings) Show(ctx context.Context, who Person, wish Wish) (View, error) {
	if _, err := r.check(who); err != nil {
		return View{}, err
	}
	defer r.own(who.User)()
	rater, err := r.deps.Store.Rater(ctx, who.User)
	if err != nil {
		return View{}, err
	}
	d := &rater.Desk
	if wish.Dataset != nil && *wish.Dataset != d.Dataset {
		d.Dataset, d.Image = *wish.Dataset, horde.UUID{}
	}
	changed := wish.Bare != nil && *wish.Bare != d.Bare
	if changed {
		d.Bare = *wish.Bare
	}
	now := r.deps.Now()
	if !d.Image.IsZero() && now.Sub(d.Shown) < viewMost {
		img, found, err := r.deps.Store.RatingImage(ctx, d.Image)
		if err != nil {
			return View{}, err
		}
		if found && (who.Adult || !img.NSFW) {
			if data, err := r.deps.Shelf.Read(ctx, img.Blob, maxImage); err == nil {
				if changed {
					if rater, err = r.save(ctx, rater); err != nil {
						return View{}, err
					}
				}
				return r.view(rater, img, data), nil
			}
		}
	}
	return r.next(ctx, who, rater)
}

// Rate takes an answer and puts the next image in front of the person. ErrOver and ErrSoon say why it was not taken.
func (r *Ratings) Rate(ctx context.Context, who Person, a Answer) (Outcome, error) {
	u, err := r.check(who)
	if err != nil {
		return Outcome{}, err
	}
	defer r.own(who.User)()
	rater, err := r.deps.Store.Rater(ctx, who.User)
	if err != nil {
		return Outcome{}, err
	}
	d, now := &rater.Desk, r.deps.Now()
	switch {
	case rater.Seq != a.Seq, d.Image.IsZero():
		return Outcome{}, ErrOver
	case a.Kind != Rated:
		a.Rating, a.Artifacts = 0, horde.NoArtifacts
	case a.Rating < horde.MinRating || a.Rating > horde.MaxRating || a.Artifacts < horde.NoArtifacts || a.Artifacts > horde.MaxArtifacts:
		return Outcome{}, horde.Refuse(horde.CodeInvalidAestheticAttempt, "a rating is %d to %d, artifacts are 0 to %d",
			horde.MinRating, horde.MaxRating, horde.MaxArtifacts)
	case now.Before(d.Ready):
		return Outcome{}, ErrSoon
	}
	img, found, err := r.deps.Store.RatingImage(ctx, d.Image)
	if err != nil {
		return Outcome{}, err
	}
	d.today(now)
	if stop := r.stopped(d, now); !found || stop != WhyNot {
		next, err := r.next(ctx, who, rater)
		return Outcome{Next: next}, err
	}
	v := Vote{
		Image: d.Image, Rater: who.User, Turn: d.Turn, Kind: a.Kind, Rating: a.Rating, Artifacts: a.Artifacts,
		Client: who.Client, Guild: who.Guild, Shown: d.Shown, At: now, Probe: d.Probe,
	}
	v.facts(&u, now)
	redo := d.Redo
	if a.Kind == Rated {
		if !redo {
			v.Reward = d.worth(a.Artifacts != horde.NoArtifacts, r.opts.DailyReward)
		}
		v.Agreed = d.Probe != NoProbe && d.agrees(a.Rating)
		d.judge(a.Rating, a.Artifacts, now.Sub(d.Shown), now)
		d.keepsUp(now)
		if v.Turn == 0 {
			rater.Votes++
			if a.Artifacts != horde.NoArtifacts {
				d.Artifacts++
			}
		}
	}
	d.Today++
	d.Given += v.Reward
	rater.Reward += v.Reward
	d.Last, d.LastTurn, d.LastAt = d.Image, d.Turn, now
	d.clear()
	err = r.deps.Store.SaveVote(ctx, rater, v, img.Dataset, r.opts.Enough, r.reports(&u))
	switch {
	case errors.Is(err, ErrStale), errors.Is(err, ErrVoted):
		return Outcome{}, ErrOver
	case err != nil:
		return Outcome{}, fmt.Errorf("keep a vote: %w", err)
	}
	rater.Seq++
	r.settle(ctx, Owed{ID: v.Image, Rater: v.Rater, Turn: v.Turn, Amount: v.Reward})
	next, err := r.next(ctx, who, rater)
	return Outcome{Reward: v.Reward, Next: next}, err
}

// reports is how many reports take an image out, this person's included: a moderator's alone is enough.
func (r *Ratings) reports(u *horde.User) int {
	if u.Has(horde.RoleModerator) {
		return 1
	}
	return r.opts.Reports
}

// Undo takes the last vote back and shows its image again. ErrNothing says that there is none.
func (r *Ratings) Undo(ctx context.Context, who Person, seq int64) (View, error) {
	if _, err := r.check(who); err != nil {
		return View{}, err
	}
	defer r.own(who.User)()
	rater, err := r.deps.Store.Rater(ctx, who.User)
	if err != nil {
		return View{}, err
	}
	d, now := &rater.Desk, r.deps.Now()
	switch {
	case rater.Seq != seq:
		return View{}, ErrOver
	case d.Last.IsZero() || now.Sub(d.LastAt) > undoTime:
		return View{}, ErrNothing
	}
	v, found, err := r.deps.Store.Vote(ctx, d.Last, who.User, d.LastTurn)
	if err != nil {
		return View{}, err
	}
	img, there, err := r.deps.Store.RatingImage(ctx, d.Last)
	if err != nil {
		return View{}, err
	}
	if !found || !there || v.Kind == Undone || v.Own || img.NSFW && !who.Adult { // the desk may be elsewhere by now
		return View{}, ErrNothing
	}
	data, err := r.deps.Shelf.Read(ctx, img.Blob, maxImage)
	if err != nil {
		return View{}, ErrNothing
	}
	if v.Kind == Rated && v.Turn == 0 {
		rater.Votes--
		if v.Artifacts != horde.NoArtifacts {
			d.Artifacts--
		}
	}
	d.clear()
	d.Image, d.Turn, d.Redo, d.Shown, d.Ready = v.Image, v.Turn, v.Reward > 0, v.Shown, now
	d.Last, d.LastTurn = horde.UUID{}, 0
	d.Same = max(0, d.Same-1)
	d.Today = max(0, d.Today-1)
	if err := r.deps.Store.UndoVote(ctx, rater, v, img.Dataset); err != nil {
		if errors.Is(err, ErrStale) {
			return View{}, ErrOver
		}
		return View{}, fmt.Errorf("take a vote back: %w", err)
	}
	rater.Seq++
	return r.view(rater, img, data), nil
}

// clear empties the desk.
func (d *Desk) clear() {
	d.Image, d.Turn, d.Probe, d.Low, d.High, d.Redo = horde.UUID{}, 0, NoProbe, 0, 0, false
	d.Shown, d.Ready = time.Time{}, time.Time{}
}

// stopped says why a person gets no image now.
func (r *Ratings) stopped(d *Desk, now time.Time) Why {
	switch {
	case now.Before(d.Until):
		return d.Why
	case d.Today >= r.opts.Daily:
		return Enough
	}
	return WhyNot
}

// save writes a person and counts their change.
func (r *Ratings) save(ctx context.Context, rater Rater) (Rater, error) {
	if err := r.deps.Store.SaveRater(ctx, rater); err != nil {
		if errors.Is(err, ErrStale) {
			return rater, ErrOver
		}
		return rater, fmt.Errorf("keep a desk: %w", err)
	}
	rater.Seq++
	return rater, nil
}

// next chooses an image and puts it on the desk.
func (r *Ratings) next(ctx context.Context, who Person, rater Rater) (View, error) {
	d, now := &rater.Desk, r.deps.Now()
	d.today(now)
	d.clear()
	if why := r.stopped(d, now); why != WhyNot {
		v := r.view(rater, Image{}, nil)
		v.Why, v.Until = why, d.Until
		if why == Enough {
			v.Until = now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
		}
		return v, nil
	}
	for range findTries {
		img, found, err := r.choose(ctx, who, d)
		if err != nil {
			return View{}, fmt.Errorf("choose an image: %w", err)
		}
		if !found {
			break
		}
		data, err := r.deps.Shelf.Read(ctx, img.Blob, maxImage)
		if errors.Is(err, fs.ErrNotExist) {
			if err := r.deps.Store.WithdrawRatingImage(ctx, img.ID); err != nil {
				return View{}, err
			}
			continue
		}
		if err != nil {
			return View{}, fmt.Errorf("read an image to rate: %w", err)
		}
		d.Image, d.Shown = img.ID, now
		d.Ready = now.Add(viewLeast + time.Duration(r.below(int(viewMore/time.Millisecond)))*time.Millisecond)
		if rater, err = r.save(ctx, rater); err != nil {
			return View{}, err
		}
		return r.view(rater, img, data), nil
	}
	v := r.view(rater, Image{}, nil)
	v.Why = Empty
	return v, nil
}

func (r *Ratings) view(rater Rater, img Image, data []byte) View {
	d := &rater.Desk
	return View{
		Seq: rater.Seq, Image: img, Data: data, Ready: d.Ready, Bare: d.Bare,
		Undo:  !d.Last.IsZero() && r.deps.Now().Sub(d.LastAt) <= undoTime,
		Today: d.Today, Daily: r.opts.Daily, Votes: rater.Votes, Given: d.Given,
	}
}

// choose finds the next image: now and then a probe, otherwise one with the fewest votes, at a random place among them so
// that people who rate at the same time do not all get the same one. The cost is bounded: two bounded looks for each
// number of votes.
func (r *Ratings) choose(ctx context.Context, who Person, d *Desk) (Image, bool, error) {
	if r.opts.Probes > 0 && r.below(r.opts.Probes) == 0 {
		img, found, err := r.probe(ctx, who, d)
		if err != nil || found {
			return img, found, err
		}
	}
	q := Query{Rater: who.User, Dataset: d.Dataset, Adult: who.Adult}
	for ; q.Votes < r.opts.Enough; q.Votes++ {
		for _, q.From = range []int64{r.place(), 0} {
			img, found, err := r.deps.Store.NextRatingImage(ctx, q)
			if err != nil || found {
				return img, found, err
			}
		}
	}
	return Image{}, false, nil
}

// probe finds an image whose answer tells something about the person, and notes which answer is right.
func (r *Ratings) probe(ctx context.Context, who Person, d *Desk) (Image, bool, error) {
	if r.below(2) == 0 {
		img, found, err := r.repeat(ctx, who, d)
		if err != nil || found {
			return img, found, err
		}
	}
	q := Query{Rater: who.User, Dataset: d.Dataset, Adult: who.Adult, Known: true, From: r.place()}
	img, found, err := r.deps.Store.NextRatingImage(ctx, q)
	if err == nil && !found {
		q.From = 0
		img, found, err = r.deps.Store.NextRatingImage(ctx, q)
	}
	if found {
		d.Probe, d.Low, d.High = Known, img.Low, img.High
	}
	return img, found, err
}

// repeat finds an image that the person has rated some time ago.
func (r *Ratings) repeat(ctx context.Context, who Person, d *Desk) (Image, bool, error) {
	now := r.deps.Now()
	span := time.Duration(r.below(int(repeatSpan/time.Minute))) * time.Minute
	var v Vote
	found, err := false, error(nil)
	for _, from := range []time.Time{now.Add(-repeatAge - span), {}} {
		if v, found, err = r.deps.Store.EarlierVote(ctx, who.User, from, now.Add(-repeatAge)); err != nil || found {
			break
		}
	}
	if err != nil || !found {
		return Image{}, false, err
	}
	img, found, err := r.deps.Store.RatingImage(ctx, v.Image)
	if err != nil || !found || img.NSFW && !who.Adult {
		return Image{}, false, err
	}
	d.Probe, d.Turn = Repeat, v.Turn+1
	d.Low, d.High = v.Rating-repeatOff, v.Rating+repeatOff
	return img, true, nil
}
