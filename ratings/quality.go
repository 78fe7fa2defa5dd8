// SPDX-License-Identifier: AGPL-3.0-or-later

package ratings

import (
	"math/bits"
	"time"

	"stablemate/horde"
	"stablemate/horde/kudos"
)

// Bounds that keep ratings honest.
const (
	viewLeast = time.Second      // nobody has looked at an image before, and
	viewMore  = time.Second      // up to so much longer
	undoTime  = 10 * time.Minute // in which the last vote may be taken back
	viewMost  = 6 * time.Hour    // an image on the desk is replaced by another one then

	sameMost  = 12 // equal answers in a row
	hasty     = 2500 * time.Millisecond
	hastyMost = 25 // answers that came faster, in a row

	checksLeast  = 12 // of the last probes, before they tell anything
	checksWindow = 16
	checksWrong  = 9 // of them
	repeatOff    = 2 // difference of two answers to one image that still agree

	pauseFirst  = 10 * time.Minute
	pauseFactor = 6
	pauseMost   = 24 * time.Hour
)

// Why says why no image is shown. The names are stored.
type Why string

// Reasons.
const (
	WhyNot   Why = ""
	Streak   Why = "streak"   // the same answer again and again
	Pace     Why = "pace"     // answers faster than anybody can look
	Disagree Why = "disagree" // answers to probes are mostly wrong
	Enough   Why = "enough"   // for today
	Empty    Why = "empty"    // there is nothing left for this person
)

// today begins a new day where one has begun.
func (d *Desk) today(now time.Time) {
	if day := now.UTC().Format(time.DateOnly); d.Day != day {
		d.Day, d.Today, d.Given, d.Pauses = day, 0, 0, d.Pauses/2
	}
}

// keepsUp counts the days in a row on which somebody rated.
func (d *Desk) keepsUp(now time.Time) {
	switch day := now.UTC(); d.RatedOn {
	case day.Format(time.DateOnly):
		return
	case day.AddDate(0, 0, -1).Format(time.DateOnly):
		d.Streak++
	default:
		d.Streak = 1
	}
	d.RatedOn = now.UTC().Format(time.DateOnly)
}

// streak is how many days in a row, up to today or yesterday, somebody has rated.
func (d *Desk) streak(now time.Time) int {
	if day := now.UTC(); d.RatedOn == day.Format(time.DateOnly) || d.RatedOn == day.AddDate(0, 0, -1).Format(time.DateOnly) {
		return d.Streak
	}
	return 0
}

// worth is the reward of an answer: what the rules say, half of it for somebody whose answers to probes are mostly wrong,
// within what a day may bring.
func (d *Desk) worth(artifacts bool, dayMost kudos.Amount) kudos.Amount {
	sum := kudos.RewardRating
	if artifacts {
		sum += kudos.RewardArtifacts
	}
	if d.Known >= checksLeast && bits.OnesCount32(d.Recent)*2 < d.Known {
		sum /= 2
	}
	return max(0, min(sum, dayMost-d.Given))
}

// agrees reports whether a rating is the right answer to the probe on the desk.
func (d *Desk) agrees(rating int) bool { return rating >= d.Low && rating <= d.High }

// judge takes notice of an answer and begins a pause where it must.
func (d *Desk) judge(rating, artifacts int, took time.Duration, now time.Time) {
	value := rating*10 + artifacts
	if value != d.Value {
		d.Value, d.Same = value, 0
	}
	d.Same++
	if took >= hasty {
		d.Fast = 0
	} else {
		d.Fast++
	}
	if d.Probe != NoProbe {
		d.Checks++
		d.Recent <<= 1
		if d.agrees(rating) {
			d.Agreed++
			d.Recent |= 1
		}
		d.Known = min(d.Known+1, checksWindow)
		d.Recent &= 1<<checksWindow - 1
	}
	switch {
	case d.Same >= sameMost:
		d.pause(Streak, now)
		d.Same = 0
	case d.Fast >= hastyMost:
		d.pause(Pace, now)
		d.Fast = 0
	case d.Known >= checksLeast && d.Known-bits.OnesCount32(d.Recent) >= checksWrong:
		d.pause(Disagree, now)
		d.Known, d.Recent = 0, 0
	}
}

// pause lets nobody rate for a while, longer each time.
func (d *Desk) pause(why Why, now time.Time) {
	span := pauseFirst
	for range d.Pauses {
		span = min(span*pauseFactor, pauseMost)
	}
	d.Why, d.Until = why, now.Add(span)
	d.Pauses++
}

// facts are what is kept of a person with each vote.
func (v *Vote) facts(u *horde.User, now time.Time) {
	v.Requested, v.Fulfilled, v.Age, v.Roles = u.Image.Requests, u.Image.Fulfilments, max(0, now.Sub(u.Created)), u.Roles
}
