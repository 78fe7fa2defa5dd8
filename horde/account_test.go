// SPDX-License-Identifier: AGPL-3.0-or-later

package horde_test

import (
	"strings"
	"testing"
	"time"

	"stablemate/horde"
	"stablemate/horde/kudos"
)

// denied fails the test unless an operation is refused with a code.
func denied[R any](w *world, what string, op horde.Op[R], want horde.Code) {
	w.t.Helper()
	if _, err := try(w, op); codeOf(err) != want {
		w.t.Errorf("%s: got %v, want %s", what, err, want)
	}
}

func (w *world) read(id horde.UserID) horde.User {
	w.t.Helper()
	u, ok := w.s.User(id)
	if !ok {
		w.t.Fatalf("account %d is gone", id)
	}
	return u
}

// with makes an account that holds roles.
func (w *world) with(name string, roles horde.Role, welcome kudos.Amount) horde.UserID {
	w.t.Helper()
	id := w.user(name, welcome)
	do(w, horde.SetUser{User: id, Grant: roles})
	return id
}

func rude(text string) bool { return strings.Contains(strings.ToLower(text), "crumbs") }

func TestWhoMayChangeWhatAboutAnAccount(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, horde.Settings{AnonymousAllowed: true, TransfersAllowed: true, Profane: rude})
	u, stranger := w.user("u", 0), w.user("stranger", 0)
	mod, admin := w.with("mod", horde.RoleModerator, 0), w.with("admin", horde.RoleAdmin, 0)
	service := w.with("service", horde.RoleService, 0)
	amount, hash := kudos.Whole(5), horde.KeyHash{9, 9}
	for what, c := range map[string]struct {
		op   horde.ChangeUser
		want horde.Code
	}{
		"nobody":                        {horde.ChangeUser{By: u, User: 99, Undelete: true}, horde.CodeUserNotFound},
		"by nobody":                     {horde.ChangeUser{By: 99, User: u, Undelete: true}, horde.CodeInvalidAPIKey},
		"by everybody":                  {horde.ChangeUser{By: horde.Anonymous, User: u, Name: new("x y")}, horde.CodeAnonUserMod},
		"everybody's account":           {horde.ChangeUser{By: mod, User: horde.Anonymous, Grant: horde.RoleTrusted}, horde.CodeAnonUserMod},
		"nothing":                       {horde.ChangeUser{By: u, User: u}, horde.CodeNoUserMod},
		"kudos by a moderator":          {horde.ChangeUser{By: mod, User: u, Adjust: &amount, Key: "k"}, horde.CodeNotAdmin},
		"monthly kudos by a moderator":  {horde.ChangeUser{By: mod, User: u, Monthly: &amount, Key: "k"}, horde.CodeNotAdmin},
		"the multiplier by a moderator": {horde.ChangeUser{By: mod, User: u, Multiplier: new(2.0)}, horde.CodeNotAdmin},
		"a moderator by a moderator":    {horde.ChangeUser{By: mod, User: u, Grant: horde.RoleModerator}, horde.CodeNotAdmin},
		"an admin by an admin":          {horde.ChangeUser{By: admin, User: u, Grant: horde.RoleAdmin}, horde.CodeNotAdmin},
		"trust for oneself":             {horde.ChangeUser{By: u, User: u, Grant: horde.RoleTrusted}, horde.CodeNotModerator},
		"concurrency for oneself":       {horde.ChangeUser{By: u, User: u, Concurrency: new(100)}, horde.CodeNotModerator},
		"invitations for oneself":       {horde.ChangeUser{By: u, User: u, Invited: new(5)}, horde.CodeNotModerator},
		"a comment on oneself":          {horde.ChangeUser{By: u, User: u, Comment: new("nice person")}, horde.CodeNotModerator},
		"one's own suspicion":           {horde.ChangeUser{By: u, User: u, ResetSuspicion: true}, horde.CodeNotModerator},
		"a stranger's name":             {horde.ChangeUser{By: stranger, User: u, Name: new("mine now")}, horde.CodeNotModerator},
		"a long name":                   {horde.ChangeUser{By: u, User: u, Name: new(strings.Repeat("x", 31))}, horde.CodeTooLongUserName},
		"a rude name":                   {horde.ChangeUser{By: u, User: u, Name: new("Crumbs")}, horde.CodeProfaneName},
		"a rude contact":                {horde.ChangeUser{By: u, User: u, Contact: new("crumbs@example")}, horde.CodeProfaneContact},
		"a rude comment":                {horde.ChangeUser{By: mod, User: u, Comment: new("all crumbs")}, horde.CodeProfaneComment},
		"NUL in a name":                 {horde.ChangeUser{By: u, User: u, Name: new("a\x00bc")}, horde.CodeNulByte},
		"NUL in a contact":              {horde.ChangeUser{By: u, User: u, Contact: new("a\x00b")}, horde.CodeNulByte},
		"a passkey for ordinary people": {horde.ChangeUser{By: u, User: u, Passkey: &hash}, horde.CodeNonService},
		"undeleting what is not":        {horde.ChangeUser{By: u, User: u, Undelete: true}, horde.CodeUserNotDeleted},
		"501 at once":                   {horde.ChangeUser{By: mod, User: u, Concurrency: new(501)}, horde.CodeBadRequest},
		"a multiplier of 0":             {horde.ChangeUser{By: admin, User: u, Multiplier: new(0.0)}, horde.CodeBadRequest},
		"kudos without a key":           {horde.ChangeUser{By: admin, User: u, Adjust: &amount}, horde.CodeBadRequest},
	} {
		denied(w, what, c.op, c.want)
	}

	name, contact := "You＃", "me@example.org"
	got := do(w, horde.ChangeUser{By: u, User: u, Name: new(" You# "), Contact: &contact, PublicWorkers: new(true)})
	if got.Name != name || got.Contact != contact || !got.Has(horde.RolePublicWorkers) {
		t.Errorf("one's own change made %+v", got)
	}
	got = do(w, horde.ChangeUser{By: u, User: u, Name: new("<img src=x>"), Contact: new("<script>&"), PublicWorkers: new(true)})
	if got.Name != "＜img src=x＞" || got.Contact != "&lt;script&gt;&amp;" {
		t.Errorf("markup became %q and %q", got.Name, got.Contact)
	}
	if got = do(w, horde.ChangeUser{By: mod, User: u, Comment: new("<b>odd</b><i>")}); got.Comment != "<b>odd</b>&lt;i&gt;" {
		t.Errorf("markup in a comment became %q", got.Comment)
	}
	got = do(w, horde.ChangeUser{
		By: mod, User: u, Grant: horde.RoleCustomizer | horde.RoleVPN | horde.RoleSpecial, Concurrency: new(100), Invited: new(7),
		Comment: new("a good one"), PublicWorkers: new(false),
	})
	if !got.Has(horde.RoleCustomizer|horde.RoleVPN|horde.RoleSpecial) || got.Concurrency != 100 || got.Invited != 7 ||
		got.Comment != "a good one" || got.Has(horde.RolePublicWorkers) {
		t.Errorf("a moderator's change made %+v", got)
	}
	before := w.balance(u)
	give := horde.ChangeUser{By: admin, User: u, Adjust: &amount, Multiplier: new(2.5), Grant: horde.RoleModerator, Key: "once"}
	for range 2 {
		got = do(w, give)
	}
	if got.Balance != before+amount || got.Details.Admin != amount || got.Multiplier != 2.5 || !got.Has(horde.RoleModerator|horde.RoleTrusted) {
		t.Errorf("an admin's change, twice, made %+v", got)
	}
	take := -kudos.Whole(1_000_000)
	if got = do(w, horde.ChangeUser{By: admin, User: u, Adjust: &take, Key: "back"}); got.Balance != got.Floor() {
		t.Errorf("taking everything leaves %s, want the floor", got.Balance)
	}
	if do(w, horde.ChangeUser{By: service, User: service, Passkey: &hash}).Passkey != hash {
		t.Error("a service account got no passkey")
	}
}

