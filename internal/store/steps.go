// SPDX-License-Identifier: AGPL-3.0-or-later

package store

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// step is one statement of a transaction beside the core.
type step struct {
	query string // with $n
	args  []any
	must  error // what it means that no row changed; nil when that is all right
}

// all runs steps as one transaction: every one or none. Once begun it is finished, whatever becomes of ctx: the driver may
// say that the context ended of a statement that took effect, and the one connection that writes would stay in the midst of
// the transaction.
func (db *sqliteDB) all(ctx context.Context, steps ...step) error {
	return db.use(ctx, func(w *sqliteWriter) (err error) {
		ctx := context.WithoutCancel(ctx)
		if _, err := w.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
			return err
		}
		defer func() {
			if err == nil {
				return
			}
			if _, failed := w.conn.ExecContext(ctx, "ROLLBACK"); failed != nil && !overAlready(failed) {
				err = errors.Join(err, failed, w.release())
			}
		}()
		for _, s := range steps {
			result, err := w.conn.ExecContext(ctx, db.text(s.query), s.args...)
			if err != nil {
				return err
			}
			if n, err := result.RowsAffected(); err != nil || n == 0 && s.must != nil {
				return errors.Join(err, s.must)
			}
		}
		_, err = w.conn.ExecContext(ctx, "COMMIT")
		return err
	})
}

// all runs steps as one transaction: every one or none.
func (db *postgresDB) all(ctx context.Context, steps ...step) error {
	return pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		for _, s := range steps {
			tag, err := tx.Exec(ctx, s.query, s.args...)
			if err != nil {
				return err
			}
			if tag.RowsAffected() == 0 && s.must != nil {
				return s.must
			}
		}
		return nil
	})
}
