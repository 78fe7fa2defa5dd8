// SPDX-License-Identifier: AGPL-3.0-or-later

package horde_test

import (
	"encoding/json"
	"strconv"
	"testing"

	"stablemate/horde"
	"stablemate/horde/kudos"
)

func TestSpecialModelsAreServedByTheirOwnersAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	maker := w.special(w.user("maker", kudos.Whole(1000)), horde.RoleSpecial)
	number := strconv.FormatInt(int64(maker), 10)
	model := "horde_special::lamp::maker#" + number
	serve := func(owner horde.UserID, name string, models ...string) horde.Pop {
		o := offer(name)
		o.Models = models
		return horde.Pop{Owner: owner, Offer: o, Amount: 1}
	}
	n := apple(maker)
	n.Models, n.Image.Special = []string{model}, json.RawMessage(`{"a":1}`)
	asked := do(w, horde.Enqueue{NewImage: n})
	denied(w, "a stranger's worker", serve(w.owner, "thief", model, "mini"), horde.CodeBadRequest)
	denied(w, "a special account's worker with somebody else's model",
		serve(maker, "odd", "horde_special::lamp::owner#1"), horde.CodeBadRequest)
	denied(w, "a model of nobody", serve(maker, "odd", "horde_special::lamp"), horde.CodeBadRequest)

	anything := apple(w.user("asker", kudos.Whole(1000)))
	anything.Models = nil
	open := do(w, horde.Enqueue{NewImage: anything})
	if job := do(w, serve(maker, "own", model)); job.Request != asked.ID || job.Model != model {
		t.Errorf("popped %+v, want the owner's special request", job)
	}
	if job := do(w, serve(maker, "own", model)); len(job.Generations) != 0 {
		t.Errorf("popped %+v, want nothing: a special model is none of any models", job)
	}
	if job := do(w, serve(w.owner, "plain", "mini")); job.Request != open.ID {
		t.Errorf("popped %+v, want the request that any model will do for", job)
	}
	w.special(maker, 0)
	do(w, horde.SetUser{User: maker, Revoke: horde.RoleSpecial})
	denied(w, "without the role", serve(maker, "own", model), horde.CodeBadRequest)
}

func TestAWorkerAsksItsFriendsForNothingUpFront(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	poor := w.user("poor", 0)
	asked := do(w, horde.Enqueue{NewImage: apple(poor)})
	o := offer("gpu")
	o.NeedsUpfront = true
	pop := horde.Pop{Owner: w.owner, Offer: o, Amount: 1}
	if job := do(w, pop); len(job.Generations) != 0 || job.Skipped["kudos"] != 1 {
		t.Errorf("popped %+v, want it to pass somebody over who cannot pay", job)
	}
	pop.Priority = []horde.UserID{poor}
	if job := do(w, pop); job.Request != asked.ID {
		t.Errorf("popped %+v, want the request of somebody it named", job)
	}
}

func TestStepsAreLimitedByTheModelAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, horde.Settings{Models: []horde.Model{
		{Name: "quick", Family: horde.SD1, MinSteps: 4, MaxSteps: 8}, {Name: "slow", Family: horde.SD1, MinSteps: 60, MaxSteps: 100},
	}})
	n := apple(w.user("asker", kudos.Whole(1000)))
	n.Models, n.Image.Steps = []string{"quick"}, 8 // more than the mean of its least and most
	asked := do(w, horde.Enqueue{NewImage: n})
	o := offer("gpu")
	o.Models, o.LimitSteps = []string{"quick", "slow"}, true
	pop := horde.Pop{Owner: w.owner, Offer: o, Amount: 1}
	if job := do(w, pop); len(job.Generations) != 0 || job.Skipped["step_count"] != 1 {
		t.Errorf("popped %+v, want it to pass over what takes too many steps for its model", job)
	}
	pop.Offer.LimitSteps = false
	if job := do(w, pop); job.Request != asked.ID {
		t.Errorf("popped %+v", job)
	}
}

func TestNobodyIsToldDuringARaidThatNoScribeCanTakeAText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	asker := w.user("asker", kudos.Whole(1000))
	if got := do(w, horde.EnqueueText{NewText: tale(asker)}); len(got.Warnings) != 1 {
		t.Errorf("warned of %v, want that no worker is there", got.Warnings)
	}
	do(w, horde.SetModes{Modes: horde.Modes{Raid: true}})
	if got := do(w, horde.EnqueueText{NewText: tale(asker)}); len(got.Warnings) != 0 {
		t.Errorf("warned of %v during a raid", got.Warnings)
	}
}

