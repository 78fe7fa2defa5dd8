// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"bytes"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"stablemate/horde/kudos"
)

// KindGift marks the documents of gifts that wait for their recipient.
const KindGift RecordKind = "gift"

// Bounds of gifts that wait.
const (
	GiftLife      = 7 * 24 * time.Hour // then a gift goes back
	MaxGiftsFrom  = 200                // waiting gifts of one giver
	MaxGiftsFor   = 200                // waiting gifts for one recipient
	MaxNoteRunes  = 200                // of the words that go with a gift
	maxExternal   = 100                // bytes of an identity
	reservedOwner = UserID(kudos.Reserved)
)

// CodeGiftNotFound says that a gift does not wait any more. It is ours.
const CodeGiftNotFound Code = "GiftNotFound"

// GiftID names a gift that waits.
type GiftID struct{ UUID }

// Gift is kudos set aside for somebody who has no account yet. Its JSON is stored.
type Gift struct {
	ID      GiftID       `json:"id"`
	Key     string       `json:"key"` // the idempotency key it was given with
	From    UserID       `json:"from"`
	To      string       `json:"to"` // identity of the recipient, such as "d_<Discord id>"
	Amount  kudos.Amount `json:"amount"`
	Note    string       `json:"note,omitempty"`
	Unnamed bool         `json:"unnamed,omitempty"` // its recipient is not told who it is from
	Created time.Time    `json:"created"`
	Expiry  time.Time    `json:"expiry"` // then it goes back
}

// gifts holds what waits, by where one looks for it.
type gifts struct {
	book book[Gift]
	from map[UserID][]*Gift // oldest first, as the next
	to   map[string][]*Gift
}

func newGifts() gifts {
	return gifts{book: newBook[Gift](KindGift), from: make(map[UserID][]*Gift), to: make(map[string][]*Gift)}
}

// indexGifts files what was loaded at a start.
func (s *State) indexGifts() {
	all := make([]*Gift, 0, len(s.gifts.book.pages))
	for _, g := range s.gifts.book.pages {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *Gift) int {
		if !a.Created.Equal(b.Created) {
			return a.Created.Compare(b.Created)
		}
		return bytes.Compare(a.ID.UUID[:], b.ID.UUID[:])
	})
	for _, g := range all {
		s.fileGift(g)
	}
}

func (s *State) fileGift(g *Gift) {
	s.gifts.from[g.From] = append(s.gifts.from[g.From], g)
	s.gifts.to[g.To] = append(s.gifts.to[g.To], g)
	s.deadlines.push(g.Expiry, deadline{gift: g.ID})
}

func (s *State) dropGift(c *Change, g *Gift) {
	is := func(x *Gift) bool { return x == g }
	if s.gifts.from[g.From] = slices.DeleteFunc(s.gifts.from[g.From], is); len(s.gifts.from[g.From]) == 0 {
		delete(s.gifts.from, g.From)
	}
	if s.gifts.to[g.To] = slices.DeleteFunc(s.gifts.to[g.To], is); len(s.gifts.to[g.To]) == 0 {
		delete(s.gifts.to, g.To)
	}
	s.gifts.book.drop(c, g.ID.String())
}

// ReturnKey is the ledger's key of a gift that went back.
func ReturnKey(id GiftID) string { return "return:" + id.String() }

// returnGift gives what waits back to its giver.
func (s *State) returnGift(c *Change, g *Gift) {
	c.post(s, ReturnKey(g.ID), kudos.KindReturn, kudos.Move(kudos.Reserved, spendable(g.From), g.Amount))
	if from := s.users[g.From]; !from.Wiped() {
		from.Details.Gifted += g.Amount
	}
	s.dropGift(c, g)
}

// expireGift returns a gift that nobody came for.
func (s *State) expireGift(c *Change, id GiftID) bool {
	if id.IsZero() {
		return false
	}
	g, ok := s.gifts.book.pages[id.String()]
	if ok {
		s.returnGift(c, g)
	}
	return ok
}

