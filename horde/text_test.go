// SPDX-License-Identifier: AGPL-3.0-or-later

package horde_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stablemate/horde"
	"stablemate/horde/kudos"
)

const kobold = "KoboldCppEmbedWorker:2:https://github.com/LostRuins/koboldcpp"

func tale(user horde.UserID) horde.NewText {
	return horde.NewText{
		User: user, N: 1, SlowWorkers: true, Models: []string{"koboldcpp/tale-7B"},
		Text: horde.Text{Prompt: strings.Repeat("once ", 400), MaxLength: 80, MaxContext: 2048},
	}
}

func scribe(name string) horde.Offer {
	return horde.Offer{Name: name, Models: []string{"koboldcpp/tale-7B"}, BridgeAgent: kobold, NSFW: true, Threads: 1, MaxLength: 512, MaxContext: 4096}
}

func (w *world) popText(name string) horde.Job {
	w.t.Helper()
	return do(w, horde.Pop{Owner: w.owner, Type: horde.Scribe, Offer: scribe(name), Amount: 1})
}

func (w *world) write(j horde.Job, text string) horde.Receipt {
	w.t.Helper()
	return do(w, horde.Submit{Owner: w.owner, Type: horde.Scribe, Generation: j.Generations[0], Text: text})
}

func code(t *testing.T, err error) horde.Code {
	t.Helper()
	var refusal *horde.Error
	if !errors.As(err, &refusal) {
		t.Fatalf("got %v, want a refusal", err)
	}
	return refusal.Code
}

func TestATextIsWrittenAndPaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	asker := w.user("asker", kudos.Whole(100))
	got := do(w, horde.EnqueueText{NewText: tale(asker)})
	if got.Possible || len(got.Warnings) != 1 || got.Kudos != 562 {
		t.Errorf("enqueued %+v, want a warning and 5.62 kudos", got)
	}
	job := w.popText("pen")
	if job.Request != got.ID || job.TTL != horde.TextJobTTL || job.Text == nil || job.Text.MaxLength != 80 || job.Model != "koboldcpp/tale-7B" || job.Seed != 0 {
		t.Fatalf("popped %+v", job)
	}
	w.now = w.now.Add(4 * time.Second)
	if r := w.write(job, strings.Repeat("text", 80)); r.Reward != 562 {
		t.Errorf("the scribe earns %s, want 5.62", r.Reward)
	}
	st := w.status(got.ID)
	want := []horde.Delivered{{
		ID: job.Generations[0], Worker: job.Worker, WorkerName: "pen", Model: job.Model, Text: strings.Repeat("text", 80),
	}}
	if diff := cmp.Diff(want, st.Generations); diff != "" || !st.Done || st.Kind != horde.Scribe {
		t.Errorf("status %+v\n%s", st, diff)
	}
	// The activation and the text with its surcharge are paid; the owner's half is in escrow.
	if paid := kudos.Whole(100) + horde.FloorRegistered - w.balance(asker); paid != 100+662 {
		t.Errorf("the asker paid %s, want 7.62", paid)
	}
	owner, _ := w.s.User(w.owner)
	if owner.Evaluated != 281 || owner.Text.Fulfilments != 1 || owner.Text.ContributionThings != 80 || owner.Image.Fulfilments != 0 {
		t.Errorf("the owner has %+v, want half of 5.62 in escrow", owner)
	}
	if u, _ := w.s.User(asker); u.Text.Requests != 1 || u.Text.UsageThings != 80 {
		t.Errorf("the asker's records are %+v", u.Text)
	}
	me, _ := w.s.WorkerByName("pen")
	if diff := cmp.Diff([]float64{20}, me.Performance); diff != "" {
		t.Errorf("tokens per second: %s", diff)
	}
	p := w.s.Performance(w.now)
	if p.Scribes != 1 || p.TextThreads != 1 || p.PastMinuteTokens != 80 || p.QueuedTexts != 0 || p.Workers != 0 || p.QueuedRequests != 0 {
		t.Errorf("performance %+v", p)
	}
	if m := w.s.Models(horde.Scribe, w.now); len(m) != 1 || m[0].Speed != 20 || len(w.s.Models(horde.Dreamer, w.now)) != 0 {
		t.Errorf("models %+v", m)
	}
	if _, err := try(w, horde.Submit{Owner: w.owner, Type: horde.Scribe, Generation: job.Generations[0], Text: "again"}); code(t, err) != horde.CodeDuplicateGen {
		t.Errorf("a second submit gives %v", err)
	}
	w.pass(horde.RequestTTL)
	if _, ok := w.s.Status(got.ID, w.now, nil); ok {
		t.Error("the request is still there after its time")
	}
}

