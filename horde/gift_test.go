// SPDX-License-Identifier: AGPL-3.0-or-later

package horde_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"stablemate/horde"
	"stablemate/horde/kudos"
)

func TestAGiftWaitsForItsRecipient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.user("ann", kudos.Whole(100))
	if tried := do(w, horde.Give{From: ann, To: "d_bob", Amount: kudos.Whole(30), Key: "emoji:1", DryRun: true}); tried.Waiting != nil || w.balance(ann) != kudos.Whole(125) {
		t.Errorf("a trial set %+v aside", tried.Waiting)
	}
	given := do(w, horde.Give{From: ann, To: "d_bob", Amount: kudos.Whole(30), Key: "emoji:1", Note: "thank you"})
	if given.Waiting == nil || given.Repeated || !given.Waiting.Expiry.Equal(w.now.Add(horde.GiftLife)) {
		t.Fatalf("given %+v", given)
	}
	if got := w.balance(ann); got != kudos.Whole(95) {
		t.Errorf("the giver has %s", got)
	}
	w.restart()
	prior := reserved("emoji:1", ann, kudos.Whole(30))
	if again := do(w, horde.Give{From: ann, To: "d_bob", Amount: kudos.Whole(30), Key: "emoji:1", Prior: prior}); !again.Repeated || again.Waiting == nil {
		t.Errorf("a repeat: %+v", again)
	}
	for name, op := range map[string]horde.Give{
		"another amount":    {From: ann, To: "d_bob", Amount: kudos.Whole(31), Key: "emoji:1", Prior: prior},
		"another recipient": {From: ann, To: "d_zoe", Amount: kudos.Whole(30), Key: "emoji:1", Prior: prior},
	} {
		if _, err := try(w, op); codeOf(err) != horde.CodeIdempotencyKeyConflict {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]struct {
		op   horde.Give
		want horde.Code
	}{
		"more than there is": {horde.Give{From: ann, To: "d_bob", Amount: kudos.Whole(71), Key: "2"}, horde.CodeTransferNotEnough},
		"nothing":            {horde.Give{From: ann, To: "d_bob", Key: "2"}, horde.CodeInvalidTransferAmount},
		"less than nothing":  {horde.Give{From: ann, To: "d_bob", Amount: -1, Key: "2"}, horde.CodeNegativeTransfer},
		"to no identity":     {horde.Give{From: ann, To: "bob", Amount: 1, Key: "2"}, horde.CodeInvalidTargetUsername},
		"by strangers":       {horde.Give{From: horde.Anonymous, To: "d_bob", Amount: 1, Key: "2"}, horde.CodeTransferFromAnon},
		"by nobody":          {horde.Give{From: 77, To: "d_bob", Amount: 1, Key: "2"}, horde.CodeInvalidAPIKey},
		"without a key":      {horde.Give{From: ann, To: "d_bob", Amount: 1}, horde.CodeBadRequest},
	} {
		if _, err := try(w, c.op); codeOf(err) != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}

	bob := do(w, horde.CreateUser{External: "d_bob", Name: "bob", Key: horde.KeyHash{9, 9}}).ID
	if again := do(w, horde.Give{From: ann, To: "d_bob", Amount: kudos.Whole(30), Key: "emoji:1", Prior: prior}); !again.Repeated {
		t.Errorf("a repeat after the account was opened: %+v", again)
	}
	claimed := do(w, horde.Claim{User: bob})
	if claimed.Amount != kudos.Whole(30) || len(claimed.Gifts) != 1 || claimed.Gifts[0].Note != "thank you" {
		t.Errorf("claimed %+v", claimed)
	}
	if again := do(w, horde.Claim{User: bob}); len(again.Gifts) != 0 {
		t.Errorf("claimed twice: %+v", again)
	}
	if got := w.balance(bob); got != kudos.Whole(55) {
		t.Errorf("the recipient has %s", got)
	}
	at := do(w, horde.Give{From: ann, To: "d_bob", Amount: kudos.Whole(5), Key: "emoji:2"})
	if at.Waiting != nil || w.balance(bob) != kudos.Whole(60) {
		t.Errorf("a gift to somebody with an account waits: %+v", at)
	}
	w.pass(2 * horde.GiftLife)
	if got := w.balance(ann); got != kudos.Whole(90) {
		t.Errorf("the giver has %s in the end", got)
	}
}

