// SPDX-License-Identifier: AGPL-3.0-or-later

package store

import (
	"context"
	"database/sql"
	"errors"
)

// Setting reads a named value that the program keeps for itself, such as the deployment's secret; nil when it was never
// set.
func (s *Store) Setting(ctx context.Context, name string) ([]byte, error) {
	const query = `SELECT value FROM setting WHERE name = $1`
	var value []byte
	err := s.read.QueryRowContext(ctx, s.db.text(query), name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, s.wrap("read the setting "+name, err)
	}
	return notNil(value), nil
}

// SetSetting keeps a named value, in place of an earlier one.
func (s *Store) SetSetting(ctx context.Context, name string, value []byte) error {
	const query = `
INSERT INTO setting (name, value) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET value = excluded.value`
	_, err := s.db.exec(ctx, query, name, notNil(value))
	return s.wrap("write the setting "+name, err)
}

// EnsureSetting reads a named value and, when there is none, keeps what create returns. Of several processes that do so
// at once, all get the same value.
func (s *Store) EnsureSetting(ctx context.Context, name string, create func() ([]byte, error)) ([]byte, error) {
	value, err := s.Setting(ctx, name)
	if err != nil || value != nil {
		return value, err
	}
	if value, err = create(); err != nil {
		return nil, err
	}
	const query = `INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`
	if _, err := s.db.exec(ctx, query, name, notNil(value)); err != nil {
		return nil, s.wrap("write the setting "+name, err)
	}
	return s.Setting(ctx, name)
}

// notNil keeps an empty value from becoming NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
