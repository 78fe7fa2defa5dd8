// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"strconv"
	"testing"
	"time"

	"stablemate/commands"
	"stablemate/horde/kudos"
	"stablemate/internal/discord"
	"stablemate/internal/sandbox"
)

func TestAServerSetsUpItsKudosEmoji(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	admin := func(path string, options map[string]any, want ...string) sandbox.Message {
		t.Helper()
		r.run(sandbox.Admin, "kudosemoji "+path, options)
		return r.whisper(sandbox.Admin, want...)
	}
	if _, err := r.sand.RunCommand(r.ctx(), sandbox.Newcomer, sandbox.ChannelID, "kudosemoji list", nil); err == nil {
		r.whisper(sandbox.Newcomer, "Manage Server")
	}
	admin("list", nil, "🙏 **10**", "Kudos emoji (1 of 50)")
	admin("add", map[string]any{"emoji": "nothing", "amount": 5}, "That is no emoji")
	admin("add", map[string]any{"emoji": "<:kudos50:777>", "amount": 5, "title": "Neigh", "message": "well *done*"},
		"This emoji gives kudos now", "<:kudos50:777> **5**", "Its name says 50, but it gives 5", "only if you add it", "This emoji is not of this server", `well \*done\*`)
	admin("add", map[string]any{"emoji": "kudos50:777", "amount": 6}, "gives kudos already")
	admin("add", map[string]any{"emoji": "🥕", "amount": 2, "who": sandbox.RoleWorker, "channel": sandbox.ChannelID}, "🥕 **2**", "<@&"+sandbox.RoleWorker+">")

	r.react(sandbox.Friend, r.post(sandbox.Newcomer), "🙏") // not one of theirs any more
	r.react(sandbox.Friend, r.post(sandbox.Newcomer), "🥕") // not for everybody
	r.react(sandbox.Friend, r.post(sandbox.Newcomer), "kudos50:777")
	r.balance(sandbox.Newcomer, start+5*kudos.One)
	r.stays(sandbox.Newcomer, start+5*kudos.One)

	admin("test", map[string]any{"emoji": "🥕", "user": sandbox.Friend}, "not for this member")
	admin("test", map[string]any{"emoji": "kudos50:777", "user": sandbox.Friend}, "set 5 kudos aside for <@"+sandbox.Admin+">")
	choices, err := r.sand.Autocomplete(r.ctx(), sandbox.Admin, sandbox.ChannelID, "kudosemoji edit", map[string]any{"emoji": "50"}, "emoji")
	if err != nil || len(choices) != 1 || choices[0].Value != "c:777" {
		t.Errorf("suggested %+v, %v", choices, err)
	}
	admin("edit", map[string]any{"emoji": "c:777", "amount": 50}, "Changed", "**50**")
	admin("edit", map[string]any{"emoji": "🥕", "anyone": true, "anywhere": true}, "Changed", "🥕 **2**")
	r.react(sandbox.Friend, r.post(sandbox.Newcomer), "🥕")
	r.balance(sandbox.Newcomer, start+7*kudos.One)
	r.stays(sandbox.Newcomer, start+7*kudos.One) // and what became of it is written down
	log := admin("log", map[string]any{"user": sandbox.Newcomer}, "2 kudos reactions, 7 kudos", "given", "https://discord.com/channels/"+sandbox.GuildID)
	if len(log.Attachments) != 1 {
		t.Errorf("the log has %d tables", len(log.Attachments))
	}
	admin("remove", map[string]any{"emoji": "🥕"}, "🥕 is an ordinary emoji again")
	admin("remove", map[string]any{"emoji": "🥕"}, "no such kudos emoji")
	r.restart(0)
	list := admin("list", nil, "<:kudos50:777> **50**", "Last changes", "removed 🥕 (2)")
	r.click(sandbox.Admin, list.ID, "Back to the default")
	r.message(sandbox.Admin, list.ID, "🙏 **10**", "went back to the default")
	r.react(sandbox.Friend, r.post(sandbox.Newcomer), "🙏")
	r.balance(sandbox.Newcomer, start+17*kudos.One)
}

func TestAStarterSetIsUploadedAndTakenBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	theirs, err := r.sand.AddEmoji(sandbox.GuildID, "horse")
	if err != nil {
		t.Fatal(err)
	}
	r.run(sandbox.Admin, "kudosemoji starter", map[string]any{"pack": "stars"})
	m := r.whisper(sandbox.Admin, "5 of 5 kudos emoji are ready", "44 of 50", "only if you add it")
	emoji := r.sand.GuildEmojis(sandbox.GuildID)
	if len(emoji) != 6 {
		t.Fatalf("the server has %d emoji", len(emoji))
	}
	r.react(sandbox.Friend, r.post(sandbox.Newcomer), emoji[3].Name+":"+emoji[3].ID) // 1, 5, 10
	r.balance(sandbox.Newcomer, start+10*kudos.One)
	r.run(sandbox.Admin, "kudosemoji add", map[string]any{"emoji": "horse:" + theirs, "amount": 3})
	added := r.whisper(sandbox.Admin, "<:horse:"+theirs+"> **3**")
	if holds(added, []string{"not of this server"}) {
		t.Error("an emoji of this server is called foreign")
	}
	r.restart(time.Minute)
	r.click(sandbox.Admin, m.ID, "Undo")
	r.message(sandbox.Admin, m.ID, "5 kudos emoji were taken back")
	if left := r.sand.GuildEmojis(sandbox.GuildID); len(left) != 1 || left[0].ID != theirs {
		t.Errorf("left are %+v", left)
	}
	r.run(sandbox.Admin, "kudosemoji list", nil)
	r.whisper(sandbox.Admin, "Kudos emoji (1 of 50)", "<:horse:"+theirs+"> **3**")
}

