// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"stablemate/commands"
	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/discord"
	"stablemate/internal/sandbox"
)

// getsRole waits until somebody has a role, or has it no more.
func (r *rig) getsRole(who, role string, want bool) {
	r.t.Helper()
	r.eventually("role "+role+" of "+who, func() bool { return slices.Contains(r.sand.Roles(who), role) == want })
}

// rule adds a rule as the administrator.
func (r *rig) rule(role, condition string, more map[string]any) {
	r.t.Helper()
	options := map[string]any{"role": role, "condition": condition}
	maps.Copy(options, more)
	r.run(sandbox.Admin, "autorole add", options)
	r.whisper(sandbox.Admin, "New rule", "<@&"+role+">")
}

func (r *rig) trust(who string, trusted bool) {
	r.t.Helper()
	op := horde.SetUser{User: r.user(who).ID, Grant: horde.RoleTrusted}
	if !trusted {
		op = horde.SetUser{User: op.User, Revoke: horde.RoleTrusted}
	}
	if _, err := engine.Do(r.ctx(), r.p.engine, op); err != nil {
		r.t.Fatal(err)
	}
}

// glanceGap is between two looks that take a press each: presses count as requests.
const glanceGap = 100 * time.Millisecond

// pass waits until everybody known was looked at.
func (r *rig) pass() {
	r.t.Helper()
	var out sandbox.Outcome
	r.eventually("no other pass is running", func() bool {
		out = r.run(sandbox.Admin, "autorole sync", nil)
		m := r.see(sandbox.Admin, "an answer", func(m sandbox.Message) bool { return m.ID == out.MessageID && !m.Loading })
		if !strings.Contains(m.Content, "I know ") {
			time.Sleep(glanceGap)
			return false
		}
		return true
	})
	r.click(sandbox.Admin, out.MessageID, "Do it now")
	r.see(sandbox.Admin, "the button", func(m sandbox.Message) bool { // the answer may come after its acknowledgement
		return m.ID == out.MessageID && slices.Contains(labels(m), "Refresh")
	})
	r.eventually("the pass ends", func() bool {
		time.Sleep(glanceGap)
		r.click(sandbox.Admin, out.MessageID, "Refresh")
		return slices.ContainsFunc(r.sand.Messages(sandbox.ChannelID, sandbox.Admin), func(m sandbox.Message) bool {
			return m.ID == out.MessageID && strings.Contains(m.Content, "✅ Done")
		})
	})
}

func TestRolesFollowPeople(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer)
	r.rule(sandbox.RoleWorker, "linked", nil)
	r.rule(sandbox.RoleTrusted, "trusted", nil)
	r.getsRole(sandbox.Newcomer, sandbox.RoleWorker, true) // known from /login
	r.login(sandbox.Friend)
	r.getsRole(sandbox.Friend, sandbox.RoleWorker, true) // at once

	r.run(sandbox.Newcomer, "settings notifications", map[string]any{"roles": true})
	r.whisper(sandbox.Newcomer, "Roles: **Yes**")
	r.trust(sandbox.Newcomer, true)
	r.getsRole(sandbox.Newcomer, sandbox.RoleTrusted, true)
	r.see(sandbox.Newcomer, "news of the role", func(m sandbox.Message) bool {
		return m.ChannelID == sandbox.DMChannel(sandbox.Newcomer) && holds(m, []string{"You now have the role **Trusted**", "</settings notifications:"})
	})
	if got := len(r.sand.Messages(sandbox.DMChannel(sandbox.Friend), sandbox.Friend)); got != 0 {
		t.Errorf("somebody who did not ask for it has %d messages", got)
	}
	r.run(sandbox.Admin, "autorole test", map[string]any{"user": sandbox.Newcomer})
	r.whisper(sandbox.Admin, "Roles of <@"+sandbox.Newcomer+">", "✅ is trusted", "given by me")
	r.trust(sandbox.Newcomer, false)
	r.getsRole(sandbox.Newcomer, sandbox.RoleTrusted, false)
	if slices.Contains(r.sand.Roles(sandbox.Friend), sandbox.RoleTrusted) {
		t.Error("somebody got a role that no rule gives them")
	}
	// Without its rule a role goes again.
	r.run(sandbox.Admin, "autorole remove", map[string]any{"rule": 1})
	r.whisper(sandbox.Admin, "Removed")
	r.getsRole(sandbox.Newcomer, sandbox.RoleWorker, false)
	r.getsRole(sandbox.Friend, sandbox.RoleWorker, false)
}

