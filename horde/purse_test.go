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

func TestAPurseThanksPeopleAndGoesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.user("ann", kudos.Whole(100)), w.user("bob", 0)
	before := w.balance(bob)
	purse := do(w, horde.FillPurse{Owner: ann, Amount: kudos.Whole(50), Life: time.Hour, Key: "party:1"})
	if again := do(w, horde.FillPurse{Owner: ann, Amount: kudos.Whole(50), Life: time.Hour, Key: "party:1"}); again.ID != purse.ID || again.Left != kudos.Whole(50) {
		t.Errorf("filled again: %+v", again)
	}
	has := w.balance(ann)
	w.restart()
	pay := horde.PayPurse{Owner: ann, Purse: purse.ID, To: bob, Amount: kudos.Whole(10), Key: "party:1:entry"}
	for range 2 {
		do(w, pay)
	}
	if got := w.balance(bob); got != before+kudos.Whole(10) {
		t.Errorf("bob has %s", got)
	}
	for name, c := range map[string]struct {
		op   horde.PayPurse
		want horde.Code
	}{
		"more than is left": {horde.PayPurse{Owner: ann, Purse: purse.ID, To: bob, Amount: kudos.Whole(41), Key: "a"}, horde.CodeTransferNotEnough},
		"nothing":           {horde.PayPurse{Owner: ann, Purse: purse.ID, To: bob, Key: "a"}, horde.CodeTransferNotEnough},
		"to oneself":        {horde.PayPurse{Owner: ann, Purse: purse.ID, To: ann, Amount: 1, Key: "a"}, horde.CodeTransferToSelf},
		"to strangers":      {horde.PayPurse{Owner: ann, Purse: purse.ID, To: horde.Anonymous, Amount: 1, Key: "a"}, horde.CodeTransferToAnon},
		"to nobody":         {horde.PayPurse{Owner: ann, Purse: purse.ID, To: 77, Amount: 1, Key: "a"}, horde.CodeInvalidTargetUsername},
		"from another's":    {horde.PayPurse{Owner: bob, Purse: purse.ID, To: bob, Amount: 1, Key: "a"}, horde.CodeForbidden},
		"without a key":     {horde.PayPurse{Owner: ann, Purse: purse.ID, To: bob, Amount: 1}, horde.CodeBadRequest},
		"from none":         {horde.PayPurse{Owner: ann, To: bob, Amount: 1, Key: "a"}, horde.CodePurseNotFound},
	} {
		if _, err := try(w, c.op); codeOf(err) != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
	for name, c := range map[string]struct {
		op   horde.FillPurse
		want horde.Code
	}{
		"more than there is": {horde.FillPurse{Owner: ann, Amount: kudos.Whole(10_000), Life: time.Hour, Key: "b"}, horde.CodeTransferNotEnough},
		"for ever":           {horde.FillPurse{Owner: ann, Amount: 1, Life: horde.MaxPurseAge + 1, Key: "b"}, horde.CodeBadRequest},
		"by strangers":       {horde.FillPurse{Owner: horde.Anonymous, Amount: 1, Life: time.Hour, Key: "b"}, horde.CodeTransferFromAnon},
		"another's":          {horde.FillPurse{Owner: bob, Purse: purse.ID, Amount: 1, Life: time.Hour, Key: "b"}, horde.CodeForbidden},
		"without a key":      {horde.FillPurse{Owner: ann, Amount: 1, Life: time.Hour}, horde.CodeBadRequest},
	} {
		if _, err := try(w, c.op); codeOf(err) != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}

	// A longer life counts, the first deadline does not.
	do(w, horde.FillPurse{Owner: ann, Purse: purse.ID, Life: 48 * time.Hour})
	w.pass(2 * time.Hour)
	if more := do(w, horde.FillPurse{Owner: ann, Purse: purse.ID, Amount: kudos.Whole(5), Life: 48 * time.Hour, Key: "party:1:more"}); more.Left != kudos.Whole(45) {
		t.Errorf("after a top-up %s are left", more.Left)
	}
	if left := do(w, horde.ClosePurse{Owner: ann, Purse: purse.ID}); left != kudos.Whole(45) {
		t.Errorf("%s went back", left)
	}
	if left := do(w, horde.ClosePurse{Owner: ann, Purse: purse.ID}); left != 0 {
		t.Errorf("%s went back twice", left)
	}
	if got := w.balance(ann); got != has+kudos.Whole(40) {
		t.Errorf("ann has %s, had %s before", got, has)
	}

	// What nobody closes goes back by itself.
	do(w, horde.FillPurse{Owner: ann, Amount: kudos.Whole(20), Life: time.Hour, Key: "party:2"})
	w.pass(2 * time.Hour)
	if got := w.balance(ann); got != has+kudos.Whole(40) {
		t.Errorf("ann has %s in the end", got)
	}
}

func TestNothingIsGivenOnceGiftsAreSwitchedOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.user("ann", kudos.Whole(100)), w.user("bob", 0)
	purse := do(w, horde.FillPurse{Owner: ann, Amount: kudos.Whole(50), Life: time.Hour, Key: "party:1"})
	do(w, horde.Give{From: ann, To: "d_late", Amount: kudos.Whole(5), Key: "gift:1"})
	w.s = restored(t, w, horde.Settings{})
	has := w.balance(ann)
	denied(w, "from a purse", horde.PayPurse{Owner: ann, Purse: purse.ID, To: bob, Amount: 1, Key: "a"}, horde.CodeTransfersDisabled)
	late := do(w, horde.CreateUser{External: "d_late", Name: "late", Key: horde.KeyHash{77}}).ID
	if got := do(w, horde.Claim{User: late}); got.Amount != 0 {
		t.Errorf("claimed %+v", got)
	}
	if got := w.balance(ann); got != has+kudos.Whole(5) {
		t.Errorf("ann has %s after her gift went back, want %s", got, has+kudos.Whole(5))
	}
}

