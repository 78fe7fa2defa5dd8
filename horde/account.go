// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"stablemate/horde/kudos"
)

// Refusals about accounts.
const (
	CodeAnonUserMod      Code = "AnonForbiddenUserMod"
	CodeAnonUser         Code = "AnonForbiddenUser"
	CodeProfaneName      Code = "ProfaneUserName"
	CodeProfaneContact   Code = "ProfaneUserContact"
	CodeProfaneComment   Code = "ProfaneAdminComment"
	CodeNonService       Code = "NonServiceForbidden"
	CodeUserNotDeleted   Code = "UserNotDeleted"
	CodeNoUserMod        Code = "NoUserModSelected"
	CodeCannotDeleteMod  Code = "CannotDeleteMod"
	CodeNotUserOrMod     Code = "NotUserOrMod"
	CodeCannotWipeActive Code = "CannotWipeActiveUser"
	CodeServiceOnly      Code = "OnlyServiceAccountProxy"
)

// Bounds of what people say about accounts.
const (
	MaxConcurrency  = 500
	MaxInvited      = 10_000
	MaxContactRunes = 500
	MinMultiplier   = 0.1
	MaxMultiplier   = 10

	// WipeAfter is how long a deleted account must have been idle before it can be wiped.
	WipeAfter = 30 * 24 * time.Hour

	// externalWiped begins the identity of a wiped account; its number makes it unlike any other.
	externalWiped = "<wiped>"
	wipedName     = "Wiped"
)

// Moderates reports whether the account may do what moderators do.
func (u *User) Moderates() bool { return u.Roles&(RoleModerator|RoleAdmin) != 0 }

// Wiped reports whether nothing but the number and the kudos of the account are left. No lookup finds it.
func (u *User) Wiped() bool { return strings.HasPrefix(u.External, externalWiped) }

// usage is what an amount of things counts in the account's records.
func (u *User) usage(things int64) int64 {
	if u.Multiplier == 0 {
		return things
	}
	return int64(math.Round(float64(things) * u.Multiplier))
}

// moderated are the roles that moderators give; the others need more, or are everybody's own.
const moderated = RoleTrusted | RoleFlagged | RoleCustomizer | RoleVPN | RoleService | RoleEducation | RoleSpecial

// ChangeUser is what people, moderators and admins change about an account. Nil fields and zero roles stay as they are. It
// is all or nothing. By an admin: Adjust, Monthly, Multiplier and the moderator's role. By a moderator: the other roles,
// Concurrency, Invited, ResetSuspicion and Comment. By the account itself or a moderator: the rest.
type ChangeUser struct {
	By, User UserID

	Adjust     *kudos.Amount // added to, or taken from, the balance
	Monthly    *kudos.Amount // added to, or taken from, what the account is given each month
	Multiplier *float64
	Grant      Role
	Revoke     Role

	Concurrency    *int
	Invited        *int
	ResetSuspicion bool
	Comment        *string

	PublicWorkers *bool
	Name          *string
	Contact       *string
	Passkey       *KeyHash // replaces the proxy passkey of a service account
	Undelete      bool

	// Key makes Adjust and Monthly happen once, however often they are asked for. It is required with either.
	Key string
	// Prior and PriorMonthly are the ledger's events for AdjustKey and RaiseKey, looked up by whoever uses a key again.
	Prior, PriorMonthly *kudos.Event
}

// AdjustKey is the ledger's key of the adjustment.
func (op *ChangeUser) AdjustKey() string { return AwardKey(op.Key) }

// RaiseKey is the ledger's key of what a raise of the monthly kudos pays at once.
func (op *ChangeUser) RaiseKey() string { return "raise:" + op.Key }

func (op ChangeUser) apply(s *State, c *Change) (User, error) {
	u, err := op.check(s)
	if err != nil {
		return User{}, err
	}
	if op.Name != nil {
		u.Name = CleanName(*op.Name)
	}
	if op.Contact != nil {
		u.Contact = SafeText(*op.Contact)
	}
	if op.Comment != nil {
		u.Comment = SafeText(*op.Comment)
	}
	if op.PublicWorkers != nil {
		u.Roles &^= RolePublicWorkers
		if *op.PublicWorkers {
			u.Roles |= RolePublicWorkers
		}
	}
	if op.Undelete {
		u.Roles &^= RoleDeleted
	}
	if op.Invited != nil {
		u.Invited = *op.Invited
	}
	if op.Multiplier != nil {
		u.Multiplier = *op.Multiplier
	}
	if op.Concurrency != nil {
		u.Concurrency = *op.Concurrency
	}
	if op.ResetSuspicion {
		s.clearSuspicion(c, u)
	}
	if op.Passkey != nil {
		delete(s.byPasskey, u.Passkey)
		u.Passkey = *op.Passkey
		s.byPasskey[u.Passkey] = u.ID
	}
	s.setRoles(c, u, op.Grant, op.Revoke, op.Concurrency == nil)
	if op.Adjust != nil {
		s.grant(c, u, *op.Adjust, op.AdjustKey(), op.Prior, &u.Details.Admin)
	}
	if op.Monthly != nil {
		s.raiseMonthly(c, u, *op.Monthly, op.RaiseKey(), op.PriorMonthly)
	}
	c.saveUser(u)
	return *u, nil
}

