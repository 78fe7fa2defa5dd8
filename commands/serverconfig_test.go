// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"stablemate/commands"
	"stablemate/commands/chat"
	"stablemate/horde/kudos"
	"stablemate/internal/sandbox"
)

// refused runs a command and waits for the private refusal.
func (r *rig) refused(who, path string, options map[string]any, want string) {
	r.t.Helper()
	r.run(who, path, options)
	r.whisper(who, "🙅", want)
}

func TestTheAdministratorsDecide(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	if _, err := r.sand.RunCommand(r.ctx(), sandbox.Newcomer, sandbox.ChannelID, "serverconfig show", nil); err == nil {
		t.Error("an ordinary member is offered /serverconfig")
	}
	r.run(sandbox.Admin, "serverconfig show", nil)
	r.whisper(sandbox.Admin, "Nothing is decided yet", "</serverconfig panel:")
	r.run(sandbox.Admin, "serverconfig log", map[string]any{"channel": sandbox.ChannelID})
	r.whisper(sandbox.Admin, "written down in <#"+sandbox.ChannelID+">")
	r.see(sandbox.Friend, "the log's first line", func(m sandbox.Message) bool { return strings.Contains(m.Content, "From now on I write down here") })

	panel := r.run(sandbox.Admin, "serverconfig panel", nil).MessageID
	r.fillIn(sandbox.Admin, r.click(sandbox.Admin, panel, "Change the numbers"), map[string]string{"size": "256", "steps": "10", "amount": "2"})
	r.message(sandbox.Admin, panel, "Largest image: 256×256", "Steps: 10", "Images per request: 2")
	r.see(sandbox.Friend, "the change in the log", func(m sandbox.Message) bool {
		return !m.Ephemeral && strings.Contains(m.Content, "<@"+sandbox.Admin+"> changed **Steps**: 10")
	})
	r.refused(sandbox.Newcomer, "generate", map[string]any{"prompt": "red apple", "size": "wide"}, "larger than allowed here. 320×192 would work")
	r.refused(sandbox.Newcomer, "generate", map[string]any{"prompt": "red apple", "steps": 11}, "At most 10 steps")
	r.refused(sandbox.Newcomer, "generate", map[string]any{"prompt": "red apple", "amount": 3}, "At most 2 images")
	first := r.generate(sandbox.Newcomer, nil)
	r.result(sandbox.Newcomer, first, 1) // the defaults fit themselves in

	r.pick(sandbox.Admin, panel, "What to change", "lists")
	r.fillIn(sandbox.Admin, r.click(sandbox.Admin, panel, "Blocked words"), map[string]string{"list": "quimp\nflarn"})
	r.message(sandbox.Admin, panel, "Blocked words: 2 entries")
	r.refused(sandbox.Newcomer, "generate", map[string]any{"prompt": "a red apple, Quimp"}, "words in it that this server does not want")
	r.fillIn(sandbox.Admin, r.click(sandbox.Admin, panel, "Allowed models"), map[string]string{"list": "other"})
	r.message(sandbox.Admin, panel, "Allowed models: other")
	r.refused(sandbox.Newcomer, "generate", map[string]any{"prompt": "red apple", "model": model}, "The model tiny is not offered here")
	form := r.click(sandbox.Admin, panel, "Allowed models")
	if form.Modal == nil || form.Modal.Inputs[0].Value != "other" {
		t.Errorf("the form holds %+v", form.Modal)
	}
	r.fillIn(sandbox.Admin, form, map[string]string{"list": ""})
	form = r.click(sandbox.Admin, panel, "Blocked words")
	r.fillIn(sandbox.Admin, form, map[string]string{"list": strings.Repeat("x", 101)})
	r.whisper(sandbox.Admin, "at most 100 entries")

	r.pick(sandbox.Admin, panel, "What to change", "content")
	r.pick(sandbox.Admin, panel, "Answers", "private")
	r.message(sandbox.Admin, panel, "Answers: only the person sees them")
	hidden := r.generate(sandbox.Newcomer, nil)
	if m := r.result(sandbox.Newcomer, hidden, 1); !m.Ephemeral {
		t.Error("the answer is public against the rule")
	}
	out := r.click(sandbox.Friend, first, "Again") // whose image was public before the rule
	if m := r.result(sandbox.Friend, out.MessageID, 1); !m.Ephemeral {
		t.Error("the second answer is public against the rule")
	}
	r.pick(sandbox.Admin, panel, "Answers", "unset")
	r.click(sandbox.Admin, panel, "Spoiler")
	r.message(sandbox.Admin, panel, "Spoiler: always")
	if m := r.result(sandbox.Friend, r.generate(sandbox.Newcomer, nil), 1); !strings.HasPrefix(m.Attachments[0].Filename, "SPOILER_") {
		t.Errorf("the image is called %s", m.Attachments[0].Filename)
	}

	r.pick(sandbox.Admin, panel, "What to change", "access")
	r.pick(sandbox.Admin, panel, "Who may use: Images", sandbox.RoleTrusted)
	r.message(sandbox.Admin, panel, "Images: <@&"+sandbox.RoleTrusted+">")
	r.refused(sandbox.Newcomer, "generate", map[string]any{"prompt": "red apple"}, "only some people may do that: <@&"+sandbox.RoleTrusted+">")
	r.click(sandbox.Newcomer, first, "Again")
	r.whisper(sandbox.Newcomer, "🙅", "only some people")
	if err := r.sand.GiveRole(sandbox.GuildID, sandbox.Newcomer, sandbox.RoleTrusted); err != nil {
		t.Fatal(err)
	}
	r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), 1)
	r.click(sandbox.Admin, panel, "Everybody may")
	r.message(sandbox.Admin, panel, "Images: everybody")
	r.click(sandbox.Admin, panel, "Own buttons only")
	r.click(sandbox.Friend, first, "Again")
	r.whisper(sandbox.Friend, "only the person who asked for an image may press its buttons")

	// All of it survives a restart, and goes when it shall.
	r.restart(time.Minute)
	r.worker(nil)
	r.run(sandbox.Admin, "serverconfig show", nil)
	r.whisper(sandbox.Admin, "Blocked words: 2 entries", "Spoiler: always", "Own buttons only: yes", "Log: <#"+sandbox.ChannelID+">")
	r.click(sandbox.Admin, r.run(sandbox.Admin, "serverconfig reset", nil).MessageID, "Forget all rules")
	r.run(sandbox.Friend, "generate", map[string]any{"prompt": "red apple", "steps": 12})
	r.see(sandbox.Friend, "a public result", func(m sandbox.Message) bool {
		return !m.Ephemeral && len(m.Attachments) == 1 && m.Command == "generate" && !strings.HasPrefix(m.Attachments[0].Filename, "SPOILER_") &&
			holds(m, []string{"<@" + sandbox.Friend + ">"})
	})
}

