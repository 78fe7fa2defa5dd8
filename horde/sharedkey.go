// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"stablemate/horde/kudos"
)

// KindSharedKey is the kind of record that shared keys are kept as.
const KindSharedKey RecordKind = "sharedkey"

// SharedKeyID names a shared key and is the key itself: who knows it may ask for images and texts at its owner's cost.
type SharedKeyID struct{ UUID }

// Unlimited stands for no bound, of a budget or of a limit.
const Unlimited = -1

// Bounds of shared keys.
const (
	MaxSharedKeyRunes       = 255 // of a name
	MaxSharedKeyDays        = 36_500
	MaxSharedKeys           = 3
	MaxSharedKeysTrusted    = 10
	MaxSharedKeysEducation  = 1000
	DefaultSharedKeyBudget  = 5000 * kudos.One
	lowPriority             = -50 * kudos.One // of requests that cannot be paid for as they should
	sharedKeyLimitMost      = 1 << 40         // of pixels, steps and tokens: more than any request has
	refusalSharedKeyUnknown = "this shared key does not exist"
)

// Refusals of shared keys.
const (
	CodeSharedKeyEmpty        Code = "SharedKeyEmpty"
	CodeSharedKeyExpired      Code = "SharedKeyExpired"
	CodeSharedKeyInsufficient Code = "SharedKeyInsufficientKudos"
	CodeSharedKeyStyles       Code = "SharedKeyAssignedStyles"
	CodeNoSharedKeyMod        Code = "NoSharedKeyModSelected"
)

// SharedKey lets others ask for images and texts in its owner's name, within a budget and limits. Its JSON is stored.
type SharedKey struct {
	ID        SharedKeyID  `json:"-"` // the record's own
	Owner     UserID       `json:"owner"`
	Name      string       `json:"name,omitempty"`
	Created   time.Time    `json:"created"`
	Budget    kudos.Amount `json:"budget"` // what is left; Unlimited
	Used      kudos.Amount `json:"used,omitempty"`
	Expiry    time.Time    `json:"expiry,omitzero"`
	MaxPixels int          `json:"max_pixels"` // of one image, or Unlimited, like the other two
	MaxSteps  int          `json:"max_steps"`
	MaxTokens int          `json:"max_tokens"`
}

// Expired reports whether the key is past its time.
func (k *SharedKey) Expired(now time.Time) bool { return !k.Expiry.IsZero() && !now.Before(k.Expiry) }

// indexSharedKeys files the keys that were loaded under their owners.
func (s *State) indexSharedKeys() error {
	s.sharedOf = make(map[UserID][]SharedKeyID)
	for _, text := range s.sharedKeys.ids() {
		id, err := ParseUUID(text)
		if err != nil {
			return fmt.Errorf("shared key %q: %w", text, err)
		}
		k := s.sharedKeys.pages[text]
		k.ID = SharedKeyID{id}
		s.sharedOf[k.Owner] = append(s.sharedOf[k.Owner], k.ID)
	}
	for _, list := range s.sharedOf {
		slices.SortStableFunc(list, func(a, b SharedKeyID) int { return s.sharedKey(a).Created.Compare(s.sharedKey(b).Created) })
	}
	return nil
}

func (s *State) sharedKey(id SharedKeyID) *SharedKey {
	if id.IsZero() {
		return nil
	}
	return s.sharedKeys.pages[id.String()]
}

// SharedKey reads a shared key and its owner.
func (s *State) SharedKey(id SharedKeyID) (k SharedKey, owner User, ok bool) {
	page := s.sharedKey(id)
	if page == nil {
		return SharedKey{}, User{}, false
	}
	return *page, *s.users[page.Owner], true
}

// SharedKeysOf lists the shared keys of an account, oldest first.
func (s *State) SharedKeysOf(u UserID) []SharedKeyID { return slices.Clone(s.sharedOf[u]) }

