// SPDX-License-Identifier: AGPL-3.0-or-later

// Package store is the horde's memory on disk: one SQLite file, or a PostgreSQL database, behind one Store.
//
// The engine leads a store, loads it once and then only commits: each batch is one transaction, durable when Commit
// returns, and fenced, so that a process that lost the lead can change nothing. Around that stand plain queries for what
// is not in the horde's state: history, chat messages, settings, and the audit that proves the books.
//
// Statements are written by hand for each engine; where one text serves both it is written with $n and stands beside the
// function that runs it. Times are BIGINT microseconds in UTC (0 is no time), amounts are hundredths of a kudos.
//
//	batch.go      a horde.Batch as rows, the same for both engines
//	sqlite.go     one file, one writing connection, a lock beside the file
//	postgres.go   one pipelined transaction per commit, an advisory lock
//	load.go       everything back into a horde.Snapshot
//	ledger.go audit.go message.go setting.go   queries beside the core
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"stablemate/horde"
)

// Engines that a Store can use.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// Options say where the data lives.
type Options struct {
	Engine string // SQLite or Postgres
	Path   string // SQLite: the database file; it and its folder are made when missing
	URL    string // PostgreSQL: a connection URL or key=value string; the connection must not go through a transaction pooler
	Log    zerolog.Logger
	Now    func() time.Time // stamps terms and migrations for people to read; nil leaves them without
}

// Store keeps the horde in a database. It implements engine.Store and is safe for concurrent use.
type Store struct {
	db   database
	read pool // never writes

	mu   sync.Mutex // guards last
	last attempt
}

// database is what differs between the engines. Its SQL arguments are written with $n.
type database interface {
	migrate(ctx context.Context) error
	// lead takes the lock, starts an epoch, and closes lost when the lock is known to be gone.
	lead(ctx context.Context) (epoch int64, lost <-chan struct{}, err error)
	// commit writes everything or nothing; errFence when the term is not the next one.
	commit(ctx context.Context, term horde.Term, rows *rows) error
	// exec runs one writing statement as a transaction of its own and reports how many rows it changed.
	exec(ctx context.Context, query string, args ...any) (int64, error)
	// all runs several writing statements as one transaction.
	all(ctx context.Context, steps ...step) error
	// moment starts a transaction that sees one consistent moment and writes nothing.
	moment(ctx context.Context) (*sql.Tx, error)
	// check asks the engine whether its files are sound; a sentence for each thing that is not.
	check(ctx context.Context) ([]string, error)
	// text turns $n into what the engine's driver takes.
	text(query string) string
	// explain adds to an error of the engine what an operator can do about it.
	explain(err error) error
	close() error
}

// errFence says that the leader row did not hold the term before the given one.
var errFence = errors.New("the term is not the next one")

// attempt remembers which batch was last sent under a term, to tell a repeat from an intruder.
type attempt struct {
	term  horde.Term
	batch *horde.Batch
	mixed bool // several batches were sent under the term; which of them landed is not known
}

// Open opens the store and brings its tables to this version. A file or database that something else wrote, that is
// damaged, or that a newer version wrote is an error. Open does not lead: everything but Commit works beside a leader.
func Open(ctx context.Context, opts Options) (*Store, error) {
	if opts.Now == nil {
		opts.Now = func() time.Time { return time.Time{} }
	}
	s := &Store{}
	var err error
	switch opts.Engine {
	case SQLite:
		s.db, s.read, err = openSQLite(ctx, opts)
	case Postgres:
		s.db, s.read, err = openPostgres(ctx, opts)
	default:
		return nil, fmt.Errorf("unknown store engine %q: it is %q or %q", opts.Engine, SQLite, Postgres)
	}
	if err != nil {
		return nil, err
	}
	if err := s.db.migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare the tables: %w", s.db.explain(err)), s.Close())
	}
	return s, nil
}

// Close gives up the lead, waits for what is being written and closes all connections.
func (s *Store) Close() error {
	return errors.Join(s.read.Close(), s.db.close())
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return s.wrap("ping the store", s.read.QueryRowContext(ctx, "SELECT 1").Scan(&one))
}

// Lead takes the store's lock for this process and starts a new term; a term that this Store led before ends with it.
// It fails with horde.ErrLed while another process, or another Store, holds the lock. Lost is closed when the lock is
// known to be gone, and by Close.
func (s *Store) Lead(ctx context.Context) (horde.Term, <-chan struct{}, error) {
	epoch, lost, err := s.db.lead(ctx)
	if err != nil {
		return horde.Term{}, nil, s.wrap("lead the store", err)
	}
	return horde.Term{Epoch: epoch}, lost, nil
}

// Commit writes a batch: all of it or nothing, durable when it returns nil. term.Seq is the batch's own number, one more
// than the last one committed in term.Epoch; anything else is horde.ErrFenced.
//
// After any other error nothing of the batch is acknowledged, though it may have landed when the connection broke at the
// wrong moment. The same batch (the same pointer) may be sent again under the same term: it is written once. Whoever
// would rather go on with other batches leads and loads again first.
//
// The context bounds the wait for the writer; a commit that has begun is finished.
func (s *Store) Commit(ctx context.Context, term horde.Term, b *horde.Batch) error {
	rows, err := encode(b)
	if err != nil {
		return fmt.Errorf("commit %d.%d: %w", term.Epoch, term.Seq, err)
	}
	s.mu.Lock()
	if s.last.term != term {
		s.last = attempt{term: term, batch: b}
	} else if s.last.batch != b {
		s.last.mixed = true
	}
	s.mu.Unlock()

	err = s.db.commit(ctx, term, rows)
	switch {
	case err == nil:
		s.mu.Lock()
		s.last = attempt{term: term, batch: b}
		s.mu.Unlock()
		return nil
	case errors.Is(err, errFence):
		return s.fenced(ctx, term, b)
	}
	return s.wrap(fmt.Sprintf("commit %d.%d", term.Epoch, term.Seq), err)
}

// fenced tells a batch that landed before, its outcome unknown to the caller, from one that came too late.
func (s *Store) fenced(ctx context.Context, term horde.Term, b *horde.Batch) error {
	const query = `SELECT epoch, seq FROM leader WHERE role = 'core'`
	var at horde.Term
	if err := s.read.QueryRowContext(ctx, query).Scan(&at.Epoch, &at.Seq); err != nil {
		return s.wrap("read the leader's term", err)
	}
	s.mu.Lock()
	repeat := s.last == attempt{term: term, batch: b}
	s.mu.Unlock()
	if at == term && repeat {
		return nil
	}
	return fmt.Errorf("commit %d.%d: the store is at %d.%d: %w", term.Epoch, term.Seq, at.Epoch, at.Seq, horde.ErrFenced)
}

func (s *Store) wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, s.db.explain(err))
}

// querier is a connection pool or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// pool is what a Store reads from.
type pool interface {
	querier
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	Close() error
}

// each runs a query and calls scan for every row.
func (s *Store) each(ctx context.Context, from querier, scan func(scan func(into ...any) error) error, query string, args ...any) (err error) {
	found, err := from.QueryContext(ctx, s.db.text(query), args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	for found.Next() {
		if err := scan(found.Scan); err != nil {
			return err
		}
	}
	return found.Err()
}

// holder names this process in the leader row, for people.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s, process %d", strings.ToValidUTF8(host, "?"), os.Getpid())
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
