// SPDX-License-Identifier: AGPL-3.0-or-later

package inference_test

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/inference"
	"stablemate/inference/inferencetest"
	"stablemate/internal/blob"
	"stablemate/internal/clock"
	"stablemate/internal/idgen"
	"stablemate/internal/store"
)

type ids struct{ *idgen.Source }

func (s ids) UUID() horde.UUID { return horde.UUID(s.V4()) }

func (s ids) Uint32() uint32 {
	u := s.V4()
	return binary.BigEndian.Uint32(u[:])
}

// home is a horde over a real store, with an owner for the pool and somebody who asks.
type home struct {
	*engine.Engine
	images      *blob.Store
	owner, user horde.UserID
	told        atomic.Int64 // deliveries that the pool told of
}

const workerName = "The pool"

func newHome(t *testing.T) *home {
	t.Helper()
	source := ids{idgen.Secure(clock.System{}.Now)}
	db, err := store.Open(t.Context(), store.Options{Engine: store.SQLite, Path: filepath.Join(t.TempDir(), "horde.db")})
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(t.Context(), db, engine.Options{
		Settings: horde.Settings{AnonymousAllowed: true}, Now: clock.System{}.Now, IDs: source, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1) // holds Run's only answer
	go func() { ended <- e.Run(running) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, db.Close()); err != nil {
			t.Error(err)
		}
	})
	h := &home{Engine: e}
	if h.images, err = blob.NewStore(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	for i, id := range []*horde.UserID{&h.owner, &h.user} {
		name := []string{"owner", "user"}[i]
		u, err := engine.Do(t.Context(), e, horde.CreateUser{External: "d_" + name, Name: name, Key: horde.KeyHash{byte(i + 1)}, Roles: horde.RoleTrusted})
		if err != nil {
			t.Fatal(err)
		}
		*id = u.ID
	}
	return h
}

// ask enqueues n pictures.
func (h *home) ask(t *testing.T, prompt string, n int, change ...func(*horde.NewImage)) horde.RequestID {
	t.Helper()
	in := horde.NewImage{
		User: h.user, N: n, SlowWorkers: true, Models: []string{"toy"},
		Image: horde.Image{Prompt: prompt, Sampler: "k_euler", CFG: 5, Width: 64, Height: 64, Steps: 6, Seed: "77"},
	}
	for _, f := range change {
		f(&in)
	}
	got, err := engine.Do(t.Context(), h.Engine, horde.Enqueue{NewImage: in})
	if err != nil {
		t.Fatal(err)
	}
	return got.ID
}

