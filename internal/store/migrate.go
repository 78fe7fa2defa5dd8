// SPDX-License-Identifier: AGPL-3.0-or-later

package store

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

//go:embed migrations
var migrationFiles embed.FS

// migration is one step forward of the tables. There is no way back.
type migration struct {
	number int
	name   string
	script string
}

// migrations reads an engine's steps in their order: files NNNN_name.sql, numbered from 1 without gaps, the same numbers
// and names for every engine. A file that was ever released is not edited; a new one corrects it.
func migrations(engine string) ([]migration, error) {
	folder := path.Join("migrations", engine)
	entries, err := fs.ReadDir(migrationFiles, folder) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("list the migrations: %w", err)
	}
	var out []migration
	for i, entry := range entries {
		digits, name, _ := strings.Cut(strings.TrimSuffix(entry.Name(), ".sql"), "_")
		if number, err := strconv.Atoi(digits); err != nil || number != i+1 {
			return nil, fmt.Errorf("migration %s of %s is not number %d", entry.Name(), engine, i+1)
		}
		script, err := fs.ReadFile(migrationFiles, path.Join(folder, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("read migration %s: %w", entry.Name(), err)
		}
		out = append(out, migration{i + 1, name, string(script)})
	}
	return out, nil
}

// after returns the steps that follow the last applied one.
func after(all []migration, applied int) ([]migration, error) {
	if applied > len(all) {
		return nil, fmt.Errorf("the tables are of a newer version (step %d, this program knows %d): use the newer program", applied, len(all))
	}
	return all[applied:], nil
}

const (
	createMigrations = `
CREATE TABLE IF NOT EXISTS migration (number INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, applied BIGINT NOT NULL)`
	lastMigration   = `SELECT coalesce(max(number), 0) FROM migration`
	insertMigration = `INSERT INTO migration (number, name, applied) VALUES ($1, $2, $3)`
)
