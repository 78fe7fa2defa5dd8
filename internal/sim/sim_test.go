// SPDX-License-Identifier: AGPL-3.0-or-later

package sim_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
	"stablemate/internal/clock"
	"stablemate/internal/store"
)

// seedsVariable runs more seeds, seedVariable one of them again.
const (
	seedsVariable = "SIM_SEEDS"
	seedVariable  = "SIM_SEED"
	defaultSeeds  = 6
	steps         = 250
)

func TestACommunity(t *testing.T) {
	t.Parallel()
	seeds := defaultSeeds
	if n, err := strconv.Atoi(os.Getenv(seedsVariable)); err == nil {
		seeds = n
	}
	first := uint64(1)
	if n, err := strconv.ParseUint(os.Getenv(seedVariable), 10, 64); err == nil {
		first, seeds = n, 1
	}
	for seed := first; seed < first+uint64(seeds); seed++ {
		t.Run(fmt.Sprintf("SIM_SEED=%d", seed), func(t *testing.T) {
			t.Parallel()
			play(t, seed)
		})
	}
}

// faults fails commits on command: before the store sees them or after it took them.
type faults struct {
	engine.Store
	mu            sync.Mutex // guards the two
	before, after bool
}

var errFault = errors.New("the disk is away")

func (f *faults) Commit(ctx context.Context, term horde.Term, b *horde.Batch) error {
	f.mu.Lock()
	before, after := f.before, f.after
	f.before, f.after = false, false
	f.mu.Unlock()
	if before {
		return errFault
	}
	if err := f.Store.Commit(ctx, term, b); err != nil || !after {
		return err
	}
	return errFault
}

func (f *faults) arm(after bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.after = !after, after
}

// source is a repeatable horde.IDSource.
type source struct {
	mu sync.Mutex // guards r
	r  *rand.Rand
}

func (s *source) UUID() (u horde.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	binary.BigEndian.PutUint64(u[:8], s.r.Uint64())
	binary.BigEndian.PutUint64(u[8:], s.r.Uint64())
	return u
}

func (s *source) Uint32() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.Uint32()
}

// community is one run.
type community struct {
	t      *testing.T
	r      *rand.Rand
	path   string
	clock  *clock.Fake
	ids    *source
	store  *store.Store
	faults *faults
	engine *engine.Engine
	stop   func()

	people    []horde.UserID
	requests  []horde.RequestID
	jobs      []job
	texts     []job
	forms     []form
	alchemies []horde.RequestID
	accepted  map[horde.GenerationID]int
	gifts     int
}

type job struct {
	owner horde.UserID
	id    horde.GenerationID
}

func play(t *testing.T, seed uint64) {
	t.Helper()
	c := &community{
		t: t, r: rand.New(rand.NewPCG(seed, 99)), path: filepath.Join(t.TempDir(), "horde.db"),
		clock: clock.NewFake(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)), ids: &source{r: rand.New(rand.NewPCG(seed, 7))},
		accepted: make(map[horde.GenerationID]int),
	}
	c.open()
	defer func() { c.stop() }()
	for i := range 6 {
		c.join(i)
	}
	for range steps {
		c.clock.Advance(time.Duration(c.r.IntN(20_000)) * time.Millisecond)
		switch n := c.r.IntN(100); {
		case n < 25:
			c.one(c.ask, c.ask, c.askText, c.askForms)
		case n < 50:
			c.one(c.pop, c.pop, c.popText, c.popForms)
		case n < 75:
			c.one(c.submit, c.submit, c.submitText, c.submitForm)
		case n < 80:
			c.one(c.cancel, c.cancel, c.cancelForms)
		case n < 90:
			c.give()
		case n < 93:
			c.judge()
		case n < 95:
			c.clock.Advance(time.Duration(c.r.IntN(40)) * time.Minute)
		case n < 98:
			c.faults.arm(c.r.IntN(2) == 0)
		default:
			c.stop()
			c.open()
		}
		c.run(horde.Expire{})
	}
	c.end()
}

func (c *community) open() {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	st, err := store.Open(ctx, store.Options{Engine: store.SQLite, Path: c.path, Log: zerolog.Nop()})
	if err != nil {
		c.t.Fatal(err)
	}
	c.store, c.faults = st, &faults{Store: st}
	c.engine, err = engine.Open(ctx, c.faults, engine.Options{
		Settings: horde.Settings{AnonymousAllowed: true, TransfersAllowed: true}, Now: c.clock.Now, IDs: c.ids, Log: zerolog.New(zerolog.NewTestWriter(c.t)),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = c.engine.Run(ctx) })
	c.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		_ = st.Close()
	})
}

// try applies an operation until the horde answers: a fault on the way to the disk is no answer.
func try[R any](c *community, op horde.Op[R]) (R, error) {
	c.t.Helper()
	for range 500 {
		r, err := engine.Do(context.Background(), c.engine, op)
		if !errors.Is(err, engine.ErrUnavailable) {
			return r, err
		}
		time.Sleep(2 * time.Millisecond)
	}
	c.t.Fatalf("%T: the horde does not come back", op)
	panic("unreachable")
}

// run applies an operation whose refusals are part of life; anything else ends the run.
func (c *community) run(op horde.Op[int]) {
	c.t.Helper()
	_, err := try(c, op)
	c.mind(err)
}

func (c *community) mind(err error) {
	c.t.Helper()
	if _, refused := errors.AsType[*horde.Error](err); err != nil && !refused {
		c.t.Fatal(err)
	}
}