func TestWhatIsLeftOfAPurseGoesBackInProportion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob, eve, guest := w.user("ann", kudos.Whole(100)), w.user("bob", kudos.Whole(100)), w.user("eve", kudos.Whole(100)), w.user("guest", 0)
	purse := do(w, horde.FillPurse{Owner: ann, Amount: kudos.Whole(40), Life: time.Hour, Key: "p"})
	for range 2 { // once
		do(w, horde.JoinPurse{From: bob, Purse: purse.ID, Amount: kudos.Whole(20), Key: "p:bob"})
	}
	do(w, horde.JoinPurse{From: bob, Purse: purse.ID, Amount: kudos.Whole(10), Key: "p:bob:more"})
	do(w, horde.JoinPurse{From: eve, Purse: purse.ID, Amount: kudos.Whole(30), Key: "p:eve"})
	w.restart()
	for name, c := range map[string]struct {
		op   horde.JoinPurse
		want horde.Code
	}{
		"strangers":          {horde.JoinPurse{From: horde.Anonymous, Purse: purse.ID, Amount: 1, Key: "x"}, horde.CodeTransferFromAnon},
		"the owner":          {horde.JoinPurse{From: ann, Purse: purse.ID, Amount: 1, Key: "x"}, horde.CodeBadRequest},
		"more than they had": {horde.JoinPurse{From: eve, Purse: purse.ID, Amount: kudos.Whole(1000), Key: "x"}, horde.CodeTransferNotEnough},
		"no purse":           {horde.JoinPurse{From: eve, Amount: 1, Key: "x"}, horde.CodePurseNotFound},
		"no key":             {horde.JoinPurse{From: eve, Purse: purse.ID, Amount: 1}, horde.CodeBadRequest},
	} {
		if _, err := try(w, c.op); codeOf(err) != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
	do(w, horde.PayPurse{Owner: ann, Purse: purse.ID, To: guest, Amount: kudos.Whole(33), Key: "p:guest"})
	before := map[horde.UserID]kudos.Amount{ann: w.balance(ann), bob: w.balance(bob), eve: w.balance(eve)}
	if left := do(w, horde.ClosePurse{Owner: ann, Purse: purse.ID}); left != kudos.Whole(67) {
		t.Errorf("%s went back in all", left)
	}
	for who, want := range map[horde.UserID]kudos.Amount{ann: 2680, bob: 2010, eve: 2010} { // 40, 30 and 30 of 100 kudos, of 67
		if got := w.balance(who) - before[who]; got != want {
			t.Errorf("%d got %s back, want %s", who, got, want)
		}
	}
}

func TestPursesNeitherMakeNorLoseKudos(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	random := rand.New(rand.NewPCG(11, 22))
	var people []horde.UserID
	for i := range 6 {
		people = append(people, w.user(fmt.Sprintf("p%d", i), kudos.Whole(200)))
	}
	var purses []horde.Purse
	sum := func() (all kudos.Amount) {
		for _, p := range people {
			all += w.balance(p)
			for _, purse := range w.s.Purses(p) {
				if purse.Left < 0 {
					t.Errorf("a purse has %s", purse.Left)
				}
				all += purse.Left
			}
		}
		return all
	}
	start := sum()
	someone := func() horde.UserID { return people[random.IntN(len(people))] }
	amount := func() kudos.Amount { return 1 + kudos.Amount(random.IntN(3000)) }
	for step := range 1500 {
		key := fmt.Sprintf("k%d", random.IntN(step+1)) // now and then one that was used before
		which := func() horde.Purse {
			if len(purses) == 0 {
				return horde.Purse{}
			}
			return purses[random.IntN(len(purses))]
		}()
		switch random.IntN(6) {
		case 0:
			if p, err := try(w, horde.FillPurse{Owner: someone(), Amount: amount(), Life: time.Hour, Key: key}); err == nil {
				purses = append(purses, p)
			}
		case 1:
			_, _ = try(w, horde.FillPurse{Owner: which.Owner, Purse: which.ID, Amount: amount(), Life: time.Hour, Key: key})
		case 2:
			_, _ = try(w, horde.JoinPurse{From: someone(), Purse: which.ID, Amount: amount(), Key: key})
		case 3:
			_, _ = try(w, horde.PayPurse{Owner: which.Owner, Purse: which.ID, To: someone(), Amount: amount(), Key: key})
		case 4:
			if random.IntN(4) == 0 {
				_, _ = try(w, horde.ClosePurse{Owner: which.Owner, Purse: which.ID})
			}
		default:
			if random.IntN(40) == 0 {
				w.restart()
			}
		}
		if got := sum(); got != start {
			t.Fatalf("step %d: %s kudos in all, were %s", step, got, start)
		}
	}
	w.pass(2 * time.Hour)
	for _, p := range people {
		if left := w.s.Purses(p); len(left) != 0 {
			t.Errorf("purses that do not go back: %+v", left)
		}
	}
	if got := sum(); got != start {
		t.Errorf("%s kudos in the end, were %s", got, start)
	}
}
