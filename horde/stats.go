// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"math"
	"sort"
	"time"
)

// Performance sums up the horde: what dreamers have to do first, then what scribes and alchemists have.
type Performance struct {
	QueuedRequests   int // images waiting and in flight
	QueuedThings     int64
	Workers, Threads int
	PastMinuteThings int64

	QueuedTexts          int // texts waiting and in flight
	QueuedTokens         int64
	Scribes, TextThreads int
	PastMinuteTokens     int64

	QueuedForms                  int // forms waiting and in flight
	Alchemists, AlchemistThreads int
}

// Performance reads the sums.
func (s *State) Performance(now time.Time) Performance {
	p := Performance{
		QueuedRequests: s.queued[imageLane].jobs, QueuedThings: s.queued[imageLane].things,
		PastMinuteThings: s.delivered[imageLane].lastMinute(now),
		QueuedTexts:      s.queued[textLane].jobs, QueuedTokens: s.queued[textLane].things,
		PastMinuteTokens: s.delivered[textLane].lastMinute(now),
	}
	for _, g := range s.generations {
		switch {
		case g.State != GenerationProcessing:
		case g.request.Text != nil:
			p.QueuedTexts++
			p.QueuedTokens += g.request.Things()
		default:
			p.QueuedRequests++
			p.QueuedThings += g.request.Things()
		}
	}
	p.QueuedForms = s.lab.open
	for _, w := range s.workers {
		if !w.Online(now) {
			continue
		}
		switch w.Type {
		case Dreamer:
			p.Workers++
			p.Threads += w.Offer.Threads
		case Scribe:
			p.Scribes++
			p.TextThreads += w.Offer.Threads
		case Alchemist:
			p.Alchemists++
			p.AlchemistThreads += w.Offer.Threads
		}
	}
	return p
}

// ModelStatus is how one model is doing.
type ModelStatus struct {
	Name    string
	Threads int
	Speed   float64 // mean, pixelsteps or tokens per second of one thread
	Queued  int64   // pixelsteps or tokens waiting
	Jobs    int     // generations waiting
	Working int     // generations that workers have
	ETA     int     // seconds
}

// etaUnserved is reported for a model that requests wait for and nobody serves.
const etaUnserved = 10_000

// Models lists every model that a worker of a type serves or a request of that kind waits for, by name.
func (s *State) Models(kind WorkerType, now time.Time) []ModelStatus {
	byName := make(map[string]*ModelStatus)
	samples := make(map[string]int)
	get := func(name string) *ModelStatus {
		m := byName[name]
		if m == nil {
			m = &ModelStatus{Name: name}
			byName[name] = m
		}
		return m
	}
	for _, w := range s.workers {
		if w.Type != kind || !w.Online(now) || w.Maintenance { // paused ones count: nobody is told that they are
			continue
		}
		for _, name := range w.Offer.Models {
			m := get(name)
			m.Threads += w.Offer.Threads
			m.Speed += w.speed
			samples[name]++
		}
	}
	listed := func(name string) bool {
		return byName[name] != nil || s.known[name] || len(s.known) == 0 || kind == Scribe
	}
	for name, l := range s.load[laneOf(kind)] {
		if listed(name) {
			m := get(name)
			m.Queued, m.Jobs = l.things, l.jobs
		}
	}
	for _, g := range s.generations {
		if g.State == GenerationProcessing && g.request.Kind == kind && listed(g.Model) {
			get(g.Model).Working++
		}
	}
	out := make([]ModelStatus, 0, len(byName))
	for name, m := range byName {
		if n := samples[name]; n > 0 {
			m.Speed = math.Round(m.Speed/float64(n)*10) / 10
		}
		switch {
		case m.Jobs == 0:
		case m.Threads == 0:
			m.ETA = etaUnserved
		default:
			m.ETA = int(float64(m.Queued) / max(1, m.Speed*float64(m.Threads)))
		}
		out = append(out, *m)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// minuteSum adds up what happened in the last minute, in one slot per second.
type minuteSum struct {
	slots [60]int64
	at    [60]int64
}

func (m *minuteSum) add(now time.Time, n int64) {
	sec := now.Unix()
	i := sec % 60
	if m.at[i] != sec {
		m.at[i], m.slots[i] = sec, 0
	}
	m.slots[i] += n
}

func (m *minuteSum) lastMinute(now time.Time) int64 {
	var sum int64
	for i, at := range m.at {
		if now.Unix()-at < 60 {
			sum += m.slots[i]
		}
	}
	return sum
}
