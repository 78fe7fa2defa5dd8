// SPDX-License-Identifier: AGPL-3.0-or-later

package app_test

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stablemate/internal/app"
	"stablemate/internal/store"
	"stablemate/ratings"
)

func TestOperatorsImportImagesToRate(t *testing.T) {
	t.Parallel()
	config := configAt(t, "data")
	folder := filepath.Join(t.TempDir(), "Old Pictures")
	picture, err := base64.StdEncoding.DecodeString("UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA")
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(folder, "list.jsonl")
	for name, data := range map[string][]byte{
		"a.webp":     append(picture, 1),
		"a.txt":      []byte("a red apple\n"),
		"sub/b.webp": append(picture, 2),
		"fake.png":   []byte("no picture at all"),
		"list.jsonl": []byte("a.webp\n\n{\"file\": \"sub/b.webp\", \"prompt\": \"blue\", \"model\": \"m\", \"seed\": 5, \"known\": [8, 10], \"params\": {\"steps\": 3}}\n"),
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		what string
		args []string
		code int
		says string
	}{
		{"nothing to import", []string{"import"}, 2, "usage"},
		{"another verb", []string{"export", folder}, 2, "usage"},
		{"no such folder", []string{"import", folder + "-", "--config", config}, 1, "no such file"},
		{"a name of no kind", []string{"import", folder, "--dataset", "Old!", "--config", config}, 1, "cannot name a data set"},
		{"the horde's own", []string{"import", folder, "--dataset", "horde", "--config", config}, 1, "cannot name a data set"},
		{"a folder", []string{"import", folder, "--config", config}, 0, "data set old-pictures: 2 images added, 0 were there already, 1 left out"},
		{"a folder again", []string{"import", folder, "--config", config}, 0, "0 images added, 2 were there already"},
		{"a list", []string{"import", list, "--dataset", "known", "--config", config}, 0, "data set known: 2 images added"},
	} {
		var out bytes.Buffer
		if code := app.Main(app.Server, append([]string{"ratings"}, c.args...), &out, &out); code != c.code || !strings.Contains(out.String(), c.says) {
			t.Errorf("%s: exit %d, want %d saying %q:\n%s", c.what, code, c.code, c.says, &out)
		}
	}
	st, err := store.Open(t.Context(), store.Options{Engine: store.SQLite, Path: filepath.Join(filepath.Dir(config), "data", "stablemate.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	img, found, err := st.NextRatingImage(t.Context(), ratings.Query{Known: true, Dataset: "known"})
	if err != nil || !found || img.Prompt != "blue" || img.Seed != 5 || img.Low != 8 || img.High != 10 || string(img.Params) != `{"steps": 3}` {
		t.Errorf("the image with a known answer: %+v, %v, %v", img, found, err)
	}
}
