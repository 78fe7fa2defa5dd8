// SPDX-License-Identifier: AGPL-3.0-or-later

package store_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/horde/origin"
	"stablemate/internal/pgtest"
	"stablemate/internal/store"
	"stablemate/internal/store/storetest"
)

// BenchmarkCommit writes groups as the engine gathers them from 256 callers: in each, 32 requests enter, 32 that entered
// before are popped and 32 that were popped before are delivered. x_fdatasync is how many of these durable operations are
// done in the time of one 4 KiB fdatasync on the same disk, measured in the same run.
func BenchmarkCommit(b *testing.B) {
	for _, e := range []struct {
		name  string
		fresh func(testing.TB) store.Options
	}{{"sqlite", diskSQLite}, {"postgres", durablePostgres}} {
		b.Run(e.name, func(b *testing.B) {
			for _, size := range []int{1, 32, 128} {
				b.Run(fmt.Sprintf("group=%d", size), func(b *testing.B) { benchmarkCommit(b, e.fresh(b), size) })
			}
		})
	}
}

func benchmarkCommit(b *testing.B, opts store.Options, size int) {
	b.Helper()
	s, term := storetest.Lead(b, opts)
	m := newMill(b, size, 64)
	commit := func(batch *horde.Batch) {
		term.Seq++
		if err := s.Commit(b.Context(), term, batch); err != nil {
			b.Fatal(err)
		}
	}
	for range 3 {
		commit(m.turn(b))
	}
	batches := make([]*horde.Batch, b.N)
	for i := range batches {
		batches[i] = m.turn(b)
	}
	disk := newProbe(b)
	cpu := -processCPU(b)
	b.ResetTimer()
	for i, batch := range batches {
		if i%50 == 0 { // beside each other, since a shared disk has its moods
			b.StopTimer()
			cpu += processCPU(b)
			disk.write(b, 100)
			cpu -= processCPU(b)
			b.StartTimer()
		}
		commit(batch)
	}
	b.StopTimer()
	cpu += processCPU(b)
	perSecond := float64(3*size*b.N) / b.Elapsed().Seconds()
	limit := disk.perSecond()
	b.ReportMetric(limit, "fdatasync/s")
	b.ReportMetric(perSecond, "ops/s")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/limit, "commits_x_fdatasync")
	b.ReportMetric(perSecond/limit, "x_fdatasync")
	b.ReportMetric(float64(cpu.Microseconds())/float64(3*size*b.N), "cpu_us/op")
}

// BenchmarkLoad reads 100,000 waiting requests.
func BenchmarkLoad(b *testing.B) {
	for _, e := range []struct {
		name  string
		fresh func(testing.TB) store.Options
	}{{"sqlite", diskSQLite}, {"postgres", durablePostgres}} {
		b.Run(e.name, func(b *testing.B) {
			s, term := storetest.Lead(b, e.fresh(b))
			m := newMill(b, 1000, 300)
			for range 100 {
				m.enqueue(b)
				term.Seq++
				if err := s.Commit(b.Context(), term, m.cut()); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				snap, err := s.Load(b.Context(), time.Time{})
				if err != nil || len(snap.Requests) != 100_000 {
					b.Fatalf("Load: %d requests, %v", len(snap.Requests), err)
				}
			}
		})
	}
}

func diskSQLite(tb testing.TB) store.Options {
	tb.Helper()
	return store.Options{Engine: store.SQLite, Path: filepath.Join(tb.TempDir(), "horde.db")}
}

func durablePostgres(tb testing.TB) store.Options {
	tb.Helper()
	c, err := pgtest.Start(pgtest.Options{Durable: true})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Stop)
	return store.Options{Engine: store.Postgres, URL: c.URL("postgres")}
}

// probe measures 4 KiB overwrites, each with an fdatasync.
type probe struct {
	file  *os.File
	page  [4096]byte
	n     int
	spent time.Duration
}

