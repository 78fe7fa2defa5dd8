// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"sync"
	"time"

	"stablemate/internal/discord"
)

// Bounds of what is remembered of messages that people pointed at.
const (
	maxGlances = 500
	glanceLife = 15 * time.Minute // Discord waits no longer for a form
)

// glances remember the images of messages while somebody chooses what to do with them. Where a person brought the bot
// along it cannot read the message again. It is safe for concurrent use.
type glances struct {
	mu   sync.Mutex // guards kept
	kept map[string]glance
}

type glance struct {
	pics  []*photo
	until time.Time
}

func newGlances() *glances { return &glances{kept: make(map[string]glance)} }

func glanceKey(in *discord.Interaction, message string) string {
	return in.User.ID + ":" + in.ChannelID + ":" + message
}

// keep remembers what somebody pointed at.
func (g *glances) keep(key string, pics []*photo, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.kept) >= maxGlances {
		for k, v := range g.kept {
			if now.After(v.until) {
				delete(g.kept, k)
			}
		}
		if len(g.kept) >= maxGlances {
			clear(g.kept) // people point again
		}
	}
	g.kept[key] = glance{pics, now.Add(glanceLife)}
}

// find is what somebody pointed at lately; nil when that is not known any more.
func (g *glances) find(key string, now time.Time) []*photo {
	g.mu.Lock()
	defer g.mu.Unlock()
	v := g.kept[key]
	if now.After(v.until) {
		return nil
	}
	return v.pics
}
