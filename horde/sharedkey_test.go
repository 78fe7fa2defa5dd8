// SPDX-License-Identifier: AGPL-3.0-or-later

package horde_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/horde/origin"
)

func (w *world) shared(owner horde.UserID, terms horde.SharedKeyTerms) horde.SharedKeyID {
	w.t.Helper()
	return do(w, horde.CreateSharedKey{Owner: owner, SharedKeyTerms: terms}).ID
}

func (w *world) keyOf(id horde.SharedKeyID) horde.SharedKey {
	w.t.Helper()
	k, _, ok := w.s.SharedKey(id)
	if !ok {
		w.t.Fatalf("shared key %s is gone", id)
	}
	return k
}

// through is a request with a shared key.
func through(id horde.SharedKeyID) horde.NewImage {
	n := apple(0)
	n.SharedKey = id
	return n
}

func budget(whole int64) *kudos.Amount { return new(kudos.Whole(whole)) }

func TestSharedKeysAreTheirOwners(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u, other := w.user("u", kudos.Whole(100)), w.user("other", 0)
	id := w.shared(u, horde.SharedKeyTerms{})
	k := w.keyOf(id)
	want := horde.SharedKey{
		ID: id, Owner: u, Created: w.now, Budget: kudos.Whole(5000), MaxPixels: horde.Unlimited, MaxSteps: horde.Unlimited, MaxTokens: horde.Unlimited,
	}
	if diff := cmp.Diff(want, k); diff != "" {
		t.Errorf("a key without terms (-want +got):\n%s", diff)
	}
	name := "friends"
	denied(w, "by a stranger", horde.ChangeSharedKey{By: other, Key: id, SharedKeyTerms: horde.SharedKeyTerms{Name: &name}}, horde.CodeForbidden)
	denied(w, "nothing", horde.ChangeSharedKey{By: u, Key: id}, horde.CodeNoSharedKeyMod)
	denied(w, "an unknown key", horde.ChangeSharedKey{By: u, SharedKeyTerms: horde.SharedKeyTerms{Name: &name}}, horde.CodeInvalidAPIKey)
	denied(w, "a long name", horde.ChangeSharedKey{By: u, Key: id, SharedKeyTerms: horde.SharedKeyTerms{Name: new(strings.Repeat("x", 256))}}, horde.CodeBadRequest)
	denied(w, "less than nothing", horde.ChangeSharedKey{By: u, Key: id, SharedKeyTerms: horde.SharedKeyTerms{Budget: budget(-2)}}, horde.CodeBadRequest)
	denied(w, "a strange limit", horde.ChangeSharedKey{By: u, Key: id, SharedKeyTerms: horde.SharedKeyTerms{MaxSteps: new(-2)}}, horde.CodeBadRequest)
	denied(w, "deleted by a stranger", horde.DeleteSharedKey{By: other, Key: id}, horde.CodeForbidden)
	denied(w, "everybody's", horde.CreateSharedKey{Owner: horde.Anonymous}, horde.CodeAnonForbidden)
	k = do(w, horde.ChangeSharedKey{By: u, Key: id, SharedKeyTerms: horde.SharedKeyTerms{
		Name: &name, Budget: new(kudos.Amount(horde.Unlimited)), Days: new(3), MaxPixels: new(100), MaxSteps: new(20), MaxTokens: new(80),
	}})
	if k.Name != name || k.Budget != horde.Unlimited || !k.Expiry.Equal(w.now.AddDate(0, 0, 3)) || k.MaxPixels != 100 || k.MaxSteps != 20 || k.MaxTokens != 80 {
		t.Errorf("the changed key is %+v", k)
	}
	if k = do(w, horde.ChangeSharedKey{By: u, Key: id, SharedKeyTerms: horde.SharedKeyTerms{Days: new(-1)}}); !k.Expiry.IsZero() {
		t.Errorf("the key that never expires does so at %s", k.Expiry)
	}
	w.shared(u, horde.SharedKeyTerms{})
	w.shared(u, horde.SharedKeyTerms{})
	denied(w, "a fourth", horde.CreateSharedKey{Owner: u}, horde.CodeManySharedKeys)
	do(w, horde.SetUser{User: u, Grant: horde.RoleTrusted})
	for range 7 {
		w.shared(u, horde.SharedKeyTerms{})
	}
	denied(w, "an eleventh of a trusted one", horde.CreateSharedKey{Owner: u}, horde.CodeManySharedKeys)
	if got := w.s.SharedKeysOf(u); len(got) != 10 || got[0] != id {
		t.Errorf("the keys are %v, want %s to be the first of ten", got, id)
	}
}

func TestASharedKeyPaysForItsOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := w.user("u", kudos.Whole(500))
	id := w.shared(u, horde.SharedKeyTerms{Budget: budget(20), MaxPixels: new(512 * 512), MaxSteps: new(20)})
	before := w.balance(u)
	got := do(w, horde.Enqueue{NewImage: through(id)})
	if st := w.status(got.ID); st.User != u {
		t.Errorf("the request belongs to %d, want its owner %d", st.User, u)
	}
	w.deliver(w.pop("gpu"))
	paid := before - w.balance(u)
	if k := w.keyOf(id); k.Budget != kudos.Whole(20)-paid || k.Used != paid || paid == 0 {
		t.Errorf("of 20 kudos %s are left and %s used after %s were paid", k.Budget, k.Used, paid)
	}

	big := through(id)
	big.Image.Width = 576
	denied(w, "too many pixels", horde.Enqueue{NewImage: big}, horde.CodeBadRequest)
	long := through(id)
	long.Image.Steps = 21
	denied(w, "too many steps", horde.Enqueue{NewImage: long}, horde.CodeBadRequest)
	many := through(id)
	many.N = 10
	denied(w, "more than the budget", horde.Enqueue{NewImage: many}, horde.CodeSharedKeyInsufficient)
	many.DryRun = true
	denied(w, "more than the budget, dry", horde.Enqueue{NewImage: many}, horde.CodeSharedKeyInsufficient)
	many.DryRun, many.AllowDowngrade = false, true
	low := do(w, horde.Enqueue{NewImage: many}).ID
	poor := w.user("poor", 0)
	first := do(w, horde.Enqueue{NewImage: apple(poor)}).ID
	if job := w.pop("gpu"); job.Request != first {
		t.Errorf("a request beyond its key's budget came before %s's", first)
	}
	// The owner's concurrency counts.
	crowd := through(id)
	crowd.N = 20
	crowd.AllowDowngrade = true
	do(w, horde.Enqueue{NewImage: crowd})
	denied(w, "too many waiting", horde.Enqueue{NewImage: crowd}, horde.CodeTooManyPrompts)

	// Without its key, what waits is withdrawn.
	do(w, horde.DeleteSharedKey{By: u, Key: id})
	if st := w.status(low); !st.Done || st.Waiting != 0 {
		t.Errorf("what waited for the deleted key is %+v", st.Progress)
	}
	denied(w, "a deleted key", horde.Enqueue{NewImage: through(id)}, horde.CodeInvalidAPIKey)
}

func TestTheLastPaymentOfASharedKeyMayExceedItsBudget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := w.user("u", kudos.Whole(500))
	id := w.shared(u, horde.SharedKeyTerms{Budget: budget(5)})
	n := through(id)
	n.AllowDowngrade = true
	got := do(w, horde.Enqueue{NewImage: n}).ID
	w.deliver(w.pop("gpu"))
	k := w.keyOf(id)
	if k.Budget != 0 || k.Used <= kudos.Whole(5) || w.status(got).Finished != 1 {
		t.Errorf("the key has %s left after %s of 5", k.Budget, k.Used)
	}
	denied(w, "an empty key", horde.Enqueue{NewImage: through(id)}, horde.CodeSharedKeyEmpty)
	anonymous := do(w, horde.Enqueue{NewImage: n}).ID
	if st := w.status(anonymous); st.User != horde.Anonymous {
		t.Errorf("with an empty key %d asks, want everybody's account", st.User)
	}
	if again := w.keyOf(id); again != k {
		t.Errorf("an anonymous request changed the key from %+v to %+v", k, again)
	}

	// An unlimited key only counts.
	all := w.shared(u, horde.SharedKeyTerms{Budget: new(kudos.Amount(horde.Unlimited)), Days: new(1)})
	do(w, horde.Enqueue{NewImage: through(all)})
	if k := w.keyOf(all); k.Budget != horde.Unlimited || k.Used != kudos.ActivationImage {
		t.Errorf("the unlimited key is %+v", k)
	}
	w.pass(24 * time.Hour)
	denied(w, "an expired key", horde.Enqueue{NewImage: through(all)}, horde.CodeSharedKeyExpired)
	n.SharedKey = all
	denied(w, "an expired key with downgrade", horde.Enqueue{NewImage: n}, horde.CodeSharedKeyExpired)
}

func TestGiftsFillSharedKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u, giver := w.user("u", 0), w.user("giver", kudos.Whole(100))
	id := w.shared(u, horde.SharedKeyTerms{Budget: budget(0)})
	gift := horde.Transfer{From: giver, To: u, SharedKey: id, Amount: kudos.Whole(10), Key: "once"}
	for range 2 {
		do(w, gift)
	}
	if k := w.keyOf(id); k.Budget != kudos.Whole(10) || w.balance(u) != kudos.Whole(35) {
		t.Errorf("a gift of 10, told twice, makes a budget of %s and a balance of %s", k.Budget, w.balance(u))
	}
	all := w.shared(u, horde.SharedKeyTerms{Budget: new(kudos.Amount(horde.Unlimited)), Days: new(1)})
	do(w, horde.Transfer{From: giver, To: u, SharedKey: all, Amount: 100})
	if k := w.keyOf(all); k.Budget != horde.Unlimited {
		t.Errorf("a gift limits the key to %s", k.Budget)
	}
	denied(w, "one's own key", horde.Transfer{From: u, To: u, SharedKey: all, Amount: 100}, horde.CodeTransferToSelf)
	denied(w, "somebody else's key", horde.Transfer{From: giver, To: w.owner, SharedKey: all, Amount: 100}, horde.CodeInvalidTargetUsername)
	w.pass(25 * time.Hour)
	denied(w, "an expired key", horde.Transfer{From: giver, To: u, SharedKey: all, Amount: 100}, horde.CodeSharedKeyExpired)
}

func TestSharingIsCheaperAndAnonymousAlwaysShares(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		sharing, anonymous, asks, source bool
		charge                           kudos.Amount
		shared                           bool
	}{
		"asked for":                   {true, false, true, false, kudos.ActivationShared, true},
		"not asked for":               {true, false, false, false, kudos.ActivationImage, false},
		"made from a picture":         {true, false, true, true, kudos.ActivationImage, false},
		"anonymous":                   {true, true, false, false, kudos.ActivationShared, true},
		"anonymous, from a picture":   {true, true, false, true, kudos.ActivationImage, false},
		"a horde that does not share": {false, false, true, false, kudos.ActivationImage, false},
		"anonymous where none share":  {false, true, true, false, kudos.ActivationImage, false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorldWith(t, horde.Settings{AnonymousAllowed: true, Sharing: c.sharing})
			u := w.user("u", kudos.Whole(100))
			if c.anonymous {
				u = horde.Anonymous
			}
			n := apple(u)
			n.Shared = c.asks
			if c.source {
				n.Image.Source, n.Image.Processing = "key", "img2img"
			}
			st := w.status(do(w, horde.Enqueue{NewImage: n}).ID)
			if st.Kudos != c.charge || st.Shared != c.shared {
				t.Errorf("it costs %s and is shared: %t, want %s and %t", st.Kudos, st.Shared, c.charge, c.shared)
			}
		})
	}
}

