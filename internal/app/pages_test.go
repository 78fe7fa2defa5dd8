// SPDX-License-Identifier: AGPL-3.0-or-later

package app_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPagesAndDocumentsAreServed(t *testing.T) {
	t.Parallel()
	s := startServer(t, "[pool]\nenabled = false\n")
	get := func(path string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	for path, want := range map[string]string{
		"/":                       "Right now",
		"/dashboard":              "<svg",
		"/news":                   "<article>",
		"/terms":                  "never money",
		"/privacy":                "API key",
		"/sponsors":               "never",
		"/profile":                "API key",
		"/transfer":               "Your API key",
		"/api/v2/documents/terms": `{"html":"<h1>`,
		"/api/v2/documents/privacy?format=markdown": `{"markdown":"# `,
		"/api/v2/status/news":                       `"date_published":"`,
		"/api/v2/stats/img/totals":                  `"minute":{"images":0,"ps":0}`,
		"/api/v2/stats/text/models":                 `{"day":{},"month":{},"total":{}}`,
	} {
		if status, body := get(path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s answers %d without %q: %s", path, status, want, body)
		}
	}
	if status, _ := get("/discord/profile"); status != http.StatusNotFound {
		t.Errorf("signing in with Discord, which is not set up, answers %d", status)
	}

	// The operator's own text takes the default's place when the process starts.
	own := startServer(t, "[pool]\nenabled = false\n[horde]\ndocuments_dir = \""+filepath.ToSlash(documentsWith(t, "terms.md", "# Our own"))+"\"\n")
	s = own
	if _, body := get("/terms"); !strings.Contains(body, "<h1>Our own</h1>") {
		t.Errorf("the operator's terms are %s", body)
	}
}

func documentsWith(t *testing.T, name, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