func (h *home) status(t *testing.T, id horde.RequestID) horde.Status {
	t.Helper()
	st, err := h.Status(id)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// finished waits until a request is done and returns it.
func (h *home) finished(t *testing.T, id horde.RequestID) horde.Status {
	t.Helper()
	eventually(t, "the request is done", func() bool { return h.status(t, id).Done })
	return h.status(t, id)
}

func (h *home) options(t *testing.T, change func(*inference.Options)) inference.Options {
	t.Helper()
	o := inference.Options{
		Owner: h.owner, WorkerName: workerName, Command: inferencetest.Command(), Devices: []inference.Device{{Provider: "cpu"}},
		Models: []inference.Folder{inferencetest.Folder(t, "toy")}, Safety: inferencetest.SafetyFile(t, "safety.onnx"),
	}
	if change != nil {
		change(&o)
	}
	return o
}

// pool runs a pool until the test ends, or until stop.
func (h *home) pool(t *testing.T, change func(*inference.Options)) (p *inference.Pool, stop func()) {
	t.Helper()
	p, err := inference.NewPool(inference.Deps{
		Engine: h.Engine, Images: h.images, Now: time.Now, Log: zerolog.Nop(),
		Delivered: func(_ context.Context, id horde.GenerationID) {
			if g, _, ok := h.Generation(id); !ok || g.State != horde.GenerationCompleted {
				t.Errorf("told of %s before it was delivered", id)
			}
			h.told.Add(1)
		},
	}, h.options(t, change))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1) // holds Run's only answer
	go func() { ended <- p.Run(ctx) }()
	var stopped atomic.Bool
	stop = func() {
		if stopped.Swap(true) {
			return
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	}
	t.Cleanup(stop)
	return p, stop
}

func TestPoolMakesPictures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]func(*inference.Options){
		"one at a time":        nil,
		"two slots":            func(o *inference.Options) { o.Slots = 2 },
		"two devices":          func(o *inference.Options) { o.Devices = []inference.Device{{Provider: "cpu"}, {Provider: "cpu"}} },
		"several in one batch": func(o *inference.Options) { o.Batch = 4 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			early := h.ask(t, "apple###pear", 3)
			p, _ := h.pool(t, c)
			late := h.ask(t, "apple", 1)
			st := h.finished(t, early)
			if st.Finished != 3 || st.Faulted || len(st.Generations) != 3 {
				t.Fatalf("the request ended as %+v", st)
			}
			var seeds []uint32
			for _, g := range st.Generations {
				seeds = append(seeds, g.Seed)
				if g.WorkerName != workerName || g.Model != "toy" || g.Censored || g.Blob != g.ID.String()+".webp" {
					t.Errorf("delivered %+v", g)
				}
				data, err := h.images.Read(t.Context(), g.Blob, 1<<20)
				if err != nil {
					t.Fatal(err)
				}
				wantColour(t, data, inferencetest.Colour(g.Seed))
			}
			slices.Sort(seeds)
			if d := cmp.Diff([]uint32{77, 78, 79}, seeds); d != "" {
				t.Error(d)
			}
			h.finished(t, late)
			eventually(t, "the pool counts four pictures", func() bool { return p.Status().Delivered == 4 && p.Status().Working == 0 })
			if n := h.told.Load(); n != 4 {
				t.Errorf("the pool told of %d deliveries, want 4", n)
			}
			if s := p.Status(); s.Held != 0 || s.Faulted != 0 {
				t.Errorf("Status() = %+v", s)
			}
			w, ok := h.WorkerByName(workerName)
			if !ok || w.Fulfilled != 4 || w.Uncompleted != 0 || w.Owner != h.owner || w.Offer.MaxPixels != inference.DefaultMaxPixels {
				t.Errorf("the worker is %+v", w)
			}
		})
	}
}

func TestPoolHoldsBackWhatIsUnsafe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prompt string
		change func(*inference.Options)
		ask    func(*horde.NewImage)
		held   bool
	}{
		"a picture that is not safe for work": {inferencetest.Nude, nil, nil, true},
		"one that is":                         {"apple", nil, nil, false},
		"on a pool that takes such requests":  {inferencetest.Nude, func(o *inference.Options) { o.NSFW = true }, func(n *horde.NewImage) { n.NSFW = true }, false},
		"on such a pool when asked to censor": {inferencetest.Nude, func(o *inference.Options) { o.NSFW = true }, func(n *horde.NewImage) { n.CensorNSFW = true }, true},
		"a check that fails counts as unsafe": {"apple", func(o *inference.Options) { o.Safety = "failing" }, nil, true},
		"it counts on every pool":             {"apple", func(o *inference.Options) { o.Safety, o.NSFW = "failing", true }, func(n *horde.NewImage) { n.NSFW = true }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			p, _ := h.pool(t, func(o *inference.Options) {
				if c.change != nil {
					c.change(o)
				}
				if o.Safety == "failing" {
					o.Safety = inferencetest.SafetyFile(t, "failing.onnx")
				}
			})
			st := h.finished(t, h.ask(t, c.prompt, 1, func(n *horde.NewImage) {
				if c.ask != nil {
					c.ask(n)
				}
			}))
			if len(st.Generations) != 1 {
				t.Fatalf("the request ended as %+v", st)
			}
			g := st.Generations[0]
			data, err := h.images.Read(t.Context(), g.Blob, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			shown, err := os.ReadFile("held_back.webp")
			if err != nil {
				t.Fatal(err)
			}
			said := slices.Contains(g.Meta, horde.Meta{Type: "censorship", Value: "nsfw"})
			if g.Censored != c.held || slices.Equal(data, shown) != c.held || said != c.held {
				t.Errorf("censored %v, said so %v, shown the other picture %v; want %v", g.Censored, said, slices.Equal(data, shown), c.held)
			}
			eventually(t, "the pool counts it", func() bool { return p.Status().Delivered == 1 && (p.Status().Held == 1) == c.held })
		})
	}
}

