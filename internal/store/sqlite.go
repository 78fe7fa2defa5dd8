// SPDX-License-Identifier: AGPL-3.0-or-later

package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"
	driversqlite "modernc.org/sqlite" // registers itself as "sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"stablemate/horde"
)

// How SQLite runs. FULL syncs the log at every commit, so what is acknowledged survives a power cut; a checkpoint every
// 4000 pages (16 MB) keeps the log short without syncing the database all the time.
const (
	sqliteBusy       = 5 * time.Second       // wait for another process's write, such as an operator's tool
	sqlitePoll       = 10 * time.Millisecond // between looks at a lock that another program holds for a moment
	sqliteReaders    = 4
	sqliteWriterPool = "&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=wal_autocheckpoint(4000)&_pragma=cache_size(-65536)&_txlock=immediate"
	sqliteReaderPool = "&_pragma=query_only(1)&_pragma=cache_size(-8192)"
)

// sqliteDB is one database file. It has one connection that writes, and a few that read.
type sqliteDB struct {
	path string
	log  zerolog.Logger
	now  func() time.Time

	read   *sql.DB
	pool   *sql.DB            // of the writing connection alone
	writer chan *sqliteWriter // holds the one token to write; its connection is opened when first needed
	closed chan struct{}
	leads  *leadership // owned by whoever holds the token
}

// leadership is the lock beside the file, and how its holder hears of its end.
type leadership struct {
	lock *os.File
	lost chan struct{}
}

// sqliteWriter is the writing connection with its prepared statements.
type sqliteWriter struct {
	conn                           *sql.Conn
	statements                     *parsed // of conn, for what runs one by one
	begin, fence, commit, rollback driver.Stmt
	writes                         [statements]driver.Stmt
}

func openSQLite(ctx context.Context, opts Options) (database, pool, error) {
	if opts.Path == "" {
		return nil, nil, errors.New("the SQLite store needs a path")
	}
	path, err := filepath.Abs(opts.Path)
	if err != nil {
		return nil, nil, fmt.Errorf("open the store %s: %w", opts.Path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, nil, fmt.Errorf("make the store's folder: %w", err)
	}
	// SQLite would make the file readable by everybody; the log and index beside it take over its permissions.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open the store: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, nil, fmt.Errorf("open the store: %w", err)
	}
	source := fmt.Sprintf("file:%s?_pragma=busy_timeout(%d)", (&url.URL{Path: path}).EscapedPath(), sqliteBusy.Milliseconds())
	write, err := sql.Open("sqlite", source+sqliteWriterPool)
	if err != nil {
		return nil, nil, fmt.Errorf("open the store %s: %w", path, err)
	}
	write.SetMaxOpenConns(1)
	read, err := sql.Open("sqlite", source+sqliteReaderPool)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open the store %s: %w", path, err), write.Close())
	}
	read.SetMaxOpenConns(sqliteReaders)
	read.SetMaxIdleConns(sqliteReaders)

	db := &sqliteDB{
		path: path, log: opts.Log, now: opts.Now, read: read, pool: write,
		writer: make(chan *sqliteWriter, 1), // the token rests here
		closed: make(chan struct{}),
	}
	db.writer <- &sqliteWriter{}
	if err := patiently(ctx, db.ours); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open the store: %w", db.explain(err)), read.Close(), write.Close())
	}
	return db, newReader(read), nil
}

// patiently calls f again while another program has the file locked, for at most [sqliteBusy]. It is for the first
// connection: SQLite waits for nobody, whatever its busy timeout says, when it gives a file its write-ahead log.
func patiently(ctx context.Context, f func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, sqliteBusy)
	defer cancel()
	for {
		err := f(ctx)
		if refused, ok := errors.AsType[*driversqlite.Error](err); !ok || refused.Code()&0xff != sqlitelib.SQLITE_BUSY {
			return err
		}
		select {
		case <-limited.Done():
			return err
		case <-time.After(sqlitePoll):
		}
	}
}

// ours fails when the file is not a database, or one that another program made.
func (db *sqliteDB) ours(ctx context.Context) error {
	const query = `SELECT count(*), coalesce(sum(name = 'migration'), 0) FROM sqlite_schema WHERE type = 'table'`
	var tables, known int
	if err := db.pool.QueryRowContext(ctx, query).Scan(&tables, &known); err != nil {
		return err
	}
	if tables > 0 && known == 0 {
		return fmt.Errorf("%s is the database of another program", db.path)
	}
	return nil
}

