// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"encoding/json"
	"fmt"
	"slices"
)

// RecordKind names a kind of small thing that the horde keeps as one JSON document each: teams, shared keys, styles,
// filters and the like. They are few, all in memory, and nothing in the database searches in them. The names are stored.
type RecordKind string

// Record is one such document as a store keeps it. A Value of nil says that it is gone.
type Record struct {
	Kind  RecordKind
	ID    string // unique within its kind
	Value []byte // JSON
}

type recordKey struct {
	kind RecordKind
	id   string
}

// book holds the documents of one kind. Whoever changes one calls Change.saveRecord with its key; whoever deletes one
// from pages does the same.
type book[V any] struct {
	kind  RecordKind
	pages map[string]*V
}

func newBook[V any](kind RecordKind) book[V] {
	return book[V]{kind: kind, pages: make(map[string]*V)}
}

// keeper is a book of any kind.
type keeper interface {
	name() RecordKind
	load(id string, value []byte) error
	// value is the document as it is now, nil when it is gone.
	value(id string) ([]byte, error)
}

func (b *book[V]) name() RecordKind { return b.kind }

func (b *book[V]) load(id string, value []byte) error {
	v := new(V)
	if err := json.Unmarshal(value, v); err != nil {
		return fmt.Errorf("read %s %q: %w", b.kind, id, err)
	}
	b.pages[id] = v
	return nil
}

func (b *book[V]) value(id string) ([]byte, error) {
	v, ok := b.pages[id]
	if !ok {
		return nil, nil
	}
	out, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write %s %q: %w", b.kind, id, err)
	}
	return out, nil
}

// put files a document and marks it for writing.
func (b *book[V]) put(c *Change, id string, v *V) {
	b.pages[id] = v
	c.saveRecord(b.kind, id)
}

// drop takes a document out.
func (b *book[V]) drop(c *Change, id string) {
	delete(b.pages, id)
	c.saveRecord(b.kind, id)
}

// ids lists what is in the book, in order.
func (b *book[V]) ids() []string {
	out := make([]string, 0, len(b.pages))
	for id := range b.pages {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

// keepers lists the books of the horde. A new kind is one line here and one in newBooks.
func (s *State) keepers() []keeper {
	return []keeper{
		&s.sharedKeys,
		&s.stats,
		&s.styles,
		&s.collections,
		&s.teams,
		&s.messages,
		&s.gifts.book,
		&s.purses,
		&s.guard.filters,
		&s.guard.lists,
		&s.guard.timeouts,
		&s.guard.rejected,
		&s.alchemies,
		&s.notices,
	}
}

// newBooks opens the books, empty.
func (s *State) newBooks() {
	s.sharedKeys = newBook[SharedKey](KindSharedKey)
	s.stats = newBook[statBucket](statRecord)
	s.styles = newBook[Style](KindStyle)
	s.collections = newBook[Collection](KindCollection)
	s.teams = newBook[Team](KindTeam)
	s.messages = newBook[Message](KindMessage)
	s.gifts = newGifts()
	s.purses = newBook[Purse](KindPurse)
	s.guard = newGuard()
	s.alchemies = newBook[Alchemy](KindAlchemy)
	s.notices = newBook[Notice](KindNotice)
}

// loadRecords fills the books from a snapshot. A kind that nobody keeps was written by a newer version.
func (s *State) loadRecords(records []Record) error {
	byKind := make(map[RecordKind]keeper)
	for _, k := range s.keepers() {
		byKind[k.name()] = k
	}
	for _, r := range records {
		k, ok := byKind[r.Kind]
		if !ok {
			return fmt.Errorf("record %q is of the unknown kind %q: a newer version wrote it", r.ID, r.Kind)
		}
		if err := k.load(r.ID, r.Value); err != nil {
			return err
		}
	}
	return nil
}

// cutRecords turns what was marked into records.
func (s *State) cutRecords(keys []recordKey) ([]Record, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	byKind := make(map[RecordKind]keeper)
	for _, k := range s.keepers() {
		byKind[k.name()] = k
	}
	out := make([]Record, 0, len(keys))
	for _, key := range keys {
		value, err := byKind[key.kind].value(key.id)
		if err != nil {
			return nil, err
		}
		out = append(out, Record{Kind: key.kind, ID: key.id, Value: value})
	}
	return out, nil
}
