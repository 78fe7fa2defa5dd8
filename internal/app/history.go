// SPDX-License-Identifier: AGPL-3.0-or-later

package app

import (
	"context"

	"stablemate/commands"
	"stablemate/horde/kudos"
)

// movements reads what an account gained and lost, for chat.
func (a *assembly) movements(ctx context.Context, account kudos.Account, limit int) ([]commands.Movement, error) {
	entries, err := a.store.History(ctx, account, limit)
	out := make([]commands.Movement, len(entries))
	for i, e := range entries {
		out[i] = commands.Movement{Key: e.Key, Kind: e.Kind, At: e.At, Amount: e.Amount}
	}
	return out, err
}
