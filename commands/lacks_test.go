// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"strings"
	"testing"

	"stablemate/internal/sandbox"
)

func TestWhatTheBotLacksIsNamedBeforeAnyWork(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer)
	guild, channel, err := r.sand.AddGuild("A strict place")
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range r.sand.GuildRoles(guild) {
		role.Permissions &^= 1<<35 | 1<<15
		if _, err := r.sand.SetRole(guild, role); err != nil {
			t.Fatal(err)
		}
	}
	before := r.user(sandbox.Newcomer).Balance
	out := r.runIn(sandbox.Newcomer, channel, "party start", map[string]any{"name": "Oats", "budget": 40})
	r.see(sandbox.Newcomer, "what is missing", func(m sandbox.Message) bool {
		return m.ID == out.MessageID && strings.Contains(m.Content, "I lack permissions for parties in this channel: **Attach Files**, **Create Public Threads**.")
	})
	r.stays(sandbox.Newcomer, before)
}