func TestSchoolsAskForWhatSuitsThem(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, horde.Settings{AnonymousAllowed: true, TransfersAllowed: true, Sharing: true})
	mod := w.with("mod", horde.RoleModerator, 0)
	school, other := w.user("school", kudos.Whole(500)), w.user("other", kudos.Whole(500))
	if got := do(w, horde.ChangeUser{By: mod, User: school, Grant: horde.RoleEducation}); got.Concurrency != horde.EducationConcurrency {
		t.Errorf("a school may have %d images waiting", got.Concurrency)
	}
	denied(w, "a school gives", horde.Transfer{From: school, To: other, Amount: 100}, horde.CodeEducationCannotSend)
	do(w, horde.Transfer{From: other, To: school, Amount: kudos.Whole(10)})
	if got := w.read(other).Details; got.Donated != -kudos.Whole(10) || got.Gifted != 0 {
		t.Errorf("a gift to a school counts as %+v", got)
	}
	n := apple(school)
	n.NSFW, n.Shared = true, true
	id := do(w, horde.Enqueue{NewImage: n}).ID
	if w.status(id).Shared {
		t.Error("what a school makes is shared")
	}
	if job := w.pop("untrusted"); len(job.Generations) != 0 {
		t.Error("a worker that nobody trusts got a school's request")
	}
	do(w, horde.EnqueueForms{NewAlchemy: lookAt(school, "https://x/a.webp", "caption")})
	if job := w.popForms("untrusted too", 1); len(job.Forms) != 0 {
		t.Error("an alchemist that nobody trusts got a school's form")
	}
	if got := do(w, horde.ChangeUser{By: mod, User: school, Revoke: horde.RoleEducation}); got.Concurrency != horde.DefaultConcurrency {
		t.Errorf("a school no more may have %d images waiting", got.Concurrency)
	}
	do(w, horde.ChangeUser{By: mod, User: school, Grant: horde.RoleEducation, Concurrency: new(77)})
	if got := do(w, horde.ChangeUser{By: mod, User: school, Revoke: horde.RoleEducation}); got.Concurrency != 77 {
		t.Errorf("a number that somebody chose became %d", got.Concurrency)
	}
}