func TestWithoutThePermissionAStarterSetIsOfOrdinaryEmoji(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	for _, role := range r.sand.GuildRoles(sandbox.GuildID) {
		if role.ID == sandbox.RoleBot {
			r.permissionsOfBot(role.Permissions &^ int64(discord.CreateExpressions))
		}
	}
	r.run(sandbox.Admin, "kudosemoji starter", map[string]any{"pack": "horseshoes"})
	m := r.whisper(sandbox.Admin, "I lack the permission Create Expressions", "🥕 **1** · 🍎 **5**")
	r.click(sandbox.Admin, m.ID, "Use these")
	r.message(sandbox.Admin, m.ID, "5 of 5 kudos emoji are ready", "🐴 **10**")
	r.react(sandbox.Friend, r.post(sandbox.Newcomer), "🐴")
	r.balance(sandbox.Newcomer, start+10*kudos.One)
	r.click(sandbox.Admin, m.ID, "Undo")
	r.message(sandbox.Admin, m.ID, "5 kudos emoji were taken back")
	r.run(sandbox.Admin, "kudosemoji list", nil)
	r.whisper(sandbox.Admin, "🙏 **10**")
	if got := r.sand.GuildEmojis(sandbox.GuildID); len(got) > 0 {
		t.Errorf("uploaded %+v", got)
	}
}

func TestAFullServerIsOfferedOrdinaryEmoji(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for i := range 47 {
		if _, err := r.sand.AddEmoji(sandbox.GuildID, "e"+strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	r.run(sandbox.Admin, "kudosemoji starter", nil)
	r.whisper(sandbox.Admin, "3 of 50 emoji places", "🤍 **1**")
}

func TestAChannelThatIsOffGivesNothingInItsThreadsEither(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	r.run(sandbox.Admin, "serverconfig channel", map[string]any{"channel": sandbox.ChannelID, "off": true})
	inThread, err := r.sand.Post(sandbox.Newcomer, sandbox.ThreadID, "hello")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := r.sand.Post(sandbox.Newcomer, sandbox.AdultThreadID, "hello")
	if err != nil {
		t.Fatal(err)
	}
	r.react(sandbox.Friend, inThread.ID, "🙏")
	r.stays(sandbox.Newcomer, start)
	r.react(sandbox.Friend, elsewhere.ID, "🙏")
	r.balance(sandbox.Newcomer, start+10*kudos.One)
}

func TestYoungAccountsGiveNothingAndAreToldWhy(t *testing.T) {
	t.Parallel()
	const young = sandbox.Friend
	r := newRig(t, func(o *commands.Options) { o.Ceiling.Youth = time.Since(discord.Made(young)) + 7*24*time.Hour })
	r.worker(nil)
	r.login(sandbox.Newcomer, young)
	post := r.post(sandbox.Newcomer)
	r.react(young, post, "🙏")
	r.see(young, "the reason", func(m sandbox.Message) bool { return holds(m, []string{"Your Discord account is very new"}) })
	r.stays(sandbox.Newcomer, start)
	r.refused(young, "kudos gift", map[string]any{"user": sandbox.Newcomer, "amount": 5}, "Your Discord account is very new")
	r.refused(young, "generate", map[string]any{"prompt": "red apple", "amount": 3}, "images on the way")
	r.result(young, r.generate(young, nil), 1)
	r.jump(8 * 24 * time.Hour)
	r.react(young, r.post(sandbox.Newcomer), "🙏")
	r.balance(sandbox.Newcomer, start+10*kudos.One)
}

func TestAnEmojiGivesNoMoreThanTheOperatorAllows(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *commands.Options) { o.EmojiMost = 20 * kudos.One })
	if _, err := r.sand.RunCommand(r.ctx(), sandbox.Admin, sandbox.ChannelID, "kudosemoji add", map[string]any{"emoji": "🥕", "amount": 21}); err == nil {
		t.Error("more than the operator allows was taken")
	}
	r.run(sandbox.Admin, "kudosemoji add", map[string]any{"emoji": "🥕", "amount": 20})
	r.whisper(sandbox.Admin, "🥕 **20**")
}
