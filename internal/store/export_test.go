// SPDX-License-Identifier: AGPL-3.0-or-later

package store

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// LimitPages keeps a SQLite store from growing beyond so many pages: a disk that is full. 0 takes the limit away.
func LimitPages(ctx context.Context, s *Store, pages int64) error {
	db := s.db.(*sqliteDB)
	return db.use(ctx, func(w *sqliteWriter) error {
		if pages == 0 {
			pages = 1 << 30
		}
		var now int64
		return w.conn.QueryRowContext(ctx, "PRAGMA max_page_count = "+strconv.FormatInt(pages, 10)).Scan(&now)
	})
}

// DialThrough sends the connections that a PostgreSQL store makes from now on, other than the pool's, through dial.
func DialThrough(s *Store, dial func(ctx context.Context, network, addr string) (net.Conn, error)) {
	s.db.(*postgresDB).config.DialFunc = dial
}

// Strand gives up a SQLite store's writing connection in the midst of a transaction.
func Strand(ctx context.Context, s *Store) error {
	return s.db.(*sqliteDB).use(ctx, func(w *sqliteWriter) error {
		_, err := w.conn.ExecContext(ctx, `BEGIN IMMEDIATE`)
		return errors.Join(err, w.release())
	})
}

// Columns lists a store's tables and columns, with types in common words.
func Columns(ctx context.Context, s *Store) ([]string, error) {
	var out []string
	query := `SELECT m.name || '.' || c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'`
	if _, ok := s.db.(*postgresDB); ok {
		query = `
SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = current_schema()`
	}
	err := s.each(ctx, s.read, func(scan func(...any) error) error {
		var c string
		err := scan(&c)
		out = append(out, c)
		return err
	}, query)
	slices.Sort(out)
	return out, err
}

// Exec runs a statement of the test's own.
func Exec(ctx context.Context, s *Store, query string, args ...any) error {
	_, err := s.db.exec(ctx, query, args...)
	return err
}

// Connect makes a connection of its own to a PostgreSQL store's database.
func Connect(ctx context.Context, s *Store) (*pgx.Conn, error) {
	return s.db.(*postgresDB).connect(ctx)
}
