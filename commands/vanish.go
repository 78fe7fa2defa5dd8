// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"errors"
	"time"

	"stablemate/commands/chat"
	"stablemate/horde"
)

// isForgotten reports whether the request's person wants nothing of it kept.
func (e *editor) isForgotten() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.forgotten
}

// drop ends a forgotten request, asked for at the core or not. Nobody waits for what is still being made. It reports
// whether that worked.
func (e *editor) drop(ctx context.Context) bool {
	end := &ending{kind: endDone, at: e.now}
	if !e.request.IsZero() {
		_, err := e.s.cancel(ctx, e.p, e.request)
		if _, refused := errors.AsType[*horde.Error](err); err != nil && !refused {
			return false
		}
		if st, err := e.s.status(e.request, &e.p); err == nil {
			end.status = st
			e.p.end(e.row, st, e.now)
		}
	}
	e.end = end
	return true
}

// vanish is finish for a forgotten request: no images, no words and no counts of it stay.
func (e *editor) vanish(ctx context.Context) (next time.Time, over bool) {
	if e.end == nil && !e.drop(ctx) {
		return e.retry(), false
	}
	keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
	defer cancel()
	if _, err := e.s.captions.drop(keep, e.row.Key); err != nil {
		e.s.log.Warn().Err(err).Str("key", e.row.Key).Msg("a forgotten request is still to be described")
		return e.retry(), false
	}
	if err := e.s.discardImages(keep, e.row, e.p); err != nil {
		e.s.log.Warn().Err(err).Str("key", e.row.Key).Msg("images of a forgotten request are left")
		return e.retry(), false
	}
	if err := e.s.bury(keep, e.row); err != nil {
		e.s.log.Warn().Err(err).Str("key", e.row.Key).Msg("cannot forget a request yet")
		return e.retry(), false
	}
	return next, true
}

// bury leaves nothing of a request but that it was deleted: not even whose it was.
func (s *Set) bury(ctx context.Context, row chat.Message) error {
	return s.deps.Messages.SaveMessage(ctx, chat.Message{Key: row.Key, Created: row.Created, Params: []byte(chat.Deleted), Sealed: []byte{}})
}
