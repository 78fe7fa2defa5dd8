// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"crypto/sha256"
	"encoding/json"
	"sync"
	"time"

	"stablemate/internal/discord"
)

const (
	twiceTime = 3 * time.Second // within which nobody fills in a form anew
	twiceKept = 1024            // forms remembered
)

// twice knows the forms that were sent lately. A slow connection or a nervous finger sends one twice, as two interactions.
// It is safe for concurrent use.
type twice struct {
	now func() time.Time

	mu   sync.Mutex // guards what follows
	sent map[[sha256.Size]byte]time.Time
	ring [twiceKept][sha256.Size]byte
	next int
}

func newTwice(now func() time.Time) *twice {
	return &twice{now: now, sent: make(map[[sha256.Size]byte]time.Time, twiceKept)}
}

// again notes a form that a person sends and reports whether the same came from them a moment ago.
func (t *twice) again(in *discord.Interaction) bool {
	text, err := json.Marshal([]any{in.User.ID, in.ChannelID, in.Modal.CustomID, in.Modal.Values}) // maps are sorted
	if err != nil {
		return false // made of texts
	}
	key, now := sha256.Sum256(text), t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if at, ok := t.sent[key]; ok && now.Sub(at) < twiceTime {
		return true
	} else if !ok {
		delete(t.sent, t.ring[t.next])
		t.ring[t.next] = key
		t.next = (t.next + 1) % twiceKept
	}
	t.sent[key] = now
	return false
}
