// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"stablemate/commands"
	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
	"stablemate/internal/sandbox"
)

// letter waits for a direct message from the bot.
func (r *rig) letter(who string, texts ...string) sandbox.Message {
	r.t.Helper()
	return r.see(who, "a direct message", func(m sandbox.Message) bool {
		return m.ChannelID == sandbox.DMChannel(who) && holds(m, texts)
	})
}

// known makes the bot remember people as members of the first guild.
func (r *rig) known(people ...string) {
	r.t.Helper()
	for _, who := range people {
		_, err := r.p.store.SaveDoc(r.ctx(), chat.Doc{
			Kind: chat.KindMember, Key: sandbox.GuildID + ":" + who, Person: who, Guild: sandbox.GuildID, Value: []byte("{}"),
		})
		if err != nil && !errors.Is(err, chat.ErrChanged) {
			r.t.Fatal(err)
		}
	}
}

func TestAnUnnamedGiftThatWaitsDoesNotTellItsGiver(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Friend)
	r.gift(sandbox.Friend, map[string]any{"user": sandbox.Newcomer, "amount": 5, "anonymous": true})
	r.whisper(sandbox.Friend, "You set **5 kudos** aside")
	r.restart(time.Second) // what is stored keeps the secret too
	r.run(sandbox.Newcomer, "kudos pending", nil)
	if m := r.whisper(sandbox.Newcomer, "For you: 5 kudos", "somebody: 5 kudos"); holds(m, []string{"Friend"}) {
		t.Errorf("the giver is told: %+v", m.Embeds)
	}
}

func TestGiftsByCommandReachTheirRecipients(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Friend, sandbox.Newcomer)
	r.gift(sandbox.Newcomer, map[string]any{"user": sandbox.Friend, "amount": 4, "note": "for the apple"})
	r.balance(sandbox.Friend, start+4*kudos.One)
	r.restart(2 * time.Minute)
	r.letter(sandbox.Friend, "thanked you with 4 kudos", "<@"+sandbox.Newcomer+">", "for the apple")
}

func TestAGiftToARoleTellsItsRecipients(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *commands.Options) { o.Welcome = 1000 * kudos.One })
	r.login(sandbox.Friend, sandbox.Admin)
	r.known(sandbox.Friend)
	if err := r.p.bot.AddRole(r.ctx(), sandbox.GuildID, sandbox.Friend, sandbox.RoleWorker, "test"); err != nil {
		t.Fatal(err)
	}
	had := r.user(sandbox.Friend).Balance
	r.run(sandbox.Admin, "kudos giftrole", map[string]any{"role": sandbox.RoleWorker, "amount": 30})
	m := r.see(sandbox.Newcomer, "a preview", func(m sandbox.Message) bool { return holds(m, []string{"give 30 kudos to one person"}) })
	r.click(sandbox.Admin, m.ID, "Give")
	r.message(sandbox.Newcomer, m.ID, "gave 30 kudos to 1 of 1 people")
	r.balance(sandbox.Friend, had+30*kudos.One)
	r.restart(2 * time.Minute)
	r.letter(sandbox.Friend, "thanked you with 30 kudos", "<@"+sandbox.Admin+">", "/"+m.ID)
}

func TestAReactionWhereGiftsAreForOthersIsExplained(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend, sandbox.Admin)
	panel := r.run(sandbox.Admin, "serverconfig panel", nil).MessageID
	r.pick(sandbox.Admin, panel, "What to change", "access")
	r.click(sandbox.Admin, panel, "Gifts")
	r.pick(sandbox.Admin, panel, "Who may use: Gifts", sandbox.RoleWorker)
	r.message(sandbox.Admin, panel, "Gifts: <@&"+sandbox.RoleWorker+">")
	m := r.post(sandbox.Newcomer)
	r.react(sandbox.Friend, m, "🙏")
	r.letter(sandbox.Friend, "Your kudos emoji gave nothing", "<@&"+sandbox.RoleWorker+">")
	r.react(sandbox.Admin, m, "🙏") // who manages the server may
	r.balance(sandbox.Newcomer, start+10*kudos.One)
	r.stays(sandbox.Friend, start)
}

// shareKey makes a shared key and returns it.
func (r *rig) shareKey(who, name string) string {
	r.t.Helper()
	r.run(who, "sharedkey create", map[string]any{"name": name, "kudos": 60, "days": 2})
	created := r.whisper(who, "**"+name+"** is ||`")
	return regexp.MustCompile("\\|\\|`([^`]+)`\\|\\|").FindStringSubmatch(created.Content)[1]
}