func TestAccountsAreDeletedThenWiped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mod, other := w.with("mod", horde.RoleModerator, 0), w.user("other", kudos.Whole(100))
	var gone []horde.UserID
	for _, name := range []string{"first", "second"} {
		u := w.user(name, kudos.Whole(50))
		gone = append(gone, u)
		do(w, horde.CreateSharedKey{Owner: u})
		do(w, horde.Pop{Owner: u, Offer: offer("dreamer of " + name), Amount: 1})
	}
	u := gone[0]
	denied(w, "by a stranger", horde.DeleteUser{By: other, User: u}, horde.CodeNotUserOrMod)
	denied(w, "by everybody", horde.DeleteUser{By: horde.Anonymous, User: u}, horde.CodeAnonUser)
	denied(w, "everybody", horde.DeleteUser{By: mod, User: horde.Anonymous}, horde.CodeAnonUser)
	denied(w, "a moderator", horde.DeleteUser{By: mod, User: mod}, horde.CodeCannotDeleteMod)
	denied(w, "nobody", horde.DeleteUser{By: mod, User: 99}, horde.CodeUserNotFound)

	do(w, horde.DeleteUser{By: u, User: u})
	denied(w, "a deleted one asks", horde.Enqueue{NewImage: apple(u)}, horde.CodeDeletedUser)
	denied(w, "a deleted one's worker", horde.Pop{Owner: u, Offer: offer("x"), Amount: 1}, horde.CodeDeletedUser)
	denied(w, "a deleted one gives", horde.Transfer{From: u, To: other, Amount: 100}, horde.CodeDeletedUser)
	denied(w, "a deleted one is given", horde.Transfer{From: other, To: u, Amount: 100}, horde.CodeDeletedUser)
	denied(w, "a deleted one makes a key", horde.CreateSharedKey{Owner: u}, horde.CodeDeletedUser)
	if got := do(w, horde.ChangeUser{By: u, User: u, Undelete: true}); got.Has(horde.RoleDeleted) {
		t.Error("undeleting did not help")
	}
	do(w, horde.DeleteUser{By: u, User: u})
	w.now = w.now.Add(horde.WipeAfter - time.Second)
	denied(w, "too early", horde.DeleteUser{By: mod, User: u}, horde.CodeCannotWipeActive)
	w.now = w.now.Add(time.Second)
	old := w.read(u)
	do(w, horde.DeleteUser{By: mod, User: gone[1]}) // marks
	for _, id := range gone {
		if got := do(w, horde.DeleteUser{By: mod, User: id}); !got.Wiped {
			t.Fatalf("account %d was not wiped", id)
		}
		if _, found := w.s.User(id); found {
			t.Errorf("account %d is found after it was wiped", id)
		}
		if len(w.s.WorkersOf(id)) != 0 || len(w.s.SharedKeysOf(id)) != 0 {
			t.Errorf("account %d left workers or shared keys", id)
		}
		denied(w, "a wiped one", horde.DeleteUser{By: mod, User: id}, horde.CodeUserNotFound)
		denied(w, "a gift to a wiped one", horde.Transfer{From: other, To: id, Amount: 100}, horde.CodeInvalidTargetUsername)
	}
	if _, found := w.s.UserByKey(old.Key); found {
		t.Error("a wiped account's key still works")
	}
	if _, found := w.s.UserByExternal(old.External); found {
		t.Error("a wiped account's identity is still known")
	}
	// Whoever comes back begins anew.
	do(w, horde.CreateUser{External: old.External, Name: "again", Key: old.Key})
	for _, row := range w.rows.users {
		if row.ID == u && (row.Name == "first" || row.Balance != old.Balance) {
			t.Errorf("the tombstone is %+v, want no name and %s kudos", row, old.Balance)
		}
	}
}

