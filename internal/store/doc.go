// SPDX-License-Identifier: AGPL-3.0-or-later

package store

import (
	"context"
	"fmt"
	"time"

	"stablemate/commands/chat"
)

// MaxDocs is the most documents that one call returns.
const MaxDocs = 10_000

const docColumns = `kind, key, person, guild, value, due, version`

// SaveDoc writes a document based on the version it names, and returns its new version. chat.ErrChanged says that
// another version is there, or none.
func (s *Store) SaveDoc(ctx context.Context, d chat.Doc) (version int64, err error) {
	const (
		insert = `
INSERT INTO chat_doc (` + docColumns + `) VALUES ($1, $2, $3, $4, $5, $6, 1) ON CONFLICT (kind, key) DO NOTHING`
		update = `
UPDATE chat_doc SET person = $3, guild = $4, value = $5, due = $6, version = version + 1
WHERE kind = $1 AND key = $2 AND version = $7`
	)
	query, args := insert, []any{string(d.Kind), d.Key, d.Person, d.Guild, notNil(d.Value), micros(d.Due)}
	if d.Version != 0 {
		query, args = update, append(args, d.Version)
	}
	n, err := s.db.exec(ctx, query, args...)
	switch {
	case err != nil:
		return 0, s.wrap("save "+string(d.Kind)+" "+d.Key, err)
	case n == 0:
		return 0, fmt.Errorf("save %s %s: %w", d.Kind, d.Key, chat.ErrChanged)
	}
	return d.Version + 1, nil
}

// Doc finds a document.
func (s *Store) Doc(ctx context.Context, kind chat.DocKind, key string) (d chat.Doc, found bool, err error) {
	docs, err := s.docs(ctx, `WHERE kind = $1 AND key = $2`, string(kind), key)
	if err != nil || len(docs) == 0 {
		return chat.Doc{}, false, err
	}
	return docs[0], true, nil
}

// DocsOfPerson lists a person's documents of a kind, or of every kind when it is empty, by key.
func (s *Store) DocsOfPerson(ctx context.Context, kind chat.DocKind, person string) ([]chat.Doc, error) {
	if kind == "" {
		return s.docs(ctx, `WHERE person = $1 ORDER BY kind, key LIMIT $2`, person, int64(MaxDocs))
	}
	return s.docs(ctx, `WHERE person = $2 AND kind = $1 ORDER BY key LIMIT $3`, string(kind), person, int64(MaxDocs))
}

// DocsOfGuild lists a guild's documents of a kind, or of every kind when it is empty, by key.
func (s *Store) DocsOfGuild(ctx context.Context, kind chat.DocKind, guild string) ([]chat.Doc, error) {
	if kind == "" {
		return s.docs(ctx, `WHERE guild = $1 ORDER BY kind, key LIMIT $2`, guild, int64(MaxDocs))
	}
	return s.docs(ctx, `WHERE guild = $2 AND kind = $1 ORDER BY key LIMIT $3`, string(kind), guild, int64(MaxDocs))
}

// DocsOfGuildAfter lists a guild's documents of a kind whose key follows another one, by key, at most limit and never more
// than MaxDocs.
func (s *Store) DocsOfGuildAfter(ctx context.Context, kind chat.DocKind, guild, after string, limit int) ([]chat.Doc, error) {
	return s.docs(ctx, `WHERE guild = $2 AND kind = $1 AND key > $3 ORDER BY key LIMIT $4`,
		string(kind), guild, after, int64(min(max(limit, 0), MaxDocs)))
}

// DocsAfter lists all documents of a kind whose key follows another one, by key, at most limit and never more than MaxDocs.
func (s *Store) DocsAfter(ctx context.Context, kind chat.DocKind, after string, limit int) ([]chat.Doc, error) {
	return s.docs(ctx, `WHERE kind = $1 AND key > $2 ORDER BY key LIMIT $3`, string(kind), after, int64(min(max(limit, 0), MaxDocs)))
}

