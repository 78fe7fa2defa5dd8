// SPDX-License-Identifier: AGPL-3.0-or-later

package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stablemate/horde"
)

// Run commits until ctx ends, then commits what was decided and returns nil. It returns an error when
// another process took the lead: this one must not answer any more.
func (e *Engine) Run(ctx context.Context) error {
	defer e.end()
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return e.flush(context.WithoutCancel(ctx)) // what callers still wait for
		case <-e.lost:
			e.mu.Lock()
			e.fail(e.pending)
			e.mu.Unlock()
			err = e.recover(ctx)
		case <-alarm.C:
			err = e.expire(ctx, alarm)
		case <-e.bell:
			err = e.commit(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// end refuses what comes later, and tells subscribers that there will be no more news.
func (e *Engine) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fail(e.pending)
	e.news.close()
}

// commit writes the gathered group, and loads the horde anew when that fails.
func (e *Engine) commit(ctx context.Context) error {
	err := e.flush(ctx)
	if err == nil || errors.Is(err, horde.ErrFenced) {
		return err
	}
	return e.recover(ctx)
}

// flush writes the gathered group. While it is on its way, the next one gathers.
func (e *Engine) flush(ctx context.Context) error {
	e.mu.Lock()
	if e.down {
		e.mu.Unlock()
		return ErrUnavailable
	}
	g := e.pending
	if g.change.Empty() {
		e.mu.Unlock()
		return nil
	}
	batch, events, err := g.change.Cut(e.state)
	if err != nil {
		e.opts.Log.Error().Err(err).Msg("a change cannot be written; loading the horde anew")
		e.fail(g)
		e.mu.Unlock()
		return fmt.Errorf("commit: %w", err)
	}
	e.pending, e.flying = e.newGroup(), g
	term := horde.Term{Epoch: e.term.Epoch, Seq: e.term.Seq + 1}
	e.mu.Unlock()
	close(g.cut)

	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	err = e.store.Commit(limited, term, batch)
	cancel()

	e.mu.Lock()
	e.flying = nil
	if err != nil {
		e.opts.Log.Error().Err(err).Int("operations", g.ops).Msg("commit failed; nothing of it was acknowledged")
		e.fail(g, e.pending)
		e.mu.Unlock()
		return fmt.Errorf("commit: %w", err)
	}
	e.term = term
	e.mu.Unlock()
	e.commits.Add(1)
	close(g.done)
	e.news.publish(events)
	return nil
}

// recover loads the last durable state, as often as it takes.
func (e *Engine) recover(ctx context.Context) error {
	wait := reloadFirst
	for {
		e.mu.Lock()
		e.fail(e.pending)
		e.mu.Unlock()
		install, err := e.load(ctx)
		if err == nil {
			e.mu.Lock()
			install()
			e.mu.Unlock()
			e.opts.Log.Info().Msg("the horde is loaded and goes on")
			e.news.publishAll()
			return nil
		}
		if errors.Is(err, horde.ErrLed) || errors.Is(err, horde.ErrFenced) {
			return err
		}
		e.opts.Log.Error().Err(err).Dur("again_in", wait).Msg("cannot load the horde")
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = min(2*wait, reloadMost)
	}
}

// applyExpire reports whether anything ended. Like an operation, it gives the state up when a rule breaks. The caller
// holds mu.
func (e *Engine) applyExpire() (ended bool) {
	defer func() {
		if p := recover(); p != nil {
			e.opts.Log.Error().Interface("panic", p).Msg("a rule broke; loading the horde anew")
			e.fail(e.pending)
		}
	}()
	n, err := horde.Apply(e.state, e.pending.change, horde.Expire{})
	return n > 0 && err == nil
}

// expire ends what is out of time and sets the alarm for the next deadline.
func (e *Engine) expire(ctx context.Context, alarm *time.Timer) error {
	e.mu.Lock()
	next := time.Second
	if !e.down {
		e.pending.change.At(e.opts.Now())
		if e.applyExpire() {
			e.pending.ops++
		}
		if at, ok := e.state.NextDeadline(); ok {
			next = min(next, max(0, at.Sub(e.opts.Now())))
		}
	}
	e.mu.Unlock()
	alarm.Reset(next)
	return e.commit(ctx)
}
