// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"strconv"
	"time"

	"stablemate/horde/kudos"
)

// TrustAge is how old an account is before it may become trusted by itself.
const TrustAge = 7 * 24 * time.Hour

// earnsTrust reports whether an account has earned its trust: more in escrow than the operator asks for, old enough and
// above suspicion. Without a threshold nobody becomes trusted by itself.
func (s *State) earnsTrust(u *User, now time.Time) bool {
	return s.settings.TrustThreshold > 0 && u.Evaluated > s.settings.TrustThreshold && u.ID != Anonymous &&
		now.Sub(u.Created) >= TrustAge && !u.Suspicious() && u.Roles&(RoleTrusted|RoleFlagged|RoleDeleted) == 0
}

// maybeTrust makes an account trusted when it has earned it.
func (s *State) maybeTrust(c *Change, u *User) bool {
	if !s.earnsTrust(u, c.Now) {
		return false
	}
	u.Roles |= RoleTrusted
	s.onTrust(c, u)
	return true
}

// onTrust does what trust brings: paused workers go on, and the whole escrow becomes spendable.
func (s *State) onTrust(c *Change, u *User) {
	c.saveUser(u)
	for _, id := range s.WorkersOf(u.ID) {
		if w := s.workers[id]; w.Paused {
			w.Paused = false
			c.saveWorker(w)
			c.emit(Event{Kind: WorkerChanged, Worker: id, User: u.ID})
		}
	}
	s.drainEscrow(c, u)
}

// drainEscrow pays a trusted account's escrow out. The key holds the ledger's length, so that an account that lost its
// trust and earned it again is paid again.
func (s *State) drainEscrow(c *Change, u *User) {
	if !u.Has(RoleTrusted) || u.Evaluated <= 0 {
		return
	}
	amount := u.Evaluated
	u.Details.Accumulated += amount
	key := "promotion:" + strconv.FormatInt(int64(u.ID), 10) + ":" + strconv.FormatInt(s.lastEvent+1, 10)
	c.post(s, key, kudos.KindPromotion, kudos.Move(evaluated(u.ID), spendable(u.ID), amount))
}

// Promote makes everybody trusted who earned it by growing old enough. It returns how many it was.
type Promote struct{}

func (op Promote) apply(s *State, c *Change) (int, error) { //nolint:unparam // all operations look alike
	n := 0
	if s.settings.TrustThreshold <= 0 {
		return 0, nil
	}
	for id := Anonymous + 1; id < s.nextUser; id++ {
		if u := s.users[id]; u != nil && s.maybeTrust(c, u) {
			n++
		}
	}
	return n, nil
}