// Give gives kudos to an identity: at once, like Transfer, when it has an account, and otherwise set aside until its
// person opens one, for GiftLife at most. With the same key it happens once, whichever way it went.
type Give struct {
	From   UserID
	To     string // identity, such as "d_<Discord id>"
	Amount kudos.Amount
	Key    string // as Transfer's; required
	Note   string // up to MaxNoteRunes
	// Unnamed asks doors not to tell the recipient who it is from.
	Unnamed bool
	Prior   *kudos.Event
	DryRun  bool // only say whether it would be taken
}

// Given is the answer to Give.
type Given struct {
	Amount   kudos.Amount
	Repeated bool  // the key was used before; nothing moved now
	Waiting  *Gift // set when the kudos wait for their recipient
}

func (op Give) apply(s *State, c *Change) (Given, error) {
	if op.Key == "" {
		return Given{}, refuse(CodeBadRequest, "a gift to an identity needs a key")
	}
	rec, used := s.receipts[op.Key]
	if op.Prior != nil {
		rec, used = receiptOf(*op.Prior), true
	}
	id, known := s.byExternal[op.To]
	if used {
		if rec.from != op.From || rec.amount != op.Amount || rec.to != reservedOwner && (!known || rec.to != id) {
			return Given{}, refuse(CodeIdempotencyKeyConflict, "this idempotency key was used for another gift")
		}
		out := Given{Amount: op.Amount, Repeated: true}
		if rec.to == reservedOwner {
			if out.Waiting = s.waitingGift(op.From, op.Key); out.Waiting != nil && out.Waiting.To != op.To {
				return Given{}, refuse(CodeIdempotencyKeyConflict, "this idempotency key was used for another gift")
			}
		}
		return out, nil
	}
	if known {
		done, err := Transfer{From: op.From, To: id, Amount: op.Amount, Key: op.Key, Prior: op.Prior, DryRun: op.DryRun}.apply(s, c)
		return Given{Amount: done.Amount, Repeated: done.Repeated}, err
	}
	from, err := s.giver(op)
	if err != nil {
		return Given{}, err
	}
	if op.DryRun {
		return Given{Amount: op.Amount}, nil
	}
	g := &Gift{
		ID: GiftID{c.IDs.UUID()}, Key: op.Key, From: from.ID, To: op.To, Amount: op.Amount, Note: SafeText(op.Note), Unnamed: op.Unnamed,
		Created: c.Now, Expiry: c.Now.Add(GiftLife),
	}
	c.post(s, op.Key, kudos.KindReserve, kudos.Move(spendable(from.ID), kudos.Reserved, op.Amount))
	from.Details.Gifted -= op.Amount
	s.gifts.book.put(c, g.ID.String(), g)
	s.fileGift(g)
	s.remember(op.Key, receipt{from.ID, reservedOwner, op.Amount}, c.Now)
	out := *g
	return Given{Amount: op.Amount, Waiting: &out}, nil
}

// giver checks that kudos may be set aside.
func (s *State) giver(op Give) (*User, error) {
	from, ok := s.users[op.From]
	switch {
	case !ok || from.Wiped():
		return nil, refuse(CodeInvalidAPIKey, "no user matches this API key")
	case from.ID == Anonymous:
		return nil, refuse(CodeTransferFromAnon, "the anonymous account cannot give kudos; please register")
	case !strings.HasPrefix(op.To, "d_") || len(op.To) > maxExternal:
		return nil, refuse(CodeInvalidTargetUsername, "there is nobody to give kudos to")
	case !s.settings.TransfersAllowed:
		return nil, refuse(CodeTransfersDisabled, "the operator of this horde has switched gifts of kudos off")
	case from.Suspicious():
		return nil, refuse(CodeFaultWhenSending, "your account cannot send kudos at the moment; please ask a moderator")
	case from.Has(RoleFlagged):
		return nil, refuse(CodeSourceFlagged, "your account is flagged and cannot send kudos")
	case from.Has(RoleEducation):
		return nil, refuse(CodeEducationCannotSend, "education accounts cannot send kudos")
	case from.Has(RoleDeleted):
		return nil, refuse(CodeDeletedUser, "one of the accounts is marked as deleted")
	case op.Amount < 0:
		return nil, refuse(CodeNegativeTransfer, "you cannot give a negative number of kudos")
	case op.Amount == 0 || op.Amount > kudos.MaxAmount:
		return nil, refuse(CodeInvalidTransferAmount, "a gift is more than 0 and at most %s kudos", kudos.MaxAmount)
	case utf8.RuneCountInString(op.Note) > MaxNoteRunes:
		return nil, refuse(CodeBadRequest, "a note has at most %d characters", MaxNoteRunes)
	case strings.ContainsRune(op.Note, 0):
		return nil, refuse(CodeNulByte, "texts may not hold NUL characters")
	case from.Available() < op.Amount:
		return nil, refuse(CodeTransferNotEnough, "you can give %s kudos at most", from.Available())
	case len(s.gifts.from[from.ID]) >= MaxGiftsFrom:
		return nil, refuse(CodeManyGifts, "%d of your gifts wait for their recipients already; more would be too many", MaxGiftsFrom)
	case len(s.gifts.to[op.To]) >= MaxGiftsFor:
		return nil, refuse(CodeFaultWhenReceiving, "very many gifts wait for this person already")
	}
	return from, nil
}

