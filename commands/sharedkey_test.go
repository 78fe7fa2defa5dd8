// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"stablemate/horde/kudos"
	"stablemate/internal/sandbox"
)

func TestASharedKeyPaysForOthers(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend, sandbox.Admin)
	r.worker(nil)
	r.run(sandbox.Admin, "sharedkey create", map[string]any{"name": "open day", "kudos": 60, "days": 2})
	created := r.whisper(sandbox.Admin, "**open day** is ||`", "you answer for what they make", "left 60")
	key := regexp.MustCompile("\\|\\|`([^`]+)`\\|\\|").FindStringSubmatch(created.Content)[1]
	handle := key[:8]

	r.run(sandbox.Admin, "sharedkey list", nil)
	if list := r.whisper(sandbox.Admin, "Your shared keys", "open day", handle); holds(list, []string{key}) {
		t.Error("the list gives the key away")
	}
	choices, err := r.sand.Autocomplete(r.ctx(), sandbox.Admin, sandbox.ChannelID, "sharedkey edit", map[string]any{"key": "op"}, "key")
	if err != nil || len(choices) != 1 || choices[0].Value != handle {
		t.Errorf("suggested %+v, %v", choices, err)
	}
	r.run(sandbox.Admin, "sharedkey edit", map[string]any{"key": handle, "kudos": 50, "max_steps": 30})
	r.whisper(sandbox.Admin, "Saved.", "left 50", "steps 30")
	r.run(sandbox.Friend, "sharedkey edit", map[string]any{"key": key, "kudos": 1})
	r.whisper(sandbox.Friend, "You have no such shared key")

	r.run(sandbox.Friend, "sharedkey topup", map[string]any{"key": key, "amount": 7})
	r.whisper(sandbox.Friend, "7 kudos went to Admin#3", "**open day** may use as many more")
	r.balance(sandbox.Admin, start+7*kudos.One)
	r.run(sandbox.Admin, "sharedkey topup", map[string]any{"key": key, "amount": 7})
	r.whisper(sandbox.Admin, "This key is yours")

	// For a person.
	use := func(who, scope, typed string) {
		t.Helper()
		out := r.run(who, "sharedkey use", map[string]any{"scope": scope})
		if out.Modal == nil {
			t.Fatal("no form")
		}
		if _, err := r.sand.SubmitModal(r.ctx(), who, out.Modal.InteractionID, map[string]string{"key": typed}); err != nil {
			t.Fatal(err)
		}
	}
	use(sandbox.Newcomer, "me", strings.Repeat("0", len(key)))
	r.whisper(sandbox.Newcomer, "no such shared key")
	use(sandbox.Newcomer, "me", strings.ToUpper(key))
	r.whisper(sandbox.Newcomer, "**open day** pays from now on for: only me")
	had := r.user(sandbox.Newcomer).Balance
	r.message(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), "Through the shared key open day")
	r.eventually("the key has paid", func() bool {
		for _, id := range r.p.engine.SharedKeysOf(r.user(sandbox.Admin).ID) {
			if k, _, ok := r.p.engine.SharedKey(id); ok && k.Used > 0 {
				return true
			}
		}
		return false
	})
	if now := r.user(sandbox.Newcomer).Balance; now != had {
		t.Errorf("the newcomer paid %s", had-now)
	}
	r.restart(time.Minute)
	r.worker(nil)
	r.run(sandbox.Newcomer, "sharedkey use", map[string]any{"scope": "me", "off": true})
	r.whisper(sandbox.Newcomer, "No shared key pays any more")

	// For a server: only who manages it says so.
	r.run(sandbox.Newcomer, "sharedkey use", map[string]any{"scope": "guild"})
	r.whisper(sandbox.Newcomer, "Manage Server")
	use(sandbox.Admin, "guild", key)
	r.whisper(sandbox.Admin, "pays from now on for: this server")
	r.message(sandbox.Friend, r.generate(sandbox.Friend, nil), "Through the shared key open day")

	r.run(sandbox.Admin, "sharedkey info", map[string]any{"key": handle})
	r.whisper(sandbox.Admin, "open day", "Made <t:")
	r.run(sandbox.Admin, "sharedkey delete", map[string]any{"key": handle})
	sure := r.whisper(sandbox.Admin, "Delete **open day**?")
	r.click(sandbox.Admin, sure.ID, "Delete")
	r.message(sandbox.Admin, sure.ID, "**open day** is gone")
	// What is gone is passed over: people pay for themselves.
	id := r.generate(sandbox.Friend, nil)
	if m := r.result(sandbox.Friend, id, 1); holds(m, []string{"shared key"}) {
		t.Errorf("a key that is gone pays: %s", m.Content)
	}
	if strings.Contains(r.logs.String(), key) {
		t.Error("the log contains a shared key")
	}
}
