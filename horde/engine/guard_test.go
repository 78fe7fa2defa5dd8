// SPDX-License-Identifier: AGPL-3.0-or-later

package engine_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/origin"
)

// A refusal that leaves a mark is answered when the mark is durable.
func TestTheMarkOfARefusedPromptSurvivesARestart(t *testing.T) {
	t.Parallel()
	for name, so := range stores(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := start(t, so, nil)
			asker := person(t, e.Engine, "asker", 0)
			mod, err := engine.Do(t.Context(), e.Engine, horde.CreateUser{External: "d_mod", Name: "mod", Key: horde.KeyHash{7}, Roles: horde.RoleModerator})
			if err != nil {
				t.Fatal(err)
			}
			for regex, typ := range map[string]int{"quimp": 11, "flarn": 20} {
				if _, err := engine.Do(t.Context(), e.Engine, horde.AddFilter{By: mod.ID, Regex: regex, Type: typ}); err != nil {
					t.Fatal(err)
				}
			}
			op := picture(asker)
			op.Image.Prompt, op.Origin = "quimp flarn", origin.FromAddr(netip.MustParseAddr("203.0.113.7"))
			_, err = engine.Do(t.Context(), e.Engine, op)
			if refusal, ok := errors.AsType[*horde.Error](err); !ok || refusal.Code != horde.CodeCorruptPrompt {
				t.Fatalf("Enqueue = %v, want %s", err, horde.CodeCorruptPrompt)
			}
			e.stop()

			e = start(t, so, nil)
			if rest := e.TimedOut(op.Origin); rest <= 0 || rest > 3*time.Minute || e.AddressTimedOut("203.0.113.7") <= 0 {
				t.Errorf("after the restart the origin is barred for %v, want up to 3m", rest)
			}
			if u, _ := e.User(asker); u.Suspicion != 1 || len(e.Rejected()) != 1 {
				t.Errorf("after the restart the suspicion is %d and %d prompts are kept, want 1 and 1", u.Suspicion, len(e.Rejected()))
			}
			if !e.FilterSet().Score("quimp flarn").Blocked() {
				t.Error("the rules are forgotten")
			}
			if e.AddressTimedOut("nonsense") != 0 || e.AddressTimedOut("") != 0 {
				t.Error("what is no address is barred")
			}
		})
	}
}
