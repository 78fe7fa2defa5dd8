// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"slices"
	"testing"
	"time"

	"stablemate/commands"
	"stablemate/commands/chat"
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

// gift gives by command and waits until it is said what became of it.
func (r *rig) gift(who string, options map[string]any) {
	r.t.Helper()
	out := r.run(who, "kudos gift", options)
	r.eventually("the gift is answered", func() bool {
		return !slices.ContainsFunc(r.sand.Messages(sandbox.ChannelID, who), func(m sandbox.Message) bool { return m.ID == out.MessageID && m.Loading })
	})
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
	time.Sleep(300 * time.Millisecond) // another lane may be slower, and there is the grace
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

func (r *rig) unreact(who, message, emoji string) {
	r.t.Helper()
	if err := r.sand.Unreact(who, message, emoji); err != nil {
		r.t.Fatal(err)
	}
}

// post writes a message and returns its ID.
func (r *rig) post(who string) string {
	r.t.Helper()
	m, err := r.sand.Post(who, sandbox.ChannelID, "hello")
	if err != nil {
		r.t.Fatal(err)
	}
	return m.ID
}

const start = 125 * kudos.One // floor and welcome

func TestTheKudosEmojiThanksTheAuthorOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	m := r.post(sandbox.Newcomer)
	r.sand.Arm(sandbox.Fault{Kind: sandbox.Duplicate})
	r.react(sandbox.Friend, m, "🙏")
	r.balance(sandbox.Newcomer, start+10*kudos.One)
	r.balance(sandbox.Friend, start-10*kudos.One)
	r.unreact(sandbox.Friend, m, "🙏")
	r.react(sandbox.Friend, m, "🙏")
	r.react(sandbox.Newcomer, m, "🙏") // oneself
	r.react(sandbox.Friend, m, "🐴")   // another emoji
	r.stays(sandbox.Newcomer, start+10*kudos.One)
	r.stays(sandbox.Friend, start-10*kudos.One)

	// Once is once, also after a restart.
	r.restart(2 * time.Hour)
	r.unreact(sandbox.Friend, m, "🙏")
	r.react(sandbox.Friend, m, "🙏")
	r.stays(sandbox.Newcomer, start+10*kudos.One)
	r.see(sandbox.Newcomer, "word of the gift", func(m sandbox.Message) bool {
		return m.ChannelID == sandbox.DMChannel(sandbox.Newcomer) && holds(m, []string{"thanked you with 10 kudos", "<@" + sandbox.Friend + ">"})
	})
	if dms := r.sand.Messages(sandbox.DMChannel(sandbox.Friend), sandbox.Friend); len(dms) > 0 {
		t.Errorf("the giver got direct messages: %+v", dms)
	}
}

func TestAGiftByEmojiCanBeTakenBackAndSurvivesARestart(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *commands.Options) { o.GiftGrace = time.Hour })
	r.login(sandbox.Newcomer, sandbox.Friend)
	first, second := r.post(sandbox.Newcomer), r.post(sandbox.Newcomer)
	r.react(sandbox.Friend, first, "🙏")
	r.react(sandbox.Friend, second, "🙏")
	r.eventually("both are written down", func() bool {
		rows, err := r.p.store.DocsOfPerson(r.ctx(), chat.KindGift, sandbox.Friend)
		return err == nil && len(rows) == 2
	})
	r.restart(10 * time.Minute) // in the middle of the grace
	r.unreact(sandbox.Friend, first, "🙏")
	r.stays(sandbox.Newcomer, start)
	r.restart(time.Hour)
	r.balance(sandbox.Newcomer, start+10*kudos.One)
	r.stays(sandbox.Friend, start-10*kudos.One)
}

func TestTheFirstKudosReactionAsks(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer)
	m := r.post(sandbox.Newcomer)
	r.react(sandbox.Friend, m, "🙏")
	question := r.see(sandbox.Friend, "a question", func(m sandbox.Message) bool {
		return m.ChannelID == sandbox.DMChannel(sandbox.Friend) && holds(m, []string{"May your reactions give kudos"})
	})
	r.stays(sandbox.Newcomer, start)
	r.click(sandbox.Friend, question.ID, "Enable emoji gifts")
	r.balance(sandbox.Newcomer, start+10*kudos.One)
	r.balance(sandbox.Friend, start-10*kudos.One)
	r.react(sandbox.Friend, r.post(sandbox.Newcomer), "🙏")
	r.balance(sandbox.Newcomer, start+20*kudos.One)
	r.click(sandbox.Friend, question.ID, "No emoji gifts")
	r.react(sandbox.Friend, r.post(sandbox.Newcomer), "🙏")
	r.stays(sandbox.Newcomer, start+20*kudos.One)
}

