// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"math/bits"
	"slices"
	"time"

	"stablemate/horde/kudos"
)

// KindPurse marks the documents of purses.
const KindPurse RecordKind = "purse"

// Bounds of purses.
const (
	MaxPurses   = 20                  // of one owner at a time
	MaxPurseAge = 60 * 24 * time.Hour // from now until a purse goes back, at most
	MaxFunders  = 20                  // of one purse, its owner not counted
)

// CodePurseNotFound says that a purse is closed. It is ours.
const CodePurseNotFound Code = "PurseNotFound"

// PurseID names a purse.
type PurseID struct{ UUID }

// Purse is kudos that an account set aside to thank people with later. What is left goes back to its owner when it is
// closed, or by itself when its time is over; where others gave to it, to all in proportion. Its JSON is stored.
type Purse struct {
	ID      PurseID      `json:"id"`
	Key     string       `json:"key"` // the idempotency key it was opened with
	Owner   UserID       `json:"owner"`
	Left    kudos.Amount `json:"left"`
	Created time.Time    `json:"created"`
	Expiry  time.Time    `json:"expiry"`
	Put     kudos.Amount `json:"put,omitempty"`     // by the owner, all in all
	Funders []Funder     `json:"funders,omitempty"` // others, in the order they came
}

// Funder is somebody who gave to another's purse, and how much all in all.
type Funder struct {
	User UserID       `json:"user"`
	Put  kudos.Amount `json:"put"`
}

// Shares splits what is left in proportion to what each put in, rounded down; what rounding leaves is the owner's, who
// comes first.
func (p *Purse) Shares() []Funder {
	total := p.Put
	for _, f := range p.Funders {
		total += f.Put
	}
	out, rest := []Funder{{User: p.Owner}}, p.Left
	for _, f := range p.Funders {
		if part := share(p.Left, f.Put, total); part > 0 {
			out = append(out, Funder{f.User, part})
			rest -= part
		}
	}
	out[0].Put = rest
	return out
}

// share is part/total of an amount, rounded down. The product may be too large for 64 bits.
func share(amount, part, total kudos.Amount) kudos.Amount {
	if total <= 0 || part <= 0 || amount <= 0 {
		return 0
	}
	high, low := bits.Mul64(uint64(amount), uint64(part))
	quotient, _ := bits.Div64(high, low, uint64(max(total, part)))
	return kudos.Amount(quotient)
}

// indexPurses files what was loaded at a start.
func (s *State) indexPurses() {
	for _, id := range s.purses.ids() {
		p := s.purses.pages[id]
		s.deadlines.push(p.Expiry, deadline{purse: p.ID})
	}
}

func (s *State) purse(id PurseID) *Purse { return s.purses.pages[id.String()] }

// Purse reads a purse that is open.
func (s *State) Purse(id PurseID) (Purse, bool) {
	p := s.purse(id)
	if p == nil {
		return Purse{}, false
	}
	out := *p
	out.Funders = slices.Clone(p.Funders)
	return out, true
}

// FillPurse sets kudos aside in a purse, a new one unless one of the owner's is named, and sets when it goes back. With the
// same key the kudos move once. Without an amount it only sets the time of a purse that is there.
type FillPurse struct {
	Owner  UserID
	Purse  PurseID // zero: a new one
	Amount kudos.Amount
	Life   time.Duration // until it goes back, from now on; at most MaxPurseAge
	Key    string        // required with an amount
	Prior  *kudos.Event
}