func TestPeopleSetTheLimitsOfTheirGifts(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	panel := r.run(sandbox.Newcomer, "login", nil).MessageID
	limits := map[string]string{"limit": "15", "one": "9", "confirm": "20"}
	r.fillIn(sandbox.Newcomer, r.click(sandbox.Newcomer, panel, "Limits of my gifts"), limits)
	r.run(sandbox.Newcomer, "settings show", nil)
	r.whisper(sandbox.Newcomer, "Most kudos of one reaction: 9", "Asked before a command gives more than: 20")

	r.react(sandbox.Newcomer, r.post(sandbox.Friend), "🙏") // gives ten
	r.letter(sandbox.Newcomer, "more than your limit of 9 kudos for one reaction")
	r.gift(sandbox.Newcomer, map[string]any{"user": sandbox.Friend, "amount": 20})
	r.balance(sandbox.Newcomer, start-20*kudos.One)
	r.gift(sandbox.Newcomer, map[string]any{"user": sandbox.Friend, "amount": 21})
	r.whisper(sandbox.Newcomer, "Give **21 kudos**")
	r.stays(sandbox.Friend, start+20*kudos.One)
}

func TestToppingUpIsAGiftLikeOthers(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *commands.Options) { o.Welcome = 5000 * kudos.One })
	r.login(sandbox.Newcomer, sandbox.Friend, sandbox.Admin)
	had := r.user(sandbox.Friend).Balance
	key := r.shareKey(sandbox.Newcomer, "open day")
	thread := r.party(sandbox.Newcomer, map[string]any{"name": "Feast", "budget": 30, "award": 10})

	r.run(sandbox.Friend, "sharedkey topup", map[string]any{"key": key, "amount": 1001})
	sure := r.whisper(sandbox.Friend, "Give **1001 kudos** to **open day**?")
	r.stays(sandbox.Friend, had)
	r.restart(time.Second)
	r.click(sandbox.Friend, sure.ID, "Give")
	r.message(sandbox.Friend, sure.ID, "1001 kudos went to Newcomer#1")
	r.balance(sandbox.Friend, had-1001*kudos.One)

	ask := r.runIn(sandbox.Friend, thread, "party topup", map[string]any{"kudos": 1002}).MessageID
	r.message(sandbox.Friend, ask, "Give **1002 kudos** to **Feast**?")
	r.click(sandbox.Friend, ask, "Give")
	r.inThread(sandbox.Admin, thread, "adds 1002 kudos")
	r.balance(sandbox.Friend, had-2003*kudos.One)

	r.restart(2 * time.Minute)
	r.letter(sandbox.Newcomer, "thanked you with 1001 kudos", "<@"+sandbox.Friend+">", "open day")

	panel := r.run(sandbox.Admin, "serverconfig panel", nil).MessageID
	r.pick(sandbox.Admin, panel, "What to change", "access")
	r.click(sandbox.Admin, panel, "Gifts")
	r.pick(sandbox.Admin, panel, "Who may use: Gifts", sandbox.RoleWorker)
	r.message(sandbox.Admin, panel, "Gifts: <@&"+sandbox.RoleWorker+">")
	r.run(sandbox.Friend, "sharedkey topup", map[string]any{"key": key, "amount": 3})
	r.whisper(sandbox.Friend, "only some people may do that")
	no := r.runIn(sandbox.Friend, thread, "party topup", map[string]any{"kudos": 3}).MessageID
	r.message(sandbox.Friend, no, "only some people may do that")
	r.stays(sandbox.Friend, had-2003*kudos.One)
}

// useKey chooses the shared key for a scope.
func (r *rig) useKey(who, scope, key string) {
	r.t.Helper()
	r.fillIn(who, r.run(who, "sharedkey use", map[string]any{"scope": scope}), map[string]string{"key": key})
}

func TestSharedKeysInUseAreShownAndEmptyOnesAreNone(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Admin)
	r.run(sandbox.Newcomer, "sharedkey show", nil)
	r.whisper(sandbox.Newcomer, "No shared key is in use here", "</sharedkey use:")
	key := r.shareKey(sandbox.Admin, "open day")
	r.useKey(sandbox.Admin, "guild", key)
	r.whisper(sandbox.Admin, "for: this server")
	r.run(sandbox.Newcomer, "sharedkey show", nil)
	r.whisper(sandbox.Newcomer, "this server: **open day**, chosen by <@"+sandbox.Admin+">", "this one is used")

	r.run(sandbox.Admin, "sharedkey edit", map[string]any{"key": key[:8], "kudos": 0})
	r.whisper(sandbox.Admin, "left 0")
	r.useKey(sandbox.Admin, "channel", key)
	r.whisper(sandbox.Admin, "has not enough kudos left", "</sharedkey topup:")
	r.run(sandbox.Newcomer, "sharedkey show", nil)
	r.whisper(sandbox.Newcomer, "used up, expired or gone")
	if strings.Contains(r.logs.String(), key) {
		t.Error("the log contains a shared key")
	}

	for range 2 {
		r.shareKey(sandbox.Admin, "another day")
	}
	r.run(sandbox.Admin, "sharedkey create", map[string]any{"name": "one more"})
	r.whisper(sandbox.Admin, "as many shared keys as you may have", "</sharedkey list:")
}