func TestSharedImagesAreListed(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, horde.Settings{AnonymousAllowed: true, Sharing: true})
	u := w.user("u", kudos.Whole(100))
	w.pop("gpu")
	want := 0
	for i, shared := range []bool{true, false, true} {
		n := apple(u)
		n.Shared = shared
		do(w, horde.Enqueue{NewImage: n})
		job := w.pop("gpu")
		op := horde.Submit{Owner: w.owner, Generation: job.Generations[0], Blob: "x"}
		if i == 2 {
			op.Meta = []horde.Meta{{Type: "censorship", Value: "nsfw"}}
		} else if shared {
			want++
		}
		do(w, op)
	}
	got := w.s.SharedImages()
	if len(got) != want || got[0].Blob != "x" || got[0].Anonymous || got[0].Image.Prompt != "red apple" {
		t.Errorf("shared are %+v, want %d", got, want)
	}
}

func TestAnonymousUseCanBeLimited(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, horde.Settings{AnonymousAllowed: true, AnonymousWaiting: 5, AnonymousPerOrigin: 2})
	ask := func(last byte, n int) horde.Enqueue {
		a := apple(horde.Anonymous)
		a.Origin, a.N = origin.FromAddr(netip.AddrFrom4([4]byte{192, 0, 2, last})), n
		return horde.Enqueue{NewImage: a}
	}
	do(w, ask(1, 2))
	denied(w, "a third of one person", ask(1, 1), horde.CodeTooManyPrompts)
	do(w, ask(2, 2))
	do(w, ask(3, 1))
	denied(w, "a sixth of all", ask(3, 1), horde.CodeTooManyPrompts)
}

func TestProxiedAccountsHaveLimitsOfTheirOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mod := w.with("mod", horde.RoleModerator, 0)
	service, plain := w.with("service", horde.RoleService, kudos.Whole(500)), w.user("plain", 0)
	do(w, horde.ChangeUser{By: mod, User: service, Concurrency: new(100)})
	ask := func(by horde.UserID, of string, n int) horde.Enqueue {
		a := apple(by)
		a.Proxied, a.N = of, n
		return horde.Enqueue{NewImage: a}
	}
	denied(w, "an ordinary account", ask(plain, "anna", 1), horde.CodeServiceOnly)
	do(w, ask(service, "anna", 20))
	denied(w, "too many for one", ask(service, "anna", 11), horde.CodeTooManyPrompts)
	for _, of := range []string{"bert", "carl", "dora", ""} {
		do(w, ask(service, of, 20))
	}
	denied(w, "too many for all", ask(service, "emil", 1), horde.CodeTooManyPrompts)

	key := horde.KeyHash{5}
	do(w, horde.ChangeUser{By: service, User: service, Passkey: &key})
	if u, ok := w.s.ProxyAccount(key); !ok || u.ID != service {
		t.Error("the passkey finds nobody")
	}
	do(w, horde.ChangeUser{By: mod, User: service, Grant: horde.RoleFlagged})
	if _, ok := w.s.ProxyAccount(key); ok {
		t.Error("a flagged account proxies")
	}
	do(w, horde.ChangeUser{By: mod, User: service, Revoke: horde.RoleFlagged | horde.RoleService})
	if _, ok := w.s.ProxyAccount(key); ok {
		t.Error("an account proxies that is no service")
	}
	if _, ok := w.s.ProxyAccount(horde.KeyHash{}); ok {
		t.Error("no passkey finds somebody")
	}
}

