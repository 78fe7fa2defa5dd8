// SPDX-License-Identifier: AGPL-3.0-or-later

package engine_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
	"stablemate/internal/store"
)

// stuck lets commits and loads wait until told what to do.
type stuck struct {
	engine.Store
	commit, load chan error // nil passes on at once
	committing   chan struct{}
	loading      chan struct{}
	mu           sync.Mutex // guards on
	on           bool
}

func (s *stuck) armed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.on
}

func (s *stuck) arm(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on = on
}

func (s *stuck) Commit(ctx context.Context, term horde.Term, b *horde.Batch) error {
	if !s.armed() {
		return s.Store.Commit(ctx, term, b)
	}
	s.committing <- struct{}{}
	return <-s.commit
}

func (s *stuck) Load(ctx context.Context, recent time.Time) (*horde.Snapshot, error) {
	if s.armed() {
		s.loading <- struct{}{}
		if err := <-s.load; err != nil {
			return nil, err
		}
	}
	return s.Store.Load(ctx, recent)
}

func newStuck(t *testing.T) (*running, *stuck) {
	t.Helper()
	so := store.Options{Engine: store.SQLite, Path: filepath.Join(t.TempDir(), "horde.db"), Log: zerolog.Nop()}
	var s *stuck
	e := start(t, so, func(inner engine.Store) engine.Store {
		s = &stuck{
			Store: inner, commit: make(chan error, 1), load: make(chan error, 1),
			committing: make(chan struct{}, 1), loading: make(chan struct{}, 1),
		}
		return s
	})
	t.Cleanup(func() { // a test that fails leaves nothing waiting
		s.arm(false)
		close(s.commit)
		close(s.load)
	})
	return e, s
}

// within fails the test when f takes longer than a caller would bear.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s: no answer", what)
	}
}

func TestCallersOfAFullGroupAreAnsweredWhenTheStoreFails(t *testing.T) {
	t.Parallel()
	e, s := newStuck(t)
	u := person(t, e.Engine, "a", kudos.Whole(100))
	s.arm(true)
	var callers sync.WaitGroup
	ask := func() {
		concurrency := 40
		_, err := engine.Do(context.WithoutCancel(t.Context()), e.Engine, horde.SetUser{User: u, Concurrency: &concurrency})
		if !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("answered %v, want ErrUnavailable", err)
		}
	}
	callers.Go(ask)
	<-s.committing // one is on its way; the next group fills up, and more wait for room
	before, _ := e.Counters()
	for range engine.MaxGroup + 10 {
		callers.Go(ask)
	}
	for ops := before; ops < before+engine.MaxGroup; ops, _ = e.Counters() {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond) // the last ten come to wait
	s.commit <- errDisk
	<-s.loading
	within(t, "callers of a failed group", callers.Wait)
	s.arm(false)
	s.load <- nil
}

func TestNobodyHangsWhileTheHordeIsLoadedAnew(t *testing.T) {
	t.Parallel()
	e, s := newStuck(t)
	u := person(t, e.Engine, "a", 0)
	s.arm(true)
	go func() { _, _ = engine.Do(context.WithoutCancel(t.Context()), e.Engine, picture(u)) }()
	<-s.committing
	s.commit <- errDisk
	<-s.loading
	within(t, "while the store loads", func() {
		if e.Ready() {
			t.Error("ready without a store")
		}
		if _, ok := e.User(u); !ok {
			t.Error("the account is gone")
		}
		if _, err := engine.Do(t.Context(), e.Engine, picture(u)); !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("answered %v, want ErrUnavailable", err)
		}
	})
	s.arm(false)
	s.load <- nil
	for deadline := time.Now().Add(20 * time.Second); !e.Ready(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the horde did not come back")
		}
	}
	if _, err := engine.Do(t.Context(), e.Engine, picture(u)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestSubscribersHearThatTheLeadIsLost(t *testing.T) {
	t.Parallel()
	e, s := newStuck(t)
	person(t, e.Engine, "a", 0)
	news := e.WatchQueue()
	defer news.Close()
	s.arm(true)
	go func() { _, _ = engine.Do(context.WithoutCancel(t.Context()), e.Engine, picture(horde.Anonymous)) }()
	<-s.committing
	s.commit <- horde.ErrFenced
	within(t, "a subscriber", func() {
		for open := true; open; {
			_, open = <-news.Hints()
		}
	})
	s.arm(false)
}
