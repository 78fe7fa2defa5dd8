// SPDX-License-Identifier: AGPL-3.0-or-later

package horde_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"stablemate/horde"
)

// BenchmarkPop measures finding and handing out the best request with k offered models while n wait, and
// putting another in its place. Its cost should not depend on n.
func BenchmarkPop(b *testing.B) {
	for _, n := range []int{3_000, 100_000} {
		for _, k := range []int{1, 30} {
			b.Run(fmt.Sprintf("waiting=%d/models=%d", n, k), func(b *testing.B) { benchPop(b, n, k) })
		}
	}
}

func benchPop(b *testing.B, waiting, offered int) {
	b.Helper()
	r := rand.New(rand.NewPCG(3, 4))
	s, err := horde.NewState(horde.Settings{AnonymousAllowed: true}, &horde.Snapshot{})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	source := &ids{r}
	c := horde.NewChange(now, source)
	must := func(_ any, err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	concurrency := 500
	people := make([]horde.UserID, waiting/400+2)
	for i := range people {
		u, err := horde.Apply(s, c, horde.CreateUser{External: fmt.Sprint("d_", i), Name: "u", Key: horde.KeyHash{byte(i), byte(i >> 8), 1}})
		must(u, err)
		people[i] = u.ID
		must(horde.Apply(s, c, horde.SetUser{User: u.ID, Concurrency: &concurrency}))
	}
	model := func(i int) string { return fmt.Sprintf("model %d", i) }
	enqueue := func(m string) {
		n := apple(people[r.IntN(len(people)-1)])
		n.Models = []string{m}
		n.Image.Width = 64 * (1 + r.IntN(8))
		n.Image.Height = 64 * (1 + r.IntN(8))
		n.NSFW = r.IntN(2) == 0
		for {
			n.User = people[r.IntN(len(people)-1)]
			if _, err := horde.Apply(s, c, horde.Enqueue{NewImage: n}); err == nil {
				return
			}
		}
	}
	for range waiting {
		enqueue(model(r.IntN(1 + r.IntN(200))))
		if c.Writes() > 10_000 {
			c = horde.NewChange(now, source)
		}
	}
	o := horde.Offer{Name: "gpu", BridgeAgent: "Stablemate:1:x", NSFW: true, MaxPixels: 1 << 20, Threads: 1}
	for i := range offered {
		o.Models = append(o.Models, model(i))
	}
	owner := people[len(people)-1]
	b.ResetTimer()
	for b.Loop() {
		job, err := horde.Apply(s, c, horde.Pop{Owner: owner, Offer: o, Amount: 1})
		must(job, err)
		if len(job.Generations) != 1 {
			b.Fatal("nothing to pop")
		}
		must(horde.Apply(s, c, horde.Submit{Owner: owner, Generation: job.Generations[0], Blob: "x"}))
		b.StopTimer()
		enqueue(job.Model)
		c = horde.NewChange(now.Add(time.Duration(b.N)), source)
		b.StartTimer()
	}
}
