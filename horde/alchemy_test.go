// SPDX-License-Identifier: AGPL-3.0-or-later

package horde_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/horde/origin"
)

func lookAt(user horde.UserID, image string, forms ...string) horde.NewAlchemy {
	n := horde.NewAlchemy{User: user, Source: image, Linked: true, Identity: image, SlowWorkers: true, Client: "tests", Tiles: 2}
	for _, f := range forms {
		n.Forms = append(n.Forms, horde.NewForm{Name: f})
	}
	return n
}

func alchemist(name string, forms ...string) horde.Offer {
	if len(forms) == 0 {
		forms = horde.AllForms()
	}
	return horde.Offer{Name: name, Forms: forms, BridgeAgent: "AI Horde Worker:24:x", Threads: 1, MaxTiles: 80}
}

func (w *world) popForms(name string, n int) horde.FormJob {
	w.t.Helper()
	return do(w, horde.PopForms{Pop: horde.Pop{Owner: w.owner, Offer: alchemist(name), Amount: n}})
}

func (w *world) fill(f horde.OpenForm, result string) horde.Receipt {
	w.t.Helper()
	return do(w, horde.SubmitForm{Owner: w.owner, Form: f.ID, Result: json.RawMessage(result)})
}

func (w *world) alchemy(id horde.RequestID) horde.AlchemyStatus {
	w.t.Helper()
	st, ok := w.s.Alchemy(id, w.now)
	if !ok {
		w.t.Fatalf("no alchemy %s", id)
	}
	return st
}

func TestFormsAreFilledInAndPaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	asker := w.user("asker", kudos.Whole(100))
	n := lookAt(asker, "https://x/a.webp", "caption", "interrogation", "GFPGAN", "caption")
	got := do(w, horde.EnqueueForms{NewAlchemy: n})
	if got.Waiting != 3 || w.s.Performance(w.now).QueuedForms != 3 {
		t.Fatalf("enqueued %+v, want three different forms", got)
	}
	job := w.popForms("still", 10)
	if len(job.Forms) != 3 || job.Forms[0].Source != "https://x/a.webp" || !job.Forms[0].Linked || len(job.Skipped) != 0 {
		t.Fatalf("popped %+v", job)
	}
	w.now = w.now.Add(2 * time.Second)
	want := map[string]kudos.Amount{"caption": kudos.One, "interrogation": kudos.Whole(3), "GFPGAN": kudos.Whole(6)}
	before := w.balance(asker)
	for _, f := range job.Forms {
		if r := w.fill(f, `{"`+f.Name+`": "R2"}`); r.Reward != want[f.Name] {
			t.Errorf("%s earns %s, want %s", f.Name, r.Reward, want[f.Name])
		}
	}
	if paid := before - w.balance(asker); paid != kudos.Whole(10+3) {
		t.Errorf("the asker paid %s, want 10 and 1 for each form", paid)
	}
	owner, _ := w.s.User(w.owner)
	if owner.Evaluated != kudos.Whole(5) || owner.Alchemy.Fulfilments != 3 {
		t.Errorf("the owner has %s in escrow and filled in %d", owner.Evaluated, owner.Alchemy.Fulfilments)
	}
	if st := w.alchemy(got.ID); st.State != horde.FormDone || string(st.Forms[0].Result) != `{"caption": "R2"}` {
		t.Errorf("status %+v", st)
	}
	me, _ := w.s.WorkerByName("still")
	if me.Type != horde.Alchemist || me.Speed() != 2 || me.Fulfilled != 3 {
		t.Errorf("the alchemist is %+v, want 2 seconds per form", me)
	}
	if _, err := try(w, horde.SubmitForm{Owner: w.owner, Form: job.Forms[0].ID, Result: json.RawMessage(`{}`)}); code(t, err) != horde.CodeDuplicateGen {
		t.Errorf("a second submit gives %v", err)
	}
	if p := w.s.Performance(w.now); p.QueuedForms != 0 || p.Alchemists != 1 || p.Workers != 0 {
		t.Errorf("performance %+v", p)
	}
	w.pass(horde.RequestTTL)
	if _, ok := w.s.Alchemy(got.ID, w.now); ok {
		t.Error("the request is still there after its time")
	}
}

