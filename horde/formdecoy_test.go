// SPDX-License-Identifier: AGPL-3.0-or-later

package horde_test

import (
	"encoding/json"
	"testing"
	"time"

	"stablemate/horde"
	"stablemate/horde/kudos"
)

// restful is a world with a paused alchemist, and two forms that wait for anybody.
func restful(t *testing.T) (w *world, paused horde.WorkerID, asked horde.RequestID) {
	t.Helper()
	w = newWorld(t)
	moderator := w.special(w.user("moderator", 0), horde.RoleModerator)
	paused = w.popForms("still", 1).Worker
	do(w, horde.SetWorker{Worker: paused, By: moderator, Paused: new(true)})
	asker := w.user("asker", kudos.Whole(100))
	return w, paused, do(w, horde.EnqueueForms{NewAlchemy: lookAt(asker, "https://x/a.webp", "caption", "GFPGAN")}).ID
}

func TestAPausedAlchemistGetsDecoys(t *testing.T) {
	t.Parallel()
	w, paused, asked := restful(t)
	before, earned := w.alchemy(asked), w.balance(w.owner)
	job := w.popForms("still", 5)
	if len(job.Forms) != 2 || job.Forms[0].Source != "https://x/a.webp" || len(job.Skipped) != 0 {
		t.Fatalf("popped %+v, want a decoy of each form", job)
	}
	for _, f := range job.Forms {
		if st, owner, ok := w.s.Form(f.ID); !ok || owner != w.owner || st.Name != f.Name {
			t.Errorf("the decoy reads %+v of %d, %t", st, owner, ok)
		}
	}
	if again := w.popForms("still", 5); len(again.Forms) != 0 {
		t.Errorf("popped %+v, want no second decoy of the same form", again)
	}
	got := w.fill(job.Forms[0], `{"caption":"a cat"}`)
	if !got.Discard || got.Reward <= 0 {
		t.Errorf("the delivery brings %+v, want what a real one says, and the result thrown away", got)
	}
	denied(w, "delivered twice", horde.SubmitForm{Owner: w.owner, Form: job.Forms[0].ID, Result: json.RawMessage(`{}`)}, horde.CodeDuplicateGen)
	denied(w, "by a stranger", horde.SubmitForm{Owner: horde.Anonymous, Form: job.Forms[1].ID, Result: json.RawMessage(`{}`)}, horde.CodeWrongCredentials)
	denied(w, "no object", horde.SubmitForm{Owner: w.owner, Form: job.Forms[1].ID, Result: json.RawMessage(`7`)}, horde.CodeBadRequest)
	if got := do(w, horde.SubmitForm{Owner: w.owner, Form: job.Forms[1].ID, Faulted: true}); got.Reward != 0 {
		t.Errorf("a fault brings %+v", got)
	}
	worker, _ := w.s.Worker(paused)
	if worker.Fulfilled != 0 || worker.Uncompleted != 0 || w.balance(w.owner) != earned {
		t.Errorf("decoys left their mark: %+v", worker)
	}
	for i, f := range w.alchemy(asked).Forms {
		if f.State != before.Forms[i].State {
			t.Errorf("the form %s is %s, want it to wait for somebody else", f.Name, f.State)
		}
	}
	if other := w.popForms("wide awake", 5); len(other.Forms) != 2 {
		t.Errorf("another worker popped %+v, want both forms", other)
	}
}

func TestAPausedAlchemistServesItsOwnerFirst(t *testing.T) {
	t.Parallel()
	w, _, _ := restful(t)
	do(w, horde.EnqueueForms{NewAlchemy: lookAt(w.owner, "https://mine", "caption")})
	job := w.popForms("still", 5)
	if len(job.Forms) != 1 || job.Forms[0].Source != "https://mine" {
		t.Fatalf("popped %+v, want the owner's own form", job)
	}
	if got := w.fill(job.Forms[0], `{"caption":"mine"}`); got.Discard {
		t.Error("the owner's own form was taken for a decoy")
	}
}

func TestDecoysOfFormsEnd(t *testing.T) {
	t.Parallel()
	w, _, _ := restful(t)
	job := w.popForms("still", 1)
	late := horde.SubmitForm{Owner: w.owner, Form: job.Forms[0].ID, Result: json.RawMessage(`{}`)}
	w.now = w.now.Add(horde.FormTTL)
	denied(w, "too late", late, horde.CodeDuplicateGen)
	w.pass(horde.RequestTTL)
	denied(w, "after its request", late, horde.CodeInvalidJobID)
}

func TestAnAlchemistThatLiveRequestsReferToIsLocked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	asker := w.user("asker", kudos.Whole(100))
	do(w, horde.EnqueueForms{NewAlchemy: lookAt(asker, "https://x/a.webp", "caption")})
	job := w.popForms("still", 1)
	gone := horde.DeleteWorker{Worker: job.Worker, By: w.owner}
	denied(w, "with a form at hand", gone, horde.CodeLocked)
	w.fill(job.Forms[0], `{"caption":"a cat"}`)
	denied(w, "with a form delivered", gone, horde.CodeLocked)
	w.pass(horde.RequestTTL + time.Second)
	do(w, gone)
}