func TestSuspicionCountsEachReasonOnce(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, horde.Settings{AnonymousAllowed: true, TransfersAllowed: true, Profane: rude})
	mod, other := w.with("mod", horde.RoleModerator, 0), w.user("other", kudos.Whole(100))
	u := w.user("u", kudos.Whole(100))
	bad := offer(strings.Repeat("long ", 50) + "name")
	bad.MaxPixels = horde.ExtremePixels + 1
	for range 3 {
		do(w, horde.Pop{Owner: u, Offer: bad, Amount: 1})
		w.now = w.now.Add(time.Minute)
	}
	if got := w.read(u).Suspicion; got != 3 {
		t.Fatalf("two reasons of the name and one of the size count %d, want 3", got)
	}
	// Delivering at once, twice, is faster than any machine.
	for range 2 {
		big := apple(other)
		big.Image.Steps = 40
		do(w, horde.Enqueue{NewImage: big})
		if job := do(w, horde.Pop{Owner: u, Offer: bad, Amount: 1}); len(job.Generations) > 0 {
			w.now = w.now.Add(time.Millisecond)
			do(w, horde.Submit{Owner: u, Generation: job.Generations[0], Blob: "x"})
		}
	}
	got := w.read(u)
	if got.Suspicion != 5 || !got.Suspicious() || !got.Reasons.Has(horde.ReasonTooFast) || got.Reasons.Has(horde.ReasonManyAborted) {
		t.Fatalf("the account is suspicious of %b, %d times", got.Reasons, got.Suspicion)
	}
	worker, _ := w.s.Worker(w.s.WorkersOf(u)[0])
	if worker.Suspicion != 5 || !worker.Paused {
		t.Errorf("its worker is %+v, want it paused", worker)
	}
	denied(w, "a suspicious one gives", horde.Transfer{From: u, To: other, Amount: 100}, horde.CodeFaultWhenSending)
	denied(w, "a suspicious one is given", horde.Transfer{From: other, To: u, Amount: 100}, horde.CodeFaultWhenReceiving)
	if got := do(w, horde.ChangeUser{By: mod, User: u, ResetSuspicion: true}); got.Suspicion != 0 || got.Reasons != 0 {
		t.Errorf("after a reset the account is %+v", got)
	}
	if worker, _ = w.s.Worker(worker.ID); worker.Suspicion != 0 {
		t.Error("a reset does not reach the workers")
	}
	if got := do(w, horde.CreateUser{External: "d_long", Name: strings.Repeat("n", 31), Key: horde.KeyHash{77}}); got.Suspicion != 1 || len(got.Name) != 30 {
		t.Errorf("a long name makes %+v", got)
	}
	if got := do(w, horde.CreateUser{External: "d_rude", Name: "crumbs", Key: horde.KeyHash{78}}); got.Suspicion != 1 {
		t.Errorf("a rude name makes %+v", got)
	}
}

