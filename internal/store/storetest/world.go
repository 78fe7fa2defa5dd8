// SPDX-License-Identifier: AGPL-3.0-or-later

package storetest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/horde/origin"
)

// World is a horde that lives through random operations. The same seed gives the same life, so a batch that a killed
// process committed can be made again and compared.
type World struct {
	State *horde.State
	// Rows is what a store should hold after all batches so far.
	Rows *Rows

	rng     *rand.Rand
	now     time.Time
	keys    int
	users   []horde.UserID
	workers []horde.WorkerID
	work    []job
	live    []horde.RequestID
}

// job is a generation that somebody is at.
type job struct {
	owner horde.UserID
	id    horde.GenerationID
}

// NewWorld starts an empty horde on the day the house was planned.
func NewWorld(seed uint64) (*World, error) {
	state, err := horde.NewState(settings(), &horde.Snapshot{})
	if err != nil {
		return nil, fmt.Errorf("start a world: %w", err)
	}
	return &World{
		State: state, Rows: NewRows(), rng: rand.New(rand.NewPCG(seed, 1)), //nolint:gosec // a life that can be repeated
		now: time.Date(2026, time.November, 21, 9, 0, 0, 123456000, time.UTC),
	}, nil
}

func settings() horde.Settings {
	return horde.Settings{AnonymousAllowed: true, TransfersAllowed: true}
}

// UUID implements horde.IDSource.
func (w *World) UUID() (u horde.UUID) {
	binary.BigEndian.PutUint64(u[:8], w.rng.Uint64())
	binary.BigEndian.PutUint64(u[8:], w.rng.Uint64())
	return u
}

// Uint32 implements horde.IDSource.
func (w *World) Uint32() uint32 { return w.rng.Uint32() }

// Live runs n operations and returns the batch they make. A refusal is a part of life; anything else is an error.
func (w *World) Live(n int) (*horde.Batch, error) {
	w.now = w.now.Add(time.Duration(w.rng.IntN(20_000)) * time.Millisecond)
	if w.rng.IntN(25) == 0 {
		w.now = w.now.Add(25 * time.Minute) // requests expire, workers go away
	}
	c := horde.NewChange(w.now, w)
	for range n {
		err := w.step(c)
		if _, refused := errors.AsType[*horde.Error](err); err != nil && !refused {
			return nil, err
		}
	}
	b, _, err := c.Cut(w.State)
	if err != nil {
		panic(err) // documents of the rules can be written
	}
	w.Rows.Apply(b)
	return b, nil
}