func TestAnImageSeenBeforeIsFree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := lookAt(w.user("asker", kudos.Whole(100)), "https://x/a.webp", "caption", "GFPGAN")
	do(w, horde.EnqueueForms{NewAlchemy: n})
	for _, f := range w.popForms("still", 2).Forms {
		op := horde.SubmitForm{Owner: w.owner, Form: f.ID, Result: json.RawMessage(`{"` + f.Name + `": "R2"}`)}
		if horde.PostForm(f.Name) {
			op.Blob = f.Name + ".webp"
		}
		do(w, op)
	}
	before := w.balance(n.User)
	n.Forms = append(n.Forms, horde.NewForm{Name: "nsfw"})
	got := do(w, horde.EnqueueForms{NewAlchemy: n})
	if got.Remembered != 2 || got.Waiting != 1 {
		t.Errorf("enqueued %+v, want two remembered", got)
	}
	st := w.alchemy(got.ID)
	if st.Forms[1].Blob != "GFPGAN.webp" || st.State != horde.FormWaiting || w.balance(n.User) != before {
		t.Errorf("status %+v", st)
	}
	for what, change := range map[string]func(*horde.NewAlchemy){
		"another image":         func(n *horde.NewAlchemy) { n.Identity = "https://x/b.webp" },
		"nothing to know it by": func(n *horde.NewAlchemy) { n.Identity = "" },
		"another way of looking": func(n *horde.NewAlchemy) {
			n.Forms = []horde.NewForm{{Name: "caption", Payload: map[string]string{"a": "b"}}}
		},
	} {
		other := n
		change(&other)
		if got := do(w, horde.EnqueueForms{NewAlchemy: other}); got.Remembered != 0 {
			t.Errorf("%s: %+v", what, got)
		}
	}
	w.pass(horde.ResultImageLife)
	if got := do(w, horde.EnqueueForms{NewAlchemy: n}); got.Remembered != 1 {
		t.Errorf("when images are deleted: %+v, want the caption alone", got)
	}
	w.pass(horde.ResultLife)
	if got := do(w, horde.EnqueueForms{NewAlchemy: n}); got.Remembered != 0 {
		t.Errorf("after days: %+v", got)
	}
}

func TestAnAlchemistGetsWhatItCanTake(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		change  func(*horde.NewAlchemy, *horde.Offer)
		gets    bool
		skipped map[string]int
	}{
		"what it offers":         {func(*horde.NewAlchemy, *horde.Offer) {}, true, nil},
		"another form":           {func(_ *horde.NewAlchemy, o *horde.Offer) { o.Forms = []string{"caption"} }, false, nil},
		"too many tiles":         {func(_ *horde.NewAlchemy, o *horde.Offer) { o.MaxTiles = 1 }, false, nil},
		"tiles of no importance": {func(n *horde.NewAlchemy, o *horde.Offer) { o.MaxTiles = 1; n.Forms[0].Name = "caption" }, true, nil},
		"a trusted owner":        {func(n *horde.NewAlchemy, _ *horde.Offer) { n.TrustedWorkers = true }, false, map[string]int{"untrusted": 1}},
		"a fast one, and it is":  {func(n *horde.NewAlchemy, _ *horde.Offer) { n.SlowWorkers = false }, true, nil},
		"an unknown size":        {func(n *horde.NewAlchemy, o *horde.Offer) { n.Tiles = 0; o.MaxTiles = 3 }, false, nil},
	} {
		w := newWorld(t)
		n, o := lookAt(w.user("asker", 0), "https://x/a.webp", "GFPGAN"), alchemist("still")
		c.change(&n, &o)
		do(w, horde.EnqueueForms{NewAlchemy: n})
		job := do(w, horde.PopForms{Pop: horde.Pop{Owner: w.owner, Offer: o, Amount: 1}})
		if got := len(job.Forms) == 1; got != c.gets {
			t.Errorf("%s: popped %+v", what, job)
		}
		if len(job.Skipped)+len(c.skipped) > 0 && !cmp.Equal(c.skipped, job.Skipped) {
			t.Errorf("%s: skipped %v, want %v", what, job.Skipped, c.skipped)
		}
	}
}

