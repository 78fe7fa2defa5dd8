// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"stablemate/commands/chat"
	"stablemate/internal/sandbox"
)

// prompts counts the requests of a person whose words are still in the store, and all of them.
func (r *rig) prompts(who, word string) (with, all int) {
	r.t.Helper()
	rows, err := r.p.store.MessagesOfPerson(r.ctx(), who, 100)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, row := range rows {
		if strings.Contains(string(row.Params), word) {
			with++
		}
	}
	return with, len(rows)
}

// favourite is what a person's one favourite knows of its request.
func (r *rig) favourite(who string) string {
	r.t.Helper()
	docs, err := r.p.store.DocsOfPerson(r.ctx(), chat.KindFavourite, who)
	if err != nil || len(docs) != 1 {
		return ""
	}
	var f chat.Favourite
	if err := json.Unmarshal(docs[0].Value, &f); err != nil {
		r.t.Fatal(err)
	}
	return string(f.Message.Params)
}

// keepPrompts chooses in the panel of /privacy consent.
func (r *rig) keepPrompts(who string, value string, says ...string) {
	r.t.Helper()
	panel := r.run(who, "privacy consent", nil).MessageID
	r.pick(who, panel, "How long prompts are kept", value)
	r.message(who, panel, says...)
}

func TestPromptsAreErasedWhenTheirPersonWants(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	r.worker(nil)
	ask := func(who string) string {
		t.Helper()
		id := r.generate(who, map[string]any{"prompt": "a violet pony", "negative": "grumpy clouds"})
		r.result(who, id, 1)
		r.eventually("its row is closed", func() bool {
			rows, err := r.p.store.OpenMessages(r.ctx())
			return err == nil && len(rows) == 0
		})
		return id
	}
	expect := func(who string, want, of int) {
		t.Helper()
		for _, word := range []string{"violet", "grumpy"} {
			if with, all := r.prompts(who, word); with != want || all != of {
				t.Errorf("%d of %d requests have %q, want %d of %d", with, all, word, want, of)
			}
		}
	}
	first := ask(sandbox.Newcomer)
	r.message(sandbox.Newcomer, r.run(sandbox.Newcomer, "privacy consent", nil).MessageID, "finished requests are kept: **30 days**")
	expect(sandbox.Newcomer, 1, 1)

	// A day: what is younger stays, the timer takes what grows older, also when another process runs by then.
	r.keepPrompts(sandbox.Newcomer, "day", "are kept: **1 day**")
	expect(sandbox.Newcomer, 1, 1)
	r.restart(20 * time.Hour)
	r.worker(nil)
	ask(sandbox.Newcomer)
	expect(sandbox.Newcomer, 2, 2)
	r.restart(5 * time.Hour)
	r.worker(nil)
	r.eventually("the older prompt is erased", func() bool { with, _ := r.prompts(sandbox.Newcomer, "violet"); return with == 1 })
	expect(sandbox.Newcomer, 1, 2)

	// None: older ones go at once, new ones when their result is shown; others' stay.
	ask(sandbox.Friend)
	r.keepPrompts(sandbox.Newcomer, "none", "1 prompt was erased.", "are kept: **not at all")
	expect(sandbox.Newcomer, 0, 2)
	last := ask(sandbox.Newcomer)
	expect(sandbox.Newcomer, 0, 3)
	expect(sandbox.Friend, 1, 1)
	r.message(sandbox.Newcomer, last, "a violet pony") // what Discord shows is theirs to delete

	// What the buttons still do, and what they cannot.
	r.click(sandbox.Newcomer, last, "Again")
	r.whisper(sandbox.Newcomer, "The prompt of this request was erased")
	form := r.click(sandbox.Newcomer, first, "Remix")
	out := r.fillIn(sandbox.Newcomer, form, map[string]string{"prompt": "a calm pony"})
	r.result(sandbox.Newcomer, out.MessageID, 1)
	r.message(sandbox.Newcomer, r.click(sandbox.Newcomer, last, "Info").MessageID, "prompt erased")
	r.message(sandbox.Newcomer, r.run(sandbox.Newcomer, "history list", nil).MessageID, "prompt erased")
	r.click(sandbox.Friend, last, "Favourite")
	r.eventually("it is kept", func() bool { return r.favourite(sandbox.Friend) != "" })
	if strings.Contains(r.favourite(sandbox.Friend), "violet") {
		t.Error("somebody's favourite has the prompt")
	}

	// Back to the operator's time.
	r.keepPrompts(sandbox.Newcomer, "unset", "are kept: **30 days**")
	ask(sandbox.Newcomer)
	expect(sandbox.Newcomer, 1, 5)
	if _, found, err := r.p.store.Doc(r.ctx(), chat.KindErase, sandbox.Newcomer); found || err != nil {
		t.Errorf("somebody looks for prompts to erase: %v", err)
	}
	if strings.Contains(r.logs.String(), "violet") {
		t.Error("the log has a prompt")
	}
}

func TestAnOthersFavouriteHasNoPromptOfWhoWantsNone(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	r.worker(nil)
	r.keepPrompts(sandbox.Newcomer, "week", "are kept: **7 days**")
	id := r.generate(sandbox.Newcomer, map[string]any{"prompt": "a violet pony"})
	r.result(sandbox.Newcomer, id, 1)
	r.click(sandbox.Friend, id, "Favourite")
	r.click(sandbox.Newcomer, id, "Favourite")
	kept := r.favourite
	r.eventually("both keep it", func() bool { return kept(sandbox.Friend) != "" && kept(sandbox.Newcomer) != "" })
	if strings.Contains(kept(sandbox.Friend), "violet") || !strings.Contains(kept(sandbox.Newcomer), "violet") {
		t.Errorf("kept by the friend: %s\nby its person: %s", kept(sandbox.Friend), kept(sandbox.Newcomer))
	}
}
