// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"stablemate/internal/store"
)

func TestEverythingThatWaitsIsCountedAtTheEnd(t *testing.T) {
	t.Parallel()
	st, err := store.Open(t.Context(), store.Options{Engine: store.SQLite, Path: filepath.Join(t.TempDir(), "a.db"), Log: zerolog.Nop(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	const results = 2*countTogether + 1
	c := newTallies(&Set{deps: Deps{Docs: st}, log: zerolog.Nop()})
	for range results {
		c.waiting <- made{person: "1", at: time.Unix(1e9, 0), images: 1}
	}
	c.last(t.Context())
	if v, _, err := c.docs.get(t.Context(), tallyOfPerson("1")); err != nil || v.Requests != results {
		t.Errorf("counted %d of %d, %v", v.Requests, results, err)
	}
}