func TestAListThatNoFormHoldsIsNotWipedByOne(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	var list []string
	for i := range 100 {
		list = append(list, fmt.Sprintf("%060d", i))
	}
	value, err := json.Marshal(map[string]any{"words": list})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.p.store.SaveDoc(r.ctx(), chat.Doc{Kind: chat.KindGuild, Key: sandbox.GuildID, Guild: sandbox.GuildID, Value: value}); err != nil {
		t.Fatal(err)
	}
	panel := r.run(sandbox.Admin, "serverconfig panel", nil).MessageID
	r.pick(sandbox.Admin, panel, "What to change", "lists")
	r.message(sandbox.Admin, panel, "Blocked words: 100 entries")
	form := r.click(sandbox.Admin, panel, "Blocked words")
	if form.Modal == nil || form.Modal.Inputs[0].Value != "" || !strings.Contains(form.Modal.Inputs[0].Placeholder, "too long") {
		t.Fatalf("the form is %+v", form.Modal)
	}
	r.fillIn(sandbox.Admin, form, map[string]string{"list": " "})
	r.whisper(sandbox.Admin, "stays as it is")
	r.message(sandbox.Admin, panel, "Blocked words: 100 entries")
	r.fillIn(sandbox.Admin, r.click(sandbox.Admin, panel, "Blocked words"), map[string]string{"list": "-"})
	r.message(sandbox.Admin, panel, "Nothing is decided yet")
}

