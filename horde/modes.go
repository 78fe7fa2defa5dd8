// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"bytes"
	"slices"
)

// Codes of modes.
const (
	CodeNotAdmin    Code = "NotAdmin"
	CodeNoHordeMode Code = "NoHordeModSelected"
)

// ChangeModes switches modes on somebody's word: moderators switch invite-only and raid, admins maintenance. Nil fields
// stay as they are. Entering maintenance takes back everything that waits; what is in flight may still be delivered.
type ChangeModes struct {
	By                            UserID
	Maintenance, InviteOnly, Raid *bool
}

func (op ChangeModes) apply(s *State, c *Change) (Modes, error) {
	u, ok := s.users[op.By]
	switch {
	case !ok:
		return Modes{}, refuse(CodeInvalidAPIKey, "no user matches this API key")
	case op.Maintenance != nil && !u.Has(RoleAdmin):
		return Modes{}, refuse(CodeNotAdmin, "only admins may do this")
	case !u.Has(RoleModerator) && (!u.Has(RoleAdmin) || op.InviteOnly != nil || op.Raid != nil):
		return Modes{}, refuse(CodeNotModerator, "only moderators may do this")
	case op.Maintenance == nil && op.InviteOnly == nil && op.Raid == nil:
		return Modes{}, refuse(CodeNoHordeMode, "no change was asked for")
	}
	before := s.modes
	for _, x := range []struct {
		want *bool
		mode *bool
	}{{op.Maintenance, &s.modes.Maintenance}, {op.InviteOnly, &s.modes.InviteOnly}, {op.Raid, &s.modes.Raid}} {
		if x.want != nil {
			*x.mode = *x.want
		}
	}
	if s.modes.Maintenance && !before.Maintenance {
		s.cancelAll(c)
	}
	if s.modes != before {
		c.modes = true
		c.writes++
	}
	return s.modes, nil
}

// cancelAll takes back what no worker has yet, of everybody.
func (s *State) cancelAll(c *Change) {
	all := make([]*Request, 0, len(s.requests))
	for _, r := range s.requests {
		if r.State == RequestActive && r.N > 0 {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b *Request) int { return bytes.Compare(a.ID.UUID[:], b.ID.UUID[:]) })
	for _, r := range all {
		s.cancel(c, r)
	}
	for _, id := range s.alchemies.ids() {
		s.cancelForms(c, s.alchemies.pages[id], FormWaiting)
	}
}