func TestSlowAlchemistsGetNoFormsOfThoseInAHurry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := lookAt(w.user("asker", kudos.Whole(100)), "https://x/a.webp", "caption")
	do(w, horde.EnqueueForms{NewAlchemy: n})
	job := w.popForms("still", 1)
	w.now = w.now.Add(10 * time.Second)
	w.fill(job.Forms[0], `{}`)
	n.SlowWorkers, n.Identity = false, "b"
	got := do(w, horde.EnqueueForms{NewAlchemy: n})
	if job := w.popForms("still", 1); len(job.Forms) != 0 {
		t.Errorf("an alchemist of 10 seconds per form got %+v", job)
	}
	job = w.popForms("another", 1)
	before := w.balance(n.User)
	w.fill(job.Forms[0], `{}`)
	if paid := before - w.balance(n.User); paid != kudos.Whole(3) || w.alchemy(got.ID).State != horde.FormDone {
		t.Errorf("refusing slow alchemists costs %s, want 1, a surcharge of 1 and 1 more", paid)
	}
}

func TestFormsThatFailComeBackFourTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := do(w, horde.EnqueueForms{NewAlchemy: lookAt(w.user("asker", 0), "https://x/a.webp", "caption")})
	for i := range horde.FaultsPerForm {
		job := w.popForms("still", 1)
		if len(job.Forms) != 1 {
			t.Fatalf("after %d failures: %+v", i, job)
		}
		if i%2 == 0 {
			do(w, horde.SubmitForm{Owner: w.owner, Form: job.Forms[0].ID, Faulted: true})
		} else {
			w.pass(horde.FormTTL)
		}
		if _, err := try(w, horde.SubmitForm{Owner: w.owner, Form: job.Forms[0].ID, Result: json.RawMessage(`{}`)}); code(t, err) != horde.CodeDuplicateGen {
			t.Errorf("a late result gives %v", err)
		}
	}
	if st := w.alchemy(got.ID); st.State != horde.FormFaulted || w.s.Performance(w.now).QueuedForms != 0 {
		t.Errorf("after the fourth failure: %+v", st)
	}
	if me, _ := w.s.WorkerByName("still"); me.Uncompleted != horde.FaultsPerForm {
		t.Errorf("the alchemist dropped %d", me.Uncompleted)
	}
}

func TestCancelledFormsArePaidWhenAWorkerHasThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := lookAt(w.user("asker", kudos.Whole(100)), "https://x/a.webp", "caption", "nsfw")
	got := do(w, horde.EnqueueForms{NewAlchemy: n})
	job := w.popForms("still", 1)
	st := do(w, horde.CancelForms{Request: got.ID})
	if st.State != horde.AlchemyPartial || st.Forms[0].State != horde.FormCancelled || st.Forms[1].State != horde.FormCancelled {
		t.Errorf("cancelled %+v", st)
	}
	if again := w.popForms("another", 5); len(again.Forms) != 0 {
		t.Errorf("popped %+v of a cancelled request", again)
	}
	before := w.balance(n.User)
	if r := w.fill(job.Forms[0], `{"caption": "x"}`); r.Reward != kudos.One || before-w.balance(n.User) != kudos.Whole(2) {
		t.Errorf("what was in flight earned %s", r.Reward)
	}
	if st := w.alchemy(got.ID); st.Forms[0].State != horde.FormCancelled || st.Forms[0].Result != nil || w.s.Performance(w.now).QueuedForms != 0 {
		t.Errorf("afterwards %+v", st)
	}
	if _, err := try(w, horde.CancelForms{Request: horde.RequestID{}}); code(t, err) != horde.CodeRequestNotFound {
		t.Errorf("cancelling nothing gives %v", err)
	}
}

