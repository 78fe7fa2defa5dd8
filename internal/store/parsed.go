// SPDX-License-Identifier: AGPL-3.0-or-later

package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// maxParsed is the most statements that one parsed keeps. Queries with lists of any length in them are texts of their own;
// what comes when there is no room is parsed each time.
const maxParsed = 256

// preparer is a connection, or a pool of them.
type preparer interface {
	querier
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// parsed runs statements on a connection or a pool and has each text parsed once: SQLite's parser takes longer than most of
// what we ask. (pgx does the same by itself.) It is safe for concurrent use.
type parsed struct {
	on preparer

	mu    sync.Mutex
	known map[string]*sql.Stmt
}

// statement returns the statement of a text, or nil when there is no room for it.
func (p *parsed) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	p.mu.Lock()
	s, full := p.known[query], len(p.known) >= maxParsed
	p.mu.Unlock()
	if s != nil || full {
		return s, nil
	}
	s, err := p.on.PrepareContext(ctx, query) // it may wait for a connection
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if quicker := p.known[query]; quicker != nil {
		return quicker, s.Close() //nolint:sqlclosecheck // the other one stays
	}
	if p.known == nil {
		p.known = map[string]*sql.Stmt{}
	}
	p.known[query] = s
	return s, nil
}

// QueryContext is sql.DB's.
func (p *parsed) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := p.statement(ctx, query) //nolint:sqlclosecheck // it is kept
	switch {
	case err != nil:
		return nil, err
	case s == nil:
		return p.on.QueryContext(ctx, query, args...)
	}
	return s.QueryContext(ctx, args...)
}

// ExecContext is sql.DB's.
func (p *parsed) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := p.statement(ctx, query) //nolint:sqlclosecheck // it is kept
	switch {
	case err != nil:
		return nil, err
	case s == nil:
		return p.on.ExecContext(ctx, query, args...)
	}
	return s.ExecContext(ctx, args...)
}

// close ends the statements. A pool ends its own; a connection would stay half open for as long as it has some.
func (p *parsed) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	for _, s := range p.known {
		err = errors.Join(err, s.Close())
	}
	p.known = nil
	return err
}

// reader is a pool of connections that read, with statements that are parsed once.
type reader struct {
	*sql.DB
	statements parsed
}

func newReader(db *sql.DB) *reader { return &reader{DB: db, statements: parsed{on: db}} }

// QueryContext is sql.DB's.
func (r *reader) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return r.statements.QueryContext(ctx, query, args...)
}
