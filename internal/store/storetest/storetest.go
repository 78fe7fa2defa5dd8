// SPDX-License-Identifier: AGPL-3.0-or-later

// Package storetest is the definition of a store: Run is passed by each engine, its kill -9 in the middle of commits
// included. Worlds and their rows serve other tests and benchmarks of stores as well.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/internal/store"
)

// Run checks an engine. Fresh returns the options of an empty store of the test's own; the same options open it again. The
// test's TestMain begins with Child.
func Run(t *testing.T, fresh func(testing.TB) store.Options) {
	t.Helper()
	for _, c := range []struct {
		name  string
		check func(*testing.T, store.Options)
	}{
		{"what operations change comes back", testLife},
		{"every field of every row comes back", testFields},
		{"texts of hostile clients come back", testTexts},
		{"only the next commit of the newest term is written", testFence},
		{"a batch that fails half-way leaves nothing", testAtomic},
		{"a second leader is refused until the first is gone", testLead},
		{"a second process is refused until the first is killed", testSecondProcess},
		{"the audit finds what is wrong", testAudit},
		{"the ledger is found by key and by account", testLedger},
		{"chat messages are kept and found", testMessages},
		{"chat documents are kept by version", testDocs},
		{"images, ratings and raters are kept", testRatings},
		{"who rated is forgotten, and what they said is not", testRaterForgotten},
		{"settings are kept and made once", testSettings},
		{"everything works at once", testConcurrent},
		{"a closed store says so", testClosed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.check(t, fresh(t))
		})
	}
	for round := range uint64(kills) {
		t.Run(fmt.Sprintf("a killed process leaves a prefix with all it acknowledged, round %d", round), func(t *testing.T) {
			t.Parallel()
			testKill(t, fresh(t), 100+round)
		})
	}
}

// Open opens a store that closes with the test.
func Open(tb testing.TB, opts store.Options) *store.Store {
	tb.Helper()
	s, err := store.Open(tb.Context(), opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("close the store: %v", err)
		}
	})
	return s
}

