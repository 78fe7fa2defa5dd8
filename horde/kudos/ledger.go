// SPDX-License-Identifier: AGPL-3.0-or-later

package kudos

import (
	"fmt"
	"time"
)

// Account is one side of the ledger: a system account, or one of the pockets of a person.
// The number is what the store keeps; it never changes its meaning.
type Account int64

// System accounts. Their balances go negative or positive without limit; all accounts together sum to zero.
const (
	Treasury Account = -1 // where new kudos come from
	Burn     Account = -2 // where kudos go that nobody receives
	Subsidy  Account = -3 // pays what a floor forgives
	Reserved Account = -4 // gifts that wait for recipients who have no account yet
)

// Pocket says which of a person's balances an account is.
type Pocket int64

// The pockets of a person.
const (
	Spendable Pocket = iota // what priority and transfers look at
	Held                    // set aside for a request that needed kudos up front
	Evaluated               // escrow of earnings until the person is trusted
	pockets   = 8           // numbers per person; room for later ones
)

// Of is a person's account for one pocket. The user number must not be negative.
func Of(user int64, p Pocket) Account { return Account(user*pockets + int64(p)) }

// User is the person an account belongs to, and whether it is a person's at all.
func (a Account) User() (user int64, p Pocket, ok bool) {
	if a < 0 {
		return 0, 0, false
	}
	return int64(a) / pockets, Pocket(a % pockets), true
}

// String names the account for audits and logs.
func (a Account) String() string {
	switch a {
	case Treasury:
		return "treasury"
	case Burn:
		return "burn"
	case Subsidy:
		return "subsidy"
	case Reserved:
		return "reserved"
	}
	user, p, _ := a.User()
	return fmt.Sprintf("user %d/%d", user, p)
}

// Kind says why kudos moved. The numbers are stored.
type Kind int16

// Kinds of events.
const (
	KindWelcome    Kind = 1 // starting balance of a new account
	KindHold       Kind = 2 // up-front kudos set aside for a request
	KindRelease    Kind = 3 // what was set aside and not used
	KindSettle     Kind = 4 // one delivered generation
	KindActivation Kind = 5 // charge for queueing a request
	KindTransfer   Kind = 6 // a gift from one person to another
	KindAward      Kind = 7 // given or taken by an operator
	KindUptime     Kind = 8 // a worker's reward for being there
	KindPromotion  Kind = 9 // escrow paid out on becoming trusted

	KindMonthly Kind = 20 // what an account is given each month
	KindStyle   Kind = 24 // thanks to the maker of a style that somebody else used
)

// Kinds of gifts that wait for their recipient.
const (
	KindReserve Kind = 32 // set aside
	KindClaim   Kind = 33 // handed over
	KindReturn  Kind = 34 // nobody came for it, or its giver took it back
)

// Posting changes one account. Postings of an event sum to zero.
type Posting struct {
	Account Account
	Amount  Amount
}

// Event is one movement of kudos: all its postings happen or none does.
// Key is unique for ever; a repeat of the same business event carries the same key.
type Event struct {
	ID       int64 // position in the ledger, from 1, without gaps at any commit
	Key      string
	Kind     Kind
	At       time.Time
	Postings []Posting
}

// Sum is zero for every well-formed event.
func (e Event) Sum() Amount {
	var sum Amount
	for _, p := range e.Postings {
		sum += p.Amount
	}
	return sum
}

// Move returns the two postings that take amount from one account to another.
func Move(from, to Account, amount Amount) []Posting {
	return []Posting{{from, -amount}, {to, amount}}
}