func TestADecoyBringsWhatTheRealJobWould(t *testing.T) {
	t.Parallel()
	w := learned(t)
	moderator := w.special(w.user("moderator", 0), horde.RoleModerator)
	asker := w.user("asker", kudos.Whole(1000))
	n := apple(asker)
	n.Models = []string{xl} // twice the price
	o := offer("gpu")
	o.Models, o.MaxPixels = []string{xl}, 1<<20
	pop := horde.Pop{Owner: w.owner, Offer: o, Amount: 1}
	do(w, horde.Enqueue{NewImage: n})
	brought := w.deliver(do(w, pop)).Reward
	do(w, horde.EnqueueText{NewText: tale(asker)})
	told := w.write(w.popText("pen"), "There once was a lamp.").Reward

	for _, name := range []string{"gpu", "pen"} {
		id, _ := w.s.WorkerByName(name)
		do(w, horde.SetWorker{Worker: id.ID, By: moderator, Paused: new(true)})
	}
	do(w, horde.Enqueue{NewImage: n})
	if got := w.deliver(do(w, pop)); got.Reward != brought || !got.Discard {
		t.Errorf("a decoy of an image brings %+v, want %s and to be thrown away", got, brought)
	}
	do(w, horde.EnqueueText{NewText: tale(asker)})
	if got := w.write(w.popText("pen"), "There once was a lamp."); got.Reward != told || !got.Discard {
		t.Errorf("a decoy of a text brings %+v, want %s and to be thrown away", got, told)
	}
}

func TestModelsCountWhatWorkersHaveAndKeepPausesToThemselves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	moderator := w.special(w.user("moderator", 0), horde.RoleModerator)
	n := apple(w.user("asker", kudos.Whole(1000)))
	n.N = 2
	do(w, horde.Enqueue{NewImage: n})
	worker := w.pop("gpu").Worker
	do(w, horde.SetWorker{Worker: worker, By: moderator, Paused: new(true)})
	got := w.s.Models(horde.Dreamer, w.now)
	if len(got) != 1 || got[0].Name != "mini" || got[0].Jobs != 1 || got[0].Working != 1 || got[0].Threads != 1 {
		t.Errorf("models are %+v, want one image waiting, one in flight, and the paused worker's thread", got)
	}
	do(w, horde.SetWorker{Worker: worker, By: w.owner, Maintenance: new(true)})
	if got = w.s.Models(horde.Dreamer, w.now); len(got) != 1 || got[0].Threads != 0 {
		t.Errorf("models are %+v, want no thread of a worker in maintenance", got)
	}
}

func TestStrangersAreNotPaidForWhatTheyCallTheirModels(t *testing.T) {
	t.Parallel()
	// deliver lets the owner's workers serve somebody who takes any model or names theirs, and returns what each text and
	// image brought.
	deliver := func(w *world, text, image string, named bool) (told, drawn kudos.Amount) {
		asker := w.user("asker", kudos.Whole(1_000_000))
		ask, draw := tale(asker), apple(asker)
		ask.Models, draw.Models = nil, nil
		if named {
			ask.Models, draw.Models = []string{text}, []string{image}
		}
		do(w, horde.EnqueueText{NewText: ask})
		pen := scribe("pen")
		pen.Models = []string{text}
		told = w.write(do(w, horde.Pop{Owner: w.owner, Type: horde.Scribe, Offer: pen, Amount: 1}), "Once there was a lamp.").Reward
		do(w, horde.Enqueue{NewImage: draw})
		gpu := offer("gpu")
		gpu.Models = []string{image}
		return told, w.deliver(do(w, horde.Pop{Owner: w.owner, Offer: gpu, Amount: 1})).Reward
	}
	honestText, honestImage := deliver(newWorld(t), "tale-13B", "mini", false)
	for what, c := range map[string]struct {
		roles horde.Role
		named bool
		dear  bool
	}{
		"a stranger, who takes any model":    {0, false, false},
		"a stranger, who named it":           {0, true, true},
		"a customizer, who takes any model":  {horde.RoleCustomizer, false, true},
		"somebody trusted, whatever is said": {horde.RoleTrusted, false, true},
	} {
		w := newWorld(t)
		w.special(w.owner, c.roles)
		told, drawn := deliver(w, "tale-70B", "mini [Qwen]", c.named)
		if (told > honestText) != c.dear || (drawn > honestImage) != c.dear {
			t.Errorf("%s: a text brings %s and an image %s, an honest one %s and %s", what, told, drawn, honestText, honestImage)
		}
	}
	huge, _ := deliver(newWorld(t), "tale-2000B", "mini", true)
	large, _ := deliver(newWorld(t), "tale-70B", "mini", true)
	if huge != large {
		t.Errorf("a model of 2000 billion parameters brings a stranger %s, want the %s of 70", huge, large)
	}
}