// SharedKeyTerms is what an owner decides about a shared key. Nil fields stay as they are, or as they are by default.
type SharedKeyTerms struct {
	Name      *string
	Budget    *kudos.Amount // Unlimited or what may be spent from now on
	Days      *int          // until it expires, from now on; 0 and less: never
	MaxPixels *int
	MaxSteps  *int
	MaxTokens *int
}

func (t *SharedKeyTerms) empty() bool { return *t == SharedKeyTerms{} }

func (t *SharedKeyTerms) check() error {
	switch {
	case t.Name != nil && strings.ContainsRune(*t.Name, 0):
		return refuse(CodeNulByte, "texts may not hold NUL characters")
	case t.Name != nil && utf8.RuneCountInString(*t.Name) > MaxSharedKeyRunes:
		return refuse(CodeBadRequest, "a shared key's name has at most %d characters", MaxSharedKeyRunes)
	case t.Budget != nil && *t.Budget != Unlimited && (*t.Budget < 0 || *t.Budget > kudos.MaxAmount):
		return refuse(CodeBadRequest, "a shared key's kudos are between 0 and %s, or -1 for no limit", kudos.MaxAmount)
	case t.Days != nil && *t.Days > MaxSharedKeyDays:
		return refuse(CodeBadRequest, "a shared key expires within %d days, or never", MaxSharedKeyDays)
	}
	for _, limit := range []*int{t.MaxPixels, t.MaxSteps, t.MaxTokens} {
		if limit != nil && (*limit < Unlimited || *limit > sharedKeyLimitMost) {
			return refuse(CodeBadRequest, "a limit of a shared key is 0 or more, or -1 for none")
		}
	}
	return nil
}

func (t *SharedKeyTerms) into(k *SharedKey, now time.Time) {
	if t.Name != nil {
		k.Name = SafeText(*t.Name)
	}
	if t.Budget != nil {
		k.Budget = *t.Budget
	}
	if t.Days != nil {
		k.Expiry = time.Time{}
		if *t.Days > 0 {
			k.Expiry = now.AddDate(0, 0, *t.Days)
		}
	}
	for _, l := range []struct{ from, to *int }{{t.MaxPixels, &k.MaxPixels}, {t.MaxSteps, &k.MaxSteps}, {t.MaxTokens, &k.MaxTokens}} {
		if l.from != nil {
			*l.to = *l.from
		}
	}
}

// CreateSharedKey makes a shared key. How many a person may have depends on trust.
type CreateSharedKey struct {
	Owner UserID
	SharedKeyTerms
}

func (op CreateSharedKey) apply(s *State, c *Change) (SharedKey, error) {
	u, ok := s.users[op.Owner]
	switch {
	case !ok || u.Wiped():
		return SharedKey{}, refuse(CodeInvalidAPIKey, "no user matches this API key")
	case u.ID == Anonymous:
		return SharedKey{}, refuse(CodeAnonForbidden, "the anonymous account cannot have shared keys; please register")
	case u.Has(RoleDeleted):
		return SharedKey{}, refuse(CodeDeletedUser, "this account is marked as deleted")
	}
	most := MaxSharedKeys
	switch {
	case u.Has(RoleTrusted):
		most = MaxSharedKeysTrusted
	case u.Has(RoleEducation):
		most = MaxSharedKeysEducation
	}
	if have := len(s.sharedOf[u.ID]); have >= most {
		return SharedKey{}, refuse(CodeManySharedKeys, "you have %d shared keys, as many as you may have", have)
	}
	if err := op.check(); err != nil {
		return SharedKey{}, err
	}
	k := &SharedKey{
		ID: SharedKeyID{c.IDs.UUID()}, Owner: u.ID, Created: c.Now, Budget: DefaultSharedKeyBudget,
		MaxPixels: Unlimited, MaxSteps: Unlimited, MaxTokens: Unlimited,
	}
	op.into(k, c.Now)
	s.sharedKeys.put(c, k.ID.String(), k)
	s.sharedOf[u.ID] = append(s.sharedOf[u.ID], k.ID)
	return *k, nil
}