// reserved is what the ledger says about a gift that waited.
func reserved(key string, from horde.UserID, amount kudos.Amount) *kudos.Event {
	return &kudos.Event{Key: key, Kind: kudos.KindReserve, Postings: kudos.Move(kudos.Of(int64(from), kudos.Spendable), kudos.Reserved, amount)}
}

func TestAGiftGoesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, zoe := w.user("ann", kudos.Whole(100)), w.user("zoe", 0)
	first := do(w, horde.Give{From: ann, To: "d_bob", Amount: kudos.Whole(30), Key: "1"}).Waiting
	do(w, horde.Give{From: ann, To: "d_bob", Amount: kudos.Whole(20), Key: "2"})
	if _, err := try(w, horde.Withdraw{By: zoe, Gift: first.ID}); codeOf(err) != horde.CodeForbidden {
		t.Errorf("taken back by somebody else: %v", err)
	}
	do(w, horde.Withdraw{By: ann, Gift: first.ID})
	if _, err := try(w, horde.Withdraw{By: ann, Gift: first.ID}); codeOf(err) != horde.CodeGiftNotFound {
		t.Errorf("taken back twice: %v", err)
	}
	if got := w.balance(ann); got != kudos.Whole(105) {
		t.Errorf("the giver has %s", got)
	}
	w.restart()
	w.pass(horde.GiftLife - time.Second)
	if len(w.s.GiftsFor("d_bob")) != 1 {
		t.Error("a gift went back early")
	}
	w.pass(time.Second)
	if got := w.balance(ann); got != kudos.Whole(125) || len(w.s.GiftsFrom(ann)) != 0 {
		t.Errorf("the giver has %s after a week", got)
	}
	if again := do(w, horde.Give{From: ann, To: "d_bob", Amount: kudos.Whole(20), Key: "2", Prior: reserved("2", ann, kudos.Whole(20))}); !again.Repeated || again.Waiting != nil {
		t.Errorf("a repeat after a week: %+v", again)
	}
}

func TestWaitingGiftsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.user("ann", kudos.Whole(10_000))
	for i := range horde.MaxGiftsFrom {
		do(w, horde.Give{From: ann, To: fmt.Sprintf("d_x%d", i), Amount: kudos.One, Key: fmt.Sprint(i)})
	}
	if _, err := try(w, horde.Give{From: ann, To: "d_y", Amount: kudos.One, Key: "y"}); codeOf(err) != horde.CodeManyGifts {
		t.Errorf("one more: %v", err)
	}
}

// TestGiftsNeverMakeKudos plays with gifts at random. The world checks the books after every step.
func TestGiftsNeverMakeKudos(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	random := rand.New(rand.NewPCG(7, 7))
	people := []horde.UserID{w.user("a", kudos.Whole(300)), w.user("b", kudos.Whole(300)), w.user("c", kudos.Whole(300))}
	sum := func() (all kudos.Amount) {
		for _, u := range w.s.Users() {
			all += u.Balance
			for _, g := range w.s.GiftsFrom(u.ID) {
				all += g.Amount
			}
		}
		return all
	}
	before := sum()
	for i := range 2000 {
		who := people[random.IntN(len(people))]
		switch random.IntN(10) {
		case 0:
			w.pass(time.Duration(random.IntN(72)) * time.Hour)
		case 1:
			w.restart()
		case 2:
			id := fmt.Sprintf("d_later%d", random.IntN(20))
			u := do(w, horde.CreateUser{External: id, Name: id, Key: horde.KeyHash{5, byte(i), byte(i >> 8)}, Ensure: true})
			before = sum() // opening an account brings its floor
			do(w, horde.Claim{User: u.ID})
			if len(people) < 10 {
				people = append(people, u.ID)
			}
		case 3:
			if mine := w.s.GiftsFrom(who); len(mine) > 0 {
				do(w, horde.Withdraw{By: who, Gift: mine[random.IntN(len(mine))].ID})
			}
		default:
			to := fmt.Sprintf("d_later%d", random.IntN(20))
			_, _ = try(w, horde.Give{From: who, To: to, Amount: kudos.Amount(random.IntN(5000)), Key: fmt.Sprint(random.IntN(1500))})
		}
		if got := sum(); got != before {
			t.Fatalf("step %d: %s kudos, want %s", i, got, before)
		}
	}
}
