// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"testing"

	"stablemate/internal/sandbox"
)

func TestProfilesAreFoundAndPublished(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	for _, name := range []string{"newcomer", "NEWCOMER#1", "1", "#1"} {
		r.run(sandbox.Friend, "userinfo", map[string]any{"horde": name})
		m := r.whisper(sandbox.Friend, "Newcomer#1", "Kudos: 125")
		if holds(m, []string{"On Discord"}) || holds(m, []string{"Held against it"}) {
			t.Errorf("%s: it says too much: %+v", name, m.Embeds)
		}
	}
	for _, name := range []string{"nobody", "Friend#1", "99", "0"} {
		r.refused(sandbox.Friend, "userinfo", map[string]any{"horde": name}, "I know no account called "+name)
	}
	panel := r.run(sandbox.Newcomer, "settings panel", nil).MessageID
	r.click(sandbox.Newcomer, panel, "Show whose account mine is")
	r.run(sandbox.Friend, "userinfo", map[string]any{"horde": "Newcomer"})
	r.whisper(sandbox.Friend, "Newcomer#1", "On Discord: <@"+sandbox.Newcomer+">")

	own := r.userMenu(sandbox.Newcomer, "User info", sandbox.Newcomer).MessageID
	r.message(sandbox.Newcomer, own, "Requests at a time:", "Held against it: 0 / 5", "can be given away")
	r.click(sandbox.Newcomer, own, "Publish")
	m := r.see(sandbox.Friend, "the published profile", func(m sandbox.Message) bool {
		return !m.Ephemeral && holds(m, []string{"Newcomer#1", "Kudos: 125"})
	})
	if holds(m, []string{"Held against it"}) || holds(m, []string{"can be given away"}) {
		t.Errorf("it says too much: %+v", m.Embeds)
	}
	r.userMenu(sandbox.Friend, "User info", sandbox.Newcomer)
	r.whisper(sandbox.Friend, "Newcomer#1", "On Discord: <@"+sandbox.Newcomer+">")
	for _, who := range []string{sandbox.Admin, sandbox.Friend} { // nobody, and somebody who does not say so
		r.userMenu(sandbox.Newcomer, "User info", who)
		r.whisper(sandbox.Newcomer, "<@"+who+"> has no account here yet, or does not show")
	}
}

func TestButtonsCanBeOnesOwn(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	panel := r.run(sandbox.Newcomer, "settings panel", nil).MessageID
	id := r.generate(sandbox.Newcomer, nil)
	r.result(sandbox.Newcomer, id, 1)
	r.result(sandbox.Friend, r.click(sandbox.Friend, id, "Again").MessageID, 1)
	r.click(sandbox.Newcomer, panel, "My buttons are mine alone")
	r.click(sandbox.Friend, id, "Again")
	r.whisper(sandbox.Friend, "🙅")
	r.result(sandbox.Newcomer, r.click(sandbox.Newcomer, id, "Again").MessageID, 1)
}