func TestARoleGivenByHandStays(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer)
	if err := r.p.bot.AddRole(r.ctx(), sandbox.GuildID, sandbox.Newcomer, sandbox.RoleTrusted, "by hand"); err != nil {
		t.Fatal(err)
	}
	r.trust(sandbox.Newcomer, true)
	r.rule(sandbox.RoleTrusted, "trusted", nil)
	r.pass()
	r.run(sandbox.Admin, "autorole test", map[string]any{"user": sandbox.Newcomer})
	r.whisper(sandbox.Admin, "given by somebody else")
	r.trust(sandbox.Newcomer, false)
	r.pass()
	r.getsRole(sandbox.Newcomer, sandbox.RoleTrusted, true)
}

func TestRolesAreTakenBackAfterTheirGrace(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer)
	r.trust(sandbox.Newcomer, true)
	r.rule(sandbox.RoleTrusted, "trusted", map[string]any{"grace_days": 3})
	r.getsRole(sandbox.Newcomer, sandbox.RoleTrusted, true)
	r.trust(sandbox.Newcomer, false)
	r.pass()
	r.getsRole(sandbox.Newcomer, sandbox.RoleTrusted, true)
	r.restart(2 * 24 * time.Hour)
	r.pass()
	r.getsRole(sandbox.Newcomer, sandbox.RoleTrusted, true)
	r.jump(25 * time.Hour)
	if err := r.p.set.RoleTick(r.ctx()); err != nil {
		t.Fatal(err)
	}
	r.getsRole(sandbox.Newcomer, sandbox.RoleTrusted, false)
}

func TestRulesThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for name, c := range map[string]struct {
		role, condition string
		value           any
		want            string
	}{
		"a role above the bot's":      {sandbox.RoleAdmin, "linked", nil, "lets people manage or moderate"},
		"the role of an integration":  {sandbox.RoleBot, "linked", nil, "belongs to an integration"},
		"everybody's role":            {sandbox.GuildID, "linked", nil, "Everybody has that role"},
		"a role that does not exist":  {"110000000000009999", "linked", nil, "cannot find this role"},
		"a condition without number":  {sandbox.RoleWorker, "given", nil, "needs a whole number"},
		"a condition with words":      {sandbox.RoleWorker, "age", "many", "needs a whole number"},
		"a team that does not exist":  {sandbox.RoleWorker, "team", "Mules", "no team called Mules"},
		"a number beyond all measure": {sandbox.RoleWorker, "age", "99999999999999", "needs a whole number"},
	} {
		options := map[string]any{"role": c.role, "condition": c.condition}
		if c.value != nil {
			options["value"] = c.value
		}
		if _, err := r.sand.RunCommand(r.ctx(), sandbox.Admin, sandbox.ChannelID, "autorole add", options); err != nil {
			t.Logf("%s: the client refuses it: %v", name, err)
			continue
		}
		r.whisper(sandbox.Admin, c.want)
	}
	r.run(sandbox.Admin, "autorole list", nil)
	r.whisper(sandbox.Admin, "no rules yet")
	if _, err := r.sand.RunCommand(r.ctx(), sandbox.Newcomer, sandbox.ChannelID, "autorole list", nil); err == nil {
		t.Error("an ordinary member may use /autorole")
	}
}

