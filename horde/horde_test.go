// SPDX-License-Identifier: AGPL-3.0-or-later

package horde_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/horde/origin"
)

// ids is a repeatable source.
type ids struct{ r *rand.Rand }

func (i *ids) UUID() (u horde.UUID) {
	binary.BigEndian.PutUint64(u[:8], i.r.Uint64())
	binary.BigEndian.PutUint64(u[8:], i.r.Uint64())
	return u
}
func (i *ids) Uint32() uint32 { return i.r.Uint32() }

// world is a horde with its own clock, whose invariants are checked after every operation.
type world struct {
	t     *testing.T
	s     *horde.State
	c     *horde.Change
	now   time.Time
	owner horde.UserID
	users int
	mint  map[kudos.Account]kudos.Amount // sums of postings
	rows  rows
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldWith(t, horde.Settings{AnonymousAllowed: true, TransfersAllowed: true, Profane: horde.ProfanityList()})
}

func newWorldWith(t *testing.T, settings horde.Settings) *world {
	t.Helper()
	s, err := horde.NewState(settings, &horde.Snapshot{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	w := &world{
		t: t, s: s, now: now, mint: make(map[kudos.Account]kudos.Amount), rows: newRows(),
		c: horde.NewChange(now, &ids{rand.New(rand.NewPCG(1, 2))}),
	}
	do(w, horde.CreateUser{External: horde.ExternalAnonymous, Name: "Anonymous"})
	w.owner = w.user("owner", 0)
	return w
}

func (w *world) user(name string, welcome kudos.Amount) horde.UserID {
	w.t.Helper()
	w.users++
	return do(w, horde.CreateUser{External: fmt.Sprintf("d_%d", w.users), Name: name, Key: horde.KeyHash{byte(w.users), 1}, Welcome: welcome}).ID
}

func (w *world) pass(d time.Duration) {
	w.now = w.now.Add(d)
	do(w, horde.Expire{})
}

// try applies an operation, commits it on paper, and checks that the ledger holds.
func try[R any](w *world, op horde.Op[R]) (R, error) {
	w.t.Helper()
	w.c.At(w.now)
	before := w.c.Writes()
	r, err := horde.Apply(w.s, w.c, op)
	var refusal *horde.Error
	if errors.As(err, &refusal) && w.c.Writes() != before {
		w.t.Errorf("%T was refused (%v) but wrote", op, err)
	}
	b, _, failed := w.c.Cut(w.s)
	if failed != nil {
		w.t.Fatal(failed)
	}
	w.rows.take(b)
	for _, e := range b.Ledger {
		for _, p := range e.Postings {
			w.mint[p.Account] += p.Amount
		}
	}
	w.c = horde.NewChange(w.now, w.c.IDs)
	w.audit()
	return r, err
}

func do[R any](w *world, op horde.Op[R]) R {
	w.t.Helper()
	r, err := try(w, op)
	if err != nil {
		w.t.Fatalf("%T: %v", op, err)
	}
	return r
}

func (w *world) audit() {
	w.t.Helper()
	if total := w.s.Total(); total != 0 {
		w.t.Fatalf("all accounts together hold %s, want 0", total)
	}
	for _, u := range w.s.Users() {
		got := [3]kudos.Amount{u.Balance, u.Held, u.Evaluated}
		want := [3]kudos.Amount{w.mint[kudos.Of(int64(u.ID), 0)], w.mint[kudos.Of(int64(u.ID), 1)], w.mint[kudos.Of(int64(u.ID), 2)]}
		if got != want {
			w.t.Fatalf("balances of %s are %v, postings say %v", u.Alias(), got, want)
		}
		if u.Balance < u.Floor() || u.Held < 0 || u.Evaluated < 0 {
			w.t.Fatalf("%s is under a floor: %v", u.Alias(), got)
		}
	}
}

func (w *world) balance(u horde.UserID) kudos.Amount {
	got, _ := w.s.User(u)
	return got.Balance
}

func apple(user horde.UserID) horde.NewImage {
	return horde.NewImage{
		User: user, N: 1, SlowWorkers: true, R2: true, Models: []string{"mini"},
		Image: horde.Image{Prompt: "red apple", Sampler: "k_euler", CFG: 5, Width: 512, Height: 512, Steps: 20, Karras: true},
	}
}

func offer(name string) horde.Offer {
	return horde.Offer{Name: name, Models: []string{"mini"}, BridgeAgent: "Stablemate:1:x", NSFW: true, MaxPixels: 512 * 512, Threads: 1}
}

func (w *world) pop(name string) horde.Job {
	w.t.Helper()
	return do(w, horde.Pop{Owner: w.owner, Offer: offer(name), Amount: 1})
}

func (w *world) deliver(j horde.Job) horde.Receipt {
	w.t.Helper()
	return do(w, horde.Submit{Owner: w.owner, Generation: j.Generations[0], Blob: "x"})
}

func (w *world) status(id horde.RequestID) horde.Status {
	w.t.Helper()
	st, ok := w.s.Status(id, w.now, nil)
	if !ok {
		w.t.Fatalf("request %s is gone", id)
	}
	return st
}

func TestLifeOfARequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	asker := w.user("asker", kudos.Whole(100))
	w.pop("gpu")
	got := do(w, horde.Enqueue{NewImage: apple(asker)})
	if len(got.Warnings) != 0 || !got.Possible {
		t.Errorf("warnings %v although a worker is there", got.Warnings)
	}
	job := w.pop("gpu")
	if job.Request != got.ID || job.Model != "mini" || job.TTL != horde.MinJobTTL {
		t.Fatalf("popped %+v", job)
	}
	if p := w.status(got.ID).Progress; p.Processing != 1 || p.Waiting != 0 || p.Done {
		t.Errorf("progress after pop: %+v", p)
	}
	w.pass(2 * time.Second)
	receipt := w.deliver(job)
	price := kudos.Image(kudos.ImageJob{Width: 512, Height: 512, Steps: 20, Sampler: "k_euler", Karras: true})
	if receipt.Reward != price {
		t.Errorf("reward %s, want %s", receipt.Reward, price)
	}
	st := w.status(got.ID)
	if !st.Done || st.Finished != 1 || len(st.Generations) != 1 || st.Generations[0].WorkerName != "gpu" {
		t.Errorf("status after delivery: %+v", st)
	}
	paid := kudos.ImageDebit(price, false, false, false) + kudos.ActivationImage
	if got, want := w.balance(asker), kudos.Whole(125)-paid; got != want {
		t.Errorf("asker has %s, want %s", got, want)
	}
	owner, _ := w.s.User(w.owner)
	if owner.Balance+owner.Evaluated != kudos.Whole(25)+price || owner.Evaluated != price/2 {
		t.Errorf("owner has %s and %s in escrow after earning %s", owner.Balance, owner.Evaluated, price)
	}
	if _, err := try(w, horde.Submit{Owner: w.owner, Generation: job.Generations[0], Blob: "x"}); codeOf(err) != horde.CodeDuplicateGen {
		t.Errorf("second submit: %v", err)
	}
	w.pass(horde.RequestTTL + time.Second)
	if _, ok := w.s.Status(got.ID, w.now, nil); ok {
		t.Error("the request outlived its time")
	}
	if _, err := try(w, horde.Submit{Owner: w.owner, Generation: job.Generations[0], Blob: "x"}); codeOf(err) != horde.CodeInvalidJobID {
		t.Errorf("submit after expiry: %v", err)
	}
}

func codeOf(err error) horde.Code {
	if refusal, ok := errors.AsType[*horde.Error](err); ok {
		return refusal.Code
	}
	return ""
}

func TestFaultsReturnTheImageThenEndTheRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := do(w, horde.Enqueue{NewImage: apple(horde.Anonymous)})
	for i := 1; i <= horde.FaultsPerFailed; i++ {
		job := w.pop("gpu")
		if len(job.Generations) != 1 {
			t.Fatalf("round %d: nothing to pop, skipped %v", i, job.Skipped)
		}
		if i == 2 { // out of time counts as well
			w.pass(job.TTL + time.Second)
			if _, err := try(w, horde.Submit{Owner: w.owner, Generation: job.Generations[0], Blob: "x"}); codeOf(err) != horde.CodeAbortedGen {
				t.Errorf("late submit: %v", err)
			}
			continue
		}
		do(w, horde.Submit{Owner: w.owner, Generation: job.Generations[0], Faulted: true})
	}
	if st := w.status(got.ID); !st.Faulted || !st.Done || st.Restarted != 3 {
		t.Errorf("after three faults: %+v", st.Progress)
	}
	if job := w.pop("gpu"); len(job.Generations) != 0 {
		t.Error("a faulted request was handed out")
	}
}

func TestCancelTakesBackWhatWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	asker := w.user("asker", kudos.Whole(1000))
	n := apple(asker)
	n.N = 3
	n.SlowWorkers = false // needs kudos up front: something is held
	got := do(w, horde.Enqueue{NewImage: n})
	if u, _ := w.s.User(asker); u.Held == 0 {
		t.Fatal("nothing is held")
	}
	w.pop("warm-up") // registers; takes one image
	before := do(w, horde.Cancel{Request: got.ID})
	if before.Waiting != 2 {
		t.Errorf("cancel answered %+v, want the status before it", before.Progress)
	}
	if st := w.status(got.ID); st.Waiting != 0 || st.Processing != 1 || st.Done {
		t.Errorf("after cancel: %+v", st.Progress)
	}
	w.pass(horde.MinJobTTL + time.Second) // the one in flight runs out of time: it does not come back
	if st := w.status(got.ID); !st.Done || st.Waiting != 0 {
		t.Errorf("after the last one ended: %+v", st.Progress)
	}
	if u, _ := w.s.User(asker); u.Held != 0 {
		t.Errorf("%s is still held", u.Held)
	}
}

func TestMatching(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change  func(*horde.NewImage, *horde.Offer)
		popped  bool
		skipped string
	}{
		"everything fits":                {func(*horde.NewImage, *horde.Offer) {}, true, ""},
		"any model will do":              {func(n *horde.NewImage, _ *horde.Offer) { n.Models = nil }, true, ""},
		"one of several models":          {func(n *horde.NewImage, _ *horde.Offer) { n.Models = []string{"other", "mini"} }, true, ""},
		"another model":                  {func(n *horde.NewImage, _ *horde.Offer) { n.Models = []string{"other"} }, false, "models"},
		"too many pixels":                {func(_ *horde.NewImage, o *horde.Offer) { o.MaxPixels = 512*512 - 1 }, false, "max_pixels"},
		"nsfw asked, not offered":        {func(n *horde.NewImage, o *horde.Offer) { n.NSFW, o.NSFW = true, false }, false, "nsfw"},
		"a word the worker will not do":  {func(_ *horde.NewImage, o *horde.Offer) { o.Blacklist = []string{"APPLE"} }, false, "blacklist"},
		"trusted workers only":           {func(n *horde.NewImage, _ *horde.Offer) { n.TrustedWorkers = true }, false, "untrusted"},
		"an agent nobody knows":          {func(_ *horde.NewImage, o *horde.Offer) { o.BridgeAgent = "me:1:x" }, false, "bridge_version"},
		"an extra slow worker":           {func(_ *horde.NewImage, o *horde.Offer) { o.ExtraSlow = true }, false, "performance"},
		"an extra slow worker is wanted": {func(n *horde.NewImage, o *horde.Offer) { n.ExtraSlowWorkers, o.ExtraSlow = true, true }, true, ""},
		"post-processing not offered":    {func(n *horde.NewImage, _ *horde.Offer) { n.Image.Post = []string{"GFPGAN"} }, false, "post-processing"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			n, o := apple(horde.Anonymous), offer("gpu")
			tc.change(&n, &o)
			got := do(w, horde.Enqueue{NewImage: n})
			job := do(w, horde.Pop{Owner: w.owner, Offer: o, Amount: 1})
			if popped := len(job.Generations) > 0; popped != tc.popped {
				t.Fatalf("popped = %v, want %v; skipped %v", popped, tc.popped, job.Skipped)
			}
			if tc.skipped != "" && job.Skipped[tc.skipped] != 1 {
				t.Errorf("skipped = %v, want 1 %s", job.Skipped, tc.skipped)
			}
			if st := w.status(got.ID); st.Possible != tc.popped || !tc.popped && st.Why == "" {
				t.Errorf("possible = %v, why %q", st.Possible, st.Why)
			}
		})
	}
}

func TestQueueOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rich, poor := w.user("rich", kudos.Whole(475)), w.user("poor", 0)
	first := do(w, horde.Enqueue{NewImage: apple(poor)}) // 25 kudos
	w.pass(80 * time.Second)                             // worth 400 kudos of age
	second := do(w, horde.Enqueue{NewImage: apple(rich)})
	w.pass(time.Second)
	third := do(w, horde.Enqueue{NewImage: apple(horde.Anonymous)})
	var order []horde.RequestID
	for range 3 {
		order = append(order, w.pop("gpu").Request)
	}
	// 500 kudos against 25 + 400 for waiting: the richer one is still ahead; half a minute later it would not be.
	if diff := cmp.Diff([]horde.RequestID{second.ID, first.ID, third.ID}, order); diff != "" {
		t.Error(diff)
	}
}

func TestOwnersRequestsComeFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rich := w.user("rich", kudos.Whole(10_000))
	do(w, horde.Enqueue{NewImage: apple(rich)})
	own := do(w, horde.Enqueue{NewImage: apple(w.owner)})
	if job := w.pop("gpu"); job.Request != own.ID {
		t.Error("the owner's request did not come first")
	}
}

func TestTransfer(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		op   func(a, b horde.UserID) horde.Transfer
		code horde.Code
	}{
		"a gift": {func(a, b horde.UserID) horde.Transfer { return horde.Transfer{From: a, To: b, Amount: kudos.Whole(10)} }, ""},
		"all above the floor": {func(a, b horde.UserID) horde.Transfer {
			return horde.Transfer{From: a, To: b, Amount: kudos.Whole(100)}
		}, ""},
		"more than there is": {func(a, b horde.UserID) horde.Transfer {
			return horde.Transfer{From: a, To: b, Amount: kudos.Whole(100) + 1}
		}, horde.CodeTransferNotEnough},
		"nothing":                  {func(a, b horde.UserID) horde.Transfer { return horde.Transfer{From: a, To: b} }, horde.CodeInvalidTransferAmount},
		"less than nothing":        {func(a, b horde.UserID) horde.Transfer { return horde.Transfer{From: a, To: b, Amount: -1} }, horde.CodeNegativeTransfer},
		"to oneself":               {func(a, _ horde.UserID) horde.Transfer { return horde.Transfer{From: a, To: a, Amount: 1} }, horde.CodeTransferToSelf},
		"to nobody":                {func(a, _ horde.UserID) horde.Transfer { return horde.Transfer{From: a, To: 999, Amount: 1} }, horde.CodeInvalidTargetUsername},
		"to the anonymous account": {func(a, _ horde.UserID) horde.Transfer { return horde.Transfer{From: a, To: 0, Amount: 1} }, horde.CodeTransferToAnon},
		"from it":                  {func(_, b horde.UserID) horde.Transfer { return horde.Transfer{From: 0, To: b, Amount: 1} }, horde.CodeTransferFromAnon},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			a, b := w.user("a", kudos.Whole(100)), w.user("b", 0)
			op := tc.op(a, b)
			op.Key, op.DryRun = "emoji:1:u:x:1", true
			if _, err := try(w, op); codeOf(err) != tc.code || w.balance(b) != kudos.Whole(25) {
				t.Errorf("a trial leads to %v, and %s for the receiver", err, w.balance(b))
			}
			op.DryRun = false
			_, err := try(w, op)
			if got := codeOf(err); got != tc.code {
				t.Fatalf("refused with %q (%v), want %q", got, err, tc.code)
			}
			if tc.code != "" {
				return
			}
			if got := w.balance(b); got != kudos.Whole(25)+op.Amount {
				t.Errorf("receiver has %s", got)
			}
			again := do(w, op)
			if !again.Repeated || w.balance(b) != kudos.Whole(25)+op.Amount {
				t.Error("the same key moved kudos twice")
			}
			op.Amount--
			if _, err := try(w, op); codeOf(err) != horde.CodeIdempotencyKeyConflict {
				t.Errorf("same key, other amount: %v", err)
			}
			if _, err := try(w, horde.Transfer{From: b, To: a, Amount: 1}); codeOf(err) != horde.CodeTooFastTransfers {
				t.Errorf("giving back at once: %v", err)
			}
		})
	}
}

