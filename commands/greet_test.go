// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"net/http"
	"strings"
	"testing"

	"stablemate/internal/sandbox"
)

func TestANewGuildIsGreetedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	guild, channel, err := r.sand.AddGuild("Newcomers")
	if err != nil {
		t.Fatal(err)
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	greetings := func() (n int) {
		for _, m := range r.sand.Messages(channel, sandbox.Admin) {
			if strings.Contains(m.Content, "serverconfig panel") && strings.Count(m.Content, "\n") == 2 {
				n++
			}
		}
		return n
	}
	leave := func() {
		t.Helper()
		do(r.sand.Leave(guild, sandbox.BotID))
		r.eventually("the bot has left", func() bool { return !r.p.bot.InGuild(guild) })
	}
	leave()
	r.eventually("that is noted", func() bool { _, found, err := r.p.store.Doc(r.ctx(), "left", guild); return err == nil && found })
	if _, err := r.p.store.DeleteDoc(r.ctx(), "left", guild); err != nil {
		t.Fatal(err)
	}
	do(r.sand.SetSystemChannel(guild, channel))
	r.restart(0) // nothing was decided here: what is known of the first stay is forgotten
	do(r.sand.Join(guild, sandbox.BotID))
	r.eventually("it says hello", func() bool { return greetings() == 1 })
	r.restart(0) // being there already is no news, and neither is an outage
	do(r.sand.GuildOutage(guild, true))
	do(r.sand.GuildOutage(guild, false))
	leave()
	r.eventually("that is noted", func() bool { _, found, err := r.p.store.Doc(r.ctx(), "left", guild); return err == nil && found })
	do(r.sand.Join(guild, sandbox.BotID)) // they know it already
	r.eventually("it is back", func() bool { return r.p.bot.InGuild(guild) })
	r.eventually("that is noted", func() bool { _, found, err := r.p.store.Doc(r.ctx(), "left", guild); return err == nil && !found })
	if n := greetings(); n != 1 {
		t.Errorf("it said hello %d times", n)
	}
	// Where it may not write, it says nothing.
	second, quiet, err := r.sand.AddGuild("Silence")
	do(err)
	do(r.sand.SetSystemChannel(second, quiet))
	do(r.sand.Leave(second, sandbox.BotID))
	r.eventually("that is noted", func() bool { _, found, err := r.p.store.Doc(r.ctx(), "left", second); return err == nil && found })
	if _, err := r.p.store.DeleteDoc(r.ctx(), "left", second); err != nil {
		t.Fatal(err)
	}
	r.restart(0)
	r.sand.Arm(sandbox.Fault{Kind: sandbox.Forbidden, Method: http.MethodPost, Path: "/channels/" + quiet + "/messages"})
	do(r.sand.Join(second, sandbox.BotID))
	r.eventually("it was refused", func() bool { return r.sand.Armed() == 0 })
	if strings.Contains(r.logs.String(), "cannot greet") {
		t.Error("that is logged")
	}
}