func (c *community) join(i int) {
	c.t.Helper()
	u, err := try(c, horde.CreateUser{
		External: fmt.Sprintf("d_%d", i), Name: fmt.Sprintf("p%d", i), Key: horde.KeyHash{byte(i), 1},
		Welcome: kudos.Whole(int64(c.r.IntN(300))), Ensure: true,
	})
	c.mind(err)
	c.people = append(c.people, u.ID)
}

func (c *community) person() horde.UserID { return c.people[c.r.IntN(len(c.people))] }

func (c *community) ask() {
	n := horde.NewImage{
		User: c.person(), N: 1 + c.r.IntN(4), SlowWorkers: c.r.IntN(4) > 0, R2: true, NSFW: c.r.IntN(3) == 0,
		AllowDowngrade: c.r.IntN(2) == 0, Models: [][]string{nil, {"mini"}, {"rare"}, {"mini", "rare"}}[c.r.IntN(4)],
		Image: horde.Image{
			Prompt: "a thing", Sampler: horde.Samplers()[c.r.IntN(5)], CFG: 5, Width: 64 * (1 + c.r.IntN(20)),
			Height: 64 * (1 + c.r.IntN(20)), Steps: 1 + c.r.IntN(60),
		},
	}
	if c.r.IntN(5) == 0 {
		n.User = horde.Anonymous
	}
	got, err := try(c, horde.Enqueue{NewImage: n})
	c.mind(err)
	if err == nil {
		c.requests = append(c.requests, got.ID)
	}
}

func (c *community) pop() {
	owner := c.r.IntN(3) // some lend a GPU
	op := horde.Pop{Owner: c.people[owner], Amount: 1 + c.r.IntN(3), Offer: horde.Offer{
		Name: fmt.Sprintf("gpu %d", owner), BridgeAgent: []string{"Stablemate:1:x", "AI Horde Worker reGen:13:x", "odd:1:x"}[owner],
		Models: [][]string{{"mini"}, {"mini", "rare"}, {"rare"}}[owner], NSFW: owner != 2, MaxPixels: 512 * 512 * (1 + owner*3), Threads: 1,
	}}
	got, err := try(c, op)
	c.mind(err)
	for _, id := range got.Generations {
		c.jobs = append(c.jobs, job{op.Owner, id})
	}
}

func (c *community) submit() {
	if len(c.jobs) == 0 {
		return
	}
	j := c.jobs[c.r.IntN(len(c.jobs))]
	op := horde.Submit{Owner: j.owner, Generation: j.id, Blob: j.id.String(), Faulted: c.r.IntN(6) == 0}
	if c.r.IntN(10) == 0 {
		op.Owner = c.person() // perhaps somebody else's
	}
	got, err := engine.Do(context.Background(), c.engine, op)
	if errors.Is(err, engine.ErrUnavailable) {
		return // the worker does not know whether it counted; it may ask again later
	}
	c.mind(err)
	if err == nil && !op.Faulted && got.Reward > 0 {
		c.accepted[j.id]++
	}
}

func (c *community) cancel() {
	if len(c.requests) > 0 {
		_, err := try(c, horde.Cancel{Request: c.requests[c.r.IntN(len(c.requests))]})
		c.mind(err)
	}
}

// give repeats some gifts with the same key, as impatient clients do.
func (c *community) give() {
	c.gifts++
	op := horde.Transfer{From: c.person(), To: c.person(), Amount: kudos.Amount(c.r.IntN(5000)), Key: fmt.Sprintf("gift:%d", c.gifts)}
	for range 1 + c.r.IntN(2) {
		_, err := c.engine.Transfer(context.Background(), op)
		if !errors.Is(err, engine.ErrUnavailable) {
			c.mind(err)
		}
	}
}

func (c *community) judge() {
	op := horde.SetUser{User: c.person(), AwardKey: c.ids.UUID().String(), Award: kudos.Amount(c.r.IntN(20_000) - 10_000)}
	switch c.r.IntN(3) {
	case 0:
		op.Grant = horde.RoleTrusted
	case 1:
		op.Revoke = horde.RoleTrusted
	}
	_, err := try(c, op)
	c.mind(err)
	c.look()
}

// look checks what must hold at any moment.
func (c *community) look() {
	c.t.Helper()
	for _, u := range c.engine.Users() {
		if u.Balance < u.Floor() || u.Held < 0 || u.Evaluated < 0 {
			c.t.Errorf("%s has %s, %s held, %s in escrow", u.Alias(), u.Balance, u.Held, u.Evaluated)
		}
	}
	for id, n := range c.accepted {
		if n > 1 {
			c.t.Errorf("generation %s was accepted %d times", id, n)
		}
	}
	report, err := c.store.Audit(context.Background())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, difference := range report.Differences {
		c.t.Error(difference)
	}
}

// end lets everything run out: nothing may stay behind.
func (c *community) end() {
	c.t.Helper()
	for range 4 {
		c.clock.Advance(2 * time.Hour)
		c.run(horde.Expire{})
	}
	c.look()
	for _, u := range c.engine.Users() {
		if u.Held != 0 {
			c.t.Errorf("%s is still held from %s after everything ended", u.Held, u.Alias())
		}
		if left := c.engine.RequestsOf(u.ID); len(left) != 0 {
			c.t.Errorf("%d requests of %s outlived their time", len(left), u.Alias())
		}
	}
	if p := c.engine.Performance(); p.QueuedRequests != 0 || p.QueuedThings != 0 || p.QueuedTexts != 0 || p.QueuedTokens != 0 || p.QueuedForms != 0 {
		c.t.Errorf("this is queued by nobody: %+v", p)
	}
}
