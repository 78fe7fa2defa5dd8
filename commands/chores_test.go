// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"net/http"
	"testing"
	"time"

	"stablemate/commands/chat"
	"stablemate/internal/sandbox"
)

// What cannot be done now waits a while, and keeps nothing else from being done.
func TestAChoreThatDoesNotWorkKeepsNoOther(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	const first, second = "900000000000000001", "900000000000000002"
	r.sand.Arm(sandbox.Fault{Kind: sandbox.Status, Code: 400, Method: http.MethodGet, Path: "/guilds/" + first, Times: -1})
	for i, guild := range []string{first, second} {
		r.put(chat.Doc{Kind: chat.KindGuild, Key: guild, Guild: guild}, chat.Guild{})
		r.put(chat.Doc{Kind: chat.KindLeft, Key: guild, Due: r.now().Add(time.Duration(i-10) * time.Hour)}, chat.LeftGuild{})
	}
	r.eventually("the second guild is forgotten", func() bool {
		_, found, err := r.p.store.Doc(r.ctx(), chat.KindGuild, second)
		return err == nil && !found
	})
	r.eventually("the first one is put off", func() bool {
		d, found, err := r.p.store.Doc(r.ctx(), chat.KindLeft, first)
		return err == nil && found && d.Due.After(r.now().Add(time.Minute))
	})
}
