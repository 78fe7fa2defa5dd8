// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"math"
	"sort"
	"time"
)

// Performance sums up the horde.
type Performance struct {
	QueuedRequests   int // images waiting and in flight
	QueuedThings     int64
	Workers, Threads int
	PastMinuteThings int64

	Text, Alchemy Work
}

// Work sums up what is asked for besides images, and who does it.
type Work struct {
	Queued, Things   int64 // waiting and in flight: requests and their tokens, or forms
	Workers, Threads int
	PastMinuteThings int64
}

// Performance reads the sums.
func (s *State) Performance(now time.Time) Performance {
	p := Performance{QueuedRequests: s.queuedImages, QueuedThings: s.queuedThings, PastMinuteThings: s.delivered.lastMinute(now)}
	for _, g := range s.generations {
		if g.State == GenerationProcessing {
			p.QueuedRequests++
			p.QueuedThings += g.request.Image.Things()
		}
	}
	p.Text.PastMinuteThings = s.recent[StatText].things.lastMinute(now)
	p.Alchemy.PastMinuteThings = s.recent[StatAlchemy].things.lastMinute(now)
	for _, w := range s.workers {
		if !w.Online(now) {
			continue
		}
		workers, threads := &p.Workers, &p.Threads
		switch w.Type.kind() {
		case StatText:
			workers, threads = &p.Text.Workers, &p.Text.Threads
		case StatAlchemy:
			workers, threads = &p.Alchemy.Workers, &p.Alchemy.Threads
		default:
		}
		*workers++
		*threads += w.Offer.Threads
	}
	return p
}

// ModelStatus is how one model is doing.
type ModelStatus struct {
	Kind    StatKind
	Name    string
	Threads int
	Speed   float64 // mean, pixelsteps or tokens per second of one thread
	Queued  int64   // pixelsteps or tokens waiting
	Jobs    int     // images or texts waiting
	ETA     int     // seconds
}

// etaUnserved is reported for a model that requests wait for and nobody serves.
const etaUnserved = 10_000

// Models lists every model that a worker serves or a request waits for, by name.
func (s *State) Models(now time.Time) []ModelStatus {
	type model struct {
		kind StatKind
		name string
	}
	byName := make(map[model]*ModelStatus)
	samples := make(map[model]int)
	get := func(key model) *ModelStatus {
		m := byName[key]
		if m == nil {
			m = &ModelStatus{Kind: key.kind, Name: key.name}
			byName[key] = m
		}
		return m
	}
	for _, w := range s.workers {
		if !w.Online(now) || w.Paused || w.Maintenance {
			continue
		}
		for _, name := range w.Offer.Models {
			key := model{w.Type.kind(), name}
			m := get(key)
			m.Threads += w.Offer.Threads
			m.Speed += w.speed
			samples[key]++
		}
	}
	for name, l := range s.load {
		key := model{StatImage, name}
		if byName[key] != nil || s.known[name] || len(s.known) == 0 {
			m := get(key)
			m.Queued, m.Jobs = l.things, l.images
		}
	}
	out := make([]ModelStatus, 0, len(byName))
	for key, m := range byName {
		if n := samples[key]; n > 0 {
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
	sort.Slice(out, func(i, j int) bool {
		if out[i].Kind != out[j].Kind {
			return out[i].Kind < out[j].Kind
		}
		return out[i].Name < out[j].Name
	})
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
