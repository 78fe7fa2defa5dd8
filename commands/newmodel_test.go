// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"slices"
	"testing"

	"stablemate/internal/sandbox"
)

func TestWhatNobodyServesIsAskedOfAnotherModel(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.result(sandbox.Friend, r.generate(sandbox.Friend, nil), 1)
	id := r.generate(sandbox.Newcomer, map[string]any{"model": "nobody_has_this"})
	m := r.message(sandbox.Newcomer, id, "⚠️ No worker offers the model")
	if !slices.Contains(labels(m), "Change model") {
		t.Fatalf("the buttons are %q", labels(m))
	}
	r.click(sandbox.Newcomer, id, "Change model")
	which := r.whisper(sandbox.Newcomer, "Which model should make it?")
	out := r.pick(sandbox.Newcomer, which.ID, which.Selects[0].CustomID, model)
	r.result(sandbox.Newcomer, out.MessageID, 1)
	r.message(sandbox.Newcomer, id, "Cancelled by <@"+sandbox.Newcomer+">")
	if p := r.latest(sandbox.Newcomer); p["model"] != model {
		t.Errorf("the new request is %v", p)
	}
}

func TestAfterAFaultAnotherModelIsOffered(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	w := r.worker(nil)
	w.fault.Store(true)
	id := r.generate(sandbox.Newcomer, nil)
	m := r.message(sandbox.Newcomer, id, "could not make it")
	if want := []string{"Again", "Change model", "Delete"}; !slices.Equal(labels(m), want) {
		t.Errorf("the buttons are %q, want %q", labels(m), want)
	}
	r.click(sandbox.Newcomer, id, "Change model")
	r.whisper(sandbox.Newcomer, "No other model is served right now")
}