func TestChannelsRolesAndPeopleHaveRulesOfTheirOwn(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.run(sandbox.Admin, "serverconfig channel", map[string]any{"channel": sandbox.ChannelID, "off": true})
	r.whisper(sandbox.Admin, "These rules count in <#"+sandbox.ChannelID+"> alone", "Switched off: yes")
	r.refused(sandbox.Newcomer, "generate", map[string]any{"prompt": "red apple"}, "switched me off in this channel")
	r.refused(sandbox.Newcomer, "kudos balance", nil, "switched me off")
	r.runIn(sandbox.Newcomer, sandbox.ThreadID, "generate", map[string]any{"prompt": "red apple"})
	r.see(sandbox.Newcomer, "a refusal in the thread", func(m sandbox.Message) bool {
		return m.ChannelID == sandbox.ThreadID && holds(m, []string{"switched me off"})
	})
	r.run(sandbox.Newcomer, "help", nil)
	r.whisper(sandbox.Newcomer, "Hello")
	r.run(sandbox.Admin, "serverconfig channel", map[string]any{"channel": sandbox.ChannelID, "clear": true})
	r.run(sandbox.Admin, "serverconfig role", map[string]any{"role": sandbox.GuildID, "steps": 8, "at-once": 1})
	r.whisper(sandbox.Admin, "Steps: 8 · Images at once, per person: 1")
	r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), 1) // the defaults fit themselves in
	r.refused(sandbox.Newcomer, "generate", map[string]any{"prompt": "red apple", "steps": 9}, "At most 8 steps")
	r.run(sandbox.Admin, "serverconfig role", map[string]any{"role": sandbox.RoleTrusted, "steps": 9})
	if err := r.sand.GiveRole(sandbox.GuildID, sandbox.Newcomer, sandbox.RoleTrusted); err != nil {
		t.Fatal(err)
	}
	r.refused(sandbox.Newcomer, "generate", map[string]any{"prompt": "red apple", "steps": 10}, "At most 9 steps")

	r.run(sandbox.Admin, "serverconfig block", map[string]any{"user": sandbox.Admin})
	r.whisper(sandbox.Admin, "other people only")
	r.run(sandbox.Admin, "serverconfig block", map[string]any{"user": sandbox.Friend, "reason": "a *test*", "days": 2})
	r.whisper(sandbox.Admin, "Blocked in this server: <@"+sandbox.Friend+">", `a \*test\*`)
	r.refused(sandbox.Friend, "generate", map[string]any{"prompt": "red apple"}, "may not use me here. That ends <t:")
	r.run(sandbox.Admin, "serverconfig show", nil)
	r.whisper(sandbox.Admin, "Blocked people: <@"+sandbox.Friend+">")
	r.jump(49 * time.Hour)
	r.result(sandbox.Friend, r.generate(sandbox.Friend, nil), 1)
	r.run(sandbox.Admin, "serverconfig unblock", map[string]any{"user": sandbox.Friend})
	r.whisper(sandbox.Admin, "may use me here again")
	r.run(sandbox.Admin, "serverconfig unblock", map[string]any{"user": sandbox.Friend})
	r.whisper(sandbox.Admin, "is not blocked here")
}

func TestEverybodysRoleIsForEverybody(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	panel := r.run(sandbox.Admin, "serverconfig panel", nil).MessageID
	r.pick(sandbox.Admin, panel, "What to change", "access")
	r.pick(sandbox.Admin, panel, "Who may use: Images", sandbox.GuildID)
	r.message(sandbox.Admin, panel, "Images: <@&"+sandbox.GuildID+">")
	r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), 1)
	r.run(sandbox.Admin, "kudosemoji add", map[string]any{"emoji": "🥕", "amount": 2, "who": sandbox.GuildID})
	r.react(sandbox.Friend, r.post(sandbox.Newcomer), "🥕")
	r.eventually("the carrot arrives", func() bool { return r.user(sandbox.Newcomer).Details.Received == 2*kudos.One })
}