func TestAGiftWaitsForWhoHasNoAccount(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Friend)
	r.react(sandbox.Friend, r.post(sandbox.Newcomer), "🙏")
	r.balance(sandbox.Friend, start-10*kudos.One)
	r.see(sandbox.Newcomer, "an invitation", func(m sandbox.Message) bool {
		return m.ChannelID == sandbox.DMChannel(sandbox.Newcomer) && holds(m, []string{"set 10 kudos aside for you", "</login:"})
	})
	r.gift(sandbox.Friend, map[string]any{"user": sandbox.Newcomer, "amount": 5, "note": "welcome"})
	r.see(sandbox.Admin, "a public word", func(m sandbox.Message) bool {
		return holds(m, []string{"set **5 kudos** aside for <@" + sandbox.Newcomer + ">", "> welcome"})
	})
	r.run(sandbox.Newcomer, "kudos pending", nil)
	r.whisper(sandbox.Newcomer, "For you: 15 kudos")
	r.gift(sandbox.Friend, map[string]any{"user": sandbox.Newcomer, "amount": 7})
	r.run(sandbox.Friend, "kudos pending", nil)
	panel := r.whisper(sandbox.Friend, "From you: 22 kudos")
	var last string
	for _, g := range r.p.engine.GiftsFrom(r.user(sandbox.Friend).ID) {
		last = g.ID.String()
	}
	if _, err := r.sand.Choose(r.ctx(), sandbox.Friend, panel.ID, "Take a gift back", last); err != nil {
		t.Fatal(err)
	}
	r.balance(sandbox.Friend, start-15*kudos.One)
	r.run(sandbox.Newcomer, "login", nil)
	r.whisper(sandbox.Newcomer, "Welcome!")
	r.balance(sandbox.Newcomer, start+15*kudos.One)
	r.run(sandbox.Newcomer, "kudos claim", nil)
	r.whisper(sandbox.Newcomer, "Nothing waits for you")
	r.run(sandbox.Newcomer, "kudos history", map[string]any{"type": "transfer"})
	r.whisper(sandbox.Newcomer, "+10", "a gift that waited for you")
	r.run(sandbox.Friend, "kudos history", nil)
	r.whisper(sandbox.Friend, "-10", "https://discord.com/channels/"+sandbox.GuildID, "kudos that came back")
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

	// The button under it, and the menu of the message, do the same.
	form := r.click(sandbox.Friend, id, "Gift").Modal
	if form == nil {
		t.Fatal("the button opened no form")
	}
	if _, err := r.sand.SubmitModal(r.ctx(), sandbox.Friend, form.InteractionID, map[string]string{"amount": "12", "note": "so red"}); err != nil {
		t.Fatal(err)
	}
	r.balance(sandbox.Newcomer, before+22*kudos.One)
	if out := r.click(sandbox.Newcomer, id, "Gift"); out.Modal != nil {
		t.Error("a form for a gift to oneself")
	}
	given := before + 22*kudos.One
	for name, c := range map[string]struct {
		open   func() (sandbox.Outcome, error)
		values map[string]string
		gives  kudos.Amount
	}{
		"the menu of the message": {
			func() (sandbox.Outcome, error) {
				return r.sand.RunMessageMenu(r.ctx(), sandbox.Friend, id, "Gift kudos to author")
			}, map[string]string{"usual": "50", "amount": " 3"}, 3 * kudos.One,
		},
		"the menu of the person": {
			func() (sandbox.Outcome, error) {
				return r.sand.RunUserMenu(r.ctx(), sandbox.Friend, sandbox.ChannelID, "Gift kudos", sandbox.Newcomer)
			}, map[string]string{"usual": "50"}, 50 * kudos.One,
		},
	} {
		out, err := c.open()
		if err != nil || out.Modal == nil {
			t.Fatalf("%s: %+v, %v", name, out, err)
		}
		if _, err := r.sand.SubmitModal(r.ctx(), sandbox.Friend, out.Modal.InteractionID, c.values); err != nil {
			t.Fatal(err)
		}
		given += c.gives
		r.balance(sandbox.Newcomer, given)
	}
}

