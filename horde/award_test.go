// SPDX-License-Identifier: AGPL-3.0-or-later

package horde_test

import (
	"testing"
	"time"

	"stablemate/horde"
	"stablemate/horde/kudos"
)

func TestAwards(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin, mod := w.with("admin", horde.RoleAdmin, 0), w.with("mod", horde.RoleModerator, 0)
	u, flagged := w.user("u", 0), w.with("flagged", horde.RoleFlagged, 0)
	gone := w.with("gone", horde.RoleAdmin|horde.RoleDeleted, 0)
	for what, c := range map[string]struct {
		op   horde.Award
		want horde.Code
	}{
		"by nobody":         {horde.Award{By: 99, To: u, Amount: 100, Key: "k"}, horde.CodeInvalidAPIKey},
		"by a deleted one":  {horde.Award{By: gone, To: u, Amount: 100, Key: "k"}, horde.CodeDeletedUser},
		"by a moderator":    {horde.Award{By: mod, To: u, Amount: 100, Key: "k"}, horde.CodeNotAllowedAwards},
		"to nobody":         {horde.Award{By: admin, To: 99, Amount: 100, Key: "k"}, horde.CodeInvalidAward},
		"to everybody":      {horde.Award{By: admin, To: horde.Anonymous, Amount: 100, Key: "k"}, horde.CodeAwardToAnon},
		"to a flagged one":  {horde.Award{By: admin, To: flagged, Amount: 100, Key: "k"}, horde.CodeTargetFlagged},
		"to a deleted one":  {horde.Award{By: admin, To: gone, Amount: 100, Key: "k"}, horde.CodeDeletedUser},
		"without a key":     {horde.Award{By: admin, To: u, Amount: 100}, horde.CodeBadRequest},
		"beyond all bounds": {horde.Award{By: admin, To: u, Amount: kudos.MaxAmount + 1, Key: "k"}, horde.CodeBadRequest},
	} {
		denied(w, what, c.op, c.want)
	}
	for range 2 {
		if got := do(w, horde.Award{By: admin, To: u, Amount: kudos.Whole(50), Key: "fifty"}); got.Amount != kudos.Whole(50) {
			t.Errorf("awarded %s, want 50", got.Amount)
		}
	}
	if got := w.read(u); got.Balance != kudos.Whole(75) || got.Details.Awarded != kudos.Whole(50) || got.Details.Admin != 0 {
		t.Errorf("after an award of 50, told twice, the account is %+v", got)
	}
	denied(w, "the same key for more", horde.Award{By: admin, To: u, Amount: kudos.Whole(51), Key: "fifty"}, horde.CodeIdempotencyKeyConflict)
	denied(w, "the same key for another", horde.Award{By: admin, To: w.owner, Amount: kudos.Whole(50), Key: "fifty"}, horde.CodeIdempotencyKeyConflict)
	for range 2 {
		if got := do(w, horde.Award{By: admin, To: u, Amount: -kudos.Whole(80), Key: "back"}); got.Amount != -kudos.Whole(50) {
			t.Errorf("taken back were %s, want 50, down to the floor", got.Amount)
		}
	}
}

func TestEachMonthIsPaidOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.now = time.Date(2026, 12, 31, 10, 0, 0, 0, time.UTC)
	admin := w.with("admin", horde.RoleAdmin, 0)
	u, mod := w.user("u", 0), w.with("mod", horde.RoleModerator, 0)
	floor := kudos.Whole(25)
	raise := func(by int64, key string) {
		w.t.Helper()
		do(w, horde.ChangeUser{By: admin, User: u, Monthly: budget(by), Key: key})
	}
	has := func(what string, want int64) {
		w.t.Helper()
		if got := w.read(u); got.Balance-floor != kudos.Whole(want) || got.Details.Recurring != kudos.Whole(want) {
			w.t.Errorf("%s: has %s, of that %s recurring, want %d", what, got.Balance-floor, got.Details.Recurring, want)
		}
	}
	raise(100, "first")
	raise(100, "first")
	has("granted, told twice", 100)
	raise(50, "more")
	has("raised", 150)
	raise(-30, "less")
	has("lowered", 150)
	if got := w.read(u); got.Monthly != kudos.Whole(120) || !got.MonthlyAt.Equal(w.now) {
		t.Errorf("each month brings %s since %s", got.Monthly, got.MonthlyAt)
	}
	do(w, horde.PayMonthly{}) // moderators were never paid
	if got := w.balance(mod) - floor; got != horde.ModeratorMonthly {
		t.Errorf("a moderator is given %s, want %s", got, horde.ModeratorMonthly)
	}
	has("the month is not over", 150)
	for range 3 {
		do(w, horde.PayMonthly{})
	}
	w.now = time.Date(2027, 1, 31, 10, 0, 0, 0, time.UTC)
	for range 3 {
		do(w, horde.PayMonthly{})
	}
	has("a month later", 270)
	w.now = time.Date(2027, 2, 28, 9, 59, 59, 0, time.UTC)
	do(w, horde.PayMonthly{})
	has("almost the end of a short month", 270)
	w.now = w.now.Add(time.Second)
	do(w, horde.PayMonthly{})
	has("the end of a short month", 390)
	w.now = time.Date(2027, 5, 28, 10, 0, 0, 0, time.UTC)
	do(w, horde.PayMonthly{})
	has("three months at once", 750)

	// Who may not receive kudos gets none, and no arrears later.
	do(w, horde.ChangeUser{By: admin, User: u, Grant: horde.RoleFlagged})
	w.now = time.Date(2027, 8, 28, 10, 0, 0, 0, time.UTC)
	do(w, horde.PayMonthly{})
	do(w, horde.ChangeUser{By: admin, User: u, Revoke: horde.RoleFlagged})
	do(w, horde.PayMonthly{})
	has("flagged for three months", 750)
	raise(-1000, "none")
	if got := w.read(u); got.Monthly != 0 {
		t.Errorf("less than nothing a month is %s", got.Monthly)
	}
}

func TestUsageCountsByTheMultiplier(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin, u := w.with("admin", horde.RoleAdmin, 0), w.user("u", kudos.Whole(100))
	do(w, horde.ChangeUser{By: admin, User: u, Multiplier: new(2.5)})
	w.pop("gpu")
	before := w.balance(u)
	do(w, horde.Enqueue{NewImage: apple(u)})
	w.deliver(w.pop("gpu"))
	things := int64(512 * 512 * 20)
	if got := w.read(u); got.Image.UsageThings != things*5/2 || got.Details.Accumulated != got.Balance-before {
		t.Errorf("usage is %d of %d, accumulated %s of %s", got.Image.UsageThings, things, got.Details.Accumulated, got.Balance-before)
	}
	if got := w.read(w.owner); got.Image.ContributionThings != things {
		t.Errorf("contribution is %d, want %d", got.Image.ContributionThings, things)
	}
}