// ChangeSharedKey changes the terms of a shared key: its owner's to do, and nobody else's.
type ChangeSharedKey struct {
	By  UserID
	Key SharedKeyID
	SharedKeyTerms
}

func (op ChangeSharedKey) apply(s *State, c *Change) (SharedKey, error) {
	k, err := s.ownSharedKey(op.By, op.Key)
	switch {
	case err != nil:
		return SharedKey{}, err
	case op.empty():
		return SharedKey{}, refuse(CodeNoSharedKeyMod, "nothing to change was named")
	}
	if err := op.check(); err != nil {
		return SharedKey{}, err
	}
	op.into(k, c.Now)
	s.sharedKeys.put(c, k.ID.String(), k)
	return *k, nil
}

func (s *State) ownSharedKey(by UserID, id SharedKeyID) (*SharedKey, error) {
	k := s.sharedKey(id)
	switch {
	case k == nil:
		return nil, refuse(CodeInvalidAPIKey, refusalSharedKeyUnknown)
	case s.users[by] == nil || s.users[by].Wiped():
		return nil, refuse(CodeInvalidAPIKey, "no user matches this API key")
	case k.Owner != by:
		return nil, refuse(CodeForbidden, "only its owner may change a shared key")
	}
	return k, nil
}

// DeleteSharedKey takes a shared key away. What waits in the queue for it is withdrawn; what workers are at already may
// still come, at its owner's cost.
type DeleteSharedKey struct {
	By  UserID
	Key SharedKeyID
}

func (op DeleteSharedKey) apply(s *State, c *Change) (SharedKey, error) {
	k, err := s.ownSharedKey(op.By, op.Key)
	if err != nil {
		return SharedKey{}, err
	}
	for _, id := range s.RequestsOf(k.Owner) {
		if r := s.requests[id]; r.SharedKey == k.ID && r.State == RequestActive {
			s.cancel(c, r)
		}
	}
	s.forgetSharedKey(c, k.ID)
	return *k, nil
}

func (s *State) forgetSharedKey(c *Change, id SharedKeyID) {
	k := s.sharedKey(id)
	s.sharedOf[k.Owner] = slices.DeleteFunc(s.sharedOf[k.Owner], func(x SharedKeyID) bool { return x == id })
	if len(s.sharedOf[k.Owner]) == 0 {
		delete(s.sharedOf, k.Owner)
	}
	s.sharedKeys.drop(c, id.String())
}

// payer says who pays for a request, and through which shared key.
type payer struct {
	user   *User
	key    SharedKeyID // zero: none is charged
	styled bool        // the key came with a style, whose own settings then are the limits
	low    bool        // the request goes behind the others: the key cannot pay for it
}

// priority is what the request's place in the queue is computed from.
func (p *payer) priority() kudos.Amount {
	if p.low {
		return lowPriority
	}
	return p.user.priority()
}

// payerOf finds who pays: the caller, or the owner of the shared key that the caller showed. An empty key pays nothing
// more; with downgrade the request goes on in everybody's name, behind the others. A key that is bound to styles pays only
// for requests in them.
func (s *State) payerOf(user UserID, key SharedKeyID, style *AppliedStyle, downgrade bool, now time.Time) (payer, error) {
	if key.IsZero() {
		u, ok := s.users[user]
		if !ok || u.Wiped() {
			return payer{}, refuse(CodeInvalidAPIKey, "no user matches this API key")
		}
		return payer{user: u}, nil
	}
	k := s.sharedKey(key)
	if k == nil {
		return payer{}, refuse(CodeInvalidAPIKey, refusalSharedKeyUnknown)
	}
	anonymous, styled := s.users[Anonymous], false
	if style != nil {
		st := s.styles.pages[style.Style.String()]
		styled = st != nil && st.SharedKey == key.String()
	}
	switch {
	case k.Expired(now):
		return payer{}, refuse(CodeSharedKeyExpired, "this shared key has expired")
	case k.Budget == 0 && downgrade && s.settings.AnonymousAllowed && anonymous != nil:
		return payer{user: anonymous, low: true}, nil
	case k.Budget == 0:
		return payer{}, refuse(CodeSharedKeyEmpty, "this shared key has no kudos left")
	case !styled && s.StylesWithKey(key.String()) > 0:
		return payer{}, refuse(CodeSharedKeyStyles, "this shared key works only through the styles it is assigned to")
	}
	return payer{user: s.users[k.Owner], key: key, styled: styled}, nil
}