func TestARefusedReactionIsExplainedOnceAnHour(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *commands.Options) { o.KudosAmount = 1000 * kudos.One })
	r.login(sandbox.Newcomer, sandbox.Friend)
	for range 2 {
		r.react(sandbox.Friend, r.post(sandbox.Newcomer), "🙏")
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
	r.login(sandbox.Friend)
	r.gift(sandbox.Newcomer, map[string]any{"user": sandbox.Friend, "amount": 40, "note": "thank *you*"})
	r.see(sandbox.Admin, "a public word", func(m sandbox.Message) bool {
		return holds(m, []string{"<@" + sandbox.Newcomer + "> gave <@" + sandbox.Friend + "> **40 kudos**", `thank \*you\*`, "I opened an account for you"})
	})
	r.balance(sandbox.Newcomer, start-40*kudos.One)
	r.balance(sandbox.Friend, start+40*kudos.One)

	for name, c := range map[string]struct {
		options map[string]any
		want    string
	}{
		"more than there is": {map[string]any{"user": sandbox.Friend, "amount": 61}, "You do not have enough"},
		"to oneself":         {map[string]any{"user": sandbox.Newcomer, "amount": 1}, "cannot give kudos to yourself"},
		"to the bot":         {map[string]any{"user": sandbox.BotID, "amount": 1}, "robots need no kudos"},
		"to nobody":          {map[string]any{"amount": 1}, "either a member or an account"},
		"to nobody known":    {map[string]any{"amount": 1, "horde": "nobody#99"}, "no such account"},
	} {
		r.gift(sandbox.Newcomer, c.options)
		r.whisper(sandbox.Newcomer, c.want)
		if got := r.user(sandbox.Newcomer).Balance; got != start-40*kudos.One {
			t.Errorf("%s: the balance is %s", name, got)
		}
	}
	r.gift(sandbox.Friend, map[string]any{"user": sandbox.Newcomer, "amount": 1})
	r.whisper(sandbox.Friend, "wait a minute")

	// By the name in the horde, and without a name.
	r.gift(sandbox.Newcomer, map[string]any{"horde": "friend", "amount": 2, "anonymous": true, "note": "guess"})
	r.whisper(sandbox.Newcomer, "You gave **Friend#1** **2 kudos**", "do not learn from whom")
	r.balance(sandbox.Friend, start+42*kudos.One)
	r.restart(2 * time.Minute)
	r.see(sandbox.Friend, "word of a gift", func(m sandbox.Message) bool {
		return m.ChannelID == sandbox.DMChannel(sandbox.Friend) && holds(m, []string{
			"thanked 2 times, with 42 kudos", "<@" + sandbox.Newcomer + "> · 40 · thank", "somebody · 2 · guess",
		})
	})
}

func TestALargeGiftIsAskedBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *commands.Options) { o.Welcome = 5000 * kudos.One })
	r.login(sandbox.Newcomer, sandbox.Friend)
	had := r.user(sandbox.Newcomer).Balance
	r.gift(sandbox.Newcomer, map[string]any{"user": sandbox.Friend, "amount": 1500})
	sure := r.whisper(sandbox.Newcomer, "Give **1500 kudos** to <@"+sandbox.Friend+">?")
	r.stays(sandbox.Newcomer, had)
	r.click(sandbox.Newcomer, sure.ID, "Give")
	r.balance(sandbox.Newcomer, had-1500*kudos.One)
	r.gift(sandbox.Newcomer, map[string]any{"user": sandbox.Friend, "amount": 1501})
	no := r.whisper(sandbox.Newcomer, "Give **1501 kudos**")
	r.click(sandbox.Newcomer, no.ID, "Cancel")
	r.whisper(sandbox.Newcomer, "Nothing was given")
	r.gift(sandbox.Newcomer, map[string]any{"user": sandbox.Friend, "amount": 1502})
	late := r.whisper(sandbox.Newcomer, "Give **1502 kudos**")
	r.restart(20 * time.Minute)
	r.click(sandbox.Newcomer, late.ID, "Give")
	r.whisper(sandbox.Newcomer, "This is over by now")
	r.stays(sandbox.Newcomer, had-1500*kudos.One)
}

func TestTheLeaderboard(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	r.gift(sandbox.Newcomer, map[string]any{"user": sandbox.Friend, "amount": 40})
	for board, want := range map[string]string{"balance": "1. Friend#2 · **165**\n2. Newcomer#1 · **85**", "given": "1. Newcomer#1 · **40**", "received": "1. Friend#2 · **40**"} {
		r.run(sandbox.Admin, "kudos leaderboard", map[string]any{"board": board})
		r.see(sandbox.Newcomer, "the board of "+board, func(m sandbox.Message) bool { return holds(m, []string{want}) })
	}
}