// Lead opens a store and leads it.
func Lead(tb testing.TB, opts store.Options) (*store.Store, horde.Term) {
	tb.Helper()
	s := Open(tb, opts)
	term, _, err := s.Lead(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return s, term
}

// commit writes a batch as the term's next one.
func commit(tb testing.TB, s *store.Store, term *horde.Term, b *horde.Batch) {
	tb.Helper()
	term.Seq++
	if err := s.Commit(tb.Context(), *term, b); err != nil {
		tb.Fatal(err)
	}
}

func live(tb testing.TB, w *World, n int) *horde.Batch {
	tb.Helper()
	b, err := w.Live(n)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// same fails the test when the store does not hold exactly the rows.
func same(tb testing.TB, s *store.Store, rows *Rows, recent time.Time) *horde.Snapshot {
	tb.Helper()
	got, err := s.Load(tb.Context(), recent)
	if err != nil {
		tb.Fatal(err)
	}
	if diff := Diff(rows.Snapshot(recent), got); diff != "" {
		tb.Fatalf("Load differs from what was committed (-want +got):\n%s", diff)
	}
	return got
}

func audited(tb testing.TB, s *store.Store) store.AuditReport {
	tb.Helper()
	r, err := s.Audit(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func testLife(t *testing.T, opts store.Options) {
	t.Helper()
	s, term := Lead(t, opts)
	w, err := NewWorld(7)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 120 {
		commit(t, s, &term, live(t, w, 1+i%40))
		if i%40 == 0 {
			same(t, s, w.Rows, w.now.Add(-time.Hour))
		}
	}
	if r := audited(t, s); !r.OK() || r.Events != w.Rows.LastEvent() || r.Requests == 0 || r.Generations == 0 {
		t.Errorf("the audit of an honest horde found %+v", r)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, next := Lead(t, opts)
	if next.Epoch != term.Epoch+1 || next.Seq != 0 {
		t.Errorf("after term %+v comes %+v, want the next epoch from its beginning", term, next)
	}
	snap := same(t, s, w.Rows, time.Time{})
	again, err := horde.NewState(settings(), snap)
	if err != nil {
		t.Fatal(err)
	}
	if again.Total() != 0 {
		t.Errorf("the loaded horde's balances sum to %s, want 0", again.Total())
	}
	if diff := cmp.Diff(w.State.Models(horde.Dreamer, w.now), again.Models(horde.Dreamer, w.now)); diff != "" {
		t.Errorf("the loaded horde's queue differs (-want +got):\n%s", diff)
	}
	for _, id := range w.live {
		want, found := w.State.Status(id, w.now, nil)
		got, ok := again.Status(id, w.now, nil)
		// Images that were handed out at the same instant have no order of their own.
		byID := cmpopts.SortSlices(func(a, b horde.Delivered) bool { return a.ID.String() < b.ID.String() })
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), byID); diff != "" || found != ok {
			t.Errorf("request %s differs after loading (-want +got):\n%s", id, diff)
		}
	}
}

func testFence(t *testing.T, opts store.Options) {
	t.Helper()
	s, term := Lead(t, opts)
	w, err := NewWorld(1)
	if err != nil {
		t.Fatal(err)
	}
	first := live(t, w, 10)
	commit(t, s, &term, first)
	try := func(what string, at horde.Term, b *horde.Batch, want error) {
		t.Helper()
		if err := s.Commit(t.Context(), at, b); !errors.Is(err, want) {
			t.Errorf("%s: Commit(%+v) = %v, want %v", what, at, err, want)
		}
		same(t, s, w.Rows, time.Time{})
	}
	empty := &horde.Batch{}
	try("the same batch again", term, first, nil)
	try("another batch under a number that is used", term, empty, horde.ErrFenced)
	try("the first batch after somebody else tried its number", term, first, horde.ErrFenced)
	try("a number too far", horde.Term{Epoch: term.Epoch, Seq: term.Seq + 2}, empty, horde.ErrFenced)
	try("an epoch that never was", horde.Term{Epoch: term.Epoch + 1, Seq: 1}, empty, horde.ErrFenced)

	stale := term
	term, _, err = s.Lead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stale.Seq++
	try("a term that ended", stale, empty, horde.ErrFenced)
	commit(t, s, &term, live(t, w, 10))
	same(t, s, w.Rows, time.Time{})
}

func testAtomic(t *testing.T, opts store.Options) {
	t.Helper()
	s, term := Lead(t, opts)
	w, err := NewWorld(2)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		commit(t, s, &term, live(t, w, 20))
	}
	used := w.Rows.events[0].Key
	before := *w.Rows
	before.users, before.requests = cloneOf(w.Rows.users), cloneOf(w.Rows.requests)
	before.workers, before.generations, before.system = cloneOf(w.Rows.workers), cloneOf(w.Rows.generations), cloneOf(w.Rows.system)
	before.records = cloneOf(w.Rows.records)

	good := live(t, w, 20)
	for len(good.Ledger) == 0 || len(good.NewRequests) == 0 {
		commit(t, s, &term, good)
		t.Fatal("the world's life has no event here: choose another seed")
	}
	bad := *good
	bad.Ledger = append([]kudos.Event(nil), good.Ledger...)
	bad.Ledger[len(bad.Ledger)-1].Key = used
	next := term
	next.Seq++
	if err := s.Commit(t.Context(), next, &bad); err == nil || errors.Is(err, horde.ErrFenced) {
		t.Fatalf("Commit of a batch with a ledger key that is used = %v, want an error of its own", err)
	}
	same(t, s, &before, time.Time{})
	commit(t, s, &term, good) // the number is not used up
	same(t, s, w.Rows, time.Time{})
}

func testLead(t *testing.T, opts store.Options) {
	t.Helper()
	first, term := Lead(t, opts)
	second := Open(t, opts)
	if _, _, err := second.Lead(t.Context()); !errors.Is(err, horde.ErrLed) {
		t.Fatalf("a second leader got %v, want %v", err, horde.ErrLed)
	}
	renewed, lost, err := first.Lead(t.Context())
	if err != nil || renewed.Epoch != term.Epoch+1 {
		t.Fatalf("leading again = %+v, %v, want the next epoch after %d", renewed, err, term.Epoch)
	}
	select {
	case <-lost:
		t.Fatal("the lead is lost without a reason")
	default:
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	<-lost
	last, _, err := second.Lead(t.Context())
	if err != nil || last.Epoch != renewed.Epoch+1 {
		t.Fatalf("leading after the first left = %+v, %v, want the next epoch after %d", last, err, renewed.Epoch)
	}
}

func testClosed(t *testing.T, opts store.Options) {
	t.Helper()
	s, term := Lead(t, opts)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	term.Seq++
	for what, err := range map[string]error{
		"Commit":      s.Commit(t.Context(), term, &horde.Batch{}),
		"Ping":        s.Ping(t.Context()),
		"SetSetting":  s.SetSetting(t.Context(), "a", nil),
		"SaveMessage": s.SaveMessage(t.Context(), someMessage("1")),
	} {
		if err == nil {
			t.Errorf("%s after Close succeeded", what)
		}
	}
	if _, _, err := s.Lead(t.Context()); err == nil {
		t.Error("Lead after Close succeeded")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	again, term := Lead(t, opts)
	term.Seq++
	if err := again.Commit(ended, term, &horde.Batch{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Commit under an ended context = %v, want %v", err, context.Canceled)
	}
	if err := again.Commit(t.Context(), term, &horde.Batch{}); err != nil {
		t.Errorf("Commit after one that never began: %v", err)
	}
}

func testConcurrent(t *testing.T, opts store.Options) {
	t.Helper()
	s, term := Lead(t, opts)
	w, err := NewWorld(3)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 3) // one for each
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	repeat := func(f func(i int) error) {
		go func() {
			var err error
			for i := 0; err == nil && ctx.Err() == nil; i++ {
				err = f(i)
			}
			if ctx.Err() != nil {
				err = nil
			}
			done <- err
		}()
	}
	repeat(func(i int) error {
		m := someMessage(strconv.Itoa(i % 50))
		if err := s.SaveMessage(ctx, m); err != nil {
			return err
		}
		_, found, err := s.MessageByKey(ctx, m.Key)
		if err == nil && !found {
			err = errors.New("a saved message is not found")
		}
		return err
	})
	repeat(func(int) error {
		snap, err := s.Load(ctx, time.Time{})
		if err != nil {
			return err
		}
		state, err := horde.NewState(settings(), snap)
		if err != nil {
			return err
		}
		if total := state.Total(); total != 0 {
			return fmt.Errorf("a load in the middle of commits: balances sum to %s", total)
		}
		return nil
	})
	repeat(func(int) error {
		r, err := s.Audit(ctx)
		if err == nil && !r.OK() {
			err = fmt.Errorf("an audit in the middle of commits: %v", r.Differences)
		}
		return err
	})
	for range 150 {
		commit(t, s, &term, live(t, w, 10))
	}
	stop()
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	same(t, s, w.Rows, time.Time{})
}
