// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"time"

	"stablemate/horde/kudos"
)

// Transfer is a gift of kudos from one person to another. With a Key it happens once, however often it
// is asked for: a repeat with the same values gets the first answer, one with others is refused.
type Transfer struct {
	From, To UserID
	Amount   kudos.Amount
	// SharedKey names a shared key instead of a recipient: To is then its owner, who may spend as much more through it.
	SharedKey SharedKeyID
	Key       string // unique among this sender's gifts; the door prefixes it with where it comes from
	// Prior is the ledger's event for this key when it is older than what memory holds: whoever uses a
	// key looks it up in the store first.
	Prior *kudos.Event

	DryRun bool // only say whether it would be taken
}

// Transferred is the answer to Transfer.
type Transferred struct {
	Amount   kudos.Amount
	Repeated bool // the key was used before; nothing moved now
}

func (op Transfer) apply(s *State, c *Change) (Transferred, error) {
	if op.Key != "" {
		rec, ok := s.receipts[op.Key]
		if op.Prior != nil {
			rec, ok = receiptOf(*op.Prior), true
		}
		if ok {
			if rec != (receipt{op.From, op.To, op.Amount}) {
				return Transferred{}, refuse(CodeIdempotencyKeyConflict, "this idempotency key was used for another gift")
			}
			return Transferred{Amount: op.Amount, Repeated: true}, nil
		}
	}
	from, ok := s.users[op.From]
	if !ok {
		return Transferred{}, refuse(CodeInvalidAPIKey, "no user matches this API key")
	}
	to, found := s.users[op.To]
	shared := s.sharedKey(op.SharedKey)
	switch {
	case from.ID == Anonymous:
		return Transferred{}, refuse(CodeTransferFromAnon, "the anonymous account cannot give kudos; please register")
	case !found || to.Wiped() || !op.SharedKey.IsZero() && (shared == nil || shared.Owner != to.ID):
		return Transferred{}, refuse(CodeInvalidTargetUsername, "there is no account to give kudos to")
	case shared != nil && shared.Expired(c.Now):
		return Transferred{}, refuse(CodeSharedKeyExpired, "this shared key has expired")
	case to.ID == Anonymous:
		return Transferred{}, refuse(CodeTransferToAnon, "the anonymous account cannot receive kudos")
	case to.ID == from.ID:
		return Transferred{}, refuse(CodeTransferToSelf, "you cannot give kudos to yourself")
	case !s.settings.TransfersAllowed:
		return Transferred{}, refuse(CodeTransfersDisabled, "the operator of this horde has switched gifts of kudos off")
	case c.Now.Sub(s.lastGift[pair{to.ID, from.ID}]) < ReverseGiftGap:
		return Transferred{}, refuse(CodeTooFastTransfers, "%s gave you kudos within the last minute; please wait a little before giving back", to.Alias())
	case from.Suspicious():
		return Transferred{}, refuse(CodeFaultWhenSending, "your account cannot send kudos at the moment; please ask a moderator")
	case from.Has(RoleFlagged):
		return Transferred{}, refuse(CodeSourceFlagged, "your account is flagged and cannot send kudos")
	case from.Has(RoleEducation):
		return Transferred{}, refuse(CodeEducationCannotSend, "education accounts cannot send kudos")
	case to.Suspicious():
		return Transferred{}, refuse(CodeFaultWhenReceiving, "this account cannot receive kudos at the moment")
	case to.Has(RoleFlagged):
		return Transferred{}, refuse(CodeTargetFlagged, "this account is flagged and cannot receive kudos")
	case from.Has(RoleDeleted) || to.Has(RoleDeleted):
		return Transferred{}, refuse(CodeDeletedUser, "one of the accounts is marked as deleted")
	case op.Amount < 0:
		return Transferred{}, refuse(CodeNegativeTransfer, "you cannot give a negative number of kudos")
	case op.Amount == 0 || op.Amount > kudos.MaxAmount:
		return Transferred{}, refuse(CodeInvalidTransferAmount, "a gift is more than 0 and at most %s kudos", kudos.MaxAmount)
	case from.Available() < op.Amount:
		return Transferred{}, refuse(CodeTransferNotEnough, "you can give %s kudos at most", from.Available())
	}
	if op.DryRun {
		return Transferred{Amount: op.Amount}, nil
	}
	key := op.Key
	if key == "" {
		key = "transfer:" + c.IDs.UUID().String()
	}
	c.post(s, key, kudos.KindTransfer, kudos.Move(spendable(from.ID), spendable(to.ID), op.Amount))
	if to.Has(RoleEducation) {
		from.Details.Donated -= op.Amount
	} else {
		from.Details.Gifted -= op.Amount
	}
	to.Details.Received += op.Amount
	s.fillSharedKey(c, op.SharedKey, op.Amount)
	s.lastGift[pair{from.ID, to.ID}] = c.Now
	if len(s.lastGift) > maxLastGifts {
		for p, at := range s.lastGift {
			if c.Now.Sub(at) >= ReverseGiftGap {
				delete(s.lastGift, p)
			}
		}
	}
	s.remember(key, receipt{from.ID, to.ID, op.Amount}, c.Now)
	return Transferred{Amount: op.Amount}, nil
}

// maxLastGifts is when old entries are swept.
const maxLastGifts = 10_000

// receipt is what a transfer did, for repeats of its key.
type receipt struct {
	from, to UserID
	amount   kudos.Amount
}

// knows reports whether a key was used, lately or, by what was looked up, ever.
func (s *State) knows(key string, prior *kudos.Event) bool {
	_, ok := s.receipts[key]
	return ok || prior != nil
}

// receiptOf reads a gift or an award back from its postings; for other events it is empty.
func receiptOf(e kudos.Event) receipt {
	var r receipt
	switch e.Kind {
	case kudos.KindTransfer:
	case kudos.KindReserve:
		for _, p := range e.Postings {
			if id, _, ok := p.Account.User(); ok {
				r = receipt{UserID(id), reservedOwner, -p.Amount}
			}
		}
		return r
	case kudos.KindAward, kudos.KindRating:
		r.from = UserID(kudos.Treasury)
		for _, p := range e.Postings {
			if id, _, ok := p.Account.User(); ok {
				r.to, r.amount = UserID(id), p.Amount
			}
		}
		return r
	default:
		return r
	}
	for _, p := range e.Postings {
		id, _, ok := p.Account.User()
		switch {
		case !ok:
		case p.Amount < 0:
			r.from = UserID(id)
		default:
			r.to, r.amount = UserID(id), p.Amount
		}
	}
	return r
}

// remember keeps a receipt for ReceiptWindow. Older keys are looked up in the store by whoever uses them.
func (s *State) remember(key string, r receipt, at time.Time) {
	if r == (receipt{}) {
		return
	}
	s.receipts[key] = r
	s.receiptLog = append(s.receiptLog, receiptEntry{key, at})
	drop := 0
	for drop < len(s.receiptLog) && at.Sub(s.receiptLog[drop].at) > ReceiptWindow {
		delete(s.receipts, s.receiptLog[drop].key)
		drop++
	}
	if drop > 0 {
		clear(s.receiptLog[:drop]) // the next growth of the log leaves them behind
		s.receiptLog = s.receiptLog[drop:]
	}
}

type receiptEntry struct {
	key string
	at  time.Time
}
