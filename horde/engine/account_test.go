// SPDX-License-Identifier: AGPL-3.0-or-later

package engine_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
)

// must does an operation and fails the test when it is refused.
func must[R any](t *testing.T, e *engine.Engine, op horde.Op[R]) R {
	t.Helper()
	r, err := engine.Do(t.Context(), e, op)
	if err != nil {
		t.Fatalf("%T: %v", op, err)
	}
	return r
}

func TestAccountsSurviveARestart(t *testing.T) {
	t.Parallel()
	for name, so := range stores(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := start(t, so, nil)
			admin, u, giver := person(t, e.Engine, "admin", 0), person(t, e.Engine, "u", kudos.Whole(500)), person(t, e.Engine, "giver", kudos.Whole(50))
			must(t, e.Engine, horde.SetUser{User: admin, Grant: horde.RoleAdmin | horde.RoleService})
			key := must(t, e.Engine, horde.CreateSharedKey{Owner: u, SharedKeyTerms: horde.SharedKeyTerms{Name: new("friends"), Days: new(3)}}).ID
			fifty, passkey := kudos.Whole(50), horde.KeyHash{1, 2, 3}
			change := horde.ChangeUser{By: admin, User: u, Adjust: &fifty, Monthly: &fifty, Multiplier: new(1.5), Contact: new("here"), Key: "once"}
			award := horde.Award{By: admin, To: u, Amount: fifty, Key: "thanks"}
			gift := horde.Transfer{From: giver, To: u, SharedKey: key, Amount: kudos.Whole(10), Key: "gift"}
			owner := person(t, e.Engine, "owner", 0)
			twice := func(e *engine.Engine) {
				t.Helper()
				if _, err := e.ChangeUser(t.Context(), change); err != nil {
					t.Fatal(err)
				}
				if _, err := e.Award(t.Context(), award); err != nil {
					t.Fatal(err)
				}
				if _, err := e.Transfer(t.Context(), gift); err != nil {
					t.Fatal(err)
				}
				must(t, e, horde.PayMonthly{})
			}
			twice(e.Engine)
			must(t, e.Engine, horde.ChangeUser{By: admin, User: admin, Passkey: &passkey})
			ask := picture(u)
			ask.SharedKey, ask.Proxied = key, ""
			must(t, e.Engine, ask)
			job := must(t, e.Engine, gpu(owner))
			must(t, e.Engine, horde.Submit{Owner: owner, Generation: job.Generations[0], Blob: "x"})
			ask.N = 2
			waiting := must(t, e.Engine, ask).ID
			users := e.Users()
			shared, _, _ := e.SharedKey(key)
			e.stop()

			again := start(t, so, nil)
			if diff := cmp.Diff(users, again.Users()); diff != "" {
				t.Errorf("accounts differ after a restart (-want +got):\n%s", diff)
			}
			if got, of, ok := again.SharedKey(key); !ok || of.ID != u || !cmp.Equal(shared, got) {
				t.Errorf("the shared key differs after a restart (-want +got):\n%s", cmp.Diff(shared, got))
			}
			if got, ok := again.ProxyAccount(passkey); !ok || got.ID != admin {
				t.Error("the passkey is forgotten")
			}
			twice(again.Engine) // moves nothing
			if diff := cmp.Diff(users, again.Users()); diff != "" {
				t.Errorf("what was done before the restart was done again (-want +got):\n%s", diff)
			}
			// The waiting request still burdens its key, and goes with it.
			job = must(t, again.Engine, gpu(owner))
			must(t, again.Engine, horde.Submit{Owner: owner, Generation: job.Generations[0], Blob: "x"})
			if got, _, _ := again.SharedKey(key); got.Used <= shared.Used || got.Budget+got.Used != shared.Budget+shared.Used {
				t.Errorf("the key has %s left after %s, before %s after %s", got.Budget, got.Used, shared.Budget, shared.Used)
			}
			must(t, again.Engine, horde.DeleteSharedKey{By: u, Key: key})
			if st, err := again.Status(waiting); err != nil || st.Waiting != 0 {
				t.Errorf("what waited for the deleted key is %+v, %v", st.Progress, err)
			}
			report, err := again.store.Audit(t.Context())
			if err != nil || !report.OK() {
				t.Errorf("the audit found %+v, %v", report, err)
			}
		})
	}
}
