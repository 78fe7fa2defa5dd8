// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"stablemate/horde/kudos"
)

// Role is a bit set of what an account may do or is barred from.
type Role uint32

// Roles. The numbers are stored.
const (
	RoleModerator Role = 1 << iota
	RoleTrusted
	RoleFlagged
	RoleCustomizer
	RoleVPN
	RoleService
	RoleEducation
	RoleSpecial
	RoleDeleted
	RolePublicWorkers
	RoleAdmin
)

// RoleNames maps the names operators type to roles.
func RoleNames() map[string]Role {
	return map[string]Role{
		"moderator": RoleModerator, "trusted": RoleTrusted, "flagged": RoleFlagged, "customizer": RoleCustomizer,
		"vpn": RoleVPN, "service": RoleService, "education": RoleEducation, "special": RoleSpecial, "admin": RoleAdmin,
	}
}

// KeyHash is SHA-256 over the deployment's secret and an API key. Keys themselves are never kept.
type KeyHash [32]byte

// Details are the statistics of where a person's kudos came from and went, as the API shows them.
type Details struct {
	Accumulated kudos.Amount `json:"accumulated,omitempty"`
	Gifted      kudos.Amount `json:"gifted,omitempty"`
	Donated     kudos.Amount `json:"donated,omitempty"`
	Admin       kudos.Amount `json:"admin,omitempty"`
	Received    kudos.Amount `json:"received,omitempty"`
	Recurring   kudos.Amount `json:"recurring,omitempty"`
	Awarded     kudos.Amount `json:"awarded,omitempty"`
	Styled      kudos.Amount `json:"styled,omitempty"`
}

// Records count what a person asked for and gave. Things are pixelsteps of images, tokens of
// texts, and forms of alchemy.
type Records struct {
	UsageThings        int64 `json:"usage,omitempty"`
	ContributionThings int64 `json:"contribution,omitempty"`
	Requests           int64 `json:"requests,omitempty"`
	Fulfilments        int64 `json:"fulfilments,omitempty"`
	Styled             int64 `json:"styled,omitempty"` // requests of others that used the person's styles
}

// User is an account.
type User struct {
	ID          UserID
	External    string // "anon", a UUID, or "d_<Discord id>"; unique
	Name        string
	Key         KeyHash
	Created     time.Time
	LastActive  time.Time
	Roles       Role
	Concurrency int
	Invited     int // workers allowed while the horde is invite-only
	Suspicion   int // how often a reason for it was given
	Reasons     Reasons

	Balance   kudos.Amount // spendable, may be at but not under Floor
	Held      kudos.Amount
	Evaluated kudos.Amount

	Details Details
	Image   Records
	Text    Records
	Alchemy Records
	Contact string
	Comment string

	Monthly    kudos.Amount // given each month, besides what a role brings
	MonthlyAt  time.Time    // the month's payment that was made last; zero: none ever
	Multiplier float64      // of what counts as usage in Image; 0 counts as 1
	Passkey    KeyHash      // of the proxy passkey; zero: none
}

// Has reports whether the account has all the given roles.
func (u *User) Has(r Role) bool { return u.Roles&r == r }

// Alias is the public name, name#id.
func (u *User) Alias() string { return u.Name + "#" + strconv.FormatInt(int64(u.ID), 10) }

// Pseudonymous reports whether the account came without any identity.
func (u *User) Pseudonymous() bool {
	_, err := ParseUUID(u.External)
	return err == nil
}

// Floor is what a debit never goes under.
func (u *User) Floor() kudos.Amount {
	switch {
	case u.ID == Anonymous:
		return FloorAnonymous
	case u.Pseudonymous():
		return FloorPseudonymous
	}
	return FloorRegistered
}

// Available is what the person may give away or set aside: the balance above the floor.
func (u *User) Available() kudos.Amount { return max(0, u.Balance-u.Floor()) }

// Suspicious accounts may not send or receive kudos.
func (u *User) Suspicious() bool { return u.Suspicion >= MaxSuspicion && !u.Has(RoleTrusted) }

// ParseAlias finds the number in name#id; only what follows the last # counts.
func ParseAlias(alias string) (UserID, bool) {
	at := strings.LastIndexByte(alias, '#')
	if at < 0 {
		return 0, false
	}
	return ParseUserID(alias[at+1:])
}

// ParseUserID reads a decimal account number.
func ParseUserID(s string) (UserID, bool) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, false
	}
	return UserID(n), true
}

// CreateUser opens an account. External must be new, unless Ensure asks for the one that is there.
type CreateUser struct {
	External string
	Name     string
	Key      KeyHash
	Roles    Role
	Welcome  kudos.Amount // given above the floor, once
	Ensure   bool
}

func (op CreateUser) apply(s *State, c *Change) (User, error) {
	if id, ok := s.byExternal[op.External]; ok {
		if op.Ensure {
			return *s.users[id], nil
		}
		return User{}, refuse(CodeBadRequest, "there is already an account for this identity")
	}
	name := CleanName(op.Name)
	if name == "" {
		return User{}, refuse(CodeBadRequest, "an account needs a name")
	}
	if _, taken := s.byKey[op.Key]; taken {
		return User{}, refuse(CodeBadRequest, "this key is already in use")
	}
	u := &User{
		ID: s.nextUser, External: op.External, Name: name, Key: op.Key, Created: c.Now, LastActive: c.Now,
		Roles: op.Roles, Concurrency: DefaultConcurrency,
	}
	if op.External == ExternalAnonymous {
		u.Concurrency = AnonymousConcurrency
	}
	s.addUser(u)
	c.saveUser(u)
	c.emit(Event{Kind: UserChanged, User: u.ID})
	if utf8.RuneCountInString(strings.TrimSpace(op.Name)) > MaxNameRunes {
		s.suspect(c, u, nil, ReasonUserNameLong)
	}
	if s.profane(name) {
		s.suspect(c, u, nil, ReasonUserNameProfane)
	}
	if start := u.Floor() + op.Welcome; u.ID != Anonymous && start > 0 {
		c.post(s, "welcome:"+strconv.FormatInt(int64(u.ID), 10), kudos.KindWelcome,
			kudos.Move(kudos.Treasury, spendable(u.ID), start))
	}
	return *u, nil
}