func TestPoolWithoutASafetyProcessTakesNoWork(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	safety := filepath.Join(t.TempDir(), "later.onnx")
	p, _ := h.pool(t, func(o *inference.Options) { o.Safety = safety })
	id := h.ask(t, "apple", 1)
	eventually(t, "the safety runner is up", func() bool { return p.Status().Runners[1].Starts > 0 })
	time.Sleep(300 * time.Millisecond) // in which it could have popped
	if st := h.status(t, id); st.Waiting != 1 || st.Processing != 0 {
		t.Errorf("without a safety network the request is %+v", st.Progress)
	}
	if err := os.WriteFile(safety, []byte("graph"), 0o600); err != nil {
		t.Fatal(err)
	}
	if st := h.finished(t, id); st.Finished != 1 {
		t.Errorf("with one the request ended as %+v", st.Progress)
	}
}

func TestCrashReturnsTheImageToTheQueue(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	p, _ := h.pool(t, nil)
	id := h.ask(t, inferencetest.Once+filepath.Join(t.TempDir(), "crashed"), 2)
	st := h.finished(t, id)
	if st.Finished != 2 || st.Faulted {
		t.Errorf("the request ended as %+v", st.Progress)
	}
	if s := p.Status(); s.Faulted != 1 || s.Runners[0].Starts != 2 || s.Runners[1].Starts != 1 {
		t.Errorf("Status() = %+v", s)
	}
	if w, _ := h.WorkerByName(workerName); w.Uncompleted != 1 {
		t.Errorf("the worker dropped %d, want 1", w.Uncompleted)
	}
}

func TestRequestThatCannotBeDrawnFaults(t *testing.T) {
	t.Parallel()
	for name, prompt := range map[string]string{"an error": inferencetest.Fail, "a crash": inferencetest.Crash, "silence": inferencetest.Stuck} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			h.pool(t, func(o *inference.Options) {
				o.Watch.StepLimit, o.Watch.RestartMost = 300*time.Millisecond, 10*time.Millisecond
			})
			id := h.ask(t, prompt, 1)
			if st := h.finished(t, id); !st.Faulted || st.Finished != 0 {
				t.Errorf("the request ended as %+v", st.Progress)
			}
		})
	}
}