func TestAGuildReadsWhatItsReactionsGave(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	panel := r.run(sandbox.Admin, "serverconfig panel", nil).MessageID
	r.pick(sandbox.Admin, panel, "What to change", "places")
	r.pick(sandbox.Admin, panel, "Gift feed", sandbox.AdultChannelID)
	r.whisper(sandbox.Admin, "What kudos reactions give is written into <#"+sandbox.AdultChannelID+">")
	post := r.post(sandbox.Newcomer)
	r.react(sandbox.Friend, post, "🙏")
	r.balance(sandbox.Newcomer, start+10*kudos.One)
	r.stays(sandbox.Newcomer, start+10*kudos.One)
	r.restart(2 * time.Minute) // what was to be read survives
	r.see(sandbox.Newcomer, "the feed", func(m sandbox.Message) bool {
		return m.ChannelID == sandbox.AdultChannelID && holds(m, []string{
			"One kudos reaction, 10 kudos", "<@" + sandbox.Friend + "> → <@" + sandbox.Newcomer + "> · **10**", sandbox.ChannelID + "/" + post,
		})
	})
}

func TestImagesThatManyKeepAreInTheGallery(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.login(sandbox.Newcomer, sandbox.Friend, sandbox.Admin)
	panel := r.run(sandbox.Admin, "serverconfig panel", nil).MessageID
	r.pick(sandbox.Admin, panel, "What to change", "places")
	r.pick(sandbox.Admin, panel, "Gallery", sandbox.AdultChannelID)
	r.whisper(sandbox.Admin, "Images that many people keep are shown in <#"+sandbox.AdultChannelID+">")
	r.fillIn(sandbox.Admin, r.click(sandbox.Admin, panel, "Change the numbers"), map[string]string{"stars": "2"})
	r.message(sandbox.Admin, panel, "Gallery: <#"+sandbox.AdultChannelID+"> · from 2 favourites on")

	id := r.generate(sandbox.Newcomer, map[string]any{"prompt": "a pear"})
	r.result(sandbox.Newcomer, id, 1)
	shown := func() (out []sandbox.Message) {
		for _, m := range r.sand.Messages(sandbox.AdultChannelID, sandbox.Newcomer) {
			if len(m.Attachments) > 0 {
				out = append(out, m)
			}
		}
		return out
	}
	r.click(sandbox.Newcomer, id, "Favourite")         // one's own does not count
	for _, counts := range []bool{true, false, true} { // and nobody counts twice
		r.click(sandbox.Friend, id, "Favourite")
		r.eventually("it is counted", func() bool {
			docs := r.docs(chat.KindShown, sandbox.Newcomer)
			return len(docs) == 1 && strings.Contains(string(docs[0].Value), sandbox.Friend) == counts
		})
	}
	r.restart(time.Minute)
	if got := shown(); len(got) > 0 {
		t.Fatalf("the gallery has %+v", got)
	}
	r.click(sandbox.Admin, id, "Favourite")
	r.eventually("the image is in the gallery", func() bool { return len(shown()) == 1 })
	m := shown()[0]
	if !holds(m, []string{"2 people keep this image", "/" + id, "a pear", "<@" + sandbox.Newcomer + ">"}) || len(m.Buttons) > 0 {
		t.Errorf("the gallery shows %+v", m)
	}
	r.eventually("whose it is is noted", func() bool { // thanks before that are for nobody
		docs := r.docs(chat.KindShown, sandbox.Newcomer)
		return len(docs) == 1 && strings.Contains(string(docs[0].Value), m.ID)
	})
	before := r.user(sandbox.Newcomer).Details.Received
	r.eventually("thanks for it reach who asked for it", func() bool {
		r.react(sandbox.Friend, m.ID, "🙏")
		return r.user(sandbox.Newcomer).Details.Received == before+10*kudos.One
	})
	r.click(sandbox.Admin, id, "Favourite")
	r.click(sandbox.Admin, id, "Favourite")
	r.run(sandbox.Newcomer, "history list", nil)
	if list := r.whisper(sandbox.Newcomer, "1. ⭐ **a pear**"); holds(list, []string{"2. "}) {
		t.Error("the gallery's copy is in the history")
	}
	if got := shown(); len(got) != 1 {
		t.Errorf("the gallery has %d images, want 1", len(got))
	}
	r.click(sandbox.Newcomer, id, "Delete")
	r.eventually("the gallery's copy goes too", func() bool { return len(shown()) == 0 })
}

