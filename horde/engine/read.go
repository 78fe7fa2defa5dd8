// SPDX-License-Identifier: AGPL-3.0-or-later

package engine

import (
	"context"
	"fmt"
	"time"

	"stablemate/horde"
)

// places is the order of the queue at a moment.
type places struct {
	at     time.Time
	of     map[horde.RequestID]horde.Place
	count  map[horde.WorkerType]int
	fleets map[horde.WorkerType]horde.Fleet
}

// place looks a request up in the last known order; what came later stands behind it. The caller holds
// mu for reading.
func (p *places) place(id horde.RequestID, kind horde.WorkerType) horde.Place {
	if at, ok := p.of[id]; ok {
		return at
	}
	return horde.Place{Position: p.count[kind] + 1, Jobs: 1, Fleet: p.fleets[kind]}
}

// order returns queue places that are fresh enough: a long queue is sorted at most once a second, a short
// one as often as somebody asks.
func (e *Engine) order(now time.Time) *places {
	p := e.places.Load()
	e.mu.RLock()
	length := e.state.QueueLength()
	e.mu.RUnlock()
	fresh := min(placesFresh, max(placesLeast, time.Duration(length)*perEntryFresh))
	if p != nil && (now.Sub(p.at) < fresh || length > 0 && e.sorting.Load()) {
		return p
	}
	if !e.sorting.CompareAndSwap(false, true) && p != nil {
		return p
	}
	defer e.sorting.Store(false)
	e.mu.RLock()
	waiting := e.state.Waiting()
	fleets := map[horde.WorkerType]horde.Fleet{
		horde.Dreamer: e.state.Fleet(horde.Dreamer, now), horde.Scribe: e.state.Fleet(horde.Scribe, now),
	}
	e.mu.RUnlock()
	p = &places{at: now, count: make(map[horde.WorkerType]int, len(fleets)), fleets: fleets}
	for i := range waiting {
		p.count[waiting[i].Kind]++
	}
	p.of = horde.Places(waiting, fleets)
	e.places.Store(p)
	return p
}

// Check reads how far a request is.
func (e *Engine) Check(id horde.RequestID) (horde.Progress, error) {
	now := e.opts.Now()
	order := e.order(now)
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.down {
		return horde.Progress{}, ErrUnavailable
	}
	p, ok := e.state.Check(id, now, order.place)
	if !ok {
		return p, notFound(id)
	}
	return p, nil
}

// Status reads a request with its delivered generations.
func (e *Engine) Status(id horde.RequestID) (horde.Status, error) {
	now := e.opts.Now()
	order := e.order(now)
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.down {
		return horde.Status{}, ErrUnavailable
	}
	st, ok := e.state.Status(id, now, order.place)
	if !ok {
		return st, notFound(id)
	}
	return st, nil
}

func notFound(id horde.RequestID) error {
	return horde.Refuse(horde.CodeRequestNotFound, "Request with ID '%s' not found.", id)
}

// read runs f on the state under the lock; what f returns must be a copy.
func read[T any](e *Engine, f func(*horde.State) (T, bool)) (T, bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return f(e.state)
}

// User reads an account.
func (e *Engine) User(id horde.UserID) (horde.User, bool) {
	return read(e, func(s *horde.State) (horde.User, bool) { return s.User(id) })
}

// UserByKey finds the account of a hashed key.
func (e *Engine) UserByKey(k horde.KeyHash) (horde.User, bool) {
	return read(e, func(s *horde.State) (horde.User, bool) { return s.UserByKey(k) })
}

// UserByExternal finds the account of an identity such as "d_<Discord id>".
func (e *Engine) UserByExternal(external string) (horde.User, bool) {
	return read(e, func(s *horde.State) (horde.User, bool) { return s.UserByExternal(external) })
}

// Users lists all accounts by number.
func (e *Engine) Users() []horde.User {
	out, _ := read(e, func(s *horde.State) ([]horde.User, bool) { return s.Users(), true })
	return out
}

// Worker reads a worker.
func (e *Engine) Worker(id horde.WorkerID) (horde.Worker, bool) {
	return read(e, func(s *horde.State) (horde.Worker, bool) { return s.Worker(id) })
}

// WorkerByName finds a worker by its exact name.
func (e *Engine) WorkerByName(name string) (horde.Worker, bool) {
	return read(e, func(s *horde.State) (horde.Worker, bool) { return s.WorkerByName(name) })
}

// Workers lists workers by name: all, or those online.
func (e *Engine) Workers(onlineOnly bool) []horde.Worker {
	now := e.opts.Now()
	out, _ := read(e, func(s *horde.State) ([]horde.Worker, bool) { return s.Workers(now, onlineOnly), true })
	return out
}

// WorkersOf lists the workers of a person.
func (e *Engine) WorkersOf(u horde.UserID) []horde.WorkerID {
	out, _ := read(e, func(s *horde.State) ([]horde.WorkerID, bool) { return s.WorkersOf(u), true })
	return out
}

// Team reads a team without its members.
func (e *Engine) Team(id horde.TeamID) (horde.Team, bool) {
	return read(e, func(s *horde.State) (horde.Team, bool) { return s.Team(id) })
}

// TeamNamed finds a team by its name, whatever the case.
func (e *Engine) TeamNamed(name string) (horde.Team, bool) {
	return read(e, func(s *horde.State) (horde.Team, bool) { return s.TeamNamed(name) })
}

