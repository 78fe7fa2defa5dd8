// SPDX-License-Identifier: AGPL-3.0-or-later

package web_test

import (
	"net/url"
	"testing"
	"time"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/web"
)

func TestAnAddressThatIsPausedCannotRegister(t *testing.T) {
	t.Parallel()
	h := build(t, web.Options{Registration: true})
	mod, err := engine.Do(t.Context(), h.Engine, horde.CreateUser{External: "d_1", Name: "mod", Key: hash("mod"), Roles: horde.RoleModerator})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Do(t.Context(), h.Engine, horde.SetBlock{By: mod.ID, Address: "203.0.113.0/24", For: time.Hour}); err != nil {
		t.Fatal(err)
	}
	for caller, want := range map[string]int{"203.0.113.7": 403, "198.51.100.1": 200} {
		if status, body, _ := h.do(t, "POST", "/register", url.Values{"username": {"Anna"}}, "Test-Caller", caller); status != want {
			t.Errorf("registration from %s answers %d %s, want %d", caller, status, body, want)
		}
	}
}