func TestTheHistoryNamesWhatMovedAndWithWhom(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	r.gift(sandbox.Newcomer, map[string]any{"user": sandbox.Friend, "amount": 4})
	r.gift(sandbox.Newcomer, map[string]any{"user": sandbox.Friend, "amount": 3, "anonymous": true})
	r.gift(sandbox.Newcomer, map[string]any{"user": sandbox.Admin, "amount": 2})
	r.balance(sandbox.Friend, start+7*kudos.One)
	if _, err := engine.Do(r.ctx(), r.p.engine, horde.RewardRating{User: r.user(sandbox.Friend).ID, Amount: 5 * kudos.One, Key: "rate:1"}); err != nil {
		t.Fatal(err)
	}
	r.party(sandbox.Newcomer, map[string]any{"name": "Feast", "budget": 30, "award": 10})

	r.run(sandbox.Newcomer, "kudos history", map[string]any{"type": "transfer"})
	r.whisper(sandbox.Newcomer,
		"**-30** · set aside for a party", "**-2** · a gift that waits · to <@"+sandbox.Admin+">", "**-3** · a gift · to Friend#2", "**-4** · a gift · to Friend#2")
	r.run(sandbox.Friend, "kudos history", nil)
	all := r.whisper(sandbox.Friend, "**+5** · images you rated", "**+3** · a gift · from somebody", "**+4** · a gift · from Newcomer#1", "opening of the account")
	r.run(sandbox.Friend, "kudos history", map[string]any{"type": "rating"})
	r.see(sandbox.Friend, "ratings alone", func(m sandbox.Message) bool {
		return m.ID != all.ID && m.Ephemeral && holds(m, []string{"images you rated"}) && !holds(m, []string{"a gift"})
	})
	r.run(sandbox.Friend, "kudos history", map[string]any{"type": "adjustment"})
	r.whisper(sandbox.Friend, "nothing of this kind")
}

func TestAKudosEmojiIsEditedWithAWarningAndLosesItsTexts(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id, err := r.sand.AddEmoji(sandbox.GuildID, "kudos5")
	if err != nil {
		t.Fatal(err)
	}
	emoji := "<:kudos5:" + id + ">"
	r.run(sandbox.Admin, "kudosemoji add", map[string]any{"emoji": emoji, "amount": 5, "title": "Bravo", "message": "well done"})
	r.whisper(sandbox.Admin, "Bravo", "well done")
	edit := func(options map[string]any, texts ...string) sandbox.Message {
		t.Helper()
		options["emoji"] = "c:" + id
		out := r.run(sandbox.Admin, "kudosemoji edit", options)
		return r.message(sandbox.Admin, out.MessageID, texts...)
	}
	edit(map[string]any{"amount": 7}, "Its name says 5, but it gives 7", "Bravo")
	edit(map[string]any{"amount": 5, "silent": true}, "Bravo")
	if m := edit(map[string]any{"untitled": true}, "Changed"); holds(m, []string{"Bravo"}) || holds(m, []string{"well done"}) || holds(m, []string{"Its name says"}) {
		t.Errorf("after losing its texts: %q", m.Content)
	}
	for i := range 25 {
		r.run(sandbox.Admin, "kudosemoji add", map[string]any{"emoji": string(rune('🐀' + i)), "amount": 1})
	}
	r.run(sandbox.Admin, "kudosemoji list", nil)
	r.whisper(sandbox.Admin, "Kudos emoji", emoji+" **5**")
	r.run(sandbox.Admin, "kudosemoji list", map[string]any{"page": 2})
	r.whisper(sandbox.Admin, "Kudos emoji", string(rune('🐀'+24))+" **1**")
}

func TestWhereAnswersArePrivateKudosAreToo(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	panel := r.run(sandbox.Admin, "serverconfig panel", nil).MessageID
	r.pick(sandbox.Admin, panel, "What to change", "content")
	r.pick(sandbox.Admin, panel, "Answers", "private")
	r.message(sandbox.Admin, panel, "only the person sees them")
	r.run(sandbox.Newcomer, "kudos balance", map[string]any{"private": false})
	r.whisper(sandbox.Newcomer, "You have **125 kudos**")
	r.run(sandbox.Newcomer, "kudos leaderboard", nil)
	r.whisper(sandbox.Newcomer, "1. Newcomer#1")
	r.run(sandbox.Newcomer, "kudos gift", map[string]any{"user": sandbox.Friend, "amount": 4})
	r.whisper(sandbox.Newcomer, "gave <@"+sandbox.Friend+"> **4 kudos**")
	r.balance(sandbox.Friend, start+4*kudos.One)
	r.restart(2 * time.Minute)
	r.letter(sandbox.Friend, "thanked you with 4 kudos", "<@"+sandbox.Newcomer+">")
}