// check refuses what the caller may not do, before anything changes.
func (op *ChangeUser) check(s *State) (*User, error) {
	u, ok := s.users[op.User]
	if !ok || u.Wiped() {
		return nil, refuse(CodeUserNotFound, "User with id %d not found.", op.User)
	}
	by, ok := s.users[op.By]
	roles := op.Grant | op.Revoke
	own := op.PublicWorkers != nil || op.Name != nil || op.Contact != nil || op.Undelete || op.Passkey != nil
	byMod := roles&moderated != 0 || op.Concurrency != nil || op.Invited != nil || op.ResetSuspicion || op.Comment != nil
	byAdmin := roles&RoleModerator != 0 || op.Adjust != nil || op.Monthly != nil || op.Multiplier != nil
	switch {
	case !ok || by.Wiped():
		return nil, refuse(CodeInvalidAPIKey, "no user matches this API key")
	case by.ID == Anonymous:
		return nil, refuse(CodeAnonUserMod, "the anonymous account cannot change accounts")
	case !own && !byMod && !byAdmin && roles == 0:
		return nil, refuse(CodeNoUserMod, "nothing to change was named")
	case roles&^(moderated|RoleModerator) != 0:
		return nil, refuse(CodeNotAdmin, "only the operator of this horde gives that role")
	case byAdmin && !by.Has(RoleAdmin):
		return nil, refuse(CodeNotAdmin, "only an admin may change that about an account")
	case byMod && !by.Moderates():
		return nil, refuse(CodeNotModerator, "only a moderator may change that about an account")
	case own && by.ID != u.ID && !by.Moderates():
		return nil, refuse(CodeNotModerator, "only a moderator may change somebody else's account")
	case u.ID == Anonymous:
		return nil, refuse(CodeAnonUserMod, "the anonymous account cannot be changed")
	}
	if err := op.checkTexts(s); err != nil {
		return nil, err
	}
	return u, op.checkValues(s, u, by)
}

func (op *ChangeUser) checkTexts(s *State) error {
	if op.Name != nil {
		switch name := strings.TrimSpace(*op.Name); {
		case strings.ContainsRune(name, 0):
			return refuse(CodeNulByte, "texts may not hold NUL characters")
		case utf8.RuneCountInString(name) > MaxNameRunes:
			return refuse(CodeTooLongUserName, "a name has at most %d characters", MaxNameRunes)
		case CleanName(name) == "":
			return refuse(CodeBadRequest, "an account needs a name")
		case s.profane(name):
			return refuse(CodeProfaneName, "this name cannot be used here")
		}
	}
	for _, t := range []struct {
		text *string
		what string
		code Code
	}{{op.Contact, "a contact", CodeProfaneContact}, {op.Comment, "a comment", CodeProfaneComment}} {
		switch {
		case t.text == nil:
		case strings.ContainsRune(*t.text, 0):
			return refuse(CodeNulByte, "texts may not hold NUL characters")
		case utf8.RuneCountInString(*t.text) > MaxContactRunes:
			return refuse(CodeBadRequest, "%s has at most %d characters", t.what, MaxContactRunes)
		case s.profane(*t.text):
			return refuse(t.code, "this text cannot be used here")
		}
	}
	return nil
}

func (op *ChangeUser) checkValues(s *State, u, by *User) error {
	switch {
	case op.Passkey != nil && !by.Has(RoleService):
		return refuse(CodeNonService, "proxy passkeys are for service accounts")
	case op.Passkey != nil && s.byPasskey[*op.Passkey] != 0:
		return refuse(CodeBadRequest, "this passkey is already in use")
	case op.Undelete && !u.Has(RoleDeleted):
		return refuse(CodeUserNotDeleted, "this account is not marked as deleted")
	case op.Grant&RoleModerator != 0 && u.Has(RoleDeleted) && !op.Undelete:
		return refuse(CodeDeletedUser, "this account is marked as deleted")
	case op.Concurrency != nil && (*op.Concurrency < 0 || *op.Concurrency > MaxConcurrency):
		return refuse(CodeBadRequest, "concurrency is between 0 and %d", MaxConcurrency)
	case op.Invited != nil && (*op.Invited < 0 || *op.Invited > MaxInvited):
		return refuse(CodeBadRequest, "invited workers are between 0 and %d", MaxInvited)
	case op.Multiplier != nil && !(*op.Multiplier >= MinMultiplier && *op.Multiplier <= MaxMultiplier):
		return refuse(CodeBadRequest, "the usage multiplier is between %g and %d", MinMultiplier, MaxMultiplier)
	case (op.Adjust != nil || op.Monthly != nil) && op.Key == "":
		return refuse(CodeBadRequest, "a change of kudos needs a key")
	}
	for _, a := range []*kudos.Amount{op.Adjust, op.Monthly} {
		if a != nil && (*a > kudos.MaxAmount || *a < -kudos.MaxAmount) {
			return refuse(CodeBadRequest, "a change is at most %s kudos", kudos.MaxAmount)
		}
	}
	return nil
}

