// SPDX-License-Identifier: AGPL-3.0-or-later

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/rs/zerolog"

	"stablemate/horde"
)

// Bounds of what PostgreSQL is waited for and given.
const (
	pgConnectTimeout = 10 * time.Second
	pgCommitTimeout  = 30 * time.Second // one commit, with its second try
	pgConnections    = 8                // besides the one that commits and the one that leads
	pgCommitTries    = 2
	pgFarewell       = time.Second // for giving a lock back and closing a connection in good order
)

// postgresDB is one database, or one schema of it. Commits go through a connection of their own, the lead is a lock that
// another connection holds, everything else uses a pool.
type postgresDB struct {
	config *pgx.ConnConfig
	log    zerolog.Logger
	now    func() time.Time

	pool   *pgxpool.Pool
	sql    *sql.DB
	writer chan *pgWriter // holds the one token to commit
	closed chan struct{}

	mu      sync.Mutex // guards leads and ghost
	leads   *pgLeadership
	ghost   uint32         // server process of our last leading session, which may outlive its connection
	watches sync.WaitGroup // over goroutines that wait for a leading connection to break
}

// pgWriter is the committing connection; nil until it is needed, and after it broke.
type pgWriter struct{ conn *pgx.Conn }

// pgLeadership is a connection whose session holds the lock.
type pgLeadership struct {
	stop context.CancelFunc // ends the watch, which closes the connection and tells that the lead is lost
	done chan struct{}      // closed when it has
}

func openPostgres(ctx context.Context, opts Options) (database, pool, error) {
	if opts.URL == "" {
		return nil, nil, errors.New("the PostgreSQL store needs a URL")
	}
	config, err := pgxpool.ParseConfig(opts.URL)
	if err != nil {
		return nil, nil, fmt.Errorf("open the store: %w", err) // pgx leaves the password out of its message
	}
	prepare := config.ConnConfig
	if prepare.ConnectTimeout == 0 {
		prepare.ConnectTimeout = pgConnectTimeout
	}
	if prepare.RuntimeParams["application_name"] == "" {
		prepare.RuntimeParams["application_name"] = "stablemate"
	}
	// A machine that vanishes without a word is noticed in about ten seconds.
	dialer := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3}}
	prepare.DialFunc = dialer.DialContext
	config.MaxConns = pgConnections
	conns, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, nil, fmt.Errorf("open the store: %w", err)
	}
	db := &postgresDB{
		config: config.ConnConfig, log: opts.Log, now: opts.Now, pool: conns, sql: stdlib.OpenDBFromPool(conns),
		writer: make(chan *pgWriter, 1), // the token rests here
		closed: make(chan struct{}),
	}
	db.writer <- &pgWriter{}
	if err := conns.Ping(ctx); err != nil {
		err = errors.Join(fmt.Errorf("open the store: %w", err), db.sql.Close())
		conns.Close()
		return nil, nil, err
	}
	return db, db.sql, nil
}

func (db *postgresDB) text(query string) string { return query }

func (db *postgresDB) exec(ctx context.Context, query string, args ...any) (int64, error) {
	tag, err := db.pool.Exec(ctx, query, args...)
	return tag.RowsAffected(), err
}

func (db *postgresDB) moment(ctx context.Context) (*sql.Tx, error) {
	return db.sql.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
}

// Advisory locks are pairs of numbers: one of these and the hash of the schema, so that several hordes can share a
// database in schemas of their own. "stbl" and "stbm" in ASCII.
const (
	leadLock    = 0x7374626c
	migrateLock = 0x7374626d
)

