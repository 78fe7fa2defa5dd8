// SPDX-License-Identifier: AGPL-3.0-or-later

package horde_test

import (
	"testing"
	"time"

	"stablemate/horde"
	"stablemate/horde/kudos"
)

func TestAWorkerNamedTwiceIsNamedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.pop("gpu").Worker
	n := apple(w.user("asker", 0))
	n.Workers = []horde.WorkerID{id, id}
	got := do(w, horde.Enqueue{NewImage: n})
	if job := w.pop("gpu"); job.Request != got.ID {
		t.Errorf("popped %v, want the request aimed at this worker", job)
	}
	got = do(w, horde.Enqueue{NewImage: n})
	if st := do(w, horde.Cancel{Request: got.ID}); st.Waiting != 1 {
		t.Errorf("cancelled %+v", st)
	}
}

func TestEveryWorkerNamedMustExist(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := apple(w.user("asker", kudos.Whole(100)))
	for i := range horde.MaxListedWorkers {
		o := offer("gpu " + string(rune('a'+i)))
		owner := w.user("owner", 0)
		n.Workers = append(n.Workers, do(w, horde.Pop{Owner: owner, Offer: o, Amount: 1}).Worker)
	}
	do(w, horde.Enqueue{NewImage: n})
	n.Workers = append(n.Workers, horde.WorkerID{UUID: horde.UUID{1}})
	denied(w, "one too many, of nothing", horde.Enqueue{NewImage: n}, horde.CodeWorkerNotFound)
	text := tale(n.User)
	text.Workers = n.Workers
	denied(w, "likewise for a text", horde.EnqueueText{NewText: text}, horde.CodeWorkerNotFound)
}

func TestAnEmptyModelNameNamesNoModel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := apple(horde.Anonymous)
	n.Models = []string{""}
	got := do(w, horde.Enqueue{NewImage: n})
	if job := w.pop("gpu"); job.Request != got.ID || job.Model != "mini" {
		t.Errorf("popped %v with %q, want any model", job.Request, job.Model)
	}
}

func TestManyRequestsAWorkerWillNotTakeHideNoneItWould(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 100 {
		n := apple(horde.Anonymous)
		n.Image.Prompt = "a pear"
		do(w, horde.Enqueue{NewImage: n})
	}
	w.pass(time.Second)
	want := do(w, horde.Enqueue{NewImage: apple(horde.Anonymous)})
	o := offer("gpu")
	o.Blacklist = []string{"pear"}
	if job := do(w, horde.Pop{Owner: w.owner, Offer: o, Amount: 1}); job.Request != want.ID {
		t.Errorf("popped %v, want the one request without a pear; skipped %v", job.Request, job.Skipped)
	}
}

func TestAPausedWorkerReallyServesOnlyItsOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	moderator := w.user("moderator", 0)
	do(w, horde.SetUser{User: moderator, Grant: horde.RoleModerator})
	paused := true
	do(w, horde.SetWorker{Worker: w.pop("gpu").Worker, By: moderator, Paused: &paused})
	friend := w.user("friend", 0)
	others := do(w, horde.Enqueue{NewImage: apple(friend)})
	named := horde.Pop{Owner: w.owner, Offer: offer("gpu"), Priority: []horde.UserID{friend}, Amount: 1}
	if job := do(w, named); job.Request != others.ID || w.status(others.ID).Waiting != 1 {
		t.Errorf("popped %v, want a decoy of the request of somebody it named", job)
	}
	if job := do(w, named); len(job.Generations) != 0 {
		t.Errorf("popped %v, want no second decoy of the same request", job)
	}
	own := do(w, horde.Enqueue{NewImage: apple(w.owner)})
	if job := do(w, named); job.Request != own.ID {
		t.Errorf("popped %v, want the owner's own request", job.Request)
	}
}

func TestAHoldLastsWhileSomethingIsInFlight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	asker := w.user("asker", kudos.Whole(1000))
	n := apple(asker)
	n.N, n.SlowWorkers = 4, false
	do(w, horde.Enqueue{NewImage: n})
	var jobs []horde.Job
	for range 4 {
		jobs = append(jobs, w.pop("gpu"))
	}
	for _, j := range jobs[:3] { // the third fault ends the request, with one image still being made
		do(w, horde.Submit{Owner: w.owner, Generation: j.Generations[0], Faulted: true})
	}
	before, _ := w.s.User(asker)
	if before.Held == 0 {
		t.Fatal("nothing is held for the image that may still come")
	}
	w.deliver(jobs[3])
	after, _ := w.s.User(asker)
	if after.Held != 0 {
		t.Errorf("%s is still held", after.Held)
	}
	if after.Balance <= before.Balance {
		t.Errorf("the balance went from %s to %s, want the rest of the hold back", before.Balance, after.Balance)
	}
}

func TestAKeyOfAnExpiredRequestMakesANewOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := apple(w.user("asker", 0))
	n.Key = "once"
	first := do(w, horde.Enqueue{NewImage: n})
	w.now = w.now.Add(horde.RequestTTL) // out of time, and not swept yet
	second := do(w, horde.Enqueue{NewImage: n})
	if second.ID == first.ID {
		t.Fatal("the key led to a request that is out of time")
	}
	w.pass(0)
	if again := do(w, horde.Enqueue{NewImage: n}); again.ID != second.ID {
		t.Error("sweeping the old request forgot the key of the new one")
	}
}

func TestTheAnonymousKeyFollowsTheSettings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	was, is := horde.KeyHash{}, horde.KeyHash{7}
	s, err := horde.NewState(horde.Settings{AnonymousAllowed: true, AnonymousKey: is}, w.rows.snapshot())
	if err != nil {
		t.Fatal(err)
	}
	if u, ok := s.UserByKey(is); !ok || u.ID != horde.Anonymous {
		t.Errorf("the new key finds %v, %v", u.ID, ok)
	}
	if _, ok := s.UserByKey(was); ok {
		t.Error("the old key still finds somebody")
	}
}

func TestAFailedImageIsDrawnAgainWithItsSeed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := apple(horde.Anonymous)
	n.N, n.Image.Seed = 3, "40"
	do(w, horde.Enqueue{NewImage: n})
	var jobs []horde.Job
	for want := range uint32(3) {
		jobs = append(jobs, w.pop("gpu"))
		if got := jobs[want].Seed; got != 40+want {
			t.Errorf("image %d has seed %d, want %d", want, got, 40+want)
		}
	}
	do(w, horde.Submit{Owner: w.owner, Generation: jobs[0].Generations[0], Faulted: true})
	if got := w.pop("gpu").Seed; got != 40 {
		t.Errorf("the failed image is drawn with seed %d, want 40 again", got)
	}
}
