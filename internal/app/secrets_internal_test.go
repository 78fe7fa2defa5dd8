// SPDX-License-Identifier: AGPL-3.0-or-later

package app

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"

	"stablemate/internal/store"
)

func TestKeysOutliveAChangeOfTheSecret(t *testing.T) {
	t.Parallel()
	st, err := store.Open(t.Context(), store.Options{Engine: store.SQLite, Path: filepath.Join(t.TempDir(), "horde.db"), Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	var got []*secrets
	for _, configured := range []string{"", "one secret of an operator", "another secret of an operator", ""} {
		s, err := openSecrets(t.Context(), st, configured)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, s)
	}
	for i, s := range got[1:] {
		if !bytes.Equal(s.keys, got[0].keys) {
			t.Errorf("API keys are hashed differently after change %d", i+1)
		}
	}
	if bytes.Equal(got[1].links, got[2].links) || !bytes.Equal(got[0].links, got[3].links) {
		t.Error("links do not follow the configured secret")
	}
	sealed, err := got[1].seal([]byte("a token"), []byte("row"))
	if err != nil {
		t.Fatal(err)
	}
	if back, err := got[1].unseal(sealed, []byte("row")); err != nil || string(back) != "a token" {
		t.Errorf("unsealed %q, %v", back, err)
	}
	if _, err := got[1].unseal(sealed, []byte("another row")); err == nil {
		t.Error("a token was unsealed for another row")
	}
}