func (db *sqliteDB) text(query string) string { return strings.ReplaceAll(query, "$", "?") }

// use runs f with the token to write and a connection. A connection that f broke is replaced at the next use.
func (db *sqliteDB) use(ctx context.Context, f func(w *sqliteWriter) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var w *sqliteWriter
	select {
	case w = <-db.writer:
	case <-db.closed:
		return errClosed
	case <-ctx.Done():
		return fmt.Errorf("wait for the writer: %w", ctx.Err())
	}
	defer func() { db.writer <- w }()
	if w.conn == nil {
		conn, err := db.pool.Conn(ctx)
		if err != nil {
			return err
		}
		w.conn, w.statements = conn, &parsed{on: conn}
	}
	return f(w)
}

var errClosed = errors.New("the store is closed")

func (db *sqliteDB) exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = db.use(ctx, func(w *sqliteWriter) error {
		result, err := w.statements.ExecContext(ctx, db.text(query), args...)
		if err != nil {
			return err
		}
		n, err = result.RowsAffected()
		return err
	})
	return n, err
}

func (db *sqliteDB) moment(ctx context.Context) (*sql.Tx, error) {
	// A transaction of a reading connection sees the database as it was at its first query.
	return db.read.BeginTx(ctx, nil)
}

func (db *sqliteDB) migrate(ctx context.Context) error {
	all, err := migrations(SQLite)
	if err != nil {
		return err
	}
	return db.use(ctx, func(w *sqliteWriter) error {
		if _, err := w.conn.ExecContext(ctx, createMigrations); err != nil {
			return err
		}
		limited, cancel := context.WithTimeout(ctx, sqliteBusy)
		defer cancel()
		for {
			applied := 0
			if err := w.conn.QueryRowContext(ctx, lastMigration).Scan(&applied); err != nil {
				return err
			}
			pending, err := after(all, applied)
			if err != nil || len(pending) == 0 {
				return err
			}
			// Never change the tables under a process that leads; wait for one that migrates.
			lock, err := lockFile(db.path + lockSuffix)
			if err == nil {
				return errors.Join(db.advance(ctx, w.conn, pending), unlockFile(lock))
			}
			select {
			case <-limited.Done():
				return err
			case <-time.After(sqlitePoll):
			}
		}
	})
}

func (db *sqliteDB) advance(ctx context.Context, conn *sql.Conn, pending []migration) error {
	for _, m := range pending {
		if err := db.step(ctx, conn, m); err != nil {
			return fmt.Errorf("migration %d, %s: %w", m.number, m.name, err)
		}
		db.log.Info().Int("number", m.number).Str("name", m.name).Msg("the tables moved a step forward")
	}
	return nil
}

// lockSuffix is what the lock file's name adds to the database's.
const lockSuffix = ".lock"

func (db *sqliteDB) step(ctx context.Context, conn *sql.Conn, m migration) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing after a commit
	var applied int
	if err := tx.QueryRowContext(ctx, lastMigration).Scan(&applied); err != nil {
		return err
	}
	if applied >= m.number {
		return nil // another process was quicker
	}
	if _, err := tx.ExecContext(ctx, m.script); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, db.text(insertMigration), m.number, m.name, micros(db.now())); err != nil {
		return err
	}
	return tx.Commit()
}

func (db *sqliteDB) lead(ctx context.Context) (epoch int64, lost <-chan struct{}, err error) {
	err = db.use(ctx, func(w *sqliteWriter) error {
		lead := db.leads
		if lead == nil {
			lock, err := lockFile(db.path + lockSuffix)
			if err != nil {
				return err
			}
			lead = &leadership{lock: lock}
		} else {
			close(lead.lost) // its term ends here
		}
		lead.lost = make(chan struct{})
		db.leads, lost = lead, lead.lost
		const query = `
UPDATE leader SET epoch = epoch + 1, seq = 0, holder = $1, since = $2 WHERE role = 'core' RETURNING epoch`
		return w.conn.QueryRowContext(ctx, db.text(query), holder(), micros(db.now())).Scan(&epoch)
	})
	return epoch, lost, err
}

func (db *sqliteDB) check(ctx context.Context) ([]string, error) {
	var found []string
	err := db.use(ctx, func(w *sqliteWriter) (err error) {
		rows, err := w.conn.QueryContext(ctx, `PRAGMA quick_check(20)`)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				return err
			}
			if line != "ok" {
				found = append(found, "the database file is damaged: "+line)
			}
		}
		return rows.Err()
	})
	return found, err
}

