// SPDX-License-Identifier: AGPL-3.0-or-later

package documents_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"stablemate/internal/clock"
	"stablemate/internal/documents"
)

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDefaultsSayThatKudosAreNeverMoney(t *testing.T) {
	t.Parallel()
	s, err := documents.Open(documents.Options{Now: clock.System{}.Now})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{documents.Terms, documents.Privacy, documents.Sponsors} {
		d, ok := s.Document(name)
		if !ok || !strings.HasPrefix(d.HTML, "<h1>") || !strings.HasPrefix(d.Markdown, "# ") {
			t.Errorf("%s is %+v, %v", name, d, ok)
		}
		if text := strings.Join(strings.Fields(d.Markdown), " "); name != documents.Privacy && !strings.Contains(text, "never money") {
			t.Errorf("%s does not say what kudos are", name)
		}
	}
	if _, ok := s.Document("secrets"); ok {
		t.Error("there is a document that nobody wrote")
	}
	if news := s.News(); len(news) == 0 || news[0].HTML == "" {
		t.Errorf("the news are %+v", news)
	}
}

func TestTheOperatorsFilesWinAndAreReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "terms.md", "# Ours\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1)) **bold**")
	write(t, dir, "news.toml", "[[news]]\ndate='2026-01-02'\ntitle='Old'\ntext='a'\n[[news]]\ndate='2026-03-04'\ntitle='New'\ntext='*b*'\nmore=['https://a.example']\n")
	now := clock.NewFake(time.Unix(1_800_000_000, 0))
	var log bytes.Buffer
	s, err := documents.Open(documents.Options{Dir: dir, Now: now.Now, Log: zerolog.New(&log)})
	if err != nil {
		t.Fatal(err)
	}
	terms, _ := s.Document(documents.Terms)
	if strings.Contains(terms.HTML, "<script") || strings.Contains(terms.HTML, "javascript:") || !strings.Contains(terms.HTML, "<strong>bold</strong>") {
		t.Errorf("the terms are %s", terms.HTML)
	}
	news := s.News()
	if len(news) != 2 || news[0].Title != "New" || news[0].HTML != "<p><em>b</em></p>\n" || news[0].Importance != "Information" || news[1].Tags == nil {
		t.Errorf("the news are %+v", news)
	}

	write(t, dir, "terms.md", "# Changed")
	if terms, _ = s.Document(documents.Terms); terms.Markdown == "# Changed" {
		t.Error("the folder is looked at too often")
	}
	now.Advance(10 * time.Second)
	if terms, _ = s.Document(documents.Terms); terms.Markdown != "# Changed" {
		t.Errorf("the terms are still %s", terms.Markdown)
	}
	write(t, dir, "news.toml", "[[news]]\ndate='soon'\ntitle='x'\ntext='y'\n")
	now.Advance(10 * time.Second)
	if news := s.News(); len(news) != 2 || !strings.Contains(log.String(), "must look like 2026-11-22") {
		t.Errorf("after a mistake the news are %+v, the log says %s", news, &log)
	}
}

func TestMistakesAreTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, text, want string }{
		"a file beyond its bound": {"terms.md", strings.Repeat("a", documents.MaxFile+1), "more than"},
		"bytes that are no text":  {"privacy.md", "\xff\xfe", "not UTF-8"},
		"an unknown key":          {"news.toml", "[[news]]\ndate='2026-01-01'\ntitle='a'\ntxt='b'", "unknown key"},
		"no text":                 {"news.toml", "[[news]]\ndate='2026-01-01'\ntitle='a'", "needs a title and a text"},
		"no TOML":                 {"news.toml", "news", "news.toml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, c.file, c.text)
			if _, err := documents.Open(documents.Options{Dir: dir, Now: clock.System{}.Now}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Open: %v, want …%s…", err, c.want)
			}
		})
	}
}
