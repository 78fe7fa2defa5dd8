// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"strconv"
	"time"

	"stablemate/horde/kudos"
)

// Refusals of awards.
const (
	CodeNotAllowedAwards Code = "NotAllowedAwards"
	CodeInvalidAward     Code = "InvalidAwardUsername"
	CodeAwardToAnon      Code = "KudosAwardToAnon"
)

// ModeratorMonthly is what moderators are given each month besides what their account is entitled to.
const ModeratorMonthly = 300_000 * kudos.One

// maxMonthsAtOnce bounds how many missed months one run pays an account.
const maxMonthsAtOnce = 24

// Award is an admin's thanks to somebody, out of the treasury. A negative one takes back, never below the floor.
type Award struct {
	By, To UserID
	Amount kudos.Amount
	Key    string // happens once for each; required
	// Prior is the ledger's event for AwardKey, looked up by whoever uses a key again.
	Prior *kudos.Event
}

// Awarded is the answer to Award.
type Awarded struct{ Amount kudos.Amount }

func (op Award) apply(s *State, c *Change) (Awarded, error) {
	by, ok := s.users[op.By]
	if !ok || by.Wiped() {
		return Awarded{}, refuse(CodeInvalidAPIKey, "no user matches this API key")
	}
	to, found := s.users[op.To]
	switch {
	case by.Has(RoleDeleted):
		return Awarded{}, refuse(CodeDeletedUser, "your account is marked as deleted")
	case !by.Has(RoleAdmin):
		return Awarded{}, refuse(CodeNotAllowedAwards, "only an admin of this horde may award kudos")
	case !found || to.Wiped():
		return Awarded{}, refuse(CodeInvalidAward, "there is no account to award kudos to")
	case to.ID == Anonymous:
		return Awarded{}, refuse(CodeAwardToAnon, "the anonymous account cannot be awarded kudos")
	case to.Has(RoleFlagged):
		return Awarded{}, refuse(CodeTargetFlagged, "this account is flagged and cannot be awarded kudos")
	case to.Has(RoleDeleted):
		return Awarded{}, refuse(CodeDeletedUser, "this account is marked as deleted")
	case op.Amount > kudos.MaxAmount || op.Amount < -kudos.MaxAmount:
		return Awarded{}, refuse(CodeBadRequest, "an award is at most %s kudos", kudos.MaxAmount)
	case op.Key == "":
		return Awarded{}, refuse(CodeBadRequest, "an award needs a key")
	}
	key := AwardKey(op.Key)
	before, used := s.receipts[key]
	if op.Prior != nil {
		before, used = receiptOf(*op.Prior), true
	}
	switch {
	case used && (before.to != to.ID || !sameAward(op.Amount, before.amount)):
		return Awarded{}, refuse(CodeIdempotencyKeyConflict, "this idempotency key was used for another award")
	case used:
		return Awarded{Amount: before.amount}, nil
	}
	moved := s.grant(c, to, op.Amount, key, nil, &to.Details.Awarded)
	return Awarded{Amount: moved}, nil
}

// sameAward reports whether an award was for an amount: what takes back may have moved less.
func sameAward(asked, moved kudos.Amount) bool {
	return asked == moved || asked < 0 && moved <= 0 && moved > asked
}

// Entitled is what an account is given each month. Who may not receive kudos gets none.
func (u *User) Entitled() kudos.Amount {
	if u.ID == Anonymous || u.Roles&(RoleDeleted|RoleFlagged) != 0 || u.Wiped() {
		return 0
	}
	amount := u.Monthly
	if u.Has(RoleModerator) {
		amount += ModeratorMonthly
	}
	return amount
}

// raiseMonthly changes what an account is given each month. A raise is paid at once; the first one begins the count of
// months. Less is never taken back.
func (s *State) raiseMonthly(c *Change, u *User, by kudos.Amount, key string, prior *kudos.Event) {
	if s.knows(key, prior) {
		return
	}
	before := u.Monthly
	u.Monthly = min(kudos.MaxAmount, max(0, u.Monthly+by))
	raise := u.Monthly - before
	if raise <= 0 || u.Entitled() == 0 {
		return
	}
	if u.MonthlyAt.IsZero() {
		u.MonthlyAt = c.Now
	}
	u.Details.Recurring += raise
	c.post(s, key, kudos.KindMonthly, kudos.Move(kudos.Treasury, spendable(u.ID), raise))
	s.remember(key, receipt{UserID(kudos.Treasury), u.ID, raise}, c.Now)
}

// PayMonthly gives everybody entitled what the months since their last payment bring. A month is paid once, however often
// this runs: the payment and the date move together. It returns how many payments were made.
type PayMonthly struct{}

func (op PayMonthly) apply(s *State, c *Change) (int, error) { //nolint:unparam // all operations look alike
	n := 0
	for id := Anonymous + 1; id < s.nextUser; id++ {
		u := s.users[id]
		if u == nil || u.MonthlyAt.IsZero() && u.Entitled() == 0 {
			continue
		}
		for range maxMonthsAtOnce {
			due := c.Now
			if !u.MonthlyAt.IsZero() {
				due = nextMonth(u.MonthlyAt)
			}
			if due.After(c.Now) {
				break
			}
			u.MonthlyAt = due
			c.saveUser(u)
			amount := u.Entitled() // months without a right to any pass unpaid
			if amount == 0 {
				continue
			}
			u.Details.Recurring += amount
			key := "monthly:" + strconv.FormatInt(int64(u.ID), 10) + ":" + due.Format("2006-01")
			c.post(s, key, kudos.KindMonthly, kudos.Move(kudos.Treasury, spendable(u.ID), amount))
			n++
		}
	}
	return n, nil
}

// nextMonth is a calendar month later: the same day, or the last one of a shorter month.
func nextMonth(t time.Time) time.Time {
	t = t.UTC()
	first := time.Date(t.Year(), t.Month()+1, 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(t.Day(), last)-1)
}
