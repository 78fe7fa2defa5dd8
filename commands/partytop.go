// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"stablemate/commands/chat"
)

// Bounds of counting reactions while a party runs.
const (
	topFor   = time.Minute      // that a count is good for
	topTime  = 15 * time.Second // to count in
	maxTops  = 200              // counts at hand
	topShown = 5                // entries in front
)

// tops are the last counts of reactions, by thread.
type tops struct {
	mu    sync.Mutex // guards known
	known map[string]topCount
}

type topCount struct {
	at    time.Time
	votes []int
}

// leading lists the entries with most reactions so far, by their place in the party, and notes in p how many those are. It
// asks Discord once a minute at most; when Discord does not answer in time there is nothing to list.
func (h *host) leading(ctx context.Context, id string, p *chat.Party) []int {
	if p.Picks == chat.WinnerPoll || len(p.Entries) == 0 {
		return nil // people vote in another way
	}
	now := h.s.now()
	h.tops.mu.Lock()
	t, known := h.tops.known[id]
	h.tops.mu.Unlock()
	if !known || now.Sub(t.at) >= topFor || t.at.Before(p.Begun) {
		ctx, cancel := context.WithTimeout(ctx, topTime)
		defer cancel()
		votes, err := h.votes(ctx, id, *p)
		if err != nil {
			h.s.log.Debug().Err(err).Msg("reactions of a party are not counted")
			return nil
		}
		t = topCount{now, votes}
		h.tops.mu.Lock()
		if len(h.tops.known) >= maxTops {
			clear(h.tops.known)
		}
		h.tops.known[id] = t
		h.tops.mu.Unlock()
	}
	p.Entries = slices.Clone(p.Entries) // they are the store's, too
	var order []int
	for i := range min(len(p.Entries), len(t.votes)) {
		if p.Entries[i].Votes = t.votes[i]; t.votes[i] > 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(t.votes[b], t.votes[a]) })
	return order[:min(len(order), topShown)]
}
