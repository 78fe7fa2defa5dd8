// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"testing"
	"time"
)

func TestBusyGuildsShareThePaceOfRoles(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	s := &Set{now: func() time.Time { return now }, opts: Options{RolePace: 500 * time.Millisecond, RoleGap: 100 * time.Millisecond}}
	e := &roleEngine{s: s}
	for i, want := range []time.Duration{500, 500, 500, 500, 500, 600, 700, 800} {
		if got := e.pause(); got != want*time.Millisecond {
			t.Errorf("guild %d waits %s, want %d ms", i+1, got, want)
		}
	}
	for range 1000 {
		if got := e.pause(); got > maxRoleGuilds*100*time.Millisecond {
			t.Fatalf("a guild waits %s", got)
		}
	}
	now = now.Add(time.Hour)
	if got := e.pause(); got != 500*time.Millisecond {
		t.Errorf("after a quiet hour it waits %s", got)
	}
	now = now.Add(-2 * time.Hour) // a clock that was put back
	if got := e.pause(); got > maxRoleGuilds*100*time.Millisecond {
		t.Errorf("it waits %s", got)
	}
}