func TestFloodsAreRefusedEarly(t *testing.T) {
	t.Parallel()
	from := func(i int) origin.Origin {
		return origin.FromAddr(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
	}
	flood := func(w *world, change func(i int, n *horde.NewAlchemy)) int {
		for i := range 100_000 {
			n := lookAt(horde.Anonymous, fmt.Sprint("https://x/", i), "caption", "nsfw")
			change(i, &n)
			if _, err := try(w, horde.EnqueueForms{NewAlchemy: n}); err != nil {
				if code(w.t, err) != horde.CodeTooManyPrompts {
					w.t.Fatal(err)
				}
				return w.s.Performance(w.now).QueuedForms
			}
		}
		return -1
	}
	t.Run("an account", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		asker := w.user("asker", 0)
		got := flood(w, func(i int, n *horde.NewAlchemy) { n.User, n.Origin, n.Client = asker, from(i), fmt.Sprint(i) })
		if got != 10*horde.DefaultConcurrency {
			t.Errorf("%d forms are open, want ten times the concurrency", got)
		}
	})
	t.Run("an address", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		if got := flood(w, func(i int, n *horde.NewAlchemy) { n.Origin, n.Client = from(1), fmt.Sprint(i) }); got != horde.MaxFormsPerOrigin {
			t.Errorf("%d forms are open, want %d", got, horde.MaxFormsPerOrigin)
		}
		// It is room for the next when some are done, and other addresses were never in its way.
		other := lookAt(horde.Anonymous, "https://y", "caption")
		other.Origin = from(2)
		do(w, horde.EnqueueForms{NewAlchemy: other})
		if first := w.popForms("still", 1).Forms[0]; first.Source == "https://y" {
			t.Log("the newcomer is served first")
		}
	})
	t.Run("a program", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		if got := flood(w, func(i int, n *horde.NewAlchemy) { n.Origin = from(i) }); got != horde.MaxFormsPerClient {
			t.Errorf("%d forms are open, want %d", got, horde.MaxFormsPerClient)
		}
	})
	t.Run("who is known may send for many", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		u := do(w, horde.CreateUser{External: "d_s", Name: "service", Key: horde.KeyHash{9}, Roles: horde.RoleService})
		if got := flood(w, func(_ int, n *horde.NewAlchemy) { n.User, n.Origin = u.ID, from(1) }); got != 10*horde.DefaultConcurrency {
			t.Errorf("%d forms are open, want ten times the concurrency", got)
		}
	})
}

func TestWhoSendsFewIsNotBehindWhoSendsMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := func(last byte) origin.Origin { return origin.FromAddr(netip.AddrFrom4([4]byte{10, 0, 0, last})) }
	for i := range 50 {
		n := lookAt(horde.Anonymous, fmt.Sprint("https://many/", i), "caption")
		n.Origin = at(1)
		do(w, horde.EnqueueForms{NewAlchemy: n})
	}
	w.now = w.now.Add(time.Second)
	n := lookAt(horde.Anonymous, "https://few", "caption")
	n.Origin = at(2)
	do(w, horde.EnqueueForms{NewAlchemy: n})
	if job := w.popForms("still", 2); len(job.Forms) != 2 || job.Forms[1].Source != "https://few" {
		t.Errorf("popped %+v, want the second form to be the newcomer's", job)
	}
}

