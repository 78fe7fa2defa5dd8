// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"sync"

	"github.com/rs/zerolog"

	"stablemate/commands/chat"
)

// watchedDocs are the documents, which tell what is at hand of them when many go at once.
type watchedDocs struct {
	Docs
	log zerolog.Logger

	mu         sync.Mutex // guards forgetters
	forgetters []func(gone func(chat.Doc) bool)
}

// watch has f called when documents go.
func (d *watchedDocs) watch(f func(gone func(chat.Doc) bool)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forgetters = append(d.forgetters, f)
}

func (d *watchedDocs) tell(gone func(chat.Doc) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.forgetters {
		f(gone)
	}
}

// ForgetPerson deletes what is kept about a person.
func (d *watchedDocs) ForgetPerson(ctx context.Context, person string) (int64, error) {
	n, err := d.Docs.ForgetPerson(ctx, person)
	d.tell(func(doc chat.Doc) bool { return person != "" && doc.Person == person })
	return n, err
}

// ForgetGuild deletes what is kept about a guild.
func (d *watchedDocs) ForgetGuild(ctx context.Context, guild string) (int64, error) {
	n, err := d.Docs.ForgetGuild(ctx, guild)
	d.tell(func(doc chat.Doc) bool { return guild != "" && doc.Guild == guild })
	return n, err
}

// unreadable logs a document that makes no sense and is left out of a list.
func (m *memory[V]) unreadable(d chat.Doc, err error) {
	if w, ok := m.docs.(*watchedDocs); ok {
		w.log.Error().Err(err).Str("kind", string(d.Kind)).Str("key", d.Key).Msg("a document cannot be read")
	}
}