func TestOneGuildsRulesAreNotAnothers(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *commands.Options) { o.Ceiling.Limits.Steps = 40 })
	r.run(sandbox.Admin, "serverconfig role", map[string]any{"role": sandbox.RoleTrusted, "steps": 60})
	if err := r.sand.GiveRole(sandbox.GuildID, sandbox.Newcomer, sandbox.RoleTrusted); err != nil {
		t.Fatal(err)
	}
	r.refused(sandbox.Newcomer, "generate", map[string]any{"prompt": "red apple", "steps": 41}, "At most 40 steps") // the operator's
	r.run(sandbox.Admin, "serverconfig channel", map[string]any{"channel": sandbox.ChannelID, "off": true})
	out := r.runIn(sandbox.Newcomer, sandbox.OtherChannelID, "generate", map[string]any{"prompt": "red apple"})
	r.message(sandbox.Newcomer, out.MessageID, "No worker is online")
}

func TestTheGuildsLanguageIsForEverybodyAndTheirsForOne(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.sand.SetLocale(sandbox.Newcomer, "fr")
	panel := r.run(sandbox.Admin, "serverconfig panel", nil).MessageID
	r.pick(sandbox.Admin, panel, "What to change", "general")
	r.pick(sandbox.Admin, panel, "Language", "de")
	r.message(sandbox.Admin, panel, "Language: Deutsch")
	r.message(sandbox.Friend, r.generate(sandbox.Newcomer, nil), "Die Zeit in der Schlange endet", "Ich habe dir ein Konto eröffnet")
	r.message(sandbox.Newcomer, r.generate(sandbox.Newcomer, map[string]any{"private": true}), "Son temps dans la file prend fin")
	r.run(sandbox.Admin, "serverconfig channel", map[string]any{"channel": sandbox.ChannelID, "off": true})
	r.refused(sandbox.Newcomer, "generate", map[string]any{"prompt": "red apple"}, "m’ont désactivé dans ce salon")
	r.run(sandbox.Admin, "serverconfig log", map[string]any{"channel": sandbox.ChannelID})
	r.see(sandbox.Friend, "the log in German", func(m sandbox.Message) bool { return strings.Contains(m.Content, "Von jetzt an schreibe ich hier auf") })
}

func TestImagesForAdultsStayWhereTheyMayBe(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *commands.Options) { o.Ceiling.Adult = true })
	r.worker(nil) // takes no requests for adults, and so shows which are
	for _, c := range []struct {
		name, channel string
		adult         bool
	}{
		{"an ordinary channel", sandbox.ChannelID, false},
		{"an ordinary thread", sandbox.ThreadID, false},
		{"a forum's post", sandbox.ForumPostID, false},
		{"a restricted channel", sandbox.AdultChannelID, true},
		{"a thread in it", sandbox.AdultThreadID, true},
		{"a direct message", sandbox.DMChannel(sandbox.Newcomer), false},
	} {
		for _, private := range []bool{false, true} {
			out := r.runIn(sandbox.Newcomer, c.channel, "generate", map[string]any{"prompt": "red apple", "private": private})
			if c.adult {
				r.message(sandbox.Newcomer, out.MessageID, "NSFW")
				r.click(sandbox.Newcomer, out.MessageID, "Cancel")
				continue
			}
			r.result(sandbox.Newcomer, out.MessageID, 1)
		}
	}
	panel := r.run(sandbox.Admin, "serverconfig panel", nil).MessageID
	r.pick(sandbox.Admin, panel, "What to change", "content")
	r.pick(sandbox.Admin, panel, "Adult content", "never")
	r.result(sandbox.Newcomer, r.runIn(sandbox.Newcomer, sandbox.AdultThreadID, "generate", map[string]any{"prompt": "red apple"}).MessageID, 1)
}