func TestWhoManagesRolesChangesRulesOfRolesBelowTheirsOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Friend)
	r.rule(sandbox.RoleWorker, "linked", nil)
	r.getsRole(sandbox.Friend, sandbox.RoleWorker, true)
	for _, role := range r.sand.GuildRoles(sandbox.GuildID) { // the lowest role lets its members manage roles
		if role.ID == sandbox.RoleTrusted {
			role.Permissions |= int64(discord.ManageRoles)
			if _, err := r.sand.SetRole(sandbox.GuildID, role); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := r.sand.GiveRole(sandbox.GuildID, sandbox.Newcomer, sandbox.RoleTrusted); err != nil {
		t.Fatal(err)
	}
	r.run(sandbox.Newcomer, "autorole add", map[string]any{"role": sandbox.RoleWorker, "condition": "trusted"})
	r.whisper(sandbox.Newcomer, "is not below your own highest role")
	r.run(sandbox.Newcomer, "autorole remove", map[string]any{"rule": 1})
	r.eventually("another refusal", func() bool {
		n := 0
		for _, m := range r.sand.Messages(sandbox.ChannelID, sandbox.Newcomer) {
			if strings.Contains(m.Content, "is not below your own highest role") {
				n++
			}
		}
		return n == 2
	})
	r.pass()
	r.getsRole(sandbox.Friend, sandbox.RoleWorker, true)
}

func TestARoleThatBecameMightyIsGivenToNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer)
	r.rule(sandbox.RoleWorker, "linked", nil)
	r.getsRole(sandbox.Newcomer, sandbox.RoleWorker, true)
	set := func(permissions discord.Permissions) {
		t.Helper()
		for _, role := range r.sand.GuildRoles(sandbox.GuildID) {
			if role.ID == sandbox.RoleWorker {
				role.Permissions = int64(permissions)
				if _, err := r.sand.SetRole(sandbox.GuildID, role); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	set(discord.BanMembers)
	r.jump(2 * time.Minute) // what was read before is not trusted any more
	r.login(sandbox.Friend)
	r.see(sandbox.Admin, "a notice", func(m sandbox.Message) bool {
		return !m.Ephemeral && strings.Contains(m.Content, "lets people manage or moderate the server now")
	})
	r.getsRole(sandbox.Friend, sandbox.RoleWorker, false)
	r.run(sandbox.Admin, "autorole list", nil)
	r.whisper(sandbox.Admin, "⏸", "I do not give such roles by rule")
	set(0)
	r.jump(25 * time.Hour)
	if err := r.p.set.RoleTick(r.ctx()); err != nil {
		t.Fatal(err)
	}
	r.getsRole(sandbox.Friend, sandbox.RoleWorker, true)
}

func TestARoleThatCannotBeGivenRests(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	r.sand.Arm(sandbox.Fault{Kind: sandbox.Forbidden, Method: "PUT", Path: "/roles/", Times: 1000})
	r.rule(sandbox.RoleWorker, "linked", nil)
	r.see(sandbox.Admin, "a notice", func(m sandbox.Message) bool {
		return !m.Ephemeral && strings.Contains(m.Content, "⏸") && strings.Contains(m.Content, "Manage Roles")
	})
	r.pass()
	r.run(sandbox.Admin, "autorole list", nil)
	r.whisper(sandbox.Admin, "I may not give")
	notices := 0
	for _, m := range r.sand.Messages(sandbox.ChannelID, sandbox.Admin) {
		if !m.Ephemeral && strings.Contains(m.Content, "⏸") {
			notices++
		}
	}
	if notices != 1 {
		t.Errorf("%d notices, want 1", notices)
	}
	r.sand.Disarm()
	r.restart(25 * time.Hour)
	if err := r.p.set.RoleTick(r.ctx()); err != nil {
		t.Fatal(err)
	}
	r.getsRole(sandbox.Newcomer, sandbox.RoleWorker, true)
	r.getsRole(sandbox.Friend, sandbox.RoleWorker, true)
}

// A pass goes on where it was, but for the few people since its place was noted last.
func TestAPassGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	const people, cursor = 40, 10
	r := newRig(t, func(o *commands.Options) { o.RolePace = 150 * time.Millisecond })
	var all []string
	for i := range people {
		id, err := r.sand.AddPerson("Foal " + strconv.Itoa(i))
		if err != nil {
			t.Fatal(err)
		}
		r.owner("d_"+id, "Foal "+strconv.Itoa(i))
		value, err := json.Marshal(chat.Member{Seen: r.now()})
		if err != nil {
			t.Fatal(err)
		}
		d := chat.Doc{Kind: chat.KindMember, Key: sandbox.GuildID + ":" + id, Person: id, Guild: sandbox.GuildID, Value: value}
		if _, err := r.p.store.SaveDoc(r.ctx(), d); err != nil {
			t.Fatal(err)
		}
		all = append(all, id)
	}
	has := func() (n int) {
		for _, id := range all {
			if r.hasRole(id, sandbox.RoleWorker) {
				n++
			}
		}
		return n
	}
	pass := func() (p chat.RolePass) {
		d, _, err := r.p.store.Doc(r.ctx(), chat.KindRolePass, sandbox.GuildID)
		if err == nil && len(d.Value) > 0 {
			err = json.Unmarshal(d.Value, &p)
		}
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	r.rule(sandbox.RoleWorker, "linked", nil)
	r.eventually("the pass notes where it is", func() bool { return pass().After != "" })
	r.p.stop()
	if before := has(); before < cursor || before == people {
		t.Fatalf("%d of %d people have the role when the process ends", before, people)
	}
	r.start()
	if p := pass(); !p.Running {
		t.Errorf("the pass is %+v", p)
	}
	r.eventually("all have the role", func() bool { return has() == people })
	r.eventually("the pass ends", func() bool { return !pass().Running })
	if n := r.askedAbout(); n > people+cursor+3 { // the three are those of the sandbox that were seen
		t.Errorf("asked %d times about %d people", n, people)
	}
	if p := pass(); p.Looked > people+cursor+3 {
		t.Errorf("the pass looked at %d people of %d", p.Looked, people)
	}
}

func TestConditionsOfARuleHoldTogetherAndRulesOfARoleAreAlternatives(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	r.trust(sandbox.Friend, true)
	r.rule(sandbox.RoleWorker, "trusted", map[string]any{"condition2": "age", "value2": "10"})
	r.rule(sandbox.RoleWorker, "given", map[string]any{"value": "50"})
	r.pass()
	r.run(sandbox.Admin, "autorole test", map[string]any{"user": sandbox.Friend})
	r.whisper(sandbox.Admin, "✅ is trusted", "❌ the account is at least 10 days old – now 0")
	r.gift(sandbox.Newcomer, map[string]any{"user": sandbox.Friend, "amount": 60})
	r.getsRole(sandbox.Newcomer, sandbox.RoleWorker, true)
	r.getsRole(sandbox.Friend, sandbox.RoleWorker, false)
	r.restart(11 * 24 * time.Hour)
	if err := r.p.set.RoleTick(r.ctx()); err != nil {
		t.Fatal(err)
	}
	r.getsRole(sandbox.Friend, sandbox.RoleWorker, true)
}

func TestARoleThatIsGoneIsToldOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer)
	role := r.setRole(sandbox.Role{Name: "Foal", Position: 1})
	r.rule(role, "trusted", nil)
	r.pass()
	if err := r.sand.DeleteRole(sandbox.GuildID, role); err != nil {
		t.Fatal(err)
	}
	r.trust(sandbox.Newcomer, true)
	r.see(sandbox.Admin, "a notice", func(m sandbox.Message) bool {
		return !m.Ephemeral && strings.Contains(m.Content, "of a rule is gone")
	})
	r.pass()
	r.run(sandbox.Admin, "autorole list", nil)
	r.whisper(sandbox.Admin, "The role is gone")
}