func (op FillPurse) apply(s *State, c *Change) (Purse, error) {
	p := s.purse(op.Purse)
	switch {
	case op.Life <= 0 || op.Life > MaxPurseAge:
		return Purse{}, refuse(CodeBadRequest, "kudos are set aside for %d days at most", int(MaxPurseAge.Hours()/24))
	case !op.Purse.IsZero() && p == nil:
		return Purse{}, refuse(CodePurseNotFound, "these kudos are not set aside any more")
	case p != nil && p.Owner != op.Owner:
		return Purse{}, refuse(CodeForbidden, "only its owner may change what is set aside")
	case op.Amount == 0 && p != nil:
		s.keepPurse(c, p, op.Life)
		return *p, nil
	case op.Key == "":
		return Purse{}, refuse(CodeBadRequest, "setting kudos aside needs a key")
	case s.knows(op.Key, op.Prior):
		if p = s.purseOf(op.Owner, op.Key); op.Purse.IsZero() && p == nil {
			return Purse{}, refuse(CodePurseNotFound, "these kudos are not set aside any more")
		} else if p != nil {
			return *p, nil
		}
		return *s.purse(op.Purse), nil
	case p == nil && s.pursesOf(op.Owner) >= MaxPurses:
		return Purse{}, refuse(CodeManyPurses, "you have set kudos aside %d times already; more would be too many", MaxPurses)
	}
	// What may be given to somebody in particular may be set aside to be given.
	if _, err := s.giver(Give{From: op.Owner, To: "d_", Amount: op.Amount, Key: op.Key}); err != nil {
		return Purse{}, err
	}
	if p == nil {
		p = &Purse{ID: PurseID{c.IDs.UUID()}, Key: op.Key, Owner: op.Owner, Created: c.Now}
	}
	c.post(s, op.Key, kudos.KindReserve, kudos.Move(spendable(op.Owner), kudos.Reserved, op.Amount))
	s.users[op.Owner].Details.Gifted -= op.Amount
	p.Left += op.Amount
	p.Put += op.Amount
	s.keepPurse(c, p, op.Life)
	s.remember(op.Key, receipt{op.Owner, reservedOwner, op.Amount}, c.Now)
	return *p, nil
}

// JoinPurse adds kudos of somebody else to a purse. With the same key they move once. What is left in the end goes back
// to everybody who gave, in proportion.
type JoinPurse struct {
	From   UserID
	Purse  PurseID
	Amount kudos.Amount
	Key    string // required
	Prior  *kudos.Event
}

func (op JoinPurse) apply(s *State, c *Change) (Purse, error) {
	p := s.purse(op.Purse)
	switch {
	case op.Key == "":
		return Purse{}, refuse(CodeBadRequest, "setting kudos aside needs a key")
	case p == nil:
		return Purse{}, refuse(CodePurseNotFound, "these kudos are not set aside any more")
	case s.knows(op.Key, op.Prior):
		return *p, nil
	case op.From == p.Owner:
		return Purse{}, refuse(CodeBadRequest, "the owner of what is set aside adds to it in another way")
	}
	if _, err := s.giver(Give{From: op.From, To: "d_", Amount: op.Amount, Key: op.Key}); err != nil {
		return Purse{}, err
	}
	i := slices.IndexFunc(p.Funders, func(f Funder) bool { return f.User == op.From })
	if i < 0 && len(p.Funders) >= MaxFunders {
		return Purse{}, refuse(CodeManyFunders, "%d people have added to this already; more would be too many", MaxFunders)
	}
	if p.Put == 0 { // from before anybody counted
		p.Put = p.Left
	}
	p.Funders = slices.Clone(p.Funders)
	if i < 0 {
		i, p.Funders = len(p.Funders), append(p.Funders, Funder{User: op.From})
	}
	p.Funders[i].Put += op.Amount
	c.post(s, op.Key, kudos.KindReserve, kudos.Move(spendable(op.From), kudos.Reserved, op.Amount))
	s.users[op.From].Details.Gifted -= op.Amount
	p.Left += op.Amount
	s.purses.put(c, p.ID.String(), p)
	s.remember(op.Key, receipt{op.From, reservedOwner, op.Amount}, c.Now)
	return *p, nil
}

// keepPurse saves a purse with a new time to go back. Its older deadlines find that they came too early.
func (s *State) keepPurse(c *Change, p *Purse, life time.Duration) {
	p.Expiry = c.Now.Add(life)
	s.purses.put(c, p.ID.String(), p)
	s.deadlines.push(p.Expiry, deadline{purse: p.ID})
}

// purseOf finds the purse that a key of its owner opened.
func (s *State) purseOf(owner UserID, key string) *Purse {
	for _, p := range s.purses.pages {
		if p.Owner == owner && p.Key == key {
			return p
		}
	}
	return nil
}

func (s *State) pursesOf(owner UserID) int {
	n := 0
	for _, p := range s.purses.pages {
		if p.Owner == owner {
			n++
		}
	}
	return n
}

// PayPurse gives kudos out of a purse. With the same key it happens once, also when the purse is closed meanwhile.
type PayPurse struct {
	Owner  UserID
	Purse  PurseID
	To     UserID
	Amount kudos.Amount
	Key    string // required
	Prior  *kudos.Event
}

