// SPDX-License-Identifier: AGPL-3.0-or-later

package store_test

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"stablemate/internal/pgtest"
	"stablemate/internal/store"
	"stablemate/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if storetest.Child() {
		return
	}
	goleak.VerifyTestMain(m)
}

func freshSQLite(tb testing.TB) store.Options {
	tb.Helper()
	return store.Options{Engine: store.SQLite, Path: filepath.Join(tb.TempDir(), "a folder", "100% horde?#.db")}
}

func freshPostgres(tb testing.TB) store.Options {
	tb.Helper()
	return store.Options{Engine: store.Postgres, URL: pgtest.URL(tb)}
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, freshSQLite)
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	storetest.Run(t, freshPostgres)
}