func TestAbandonReturnsWorkWithoutBlame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := do(w, horde.Enqueue{NewImage: apple(horde.Anonymous)})
	for range horde.FaultsPerFailed + 2 {
		w.pop("gpu")
		if n := do(w, horde.Abandon{Owner: w.owner, Worker: "gpu"}); n != 1 {
			t.Fatalf("abandoned %d, want 1", n)
		}
	}
	if st := w.status(got.ID); st.Faulted || st.Waiting != 1 || st.Restarted != 0 {
		t.Errorf("after restarts of the worker: %+v", st.Progress)
	}
}

func TestRestoreGivesTheSameHorde(t *testing.T) {
	t.Parallel()
	// The rows of all batches, replayed into a map as a store would keep them, rebuild the same state.
	w := newWorld(t)
	a := w.user("a", kudos.Whole(500))
	for i := range 5 {
		n := apple(a)
		n.N = i + 1
		do(w, horde.Enqueue{NewImage: n})
	}
	job := w.pop("gpu")
	w.deliver(job)
	w.pop("gpu")
	snap := w.rows.snapshot()
	again, err := horde.NewState(horde.Settings{AnonymousAllowed: true, TransfersAllowed: true}, snap)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w.s.Users(), again.Users()); diff != "" {
		t.Error(diff)
	}
	if got, want := again.QueueLength(), w.s.QueueLength(); got != want {
		t.Errorf("%d requests wait after the restart, %d before", got, want)
	}
	for _, id := range w.s.RequestsOf(a) {
		x, _ := w.s.Status(id, w.now, nil)
		y, _ := again.Status(id, w.now, nil)
		if diff := cmp.Diff(x, y, cmp.AllowUnexported()); diff != "" {
			t.Error(diff)
		}
	}
	if diff := cmp.Diff(w.s.Performance(w.now), again.Performance(w.now), cmp.FilterPath(func(p cmp.Path) bool {
		return p.Last().String() == ".PastMinuteThings" // kept in memory only
	}, cmp.Ignore())); diff != "" {
		t.Error(diff)
	}
}