func (op PayPurse) apply(s *State, c *Change) (Transferred, error) {
	if op.Key == "" {
		return Transferred{}, refuse(CodeBadRequest, "giving kudos that were set aside needs a key")
	}
	if s.knows(op.Key, op.Prior) {
		return Transferred{Amount: op.Amount, Repeated: true}, nil
	}
	p, to := s.purse(op.Purse), s.users[op.To]
	switch {
	case p == nil:
		return Transferred{}, refuse(CodePurseNotFound, "these kudos are not set aside any more")
	case p.Owner != op.Owner:
		return Transferred{}, refuse(CodeForbidden, "only its owner may give away what is set aside")
	case to == nil || to.Wiped():
		return Transferred{}, refuse(CodeInvalidTargetUsername, "there is no account to give kudos to")
	case to.ID == Anonymous:
		return Transferred{}, refuse(CodeTransferToAnon, "the anonymous account cannot receive kudos")
	case to.ID == p.Owner:
		return Transferred{}, refuse(CodeTransferToSelf, "you cannot give kudos to yourself")
	case !s.settings.TransfersAllowed: // switched off since it was filled: what is left goes back
		return Transferred{}, refuse(CodeTransfersDisabled, "the operator of this horde has switched gifts of kudos off")
	case to.Suspicious():
		return Transferred{}, refuse(CodeFaultWhenReceiving, "this account cannot receive kudos at the moment")
	case to.Has(RoleFlagged):
		return Transferred{}, refuse(CodeTargetFlagged, "this account is flagged and cannot receive kudos")
	case to.Has(RoleDeleted):
		return Transferred{}, refuse(CodeDeletedUser, "this account is marked as deleted")
	case op.Amount <= 0 || op.Amount > p.Left:
		return Transferred{}, refuse(CodeTransferNotEnough, "%s kudos are left of what was set aside", p.Left)
	}
	c.post(s, op.Key, kudos.KindClaim, kudos.Move(kudos.Reserved, spendable(to.ID), op.Amount))
	to.Details.Received += op.Amount
	p.Left -= op.Amount
	s.purses.put(c, p.ID.String(), p)
	s.remember(op.Key, receipt{reservedOwner, to.ID, op.Amount}, c.Now)
	return Transferred{Amount: op.Amount}, nil
}

// ClosePurse gives what is left back to whom it came from, and tells how much that is in all. Closing a purse that is
// closed gives nothing.
type ClosePurse struct {
	Owner UserID
	Purse PurseID
}

func (op ClosePurse) apply(s *State, c *Change) (kudos.Amount, error) {
	p := s.purse(op.Purse)
	switch {
	case p == nil:
		return 0, nil
	case p.Owner != op.Owner:
		return 0, refuse(CodeForbidden, "only its owner may take back what is set aside")
	}
	left := p.Left
	s.returnPurse(c, p)
	return left, nil
}

func (s *State) returnPurse(c *Change, p *Purse) {
	if p.Left > 0 {
		postings := []kudos.Posting{{Account: kudos.Reserved, Amount: -p.Left}}
		for _, f := range p.Shares() {
			postings = append(postings, kudos.Posting{Account: spendable(f.User), Amount: f.Put})
			if u := s.users[f.User]; u != nil && !u.Wiped() {
				u.Details.Gifted += f.Put
			}
		}
		c.post(s, "return:"+p.ID.String(), kudos.KindReturn, postings)
	}
	s.purses.drop(c, p.ID.String())
}

// expirePurse returns a purse whose time is over.
func (s *State) expirePurse(c *Change, id PurseID) bool {
	if id.IsZero() {
		return false
	}
	p := s.purse(id)
	if p == nil || c.Now.Before(p.Expiry) {
		return false
	}
	s.returnPurse(c, p)
	return true
}

// Purses lists the open purses of an account, oldest first.
func (s *State) Purses(owner UserID) []Purse {
	var out []Purse
	for _, p := range s.purses.pages {
		if p.Owner == owner {
			out = append(out, *p)
		}
	}
	slices.SortFunc(out, func(a, b Purse) int {
		if !a.Created.Equal(b.Created) {
			return a.Created.Compare(b.Created)
		}
		return slices.Compare(a.ID.UUID[:], b.ID.UUID[:])
	})
	return out
}
