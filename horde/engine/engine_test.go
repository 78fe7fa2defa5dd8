// SPDX-License-Identifier: AGPL-3.0-or-later

package engine_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
	"stablemate/internal/clock"
	"stablemate/internal/idgen"
	"stablemate/internal/pgtest"
	"stablemate/internal/store"
)

type ids struct{ *idgen.Source }

func (i ids) UUID() horde.UUID { return horde.UUID(i.V4()) }
func (ids) Uint32() uint32     { return rand.Uint32() }

// stores lists how to open the same store again, for each engine of the store.
func stores(t *testing.T) map[string]store.Options {
	t.Helper()
	return map[string]store.Options{
		"sqlite":   {Engine: store.SQLite, Path: filepath.Join(t.TempDir(), "horde.db"), Log: zerolog.Nop()},
		"postgres": {Engine: store.Postgres, URL: pgtest.URL(t), Log: zerolog.Nop()},
	}
}

// running is an engine with its store, as one process has it.
type running struct {
	*engine.Engine
	store *store.Store
	stop  func()
}

func start(tb testing.TB, so store.Options, wrap func(engine.Store) engine.Store) *running {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	st, err := store.Open(ctx, so)
	if err != nil {
		tb.Fatal(err)
	}
	var es engine.Store = st
	if wrap != nil {
		es = wrap(st)
	}
	c := clock.System{}
	e, err := engine.Open(ctx, es, engine.Options{
		Settings: horde.Settings{AnonymousAllowed: true, TransfersAllowed: true}, Now: c.Now, IDs: ids{idgen.Secure(c.Now)}, Log: zerolog.Nop(),
	})
	if err != nil {
		tb.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = e.Run(ctx) })
	stop := sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		_ = st.Close()
	})
	tb.Cleanup(stop)
	return &running{e, st, stop}
}

func person(tb testing.TB, e *engine.Engine, name string, welcome kudos.Amount) horde.UserID {
	tb.Helper()
	u, err := engine.Do(tb.Context(), e, horde.CreateUser{External: "d_" + name, Name: name, Key: horde.KeyHash([]byte(fmt.Sprintf("%-32s", name))), Welcome: welcome})
	if err != nil {
		tb.Fatal(err)
	}
	return u.ID
}

func picture(u horde.UserID) horde.Enqueue {
	return horde.Enqueue{NewImage: horde.NewImage{
		User: u, N: 1, SlowWorkers: true, R2: true,
		Image: horde.Image{Prompt: "red apple", Sampler: "k_euler", CFG: 5, Width: 256, Height: 256, Steps: 20},
	}}
}

func gpu(owner horde.UserID) horde.Pop {
	return horde.Pop{Owner: owner, Amount: 1, Offer: horde.Offer{
		Name: "gpu", Models: []string{"mini"}, BridgeAgent: "Stablemate:1:x", NSFW: true, MaxPixels: 1 << 20, Threads: 1,
	}}
}

func TestAnswersSurviveARestart(t *testing.T) {
	t.Parallel()
	for name, so := range stores(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := start(t, so, nil)
			asker, owner := person(t, e.Engine, "asker", kudos.Whole(100)), person(t, e.Engine, "owner", 0)
			got, err := engine.Do(t.Context(), e.Engine, picture(asker))
			if err != nil {
				t.Fatal(err)
			}
			job, err := e.Pop(t.Context(), gpu(owner), 0)
			if err != nil || len(job.Generations) != 1 {
				t.Fatalf("pop: %+v, %v", job, err)
			}
			gift := horde.Transfer{From: asker, To: owner, Amount: kudos.Whole(7), Key: "emoji:1:u:x:2"}
			if _, err := e.Transfer(t.Context(), gift); err != nil {
				t.Fatal(err)
			}
			before, _ := e.User(asker)
			e.stop()

			e = start(t, so, nil)
			after, _ := e.User(asker)
			if before != after {
				t.Errorf("account after the restart: %+v, before: %+v", after, before)
			}
			if again, err := e.Transfer(t.Context(), gift); err != nil || !again.Repeated {
				t.Errorf("the same gift after the restart: %+v, %v", again, err)
			}
			if p, err := e.Check(got.ID); err != nil || p.Processing != 1 {
				t.Errorf("request after the restart: %+v, %v", p, err)
			}
			if r, err := engine.Do(t.Context(), e.Engine, horde.Submit{Owner: owner, Generation: job.Generations[0], Blob: "x"}); err != nil || r.Reward == 0 {
				t.Errorf("submit after the restart: %+v, %v", r, err)
			}
			report, err := e.store.Audit(t.Context())
			if err != nil || !report.OK() {
				t.Errorf("audit: %v, %v", report.Differences, err)
			}
		})
	}
}

// faulty passes commits on until told to fail: before the store sees the batch, or after it took it.
type faulty struct {
	engine.Store
	before, after atomic.Bool
}

var errDisk = errors.New("no space left on device")

func (f *faulty) Commit(ctx context.Context, term horde.Term, b *horde.Batch) error {
	if f.before.Swap(false) {
		return errDisk
	}
	err := f.Store.Commit(ctx, term, b)
	if f.after.Swap(false) {
		return errors.Join(errDisk, err)
	}
	return err
}