func TestOriginsKeepPeopleApart(t *testing.T) {
	t.Parallel()
	a, b, c := origin.FromDiscord(1, 10), origin.FromDiscord(1, 11), origin.FromDiscord(2, 10)
	if a == b || a == c || a.Group() != b.Group() || a.Group() == c.Group() {
		t.Errorf("%s, %s and %s do not tell people and guilds apart", a, b, c)
	}
	back, err := origin.Parse(a.String())
	if err != nil || back != a || !back.IsDiscord() {
		t.Errorf("%s read back as %s, %v", a, back, err)
	}
}

// rows is what a store would hold.
type rows struct {
	users    map[horde.UserID]horde.User
	workers  map[horde.WorkerID]horde.Worker
	requests map[horde.RequestID]horde.Request
	gens     map[horde.GenerationID]horde.Generation
	system   map[kudos.Account]kudos.Amount
	last     *int64
	records  map[[2]string]horde.Record
}

func newRows() rows {
	return rows{
		map[horde.UserID]horde.User{},
		map[horde.WorkerID]horde.Worker{},
		map[horde.RequestID]horde.Request{},
		map[horde.GenerationID]horde.Generation{},
		map[kudos.Account]kudos.Amount{},
		new(int64),
		map[[2]string]horde.Record{},
	}
}

func (r rows) take(b *horde.Batch) {
	for _, u := range b.Users {
		r.users[u.ID] = u
	}
	for _, w := range b.Workers {
		r.workers[w.ID] = w
	}
	for _, id := range b.GoneWorkers {
		delete(r.workers, id)
	}
	for _, q := range append(b.NewRequests, b.Requests...) {
		r.requests[q.ID] = q
	}
	for _, g := range append(b.NewGens, b.Generations...) {
		r.gens[g.ID] = g
	}
	for _, id := range b.GoneRequests {
		delete(r.requests, id)
		for k, g := range r.gens {
			if g.Request == id {
				delete(r.gens, k)
			}
		}
	}
	for _, doc := range b.Records {
		if key := [2]string{string(doc.Kind), doc.ID}; doc.Value != nil {
			r.records[key] = doc
		} else {
			delete(r.records, key)
		}
	}
	maps.Copy(r.system, b.System)
	for _, e := range b.Ledger {
		*r.last = e.ID
	}
}

func (r rows) snapshot() *horde.Snapshot {
	s := &horde.Snapshot{System: r.system, LastEvent: *r.last}
	for _, u := range r.users {
		s.Users = append(s.Users, u)
	}
	for _, w := range r.workers {
		s.Workers = append(s.Workers, w)
	}
	for _, q := range r.requests {
		s.Requests = append(s.Requests, q)
	}
	for _, g := range r.gens {
		s.Generations = append(s.Generations, g)
	}
	for _, doc := range r.records {
		s.Records = append(s.Records, doc)
	}
	return s
}