func TestPoolSurvivesTheLossOfItsSafetyProcess(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	p, _ := h.pool(t, nil)
	h.finished(t, h.ask(t, "apple", 1))
	id := h.ask(t, "slow apple", 3)
	eventually(t, "it is being drawn", func() bool { return h.status(t, id).Processing == 1 })
	if err := syscall.Kill(p.Status().Runners[1].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	st := h.finished(t, id)
	for _, g := range st.Generations {
		if g.Censored {
			t.Error("a picture was held back although a new safety process was there in time")
		}
	}
	if s := p.Status(); s.Runners[1].Starts != 2 {
		t.Errorf("%d safety processes, want 2", s.Runners[1].Starts)
	}
}

func TestPoolOffersWhatItCanLoad(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.pool(t, func(o *inference.Options) {
		o.Models = append([]inference.Folder{inferencetest.Folder(t, "broken")}, o.Models...)
	})
	eventually(t, "the worker offers the good model alone", func() bool {
		w, ok := h.WorkerByName(workerName)
		return ok && slices.Equal(w.Offer.Models, []string{"toy"})
	})
	h.finished(t, h.ask(t, "apple", 1))
}

// untouched checks that a request waits as if it had never been handed out.
func (h *home) untouched(t *testing.T, id horde.RequestID) {
	t.Helper()
	st := h.status(t, id)
	if st.Waiting != 1 || st.Processing != 0 || st.Faulted {
		t.Errorf("the request is %+v, want it to wait", st.Progress)
	}
	if w, _ := h.WorkerByName(workerName); w.Uncompleted != 0 {
		t.Errorf("the worker is blamed for %d", w.Uncompleted)
	}
}

func TestShutdownFinishesOrGivesBack(t *testing.T) {
	t.Parallel()
	slow := func(n *horde.NewImage) { n.Image.Steps = 15 }   // 300 ms
	longer := func(n *horde.NewImage) { n.Image.Steps = 40 } // 800 ms
	t.Run("what is done within the grace is delivered", func(t *testing.T) {
		t.Parallel()
		h := newHome(t)
		p, stop := h.pool(t, nil)
		id := h.ask(t, "slow apple", 1, slow)
		eventually(t, "it is being drawn", func() bool { return p.Status().Working == 1 })
		stop()
		if st := h.status(t, id); st.Finished != 1 {
			t.Errorf("the request is %+v, want it done", st.Progress)
		}
	})
	t.Run("what is not goes back to the queue without blame", func(t *testing.T) {
		t.Parallel()
		h := newHome(t)
		p, stop := h.pool(t, func(o *inference.Options) { o.Grace = 50 * time.Millisecond })
		id := h.ask(t, "slow apple", 1, longer)
		eventually(t, "it is being drawn", func() bool { return p.Status().Working == 1 })
		begin := time.Now()
		stop()
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("the stop took %v", took)
		}
		h.untouched(t, id)
	})
}

// A pool that was killed finds what it had in flight, long before its time is up.
func TestPoolTakesBackWhatARunBeforeLeft(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	id := h.ask(t, "apple", 1)
	job, err := h.Pop(t.Context(), horde.Pop{Owner: h.owner, Amount: 1, Offer: horde.Offer{
		Name: workerName, Models: []string{"toy"}, BridgeAgent: horde.PoolAgent + ":1:local", MaxPixels: 1 << 20,
	}}, 0)
	if err != nil || len(job.Generations) != 1 {
		t.Fatalf("Pop = %+v, %v", job, err)
	}
	h.pool(t, nil)
	if st := h.finished(t, id); st.Finished != 1 {
		t.Errorf("the request ended as %+v", st.Progress)
	}
	if w, _ := h.WorkerByName(workerName); w.Uncompleted != 0 {
		t.Errorf("the worker is blamed for %d", w.Uncompleted)
	}
}