func TestLeaderboardsOfAPeriodAndPeopleWhoAreNotNamed(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	r.run(sandbox.Newcomer, "kudos gift", map[string]any{"user": sandbox.Friend, "amount": 40})
	r.worker(nil)
	r.result(sandbox.Friend, r.generate(sandbox.Friend, nil), 1)
	board := func(options map[string]any, want string) {
		t.Helper()
		r.run(sandbox.Admin, "kudos leaderboard", options)
		r.see(sandbox.Newcomer, want, func(m sandbox.Message) bool { return holds(m, []string{want}) })
	}
	board(map[string]any{"board": "given", "period": "day"}, "Kudos given · the whole horde · last 24 hours\n1. Newcomer#1 · **40**")
	board(map[string]any{"board": "received", "period": "week"}, "last 7 days\n1. Friend#2 · **40**")
	board(map[string]any{"board": "generated", "period": "month"}, "last 30 days\n1. Owner#3 · **One result**")
	board(map[string]any{"board": "rated"}, "Images rated · the whole horde\nNobody yet.")

	panel := r.run(sandbox.Newcomer, "settings panel", nil).MessageID
	r.click(sandbox.Newcomer, panel, "Named on leaderboards")
	r.message(sandbox.Newcomer, panel, "Named on leaderboards: No")
	board(map[string]any{"board": "given"}, "Kudos given · the whole horde\n1. *hidden* · **40**")
	r.jump(25 * time.Hour)
	board(map[string]any{"board": "given", "period": "day"}, "last 24 hours\nNobody yet.")
}

func TestAGiftToARole(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *commands.Options) { o.Welcome = 1000 * kudos.One })
	r.login(sandbox.Newcomer, sandbox.Friend, sandbox.Admin)
	r.known(sandbox.Newcomer, sandbox.Friend)
	if err := r.p.bot.AddRole(r.ctx(), sandbox.GuildID, sandbox.Friend, sandbox.RoleWorker, "test"); err != nil {
		t.Fatal(err)
	}
	had := r.user(sandbox.Friend).Balance
	if _, err := r.sand.RunCommand(r.ctx(), sandbox.Newcomer, sandbox.ChannelID, "kudos giftrole", map[string]any{"role": sandbox.RoleWorker, "amount": 30}); err == nil {
		r.whisper(sandbox.Newcomer, "Manage Server")
	}
	r.run(sandbox.Admin, "kudos giftrole", map[string]any{"role": sandbox.RoleWorker, "amount": 30})
	m := r.see(sandbox.Newcomer, "a preview", func(m sandbox.Message) bool { return holds(m, []string{"give 30 kudos to one person"}) })
	r.click(sandbox.Newcomer, m.ID, "Give") // not theirs
	r.restart(time.Second)
	r.stays(sandbox.Friend, had)
	r.click(sandbox.Admin, m.ID, "Give")
	r.message(sandbox.Newcomer, m.ID, "gave 30 kudos to 1 of 1 people")
	r.balance(sandbox.Friend, had+30*kudos.One)
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
	sure := r.run(sandbox.Newcomer, "logout", nil).MessageID
	if _, ok := r.p.engine.UserByKey(hashKey(key)); !ok {
		t.Error("/logout ends the key before it is confirmed")
	}
	r.click(sandbox.Newcomer, sure, "End my API key")
	r.message(sandbox.Newcomer, sure, "no longer works")
	if _, ok := r.p.engine.UserByKey(hashKey(key)); ok {
		t.Error("the key works after /logout")
	}

	r.run(sandbox.Newcomer, "kudos balance", nil)
	r.whisper(sandbox.Newcomer, "**125 kudos**", "100 of them can be given away.")
	r.run(sandbox.Newcomer, "userinfo", nil)
	r.whisper(sandbox.Newcomer, `Newcomer#1`, "Kudos: 125", "Here since: <t:")
	r.run(sandbox.Friend, "userinfo", map[string]any{"user": sandbox.Newcomer})
	r.whisper(sandbox.Friend, "or does not show which one it is")
	if _, ok := r.p.engine.UserByExternal("d_" + sandbox.Friend); ok {
		t.Error("looking at somebody opened an account")
	}

	out, err := r.sand.RunCommand(r.ctx(), sandbox.Admin, sandbox.DMChannel(sandbox.Admin), "kudos balance", nil)
	if err != nil || out.Kind != 4 {
		t.Errorf("in a direct message: %+v, %v", out, err)
	}
}
