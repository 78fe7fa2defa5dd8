// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"testing"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/sandbox"
)

func TestARefusedPromptPausesItsPersonAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	mod, err := engine.Do(r.ctx(), r.p.engine, horde.CreateUser{External: "d_0", Name: "mod", Key: horde.KeyHash{1}, Roles: horde.RoleModerator})
	if err != nil {
		t.Fatal(err)
	}
	for regex, typ := range map[string]int{"quimp": 11, "flarn": 20} {
		if _, err := engine.Do(r.ctx(), r.p.engine, horde.AddFilter{By: mod.ID, Regex: regex, Type: typ}); err != nil {
			t.Fatal(err)
		}
	}
	r.run(sandbox.Friend, "generate", map[string]any{"prompt": "quimp flarn"})
	r.whisper(sandbox.Friend, "I cannot make this: the safety filter refuses this prompt", "reported to the operators")
	r.run(sandbox.Friend, "generate", map[string]any{"prompt": "red apple"})
	r.whisper(sandbox.Friend, "You are paused for a while", "seconds")
	if u := r.user(sandbox.Friend); u.Suspicion != 1 {
		t.Errorf("suspicion is %d, want 1", u.Suspicion)
	}
	r.message(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), "No worker is online")
	for _, m := range r.sand.Messages(sandbox.ChannelID, sandbox.Newcomer) {
		if holds(m, []string{"quimp"}) {
			t.Errorf("somebody else sees %q", m.Content)
		}
	}
}