func (w *World) step(c *horde.Change) error {
	if len(w.users) < 3 {
		return w.join(c)
	}
	switch k := w.rng.IntN(100); {
	case k < 4:
		return w.join(c)
	case k < 30:
		return w.enqueue(c)
	case k < 55:
		return w.pop(c)
	case k < 80:
		return w.submit(c)
	case k < 84 && len(w.live) > 0:
		_, err := horde.Apply(w.State, c, horde.Cancel{Request: pick(w.rng, w.live)})
		return err
	case k < 90:
		gift := horde.Transfer{From: pick(w.rng, w.users), To: pick(w.rng, w.users), Amount: kudos.Amount(1 + w.rng.IntN(500))}
		if w.rng.IntN(2) == 0 {
			gift.Key = fmt.Sprintf("emoji:%d:🍎", w.rng.IntN(1000))
			if e, used := w.Rows.keys[gift.Key]; used { // doors ask the store
				gift.Prior = &e
			}
		}
		_, err := horde.Apply(w.State, c, gift)
		return err
	case k < 93:
		return w.operate(c)
	case k < 96 && len(w.workers) > 0:
		info := fmt.Sprintf("made of %d parts", w.rng.IntN(100))
		rest := w.rng.IntN(5) == 0
		worker, _ := w.State.Worker(pick(w.rng, w.workers))
		_, err := horde.Apply(w.State, c, horde.SetWorker{Worker: worker.ID, By: worker.Owner, Info: &info, Maintenance: &rest, Reason: "rest"})
		return err
	case k < 97:
		_, err := horde.Apply(w.State, c, horde.SetModes{Modes: horde.Modes{Raid: w.rng.IntN(2) == 0, InviteOnly: w.rng.IntN(9) == 0}})
		return err
	}
	_, err := horde.Apply(w.State, c, horde.Expire{})
	return err
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

func (w *World) join(c *horde.Change) error {
	external := fmt.Sprintf("d_%d", 100+len(w.users))
	switch {
	case len(w.users) == 0:
		external = horde.ExternalAnonymous
	case w.rng.IntN(3) == 0:
		external = w.UUID().String()
	}
	u, err := horde.Apply(w.State, c, horde.CreateUser{
		External: external, Name: fmt.Sprintf("Zoë %d", len(w.users)), Key: w.key(), Welcome: kudos.Whole(int64(w.rng.IntN(200))),
	})
	if err == nil {
		w.users = append(w.users, u.ID)
	}
	return err
}

func (w *World) key() (k horde.KeyHash) {
	w.keys++
	binary.BigEndian.PutUint64(k[:], w.rng.Uint64())
	binary.BigEndian.PutUint64(k[8:], uint64(w.keys))
	return k
}

func (w *World) enqueue(c *horde.Change) error {
	side := func() int { return 64 * (1 + w.rng.IntN(16)) }
	n := horde.NewImage{
		User: pick(w.rng, w.users), Origin: origin.FromDiscord(uint64(w.rng.IntN(3)), w.rng.Uint64()), Client: "storetest:1:",
		Image: horde.Image{
			Prompt: "a red 🍎 ### \"blurry\"", Sampler: pick(w.rng, horde.Samplers()), CFG: 7.5, Width: side(), Height: side(),
			Steps: 1 + w.rng.IntN(40), Seed: pick(w.rng, []string{"", "7", "apple"}), Karras: w.rng.IntN(2) == 0,
		},
		N: 1 + w.rng.IntN(4), Models: pick(w.rng, [][]string{nil, {"small"}, {"small", "large"}}),
		SlowWorkers: w.rng.IntN(4) != 0, NSFW: w.rng.IntN(5) == 0, CensorNSFW: w.rng.IntN(2) == 0, AllowDowngrade: w.rng.IntN(2) == 0,
		Shared: w.rng.IntN(2) == 0,
	}
	if len(w.workers) > 0 && w.rng.IntN(6) == 0 {
		n.Workers, n.Exclude = []horde.WorkerID{pick(w.rng, w.workers)}, w.rng.IntN(2) == 0
	}
	if w.rng.IntN(8) == 0 {
		n.Image.Loras = []horde.Lora{{Name: "ink", Model: 0.8, Clip: 1}}
		n.Image.Post = []string{"GFPGAN"}
	}
	got, err := horde.Apply(w.State, c, horde.Enqueue{NewImage: n})
	if err == nil {
		w.live = append(w.live, got.ID)
	}
	return err
}

func (w *World) pop(c *horde.Change) error {
	owner := pick(w.rng, w.users)
	got, err := horde.Apply(w.State, c, horde.Pop{
		Owner: owner, Origin: origin.FromAddr(netip.AddrFrom4([4]byte{192, 0, 2, byte(owner)})),
		Offer: horde.Offer{
			Name: fmt.Sprintf("dream %d", owner), Models: []string{"small", "large"}, BridgeAgent: "AI Horde Worker reGen:14:x",
			Threads: 1, MaxPixels: 1024 * 1024, Img2Img: true, Lora: true, Post: true, NSFW: w.rng.IntN(4) != 0, Blacklist: []string{"fly"},
		},
		Amount: 1 + w.rng.IntN(3),
	})
	if err != nil {
		return err
	}
	for _, id := range got.Generations {
		w.work = append(w.work, job{owner, id})
	}
	if !slices.Contains(w.workers, got.Worker) {
		w.workers = append(w.workers, got.Worker)
	}
	return nil
}

func (w *World) submit(c *horde.Change) error {
	if len(w.work) == 0 {
		return nil
	}
	i := w.rng.IntN(len(w.work))
	j := w.work[i]
	w.work[i] = w.work[len(w.work)-1]
	w.work = w.work[:len(w.work)-1]
	op := horde.Submit{Owner: j.owner, Generation: j.id, Blob: "images/" + j.id.String() + ".webp"}
	switch w.rng.IntN(8) {
	case 0:
		op.Faulted = true
	case 1:
		op.Meta = []horde.Meta{{Type: "censorship", Value: "csam"}}
	case 2:
		op.Seed, op.HasSeed = w.rng.Uint32(), true
	}
	_, err := horde.Apply(w.State, c, op)
	return err
}

// operate does what an operator does to accounts.
func (w *World) operate(c *horde.Change) error {
	u := pick(w.rng, w.users)
	switch w.rng.IntN(3) {
	case 0:
		_, err := horde.Apply(w.State, c, horde.SetKey{User: u, Key: w.key()})
		return err
	case 1:
		_, err := horde.Apply(w.State, c, horde.SetUser{User: u, Grant: horde.RoleTrusted})
		return err
	}
	w.keys++
	limit := w.rng.IntN(500)
	_, err := horde.Apply(w.State, c, horde.SetUser{
		User: u, Award: kudos.Amount(w.rng.IntN(20_000) - 5_000), AwardKey: strconv.Itoa(w.keys), Concurrency: &limit,
	})
	return err
}
