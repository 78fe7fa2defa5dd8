// SPDX-License-Identifier: AGPL-3.0-or-later

package horde_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stablemate/horde"
)

// maker delivers images to a horde and keeps the documents it writes, as a store would.
type maker struct {
	t       *testing.T
	state   *horde.State
	ids     horde.IDSource
	now     time.Time
	records map[horde.RecordKind]map[string]horde.Record
	rows    int // documents written, as often as they were
}

func newMaker(t *testing.T) *maker {
	t.Helper()
	m := &maker{
		t: t, ids: &ids{rand.New(rand.NewPCG(1, 2))}, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC),
		records: make(map[horde.RecordKind]map[string]horde.Record),
	}
	m.restart()
	return m
}

// restart forgets everything but the documents.
func (m *maker) restart() {
	m.t.Helper()
	snap := &horde.Snapshot{}
	for _, kind := range m.records {
		for _, r := range kind {
			snap.Records = append(snap.Records, r)
		}
	}
	var err error
	if m.state, err = horde.NewState(horde.Settings{AnonymousAllowed: true}, snap); err != nil {
		m.t.Fatal(err)
	}
	for i, name := range []string{"asker", "owner"} {
		op := horde.CreateUser{External: name, Name: name, Key: horde.KeyHash{byte(i + 1)}, Roles: horde.RoleTrusted, Welcome: 1 << 30}
		commit(m, op)
	}
}

// commit applies operations as one group.
func commit[R any](m *maker, ops ...horde.Op[R]) (out []R) {
	m.t.Helper()
	c := horde.NewChange(m.now, m.ids)
	for _, op := range ops {
		r, err := horde.Apply(m.state, c, op)
		if err != nil {
			m.t.Fatalf("%T: %v", op, err)
		}
		out = append(out, r)
	}
	b, _, err := c.Cut(m.state)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, r := range b.Records {
		if m.records[r.Kind] == nil {
			m.records[r.Kind] = make(map[string]horde.Record)
		}
		m.records[r.Kind][r.ID] = r
		m.rows++
	}
	return out
}

// images delivers n images of a model, each of 64 × 64 pixels and 10 steps, in one group.
func (m *maker) images(model string, n int) {
	m.t.Helper()
	owner := m.state.Users()[1].ID
	var submits []horde.Op[horde.Receipt]
	for range n {
		commit(m, horde.Op[horde.Enqueued](horde.Enqueue{NewImage: horde.NewImage{
			User: m.state.Users()[0].ID, N: 1, SlowWorkers: true, R2: true, Models: []string{model},
			Image: horde.Image{Prompt: "hay", Sampler: "k_heun", CFG: 5, Width: 64, Height: 64, Steps: 10},
		}}))
		job := commit(m, horde.Op[horde.Job](horde.Pop{Owner: owner, Amount: 1, Offer: horde.Offer{
			Name: "w", Models: []string{model}, BridgeAgent: "Stablemate:1:x", MaxPixels: 1 << 20, Threads: 1,
		}}))[0]
		submits = append(submits, horde.Submit{Owner: owner, Generation: job.Generations[0], Blob: "x"})
	}
	commit(m, submits...)
}

func (m *maker) counts() [5]int64 {
	t := m.state.Statistics(m.now).Totals(horde.StatImage)
	return [5]int64{t.Minute.Count, t.Hour.Count, t.Day.Count, t.Month.Count, t.Total.Count}
}

func TestStatisticsRollUpAndSurviveARestartAtAnyMoment(t *testing.T) {
	t.Parallel()
	for _, restarts := range []bool{false, true} {
		t.Run(fmt.Sprintf("restarts %v", restarts), func(t *testing.T) {
			t.Parallel()
			m := newMaker(t)
			check := func(what string, want [5]int64) {
				t.Helper()
				if restarts {
					m.restart()
				}
				if got := m.counts(); got != want {
					t.Errorf("%s: minute, hour, day, month, total are %v, want %v", what, got, want)
				}
			}
			check("nothing yet", [5]int64{})
			m.images("aaa", 3)
			check("three images", [5]int64{3, 3, 3, 3, 3})
			if got := m.state.Statistics(m.now).Totals(horde.StatImage).Total.Things; got != 3*64*64*10 {
				t.Errorf("pixelsteps are %d, counted by the steps that were asked for", got)
			}
			m.now = m.now.Add(2 * time.Minute)
			check("two minutes later", [5]int64{0, 3, 3, 3, 3})
			m.images("bbb", 2)
			check("two more", [5]int64{2, 5, 5, 5, 5})
			m.now = m.now.Add(time.Hour)
			check("an hour later", [5]int64{0, 0, 5, 5, 5})
			m.images("aaa", 1)
			m.now = m.now.Add(24 * time.Hour)
			check("a day later", [5]int64{0, 0, 0, 6, 6})
			m.images("ccc", 1)
			check("one of a third model", [5]int64{1, 1, 1, 7, 7})
			models := m.state.Statistics(m.now).Models(horde.StatImage)
			want := horde.StatModels{
				Day: map[string]int64{"ccc": 1}, Month: map[string]int64{"aaa": 4, "bbb": 2, "ccc": 1}, Total: map[string]int64{"aaa": 4, "bbb": 2, "ccc": 1},
			}
			if diff := cmp.Diff(want, models); diff != "" {
				t.Errorf("models (-want +got):\n%s", diff)
			}
			m.now = m.now.Add(31 * 24 * time.Hour)
			check("a month later", [5]int64{0, 0, 0, 0, 7})
			m.images("aaa", 1)
			check("one more", [5]int64{1, 1, 1, 1, 8})
			m.now = m.now.Add(-time.Hour) // the machine's clock was set back
			m.images("aaa", 1)
			if got := m.counts(); got[4] != 9 || got[1] != 2 {
				t.Errorf("after the clock went back the counts are %v", got)
			}
		})
	}
}

func TestAMonthOfStatisticsTakesABoundedNumberOfPages(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	for range 400 {
		m.images("aaa", 1)
		m.now = m.now.Add(3 * time.Hour)
	}
	for range 100 {
		m.images("aaa", 1)
		m.now = m.now.Add(time.Minute)
	}
	if n := len(m.records["stats"]); n > 60+24+30+2 {
		t.Errorf("%d pages are kept", n)
	}
	series := m.state.Statistics(m.now).Series(horde.StatImage, horde.LastHour)
	sum := int64(0)
	for _, p := range series {
		sum += p.Count
	}
	if len(series) != 60 || sum != 59 || series[59].At.After(m.now) || series[59].Count != 0 {
		t.Errorf("the last hour has %d steps with %d images and ends with %+v", len(series), sum, series[59])
	}
	days := m.state.Statistics(m.now).Series(horde.StatImage, horde.LastMonth)
	if len(days) != 30 || days[10].Count != 8 {
		t.Errorf("the last month has %d days, one with %d images", len(days), days[10].Count)
	}
}

func TestAGroupOfDeliveriesWritesOnePage(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	m.images("aaa", 1)
	before := m.rows
	m.images("aaa", 20)
	if got := m.rows - before; got != 1 {
		t.Errorf("twenty deliveries in one commit wrote %d pages", got)
	}
}