func TestKindsNeverMeet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	asker := w.user("asker", 0)
	image, words := apple(asker), tale(asker)
	image.Models, words.Models = nil, nil
	for range 2 {
		do(w, horde.Enqueue{NewImage: image})
		do(w, horde.EnqueueText{NewText: words})
	}
	places := horde.Places(w.s.Waiting(), map[horde.WorkerType]horde.Fleet{})
	seen := map[int]int{}
	for _, p := range places {
		seen[p.Position]++
	}
	if diff := cmp.Diff(map[int]int{1: 2, 2: 2}, seen); diff != "" {
		t.Errorf("places are counted for each kind alone: %s", diff)
	}
	for range 2 {
		if job := w.popText("pen"); job.Text == nil {
			t.Errorf("a scribe got %+v", job)
		}
		if job := w.pop("brush"); job.Text != nil || len(job.Generations) != 1 {
			t.Errorf("a dreamer got %+v", job)
		}
	}
	job := w.popText("pen")
	if len(job.Generations) != 0 || len(job.Skipped) != 0 {
		t.Errorf("a scribe got %+v of an empty queue", job)
	}
	// One name is one worker.
	if _, err := try(w, horde.Pop{Owner: w.owner, Offer: offer("pen")}); code(t, err) != horde.CodePolymorphicName {
		t.Errorf("a scribe's name as a dreamer gives %v", err)
	}
	if _, err := try(w, horde.Pop{Owner: w.owner, Type: horde.Scribe, Offer: scribe("brush")}); code(t, err) != horde.CodePolymorphicName {
		t.Errorf("a dreamer's name as a scribe gives %v", err)
	}
	// The owner's own requests of the other kind stay away, too, and so does what is aimed at a worker.
	words.User, words.Workers = w.owner, []horde.WorkerID{job.Worker}
	do(w, horde.EnqueueText{NewText: words})
	if job := w.pop("brush"); len(job.Generations) != 0 {
		t.Errorf("a dreamer got its owner's text: %+v", job)
	}
	if job := w.popText("pen"); len(job.Generations) != 1 {
		t.Errorf("a scribe did not get its owner's text: %+v", job)
	}
}

func TestAScribeGetsWhatItCanTake(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		change func(*horde.NewText, *horde.Offer)
		skip   string // the counter that tells why it gets nothing; empty when it gets it
	}{
		"what it offers":                   {func(*horde.NewText, *horde.Offer) {}, ""},
		"another model":                    {func(n *horde.NewText, _ *horde.Offer) { n.Models = []string{"other"} }, "models"},
		"any model":                        {func(n *horde.NewText, _ *horde.Offer) { n.Models = nil }, ""},
		"too long a text":                  {func(_ *horde.NewText, o *horde.Offer) { o.MaxLength = 79 }, "max_length"},
		"too long a prompt":                {func(_ *horde.NewText, o *horde.Offer) { o.MaxContext = 2047 }, "max_context_length"},
		"a word it will not read":          {func(_ *horde.NewText, o *horde.Offer) { o.Blacklist = []string{"Once"} }, "blacklist"},
		"validated software":               {func(n *horde.NewText, _ *horde.Offer) { n.Text.Validated = true }, ""},
		"software that is not":             {func(n *horde.NewText, o *horde.Offer) { n.Text.Validated = true; o.BridgeAgent = "other:1:x" }, "bridge_version"},
		"a trusted owner, which it is not": {func(n *horde.NewText, _ *horde.Offer) { n.TrustedWorkers = true }, "untrusted"},
		"a worker that is not slow":        {func(n *horde.NewText, _ *horde.Offer) { n.SlowWorkers = false }, "performance"},
		"extra slow is no matter":          {func(_ *horde.NewText, o *horde.Offer) { o.ExtraSlow = true }, ""},
		"other workers":                    {func(n *horde.NewText, _ *horde.Offer) { n.Workers = []horde.WorkerID{{}} }, "worker_id"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			n, o := tale(w.user("asker", kudos.Whole(1000))), scribe("pen")
			c.change(&n, &o)
			if len(n.Workers) > 0 {
				n.Workers[0] = w.popText("another").Worker
			}
			do(w, horde.EnqueueText{NewText: n})
			job := do(w, horde.Pop{Owner: w.owner, Type: horde.Scribe, Offer: o, Amount: 1})
			switch {
			case c.skip == "" && len(job.Generations) != 1:
				t.Errorf("popped nothing, skipped %v", job.Skipped)
			case c.skip != "" && len(job.Generations) != 0:
				t.Errorf("popped %+v", job)
			case c.skip != "":
				if diff := cmp.Diff(map[string]int{c.skip: 1}, job.Skipped); diff != "" {
					t.Errorf("skipped: %s", diff)
				}
			}
		})
	}
}

