// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"slices"
	"testing"
	"time"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/sandbox"
)

// filtered makes the safety filter refuse two words together.
func (r *rig) filtered() {
	r.t.Helper()
	mod := r.owner("d_0", "mod")
	if _, err := engine.Do(r.ctx(), r.p.engine, horde.SetUser{User: mod.ID, Grant: horde.RoleModerator}); err != nil {
		r.t.Fatal(err)
	}
	for regex, typ := range map[string]int{"quimp": 11, "flarn": 20} {
		if _, err := engine.Do(r.ctx(), r.p.engine, horde.AddFilter{By: mod.ID, Regex: regex, Type: typ}); err != nil {
			r.t.Fatal(err)
		}
	}
}

// logged makes the guild's log known and returns what waits for a line in it.
func (r *rig) logged() func(texts ...string) {
	r.t.Helper()
	r.run(sandbox.Admin, "serverconfig log", map[string]any{"channel": sandbox.AdultChannelID})
	r.whisper(sandbox.Admin, "written down in")
	return func(texts ...string) {
		r.t.Helper()
		r.see(sandbox.Admin, "a line in the log", func(m sandbox.Message) bool {
			return m.ChannelID == sandbox.AdultChannelID && !m.Ephemeral && holds(m, texts)
		})
	}
}

func TestAGuildSeesWhatIsHeldAgainstItsPeopleAndRelents(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.filtered()
	r.login(sandbox.Friend)
	r.known(sandbox.Friend)
	log := r.logged()
	for _, who := range []string{sandbox.Friend, sandbox.Newcomer, sandbox.Admin} {
		r.run(who, "generate", map[string]any{"prompt": "quimp flarn"})
		r.whisper(who, "I cannot make this")
		log("<@"+who+">", "strike 1 within a month")
	}
	out := r.run(sandbox.Admin, "serverconfig show", nil)
	m := r.message(sandbox.Admin, out.MessageID, "Pauses:", "<@"+sandbox.Friend+"> · <t:", "<@"+sandbox.Admin+"> · <t:")
	if !slices.Contains(labels(m), "End the pauses") {
		t.Fatalf("the buttons are %q", labels(m))
	}
	r.click(sandbox.Admin, out.MessageID, "End the pauses")
	r.message(sandbox.Admin, out.MessageID, "2 pauses ended", "<@"+sandbox.Admin+"> · <t:")
	log("<@" + sandbox.Admin + "> ended 2 pauses")
	r.message(sandbox.Friend, r.generate(sandbox.Friend, nil), "No worker is online")
	r.run(sandbox.Admin, "generate", map[string]any{"prompt": "red apple"})
	r.whisper(sandbox.Admin, "You are paused for a while") // nobody ends their own
	// What moderators decide is seen, and stays.
	r.jump(time.Hour)
	if _, err := engine.Do(r.ctx(), r.p.engine, horde.SetUser{User: r.user(sandbox.Admin).ID, Grant: horde.RoleModerator}); err != nil {
		t.Fatal(err)
	}
	r.run(sandbox.Admin, "operator block", map[string]any{"user": sandbox.Friend})
	r.whisper(sandbox.Admin, "is kept out until")
	out = r.run(sandbox.Admin, "serverconfig show", nil)
	if m := r.message(sandbox.Admin, out.MessageID, "decided by moderators of the horde"); len(m.Buttons) > 0 {
		t.Errorf("the buttons are %q", labels(m))
	}
}

func TestTheGuildLogHearsWhatIsDecidedElsewhere(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer)
	log := r.logged()
	r.rule(sandbox.RoleWorker, "linked", nil)
	log("<@"+sandbox.Admin+"> made a role rule", "<@&"+sandbox.RoleWorker+">")
	r.run(sandbox.Admin, "autorole edit", map[string]any{"rule": 1, "grace_days": 3})
	log("<@" + sandbox.Admin + "> changed a role rule")
	r.run(sandbox.Admin, "autorole remove", map[string]any{"rule": 1})
	log("<@" + sandbox.Admin + "> removed a role rule")
	r.run(sandbox.Admin, "news subscribe", map[string]any{"channel": sandbox.ChannelID})
	log("<@" + sandbox.Admin + "> has the news told in <#" + sandbox.ChannelID + ">")
	r.run(sandbox.Admin, "news unsubscribe", map[string]any{"channel": sandbox.ChannelID})
	log("<@" + sandbox.Admin + "> ended the news in <#" + sandbox.ChannelID + ">")

	k, err := engine.Do(r.ctx(), r.p.engine, horde.CreateSharedKey{
		Owner: r.user(sandbox.Newcomer).ID, SharedKeyTerms: horde.SharedKeyTerms{Name: new("hay")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, scope := range []string{"channel", "guild"} {
		form := r.run(sandbox.Admin, "sharedkey use", map[string]any{"scope": scope})
		r.fillIn(sandbox.Admin, form, map[string]string{"key": k.ID.String()})
	}
	log("<@"+sandbox.Admin+"> has the shared key “hay” pay here", "<#"+sandbox.ChannelID+">")
	log("<@"+sandbox.Admin+"> has the shared key “hay” pay here", "this server")
	r.run(sandbox.Admin, "sharedkey use", map[string]any{"scope": "guild", "off": true})
	log("<@" + sandbox.Admin + "> ended the use of a shared key: this server")
}

func TestOperatorsAndGuildsDecideWhetherPeopleBringTheBotAlong(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.operator(sandbox.Admin)
	panel := r.runIn(sandbox.Admin, sandbox.OtherChannelID, "serverconfig panel", nil).MessageID
	r.pick(sandbox.Admin, panel, "What to change", "access")
	if err := r.sand.Leave(sandbox.OtherGuildID, sandbox.BotID); err != nil {
		t.Fatal(err)
	}
	ask := func() sandbox.Outcome {
		return r.runIn(sandbox.Newcomer, sandbox.OtherChannelID, "generate", map[string]any{"prompt": "red apple"})
	}
	r.message(sandbox.Newcomer, ask().MessageID, "No worker is online")
	r.run(sandbox.Admin, "operator flags", map[string]any{"feature": "installed"})
	r.whisper(sandbox.Admin, "❌ use by people who installed me for themselves")
	r.message(sandbox.Newcomer, ask().MessageID, "switched me off outside of servers that have me")
	r.message(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), "No worker is online") // where it is at home
	r.run(sandbox.Admin, "operator flags", map[string]any{"feature": "installed", "on": true})
	r.whisper(sandbox.Admin, "✅ use by people who installed me for themselves")
	r.click(sandbox.Admin, panel, "Brought along by people")
	r.message(sandbox.Admin, panel, "Brought along by people: not allowed")
	r.message(sandbox.Newcomer, ask().MessageID, "does not want me brought along")
}
