// SPDX-License-Identifier: AGPL-3.0-or-later

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"stablemate/horde"
	"stablemate/horde/kudos"
)

// auditGifts holds the gifts that wait, and the purses, against the account that holds them.
func (s *Store) auditGifts(ctx context.Context, tx *sql.Tx, r *AuditReport) error {
	var sum kudos.Amount
	err := s.each(ctx, tx, func(scan func(...any) error) error {
		var id string
		var value []byte
		if err := scan(&id, &value); err != nil {
			return err
		}
		var g struct {
			Amount kudos.Amount `json:"amount"` // of a gift
			Left   kudos.Amount `json:"left"`   // of a purse
		}
		if err := json.Unmarshal(value, &g); err != nil {
			return fmt.Errorf("read gift %q: %w", id, err)
		}
		sum += g.Amount + g.Left
		return nil
	}, `SELECT id, value FROM record WHERE kind = $1 OR kind = $2`, string(horde.KindGift), string(horde.KindPurse))
	if err != nil {
		return fmt.Errorf("read the gifts that wait: %w", err)
	}
	var balance int64
	const reserved = `SELECT coalesce(sum(balance), 0) FROM system_account WHERE id = $1`
	if err := tx.QueryRowContext(ctx, s.db.text(reserved), int64(kudos.Reserved)).Scan(&balance); err != nil {
		return fmt.Errorf("read what is reserved: %w", err)
	}
	if kudos.Amount(balance) != sum {
		r.add("%s kudos are reserved, the gifts that wait and the purses are %s", kudos.Amount(balance), sum)
	}
	return nil
}