// DeleteUser marks an account as deleted, which can be undone. Asked again, when the account has been idle for WipeAfter, it
// wipes it: name, identity, key, contact, workers and shared keys go; number and kudos stay, as the ledger's do for ever.
type DeleteUser struct{ By, User UserID }

// Deleted is the answer to DeleteUser.
type Deleted struct{ Wiped bool }

func (op DeleteUser) apply(s *State, c *Change) (Deleted, error) {
	by, ok := s.users[op.By]
	if !ok || by.Wiped() {
		return Deleted{}, refuse(CodeInvalidAPIKey, "no user matches this API key")
	}
	u, ok := s.users[op.User]
	switch {
	case !ok || u.Wiped():
		return Deleted{}, refuse(CodeUserNotFound, "User with id %d not found.", op.User)
	case by.ID == Anonymous:
		return Deleted{}, refuse(CodeAnonUser, "the anonymous account cannot delete accounts")
	case by.ID != u.ID && !by.Moderates():
		return Deleted{}, refuse(CodeNotUserOrMod, "only a moderator may delete somebody else's account")
	case u.ID == Anonymous:
		return Deleted{}, refuse(CodeAnonUser, "the anonymous account cannot be deleted")
	case u.Moderates():
		return Deleted{}, refuse(CodeCannotDeleteMod, "accounts of moderators cannot be deleted")
	case u.Has(RoleDeleted) && c.Now.Sub(u.LastActive) < WipeAfter:
		return Deleted{}, refuse(CodeCannotWipeActive, "this account was active within the last %d days and cannot be wiped yet",
			int(WipeAfter/(24*time.Hour)))
	case u.Has(RoleDeleted):
		s.wipe(c, u)
		c.emit(Event{Kind: UserChanged, User: u.ID})
		return Deleted{Wiped: true}, nil
	}
	u.Roles |= RoleDeleted
	c.saveUser(u)
	c.emit(Event{Kind: UserChanged, User: u.ID})
	return Deleted{}, nil
}

// wipe leaves a tombstone of an account, which collides with no other.
func (s *State) wipe(c *Change, u *User) {
	for _, id := range s.WorkersOf(u.ID) {
		s.forgetWorker(c, s.workers[id])
	}
	for _, id := range slices.Clone(s.sharedOf[u.ID]) {
		s.forgetSharedKey(c, id)
	}
	for _, id := range s.RequestsOf(u.ID) {
		if r := s.requests[id]; r.State == RequestActive {
			s.cancel(c, r)
		}
	}
	delete(s.byExternal, u.External)
	delete(s.byKey, u.Key)
	delete(s.byPasskey, u.Passkey)
	u.External = externalWiped + strconv.FormatInt(int64(u.ID), 10)
	u.Name, u.Contact, u.Comment, u.Passkey = wipedName, "", "", KeyHash{}
	u.Roles = RoleDeleted
	one, two := c.IDs.UUID(), c.IDs.UUID() // a hash that no key has
	copy(u.Key[:16], one[:])
	copy(u.Key[16:], two[:])
	s.byExternal[u.External], s.byKey[u.Key] = u.ID, u.ID
	c.saveUser(u)
}

// forgetWorker takes a worker out of the horde. What it has in flight runs into its deadline.
func (s *State) forgetWorker(c *Change, w *Worker) {
	for _, m := range slices.Clone(s.inbox[w.ID]) {
		s.dropMessage(c, m)
	}
	delete(s.workers, w.ID)
	delete(s.workerByName, w.Offer.Name)
	if s.byOwner[w.Owner]--; s.byOwner[w.Owner] == 0 {
		delete(s.byOwner, w.Owner)
	}
	c.dirty.goneWorkers.add(w.ID)
	c.writes++
	c.emit(Event{Kind: WorkerChanged, Worker: w.ID, User: w.Owner})
}

// ProxyAccount finds the service account behind a hashed proxy passkey. Flagged and deleted ones may not proxy.
func (s *State) ProxyAccount(passkey KeyHash) (User, bool) {
	id, ok := s.byPasskey[passkey]
	if !ok || passkey == (KeyHash{}) {
		return User{}, false
	}
	u := s.users[id]
	if !u.Has(RoleService) || u.Roles&(RoleFlagged|RoleDeleted) != 0 {
		return User{}, false
	}
	return *u, true
}