func TestWhoLeavesIsForgottenAndWhoComesBackIsMetAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	if err := r.sand.Leave(sandbox.GuildID, sandbox.Newcomer); err != nil {
		t.Fatal(err)
	}
	r.rule(sandbox.RoleWorker, "linked", nil)
	r.getsRole(sandbox.Friend, sandbox.RoleWorker, true)
	r.eventually("the member is forgotten", func() bool {
		docs, err := r.p.store.DocsOfPerson(r.ctx(), chat.KindMember, sandbox.Newcomer)
		return err == nil && len(docs) == 0
	})
	if err := r.sand.Join(sandbox.GuildID, sandbox.Newcomer); err != nil {
		t.Fatal(err)
	}
	r.run(sandbox.Newcomer, "kudos balance", nil)
	r.getsRole(sandbox.Newcomer, sandbox.RoleWorker, true)
}

func TestRolesSurviveADiscordInTrouble(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]sandbox.Fault{
		"a server error":          {Kind: sandbox.Status, Code: 502, Method: "PUT", Path: "/roles/", Times: 2},
		"a lost answer":           {Kind: sandbox.CutAnswer, Method: "PUT", Path: "/roles/"},
		"a lost request":          {Kind: sandbox.Cut, Method: "PUT", Path: "/roles/"},
		"a limit":                 {Kind: sandbox.RateLimited, Method: "PUT", Path: "/roles/", Delay: 100 * time.Millisecond},
		"a member that is hidden": {Kind: sandbox.Status, Code: 500, Method: "GET", Path: "/members/", Times: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.login(sandbox.Newcomer)
			r.sand.Arm(fault)
			r.rule(sandbox.RoleWorker, "linked", nil)
			soonOrLater := func() bool { // at once, or it is to be tried again
				due, err := r.p.store.DueDocs(r.ctx(), chat.KindMember, r.now().Add(time.Hour), 1)
				return slices.Contains(r.sand.Roles(sandbox.Newcomer), sandbox.RoleWorker) || err == nil && len(due) > 0
			}
			r.eventually("somebody gets the role or is tried again", soonOrLater)
			r.jump(2 * time.Minute)
			if err := r.p.set.RoleTick(r.ctx()); err != nil {
				t.Fatal(err)
			}
			r.getsRole(sandbox.Newcomer, sandbox.RoleWorker, true)
			r.sand.Disarm()
			r.run(sandbox.Admin, "autorole remove", map[string]any{"rule": 1})
			r.getsRole(sandbox.Newcomer, sandbox.RoleWorker, false)
		})
	}
}