// A worker that dropped too much is in maintenance until somebody ends it, and a pool is its own caretaker.
func TestPoolEndsTheMaintenanceOfDroppedImages(t *testing.T) {
	t.Parallel()
	const byOwner = "the owner wants it to rest"
	for name, c := range map[string]struct {
		reason string // of somebody's own decision after the drops
		works  bool
	}{
		"after too many drops it goes on":  {"", true},
		"what its owner decided is obeyed": {byOwner, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			worker := func() horde.Worker { w, _ := h.WorkerByName(workerName); return w }
			for n := 0; !worker().Maintenance; n++ {
				if n > 10*horde.MaxDropped {
					t.Fatal("the horde does not mind dropped images")
				}
				h.ask(t, "apple", 1)
				job, err := h.Pop(t.Context(), horde.Pop{Owner: h.owner, Amount: 1, Offer: horde.Offer{
					Name: workerName, Models: []string{"toy"}, BridgeAgent: horde.PoolAgent + ":1:local", MaxPixels: 1 << 20,
				}}, 0)
				if err != nil {
					t.Fatal(err)
				}
				for _, id := range job.Generations {
					if _, err := engine.Do(t.Context(), h.Engine, horde.Submit{Owner: h.owner, Generation: id, Faulted: true}); err != nil {
						t.Fatal(err)
					}
				}
			}
			if c.reason != "" {
				op := horde.SetWorker{Worker: worker().ID, By: h.owner, Maintenance: new(true), Reason: c.reason}
				if _, err := engine.Do(t.Context(), h.Engine, op); err != nil {
					t.Fatal(err)
				}
			}
			p, _ := h.pool(t, nil)
			if c.works {
				eventually(t, "the worker is out of maintenance and works", func() bool { return !worker().Maintenance && p.Status().Delivered > 0 })
				return
			}
			eventually(t, "the pool is ready", func() bool { return len(p.Status().Runners[0].Loaded) > 0 })
			time.Sleep(300 * time.Millisecond) // in which it could have popped
			if w := worker(); !w.Maintenance || w.MaintReason != byOwner {
				t.Errorf("the worker is %+v, want it in maintenance", w)
			}
		})
	}
}

// fullDisk fails as often as it is told.
type fullDisk struct {
	*blob.Store
	failures atomic.Int32
}

func (f *fullDisk) PutBytes(ctx context.Context, key string, data []byte) error {
	if f.failures.Add(-1) >= 0 {
		return syscall.ENOSPC
	}
	return f.Store.PutBytes(ctx, key, data)
}

func TestPictureIsStoredBeforeItIsSubmitted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		failures int32
		faults   int64
	}{
		"a disk that fails for a moment is tried again": {2, 0},
		"a disk that stays full faults the image":       {3, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			disk := &fullDisk{Store: h.images}
			disk.failures.Store(c.failures)
			p, err := inference.NewPool(inference.Deps{Engine: h.Engine, Images: disk, Now: time.Now, Log: zerolog.Nop()}, h.options(t, nil))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error, 1) // holds Run's only answer
			go func() { ended <- p.Run(ctx) }()
			st := h.finished(t, h.ask(t, "apple", 1))
			if _, err := h.images.Read(t.Context(), st.Generations[0].Blob, 1<<20); err != nil {
				t.Error(err)
			}
			if got := p.Status().Faulted; got != c.faults {
				t.Errorf("%d faults, want %d", got, c.faults)
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNewPoolRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	deps := inference.Deps{Engine: h.Engine, Images: h.images, Now: time.Now}
	for name, change := range map[string]func(*inference.Options){
		"the anonymous account":           func(o *inference.Options) { o.Owner = horde.Anonymous },
		"a worker without a name":         func(o *inference.Options) { o.WorkerName = "" },
		"no model":                        func(o *inference.Options) { o.Models = nil },
		"two models of one name":          func(o *inference.Options) { o.Models = append(o.Models, o.Models[0]) },
		"no safety network":               func(o *inference.Options) { o.Safety = "" },
		"no command":                      func(o *inference.Options) { o.Command = nil },
		"more slots than anybody has":     func(o *inference.Options) { o.Slots = 1000 },
		"fewer slots than devices":        func(o *inference.Options) { o.Devices, o.Slots = make([]inference.Device, 2), 1 },
		"images of one pixel":             func(o *inference.Options) { o.MaxPixels = 1 },
		"batches beyond a request's size": func(o *inference.Options) { o.Batch = 21 },
	} {
		if _, err := inference.NewPool(deps, h.options(t, change)); err == nil {
			t.Errorf("%s: NewPool took it", name)
		}
	}
	if _, err := inference.NewPool(inference.Deps{}, h.options(t, nil)); err == nil {
		t.Error("NewPool took no engine")
	}
}