func (db *sqliteDB) close() error {
	select {
	case <-db.closed:
		return nil
	default:
	}
	w := <-db.writer // and it stays out: nobody writes any more
	close(db.closed)
	err := w.release()
	err = errors.Join(err, db.pool.Close())
	if db.leads != nil {
		close(db.leads.lost)
		err = errors.Join(err, unlockFile(db.leads.lock))
		db.leads = nil
	}
	return err
}

// release closes the connection; the writer opens another one when it is used again.
func (w *sqliteWriter) release() error {
	if w.conn == nil {
		return nil
	}
	failed := w.statements.close()
	err := w.conn.Raw(func(any) error {
		for _, s := range append([]driver.Stmt{w.begin, w.fence, w.commit, w.rollback}, w.writes[:]...) {
			if s != nil {
				failed = errors.Join(failed, s.Close())
			}
		}
		return driver.ErrBadConn // the pool is not to hand out a connection that may be in a transaction
	})
	*w = sqliteWriter{}
	if errors.Is(err, driver.ErrBadConn) {
		return failed
	}
	return errors.Join(failed, err)
}

func (db *sqliteDB) commit(ctx context.Context, term horde.Term, rows *rows) error {
	return db.use(ctx, func(w *sqliteWriter) error {
		var failed error
		err := w.conn.Raw(func(raw any) error {
			if failed = w.prepare(ctx, raw); failed == nil {
				failed = w.transact(context.WithoutCancel(ctx), term, rows)
			}
			return nil
		})
		if errors.Is(failed, errStuck) {
			return errors.Join(failed, w.release())
		}
		return errors.Join(failed, err)
	})
}

// errStuck says that a transaction could neither be committed nor rolled back on its connection.
var errStuck = errors.New("the connection is stuck in a transaction")

// transact writes one batch. Its context never ends: half a millisecond after it began it is over, or the disk is slow and
// nothing can be done about it.
func (w *sqliteWriter) transact(ctx context.Context, term horde.Term, rows *rows) (err error) {
	if _, err := run(ctx, w.begin); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() {
		if err == nil {
			return
		}
		if _, failed := run(ctx, w.rollback); failed != nil && !overAlready(failed) {
			err = errors.Join(err, errStuck, failed)
		}
	}()
	changed, err := run(ctx, w.fence, term.Epoch, term.Seq)
	switch {
	case err != nil:
		return fmt.Errorf("move the term forward: %w", err)
	case changed != 1:
		return errFence
	}
	for i, t := range rows {
		if err := w.write(ctx, statement(i), t); err != nil {
			return err
		}
	}
	if _, err := run(ctx, w.commit); err != nil {
		return fmt.Errorf("make it durable: %w", err)
	}
	return nil
}

// overAlready says of a rollback that failed that all is well: some errors end a transaction by themselves.
func overAlready(failed error) bool {
	return strings.Contains(failed.Error(), "no transaction is active")
}

func (w *sqliteWriter) write(ctx context.Context, which statement, t table) error {
	n := t.len()
	if n == 0 {
		return nil
	}
	stmt := w.writes[which].(driver.StmtExecContext)
	args := make([]driver.NamedValue, len(t))
	for i := range n {
		for j, c := range t {
			args[j] = driver.NamedValue{Ordinal: j + 1, Value: c.value(i)}
		}
		if _, err := stmt.ExecContext(ctx, args); err != nil {
			return fmt.Errorf("%s: %w", which, err)
		}
	}
	return nil
}