// What an event says about somebody's roles may be older than what was done by hand since.
func TestARoleGivenByHandWhileSomebodyWasSeenStays(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *commands.Options) { o.RolePace = 3 * time.Second })
	r.login(sandbox.Newcomer)
	r.trust(sandbox.Newcomer, true)
	r.rule(sandbox.RoleWorker, "linked", nil)
	r.getsRole(sandbox.Newcomer, sandbox.RoleWorker, true)
	r.jump(time.Hour)
	r.login(sandbox.Friend)
	r.getsRole(sandbox.Friend, sandbox.RoleWorker, true)
	r.run(sandbox.Newcomer, "help", nil) // seen, to be looked at when it is the guild's turn again
	if err := r.p.bot.AddRole(r.ctx(), sandbox.GuildID, sandbox.Newcomer, sandbox.RoleTrusted, "by hand"); err != nil {
		t.Fatal(err)
	}
	r.rule(sandbox.RoleTrusted, "trusted", nil)
	r.eventually("whose role it is", func() bool {
		m, _, err := r.p.store.Doc(r.ctx(), chat.KindMember, sandbox.GuildID+":"+sandbox.Newcomer)
		return err == nil && strings.Contains(string(m.Value), `"by_hand":["`+sandbox.RoleTrusted+`"]`)
	})
}
