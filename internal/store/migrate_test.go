// SPDX-License-Identifier: AGPL-3.0-or-later

package store_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stablemate/internal/store"
	"stablemate/internal/store/storetest"
)

func TestBothEnginesHaveTheSameTablesAndColumns(t *testing.T) {
	t.Parallel()
	columns := func(opts store.Options) []string {
		got, err := store.Columns(t.Context(), storetest.Open(t, opts))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	sqlite, postgres := columns(freshSQLite(t)), columns(freshPostgres(t))
	if diff := cmp.Diff(sqlite, postgres); diff != "" || len(sqlite) < 80 {
		t.Errorf("%d columns in SQLite, %d in PostgreSQL (-SQLite +PostgreSQL):\n%s", len(sqlite), len(postgres), diff)
	}
}

func TestANewerStoreIsRefused(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]store.Options{"sqlite": freshSQLite(t), "postgres": freshPostgres(t)} {
		s := storetest.Open(t, opts)
		if err := store.Exec(t.Context(), s, `INSERT INTO migration (number, name, applied) VALUES (9999, 'future', 0)`); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Open(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "newer version") {
			t.Errorf("%s: Open of a newer store = %v, want a refusal", name, err)
		}
	}
}

func TestSeveralProgramsMayOpenAnEmptyStoreAtOnce(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]store.Options{"sqlite": freshSQLite(t), "postgres": freshPostgres(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var all sync.WaitGroup
			for range 6 {
				all.Go(func() {
					s, err := store.Open(t.Context(), opts)
					if err != nil {
						t.Error(err)
						return
					}
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		})
	}
}