func TestASharedKeyOfAStyleWorksThroughItAlone(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, horde.Settings{AnonymousAllowed: true, Sharing: true})
	maker, other := w.trusted("maker"), w.trusted("other")
	id := w.shared(maker, horde.SharedKeyTerms{MaxSteps: new(1)})
	d := draft("oil")
	d.SharedKey = strings.ToUpper(id.String())
	denied(w, "somebody else's key", horde.CreateStyle{By: other, StyleDraft: d}, horde.CodeBadRequest)
	do(w, horde.CreateStyle{By: maker, StyleDraft: d})
	denied(w, "the key alone", horde.Enqueue{NewImage: through(id)}, horde.CodeSharedKeyStyles)

	n := w.styled(horde.Anonymous, "oil")
	n.SharedKey, n.Shared = id, true
	n.Image.Steps = 20
	got := do(w, horde.Enqueue{NewImage: n})
	if st := w.status(got.ID); st.User != maker || st.Kudos != kudos.ActivationShared {
		t.Errorf("%d pays %s, want the maker %d to pay %s", st.User, st.Kudos, maker, kudos.ActivationShared)
	}
	if k := w.keyOf(id); k.Used != kudos.ActivationShared {
		t.Errorf("the key counts %s", k.Used)
	}
	// Without the key the maker is thanked out of what sharing costs.
	n.SharedKey = horde.SharedKeyID{}
	got = do(w, horde.Enqueue{NewImage: n})
	if st := w.status(got.ID); st.User != horde.Anonymous || st.Kudos != kudos.ActivationShared+kudos.StyleFee {
		t.Errorf("%d pays %s for somebody else's style", st.User, st.Kudos)
	}
	do(w, horde.ChangeSharedKey{By: maker, Key: id, SharedKeyTerms: horde.SharedKeyTerms{Budget: budget(0)}})
	d.Name = "chalk"
	denied(w, "an empty key", horde.CreateStyle{By: maker, StyleDraft: d}, horde.CodeBadRequest)
}

func TestASharedKeyOfATextStylePaysForTexts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	maker, other := w.trusted("maker"), w.user("other", kudos.Whole(100))
	id := w.shared(maker, horde.SharedKeyTerms{MaxTokens: new(16)})
	d := textDraft("fable")
	d.SharedKey = id.String()
	st := do(w, horde.CreateStyle{By: maker, StyleDraft: d})
	n := tale(other)
	n.SharedKey = id
	denied(w, "the key alone", horde.EnqueueText{NewText: n}, horde.CodeSharedKeyStyles)
	choice := do(w, horde.ChooseStyle{Name: "fable", Kind: horde.StyleText})
	if choice.SharedKey != id.String() {
		t.Fatalf("the style holds the key %q, want %q", choice.SharedKey, id)
	}
	horde.ApplyTextStyle(&choice, &n.Text, &n.Models)
	got := do(w, horde.EnqueueText{NewText: n})
	if st := w.status(got.ID); st.User != maker {
		t.Errorf("%d pays, want the maker %d", st.User, maker)
	}
	do(w, horde.ChangeStyle{By: maker, ID: st.ID, Kind: horde.StyleText, SharedKey: new("")})
	if choice = do(w, horde.ChooseStyle{Name: "fable", Kind: horde.StyleText}); choice.SharedKey != "" {
		t.Errorf("the style still holds the key %q", choice.SharedKey)
	}
}

func TestSharedKeysPayForTexts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := w.user("u", kudos.Whole(500))
	id := w.shared(u, horde.SharedKeyTerms{Budget: budget(12), MaxTokens: new(80)})
	n := tale(0)
	n.SharedKey = id
	got := do(w, horde.EnqueueText{NewText: n}).ID
	if st := w.status(got); st.User != u {
		t.Errorf("the text belongs to %d, want its owner %d", st.User, u)
	}
	if k := w.keyOf(id); k.Used != kudos.ActivationText {
		t.Errorf("after asking the key counts %s", k.Used)
	}
	n.Text.MaxLength = 81
	denied(w, "too many tokens", horde.EnqueueText{NewText: n}, horde.CodeBadRequest)
	n.Text.MaxLength, n.N = 80, 5
	denied(w, "more than the budget", horde.EnqueueText{NewText: n}, horde.CodeSharedKeyInsufficient)
	n.Proxied = "anna"
	denied(w, "a proxied account", horde.EnqueueText{NewText: n}, horde.CodeServiceOnly)
	do(w, horde.DeleteSharedKey{By: u, Key: id})
	if st := w.status(got); st.Waiting != 0 {
		t.Errorf("what waited for the deleted key is %+v", st.Progress)
	}
	denied(w, "a deleted key", horde.EnqueueText{NewText: n}, horde.CodeInvalidAPIKey)
}
