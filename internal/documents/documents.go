// SPDX-License-Identifier: AGPL-3.0-or-later

// Package documents keeps the few texts that an operator writes for people: terms, privacy, sponsors and news. They are
// small files in a folder, and each has a default that is honest about how the program behaves. A file that changes is
// read again without a restart.
package documents

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
	"github.com/rs/zerolog"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
)

// Bounds of what operators write.
const (
	MaxFile  = 256 << 10 // bytes of a file
	MaxNews  = 200       // pieces in the file of news
	lookPast = 10 * time.Second
)

// Names of the documents, and of the file of news.
const (
	Terms    = "terms"
	Privacy  = "privacy"
	Sponsors = "sponsors"
	newsFile = "news.toml"
)

// Document is a text in both forms. The HTML holds no raw HTML of the Markdown and no links that run scripts.
type Document struct{ Markdown, HTML string }

// Piece is one piece of news.
type Piece struct {
	Date       time.Time // midnight UTC
	Title      string
	Importance string // for example Information
	Tags, More []string
	Document
}

//go:embed default
var defaults embed.FS

// Options say where the operator's files are; zero values work, with the defaults alone.
type Options struct {
	Dir string // of terms.md, privacy.md, sponsors.md and news.toml; none of them need be there
	Now func() time.Time
	Log zerolog.Logger
}

// Shelf holds the documents. It is safe for concurrent use.
type Shelf struct {
	opts Options

	mu     sync.Mutex // guards what follows
	looked time.Time
	seen   string // sizes and times of the files, as they were read
	texts  map[string]Document
	news   []Piece
}

// Open reads the files. A file that cannot be read or understood is an error.
func Open(opts Options) (*Shelf, error) {
	if opts.Now == nil {
		return nil, errors.New("documents need a clock")
	}
	s := &Shelf{opts: opts, looked: opts.Now(), seen: look(opts.Dir)}
	var err error
	if s.texts, s.news, err = read(opts.Dir); err != nil {
		return nil, err
	}
	return s, nil
}

// Document returns a document by its name: Terms, Privacy or Sponsors.
func (s *Shelf) Document(name string) (Document, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh()
	d, ok := s.texts[name]
	return d, ok
}

// News lists all pieces, newest first.
func (s *Shelf) News() []Piece {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh()
	return slices.Clone(s.news)
}

// refresh reads again what changed, at most every ten seconds. What cannot be read leaves things as they were. The caller
// holds mu; the files are few, small and local.
func (s *Shelf) refresh() {
	now := s.opts.Now()
	if s.opts.Dir == "" || now.Sub(s.looked) < lookPast && !now.Before(s.looked) {
		return
	}
	s.looked = now
	seen := look(s.opts.Dir)
	if seen == s.seen {
		return
	}
	s.seen = seen
	texts, news, err := read(s.opts.Dir)
	if err != nil {
		s.opts.Log.Error().Err(err).Msg("a document changed and cannot be read; the last good ones stay")
		return
	}
	s.texts, s.news = texts, news
}

func names() []string { return []string{Terms, Privacy, Sponsors} }

// look sums up how the files are now.
func look(dir string) string {
	if dir == "" {
		return ""
	}
	var out strings.Builder
	for _, name := range append(names(), newsFile) {
		if name != newsFile {
			name += ".md"
		}
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil {
			fmt.Fprintf(&out, "%s %d %d;", name, info.Size(), info.ModTime().UnixNano())
		}
	}
	return out.String()
}

func read(dir string) (map[string]Document, []Piece, error) {
	md := goldmark.New(goldmark.WithExtensions(extension.Table, extension.Linkify, extension.Strikethrough))
	texts := make(map[string]Document)
	for _, name := range names() {
		text, err := file(dir, name+".md")
		if err != nil {
			return nil, nil, err
		}
		if texts[name], err = render(md, text); err != nil {
			return nil, nil, fmt.Errorf("%s.md: %w", name, err)
		}
	}
	text, err := file(dir, newsFile)
	if err != nil {
		return nil, nil, err
	}
	news, err := pieces(md, text)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", newsFile, err)
	}
	return texts, news, nil
}

// file is the operator's text, or the default when there is none.
func file(dir, name string) (string, error) {
	if dir != "" {
		f, err := os.Open(filepath.Join(dir, name))
		switch {
		case err == nil:
			defer func() { _ = f.Close() }()
			data, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
			switch {
			case err != nil:
				return "", fmt.Errorf("read document: %w", err)
			case len(data) > MaxFile:
				return "", fmt.Errorf("%s has more than %d bytes", name, MaxFile)
			case !utf8.Valid(data):
				return "", fmt.Errorf("%s is not UTF-8", name)
			}
			return string(data), nil
		case !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("open document: %w", err)
		}
	}
	data, err := defaults.ReadFile("default/" + name)
	if err != nil {
		return "", fmt.Errorf("read built-in document: %w", err)
	}
	return string(data), nil
}

func render(md goldmark.Markdown, text string) (Document, error) {
	var out bytes.Buffer
	if err := md.Convert([]byte(text), &out); err != nil {
		return Document{}, fmt.Errorf("render Markdown: %w", err)
	}
	return Document{Markdown: text, HTML: out.String()}, nil
}

// pieces reads the file of news.
func pieces(md goldmark.Markdown, text string) ([]Piece, error) {
	var in struct {
		News []struct {
			Date       string   `toml:"date"`
			Title      string   `toml:"title"`
			Importance string   `toml:"importance"`
			Text       string   `toml:"text"`
			Tags       []string `toml:"tags"`
			More       []string `toml:"more"`
		} `toml:"news"`
	}
	meta, err := toml.Decode(text, &in)
	if err != nil {
		return nil, err
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return nil, fmt.Errorf("unknown key %s", unknown[0])
	}
	if len(in.News) > MaxNews {
		return nil, fmt.Errorf("%d pieces of news, at most %d are kept", len(in.News), MaxNews)
	}
	out := make([]Piece, 0, len(in.News))
	for i, n := range in.News {
		at, err := time.Parse(time.DateOnly, n.Date)
		switch {
		case err != nil:
			return nil, fmt.Errorf("piece %d: the date is %q, must look like 2026-11-22", i+1, n.Date)
		case strings.TrimSpace(n.Title) == "" || strings.TrimSpace(n.Text) == "":
			return nil, fmt.Errorf("piece %d needs a title and a text", i+1)
		}
		if n.Importance == "" {
			n.Importance = "Information"
		}
		doc, err := render(md, strings.TrimSpace(n.Text))
		if err != nil {
			return nil, fmt.Errorf("piece %d: %w", i+1, err)
		}
		out = append(out, Piece{
			Date: at, Title: strings.TrimSpace(n.Title), Importance: n.Importance, Document: doc,
			Tags: append([]string{}, n.Tags...), More: append([]string{}, n.More...),
		})
	}
	slices.SortStableFunc(out, func(a, b Piece) int { return b.Date.Compare(a.Date) })
	return out, nil
}
