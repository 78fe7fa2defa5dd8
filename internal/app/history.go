// SPDX-License-Identifier: AGPL-3.0-or-later

package app

import (
	"context"
	"fmt"
	"time"

	"stablemate/commands"
	"stablemate/horde/kudos"
	"stablemate/internal/store"
)

// movements reads what an account gained and lost, for chat.
func (a *assembly) movements(ctx context.Context, account kudos.Account, kinds []kudos.Kind, limit int) ([]commands.Movement, error) {
	entries, err := a.store.History(ctx, account, kinds, limit)
	out := make([]commands.Movement, len(entries))
	for i, e := range entries {
		out[i] = commands.Movement{Key: e.Key, Kind: e.Kind, At: e.At, Amount: e.Amount, Other: e.Other}
	}
	return out, err
}

// maxRanked is how many accounts a leaderboard looks at.
const maxRanked = 5_000

// ranks reads who has most of what a leaderboard compares, for chat.
func (a *assembly) ranks(ctx context.Context, board commands.Board, since time.Time) ([]commands.Rank, error) {
	by, ok := map[commands.Board]store.RankBy{
		commands.BoardGiven: store.ByGiven, commands.BoardReceived: store.ByReceived, commands.BoardGenerated: store.ByMade,
		commands.BoardRated: store.ByRated,
	}[board]
	if !ok {
		return nil, fmt.Errorf("nothing is counted for the leaderboard %q", board)
	}
	found, err := a.store.Ranks(ctx, by, since, maxRanked)
	out := make([]commands.Rank, len(found))
	for i, r := range found {
		out[i] = commands.Rank(r)
	}
	return out, err
}