// run executes a prepared statement and reports how many rows it changed.
func run(ctx context.Context, stmt driver.Stmt, args ...int64) (int64, error) {
	named := make([]driver.NamedValue, len(args))
	for i, a := range args {
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	result, err := stmt.(driver.StmtExecContext).ExecContext(ctx, named)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// prepare compiles what the connection has not compiled yet. Going to the driver past database/sql saves a third of a
// commit's CPU: its statements run hundreds of times in each.
func (w *sqliteWriter) prepare(ctx context.Context, raw any) error {
	conn, ok := raw.(driver.ConnPrepareContext)
	if !ok {
		return fmt.Errorf("the driver's %T cannot prepare statements", raw)
	}
	compile := func(into *driver.Stmt, query string) error {
		if *into != nil {
			return nil
		}
		stmt, err := conn.PrepareContext(ctx, query)
		if err != nil {
			return fmt.Errorf("prepare %q: %w", query, err)
		}
		*into = stmt
		return nil
	}
	err := errors.Join(
		compile(&w.begin, `BEGIN IMMEDIATE`),
		compile(&w.fence, `UPDATE leader SET seq = ?2 WHERE role = 'core' AND epoch = ?1 AND seq = ?2 - 1`),
		compile(&w.commit, `COMMIT`),
		compile(&w.rollback, `ROLLBACK`))
	for i := range w.writes {
		err = errors.Join(err, compile(&w.writes[i], statement(i).sqlite()))
	}
	return err
}

// sqlite is the statement for one row. The order of its arguments is that of the columns in batch.go.
func (s statement) sqlite() string {
	switch s {
	case deleteGenerations:
		return `DELETE FROM generation WHERE request = ?1`
	case deleteRequests:
		return `DELETE FROM request WHERE id = ?1`
	case deleteWorkers:
		return `DELETE FROM worker WHERE id = ?1`
	case upsertAccounts:
		return `
INSERT INTO account (id, external, key_hash, name, created, last_active, roles, concurrency, invited, suspicion,
  balance, held, evaluated, details)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
ON CONFLICT (id) DO UPDATE SET external = excluded.external, key_hash = excluded.key_hash, name = excluded.name,
  created = excluded.created, last_active = excluded.last_active, roles = excluded.roles,
  concurrency = excluded.concurrency, invited = excluded.invited, suspicion = excluded.suspicion,
  balance = excluded.balance, held = excluded.held, evaluated = excluded.evaluated, details = excluded.details`
	case upsertWorkers:
		return `
INSERT INTO worker (id, owner, type, created, last_seen, origin, offer, record)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, type = excluded.type, created = excluded.created,
  last_seen = excluded.last_seen, origin = excluded.origin, offer = excluded.offer, record = excluded.record`
	case insertRequests:
		return `
INSERT INTO request (id, user_id, origin, created, rank, price, n, jobs, faults, state, expiry, consumed, held, spec)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)`
	case updateRequests:
		return `
UPDATE request SET n = ?2, jobs = ?3, faults = ?4, state = ?5, expiry = ?6, consumed = ?7, held = ?8 WHERE id = ?1`
	case insertGenerations:
		return `
INSERT INTO generation (request, id, worker, model, seed, state, started, deadline, finished, blob, censored, meta, reward)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)`
	case updateGenerations:
		return `
UPDATE generation SET seed = ?3, state = ?4, finished = ?5, blob = ?6, censored = ?7, meta = ?8, reward = ?9
WHERE request = ?1 AND id = ?2`
	case insertEvents:
		return `INSERT INTO event (id, key, kind, created) VALUES (?1, ?2, ?3, ?4)`
	case insertPostings:
		return `INSERT INTO posting (event, line, account, amount) VALUES (?1, ?2, ?3, ?4)`
	case upsertSystem:
		return `
INSERT INTO system_account (id, balance) VALUES (?1, ?2)
ON CONFLICT (id) DO UPDATE SET balance = excluded.balance`
	case upsertModes:
		return `
INSERT INTO modes (id, maintenance, invite_only, raid) VALUES (1, ?1, ?2, ?3)
ON CONFLICT (id) DO UPDATE SET maintenance = excluded.maintenance, invite_only = excluded.invite_only, raid = excluded.raid`
	case deleteRecords:
		return `DELETE FROM record WHERE kind = ?1 AND id = ?2`
	case upsertRecords:
		return `INSERT INTO record (kind, id, value) VALUES (?1, ?2, ?3) ON CONFLICT (kind, id) DO UPDATE SET value = excluded.value`
	case statements:
	}
	panic("store: no such statement") // a programmer error
}

// explain tells an operator what an error number of SQLite means for the file.
func (db *sqliteDB) explain(err error) error {
	known, ok := errors.AsType[*driversqlite.Error](err)
	if !ok {
		return err
	}
	switch known.Code() & 0xff { // the upper bits say where it happened
	case sqlitelib.SQLITE_CORRUPT, sqlitelib.SQLITE_NOTADB:
		return fmt.Errorf("%s is damaged or not a database; restore it from a backup: %w", db.path, err)
	case sqlitelib.SQLITE_FULL:
		return fmt.Errorf("no room left for %s: %w", db.path, err)
	case sqlitelib.SQLITE_READONLY:
		return fmt.Errorf("%s cannot be written: %w", db.path, err)
	}
	return err
}