// DueDocs lists documents of a kind that are due, the longest overdue first, at most limit.
func (s *Store) DueDocs(ctx context.Context, kind chat.DocKind, now time.Time, limit int) ([]chat.Doc, error) {
	return s.docs(ctx, `WHERE kind = $1 AND due > 0 AND due <= $2 ORDER BY due, key LIMIT $3`,
		string(kind), micros(now), int64(min(max(limit, 0), MaxDocs)))
}

// DeleteDoc forgets a document, whatever its version. It reports whether there was one.
func (s *Store) DeleteDoc(ctx context.Context, kind chat.DocKind, key string) (bool, error) {
	n, err := s.db.exec(ctx, `DELETE FROM chat_doc WHERE kind = $1 AND key = $2`, string(kind), key)
	return n > 0, s.wrap("delete "+string(kind)+" "+key, err)
}

// DeleteDocAt forgets a document if it still has a version. It reports whether it had.
func (s *Store) DeleteDocAt(ctx context.Context, kind chat.DocKind, key string, version int64) (bool, error) {
	n, err := s.db.exec(ctx, `DELETE FROM chat_doc WHERE kind = $1 AND key = $2 AND version = $3`, string(kind), key, version)
	return n > 0, s.wrap("delete "+string(kind)+" "+key, err)
}

// ForgetPerson deletes every document about a person, and their chat messages that are not open; it tells how many rows.
func (s *Store) ForgetPerson(ctx context.Context, person string) (int64, error) {
	if person == "" {
		return 0, nil // that would be everything about nobody in particular
	}
	docs, err := s.db.exec(ctx, `DELETE FROM chat_doc WHERE person = $1`, person)
	if err != nil {
		return 0, s.wrap("forget a person's documents", err)
	}
	messages, err := s.db.exec(ctx, `DELETE FROM chat_message WHERE person = $1 AND NOT open`, person)
	return docs + messages, s.wrap("forget a person's messages", err)
}

// ForgetGuild deletes every document about a guild; it tells how many.
func (s *Store) ForgetGuild(ctx context.Context, guild string) (int64, error) {
	if guild == "" {
		return 0, nil
	}
	n, err := s.db.exec(ctx, `DELETE FROM chat_doc WHERE guild = $1`, guild)
	return n, s.wrap("forget a guild's documents", err)
}

// MessagesOfPerson lists a person's chat messages, newest first, at most limit and never more than MaxDocs.
func (s *Store) MessagesOfPerson(ctx context.Context, person string, limit int) ([]chat.Message, error) {
	const query = `SELECT ` + messageColumns + ` FROM chat_message WHERE person = $1 ORDER BY created DESC, key DESC LIMIT $2`
	return s.messages(ctx, "list a person's chat messages", query, person, int64(min(max(limit, 0), MaxDocs)))
}

// PastMessages lists a person's chat messages that are neither open nor deleted by them, newest first, at most limit and
// never more than MaxDocs.
func (s *Store) PastMessages(ctx context.Context, person string, limit int) ([]chat.Message, error) {
	const query = `SELECT ` + messageColumns + ` FROM chat_message
WHERE person = $1 AND NOT open AND params <> $2 ORDER BY created DESC, key DESC LIMIT $3`
	return s.messages(ctx, "list a person's past chat messages", query, person, []byte(chat.Deleted), int64(min(max(limit, 0), MaxDocs)))
}

func (s *Store) docs(ctx context.Context, where string, args ...any) ([]chat.Doc, error) {
	var out []chat.Doc
	err := s.each(ctx, s.read, func(scan func(...any) error) error {
		var d chat.Doc
		var kind string
		var due int64
		err := scan(&kind, &d.Key, &d.Person, &d.Guild, &d.Value, &due, &d.Version)
		d.Kind, d.Due = chat.DocKind(kind), fromMicros(due)
		out = append(out, d)
		return err
	}, `SELECT `+docColumns+` FROM chat_doc `+where, args...)
	return out, s.wrap("read chat documents", err)
}
