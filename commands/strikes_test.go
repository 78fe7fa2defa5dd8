// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/sandbox"
)

// filter gives the horde rules for made-up words: quimp and flarn together are refused for good, zorble becomes a teapot.
func (r *rig) filter() {
	r.t.Helper()
	mod, err := engine.Do(r.ctx(), r.p.engine, horde.CreateUser{External: "d_0", Name: "mod", Key: horde.KeyHash{1}, Roles: horde.RoleModerator})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range []horde.AddFilter{{Regex: "quimp", Type: 11}, {Regex: "flarn", Type: 20}, {Regex: `\bzorbles?\b`, Type: 10, Replacement: "teapot"}} {
		f.By = mod.ID
		if _, err := engine.Do(r.ctx(), r.p.engine, f); err != nil {
			r.t.Fatal(err)
		}
	}
}

// logsHere makes a channel a guild's log.
func (r *rig) logsHere(guild, channel string) {
	r.t.Helper()
	if _, err := r.p.store.SaveDoc(r.ctx(), chat.Doc{Kind: chat.KindGuild, Key: guild, Guild: guild, Value: []byte(`{"log":"` + channel + `"}`)}); err != nil {
		r.t.Fatal(err)
	}
}

func TestStrikesAddUpForAMonth(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.filter()
	r.logsHere(sandbox.GuildID, sandbox.ChannelID)
	r.login(sandbox.Friend)
	r.operator(sandbox.Admin)
	waiting := r.generate(sandbox.Friend, map[string]any{"prompt": "a pony"})
	r.message(sandbox.Friend, waiting, "No worker is online")
	strike := func(says ...string) {
		t.Helper()
		out := r.run(sandbox.Friend, "generate", map[string]any{"prompt": "quimp flarn"})
		r.message(sandbox.Friend, out.MessageID, append([]string{"the safety filter refuses this prompt"}, says...)...)
	}
	strike("This is a warning")
	r.message(sandbox.Friend, waiting, "ancelled") // what waited is taken back
	r.see(sandbox.Admin, "the log", func(m sandbox.Message) bool {
		return !m.Ephemeral && strings.Contains(m.Content, "<@"+sandbox.Friend+">") && strings.Contains(m.Content, "strike 1 within a month, warned")
	})
	r.jump(4 * time.Minute) // the core's own pause
	strike("This is strike 2", "You are paused until <t:")
	r.jump(30 * time.Minute)
	r.message(sandbox.Friend, r.run(sandbox.Friend, "kudos balance", nil).MessageID, "have paused you until")
	r.restart(31 * time.Minute)
	strike("This is strike 3", "You are paused until <t:")
	r.jump(25 * time.Hour)
	strike("This is strike 4", "until an operator of this horde has looked at it")
	r.jump(20 * 24 * time.Hour)
	r.message(sandbox.Friend, r.run(sandbox.Friend, "kudos balance", nil).MessageID, "You are paused until an operator")
	r.message(sandbox.Admin, r.run(sandbox.Admin, "operator pauses", map[string]any{"user": sandbox.Friend}).MessageID,
		"Paused until an operator has looked at it", "4 strikes within a month")
	r.message(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), "No worker is online") // nobody else is concerned
	r.run(sandbox.Friend, "privacy delete", nil)                                          // that still works, and helps nothing
	r.message(sandbox.Admin, r.run(sandbox.Admin, "operator unblock", map[string]any{"user": sandbox.Friend}).MessageID, "is let in again")
	r.message(sandbox.Friend, r.run(sandbox.Friend, "kudos balance", nil).MessageID, "can be given away")
	strike("This is a warning")
	r.restart(31 * 24 * time.Hour)
	r.eventually("strikes are forgotten", func() bool {
		_, found, err := r.p.store.Doc(r.ctx(), chat.KindStrikes, sandbox.Friend)
		return err == nil && !found
	})
	if strings.Contains(r.logs.String(), "quimp") {
		t.Error("the log has a prompt")
	}
}

func TestManyOffendersCostTheirGuildAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.filter()
	r.logsHere(sandbox.GuildID, sandbox.ChannelID)
	r.operator(sandbox.Admin)
	guild, channel, err := r.sand.AddGuild("A stormy place")
	if err != nil {
		t.Fatal(err)
	}
	for i := range chat.StormGreat {
		who, err := r.sand.AddPerson("Storm " + strconv.Itoa(i))
		if err != nil {
			t.Fatal(err)
		}
		out := r.runIn(who, channel, "generate", map[string]any{"prompt": "quimp flarn"})
		r.see(who, "the warning", func(m sandbox.Message) bool {
			return m.ID == out.MessageID && strings.Contains(m.Content, "This is a warning")
		})
		if i+1 == chat.StormSmall {
			r.see(sandbox.Admin, "operators hear of it", func(m sandbox.Message) bool {
				return m.ChannelID == sandbox.ChannelID && strings.Contains(m.Content, "`"+guild+"`") && strings.Contains(m.Content, "without an account cannot ask")
			})
		}
	}
	r.login(sandbox.Newcomer)
	here := func(says string) {
		t.Helper()
		out := r.runIn(sandbox.Newcomer, channel, "generate", map[string]any{"prompt": "a pony"})
		r.see(sandbox.Newcomer, says, func(m sandbox.Message) bool { return m.ID == out.MessageID && strings.Contains(m.Content, says) })
	}
	here("No images are made in this server until")
	r.message(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), "No worker is online") // elsewhere they are
	r.message(sandbox.Admin, r.run(sandbox.Admin, "operator pauses", map[string]any{"guild": guild}).MessageID, "no images are made here")
	r.jump(chat.StormSpan + time.Minute)
	here("No worker is online")
}

func TestPeopleSeeThatTheirPromptWasChanged(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.filter()
	r.login(sandbox.Newcomer)
	r.worker(nil)
	id := r.generate(sandbox.Newcomer, map[string]any{"prompt": "a zorble, flarn"})
	m := r.result(sandbox.Newcomer, id, 1)
	if !strings.Contains(m.Content, "The safety filter changed some words") {
		t.Errorf("it says %q", m.Content)
	}
	id = r.generate(sandbox.Newcomer, map[string]any{"prompt": "a teapot"})
	if m := r.result(sandbox.Newcomer, id, 1); strings.Contains(m.Content, "safety filter") {
		t.Errorf("it says %q", m.Content)
	}
}