func TestSlowScribesAreMeasuredByTheSizeOfTheModel(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		models []string
		least  float64
	}{
		"no model": {nil, 3}, "20B": {[]string{"m-20B"}, 3}, "13B": {[]string{"m-13B"}, 4}, "7B": {[]string{"m-7B"}, 5}, "unknown": {[]string{"mystery"}, 5},
	} {
		w := newWorld(t)
		asker := w.user("asker", kudos.Whole(100000))
		o := scribe("pen")
		o.Models = []string{"m-20B", "m-13B", "m-7B", "mystery"}
		n := tale(asker)
		n.Models = o.Models[:1]
		n.Text.MaxLength = 100
		do(w, horde.EnqueueText{NewText: n})
		job := do(w, horde.Pop{Owner: w.owner, Type: horde.Scribe, Offer: o, Amount: 1})
		w.now = w.now.Add(time.Duration(100 / c.least * float64(time.Second)))
		w.write(job, strings.Repeat("text", 100)) // now its speed is exactly the least

		n.SlowWorkers, n.Models = false, c.models
		do(w, horde.EnqueueText{NewText: n})
		if job := do(w, horde.Pop{Owner: w.owner, Type: horde.Scribe, Offer: o, Amount: 1}); len(job.Generations) != 1 {
			t.Errorf("%s: a scribe of %v tokens per second got nothing: %v", what, c.least, job.Skipped)
		}
	}
}

func TestTextRequestsAreChecked(t *testing.T) {
	t.Parallel()
	many := func(n int) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = strings.Repeat("x", i%14+1) + string(rune('a'+i/14))
		}
		return out
	}
	for what, c := range map[string]struct {
		change func(*horde.NewText)
		want   horde.Code
	}{
		"no prompt":                  {func(n *horde.NewText) { n.Text.Prompt = "" }, horde.CodeMissingPrompt},
		"a prompt with NUL":          {func(n *horde.NewText) { n.Text.Prompt = "a\x00" }, horde.CodeNulByte},
		"a broken prompt":            {func(n *horde.NewText) { n.Text.Prompt = "\xff" }, horde.CodeBadRequest},
		"an endless prompt":          {func(n *horde.NewText) { n.Text.Prompt = strings.Repeat("a", horde.MaxTextPromptBytes+1) }, horde.CodeInvalidPromptSize},
		"more text than context":     {func(n *horde.NewText) { n.Text.MaxLength, n.Text.MaxContext = 200, 199 }, horde.CodeTokenOverflow},
		"too short a text":           {func(n *horde.NewText) { n.Text.MaxLength = 15 }, horde.CodeBadRequest},
		"too large a context":        {func(n *horde.NewText) { n.Text.MaxContext = 1<<20 + 1 }, horde.CodeBadRequest},
		"half a sampler order":       {func(n *horde.NewText) { n.Text.Settings.SamplerOrder = []int{0, 1, 2, 3, 4, 5, 5} }, horde.CodeSamplerOrder},
		"too many stop sequences":    {func(n *horde.NewText) { n.Text.Settings.StopSequence = many(129) }, horde.CodeTooManyStops},
		"too long stop sequences":    {func(n *horde.NewText) { n.Text.Settings.StopSequence = []string{strings.Repeat("x", 2001)} }, horde.CodeStopTooLong},
		"a worker that is not there": {func(n *horde.NewText) { n.Workers = []horde.WorkerID{{}} }, horde.CodeWorkerNotFound},
		"batching without trust":     {func(n *horde.NewText) { n.DisableBatching, n.N = true, 2 }, horde.CodeRequiresTrust},
		"more than may wait":         {func(n *horde.NewText) { n.N = 20 }, horde.CodeTooManyPrompts},
		"too many":                   {func(n *horde.NewText) { n.N = 21; n.User = 0 }, horde.CodeBadRequest},
		"nobody":                     {func(n *horde.NewText) { n.User = 99 }, horde.CodeInvalidAPIKey},
		"kudos up front: length":     {func(n *horde.NewText) { n.Text.MaxLength = 513 }, horde.CodeKudosUpfront},
		"kudos up front: speed":      {func(n *horde.NewText) { n.SlowWorkers = false }, horde.CodeKudosUpfront},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			n := tale(w.user("asker", 0))
			fill := n
			fill.N = 15
			do(w, horde.EnqueueText{NewText: fill})
			c.change(&n)
			if _, err := try(w, horde.EnqueueText{NewText: n}); code(t, err) != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestTextsWaitingDoNotKeepImagesAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := tale(w.user("asker", 0))
	n.N = 20
	do(w, horde.EnqueueText{NewText: n})
	image := apple(n.User)
	image.N = 20
	do(w, horde.Enqueue{NewImage: image})
	if _, err := try(w, horde.EnqueueText{NewText: n}); code(t, err) != horde.CodeTooManyPrompts {
		t.Errorf("twice 20 texts give %v", err)
	}
}

