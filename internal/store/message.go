// SPDX-License-Identifier: AGPL-3.0-or-later

package store

import (
	"context"
	"time"

	"stablemate/commands/chat"
)

// MaxOpenMessages is the most messages that OpenMessages returns: the newest ones.
const MaxOpenMessages = 10_000

const messageColumns = `
key, request, app, guild, channel, message, person, sealed, token_ends, ephemeral, params, created, open`

// SaveMessage keeps a chat message, in place of an earlier one with its Key.
func (s *Store) SaveMessage(ctx context.Context, m chat.Message) error {
	const query = `
INSERT INTO chat_message (` + messageColumns + `)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (key) DO UPDATE SET request = excluded.request, app = excluded.app, guild = excluded.guild,
  channel = excluded.channel, message = excluded.message, person = excluded.person, sealed = excluded.sealed,
  token_ends = excluded.token_ends, ephemeral = excluded.ephemeral, params = excluded.params,
  created = excluded.created, open = excluded.open`
	_, err := s.db.exec(ctx, query, m.Key, m.Request, m.App, m.Guild, m.Channel, m.Message, m.Person, notNil(m.Sealed),
		micros(m.TokenEnds), m.Ephemeral, notNil(m.Params), micros(m.Created), m.Open)
	return s.wrap("save the chat message "+m.Key, err)
}

// OpenMessages lists the messages whose result is not shown yet, oldest first.
func (s *Store) OpenMessages(ctx context.Context) ([]chat.Message, error) {
	const query = `
SELECT ` + messageColumns + ` FROM (
  SELECT ` + messageColumns + ` FROM chat_message WHERE open ORDER BY created DESC, key DESC LIMIT $1
) AS newest ORDER BY created, key`
	return s.messages(ctx, "list the open chat messages", query, int64(MaxOpenMessages))
}

// MessageByKey finds a message by its request's idempotency key.
func (s *Store) MessageByKey(ctx context.Context, key string) (m chat.Message, found bool, err error) {
	const query = `SELECT ` + messageColumns + ` FROM chat_message WHERE key = $1`
	return s.message(ctx, query, key)
}

// MessageByRequest finds the message of a request; the newest, should there be several.
func (s *Store) MessageByRequest(ctx context.Context, request string) (m chat.Message, found bool, err error) {
	if request == "" {
		return chat.Message{}, false, nil // many messages have no request yet
	}
	const query = `SELECT ` + messageColumns + ` FROM chat_message WHERE request = $1 ORDER BY created DESC, key DESC LIMIT 1`
	return s.message(ctx, query, request)
}

// MessageByDiscord finds a message by where Discord keeps it.
func (s *Store) MessageByDiscord(ctx context.Context, channel, message string) (m chat.Message, found bool, err error) {
	if message == "" {
		return chat.Message{}, false, nil // many messages are not posted yet
	}
	const query = `
SELECT ` + messageColumns + ` FROM chat_message WHERE channel = $1 AND message = $2 ORDER BY created DESC, key DESC LIMIT 1`
	return s.message(ctx, query, channel, message)
}

// MessagesBetween lists a person's messages made from one time until before another, oldest first, at most limit and never
// more than MaxDocs.
func (s *Store) MessagesBetween(ctx context.Context, person string, from, until time.Time, limit int) ([]chat.Message, error) {
	const query = `
SELECT ` + messageColumns + ` FROM chat_message WHERE person = $1 AND created >= $2 AND created < $3 ORDER BY created, key LIMIT $4`
	return s.messages(ctx, "list a person's chat messages of a time", query, person, micros(from), micros(until), int64(min(max(limit, 0), MaxDocs)))
}

// ReplaceParams gives a message other parameters, if it has the ones that are named and is not open. It reports whether.
func (s *Store) ReplaceParams(ctx context.Context, key string, old, params []byte) (bool, error) {
	n, err := s.db.exec(ctx, `UPDATE chat_message SET params = $3 WHERE key = $1 AND params = $2 AND NOT open`, key, notNil(old), notNil(params))
	return n > 0, s.wrap("replace the parameters of "+key, err)
}

// PruneMessages forgets messages that were made before a time and are not open; it reports how many.
func (s *Store) PruneMessages(ctx context.Context, olderThan time.Time) (int64, error) {
	const query = `DELETE FROM chat_message WHERE created < $1 AND NOT open`
	n, err := s.db.exec(ctx, query, micros(olderThan))
	return n, s.wrap("prune chat messages", err)
}

func (s *Store) message(ctx context.Context, query string, args ...any) (chat.Message, bool, error) {
	found, err := s.messages(ctx, "find a chat message", query, args...)
	if err != nil || len(found) == 0 {
		return chat.Message{}, false, err
	}
	return found[0], true, nil
}

func (s *Store) messages(ctx context.Context, doing, query string, args ...any) ([]chat.Message, error) {
	var out []chat.Message
	err := s.each(ctx, s.read, func(scan func(...any) error) error {
		var (
			m             chat.Message
			ends, created int64
		)
		err := scan(&m.Key, &m.Request, &m.App, &m.Guild, &m.Channel, &m.Message, &m.Person, &m.Sealed, &ends, &m.Ephemeral,
			&m.Params, &created, &m.Open)
		m.TokenEnds, m.Created = fromMicros(ends), fromMicros(created)
		out = append(out, m)
		return err
	}, query, args...)
	return out, s.wrap(doing, err)
}
