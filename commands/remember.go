// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"stablemate/commands/chat"
)

// Bounds of what is kept at hand.
const (
	maxAtHand   = 20_000 // documents of one kind; beyond it some are read again
	changeTries = 5      // of a change that somebody else's change overtakes
)

// memory is one kind of document with its Go type. The ones used lately are at hand without asking the store: this
// process alone writes them. It is safe for concurrent use.
type memory[V any] struct {
	docs Docs
	kind chat.DocKind

	changing turns // by key

	mu      sync.Mutex // guards what follows
	atHand  map[string]remembered[V]
	waiting map[string][]*word // for the store's word about a document
}

// word is what the store is about to say of a document. It is stale when something else was heard of that meanwhile.
type word struct{ stale bool }

// remembered is a document, or that there is none.
type remembered[V any] struct {
	doc   chat.Doc
	value V
	found bool
}

func newMemory[V any](docs Docs, kind chat.DocKind) *memory[V] {
	m := &memory[V]{docs: docs, kind: kind, atHand: make(map[string]remembered[V]), waiting: make(map[string][]*word)}
	if w, ok := docs.(*watchedDocs); ok {
		w.watch(m.forgetGone)
	}
	return m
}

// forgetGone lets go of documents that many others went with.
func (m *memory[V]) forgetGone(gone func(chat.Doc) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.atHand, func(_ string, r remembered[V]) bool { return r.found && gone(r.doc) })
	for key := range m.waiting {
		m.overtake(key)
	}
}

// ask announces that the store will say something about a document; letGo ends that.
func (m *memory[V]) ask(key string) *word {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := &word{}
	m.waiting[key] = append(m.waiting[key], w)
	return w
}

// letGo ends the waiting for a word. The caller holds mu.
func (m *memory[V]) letGo(key string, w *word) {
	m.waiting[key] = slices.DeleteFunc(m.waiting[key], func(x *word) bool { return x == w })
	if len(m.waiting[key]) == 0 {
		delete(m.waiting, key)
	}
}

// overtake makes what others wait for stale. The caller holds mu.
func (m *memory[V]) overtake(key string) {
	for _, w := range m.waiting[key] {
		w.stale = true
	}
}

// wrote ends the waiting for the store's word about a change: r is at hand from now on, unless something else was heard of
// the document before the store answered. Then the store knows best, as it does after an error.
func (m *memory[V]) wrote(key string, w *word, r remembered[V], err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.letGo(key, w)
	m.overtake(key)
	delete(m.atHand, key)
	if err == nil && !w.stale {
		m.put(key, r)
	}
}

// get reads a document; the zero value and false when there is none. What it returns is shared: nobody changes maps or
// slices in it.
func (m *memory[V]) get(ctx context.Context, key string) (V, bool, error) {
	r, err := m.read(ctx, key)
	return r.value, r.found, err
}

// peek is get for what is at hand; it never asks the store.
func (m *memory[V]) peek(key string) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.atHand[key]
	return r.value, r.found
}

func (m *memory[V]) read(ctx context.Context, key string) (remembered[V], error) {
	m.mu.Lock()
	r, ok := m.atHand[key]
	m.mu.Unlock()
	if ok {
		return r, nil
	}
	w := m.ask(key)
	r, err := m.load(ctx, key)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.letGo(key, w)
	now, ok := m.atHand[key]
	switch {
	case err != nil:
		return r, err
	case ok:
		return now, nil // somebody changed it while the store was asked
	case !w.stale:
		m.put(key, r)
	}
	return r, nil
}

// load asks the store. What it returns is nobody else's.
func (m *memory[V]) load(ctx context.Context, key string) (r remembered[V], err error) {
	d, found, err := m.docs.Doc(ctx, m.kind, key)
	if err != nil {
		return r, err
	}
	r = remembered[V]{doc: d, found: found}
	if found {
		if err := json.Unmarshal(d.Value, &r.value); err != nil {
			return r, fmt.Errorf("read %s %s: %w", m.kind, key, err)
		}
	}
	return r, nil
}

// put has a document at hand. The caller holds mu.
func (m *memory[V]) put(key string, r remembered[V]) {
	if len(m.atHand) >= maxAtHand {
		for k := range m.atHand { // any tenth will do
			delete(m.atHand, k)
			if len(m.atHand) <= maxAtHand*9/10 {
				break
			}
		}
	}
	m.atHand[key] = r
}

// about says whom a new document is about and when it is due.
type about struct {
	person, guild string
	due           time.Time
}

// change reads a document, or its zero value, lets f change it, and saves it. Changes of one document come one after the
// other, so f changes no further document of this kind; it may run again when another process was quicker. What f gets is
// nobody else's. An error of f stops it.
func (m *memory[V]) change(ctx context.Context, key string, a about, f func(v *V) error) (V, error) {
	return m.changeAs(ctx, key, func(*V) about { return a }, f)
}

