// SPDX-License-Identifier: AGPL-3.0-or-later

package ratings_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
	"stablemate/internal/blob"
	"stablemate/internal/clock"
	"stablemate/internal/store"
	"stablemate/ratings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// random is repeatable.
type random struct {
	mu  sync.Mutex
	src *rand.PCG
}

func (r *random) next() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.src.Uint64()
}

func (r *random) UUID() (u horde.UUID) {
	for i := range u {
		u[i] = byte(r.next())
	}
	return u
}

func (r *random) Uint32() uint32 { return uint32(r.next()) }

type rig struct {
	*ratings.Ratings
	t      *testing.T
	clock  *clock.Fake
	store  *store.Store
	engine *engine.Engine
	images *blob.Store
	shelf  *blob.Store
	random *random
}

func newRig(t *testing.T, opts ratings.Options) *rig {
	t.Helper()
	return newRigOn(t, opts, store.Options{Engine: store.SQLite, Path: filepath.Join(t.TempDir(), "horde.db")})
}

// newRigOn has its rows in the store of a kind.
func newRigOn(t *testing.T, opts ratings.Options, on store.Options) *rig {
	t.Helper()
	r := &rig{t: t, clock: clock.NewFake(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)), random: &random{src: rand.NewPCG(1, 2)}}
	on.Now = r.clock.Now
	var err error
	if r.store, err = store.Open(t.Context(), on); err != nil {
		t.Fatal(err)
	}
	r.engine, err = engine.Open(t.Context(), r.store, engine.Options{
		Settings: horde.Settings{AnonymousAllowed: true, AnonymousKey: key("anonymous"), TransfersAllowed: true, Sharing: true}, Now: r.clock.Now, IDs: r.random, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.images, err = blob.NewStore(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if r.shelf, err = blob.NewStore(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	r.Ratings, err = ratings.New(ratings.Deps{
		Engine: r.engine, Store: r.store, Shelf: r.shelf, Images: r.images, Random: r.random.next, Now: r.clock.Now, Log: zerolog.Nop(),
	}, opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := r.engine.Run(ctx); err != nil {
			t.Errorf("engine: %v", err)
		}
	})
	t.Cleanup(func() {
		stop()
		group.Wait()
		report, err := r.store.Audit(context.Background())
		if err != nil || !report.OK() {
			t.Errorf("audit: %v, %v", report.Differences, err)
		}
		if err := r.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func key(name string) horde.KeyHash { return sha256.Sum256([]byte(name)) }

func (r *rig) account(name string, roles horde.Role) horde.UserID {
	r.t.Helper()
	u, err := engine.Do(r.t.Context(), r.engine, horde.CreateUser{External: "d_" + name, Name: name, Key: key(name), Roles: roles, Ensure: true})
	if err != nil {
		r.t.Fatal(err)
	}
	return u.ID
}

func (r *rig) balance(id horde.UserID) kudos.Amount {
	r.t.Helper()
	u, ok := r.engine.User(id)
	if !ok {
		r.t.Fatalf("no account %d", id)
	}
	return u.Balance
}

// fill imports images with contents of their own.
func (r *rig) fill(n int, dataset string, change func(*ratings.NewImage)) {
	r.t.Helper()
	im := ratings.Importer{Store: r.store, Shelf: r.shelf, Random: r.random.next, Now: r.clock.Now}
	for i := range n {
		img := ratings.NewImage{Data: []byte(fmt.Sprint("picture ", dataset, i)), Ending: ".webp", Dataset: dataset, Prompt: "a " + strconv.Itoa(i)}
		if change != nil {
			change(&img)
		}
		if added, err := im.Add(r.t.Context(), img); !added || err != nil {
			r.t.Fatalf("import: %v, %v", added, err)
		}
		if added, err := im.Add(r.t.Context(), img); added || err != nil {
			r.t.Fatalf("import again: %v, %v", added, err)
		}
	}
}

func person(id horde.UserID) ratings.Person {
	return ratings.Person{User: id, Client: "tests:1:x", Guild: "77"}
}

func (r *rig) show(id horde.UserID) ratings.View {
	r.t.Helper()
	v, err := r.Show(r.t.Context(), person(id), ratings.Wish{})
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

// rate looks at an image for a while and rates it.
func (r *rig) rate(id horde.UserID, v ratings.View, rating, artifacts int) ratings.Outcome {
	r.t.Helper()
	r.clock.Advance(5 * time.Second)
	out, err := r.Rate(r.t.Context(), person(id), ratings.Answer{Seq: v.Seq, Rating: rating, Artifacts: artifacts})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

func TestImagesAreRatedOnceAndRewardedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, ratings.Options{Probes: -1})
	ann := r.account("ann", horde.RoleTrusted)
	r.fill(3, "old", nil)
	before := r.balance(ann)
	v := r.show(ann)
	if v.Image.ID.IsZero() || len(v.Data) == 0 || v.Why != ratings.WhyNot {
		t.Fatalf("the first image: %+v", v)
	}
	answer := ratings.Answer{Seq: v.Seq, Rating: 7, Artifacts: 1}
	if _, err := r.Rate(t.Context(), person(ann), answer); !errors.Is(err, ratings.ErrSoon) {
		t.Errorf("an answer at once: %v, want ErrSoon", err)
	}
	if same := r.show(ann); same.Image.ID != v.Image.ID || same.Seq != v.Seq {
		t.Errorf("looking again shows another image")
	}
	seen := map[horde.UUID]bool{}
	first := v.Image.ID
	want := before
	for i := range 3 {
		if seen[v.Image.ID] {
			t.Fatal("an image came twice")
		}
		seen[v.Image.ID] = true
		stale := v.Seq
		artifacts, reward := i, 10*kudos.One
		if i == 2 {
			artifacts, reward = horde.NoArtifacts, 5*kudos.One
		}
		out := r.rate(ann, v, 7, artifacts)
		if out.Reward != reward {
			t.Errorf("reward %s, want %s", out.Reward, reward)
		}
		want += reward
		if got := r.balance(ann); got != want {
			t.Errorf("balance %s, want %s", got, want)
		}
		if _, err := r.Rate(t.Context(), person(ann), ratings.Answer{Seq: stale, Rating: 1, Artifacts: 0}); !errors.Is(err, ratings.ErrOver) {
			t.Errorf("an answer of an old panel: %v, want ErrOver", err)
		}
		v = out.Next
	}
	if v.Why != ratings.Empty {
		t.Errorf("after all images: %q, want empty", v.Why)
	}
	got, _, err := r.store.Vote(t.Context(), first, ann, 0)
	if err != nil || got.Client != "tests:1:x" || got.Guild != "77" || got.At.Sub(got.Shown) != 5*time.Second || got.Roles != horde.RoleTrusted || !got.Paid {
		t.Errorf("the facts of a vote: %+v, %v", got, err)
	}
	mine, err := r.Mine(t.Context(), ann)
	if diff := cmp.Diff(ratings.Mine{Votes: 3, Artifacts: 2, Reward: 25 * kudos.One, Given: 25 * kudos.One, Today: 3, Daily: 500, Streak: 1}, mine); diff != "" || err != nil {
		t.Errorf("mine (-want +got), %v:\n%s", err, diff)
	}
	totals, err := r.Totals(t.Context())
	if err != nil || totals.Votes != 3 || totals.ByVotes[1] != 3 || len(totals.Clients) != 1 {
		t.Errorf("totals: %+v, %v", totals, err)
	}
}

func TestAVoteIsTakenBackAndGivenAnewWithoutASecondReward(t *testing.T) {
	t.Parallel()
	r := newRig(t, ratings.Options{Probes: -1})
	ann := r.account("ann", 0)
	r.fill(2, "old", nil)
	v := r.show(ann)
	if _, err := r.Undo(t.Context(), person(ann), v.Seq); !errors.Is(err, ratings.ErrNothing) {
		t.Errorf("undo of nothing: %v", err)
	}
	out := r.rate(ann, v, 2, 0)
	before := r.balance(ann)
	back, err := r.Undo(t.Context(), person(ann), out.Next.Seq)
	if err != nil || back.Image.ID != v.Image.ID {
		t.Fatalf("undo shows %v, %v, want the image before", back.Image.ID, err)
	}
	out = r.rate(ann, back, 9, 1)
	if out.Reward != 0 || r.balance(ann) != before {
		t.Errorf("a vote given anew brought %s", out.Reward)
	}
	vote, _, err := r.store.Vote(t.Context(), v.Image.ID, ann, 0)
	if err != nil || vote.Rating != 9 || vote.Kind != ratings.Rated || vote.Reward != 10*kudos.One {
		t.Errorf("the vote: %+v, %v", vote, err)
	}
	if tally, err := r.Guild(t.Context(), "77"); tally.Votes != 1 || err != nil {
		t.Errorf("votes of the guild: %+v, %v", tally, err)
	}
	if out.Next.Image.ID == v.Image.ID || out.Next.Image.ID.IsZero() {
		t.Errorf("the next image is %v", out.Next.Image.ID)
	}
}

func TestFewestVotesFirstAndSeveralRaters(t *testing.T) {
	t.Parallel()
	r := newRig(t, ratings.Options{Probes: -1, Enough: 2})
	r.fill(4, "old", nil)
	for i := range 2 {
		id := r.account("p"+strconv.Itoa(i), 0)
		v := r.show(id)
		for range 4 {
			if v.Image.Votes != i {
				t.Errorf("rater %d was shown an image with %d votes", i, v.Image.Votes)
			}
			v = r.rate(id, v, 1+int(v.Image.Place%9), 0).Next
		}
	}
	if v := r.show(r.account("late", 0)); v.Why != ratings.Empty {
		t.Errorf("an image with votes enough is shown: %+v", v)
	}
}

func TestAnswersThatSayNothingPauseAPerson(t *testing.T) {
	t.Parallel()
	r := newRig(t, ratings.Options{Probes: -1, Daily: 40, DailyReward: 50 * kudos.One})
	r.fill(60, "old", nil)
	ann := r.account("ann", 0)
	v := r.show(ann)
	n := 0
	for ; v.Why == ratings.WhyNot; n++ {
		v = r.rate(ann, v, 5, 0).Next
	}
	if n != 12 || v.Why != ratings.Streak || v.Until.Sub(r.clock.Now()) != 10*time.Minute {
		t.Errorf("paused after %d equal answers, %q until %v", n, v.Why, v.Until)
	}
	if mine, err := r.Mine(t.Context(), ann); mine.Reward != 50*kudos.One || err != nil {
		t.Errorf("reward of the day %s, %v, want 50", mine.Reward, err)
	}
	if got := r.show(ann); got.Why != ratings.Streak {
		t.Errorf("a pause is over at once: %q", got.Why)
	}
	r.clock.Advance(11 * time.Minute)
	v = r.show(ann)
	for n = 0; v.Why == ratings.WhyNot; n++ {
		r.clock.Advance(2 * time.Second)
		out, err := r.Rate(t.Context(), person(ann), ratings.Answer{Seq: v.Seq, Rating: 1 + n%10, Artifacts: 0})
		if err != nil {
			t.Fatal(err)
		}
		v = out.Next
	}
	if n != 25 || v.Why != ratings.Pace || v.Until.Sub(r.clock.Now()) != time.Hour {
		t.Errorf("paused after %d hasty answers, %q until %v", n, v.Why, v.Until)
	}
	r.clock.Advance(2 * time.Hour)
	v = r.show(ann)
	for n = 0; v.Why == ratings.WhyNot; n++ {
		v = r.rate(ann, v, 1+n%10, 0).Next
	}
	if n != 3 || v.Why != ratings.Enough {
		t.Errorf("after %d more answers: %q, want enough for today", n, v.Why)
	}
	r.clock.Advance(10 * time.Hour)
	if v = r.show(ann); v.Why != ratings.WhyNot || v.Today != 0 {
		t.Errorf("the next day: %+v", v)
	}
}

func TestDaysInARowAreCounted(t *testing.T) {
	t.Parallel()
	r := newRig(t, ratings.Options{Enough: 50})
	r.fill(8, "old", nil)
	ann := r.account("ann", 0)
	for i, day := range []struct{ later, want int }{{0, 1}, {0, 1}, {1, 2}, {1, 3}, {2, 1}, {1, 2}} {
		r.clock.Advance(time.Duration(day.later) * 24 * time.Hour)
		r.rate(ann, r.show(ann), 1+i, 0)
		if mine, err := r.Mine(t.Context(), ann); err != nil || mine.Streak != day.want {
			t.Errorf("answer %d: %d days in a row, %v, want %d", i+1, mine.Streak, err, day.want)
		}
	}
	r.clock.Advance(48 * time.Hour)
	if mine, err := r.Mine(t.Context(), ann); err != nil || mine.Streak != 0 {
		t.Errorf("after two days: %d days in a row, %v", mine.Streak, err)
	}
}

func TestProbesTellWhoLooks(t *testing.T) {
	t.Parallel()
	r := newRig(t, ratings.Options{Probes: 1, Enough: 50})
	r.fill(40, "known", func(n *ratings.NewImage) { n.Low, n.High = 8, 10 })
	good, bad := r.account("good", 0), r.account("bad", 0)
	v := r.show(good)
	for i := range 20 {
		v = r.rate(good, v, 8+i%2, i%5).Next
	}
	mine, err := r.Mine(t.Context(), good)
	if err != nil || mine.Checks != 20 || mine.Agreed != 20 || v.Why != ratings.WhyNot {
		t.Errorf("a careful person: %+v, %v, %q", mine, err, v.Why)
	}
	v = r.show(bad)
	n := 0
	for ; v.Why == ratings.WhyNot; n++ {
		v = r.rate(bad, v, 1+n%5, 0).Next
	}
	if v.Why != ratings.Disagree || n != 12 {
		t.Errorf("a careless person was paused after %d answers: %q", n, v.Why)
	}
	// A day later the careful person gets images again that they rated.
	r.clock.Advance(30 * time.Hour)
	again := 0
	v = r.show(good)
	for i := range 10 {
		out := r.rate(good, v, 8+i%2, i%5)
		vote, found, err := r.store.Vote(t.Context(), v.Image.ID, good, 1)
		if err != nil {
			t.Fatal(err)
		}
		if found && vote.Probe == ratings.Repeat && vote.Agreed {
			again++
		}
		v = out.Next
	}
	if again == 0 {
		t.Error("no image was shown again")
	}
	if totals, err := r.Totals(t.Context()); err != nil || totals.Votes+int64(again) != 20+12+10 {
		t.Errorf("repeats count as votes: %d votes, %d repeats, %v", totals.Votes, again, err)
	}
}

func TestReportsTakeAnImageOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, ratings.Options{Probes: -1, Reports: 2})
	r.fill(1, "old", nil)
	for i, want := range []ratings.Why{ratings.WhyNot, ratings.WhyNot, ratings.Empty} {
		id := r.account("p"+strconv.Itoa(i), 0)
		v := r.show(id)
		if v.Why != want {
			t.Fatalf("person %d sees %q, want %q", i, v.Why, want)
		}
		if v.Why == ratings.WhyNot {
			if _, err := r.Rate(t.Context(), person(id), ratings.Answer{Seq: v.Seq, Kind: ratings.Reported}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestWhoMayNotRate(t *testing.T) {
	t.Parallel()
	r := newRig(t, ratings.Options{})
	for what, c := range map[string]struct {
		id   horde.UserID
		want horde.Code
	}{
		"anonymous": {horde.Anonymous, horde.CodeAnonForbidden},
		"unknown":   {4711, horde.CodeUserNotFound},
		"flagged":   {r.account("flagged", horde.RoleFlagged), horde.CodeMayNotRate},
		"deleted":   {r.account("deleted", horde.RoleDeleted), horde.CodeDeletedUser},
	} {
		_, err := r.Show(t.Context(), person(c.id), ratings.Wish{})
		if refusal, ok := errors.AsType[*horde.Error](err); !ok || refusal.Code != c.want {
			t.Errorf("%s: %v, want %s", what, err, c.want)
		}
	}
}

// deliver makes a shared request's images through a worker.
func (r *rig) deliver(by horde.UserID, n int, change func(*horde.NewImage)) horde.RequestID {
	r.t.Helper()
	ctx := r.t.Context()
	owner := r.account("owner", horde.RoleTrusted)
	img := horde.NewImage{
		User: by, N: n, Shared: true, Client: "asker:1:x", SlowWorkers: true, Models: []string{"tiny"},
		Image: horde.Image{Prompt: "red apple", Sampler: "k_euler", CFG: 7, Width: 512, Height: 512, Steps: 30},
	}
	if change != nil {
		change(&img)
	}
	asked, err := engine.Do(ctx, r.engine, horde.Enqueue{NewImage: img})
	if err != nil {
		r.t.Fatal(err)
	}
	for range n {
		job, err := r.engine.Pop(ctx, horde.Pop{Owner: owner, Amount: 1, Offer: horde.Offer{
			Name: "Pony", Models: []string{"tiny"}, BridgeAgent: horde.PoolAgent + ":1:test", Threads: 1, MaxPixels: 1 << 20, Img2Img: true,
		}}, 0)
		if err != nil || len(job.Generations) != 1 {
			r.t.Fatalf("pop: %+v, %v", job, err)
		}
		id := job.Generations[0]
		if err := r.images.PutBytes(ctx, id.String()+".webp", []byte("picture "+id.String())); err != nil {
			r.t.Fatal(err)
		}
		if _, err := engine.Do(ctx, r.engine, horde.Submit{Owner: owner, Generation: id, Blob: id.String() + ".webp", Seed: 5, HasSeed: true}); err != nil {
			r.t.Fatal(err)
		}
	}
	return asked.ID
}

func TestSharedImagesAreCollectedAndNeverShownToTheirOwner(t *testing.T) {
	t.Parallel()
	r := newRig(t, ratings.Options{Probes: -1})
	ann, bob := r.account("ann", 0), r.account("bob", 0)
	request := r.deliver(ann, 1, nil) // before the collector runs
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	defer group.Wait()
	defer stop()
	r.deliver(ann, 1, nil)
	private := r.deliver(ann, 1, func(n *horde.NewImage) { n.Shared = false })
	deadline := time.Now().Add(20 * time.Second)
	for {
		sets, err := r.store.RatingDatasets(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(sets) == 1 && sets[0].Images == 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("collected %+v, want 2 images", sets)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if v := r.show(ann); v.Why != ratings.Empty {
		t.Errorf("ann rates her own images: %+v", v)
	}
	st, err := r.engine.Status(request)
	if err != nil {
		t.Fatal(err)
	}
	img, found, err := r.store.RatingImage(t.Context(), st.Generations[0].ID.UUID)
	if err != nil || !found || img.Prompt != "red apple" || img.Model != "tiny" || img.Seed != 5 || img.Owner != ann || img.Client != "asker:1:x" {
		t.Errorf("a collected image: %+v, %v, %v", img, found, err)
	}
	if err := r.images.Delete(t.Context(), st.Generations[0].Blob); err != nil {
		t.Fatal(err)
	}
	v := r.show(bob)
	for range 2 {
		if v.Image.Request == private.UUID || len(v.Data) == 0 {
			t.Errorf("bob is shown %+v", v.Image)
		}
		v = r.rate(bob, v, 6, 1).Next
	}
	if v.Why != ratings.Empty {
		t.Errorf("bob is shown a third image")
	}
}

func TestOwnSetsAreRatedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, ratings.Options{})
	ann := r.account("ann", 0)
	request := r.deliver(ann, 2, nil)
	st, err := r.engine.Status(request)
	if err != nil {
		t.Fatal(err)
	}
	a, b := st.Generations[0].ID, st.Generations[1].ID
	own := ratings.OwnSet{Request: request, Client: "tests:1:x", Ratings: []horde.Rating{{Generation: a, Rating: 8, Artifacts: 1}, {Generation: b, Rating: 8, Artifacts: horde.NoArtifacts}}, Best: b}
	before := r.balance(ann)
	reward, err := r.RateOwn(t.Context(), own)
	if err != nil || reward != 15*kudos.One || r.balance(ann) != before+reward {
		t.Errorf("reward %s, %v, want 15", reward, err)
	}
	_, err = r.RateOwn(t.Context(), own)
	if refusal, ok := errors.AsType[*horde.Error](err); !ok || refusal.Code != horde.CodeAestheticsAlreadyExist {
		t.Errorf("rated again: %v", err)
	}
	vote, found, err := r.store.Vote(t.Context(), b.UUID, ann, 0)
	if err != nil || !found || !vote.Own || !vote.Best || vote.Rating != 8 {
		t.Errorf("the vote on one's own image: %+v, %v, %v", vote, found, err)
	}
	if img, found, err := r.store.RatingImage(t.Context(), b.UUID); !found || img.Votes != 0 || err != nil {
		t.Errorf("one's own vote counts as one of others: %+v, %v", img, err)
	}
	if u, _ := r.engine.User(ann); u.Details.Awarded != reward {
		t.Errorf("awarded %s, want %s", u.Details.Awarded, reward)
	}
	// Whoever has no account of their own is not thanked.
	nobody := r.deliver(horde.Anonymous, 1, nil)
	st, err = r.engine.Status(nobody)
	if err != nil {
		t.Fatal(err)
	}
	reward, err = r.RateOwn(t.Context(), ratings.OwnSet{Request: nobody, Ratings: []horde.Rating{{Generation: st.Generations[0].ID, Rating: 4, Artifacts: 2}}})
	if err != nil || reward != 0 {
		t.Errorf("anonymous: %s, %v", reward, err)
	}
}

func TestADebtIsPaidOnceAfterACrash(t *testing.T) {
	t.Parallel()
	r := newRig(t, ratings.Options{Probes: -1})
	ann := r.account("ann", 0)
	before := r.balance(ann)
	owed := ratings.Vote{Image: horde.UUID{5}, Rater: ann, Rating: 5, Artifacts: 1, At: r.clock.Now(), Reward: 10 * kudos.One}
	if err := r.store.SaveVote(t.Context(), ratings.Rater{User: ann}, owed, "old", 5, 3); err != nil {
		t.Fatal(err)
	}
	// Paid, but the note of it was lost.
	op := horde.RewardRating{User: ann, Amount: 10 * kudos.One, Key: fmt.Sprintf("%s:%d:0", owed.Image, ann)}
	if got, err := r.engine.RewardRating(t.Context(), op); got != 10*kudos.One || err != nil {
		t.Fatalf("reward %s, %v", got, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { _ = r.Run(ctx) })
	defer group.Wait()
	defer stop()
	deadline := time.Now().Add(20 * time.Second)
	for {
		left, err := r.store.OwedRatings(t.Context(), 5)
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the debt stays")
		}
		time.Sleep(5 * time.Millisecond)
	}
	if got := r.balance(ann) - before; got != 10*kudos.One {
		t.Errorf("ann got %s, want 10 once", got)
	}
}

func TestImportsAreChecked(t *testing.T) {
	t.Parallel()
	r := newRig(t, ratings.Options{})
	im := ratings.Importer{Store: r.store, Shelf: r.shelf, Random: r.random.next, Now: r.clock.Now}
	for what, n := range map[string]ratings.NewImage{
		"nothing":              {Dataset: "old"},
		"the horde's own":      {Dataset: "horde", Data: []byte("x")},
		"a name of no kind":    {Dataset: "Old Ones", Data: []byte("x")},
		"a wrong right answer": {Dataset: "old", Data: []byte("x"), Low: 5, High: 11},
		"an upside-down one":   {Dataset: "old", Data: []byte("x"), Low: 5, High: 4},
	} {
		if added, err := im.Add(t.Context(), n); added || err == nil {
			t.Errorf("%s was imported", what)
		}
	}
}

func TestAVoteOnAnImageForAdultsIsNotTakenBackWhereTheyAreNotShown(t *testing.T) {
	t.Parallel()
	r := newRig(t, ratings.Options{Probes: -1})
	ann := r.account("ann", 0)
	r.fill(2, "old", func(n *ratings.NewImage) { n.NSFW = true })
	here := person(ann)
	here.Adult = true
	v, err := r.Show(t.Context(), here, ratings.Wish{})
	if err != nil {
		t.Fatal(err)
	}
	r.clock.Advance(5 * time.Second)
	out, err := r.Rate(t.Context(), here, ratings.Answer{Seq: v.Seq, Rating: 7})
	if err != nil {
		t.Fatal(err)
	}
	if v, err := r.Undo(t.Context(), person(ann), out.Next.Seq); !errors.Is(err, ratings.ErrNothing) {
		t.Errorf("taken back elsewhere: %d bytes, %v, want ErrNothing", len(v.Data), err)
	}
	if v, err := r.Undo(t.Context(), here, out.Next.Seq); err != nil || len(v.Data) == 0 {
		t.Errorf("taken back here: %d bytes, %v", len(v.Data), err)
	}
}