func TestTextsHaveBoundsOfTheirOwn(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.scribe("Once.")
	panel := r.run(sandbox.Admin, "serverconfig panel", nil).MessageID
	r.fillIn(sandbox.Admin, r.click(sandbox.Admin, panel, "Change the numbers"), map[string]string{"steps": "10"})
	r.fillIn(sandbox.Admin, r.click(sandbox.Admin, panel, "Numbers of texts"), map[string]string{"length": "5"})
	r.whisper(sandbox.Admin, "Length of a text must be a whole number from 16 to 4096")
	r.fillIn(sandbox.Admin, r.click(sandbox.Admin, panel, "Numbers of texts"), map[string]string{"length": "100", "texts": "2"})
	r.message(sandbox.Admin, panel, "Steps: 10", "Length of a text: 100", "Texts per request: 2")
	r.refused(sandbox.Newcomer, "text", map[string]any{"prompt": "red apple", "length": 101}, "Texts of at most 100 tokens")
	r.refused(sandbox.Newcomer, "text", map[string]any{"prompt": "red apple", "amount": 3}, "At most 2 texts")
	out := r.run(sandbox.Newcomer, "text", map[string]any{"prompt": "red apple"})
	r.message(sandbox.Newcomer, out.MessageID, "Once.") // what nobody says fits itself in
	if p := r.latest(sandbox.Newcomer); p["text"].(map[string]any)["length"] != 100.0 {
		t.Errorf("the request is %v", p)
	}
	role := r.setRole(sandbox.Role{Name: "Writers"})
	r.run(sandbox.Admin, "serverconfig role", map[string]any{"role": role, "text-length": 500})
	r.whisper(sandbox.Admin, "Length of a text: 500")
	r.pick(sandbox.Admin, panel, "What to change", "lists")
	r.fillIn(sandbox.Admin, r.click(sandbox.Admin, panel, "Allowed models"), map[string]string{"list": model})
	r.message(sandbox.Admin, panel, "Allowed models: "+model)
	out = r.run(sandbox.Newcomer, "text", map[string]any{"prompt": "red apple"})
	r.message(sandbox.Newcomer, out.MessageID, "Once.") // the list is one of images
	r.fillIn(sandbox.Admin, r.click(sandbox.Admin, panel, "Blocked models"), map[string]string{"list": "koboldcpp/Tiny"})
	r.message(sandbox.Admin, panel, "Blocked models")
	r.refused(sandbox.Newcomer, "text", map[string]any{"prompt": "red apple", "model": "koboldcpp/tiny"}, "is not offered here")
	if list := r.suggest(sandbox.Newcomer, "text", "model", ""); len(list) != 0 {
		t.Errorf("suggested %+v", list)
	}
}

func TestSourceImagesForSomeOrInSomeChannels(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.login(sandbox.Friend)
	panel := r.run(sandbox.Admin, "serverconfig panel", nil).MessageID
	r.pick(sandbox.Admin, panel, "What to change", "content")
	r.pick(sandbox.Admin, panel, "Source images", "linked")
	r.message(sandbox.Admin, panel, "Source images: for people with an account")
	options := map[string]any{"prompt": "red apple", "image": pngFile(t, 64, 64)}
	r.refused(sandbox.Newcomer, "remix", options, "Only people who have an account")
	r.result(sandbox.Friend, r.run(sandbox.Friend, "remix", options).MessageID, 2)
	r.pick(sandbox.Admin, panel, "Source images", "restricted")
	r.message(sandbox.Admin, panel, "Source images: in age-restricted channels")
	r.refused(sandbox.Friend, "remix", options, "in age-restricted channels only")
	id := r.runIn(sandbox.Friend, sandbox.AdultChannelID, "remix", options).MessageID
	r.result(sandbox.Friend, id, 2)
	r.pick(sandbox.Admin, panel, "Source images", "off")
	r.message(sandbox.Admin, panel, "Source images: not allowed")
	r.refused(sandbox.Friend, "remix", options, "Images may not be made from other images here")
}
