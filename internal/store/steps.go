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

// all runs steps as one transaction: every one or none.
func (db *sqliteDB) all(ctx context.Context, steps ...step) error {
	return db.use(ctx, func(w *sqliteWriter) (err error) {
		if _, err := w.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
			return err
		}
		defer func() {
			if err != nil {
				_, undo := w.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
				err = errors.Join(err, undo)
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
		_, err = w.conn.ExecContext(context.WithoutCancel(ctx), "COMMIT")
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