// sharedAsk is what the limits of a shared key look at. Fields of zero are not looked at.
type sharedAsk struct {
	Pixels, Steps, Tokens int
}

// admitSharedKey holds what a request will cost against the budget of its payer's shared key, if there is one. With
// downgrade a request beyond the budget goes behind the others instead of being refused.
func (s *State) admitSharedKey(p *payer, estimate kudos.Amount, downgrade bool) error {
	k := s.sharedKey(p.key)
	switch {
	case k == nil || k.Budget == Unlimited || k.Budget >= estimate:
		return nil
	case !downgrade:
		return refuse(CodeSharedKeyInsufficient, "this needs about %s kudos and the shared key has %s left", estimate, k.Budget)
	}
	p.low = true
	return nil
}

// limitSharedKey holds one image or text of a request against the limits of its payer's shared key, if there is one.
func (s *State) limitSharedKey(p *payer, ask sharedAsk) error {
	k := s.sharedKey(p.key)
	if k == nil || p.styled {
		return nil
	}
	for _, l := range []struct {
		what      string
		most, has int
	}{{"pixels", k.MaxPixels, ask.Pixels}, {"steps", k.MaxSteps, ask.Steps}, {"tokens", k.MaxTokens, ask.Tokens}} {
		if l.most != Unlimited && l.has > l.most {
			return refuse(CodeBadRequest, "%d %s are more than the %d that this shared key allows", l.has, l.what, l.most)
		}
	}
	return nil
}

// bindSharedKey refuses a shared key of a style that is not its owner's or does not work now.
func (s *State) bindSharedKey(st *Style, now time.Time) error {
	if st.SharedKey == "" {
		return nil
	}
	id, err := ParseUUID(st.SharedKey)
	k := s.sharedKey(SharedKeyID{id})
	switch {
	case err != nil || k == nil || k.Owner != st.Owner:
		return refuse(CodeBadRequest, "This horde knows no such shared key.")
	case k.Expired(now):
		return refuse(CodeBadRequest, "This shared key has expired.")
	case k.Budget == 0:
		return refuse(CodeBadRequest, "This shared key has no kudos left.")
	}
	st.SharedKey = id.String()
	return nil
}

// spendSharedKey counts what was paid against a shared key. A finished job is never refused, so the last payment may be
// more than what is left. A key that is gone or empty counts nothing.
func (s *State) spendSharedKey(c *Change, id SharedKeyID, amount kudos.Amount) {
	k := s.sharedKey(id)
	if k == nil || k.Budget == 0 || amount <= 0 {
		return
	}
	if k.Budget != Unlimited {
		k.Budget = max(0, k.Budget-amount)
	}
	k.Used += amount
	s.sharedKeys.put(c, id.String(), k)
}

// fillSharedKey adds a gift to what a shared key may spend.
func (s *State) fillSharedKey(c *Change, id SharedKeyID, amount kudos.Amount) {
	if k := s.sharedKey(id); k != nil && k.Budget != Unlimited {
		k.Budget += amount
		s.sharedKeys.put(c, id.String(), k)
	}
}