// ExternalAnonymous is the identity of account 0.
const ExternalAnonymous = "anon"

// SetKey replaces an account's API key; the old one is worth nothing from then on.
type SetKey struct {
	User UserID
	Key  KeyHash
}

func (op SetKey) apply(s *State, c *Change) (User, error) {
	u, ok := s.users[op.User]
	switch {
	case !ok || u.ID == Anonymous:
		return User{}, refuse(CodeUserNotFound, "no account %d", op.User)
	case u.Key == op.Key:
		return *u, nil
	}
	if _, taken := s.byKey[op.Key]; taken {
		return User{}, refuse(CodeBadRequest, "this key is already in use")
	}
	delete(s.byKey, u.Key)
	u.Key = op.Key
	s.byKey[op.Key] = u.ID
	c.saveUser(u)
	return *u, nil
}

// SetUser changes what an operator decides about an account. Nil fields stay as they are.
type SetUser struct {
	User        UserID
	Name        *string
	Concurrency *int
	Grant       Role
	Revoke      Role
	Award       kudos.Amount // added to, or taken from, the balance
	AwardKey    string       // unique for this award; required with Award: a repeat awards nothing more
	Prior       *kudos.Event // the ledger's event for the key, looked up by whoever uses one
}

func (op SetUser) apply(s *State, c *Change) (User, error) {
	u, ok := s.users[op.User]
	switch {
	case !ok:
		return User{}, refuse(CodeUserNotFound, "no account %d", op.User)
	case op.Award != 0 && op.AwardKey == "":
		return User{}, refuse(CodeBadRequest, "an award needs a key")
	case op.Award > kudos.MaxAmount || op.Award < -kudos.MaxAmount:
		return User{}, refuse(CodeBadRequest, "an award is at most %s kudos", kudos.MaxAmount)
	case u.ID == Anonymous && (op.Grant|op.Revoke != 0 || op.Award != 0):
		return User{}, refuse(CodeAnonForbidden, "the anonymous account holds no roles and no awards")
	case op.Concurrency != nil && (*op.Concurrency < 0 || *op.Concurrency > 500):
		return User{}, refuse(CodeBadRequest, "concurrency is between 0 and 500")
	}
	if op.Name != nil {
		name := CleanName(*op.Name)
		if name == "" {
			return User{}, refuse(CodeBadRequest, "an account needs a name")
		}
		u.Name = name
	}
	if op.Concurrency != nil {
		u.Concurrency = *op.Concurrency
	}
	s.setRoles(c, u, op.Grant, op.Revoke, op.Concurrency == nil)
	c.saveUser(u)
	s.grant(c, u, op.Award, AwardKey(op.AwardKey), op.Prior, &u.Details.Admin)
	return *u, nil
}

// setRoles grants and revokes roles with what comes with each. Limit says that a role may change the concurrency.
func (s *State) setRoles(c *Change, u *User, grant, revoke Role, limit bool) {
	before := u.Roles
	u.Roles = u.Roles&^revoke | grant
	if grant&RoleModerator != 0 {
		u.Roles |= RoleTrusted
	}
	if u.Roles != before {
		c.emit(Event{Kind: UserChanged, User: u.ID})
	}
	gained, lost := u.Roles&^before, before&^u.Roles
	switch {
	case !limit:
	case gained&RoleEducation != 0 && u.Concurrency < EducationConcurrency:
		u.Concurrency = EducationConcurrency
	case lost&RoleEducation != 0 && u.Concurrency == EducationConcurrency:
		u.Concurrency = DefaultConcurrency
	}
	if gained&RoleTrusted != 0 {
		s.onTrust(c, u)
	}
	s.drainEscrow(c, u)
}

// grant mints kudos for an account or takes some back, never below its floor, and counts them in the given statistic. A
// key that was used moves nothing. It returns what moved.
func (s *State) grant(c *Change, u *User, amount kudos.Amount, key string, prior *kudos.Event, count *kudos.Amount) kudos.Amount {
	if amount == 0 || s.knows(key, prior) {
		return 0
	}
	if amount < 0 {
		amount = -min(-amount, u.Available())
	}
	*count += amount
	c.post(s, key, kudos.KindAward, kudos.Move(kudos.Treasury, spendable(u.ID), amount))
	s.remember(key, receipt{UserID(kudos.Treasury), u.ID, amount}, c.Now)
	return amount
}

// AwardKey is an award's key in the ledger.
func AwardKey(key string) string { return "award:" + key }

func spendable(u UserID) kudos.Account { return kudos.Of(int64(u), kudos.Spendable) }
func held(u UserID) kudos.Account      { return kudos.Of(int64(u), kudos.Held) }
func evaluated(u UserID) kudos.Account { return kudos.Of(int64(u), kudos.Evaluated) }
