// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"stablemate/commands/chat"
	"stablemate/internal/store"
)

// lateDocs are the store, whose answers take so long that something happens before they arrive.
type lateDocs struct {
	*store.Store
	to        string // whose answers are late: "read", "save", "deletion" or "list"
	meanwhile func() // once
}

func (d *lateDocs) wait(to string) {
	if f := d.meanwhile; f != nil && to == d.to {
		d.meanwhile = nil
		f()
	}
}

func (d *lateDocs) Doc(ctx context.Context, kind chat.DocKind, key string) (chat.Doc, bool, error) {
	doc, found, err := d.Store.Doc(ctx, kind, key)
	d.wait("read")
	return doc, found, err
}

func (d *lateDocs) SaveDoc(ctx context.Context, doc chat.Doc) (int64, error) {
	v, err := d.Store.SaveDoc(ctx, doc)
	if err == nil {
		d.wait("save")
	}
	return v, err
}

func (d *lateDocs) DeleteDoc(ctx context.Context, kind chat.DocKind, key string) (bool, error) {
	there, err := d.Store.DeleteDoc(ctx, kind, key)
	d.wait("deletion")
	return there, err
}

func (d *lateDocs) DueDocs(ctx context.Context, kind chat.DocKind, now time.Time, limit int) ([]chat.Doc, error) {
	docs, err := d.Store.DueDocs(ctx, kind, now, limit)
	d.wait("list")
	return docs, err
}

// What is renewed while old things are swept stays.
func TestOnlyWhatIsStillDueIsSwept(t *testing.T) {
	t.Parallel()
	for _, late := range []string{"list", "read", "nothing"} {
		t.Run(late, func(t *testing.T) {
			t.Parallel()
			st, err := store.Open(t.Context(), store.Options{Engine: store.SQLite, Path: filepath.Join(t.TempDir(), "horde.db"), Log: zerolog.Nop(), Now: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = st.Close() })
			docs, now := &lateDocs{Store: st}, time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
			save := func(m *memory[string], what string, due time.Time) {
				t.Helper()
				if _, err := m.change(context.Background(), "key", about{due: due}, func(v *string) error { *v += what; return nil }); err != nil {
					t.Error(err)
				}
			}
			save(newMemory[string](docs, chat.KindStrikes), "old", now)
			m, want := newMemory[string](docs, chat.KindStrikes), ""
			docs.to = late
			if late != "nothing" {
				want = "old new"
				docs.meanwhile = func() { save(m, " new", now.Add(time.Hour)) }
			}
			if err := sweep(t.Context(), m, now); err != nil {
				t.Fatal(err)
			}
			got, _, err := m.get(t.Context(), "key")
			there, _, failed := newMemory[string](docs, chat.KindStrikes).get(t.Context(), "key")
			if got != want || there != want || err != nil || failed != nil {
				t.Errorf("at hand is %q, kept is %q, want %q (%v, %v)", got, there, want, err, failed)
			}
		})
	}
}

// What is at hand is what the store has, however late the store's answers come.
func TestNothingStaleStaysAtHand(t *testing.T) {
	t.Parallel()
	const key, person = "1:2", "2"
	type parts struct {
		m      *memory[string]
		docs   *watchedDocs
		change func(to string)
	}
	cases := map[string]struct {
		slow      func(p parts)
		meanwhile func(p parts) error
		to        string // the late answer; empty for a read
		want      string // empty for no document
	}{
		"a read that a change overtakes": {
			slow:      func(p parts) { _, _, _ = p.m.get(context.Background(), key) },
			meanwhile: func(p parts) error { p.change("new"); return nil }, want: "new",
		},
		"a read that a deletion overtakes": {
			slow:      func(p parts) { _, _, _ = p.m.get(context.Background(), key) },
			meanwhile: func(p parts) error { _, err := p.m.drop(context.Background(), key); return err },
		},
		"a read while the person is forgotten": {
			slow:      func(p parts) { _, _, _ = p.m.get(context.Background(), key) },
			meanwhile: func(p parts) error { _, err := p.docs.ForgetPerson(context.Background(), person); return err },
		},
		"a read while all is forgotten": {
			slow: func(p parts) { _, _, _ = p.m.get(context.Background(), key) },
			meanwhile: func(p parts) error {
				_, err := p.docs.Docs.ForgetPerson(context.Background(), person) // by another process
				p.m.forgetAll()
				return err
			},
		},
		"a deletion that a change overtakes": {
			slow:      func(p parts) { _, _ = p.m.drop(context.Background(), key) },
			meanwhile: func(p parts) error { p.change("new"); return nil }, to: "deletion", want: "new",
		},
		"a change that a deletion overtakes": {
			slow:      func(p parts) { p.change("new") },
			meanwhile: func(p parts) error { _, err := p.m.drop(context.Background(), key); return err }, to: "save",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st, err := store.Open(t.Context(), store.Options{Engine: store.SQLite, Path: filepath.Join(t.TempDir(), "horde.db"), Log: zerolog.Nop(), Now: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = st.Close() })
			late := &lateDocs{Store: st, to: cmp.Or(c.to, "read")}
			p := parts{docs: &watchedDocs{Docs: late}}
			p.m = newMemory[string](p.docs, chat.KindPreset)
			p.change = func(to string) {
				_, err := p.m.change(context.Background(), key, about{person: person}, func(v *string) error { *v = to; return nil })
				if err != nil {
					t.Error(err)
				}
			}
			p.change("old")
			p.m.forgetAll()
			late.meanwhile = func() {
				if err := c.meanwhile(p); err != nil {
					t.Error(err)
				}
			}
			c.slow(p)
			if late.meanwhile != nil {
				t.Error("the store was not asked")
			}
			got, found, err := p.m.get(t.Context(), key)
			if err != nil || got != c.want || found != (c.want != "") {
				t.Errorf("get = %q, %t, %v, want %q", got, found, err, c.want)
			}
			if len(p.m.waiting) > 0 {
				t.Errorf("%d words are still waited for", len(p.m.waiting))
			}
		})
	}
}
