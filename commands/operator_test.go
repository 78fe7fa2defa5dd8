// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"slices"
	"strings"
	"testing"

	"stablemate/commands"
	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/sandbox"
)

// operator makes somebody a moderator of the horde.
func (r *rig) operator(who string) {
	r.t.Helper()
	r.login(who)
	if _, err := engine.Do(r.ctx(), r.p.engine, horde.SetUser{User: r.user(who).ID, Grant: horde.RoleModerator | horde.RoleAdmin}); err != nil {
		r.t.Fatal(err)
	}
}

func TestOperatorsAloneMayOperate(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.run(sandbox.Admin, "operator stats", nil) // Discord lets administrators see it
	r.whisper(sandbox.Admin, "for the operators of this horde")
	if _, err := r.sand.RunCommand(r.ctx(), sandbox.Newcomer, sandbox.ChannelID, "operator stats", nil); err == nil {
		t.Error("a member sees /operator")
	}
	if _, err := r.sand.RunCommand(r.ctx(), sandbox.Admin, sandbox.OtherChannelID, "operator stats", nil); err == nil {
		t.Error("/operator is in another guild")
	}
	r.operator(sandbox.Admin)
	r.run(sandbox.Admin, "operator stats", nil)
	r.whisper(sandbox.Admin, "Gateway ✅", "Core ✅")
}

func TestOperatorsKeepPeopleAndGuildsOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.operator(sandbox.Admin)
	r.login(sandbox.Newcomer)
	r.known(sandbox.Newcomer)
	r.run(sandbox.Admin, "operator block", map[string]any{"user": sandbox.Newcomer, "days": 2, "reason": "noise"})
	r.whisper(sandbox.Admin, "⛔ <@"+sandbox.Newcomer+"> is kept out")
	r.run(sandbox.Newcomer, "generate", map[string]any{"prompt": "red apple"})
	r.whisper(sandbox.Newcomer, "The operators have paused you")
	r.run(sandbox.Admin, "operator pauses", map[string]any{"user": sandbox.Newcomer})
	r.whisper(sandbox.Admin, "Kept out until", "noise", "2 pauses for what was asked")
	r.restart(0)
	r.run(sandbox.Newcomer, "kudos balance", nil)
	r.whisper(sandbox.Newcomer, "The operators have paused you")
	r.run(sandbox.Admin, "operator unblock", map[string]any{"user": sandbox.Newcomer})
	r.whisper(sandbox.Admin, "is let in again; 2 pauses were lifted")
	r.message(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), "No worker is online")

	r.run(sandbox.Admin, "operator block", map[string]any{"guild": sandbox.OtherGuildID})
	r.whisper(sandbox.Admin, "⛔ `"+sandbox.OtherGuildID+"` is kept out")
	r.runIn(sandbox.Newcomer, sandbox.OtherChannelID, "kudos balance", nil)
	r.whisper(sandbox.Newcomer, "have paused this server")
	r.run(sandbox.Newcomer, "kudos balance", nil) // elsewhere
	r.whisper(sandbox.Newcomer, "can be given away")
	if len(r.p.engine.Blocks()) != 1 {
		t.Errorf("the core bars %v", r.p.engine.Blocks())
	}
	for _, options := range []map[string]any{{"user": sandbox.Admin}, {"guild": sandbox.GuildID}} {
		r.run(sandbox.Admin, "operator block", options)
		r.whisper(sandbox.Admin, "cannot be kept out")
	}
	r.run(sandbox.Admin, "operator block", nil)
	r.whisper(sandbox.Admin, "name a person or a server")
	r.run(sandbox.Admin, "operator block", map[string]any{"guild": "here"})
	r.whisper(sandbox.Admin, "no server's number")
}

func TestOperatorsSwitchFeaturesAndDrain(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.operator(sandbox.Admin)
	r.login(sandbox.Newcomer)
	r.run(sandbox.Admin, "operator flags", map[string]any{"feature": "images"})
	r.whisper(sandbox.Admin, "❌ images from words")
	r.run(sandbox.Newcomer, "generate", map[string]any{"prompt": "red apple"})
	r.whisper(sandbox.Newcomer, "switched this off")
	r.run(sandbox.Admin, "operator flags", map[string]any{"feature": "images", "on": true})
	r.whisper(sandbox.Admin, "✅ images from words")

	r.run(sandbox.Admin, "operator drain", nil)
	r.whisper(sandbox.Admin, "ready to restart")
	r.run(sandbox.Newcomer, "generate", map[string]any{"prompt": "red apple"})
	r.whisper(sandbox.Newcomer, "about to restart")
	r.run(sandbox.Admin, "operator drain", map[string]any{"stop": true})
	r.whisper(sandbox.Admin, "New work is taken again")
	r.message(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), "No worker is online")
	r.run(sandbox.Admin, "operator reload", nil)
	r.whisper(sandbox.Admin, "Settings are read anew", "nothing was sent")

	r.run(sandbox.Admin, "operator flags", map[string]any{"feature": "gifts"})
	m, err := r.sand.Post(sandbox.Friend, sandbox.ChannelID, "hello")
	if err != nil {
		t.Fatal(err)
	}
	r.react(sandbox.Newcomer, m.ID, "🙏")
	r.stays(sandbox.Newcomer, r.user(sandbox.Newcomer).Balance)
}

