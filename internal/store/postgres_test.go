// SPDX-License-Identifier: AGPL-3.0-or-later

package store_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"stablemate/horde"
	"stablemate/internal/pgtest"
	"stablemate/internal/store"
	"stablemate/internal/store/storetest"
)

// lead tries until the store can be led, as the engine does while its database is away.
func lead(t *testing.T, s *store.Store) horde.Term {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		term, _, err := s.Lead(t.Context())
		if err == nil {
			return term
		}
		if errors.Is(err, horde.ErrLed) || time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestPostgresGoesOnAfterAHardStop kills a server process while batches are written: the server throws all sessions and
// its memory away and recovers from its log. What was acknowledged is there, and the same Store goes on.
func TestPostgresGoesOnAfterAHardStop(t *testing.T) {
	t.Parallel()
	c, err := pgtest.Start(pgtest.Options{Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	s := storetest.Open(t, store.Options{Engine: store.Postgres, URL: c.URL("postgres")})
	w, err := storetest.NewWorld(12)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		term, lost, err := s.Lead(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conn, err := store.Connect(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		victim := int(conn.PgConn().PID())
		stopped := make(chan error, 1)
		time.AfterFunc(40*time.Millisecond, func() { stopped <- syscall.Kill(victim, syscall.SIGKILL) })
		var unknown *horde.Batch
		for unknown == nil {
			b, err := w.Live(20)
			if err != nil {
				t.Fatal(err)
			}
			term.Seq++
			if err := s.Commit(t.Context(), term, b); err != nil {
				unknown = b
			}
		}
		if err := <-stopped; err != nil {
			t.Fatal(err)
		}
		_ = conn.Close(context.WithoutCancel(t.Context())) // the server closed it
		select {
		case <-lost:
		case <-time.After(10 * time.Second):
			t.Fatal("the server is gone and the lead is not lost")
		}
		// The batch whose outcome is unknown is written once, if it may still be: nobody else led meanwhile.
		deadline := time.Now().Add(30 * time.Second)
		for err := errors.New("not tried"); err != nil; {
			if err = s.Commit(t.Context(), term, unknown); err != nil && time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
		lead(t, s)
		holds(t, s, w.Rows)
		if r, err := s.Audit(t.Context()); err != nil || !r.OK() {
			t.Errorf("the audit after the hard stop: %v, %+v", err, r)
		}
	}
}

// cut is a connection that breaks after a number of bytes from the server: an acknowledgement that never arrives.
type cut struct {
	net.Conn
	broken *atomic.Bool
}

func (c cut) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil && c.broken.CompareAndSwap(true, false) {
		_ = c.Close()
		return 0, errors.New("the cable is cut")
	}
	return n, err
}

func TestPostgresWritesOnceWhenTheAcknowledgementIsLost(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, freshPostgres(t))
	var broken atomic.Bool
	store.DialThrough(s, func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return cut{conn, &broken}, err
	})
	term, _, err := s.Lead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := fill(t, s, &term, 10)
	for range 20 {
		b, err := w.Live(10)
		if err != nil {
			t.Fatal(err)
		}
		term.Seq++
		broken.Store(true)
		if err := s.Commit(t.Context(), term, b); err != nil {
			t.Fatal(err)
		}
	}
	holds(t, s, w.Rows)
}

func TestPostgresLeadsAgainWhenItsOwnSessionLingers(t *testing.T) {
	t.Parallel()
	opts := freshPostgres(t)
	s := storetest.Open(t, opts)
	// The first session's connection is silent from some moment on, and the server knows nothing of that.
	var kept *mute
	store.DialThrough(s, func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if kept == nil {
			kept = &mute{Conn: conn}
			return kept, err
		}
		return conn, err
	})
	first, _, err := s.Lead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = kept.Conn.Close() }()
	kept.silent.Store(true)
	again, _, err := s.Lead(t.Context())
	if err != nil || again.Epoch != first.Epoch+1 {
		t.Fatalf("Lead while our last session lingers = %+v, %v, want the next epoch", again, err)
	}
	other := storetest.Open(t, opts)
	if _, _, err := other.Lead(t.Context()); !errors.Is(err, horde.ErrLed) {
		t.Errorf("another Store got %v, want %v: the session is not its own", err, horde.ErrLed)
	}
}

// mute is a connection whose cable is cut without either end noticing.
type mute struct {
	net.Conn
	silent atomic.Bool
}

func (m *mute) Write(p []byte) (int, error) {
	if m.silent.Load() {
		return len(p), nil
	}
	return m.Conn.Write(p)
}

func (m *mute) Close() error {
	if m.silent.Load() {
		return nil
	}
	return m.Conn.Close()
}

func TestPostgresKeepsItsPasswordToItself(t *testing.T) {
	t.Parallel()
	_, err := store.Open(t.Context(), store.Options{
		Engine: store.Postgres, URL: "postgres://horde:tr0ubad0ur@127.0.0.1:1/horde?connect_timeout=1&sslmode=disable",
	})
	if err == nil || strings.Contains(err.Error(), "tr0ubad0ur") {
		t.Errorf("Open without a server = %v, want an error without the password", err)
	}
}

func TestPostgresKeepsTwoHordesInTwoSchemas(t *testing.T) {
	t.Parallel()
	opts := freshPostgres(t)
	s := storetest.Open(t, opts)
	if err := store.Exec(t.Context(), s, `CREATE SCHEMA second`); err != nil {
		t.Fatal(err)
	}
	_, first := storetest.Lead(t, opts)
	opts.URL += "&search_path=second"
	other, term := storetest.Lead(t, opts)
	if first.Epoch != 1 || term.Epoch != 1 {
		t.Errorf("epochs %d and %d, want each schema's first", first.Epoch, term.Epoch)
	}
	w := fill(t, other, &term, 5)
	holds(t, other, w.Rows)
	holds(t, s, storetest.NewRows())
}