// TeamView reads a team with its members.
func (e *Engine) TeamView(id horde.TeamID) (horde.TeamView, bool) {
	now := e.opts.Now()
	return read(e, func(s *horde.State) (horde.TeamView, bool) { return s.TeamView(id, now) })
}

// Teams lists all teams with their members, those with the most kudos first.
func (e *Engine) Teams() []horde.TeamView {
	now := e.opts.Now()
	out, _ := read(e, func(s *horde.State) ([]horde.TeamView, bool) { return s.Teams(now), true })
	return out
}

// Message reads a message to workers.
func (e *Engine) Message(id horde.MessageID) (horde.Message, bool) {
	return read(e, func(s *horde.State) (horde.Message, bool) { return s.Message(id) })
}

// Messages lists messages to workers, newest first.
func (e *Engine) Messages(q horde.MessageQuery) []horde.Message {
	now := e.opts.Now()
	out, _ := read(e, func(s *horde.State) ([]horde.Message, bool) { return s.Messages(q, now), true })
	return out
}

// MessagesTo lists what is addressed to one worker and still active.
func (e *Engine) MessagesTo(id horde.WorkerID) []horde.Message {
	now := e.opts.Now()
	out, _ := read(e, func(s *horde.State) ([]horde.Message, bool) { return s.MessagesTo(id, now), true })
	return out
}

// RequestsOf lists the live requests of a person: all, or those of the given kinds.
func (e *Engine) RequestsOf(u horde.UserID, kinds ...horde.WorkerType) []horde.RequestID {
	out, _ := read(e, func(s *horde.State) ([]horde.RequestID, bool) { return s.RequestsOf(u, kinds...), true })
	return out
}

// Generation reads a generation, and who owns its worker.
func (e *Engine) Generation(id horde.GenerationID) (g horde.Generation, owner horde.UserID, ok bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.state.Generation(id)
}

// Performance sums up the horde.
func (e *Engine) Performance() horde.Performance {
	now := e.opts.Now()
	out, _ := read(e, func(s *horde.State) (horde.Performance, bool) { return s.Performance(now), true })
	return out
}

// Models lists how each model for images is doing.
func (e *Engine) Models() []horde.ModelStatus { return e.ModelsOf(horde.Dreamer) }

// ModelsOf lists how each model of dreamers or scribes is doing.
func (e *Engine) ModelsOf(kind horde.WorkerType) []horde.ModelStatus {
	now := e.opts.Now()
	out, _ := read(e, func(s *horde.State) ([]horde.ModelStatus, bool) { return s.Models(kind, now), true })
	return out
}

// Statistics is what the horde delivered, lately and ever.
func (e *Engine) Statistics() horde.Statistics {
	now := e.opts.Now()
	out, _ := read(e, func(s *horde.State) (horde.Statistics, bool) { return s.Statistics(now), true })
	return out
}

// Model is what the reference says about an image model. Of one that it lacks, the name tells what it can; known is false.
func (e *Engine) Model(name string) (m horde.Model, known bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.state.Model(name)
}

// Modes reads the switches of the whole horde.
func (e *Engine) Modes() horde.Modes {
	out, _ := read(e, func(s *horde.State) (horde.Modes, bool) { return s.Modes(), true })
	return out
}

// TransfersAllowed tells whether people may give kudos here.
func (e *Engine) TransfersAllowed() bool {
	_, ok := read(e, func(s *horde.State) (struct{}, bool) { return struct{}{}, s.TransfersAllowed() })
	return ok
}

// Transfer gives kudos. A gift with a key happens once for ever: keys older than what memory holds are
// looked up in the store first.
func (e *Engine) Transfer(ctx context.Context, op horde.Transfer) (horde.Transferred, error) {
	if len(op.Key) > horde.MaxIdempotencyKey {
		return horde.Transferred{}, horde.Refuse(horde.CodeBadRequest, "an idempotency key has at most %d bytes", horde.MaxIdempotencyKey)
	}
	if op.Key != "" {
		prior, err := e.store.LedgerEvent(ctx, op.Key)
		if err != nil {
			return horde.Transferred{}, fmt.Errorf("%w: look up gift: %w", ErrUnavailable, err)
		}
		op.Prior = prior
	}
	return Do(ctx, e, op)
}

// SetUser changes an account. An award with a key happens once for ever, like a gift.
func (e *Engine) SetUser(ctx context.Context, op horde.SetUser) (horde.User, error) {
	if op.Award != 0 {
		prior, err := e.store.LedgerEvent(ctx, horde.AwardKey(op.AwardKey))
		if err != nil {
			return horde.User{}, fmt.Errorf("%w: look up award: %w", ErrUnavailable, err)
		}
		op.Prior = prior
	}
	return Do(ctx, e, op)
}

// maxPopWait bounds how long a pop may wait for work.
const maxPopWait = time.Minute

// Pop asks for work, and waits for some up to a limit. Waiting costs nothing: news about the queue wake it.
func (e *Engine) Pop(ctx context.Context, op horde.Pop, wait time.Duration) (horde.Job, error) {
	news := e.WatchQueue()
	defer news.Close()
	timeout := time.NewTimer(min(wait, maxPopWait))
	defer timeout.Stop()
	for {
		job, err := Do(ctx, e, op)
		if err != nil || len(job.Generations) > 0 || wait <= 0 {
			return job, err
		}
		select {
		case <-ctx.Done():
			return job, nil
		case <-timeout.C:
			return job, nil
		case _, open := <-news.Hints():
			if !open {
				return job, nil
			}
		}
	}
}
