// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"fmt"
	"strconv"
	"strings"
)

// Reason says why an account or a worker is under suspicion. The numbers are stored and never change their meaning.
type Reason uint8

// Reasons for suspicion.
const (
	ReasonWorkerNameLong    Reason = 0
	ReasonWorkerNameExtreme Reason = 1
	ReasonWorkerProfanity   Reason = 2
	ReasonUnsafeIP          Reason = 3
	ReasonExtremePixels     Reason = 4
	ReasonTooFast           Reason = 5 // counts each time
	ReasonUserNameLong      Reason = 6
	ReasonUserNameProfane   Reason = 7
	ReasonCorruptPrompt     Reason = 8
	ReasonManyAborted       Reason = 9 // counts each time
)

// Reasons is a set of them, a bit for each.
type Reasons uint32

// Has reports whether a reason was ever given.
func (r Reasons) Has(x Reason) bool { return r&(1<<x) != 0 }

// String lists what was given, in a few words each.
func (r Reasons) String() string {
	words := []string{
		"a long name", "an extremely long name", "a profane name", "an unsafe address", "more pixels than there can be", "faster than any machine",
		"a long name of its owner", "a profane name of its owner", "refused prompts of its owner", "too many dropped jobs",
	}
	var out []string
	for i, word := range words {
		if r.Has(Reason(i)) {
			out = append(out, word)
		}
	}
	return strings.Join(out, ", ")
}

// Thresholds of suspicion.
const (
	// MaxSuspicion is from how many reasons on an account or a worker is suspicious.
	MaxSuspicion = 5
	// ExtremePixels is more than any request may ask for.
	ExtremePixels = MaxSide * MaxSide
	// TooFast is more pixelsteps per second than any machine makes.
	TooFast = 20_000_000
	// ExtremeWorkerName is how many characters of a worker's name cost a second suspicion.
	ExtremeWorkerName = 200
)

// note counts a reason; most count once however often they are given. It reports whether the count grew.
func (r *Reasons) note(count *int, x Reason) bool {
	if r.Has(x) && x != ReasonTooFast && x != ReasonManyAborted {
		return false
	}
	*r |= 1 << x
	*count++
	return true
}

// suspect holds a reason against an account and, when it is about one, against its worker. The anonymous account and
// trusted ones are above suspicion. A worker that becomes suspicious is paused at once.
func (s *State) suspect(c *Change, u *User, w *Worker, reason Reason) {
	if u.ID == Anonymous || u.Has(RoleTrusted) {
		return
	}
	if u.Reasons.note(&u.Suspicion, reason) {
		c.saveUser(u)
	}
	if w == nil || !w.Reasons.note(&w.Suspicion, reason) {
		return
	}
	if w.Suspicion >= MaxSuspicion && !w.Paused {
		w.Paused = true
		c.emit(Event{Kind: WorkerChanged, Worker: w.ID, User: w.Owner})
		s.notify(c, Notice{Topic: NoticeWorkerPaused, User: u.ID, Worker: w.ID, Text: fmt.Sprintf(
			"The worker %s (%s) of %s became suspicious and is paused: %s.", strconv.Quote(w.Offer.Name), w.ID, u.Alias(), w.Reasons)})
	}
	c.saveWorker(w)
}

// suspectOffer looks at what a worker says about itself, as it was sent.
func (s *State) suspectOffer(c *Change, owner *User, w *Worker, nameRunes int) {
	if nameRunes > MaxWorkerNameRunes {
		s.suspect(c, owner, w, ReasonWorkerNameLong)
	}
	if nameRunes > ExtremeWorkerName {
		s.suspect(c, owner, w, ReasonWorkerNameExtreme)
	}
	if w.Offer.MaxPixels > ExtremePixels {
		s.suspect(c, owner, w, ReasonExtremePixels)
	}
	if s.profane(w.Offer.Name) {
		s.suspect(c, owner, w, ReasonWorkerProfanity)
	}
}

// clearSuspicion forgets what is held against an account and all its workers. Workers that were paused stay so until a
// moderator or trust sets them going again.
func (s *State) clearSuspicion(c *Change, u *User) {
	u.Reasons, u.Suspicion = 0, 0
	c.saveUser(u)
	for _, id := range s.WorkersOf(u.ID) {
		if w := s.workers[id]; w.Suspicion > 0 {
			w.Reasons, w.Suspicion = 0, 0
			c.saveWorker(w)
		}
	}
}

func (s *State) profane(text string) bool {
	return s.settings.Profane != nil && s.settings.Profane(text)
}
