// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"context"
	"errors"
	"slices"
	"sync"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/internal/store"
)

// tripwire ends the process at one of the times that it writes down how far it is, as far as anything that is kept can tell:
// from then on nothing is written any more, until the rig starts another process.
type tripwire struct {
	mu    sync.Mutex // guards what follows
	kinds []chat.DocKind
	left  int
	cut   bool
	dark  chat.DocKind // documents that cannot be read
	full  chat.DocKind // documents that cannot be written
	room  int          // for so many more of those
}

var (
	errCut  = errors.New("the process has ended here")
	errDark = errors.New("the disk does not answer")
	errFull = errors.New("the disk is full")
)

// arm lets so many documents of some kinds be written; with none the process ends when it tries.
func (t *tripwire) arm(left int, kinds ...chat.DocKind) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kinds, t.left, t.cut = kinds, left, false
}

// disarm lets everything be written, and reports whether the process had ended.
func (t *tripwire) disarm() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	was := t.cut
	t.kinds, t.cut = nil, false
	return was
}

func (t *tripwire) tripped() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cut
}

// darken keeps documents of a kind from being read; with none, everything is read again.
func (t *tripwire) darken(kind chat.DocKind) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dark = kind
}

// fill leaves room for so many more writes of documents of a kind; with none, everything is written again.
func (t *tripwire) fill(room int, kind chat.DocKind) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.room, t.full = room, kind
}

func (t *tripwire) read(kind chat.DocKind) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if kind == t.dark {
		return errDark
	}
	return nil
}

// takes refuses what there is no room for.
func (t *tripwire) takes(kind chat.DocKind) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if kind != t.full {
		return nil
	}
	if t.room--; t.room < 0 {
		return errFull
	}
	return nil
}

// write does a write, unless the process has ended; right after the last one that it may do, it has.
func (t *tripwire) write(kind chat.DocKind, do func() error) error {
	t.mu.Lock()
	if t.kinds == nil {
		t.mu.Unlock()
		return do()
	}
	defer t.mu.Unlock()
	counts := slices.Contains(t.kinds, kind)
	if t.cut = t.cut || counts && t.left == 0; t.cut {
		return errCut
	}
	err := do()
	if counts && err == nil {
		t.left--
		t.cut = t.left == 0
	}
	return err
}

func (d docs) SaveDoc(ctx context.Context, doc chat.Doc) (version int64, err error) {
	if err := d.trip.takes(doc.Kind); err != nil {
		return 0, err
	}
	err = d.trip.write(doc.Kind, func() error {
		version, err = d.Store.SaveDoc(ctx, doc)
		return err
	})
	return version, err
}

func (d docs) DeleteDoc(ctx context.Context, kind chat.DocKind, key string) (there bool, err error) {
	err = d.trip.write(kind, func() error {
		there, err = d.Store.DeleteDoc(ctx, kind, key)
		return err
	})
	return there, err
}

// ledger is the core's part of the store.
type ledger struct {
	*store.Store
	trip *tripwire
}

func (l ledger) Commit(ctx context.Context, term horde.Term, b *horde.Batch) error {
	if l.trip.tripped() {
		return errCut
	}
	return l.Store.Commit(ctx, term, b)
}