func (db *postgresDB) migrate(ctx context.Context) error {
	all, err := migrations(Postgres)
	if err != nil {
		return err
	}
	conn, err := db.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }() // and with it goes the lock
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1, hashtext(current_schema()))`, migrateLock); err != nil {
		return fmt.Errorf("wait for other programs to migrate: %w", err)
	}
	var there bool
	if err := conn.QueryRow(ctx, `SELECT to_regclass('migration') IS NOT NULL`).Scan(&there); err != nil {
		return err
	}
	if !there {
		if _, err := conn.Exec(ctx, createMigrations); err != nil {
			return err
		}
	}
	applied := 0
	if err := conn.QueryRow(ctx, lastMigration).Scan(&applied); err != nil {
		return err
	}
	pending, err := after(all, applied)
	if err != nil {
		return err
	}
	for _, m := range pending {
		if err := db.step(ctx, conn, m); err != nil {
			return fmt.Errorf("migration %d, %s: %w", m.number, m.name, err)
		}
		db.log.Info().Int("number", m.number).Str("name", m.name).Msg("the tables moved a step forward")
	}
	return nil
}

func (db *postgresDB) step(ctx context.Context, conn *pgx.Conn, m migration) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }() // nothing after a commit
	// Only the simple protocol takes several statements at once.
	if err := conn.PgConn().Exec(ctx, m.script).Close(); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, insertMigration, m.number, m.name, micros(db.now())); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// connect makes a connection of its own, beside the pool.
func (db *postgresDB) connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.ConnectConfig(ctx, db.config.Copy())
}

// lead takes a lock that belongs to the session of a connection: it ends with the connection, however that ends.
func (db *postgresDB) lead(ctx context.Context) (int64, <-chan struct{}, error) {
	select {
	case <-db.closed:
		return 0, nil, errClosed
	default:
	}
	db.resign()
	db.pool.Reset() // whoever leads anew may have lost the server; its old connections are of no use then
	conn, err := db.connect(ctx)
	if err != nil {
		return 0, nil, err
	}
	epoch, err := db.takeLead(ctx, conn)
	if err != nil {
		return 0, nil, errors.Join(err, conn.Close(ctx))
	}
	watch, stop := context.WithCancel(context.WithoutCancel(ctx))
	lead := &pgLeadership{stop: stop, done: make(chan struct{})}
	db.mu.Lock()
	db.leads, db.ghost = lead, conn.PgConn().PID()
	db.mu.Unlock()
	db.watches.Go(func() {
		defer close(lead.done)
		defer stop()
		// Nothing ever notifies this session: the wait ends when the connection breaks, or when we stop it.
		_, err := conn.WaitForNotification(watch)
		ending, cancel := context.WithTimeout(context.WithoutCancel(watch), pgFarewell)
		defer cancel()
		if watch.Err() == nil {
			db.log.Warn().Err(err).Msg("the connection that holds the store's lock broke")
		} else {
			// The server notices a closed connection a little later; who waits for the lock should not have to.
			_, _ = conn.Exec(ending, `SELECT pg_advisory_unlock_all()`)
		}
		_ = conn.Close(ending)
	})
	return epoch, lead.done, nil
}

func (db *postgresDB) takeLead(ctx context.Context, conn *pgx.Conn) (epoch int64, err error) {
	// The server, too, should notice soon when this machine vanishes: until then nobody else can lead.
	const watchful = `
SELECT set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '2', false),
  set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '10000', false)`
	if _, err := conn.Exec(ctx, watchful); err != nil {
		return 0, fmt.Errorf("configure the leading connection: %w", err)
	}
	if err := db.takeLock(ctx, conn); err != nil {
		return 0, err
	}
	// A commit of the last leader that is still on its way holds this row, or finds its epoch gone.
	const query = `