// changeAs is change for documents whose content says whom they are about and when they are due.
func (m *memory[V]) changeAs(ctx context.Context, key string, who func(v *V) about, f func(v *V) error) (V, error) {
	done, err := m.changing.take(ctx, key)
	if err != nil {
		return *new(V), fmt.Errorf("change %s: %w", m.kind, err)
	}
	defer done()
	for range changeTries {
		r, err := m.load(ctx, key)
		if err != nil {
			return r.value, err
		}
		v := r.value
		if err := f(&v); err != nil {
			return r.value, err
		}
		value, err := json.Marshal(v)
		if err != nil {
			return r.value, fmt.Errorf("write %s %s: %w", m.kind, key, err)
		}
		a := who(&v)
		d := chat.Doc{Kind: m.kind, Key: key, Person: a.person, Guild: a.guild, Due: a.due, Value: value, Version: r.doc.Version}
		w := m.ask(key)
		d.Version, err = m.docs.SaveDoc(ctx, d)
		m.wrote(key, w, remembered[V]{doc: d, value: v, found: true}, err)
		switch {
		case errors.Is(err, chat.ErrChanged):
			continue
		case err != nil:
			return r.value, err
		}
		return v, nil
	}
	return *new(V), fmt.Errorf("change %s %s: %w", m.kind, key, chat.ErrChanged)
}

// drop forgets a document for good. It reports whether there was one.
func (m *memory[V]) drop(ctx context.Context, key string) (bool, error) {
	w := m.ask(key)
	there, err := m.docs.DeleteDoc(ctx, m.kind, key)
	m.wrote(key, w, remembered[V]{}, err)
	return there, err
}

// dropIf forgets a document for good that over says is done with, unless it changes meanwhile. It reports whether it did.
func (m *memory[V]) dropIf(ctx context.Context, key string, over func(v *V) bool) (bool, error) {
	return m.dropWhen(ctx, key, func(r *remembered[V]) bool { return over(&r.value) })
}

// dropDue forgets a document for good that is due, unless something is added to it meanwhile that makes it last longer.
func (m *memory[V]) dropDue(ctx context.Context, key string, now time.Time) error {
	_, err := m.dropWhen(ctx, key, func(r *remembered[V]) bool { return !r.doc.Due.IsZero() && !r.doc.Due.After(now) })
	return err
}

func (m *memory[V]) dropWhen(ctx context.Context, key string, over func(r *remembered[V]) bool) (bool, error) {
	r, err := m.read(ctx, key)
	if err != nil || !r.found || !over(&r) {
		return false, err
	}
	w := m.ask(key)
	there, err := m.docs.DeleteDocAt(ctx, m.kind, key, r.doc.Version)
	if err == nil && !there {
		m.wrote(key, w, remembered[V]{}, chat.ErrChanged) // another version is there, or none
		return false, nil
	}
	m.wrote(key, w, remembered[V]{}, err)
	return there, err
}

// putOff makes a document due later, readable or not. One that another process changes meanwhile is left to that.
func (m *memory[V]) putOff(ctx context.Context, key string, due time.Time) error {
	done, err := m.changing.take(ctx, key)
	if err != nil {
		return fmt.Errorf("put off %s: %w", m.kind, err)
	}
	defer done()
	d, found, err := m.docs.Doc(ctx, m.kind, key)
	if err != nil || !found {
		return err
	}
	d.Due = due
	w := m.ask(key)
	_, err = m.docs.SaveDoc(ctx, d)
	m.wrote(key, w, remembered[V]{}, chat.ErrChanged) // nothing is at hand of what may be unreadable
	if errors.Is(err, chat.ErrChanged) {
		return nil
	}
	return err
}

// entry is a document of a list.
type entry[V any] struct {
	key   string
	value V
}

func (m *memory[V]) entries(docs []chat.Doc, err error) ([]entry[V], error) {
	if err != nil {
		return nil, err
	}
	out := make([]entry[V], 0, len(docs))
	for _, d := range docs {
		var v V
		if err := json.Unmarshal(d.Value, &v); err != nil {
			m.unreadable(d, err) // the others can be read
			continue
		}
		out = append(out, entry[V]{d.Key, v})
	}
	return out, nil
}

// ofPerson lists the documents about a person, by key.
func (m *memory[V]) ofPerson(ctx context.Context, person string) ([]entry[V], error) {
	return m.entries(m.docs.DocsOfPerson(ctx, m.kind, person))
}

// ofGuild lists the documents about a guild, by key.
func (m *memory[V]) ofGuild(ctx context.Context, guild string) ([]entry[V], error) {
	return m.entries(m.docs.DocsOfGuild(ctx, m.kind, guild))
}

// due lists the documents that are due, the longest overdue first.
func (m *memory[V]) due(ctx context.Context, now time.Time, limit int) ([]entry[V], error) {
	return m.entries(m.docs.DueDocs(ctx, m.kind, now, limit))
}

// ofGuildAfter lists the documents about a guild whose key follows another one, by key.
func (m *memory[V]) ofGuildAfter(ctx context.Context, guild, after string, limit int) ([]entry[V], error) {
	return m.entries(m.docs.DocsOfGuildAfter(ctx, m.kind, guild, after, limit))
}

// after lists all documents whose key follows another one, by key.
func (m *memory[V]) after(ctx context.Context, after string, limit int) ([]entry[V], error) {
	return m.entries(m.docs.DocsAfter(ctx, m.kind, after, limit))
}

// forgetAll has everything read anew.
func (m *memory[V]) forgetAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.atHand)
	for key := range m.waiting {
		m.overtake(key)
	}
}