func TestOperatorsHearThatNothingIsRunningAnyMore(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *commands.Options) { o.Support = "https://help.example/" })
	r.operator(sandbox.Admin)
	log := r.logged()
	gate := make(chan struct{}, 1)
	r.worker(gate)
	id := r.generate(sandbox.Newcomer, nil)
	r.message(sandbox.Newcomer, id, "Being made")
	on := r.run(sandbox.Admin, "operator drain", nil).MessageID
	r.message(sandbox.Admin, on, "1 request is still running")
	gate <- struct{}{}
	r.result(sandbox.Newcomer, id, 1)
	log("Everything that was running is done")
	r.click(sandbox.Admin, on, "Refresh")
	r.message(sandbox.Admin, on, "ready to restart")

	r.run(sandbox.Newcomer, "about", nil)
	r.whisper(sandbox.Newcomer, "Help: https://help.example/")
	pony := r.p.engine.Workers(true)[0]
	if _, err := engine.Do(r.ctx(), r.p.engine, horde.SetWorker{Worker: pony.ID, By: r.user(sandbox.Admin).ID, Paused: new(true)}); err != nil {
		t.Fatal(err)
	}
	r.run(sandbox.Admin, "workers info", map[string]any{"worker": pony.Offer.Name})
	r.whisper(sandbox.Admin, "Paused by moderators")
	r.run(sandbox.Newcomer, "workers info", map[string]any{"worker": pony.Offer.Name})
	if m := r.whisper(sandbox.Newcomer, pony.Offer.Name); holds(m, []string{"Paused by moderators"}) {
		t.Error("everybody is told that a worker is paused")
	}
}

func TestAnAnnouncementReachesEveryLogChannelOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.operator(sandbox.Admin)
	for guild, channel := range map[string]string{sandbox.GuildID: sandbox.ChannelID, sandbox.OtherGuildID: sandbox.OtherChannelID} {
		value := []byte(`{"log":"` + channel + `"}`)
		if _, err := r.p.store.SaveDoc(r.ctx(), chat.Doc{Kind: chat.KindGuild, Key: guild, Guild: guild, Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	form := r.run(sandbox.Admin, "operator announce", nil)
	out := r.fillIn(sandbox.Admin, form, map[string]string{"title": "Oats", "text": "There are **oats** for all."})
	r.message(sandbox.Admin, out.MessageID, "This is what 2 servers will see")
	r.click(sandbox.Admin, out.MessageID, "Send it to all")
	for _, channel := range []string{sandbox.ChannelID, sandbox.OtherChannelID} {
		told := func() (n int) {
			for _, m := range r.sand.Messages(channel, sandbox.Admin) {
				if !m.Ephemeral && len(m.Embeds) == 1 && strings.Contains(m.Embeds[0].Description, "**oats**") {
					n++
				}
			}
			return n
		}
		r.eventually("channel "+channel+" is told", func() bool { return told() == 1 })
	}
	r.eventually("the operator reads that both are told", func() bool {
		r.click(sandbox.Admin, out.MessageID, "Refresh")
		return slices.ContainsFunc(r.sand.Messages(sandbox.ChannelID, sandbox.Admin), func(m sandbox.Message) bool {
			return holds(m, []string{"Told so far: 2; not reached: 0"})
		})
	})
	r.restart(0)
	r.run(sandbox.Admin, "operator stats", nil)
	r.whisper(sandbox.Admin, "Gateway ✅: 1 of 1 shards, 2 servers", "Acknowledged: half within", "Kudos reactions since the start: none")

	// A server that does not want to hear them is left alone.
	panel := r.run(sandbox.Admin, "serverconfig panel", nil).MessageID
	r.pick(sandbox.Admin, panel, "What to change", "general")
	r.click(sandbox.Admin, panel, "Announcements of the operators")
	r.message(sandbox.Admin, panel, "Announcements of the operators: not allowed")
	out = r.fillIn(sandbox.Admin, r.run(sandbox.Admin, "operator announce", nil), map[string]string{"title": "Hay", "text": "There is hay."})
	r.message(sandbox.Admin, out.MessageID, "This is what one server will see")
}