// waitingGift copies the gift that a giver's key made, if it still waits.
func (s *State) waitingGift(from UserID, key string) *Gift {
	for _, g := range s.gifts.from[from] {
		if g.Key == key {
			out := *g
			return &out
		}
	}
	return nil
}

// Claim gives an account what waits for an identity: for its own, unless another one is named that the door knows to be
// the same person's. Gifts that the account itself gave go back, and all do while gifts are switched off.
type Claim struct {
	User     UserID
	Identity string // empty: the account's own
}

// Claimed is the answer to Claim.
type Claimed struct {
	Gifts  []Gift       // oldest first
	Amount kudos.Amount // of all of them
}

func (op Claim) apply(s *State, c *Change) (Claimed, error) {
	u, ok := s.users[op.User]
	if !ok || u.ID == Anonymous || u.Wiped() {
		return Claimed{}, refuse(CodeInvalidAPIKey, "no user matches this API key")
	}
	if op.Identity == "" {
		op.Identity = u.External
	}
	waiting := slices.Clone(s.gifts.to[op.Identity])
	switch {
	case len(waiting) == 0:
		return Claimed{}, nil
	case u.Has(RoleDeleted):
		return Claimed{}, refuse(CodeDeletedUser, "this account is marked as deleted")
	case u.Suspicious():
		return Claimed{}, refuse(CodeFaultWhenReceiving, "this account cannot receive kudos at the moment")
	case u.Has(RoleFlagged):
		return Claimed{}, refuse(CodeTargetFlagged, "this account is flagged and cannot receive kudos")
	}
	var out Claimed
	for _, g := range waiting {
		if g.From == u.ID || !s.settings.TransfersAllowed { // switched off since it was given
			s.returnGift(c, g)
			continue
		}
		c.post(s, "claim:"+g.ID.String(), kudos.KindClaim, kudos.Move(kudos.Reserved, spendable(u.ID), g.Amount))
		u.Details.Received += g.Amount
		out.Gifts = append(out.Gifts, *g)
		out.Amount += g.Amount
		s.dropGift(c, g)
	}
	return out, nil
}

// Withdraw takes a gift back that still waits. Its giver may.
type Withdraw struct {
	By   UserID
	Gift GiftID
}

func (op Withdraw) apply(s *State, c *Change) (Gift, error) {
	g, ok := s.gifts.book.pages[op.Gift.String()]
	switch {
	case !ok:
		return Gift{}, refuse(CodeGiftNotFound, "this gift does not wait any more")
	case g.From != op.By:
		return Gift{}, refuse(CodeForbidden, "only its giver may take a gift back")
	}
	out := *g
	s.returnGift(c, g)
	return out, nil
}

// GiftsFrom lists the gifts of an account that wait, oldest first.
func (s *State) GiftsFrom(u UserID) []Gift { return copyGifts(s.gifts.from[u]) }

// GiftsFor lists what waits for an identity, oldest first.
func (s *State) GiftsFor(external string) []Gift { return copyGifts(s.gifts.to[external]) }

func copyGifts(in []*Gift) []Gift {
	out := make([]Gift, len(in))
	for i, g := range in {
		out[i] = *g
	}
	return out
}