func newProbe(tb testing.TB) *probe {
	tb.Helper()
	f, err := os.Create(filepath.Join(tb.TempDir(), "probe"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	p := &probe{file: f}
	p.write(tb, 32) // the file has its size from here on
	p.n, p.spent = 0, 0
	return p
}

func (p *probe) write(tb testing.TB, n int) {
	tb.Helper()
	start := time.Now()
	for i := range n {
		if _, err := p.file.WriteAt(p.page[:], int64(i%16)*int64(len(p.page))); err != nil {
			tb.Fatal(err)
		}
		if err := syscall.Fdatasync(int(p.file.Fd())); err != nil {
			tb.Fatal(err)
		}
	}
	p.n, p.spent = p.n+n, p.spent+time.Since(start)
}

func (p *probe) perSecond() float64 { return float64(p.n) / p.spent.Seconds() }

func processCPU(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// mill is a horde in a steady flow: people ask, 16 workers deliver.
type mill struct {
	state   *horde.State
	change  *horde.Change
	size    int
	now     time.Time
	ids     uint64
	next    int
	users   []horde.UserID
	offers  []horde.Offer
	working []work
}

type work struct {
	owner horde.UserID
	id    horde.GenerationID
}

// UUID counts in the order of time, as the product's identifiers do.
func (m *mill) UUID() (u horde.UUID) {
	m.ids++
	binary.BigEndian.PutUint64(u[:8], m.ids)
	binary.BigEndian.PutUint64(u[8:], m.ids*0x9e3779b97f4a7c15)
	return u
}

func (m *mill) Uint32() uint32 { return uint32(m.UUID()[9]) }

func newMill(tb testing.TB, size, people int) *mill {
	tb.Helper()
	state, err := horde.NewState(horde.Settings{AnonymousAllowed: true}, &horde.Snapshot{})
	if err != nil {
		tb.Fatal(err)
	}
	m := &mill{state: state, size: size, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	m.change = horde.NewChange(m.now, m)
	limit := 500
	for i := range people + 1 {
		u, err := horde.Apply(m.state, m.change, horde.CreateUser{
			External: fmt.Sprintf("d_%d", i), Name: fmt.Sprintf("person %d", i), Key: horde.KeyHash{1, byte(i), byte(i >> 8)},
			Welcome: kudos.Whole(1_000_000), Roles: horde.RoleTrusted,
		})
		if err != nil {
			tb.Fatal(err)
		}
		if i == 0 {
			continue // account 0 is nobody's
		}
		if _, err := horde.Apply(m.state, m.change, horde.SetUser{User: u.ID, Concurrency: &limit}); err != nil {
			tb.Fatal(err)
		}
		m.users = append(m.users, u.ID)
	}
	for i := range 16 {
		m.offers = append(m.offers, horde.Offer{
			Name: fmt.Sprintf("dream %d", i), Models: []string{"small"}, BridgeAgent: "AI Horde Worker reGen:14:x", Threads: 1, MaxPixels: 1 << 20,
		})
	}
	return m
}

func (m *mill) cut() *horde.Batch {
	batch, _, err := m.change.Cut(m.state)
	if err != nil {
		panic(err) // documents of the rules can be written
	}
	m.now = m.now.Add(10 * time.Millisecond)
	m.change = horde.NewChange(m.now, m)
	return batch
}

func (m *mill) enqueue(tb testing.TB) {
	tb.Helper()
	for range m.size {
		m.next++
		user := m.users[m.next%len(m.users)]
		_, err := horde.Apply(m.state, m.change, horde.Enqueue{NewImage: horde.NewImage{
			User: user, Origin: origin.FromAddr(netip.AddrFrom4([4]byte{192, 0, 2, byte(user)})), Client: "bench:1:",
			Image: horde.Image{
				Prompt:  "a lighthouse on a cliff at dawn, long exposure, soft light, highly detailed ### blurry, low quality, watermark",
				Sampler: "k_euler_a", CFG: 7, Width: 512, Height: 512, Steps: 20, Karras: true,
			},
			N: 1, Models: []string{"small"}, SlowWorkers: true, R2: true,
		}})
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// turn is one group: size enqueues, pops and submits.
func (m *mill) turn(tb testing.TB) *horde.Batch {
	tb.Helper()
	for _, w := range m.working {
		op := horde.Submit{Owner: w.owner, Generation: w.id, Blob: "images/" + w.id.String() + ".webp"}
		if _, err := horde.Apply(m.state, m.change, op); err != nil {
			tb.Fatal(err)
		}
	}
	m.working = m.working[:0]
	for i := range m.size {
		owner := m.users[i%len(m.offers)]
		got, err := horde.Apply(m.state, m.change, horde.Pop{Owner: owner, Offer: m.offers[i%len(m.offers)], Amount: 1})
		if err != nil {
			tb.Fatal(err)
		}
		for _, id := range got.Generations {
			m.working = append(m.working, work{owner, id})
		}
	}
	m.enqueue(tb)
	return m.cut()
}