UPDATE leader SET epoch = epoch + 1, seq = 0, holder = $1, since = $2 WHERE role = 'core' RETURNING epoch`
	if err := conn.QueryRow(ctx, query, holder(), micros(db.now())).Scan(&epoch); err != nil {
		return 0, fmt.Errorf("start an epoch: %w", err)
	}
	return epoch, nil
}

// takeLock fails with horde.ErrLed when another session holds the lock. Should that be our own last one, because the
// network broke and the server has not noticed yet, it is ended first.
func (db *postgresDB) takeLock(ctx context.Context, conn *pgx.Conn) error {
	const (
		take     = `SELECT pg_try_advisory_lock($1, hashtext(current_schema()))`
		exorcise = `
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND granted AND pid = $2 AND objsubid = 2
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND classid::bigint = $1 AND objid::bigint = hashtext(current_schema())::bigint & 4294967295`
		tries = 20
		pause = 50 * time.Millisecond
	)
	db.mu.Lock()
	ghost := db.ghost
	db.mu.Unlock()
	for try := range tries {
		var taken, ended bool
		if err := conn.QueryRow(ctx, take, leadLock).Scan(&taken); err != nil {
			return fmt.Errorf("take the lock: %w", err)
		}
		if taken {
			return nil
		}
		err := conn.QueryRow(ctx, exorcise, leadLock, ghost).Scan(&ended)
		switch {
		case errors.Is(err, pgx.ErrNoRows) && try == 0: // somebody else's
			return horde.ErrLed
		case err != nil && !errors.Is(err, pgx.ErrNoRows):
			return fmt.Errorf("end our last session: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for our last session to end: %w", ctx.Err())
		case <-time.After(pause):
		}
	}
	return horde.ErrLed
}

// resign gives up the lead, if there is one, and waits until the lock is free.
func (db *postgresDB) resign() {
	db.mu.Lock()
	lead := db.leads
	db.leads = nil
	db.mu.Unlock()
	if lead != nil {
		lead.stop()
		<-lead.done
	}
}

func (db *postgresDB) check(context.Context) ([]string, error) { return nil, nil }

func (db *postgresDB) close() error {
	select {
	case <-db.closed:
		return nil
	default:
	}
	w := <-db.writer // and it stays out: nobody commits any more
	close(db.closed)
	w.drop(context.Background())
	db.resign()
	db.watches.Wait()
	db.pool.Close()
	return nil
}

// drop closes the connection; the next commit opens another one.
func (w *pgWriter) drop(ctx context.Context) {
	if w.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pgFarewell)
	defer cancel()
	_ = w.conn.Close(ctx) // what was acknowledged is durable; nothing can be done about the rest
	w.conn = nil
}

func (db *postgresDB) commit(ctx context.Context, term horde.Term, rows *rows) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var w *pgWriter
	select {
	case w = <-db.writer:
	case <-db.closed:
		return errClosed
	case <-ctx.Done():
		return fmt.Errorf("wait for the writer: %w", ctx.Err())
	}
	defer func() { db.writer <- w }()
	// A commit that was cut off may have landed; to find out is harder than to finish it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pgCommitTimeout)
	defer cancel()
	var err error
	for range pgCommitTries {
		if err = db.try(ctx, w, term, rows); err == nil {
			return nil
		}
		if _, answered := errors.AsType[*pgconn.PgError](err); answered && w.conn != nil && !w.conn.IsClosed() {
			break // the server said no, and nothing was written
		}
		// The connection broke. If the batch landed all the same, the fence stops the second try: the caller finds its own
		// term in the store.
		w.drop(ctx)
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == divisionByZero {
		return errFence
	}
	return err
}

// divisionByZero is the SQLSTATE that the fence raises, and nothing else in a commit can.
const divisionByZero = "22012"

func (db *postgresDB) try(ctx context.Context, w *pgWriter, term horde.Term, rows *rows) error {
	if w.conn == nil || w.conn.IsClosed() {
		conn, err := db.connect(ctx)
		if err != nil {
			return err
		}
		w.conn = conn
		if _, err := conn.Exec(ctx, commitSession); err != nil {
			return fmt.Errorf("configure the committing connection: %w", err)
		}
	}
	batch := &pgx.Batch{}
	batch.Queue(fence, term.Epoch, term.Seq)
	for i, t := range rows {
		if t.len() == 0 {
			continue
		}
		args := make([]any, len(t))
		for j, c := range t {
			args[j] = c.array()
		}
		batch.Queue(statement(i).postgres(), args...)
	}
	// Without BEGIN and COMMIT the whole pipeline is one transaction, and an error leaves the connection clean.
	return w.conn.SendBatch(ctx, batch).Close()
}

// commitSession makes acknowledged commits durable whatever the server's default is, and takes from the planner what can
// only hurt: each statement finds a few rows by their keys, so one plan, by index, is right for every batch.
const commitSession = `
SELECT set_config('plan_cache_mode', 'force_generic_plan', false), set_config('jit', 'off', false),
  set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', false),
  set_config('enable_seqscan', 'off', false),
  CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', false) END`

// fence moves the term forward, or divides by zero: in a pipeline the commit is already on its way when a row count could
// be looked at, so only an error stops it.
const fence = `
WITH moved AS (UPDATE leader SET seq = $2 WHERE role = 'core' AND epoch = $1 AND seq = $2 - 1 RETURNING 1)
SELECT 1 / count(*) FROM moved`