func TestOneAccountsPromptsHaveABound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := tale(horde.Anonymous)
	n.Text.Prompt = strings.Repeat("a", horde.MaxTextPromptBytes)
	var last horde.Enqueued
	for range horde.MaxLivePromptBytes / horde.MaxTextPromptBytes {
		last = do(w, horde.EnqueueText{NewText: n})
	}
	if _, err := try(w, horde.EnqueueText{NewText: n}); code(t, err) != horde.CodeTooManyPrompts {
		t.Errorf("one more gives %v", err)
	}
	do(w, horde.Cancel{Request: last.ID})
	w.pass(horde.RequestTTL)
	do(w, horde.EnqueueText{NewText: n})
}

func TestKudosAreSetAsideForLongTexts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := tale(w.user("asker", kudos.Whole(400)))
	n.Text.MaxLength, n.N = 600, 2 // 600 × 7 / 21 = 200 each
	n.AllowDowngrade = true
	poor := n
	if _, err := try(w, horde.EnqueueText{NewText: tale(99)}); err == nil {
		t.Fatal("nobody may ask")
	}
	poor.User = w.user("poor", 0)
	got := do(w, horde.EnqueueText{NewText: poor})
	if job := w.popText("pen"); job.Request != got.ID || job.Text.MaxLength != 512 {
		t.Errorf("popped %+v, want the shortened text", job)
	}
	n.AllowDowngrade = false
	if _, err := try(w, horde.EnqueueText{NewText: n}); code(t, err) != horde.CodeKudosUpfront {
		t.Fatalf("400 kudos for 400 and the activation: %v", err)
	}
	do(w, horde.SetUser{User: n.User, Award: kudos.Whole(1), AwardKey: "one"})
	n.DryRun = true
	if dry := do(w, horde.EnqueueText{NewText: n}); dry.Kudos <= kudos.Whole(2) || w.balance(n.User) != kudos.Whole(426) {
		t.Errorf("a dry run answers %s", dry.Kudos)
	}
	n.DryRun = false
	rich := do(w, horde.EnqueueText{NewText: n})
	if u, _ := w.s.User(n.User); u.Held != kudos.Whole(400) || u.Balance != kudos.Whole(25) {
		t.Fatalf("the asker has %s and %s aside", u.Balance, u.Held)
	}
	o := scribe("long pen")
	o.MaxLength = 600
	job := do(w, horde.Pop{Owner: w.owner, Type: horde.Scribe, Offer: o, Amount: 2})
	if job.Request != rich.ID || len(job.Generations) != 2 {
		t.Fatalf("popped %+v, want both texts", job)
	}
	for _, id := range job.Generations {
		do(w, horde.Submit{Owner: w.owner, Type: horde.Scribe, Generation: id, Text: "short"})
	}
	if u, _ := w.s.User(n.User); u.Held != 0 || u.Balance < kudos.Whole(415) {
		t.Errorf("the asker has %s and %s aside, want the rest back", u.Balance, u.Held)
	}
}

func TestWithheldTextsAreMarked(t *testing.T) {
	t.Parallel()
	csam := []horde.Meta{{Type: horde.MetaCensorship, Value: horde.MetaCSAM}}
	for what, c := range map[string]struct {
		submit   horde.Submit
		censored bool
		meta     []horde.Meta
	}{
		"censored":                {horde.Submit{Censored: true}, true, nil},
		"csam":                    {horde.Submit{CSAM: true}, true, csam},
		"csam and its mark":       {horde.Submit{CSAM: true, Meta: csam}, true, csam},
		"the mark alone":          {horde.Submit{Meta: csam}, true, csam},
		"an empty text":           {horde.Submit{}, false, nil},
		"a text with a NUL in it": {horde.Submit{Text: "a\x00b"}, false, nil},
	} {
		w := newWorld(t)
		asker := w.user("asker", kudos.Whole(100))
		got := do(w, horde.EnqueueText{NewText: tale(asker)})
		job, before := w.popText("pen"), w.balance(asker)
		c.submit.Owner, c.submit.Type, c.submit.Generation = w.owner, horde.Scribe, job.Generations[0]
		r := do(w, c.submit)
		if paid := before - w.balance(asker); c.censored && paid != kudos.One || r.Reward == 0 {
			t.Errorf("%s: the asker paid %s and the scribe earned %s", what, paid, r.Reward)
		}
		g := w.status(got.ID).Generations[0]
		if diff := cmp.Diff(c.meta, g.Meta); diff != "" || g.Censored != c.censored || strings.ContainsRune(g.Text, 0) {
			t.Errorf("%s: %+v\n%s", what, g, diff)
		}
	}
}

func TestTextsThatFailComeBackThreeTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := do(w, horde.EnqueueText{NewText: tale(w.user("asker", 0))})
	job := w.popText("pen")
	do(w, horde.Submit{Owner: w.owner, Type: horde.Scribe, Generation: job.Generations[0], Faulted: true})
	w.popText("pen")
	w.pass(horde.TextJobTTL)
	if st := w.status(got.ID); st.Restarted != 2 || st.Waiting != 1 {
		t.Errorf("after a fault and a silence: %+v", st)
	}
	job = w.popText("pen")
	// The image door knows no texts, and the other way round.
	if _, err := try(w, horde.Submit{Owner: w.owner, Generation: job.Generations[0], Blob: "x"}); code(t, err) != horde.CodeInvalidJobID {
		t.Errorf("a text delivered as an image gives %v", err)
	}
	if _, err := try(w, horde.Submit{Owner: w.owner, Type: horde.Scribe, Generation: job.Generations[0], Text: strings.Repeat("x", horde.MaxTextBytes+1)}); code(t, err) != horde.CodeBadRequest {
		t.Errorf("an endless text gives %v", err)
	}
	w.pass(horde.TextJobTTL)
	if st := w.status(got.ID); !st.Faulted || !st.Done {
		t.Errorf("after the third failure: %+v", st)
	}
	if _, err := try(w, horde.Submit{Owner: w.owner, Type: horde.Scribe, Generation: job.Generations[0], Text: "late"}); code(t, err) != horde.CodeAbortedGen {
		t.Errorf("a late text gives %v", err)
	}
}

func TestACancelledTextIsDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := tale(w.user("asker", 0))
	n.N = 3
	got := do(w, horde.EnqueueText{NewText: n})
	job := w.popText("pen")
	do(w, horde.Cancel{Request: got.ID})
	if st := w.status(got.ID); st.Done || st.Processing != 1 || st.Waiting != 0 {
		t.Errorf("with one in flight: %+v", st)
	}
	if r := w.write(job, "the end"); r.Reward == 0 {
		t.Error("what was in flight is not paid")
	}
	if st := w.status(got.ID); !st.Done || st.Finished != 1 {
		t.Errorf("afterwards: %+v", st)
	}
}

func TestModelsNamedAfterAPersonAreTheirs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := scribe("pen")
	o.Models = []string{"koboldcpp/mine::owner#1"}
	do(w, horde.Pop{Owner: w.owner, Type: horde.Scribe, Offer: o})
	o.Models = []string{"koboldcpp/mine::other#2"}
	_, err := try(w, horde.Pop{Owner: w.owner, Type: horde.Scribe, Offer: o})
	if code(t, err) != horde.CodeBadRequest || !strings.Contains(err.Error(), "we cannot accept workers serving") {
		t.Errorf("somebody else's model gives %v", err)
	}
}

func TestAHordeWithTextsComesBackFromItsRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := tale(w.user("asker", kudos.Whole(700)))
	n.N, n.Text.MaxLength = 3, 600
	o := scribe("pen")
	o.MaxLength = 600
	got := do(w, horde.EnqueueText{NewText: n})
	for _, text := range []string{"one", "two"} {
		job := do(w, horde.Pop{Owner: w.owner, Type: horde.Scribe, Offer: o, Amount: 1})
		if text == "one" {
			w.write(job, text)
		}
	}
	again, err := horde.NewState(horde.Settings{AnonymousAllowed: true}, w.rows.snapshot())
	if err != nil {
		t.Fatal(err)
	}
	st, ok := again.Status(got.ID, w.now, nil)
	if diff := cmp.Diff(w.status(got.ID), st); diff != "" || !ok || len(st.Generations) != 1 {
		t.Errorf("the request came back differently: %s", diff)
	}
	if diff := cmp.Diff(w.s.Performance(w.now).QueuedTokens, again.Performance(w.now).QueuedTokens); diff != "" {
		t.Error(diff)
	}
}