func TestTrustIsEarned(t *testing.T) {
	t.Parallel()
	const threshold = 5 * kudos.One
	earn := func(w *world, asker, owner horde.UserID) {
		w.t.Helper()
		do(w, horde.Enqueue{NewImage: apple(asker)})
		job := do(w, horde.Pop{Owner: owner, Offer: offer("gpu"), Amount: 1})
		w.now = w.now.Add(time.Second)
		do(w, horde.Submit{Owner: owner, Generation: job.Generations[0], Blob: "x"})
	}
	for what, c := range map[string]struct {
		threshold kudos.Amount
		age       time.Duration
		images    int
		roles     horde.Role
		trusted   bool
	}{
		"enough, and old enough":          {threshold, horde.TrustAge, 3, 0, true},
		"too young":                       {threshold, horde.TrustAge - time.Hour, 3, 0, false},
		"too little":                      {threshold, horde.TrustAge, 1, 0, false},
		"an operator who leaves it alone": {0, horde.TrustAge, 3, 0, false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorldWith(t, horde.Settings{AnonymousAllowed: true, TrustThreshold: c.threshold})
			asker, mod := w.user("asker", kudos.Whole(500)), w.with("mod", horde.RoleModerator, 0)
			w.now = w.now.Add(c.age)
			for range c.images {
				earn(w, asker, w.owner)
			}
			got := w.read(w.owner)
			if got.Has(horde.RoleTrusted) != c.trusted || c.trusted != (got.Evaluated == 0) {
				t.Fatalf("trusted is %t with %s in escrow, want %t", got.Has(horde.RoleTrusted), got.Evaluated, c.trusted)
			}
			if earned := got.Balance + got.Evaluated - kudos.Whole(25); earned != got.Details.Accumulated+got.Evaluated {
				t.Errorf("accumulated is %s of %s earned, %s in escrow", got.Details.Accumulated, earned, got.Evaluated)
			}
			if !c.trusted {
				// Time alone may help.
				w.now = w.now.Add(horde.TrustAge)
				if n := do(w, horde.Promote{}); (n == 1) != (c.images == 3 && c.threshold > 0) {
					t.Errorf("promoting later trusted %d", n)
				}
			}
			// A moderator's trust sets paused workers going.
			worker, _ := w.s.WorkerByName("gpu")
			do(w, horde.ChangeUser{By: mod, User: w.owner, Revoke: horde.RoleTrusted})
			do(w, horde.SetWorker{Worker: worker.ID, By: mod, Paused: new(true)})
			got = do(w, horde.ChangeUser{By: mod, User: w.owner, Grant: horde.RoleTrusted})
			if worker, _ = w.s.WorkerByName("gpu"); worker.Paused || got.Evaluated != 0 {
				t.Errorf("trust leaves the worker paused: %t, and %s in escrow", worker.Paused, got.Evaluated)
			}
		})
	}
}

func TestBeingOnlineIsRewarded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mod := w.with("mod", horde.RoleModerator, 0)
	lora := offer("gpu")
	lora.Lora, lora.Models = true, []string{"mini", "other"}
	stay := func(minutes int) horde.User {
		w.t.Helper()
		for range 2 * minutes {
			w.now = w.now.Add(30 * time.Second)
			do(w, horde.Pop{Owner: w.owner, Offer: lora, Amount: 1})
		}
		return w.read(w.owner)
	}
	do(w, horde.Pop{Owner: w.owner, Offer: lora, Amount: 1})
	const reward = 84 * kudos.One
	if got := stay(10); got.Evaluated != 0 {
		t.Errorf("600 seconds earn %s, want nothing yet", got.Evaluated)
	}
	if got := stay(1); got.Evaluated != reward || got.Balance != kudos.Whole(25) {
		t.Errorf("more than 600 seconds earn %s in escrow and leave %s, want %s in escrow", got.Evaluated, got.Balance, reward)
	}
	w.now = w.now.Add(6 * time.Minute) // away: the count begins anew
	if got := stay(10); got.Evaluated != reward {
		t.Errorf("after a pause 600 seconds earn %s, want nothing more", got.Evaluated-reward)
	}
	got := stay(1)
	worker, _ := w.s.WorkerByName("gpu")
	if got.Evaluated != 2*reward || worker.UptimeKudos != 2*reward {
		t.Errorf("the owner has %s in escrow, the worker earned %s, want %s", got.Evaluated, worker.UptimeKudos, 2*reward)
	}
	do(w, horde.SetWorker{Worker: worker.ID, By: mod, Paused: new(true)})
	if got := stay(25); got.Evaluated != 2*reward {
		t.Error("a paused worker is rewarded")
	}
	do(w, horde.ChangeUser{By: mod, User: w.owner, Grant: horde.RoleTrusted})
	before := w.balance(w.owner)
	if got := stay(12); got.Balance != before+reward || got.Evaluated != 0 {
		t.Errorf("a trusted owner earns %s, want %s", got.Balance-before, reward)
	}
}