func TestAlchemyIsChecked(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		change func(*horde.NewAlchemy)
		want   horde.Code
	}{
		"nobody":           {func(n *horde.NewAlchemy) { n.User = 99 }, horde.CodeInvalidAPIKey},
		"no forms":         {func(n *horde.NewAlchemy) { n.Forms = nil }, horde.CodeBadRequest},
		"an unknown form":  {func(n *horde.NewAlchemy) { n.Forms[0].Name = "gold" }, horde.CodeBadRequest},
		"too large":        {func(n *horde.NewAlchemy) { n.Tiles = 256 }, horde.CodeSourceResolution},
		"too much payload": {func(n *horde.NewAlchemy) { n.Forms[0].Payload = map[string]string{"a": strings.Repeat("x", 5000)} }, horde.CodeBadRequest},
		"NUL":              {func(n *horde.NewAlchemy) { n.Forms[0].Payload = map[string]string{"a": "\x00"} }, horde.CodeNulByte},
	} {
		w := newWorld(t)
		n := lookAt(horde.Anonymous, "https://x", "caption")
		c.change(&n)
		if _, err := try(w, horde.EnqueueForms{NewAlchemy: n}); code(t, err) != c.want {
			t.Errorf("%s: %v, want %s", what, err, c.want)
		}
	}
	w := newWorld(t)
	do(w, horde.EnqueueForms{NewAlchemy: lookAt(horde.Anonymous, "https://x", "caption")})
	job := w.popForms("still", 1)
	stranger := w.user("stranger", 0)
	for what, c := range map[string]struct {
		op   horde.SubmitForm
		want horde.Code
	}{
		"no form":         {horde.SubmitForm{Owner: w.owner, Result: json.RawMessage(`{}`)}, horde.CodeInvalidJobID},
		"a stranger":      {horde.SubmitForm{Owner: stranger, Form: job.Forms[0].ID, Result: json.RawMessage(`{}`)}, horde.CodeWrongCredentials},
		"no object":       {horde.SubmitForm{Owner: w.owner, Form: job.Forms[0].ID, Result: json.RawMessage(`[]`)}, horde.CodeBadRequest},
		"no JSON":         {horde.SubmitForm{Owner: w.owner, Form: job.Forms[0].ID, Result: json.RawMessage(`{"a`)}, horde.CodeBadRequest},
		"too much result": {horde.SubmitForm{Owner: w.owner, Form: job.Forms[0].ID, Result: json.RawMessage(`{"a": "` + strings.Repeat("x", horde.MaxFormResult) + `"}`)}, horde.CodeBadRequest},
	} {
		if _, err := try(w, c.op); code(t, err) != c.want {
			t.Errorf("%s: %v, want %s", what, err, c.want)
		}
	}
	if _, err := try(w, horde.PopForms{Pop: horde.Pop{Owner: stranger, Offer: alchemist("still")}}); code(t, err) != horde.CodeWrongCredentials {
		t.Errorf("somebody else's name gives %v", err)
	}
	w.popText("pen")
	if _, err := try(w, horde.PopForms{Pop: horde.Pop{Owner: w.owner, Offer: alchemist("pen")}}); code(t, err) != horde.CodePolymorphicName {
		t.Errorf("a scribe's name gives %v", err)
	}
}

func TestAnAlchemistInMaintenanceServesItsOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.popForms("still", 1).Worker
	do(w, horde.SetWorker{Worker: id, By: w.owner, Maintenance: new(true)})
	do(w, horde.EnqueueForms{NewAlchemy: lookAt(horde.Anonymous, "https://x", "caption")})
	_, err := try(w, horde.PopForms{Pop: horde.Pop{Owner: w.owner, Offer: alchemist("still"), Amount: 1}})
	if code(t, err) != horde.CodeWorkerMaintenance || !strings.Contains(err.Error(), "maintenance mode") {
		t.Errorf("got %v", err)
	}
	do(w, horde.EnqueueForms{NewAlchemy: lookAt(w.owner, "https://mine", "caption")})
	if job := w.popForms("still", 1); len(job.Forms) != 1 || job.Forms[0].Source != "https://mine" {
		t.Errorf("popped %+v", job)
	}
}

func TestMaintenanceEmptiesEveryQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := do(w, horde.CreateUser{External: "d_admin", Name: "admin", Key: horde.KeyHash{8}, Roles: horde.RoleAdmin}).ID
	text := do(w, horde.EnqueueText{NewText: tale(w.owner)})
	forms := do(w, horde.EnqueueForms{NewAlchemy: lookAt(w.owner, "https://x", "caption", "nsfw")})
	w.popForms("still", 1)
	do(w, horde.ChangeModes{By: admin, Maintenance: new(true)})
	if st := w.status(text.ID); !st.Done {
		t.Errorf("the text: %+v", st)
	}
	if st := w.alchemy(forms.ID); st.State != horde.FormProcessing || st.Forms[1].State != horde.FormCancelled {
		t.Errorf("the forms: %+v", st)
	}
	if _, err := try(w, horde.EnqueueForms{NewAlchemy: lookAt(w.owner, "https://x", "caption")}); code(t, err) != horde.CodeMaintenanceMode {
		t.Errorf("alchemy in maintenance gives %v", err)
	}
	if _, err := try(w, horde.EnqueueText{NewText: tale(w.owner)}); code(t, err) != horde.CodeMaintenanceMode {
		t.Errorf("a text in maintenance gives %v", err)
	}
}

func TestAlchemyComesBackFromItsRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := lookAt(w.user("asker", kudos.Whole(100)), "https://x/a.webp", "caption", "nsfw", "vectorize", "GFPGAN")
	n.Origin = origin.FromAddr(netip.MustParseAddr("2001:db8::1"))
	n.Forms[2].Payload = map[string]string{"how": "well"}
	got := do(w, horde.EnqueueForms{NewAlchemy: n})
	job := w.popForms("still", 3)
	w.fill(job.Forms[0], `{"caption": "a <b> & \u2028"}`)
	do(w, horde.SubmitForm{Owner: w.owner, Form: job.Forms[1].ID, Faulted: true})

	again, err := horde.NewState(horde.Settings{AnonymousAllowed: true}, w.rows.snapshot())
	if err != nil {
		t.Fatal(err)
	}
	st, _ := again.Alchemy(got.ID, w.now)
	for i := range st.Forms { // the bytes of JSON may differ, what they say may not
		var a, b any
		if x := w.alchemy(got.ID).Forms[i].Result; x != nil {
			if json.Unmarshal(x, &a) != nil || json.Unmarshal(st.Forms[i].Result, &b) != nil || !cmp.Equal(a, b) {
				t.Errorf("%s became %s", x, st.Forms[i].Result)
			}
			st.Forms[i].Result = x
		}
	}
	if diff := cmp.Diff(w.alchemy(got.ID), st); diff != "" {
		t.Errorf("the request came back differently: %s", diff)
	}
	if a, b := w.s.Performance(w.now).QueuedForms, again.Performance(w.now).QueuedForms; a != b || a != 3 {
		t.Errorf("%d forms are open, %d before", b, a)
	}
	w.s = again
	if more := do(w, horde.EnqueueForms{NewAlchemy: lookAt(n.User, "https://x/a.webp", "caption")}); more.Remembered != 1 {
		t.Errorf("a result from before is forgotten: %+v", more)
	}
	w.fill(job.Forms[2], `{}`)
	if rest := w.popForms("still", 9); len(rest.Forms) != 2 {
		t.Errorf("popped %+v, want the two that wait", rest)
	}
	w.pass(horde.RequestTTL)
	if p := w.s.Performance(w.now); p.QueuedForms != 0 {
		t.Errorf("%d forms are open after their time", p.QueuedForms)
	}
}
