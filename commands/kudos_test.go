// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"testing"
	"time"

	"stablemate/commands"
	"stablemate/horde/kudos"
	"stablemate/internal/sandbox"
)

func (r *rig) login(people ...string) {
	r.t.Helper()
	for _, who := range people {
		r.run(who, "login", nil)
		r.whisper(who, "Welcome!")
	}
}

// balance waits for a person's balance.
func (r *rig) balance(who string, want kudos.Amount) {
	r.t.Helper()
	r.eventually("balance of "+who+" becomes "+want.String(), func() bool {
		u, ok := r.p.engine.UserByExternal("d_" + who)
		return ok && u.Balance == want
	})
}

// stays gives things that must not happen the time to happen: a later reaction, which is handled, comes after them.
func (r *rig) stays(who string, want kudos.Amount) {
	r.t.Helper()
	m, err := r.sand.Post(sandbox.Admin, sandbox.ChannelID, "marker")
	if err != nil {
		r.t.Fatal(err)
	}
	seen := r.p.bot.Stats().Reactions
	if err := r.sand.React(sandbox.Admin, m.ID, "🐴"); err != nil {
		r.t.Fatal(err)
	}
	r.eventually("the marker is seen", func() bool { return r.p.bot.Stats().Reactions > seen })
	time.Sleep(100 * time.Millisecond) // another lane may be slower
	if u := r.user(who); u.Balance != want {
		r.t.Errorf("balance of %s is %s, want %s", who, u.Balance, want)
	}
}

func (r *rig) react(who, message, emoji string) {
	r.t.Helper()
	if err := r.sand.React(who, message, emoji); err != nil {
		r.t.Fatal(err)
	}
}

const start = 125 * kudos.One // floor and welcome

func TestTheKudosEmojiThanksTheAuthorOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer)
	m, err := r.sand.Post(sandbox.Newcomer, sandbox.ChannelID, "hello")
	if err != nil {
		t.Fatal(err)
	}
	r.sand.Arm(sandbox.Fault{Kind: sandbox.Duplicate})
	r.react(sandbox.Friend, m.ID, "🙏") // their account opens on the way
	r.balance(sandbox.Newcomer, start+10*kudos.One)
	r.balance(sandbox.Friend, start-10*kudos.One)
	if err := r.sand.Unreact(sandbox.Friend, m.ID, "🙏"); err != nil {
		t.Fatal(err)
	}
	r.react(sandbox.Friend, m.ID, "🙏")
	r.react(sandbox.Newcomer, m.ID, "🙏") // oneself
	r.react(sandbox.Friend, m.ID, "🐴")   // another emoji
	r.stays(sandbox.Newcomer, start+10*kudos.One)
	r.stays(sandbox.Friend, start-10*kudos.One)

	// Somebody else may thank as well, and an account is not needed to be thanked.
	other, err := r.sand.Post(sandbox.Admin, sandbox.ChannelID, "hello")
	if err != nil {
		t.Fatal(err)
	}
	r.react(sandbox.Friend, other.ID, "🙏")
	r.balance(sandbox.Admin, start+10*kudos.One)

	// Once is once, also after a restart.
	r.restart(2 * time.Hour)
	if err := r.sand.Unreact(sandbox.Friend, m.ID, "🙏"); err != nil {
		t.Fatal(err)
	}
	r.react(sandbox.Friend, m.ID, "🙏")
	r.stays(sandbox.Newcomer, start+10*kudos.One)
	for _, who := range []string{sandbox.Newcomer, sandbox.Friend} {
		if dms := r.sand.Messages(sandbox.DMChannel(who), who); len(dms) > 0 {
			t.Errorf("%s got direct messages: %+v", who, dms)
		}
	}
}

func TestTheKudosEmojiOnAnImageThanksWhoAskedForIt(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Friend)
	r.worker(nil)
	id := r.generate(sandbox.Newcomer, nil)
	r.result(sandbox.Newcomer, id, 1)
	before := r.user(sandbox.Newcomer).Balance
	r.react(sandbox.Newcomer, id, "🙏") // oneself
	r.react(sandbox.Friend, id, "🙏")
	r.balance(sandbox.Newcomer, before+10*kudos.One)
	r.balance(sandbox.Friend, start-10*kudos.One)
}

