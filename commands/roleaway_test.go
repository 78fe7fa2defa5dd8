// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"strings"
	"testing"
	"time"

	"stablemate/commands"
	"stablemate/commands/chat"
	"stablemate/internal/sandbox"
)

// askedAbout counts what Discord was asked about members of guilds.
func (r *rig) askedAbout() (n int) {
	for _, e := range r.sand.Log() {
		if e.Kind == "rest" && strings.HasPrefix(e.Title, "GET ") && strings.Contains(e.Title, "/members/") && !strings.Contains(e.Title, sandbox.BotID) {
			n++
		}
	}
	return n
}

// nobodyDue waits until nothing about roles is due.
func (r *rig) nobodyDue() {
	r.t.Helper()
	r.eventually("nothing is due", func() bool {
		if err := r.p.set.RoleTick(r.ctx()); err != nil {
			r.t.Fatal(err)
		}
		members, err1 := r.p.store.DueDocs(r.ctx(), chat.KindMember, r.now(), 10)
		passes, err2 := r.p.store.DueDocs(r.ctx(), chat.KindRolePass, r.now(), 10)
		return err1 == nil && err2 == nil && len(members)+len(passes) == 0
	})
}

// Each question about somebody in a guild that the bot is not in would be refused, and Discord counts refusals.
func TestAGuildThatTheBotHasLeftIsLeftAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	r.trust(sandbox.Newcomer, true)
	r.rule(sandbox.RoleTrusted, "trusted", map[string]any{"grace_days": 1})
	r.getsRole(sandbox.Newcomer, sandbox.RoleTrusted, true)
	r.trust(sandbox.Newcomer, false)
	r.pass()
	if err := r.sand.Leave(sandbox.GuildID, sandbox.BotID); err != nil {
		t.Fatal(err)
	}
	r.eventually("the bot knows that it left", func() bool { return r.p.bot.OutOf(sandbox.GuildID) })
	before := r.askedAbout()
	r.jump(49 * time.Hour) // the night's pass is due, and so is the role to be taken
	r.nobodyDue()
	r.trust(sandbox.Friend, true)
	time.Sleep(quiet)
	if n := r.askedAbout() - before; n > 0 {
		t.Errorf("asked %d times about members of a guild that the bot left", n)
	}
	if err := r.sand.Join(sandbox.GuildID, sandbox.BotID); err != nil {
		t.Fatal(err)
	}
	r.getsRole(sandbox.Newcomer, sandbox.RoleTrusted, false)
	r.getsRole(sandbox.Friend, sandbox.RoleTrusted, true)
}

// The bot may have been removed while nobody told it.
func TestAGuildThatRefusesTheBotIsAskedOnceADay(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]int{"no access": 50001, "no such guild": 10004} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(o *commands.Options) { o.RolePace = 50 * time.Millisecond })
			r.login(sandbox.Newcomer, sandbox.Friend, sandbox.Admin)
			r.rule(sandbox.RoleWorker, "linked", nil)
			r.getsRole(sandbox.Admin, sandbox.RoleWorker, true)
			r.pass()
			r.sand.Arm(sandbox.Fault{Kind: sandbox.Refused, Code: code, Method: "GET", Path: "/members/", Times: -1})
			for range 2 {
				before := r.askedAbout()
				r.jump(25 * time.Hour)
				r.nobodyDue()
				time.Sleep(quiet)
				if n := r.askedAbout() - before; n != 1 {
					t.Errorf("asked %d times about members, want 1", n)
				}
			}
			if notices := r.count(sandbox.ChannelID, "⏸"); notices > 0 {
				t.Errorf("%d roles are paused", notices)
			}
			r.sand.Disarm()
			r.trust(sandbox.Newcomer, true)
			before := r.askedAbout()
			r.jump(25 * time.Hour)
			if err := r.p.set.RoleTick(r.ctx()); err != nil {
				t.Fatal(err)
			}
			r.eventually("everybody is looked at", func() bool { return r.askedAbout()-before >= 2 })
		})
	}
}
