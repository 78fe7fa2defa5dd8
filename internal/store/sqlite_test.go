// SPDX-License-Identifier: AGPL-3.0-or-later

package store_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"stablemate/horde"
	"stablemate/internal/store"
	"stablemate/internal/store/storetest"
)

// fill commits some of a world's life and returns the world.
func fill(t *testing.T, s *store.Store, term *horde.Term, batches int) *storetest.World {
	t.Helper()
	w, err := storetest.NewWorld(11)
	if err != nil {
		t.Fatal(err)
	}
	for range batches {
		b, err := w.Live(20)
		if err != nil {
			t.Fatal(err)
		}
		term.Seq++
		if err := s.Commit(t.Context(), *term, b); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func holds(t *testing.T, s *store.Store, rows *storetest.Rows) {
	t.Helper()
	got, err := s.Load(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := storetest.Diff(rows.Snapshot(time.Time{}), got); diff != "" {
		t.Fatalf("Load differs from what was committed (-want +got):\n%s", diff)
	}
}

func TestSQLiteGoesOnAfterTheDiskWasFull(t *testing.T) {
	t.Parallel()
	s, term := storetest.Lead(t, freshSQLite(t))
	w := fill(t, s, &term, 20)
	if err := store.LimitPages(t.Context(), s, 1); err != nil { // SQLite takes the size it has
		t.Fatal(err)
	}
	next := term
	next.Seq++
	var failed *horde.Batch
	for i := 0; failed == nil; i++ {
		before, err := s.Load(t.Context(), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := w.Live(40)
		if err != nil {
			t.Fatal(err)
		}
		switch err := s.Commit(t.Context(), next, b); {
		case err == nil && i < 100:
			next.Seq++
		case err == nil:
			t.Fatal("the disk never got full")
		case !strings.Contains(err.Error(), "no room left"):
			t.Fatalf("Commit on a full disk = %v, want that it says so", err)
		default:
			failed = b
			after, err := s.Load(t.Context(), time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := storetest.Diff(before, after); diff != "" {
				t.Fatalf("a commit that failed left something (-want +got):\n%s", diff)
			}
		}
	}
	if err := store.LimitPages(t.Context(), s, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), next, failed); err != nil {
		t.Fatalf("the same commit with room again: %v", err)
	}
	holds(t, s, w.Rows)
}

func TestSQLiteGoesOnAfterAConnectionWasStuck(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, freshSQLite(t))
	for range 2 {
		if err := store.Strand(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if err := s.SetSetting(t.Context(), "colour", []byte("blue")); err != nil {
			t.Errorf("SetSetting = %v", err)
		}
	}
}

func TestSQLiteSaysWhenTheFileIsNotItsOwn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		damage func(content []byte) []byte
		want   string
	}{
		"a text":               {func([]byte) []byte { return bytes.Repeat([]byte("not a database\n"), 1000) }, "damaged or not a database"},
		"garbage at the front": {func(b []byte) []byte { return append(bytes.Repeat([]byte{0xa5}, 4096), b[4096:]...) }, "damaged or not a database"},
		"garbage in the tables": {func(b []byte) []byte {
			for i := 4096; i < len(b); i++ {
				b[i] ^= 0x5a
			}
			return b
		}, "damaged or not a database"},
		"half of it is gone": {func(b []byte) []byte { return b[:len(b)/2/4096*4096] }, "damaged or not a database"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := freshSQLite(t)
			s, term := storetest.Lead(t, opts)
			fill(t, s, &term, 30)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(opts.Path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(opts.Path, c.damage(content), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err = store.Open(t.Context(), opts)
			if err == nil {
				_, err = s.Load(t.Context(), time.Time{})
				err = errors.Join(err, s.Close())
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "horde?#.db") {
				t.Errorf("opening and loading a damaged file = %v, want that it says %q and which file", err, c.want)
			}
		})
	}
}

func TestSQLiteLeavesOtherProgramsDatabasesAlone(t *testing.T) {
	t.Parallel()
	opts := freshSQLite(t)
	s := storetest.Open(t, opts)
	for _, q := range []string{`CREATE TABLE theirs (a INTEGER)`, `DROP TABLE migration`} {
		if err := store.Exec(t.Context(), s, q); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("Open of another program's database = %v, want a refusal", err)
	}
}

func TestSQLiteKeepsItsFilesPrivate(t *testing.T) {
	t.Parallel()
	opts := freshSQLite(t)
	s, term := storetest.Lead(t, opts)
	fill(t, s, &term, 1)
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		info, err := os.Stat(opts.Path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is open to others: %v", info.Name(), info.Mode())
		}
	}
}

func TestOpenNeedsAnEngineAndAPlace(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]store.Options{
		"no engine":              {Path: "x"},
		"an unknown engine":      {Engine: "mysql"},
		"SQLite without a path":  {Engine: store.SQLite},
		"PostgreSQL without URL": {Engine: store.Postgres},
		"a URL that is none":     {Engine: store.Postgres, URL: "postgres://%zz"},
	} {
		if s, err := store.Open(t.Context(), opts); err == nil {
			t.Errorf("%s: Open = %v, want an error", name, s)
		}
	}
}