func TestAFailedCommitAcknowledgesNothing(t *testing.T) {
	t.Parallel()
	so := store.Options{Engine: store.SQLite, Path: filepath.Join(t.TempDir(), "horde.db"), Log: zerolog.Nop()}
	var f *faulty
	e := start(t, so, func(s engine.Store) engine.Store { f = &faulty{Store: s}; return f })
	a, b := person(t, e.Engine, "a", kudos.Whole(100)), person(t, e.Engine, "b", 0)
	gift := horde.Transfer{From: a, To: b, Amount: kudos.Whole(10), Key: "emoji:1:u:x:1"}
	for name, arm := range map[string]*atomic.Bool{"before the disk": &f.before, "after the disk": &f.after} {
		arm.Store(true)
		gift.Key += name
		if _, err := e.Transfer(t.Context(), gift); !errors.Is(err, engine.ErrUnavailable) {
			t.Fatalf("%s: %v, want ErrUnavailable", name, err)
		}
		// The caller tries again with the same key, as clients do: the kudos move once, whatever happened.
		var err error
		for range 100 {
			if _, err = e.Transfer(t.Context(), gift); !errors.Is(err, engine.ErrUnavailable) {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		if err != nil {
			t.Fatalf("%s, again: %v", name, err)
		}
	}
	if u, _ := e.User(b); u.Balance != kudos.Whole(45) {
		t.Errorf("b has %s, want 45", u.Balance)
	}
}

func TestStopsWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	so := store.Options{Engine: store.SQLite, Path: filepath.Join(t.TempDir(), "horde.db"), Log: zerolog.Nop()}
	e := start(t, so, nil)
	person(t, e.Engine, "a", 0)
	_ = e.store.Close()
	if _, err := engine.Do(t.Context(), e.Engine, picture(horde.Anonymous)); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("without a store: %v", err)
	}
	done := make(chan struct{})
	go func() { e.stop(); close(done) }()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("the engine did not stop")
	}
}

func TestAWaitingPopIsWoken(t *testing.T) {
	t.Parallel()
	so := store.Options{Engine: store.SQLite, Path: filepath.Join(t.TempDir(), "horde.db"), Log: zerolog.Nop()}
	e := start(t, so, nil)
	owner := person(t, e.Engine, "owner", 0)
	popped := make(chan horde.Job, 1)
	go func() {
		job, _ := e.Pop(context.WithoutCancel(t.Context()), gpu(owner), 30*time.Second)
		popped <- job
	}()
	for len(e.Workers(true)) == 0 { // until it checked in
		time.Sleep(time.Millisecond)
	}
	got, err := engine.Do(t.Context(), e.Engine, picture(horde.Anonymous))
	if err != nil {
		t.Fatal(err)
	}
	select {
	case job := <-popped:
		if job.Request != got.ID {
			t.Errorf("popped %+v", job)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the pop slept on")
	}
	watch := e.Watch(got.ID)
	defer watch.Close()
	if _, err := engine.Do(t.Context(), e.Engine, horde.Cancel{Request: got.ID}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-watch.Hints():
	case <-time.After(10 * time.Second):
		t.Error("no news about the request")
	}
}

// childVariable makes the test binary act as a writing process.
const childVariable = "STABLEMATE_ENGINE_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childVariable); path != "" {
		writeForEver(path)
	}
	os.Exit(m.Run())
}

// writeForEver gives kudos from many goroutines and prints the key of each gift once it is acknowledged.
func writeForEver(path string) {
	ctx := context.Background()
	st, err := store.Open(ctx, store.Options{Engine: store.SQLite, Path: path, Log: zerolog.Nop()})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	c := clock.System{}
	e, err := engine.Open(ctx, st, engine.Options{
		Settings: horde.Settings{TransfersAllowed: true}, Now: c.Now, IDs: ids{idgen.Secure(c.Now)}, Log: zerolog.Nop(),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() { _ = e.Run(ctx) }()
	var people []horde.UserID
	for i := range 8 {
		u, err := engine.Do(ctx, e, horde.CreateUser{
			External: fmt.Sprintf("d_%d", i), Name: "p", Key: horde.KeyHash{byte(i), 7}, Welcome: kudos.Whole(1_000_000), Ensure: true,
		})
		if err != nil {
			os.Exit(1)
		}
		people = append(people, u.ID)
	}
	var out sync.Mutex
	for i := range 16 {
		go func() {
			for n := 0; ; n++ {
				key := fmt.Sprintf("gift:%d:%d:%d", os.Getpid(), i, n)
				// Always from a lower to a higher number: nobody gives back within the minute.
				from := rand.IntN(7)
				op := horde.Transfer{From: people[from], To: people[from+1], Amount: 1, Key: key}
				if _, err := e.Transfer(ctx, op); err == nil {
					out.Lock()
					fmt.Println(key)
					out.Unlock()
				}
			}
		}()
	}
	select {}
}

func TestKillLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "horde.db")
	var acknowledged []string
	const rounds = 12
	for round := range rounds {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), childVariable+"="+path)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		var trouble strings.Builder
		child.Stderr = &trouble
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		stopAt := 1 + rand.IntN(400)
		for n := 0; lines.Scan(); n++ {
			acknowledged = append(acknowledged, lines.Text())
			if n == stopAt {
				_ = child.Process.Kill() // SIGKILL; what was printed before it must be there
			}
		}
		_ = child.Wait()
		if trouble.Len() > 0 {
			t.Fatalf("round %d: %s", round, trouble.String())
		}
	}
	st, err := store.Open(t.Context(), store.Options{Engine: store.SQLite, Path: path, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	lost := 0
	for _, key := range acknowledged {
		e, err := st.LedgerEvent(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if e == nil {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged gifts are lost", lost, len(acknowledged))
	}
	report, err := st.Audit(t.Context())
	if err != nil || !report.OK() {
		t.Errorf("audit after %d kills: %v, %v", rounds, report.Differences, err)
	}
	t.Logf("%d acknowledged gifts, %d in the ledger, after %d kills", len(acknowledged), report.Events, rounds)
}
