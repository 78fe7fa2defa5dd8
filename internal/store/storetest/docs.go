// SPDX-License-Identifier: AGPL-3.0-or-later

package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stablemate/commands/chat"
	"stablemate/internal/store"
)

func testDocs(t *testing.T, opts store.Options) {
	t.Helper()
	ctx := t.Context()
	s := Open(t, opts)
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	save := func(d chat.Doc) chat.Doc {
		t.Helper()
		v, err := s.SaveDoc(ctx, d)
		if err != nil {
			t.Fatal(err)
		}
		d.Version = v
		return d
	}
	a := save(chat.Doc{Kind: "preset", Key: "1", Person: "ann", Value: []byte(`{"name":"ink ✓"}`)})
	b := save(chat.Doc{Kind: "preset", Key: "2", Person: "ann", Guild: "g", Value: []byte(`{}`), Due: noon})
	c := save(chat.Doc{Kind: "emoji", Key: "1", Guild: "g", Value: []byte(`{}`), Due: noon.Add(time.Second)})
	if _, err := s.SaveDoc(ctx, chat.Doc{Kind: "preset", Key: "1", Value: []byte(`{}`)}); !errors.Is(err, chat.ErrChanged) {
		t.Errorf("a second new document: %v, want ErrChanged", err)
	}
	old := a
	a.Value = []byte(`{"name":"oil"}`)
	a = save(a)
	if _, err := s.SaveDoc(ctx, old); !errors.Is(err, chat.ErrChanged) {
		t.Errorf("a save based on an old version: %v, want ErrChanged", err)
	}
	check := func(what string, want []chat.Doc) func(got []chat.Doc, err error) {
		return func(got []chat.Doc, err error) {
			t.Helper()
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%s (-want +got), %v:\n%s", what, err, diff)
			}
		}
	}
	if got, found, err := s.Doc(ctx, "preset", "1"); err != nil || !found || cmp.Diff(a, got) != "" {
		t.Errorf("the document: %+v, %v, %v", got, found, err)
	}
	if _, found, err := s.Doc(ctx, "preset", "3"); err != nil || found {
		t.Errorf("no document: %v, %v", found, err)
	}
	check("ann's presets", []chat.Doc{a, b})(s.DocsOfPerson(ctx, "preset", "ann"))
	check("the guild's emoji", []chat.Doc{c})(s.DocsOfGuild(ctx, "emoji", "g"))
	check("all of the guild", []chat.Doc{c, b})(s.DocsOfGuild(ctx, "", "g"))
	check("the guild's emoji, first page", []chat.Doc{c})(s.DocsOfGuildAfter(ctx, "emoji", "g", "", 5))
	check("the guild's emoji, next page", nil)(s.DocsOfGuildAfter(ctx, "emoji", "g", c.Key, 5))
	check("all presets, first page", []chat.Doc{a})(s.DocsAfter(ctx, "preset", "", 1))
	check("all presets, next page", []chat.Doc{b})(s.DocsAfter(ctx, "preset", a.Key, 5))
	check("due presets", []chat.Doc{b})(s.DueDocs(ctx, "preset", noon, 10))
	check("due emoji", nil)(s.DueDocs(ctx, "emoji", noon, 10))
	if there, err := s.DeleteDoc(ctx, "preset", "1"); err != nil || !there {
		t.Errorf("delete: %v, %v", there, err)
	}
	if there, err := s.DeleteDoc(ctx, "preset", "1"); err != nil || there {
		t.Errorf("delete again: %v, %v", there, err)
	}
	if err := s.SaveMessage(ctx, chat.Message{Key: "k", Person: "ann", Created: noon}); err != nil {
		t.Fatal(err)
	}
	if m, err := s.MessagesOfPerson(ctx, "ann", 5); err != nil || len(m) != 1 {
		t.Errorf("ann's messages: %v, %v", m, err)
	}
	one := chat.Message{Key: "k1", Person: "bob", Params: []byte(`{"a": 1}`), Created: noon.Add(time.Hour)}
	two := chat.Message{Key: "k2", Person: "bob", Params: []byte(`{}`), Created: noon.Add(2 * time.Hour), Open: true}
	for _, m := range []chat.Message{one, two} {
		if err := s.SaveMessage(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	for what, c := range map[string]struct {
		from, until time.Duration
		limit       int
		want        []string
	}{
		"before them": {0, time.Hour, 9, nil}, "the first": {time.Hour, 2 * time.Hour, 9, []string{"k1"}},
		"both": {0, 3 * time.Hour, 9, []string{"k1", "k2"}}, "one of both": {0, 3 * time.Hour, 1, []string{"k1"}},
	} {
		m, err := s.MessagesBetween(ctx, "bob", noon.Add(c.from), noon.Add(c.until), c.limit)
		var keys []string
		for _, x := range m {
			keys = append(keys, x.Key)
		}
		if err != nil || !slices.Equal(keys, c.want) {
			t.Errorf("messages, %s: %v, %v, want %v", what, keys, err, c.want)
		}
	}
	for what, c := range map[string]struct {
		m    chat.Message
		old  string
		want bool
	}{"other parameters": {one, `{}`, false}, "an open one": {two, `{}`, false}, "these": {one, `{"a": 1}`, true}} {
		if done, err := s.ReplaceParams(ctx, c.m.Key, []byte(c.old), []byte(`{"b": 2}`)); err != nil || done != c.want {
			t.Errorf("replace %s: %v, %v", what, done, err)
		}
	}
	if m, _, err := s.MessageByKey(ctx, "k1"); err != nil || string(m.Params) != `{"b": 2}` || m.Person != "bob" {
		t.Errorf("replaced: %+v, %v", m, err)
	}
	for _, m := range []chat.Message{
		{Key: "open", Open: true}, {Key: "deleted", Params: []byte(chat.Deleted)}, {Key: "past", Params: []byte(`{"prompt":"a"}`)},
	} {
		m.Person, m.Created = "cat", noon
		if err := s.SaveMessage(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	if m, err := s.PastMessages(ctx, "cat", 5); err != nil || len(m) != 1 || m[0].Key != "past" {
		t.Errorf("cat's past messages: %v, %v", m, err)
	}
	if n, err := s.ForgetPerson(ctx, "ann"); err != nil || n != 2 {
		t.Errorf("forgot %d rows, %v, want 2", n, err)
	}
	if n, err := s.ForgetGuild(ctx, "g"); err != nil || n != 1 {
		t.Errorf("forgot %d documents of the guild, %v, want 1", n, err)
	}
}