// postgres is the statement for all rows at once. The order of its arguments is that of the columns in batch.go.
func (s statement) postgres() string {
	switch s {
	case deleteGenerations:
		return `DELETE FROM generation g USING unnest($1::uuid[]) AS gone(id) WHERE g.request = gone.id`
	case deleteRequests:
		return `DELETE FROM request r USING unnest($1::uuid[]) AS gone(id) WHERE r.id = gone.id`
	case deleteWorkers:
		return `DELETE FROM worker w USING unnest($1::uuid[]) AS gone(id) WHERE w.id = gone.id`
	case upsertAccounts:
		return `
INSERT INTO account (id, external, key_hash, name, created, last_active, roles, concurrency, invited, suspicion,
  balance, held, evaluated, details)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
  $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::text[])
ON CONFLICT (id) DO UPDATE SET external = excluded.external, key_hash = excluded.key_hash, name = excluded.name,
  created = excluded.created, last_active = excluded.last_active, roles = excluded.roles,
  concurrency = excluded.concurrency, invited = excluded.invited, suspicion = excluded.suspicion,
  balance = excluded.balance, held = excluded.held, evaluated = excluded.evaluated, details = excluded.details`
	case upsertWorkers:
		return `
INSERT INTO worker (id, owner, type, created, last_seen, origin, offer, record)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[])
ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, type = excluded.type, created = excluded.created,
  last_seen = excluded.last_seen, origin = excluded.origin, offer = excluded.offer, record = excluded.record`
	case insertRequests:
		return `
INSERT INTO request (id, user_id, origin, created, rank, price, n, jobs, faults, state, expiry, consumed, held, spec)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
  $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::text[])`
	case updateRequests:
		return `
UPDATE request r SET n = v.n, jobs = v.jobs, faults = v.faults, state = v.state, expiry = v.expiry,
  consumed = v.consumed, held = v.held
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
  AS v(id, n, jobs, faults, state, expiry, consumed, held)
WHERE r.id = v.id`
	case insertGenerations:
		return `
INSERT INTO generation (request, id, worker, model, seed, state, started, deadline, finished, blob, censored, meta, reward)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
  $8::bigint[], $9::bigint[], $10::text[], $11::boolean[], $12::text[], $13::bigint[])`
	case updateGenerations:
		return `
UPDATE generation g SET seed = v.seed, state = v.state, finished = v.finished, blob = v.blob, censored = v.censored,
  meta = v.meta, reward = v.reward
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::boolean[], $8::text[], $9::bigint[])
  AS v(request, id, seed, state, finished, blob, censored, meta, reward)
WHERE g.request = v.request AND g.id = v.id`
	case insertEvents:
		return `
INSERT INTO event (id, key, kind, created) SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[])`
	case insertPostings:
		return `
INSERT INTO posting (event, line, account, amount)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])`
	case upsertSystem:
		return `
INSERT INTO system_account (id, balance) SELECT * FROM unnest($1::bigint[], $2::bigint[])
ON CONFLICT (id) DO UPDATE SET balance = excluded.balance`
	case upsertModes:
		return `
INSERT INTO modes (id, maintenance, invite_only, raid) SELECT 1, * FROM unnest($1::boolean[], $2::boolean[], $3::boolean[])
ON CONFLICT (id) DO UPDATE SET maintenance = excluded.maintenance, invite_only = excluded.invite_only, raid = excluded.raid`
	case deleteRecords:
		return `DELETE FROM record r USING unnest($1::text[], $2::text[]) AS gone(kind, id) WHERE r.kind = gone.kind AND r.id = gone.id`
	case upsertRecords:
		return `
INSERT INTO record (kind, id, value) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
ON CONFLICT (kind, id) DO UPDATE SET value = excluded.value`
	case statements:
	}
	panic("store: no such statement") // a programmer error
}

// explain tells an operator what an error of PostgreSQL means for the database.
func (db *postgresDB) explain(err error) error {
	known, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	switch known.Code {
	case "53100": // disk_full
		return fmt.Errorf("the database server has no room left: %w", err)
	case "42501": // insufficient_privilege
		return fmt.Errorf("the database user may not do this: %w", err)
	}
	return err
}