func TestARefusedReactionIsExplainedOnceAnHour(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *commands.Options) { o.KudosAmount = 1000 * kudos.One })
	r.login(sandbox.Newcomer, sandbox.Friend)
	for range 2 {
		m, err := r.sand.Post(sandbox.Newcomer, sandbox.ChannelID, "hello")
		if err != nil {
			t.Fatal(err)
		}
		r.react(sandbox.Friend, m.ID, "🙏")
	}
	r.see(sandbox.Friend, "an explanation", func(m sandbox.Message) bool {
		return m.ChannelID == sandbox.DMChannel(sandbox.Friend) && holds(m, []string{"gave nothing", "You do not have enough"})
	})
	r.stays(sandbox.Newcomer, start)
	if dms := r.sand.Messages(sandbox.DMChannel(sandbox.Friend), sandbox.Friend); len(dms) != 1 {
		t.Errorf("%d direct messages, want 1: %+v", len(dms), dms)
	}
}

func TestGiftByCommand(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.run(sandbox.Newcomer, "kudos gift", map[string]any{"user": sandbox.Friend, "amount": 40, "note": "thank *you*"})
	r.see(sandbox.Admin, "a public word", func(m sandbox.Message) bool {
		return holds(m, []string{"<@" + sandbox.Newcomer + "> gave <@" + sandbox.Friend + "> **40 kudos**", `thank \*you\*`, "I opened an account for you"})
	})
	r.balance(sandbox.Newcomer, start-40*kudos.One)
	r.balance(sandbox.Friend, start+40*kudos.One)

	for name, c := range map[string]struct {
		to     string
		amount int
		want   string
	}{
		"more than there is": {sandbox.Friend, 61, "You do not have enough"},
		"to oneself":         {sandbox.Newcomer, 1, "cannot give kudos to yourself"},
		"to the bot":         {sandbox.BotID, 1, "robots need no kudos"},
	} {
		r.run(sandbox.Newcomer, "kudos gift", map[string]any{"user": c.to, "amount": c.amount})
		r.whisper(sandbox.Newcomer, c.want)
		if got := r.user(sandbox.Newcomer).Balance; got != start-40*kudos.One {
			t.Errorf("%s: the balance is %s", name, got)
		}
	}
	r.run(sandbox.Friend, "kudos gift", map[string]any{"user": sandbox.Newcomer, "amount": 1})
	r.whisper(sandbox.Friend, "wait a minute")
}

func TestAccount(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.run(sandbox.Newcomer, "userinfo", map[string]any{"user": sandbox.Friend})
	r.whisper(sandbox.Newcomer, "<@"+sandbox.Friend+"> has no account here yet")
	r.run(sandbox.Newcomer, "login", nil)
	r.whisper(sandbox.Newcomer, `Your account is **Newcomer#1**, with 125 kudos`, "</generate:", "http://127.0.0.1:1/api")
	r.run(sandbox.Newcomer, "login", nil)
	r.whisper(sandbox.Newcomer, `You are logged in as **Newcomer#1**`)

	// The key is one that the account answers to, until the next one or the end of it.
	key, _ := r.newKey(sandbox.Newcomer)
	if u, ok := r.p.engine.UserByKey(hashKey(key)); !ok || u.External != "d_"+sandbox.Newcomer {
		t.Errorf("the key belongs to %+v, %v", u, ok)
	}
	r.run(sandbox.Newcomer, "logout", nil)
	r.whisper(sandbox.Newcomer, "no longer works")
	if _, ok := r.p.engine.UserByKey(hashKey(key)); ok {
		t.Error("the key works after /logout")
	}

	r.run(sandbox.Newcomer, "kudos balance", nil)
	r.whisper(sandbox.Newcomer, "**125 kudos**; 100 of them can be given away.")
	r.run(sandbox.Newcomer, "userinfo", nil)
	r.whisper(sandbox.Newcomer, `Newcomer#1`, "Kudos: 125", "Here since: <t:")
	r.run(sandbox.Friend, "userinfo", map[string]any{"user": sandbox.Newcomer})
	other := r.whisper(sandbox.Friend, "Kudos: 125")
	if holds(other, []string{"can be given away"}) {
		t.Error("somebody else sees what is only for its person")
	}
	if _, ok := r.p.engine.UserByExternal("d_" + sandbox.Friend); ok {
		t.Error("looking at somebody opened an account")
	}

	out, err := r.sand.RunCommand(r.ctx(), sandbox.Admin, sandbox.DMChannel(sandbox.Admin), "kudos balance", nil)
	if err != nil || out.Kind != 4 {
		t.Errorf("in a direct message: %+v, %v", out, err)
	}
}
