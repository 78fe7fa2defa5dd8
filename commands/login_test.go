// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"encoding/json"
	"regexp"
	"slices"
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

// newKey has an API key made, and returns it and the message that shows it.
func (r *rig) newKey(who string) (key, message string) {
	r.t.Helper()
	pattern := regexp.MustCompile("\\|\\|`([^`]+)`\\|\\|")
	message = r.run(who, "apikey new", nil).MessageID
	r.click(who, message, "Make a new key")
	m := r.see(who, "a key", func(m sandbox.Message) bool { return m.ID == message && m.Ephemeral && pattern.MatchString(m.Content) })
	return pattern.FindStringSubmatch(m.Content)[1], message
}

// gone waits until somebody sees a message no more.
func (r *rig) gone(who, channel, message string) {
	r.t.Helper()
	r.eventually("the message goes", func() bool {
		for _, m := range r.sand.Messages(channel, who) {
			if m.ID == message {
				return false
			}
		}
		return true
	})
}

func TestAnAccountIsOpenedByOnePress(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *commands.Options) { o.AutoAccount = false })
	panel := r.run(sandbox.Newcomer, "login", nil).MessageID
	r.message(sandbox.Newcomer, panel, "Kept for it: your Discord number and name", "</privacy policy:")
	if _, ok := r.p.engine.UserByExternal("d_" + sandbox.Newcomer); ok {
		t.Fatal("the account opened before the press")
	}
	r.click(sandbox.Newcomer, panel, "Why?")
	r.whisper(sandbox.Newcomer, "Kudos are thanks, and nothing else")
	r.click(sandbox.Newcomer, panel, "Create my account")
	r.message(sandbox.Newcomer, panel, "Welcome!", "Your account is **Newcomer#1**, with 125 kudos")
	r.fillIn(sandbox.Newcomer, r.click(sandbox.Newcomer, panel, "Limits of my gifts"), map[string]string{"limit": "50"})
	r.see(sandbox.Newcomer, "the limit", func(m sandbox.Message) bool { return m.ID == panel && m.Buttons[1].Label == "At most 50 kudos a day" })
	if got := r.user(sandbox.Newcomer).Balance; got != start {
		t.Errorf("the balance is %s, want %s", got, start)
	}
}

func TestAKeyIsShownForAMinuteAndOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.run(sandbox.Newcomer, "apikey info", nil)
	r.whisper(sandbox.Newcomer, "You have no account yet")
	r.login(sandbox.Newcomer)
	r.run(sandbox.Newcomer, "apikey info", nil)
	r.whisper(sandbox.Newcomer, "You never had it shown")
	key, message := r.newKey(sandbox.Newcomer)
	if u, ok := r.p.engine.UserByKey(hashKey(key)); !ok || u.External != "d_"+sandbox.Newcomer {
		t.Errorf("the key belongs to %+v, %v", u, ok)
	}
	r.run(sandbox.Newcomer, "apikey info", nil)
	r.whisper(sandbox.Newcomer, "You had it made on <t:")
	r.click(sandbox.Newcomer, message, "Hide")
	if m := r.message(sandbox.Newcomer, message, "Hidden"); holds(m, []string{key}) {
		t.Error("the key is still there")
	}
	second, message := r.newKey(sandbox.Newcomer)
	if _, ok := r.p.engine.UserByKey(hashKey(key)); ok {
		t.Error("the first key still works")
	}
	r.restart(61 * time.Second) // the message goes all the same
	r.gone(sandbox.Newcomer, sandbox.ChannelID, message)
	if said := r.logs.String(); strings.Contains(said, key) || strings.Contains(said, second) {
		t.Error("a key is in the log")
	}
}

func TestAnotherAccountIsLinkedByItsKey(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer)
	other, err := engine.Do(r.ctx(), r.p.engine, horde.CreateUser{External: "9b2e2c5a-0000-4000-8000-000000000001", Name: "Other", Key: hashKey("other-key"), Welcome: 5 * kudos.One})
	if err != nil {
		t.Fatal(err)
	}
	form := r.run(sandbox.Newcomer, "apikey link", nil)
	if in := form.Modal.Inputs[0]; in.Value != "" || !in.Required {
		t.Errorf("the form holds %+v", in)
	}
	r.fillIn(sandbox.Newcomer, form, map[string]string{"key": "no such key"})
	r.whisper(sandbox.Newcomer, "🙅", "No account of this horde has that key")
	r.fillIn(sandbox.Newcomer, r.run(sandbox.Newcomer, "apikey link", nil), map[string]string{"key": "0000000000"})
	panel := r.run(sandbox.Newcomer, "login", nil).MessageID
	r.fillIn(sandbox.Newcomer, r.click(sandbox.Newcomer, panel, "I have an API key"), map[string]string{"key": " other-key "})
	linked := r.whisper(sandbox.Newcomer, `you act for **Other#2**`, "Newcomer#1", "100 kudos")
	before := other.Balance
	r.click(sandbox.Newcomer, linked.ID, "Move them over")
	r.message(sandbox.Newcomer, linked.ID, "100 kudos went to **Other#2**")
	r.eventually("the kudos arrive", func() bool { u, _ := r.p.engine.User(other.ID); return u.Balance == before+100*kudos.One })

	r.restart(time.Minute)
	r.run(sandbox.Newcomer, "userinfo", nil)
	r.whisper(sandbox.Newcomer, "Other#2")
	data, err := json.Marshal(docsOf(t, r, sandbox.Newcomer))
	if err != nil || strings.Contains(string(data), "other-key") {
		t.Errorf("the key is kept: %s, %v", data, err)
	}
	r.run(sandbox.Newcomer, "apikey unlink", nil)
	r.whisper(sandbox.Newcomer, "your own account again")
	r.refused(sandbox.Newcomer, "apikey unlink", nil, "nothing to unlink")

	// A link ends with the key that it was made by.
	r.fillIn(sandbox.Newcomer, r.run(sandbox.Newcomer, "apikey link", nil), map[string]string{"key": "other-key"})
	r.run(sandbox.Newcomer, "apikey info", nil)
	r.whisper(sandbox.Newcomer, "The account is **Other#2**", "because you showed its key")
	if _, err := engine.Do(r.ctx(), r.p.engine, horde.SetKey{User: other.ID, Key: hashKey("newer")}); err != nil {
		t.Fatal(err)
	}
	r.run(sandbox.Newcomer, "apikey info", nil)
	r.whisper(sandbox.Newcomer, "The account is **Newcomer#1**")
}

// links has somebody act for an account that nobody has in Discord, and returns it.
func (r *rig) links(who string) horde.User {
	r.t.Helper()
	other, err := engine.Do(r.ctx(), r.p.engine, horde.CreateUser{
		External: "9b2e2c5a-0000-4000-8000-000000000001", Name: "Other", Key: hashKey("other-key"), Welcome: 50 * kudos.One,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.fillIn(who, r.run(who, "apikey link", nil), map[string]string{"key": "other-key"})
	r.whisper(who, "you act for **Other#")
	return other
}

// acts tells whose account somebody acts for.
func (r *rig) acts(who, name string) {
	r.t.Helper()
	r.message(who, r.run(who, "apikey info", nil).MessageID, "The account is **"+name+"#")
}

func TestANewKeyLocksNobodyOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	other := r.links(sandbox.Newcomer)
	hash := func() horde.KeyHash {
		u, _ := r.p.engine.User(other.ID)
		return u.Key
	}

	// What cannot be written down beforehand does not happen.
	m := r.run(sandbox.Newcomer, "apikey new", nil).MessageID
	r.trip.fill(0, chat.KindLink)
	r.click(sandbox.Newcomer, m, "Make a new key")
	r.whisper(sandbox.Newcomer, "Something went wrong on my side")
	r.trip.fill(0, "")
	if hash() != hashKey("other-key") {
		t.Error("there is another key, and nobody saw it")
	}
	r.acts(sandbox.Newcomer, "Other")

	// Nor does the process end at a bad time.
	m = r.run(sandbox.Newcomer, "apikey new", nil).MessageID
	r.trip.arm(1, chat.KindLink)
	r.click(sandbox.Newcomer, m, "Make a new key")
	r.eventually("the process ends", r.trip.tripped)
	r.p.stop()
	r.trip.disarm()
	r.start()
	r.acts(sandbox.Newcomer, "Other")
	if hash() != hashKey("other-key") {
		t.Error("the process wrote after its end")
	}

	// A link that was only half changed is good for all that follows.
	for range 2 {
		r.trip.fill(1, chat.KindLink)
		key, _ := r.newKey(sandbox.Newcomer)
		r.trip.fill(0, "")
		if hash() != hashKey(key) {
			t.Error("the key that was shown does not work")
		}
		r.restart(time.Second)
		r.acts(sandbox.Newcomer, "Other")
	}
	key, _ := r.newKey(sandbox.Newcomer)
	r.acts(sandbox.Newcomer, "Other")
	r.eventually("the link knows one key", func() bool {
		d, _, err := r.p.store.Doc(r.ctx(), chat.KindLink, sandbox.Newcomer)
		return err == nil && !strings.Contains(string(d.Value), "next")
	})
	if hash() != hashKey(key) {
		t.Error("the last key does not work")
	}
}

// While nobody can tell which account somebody acts for, none of them pays, none is given to, and none is opened.
func TestNoOtherAccountStandsInForOneThatCannotBeRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer)
	other := r.links(sandbox.Newcomer)
	r.login(sandbox.Friend)
	balances := func() [3]kudos.Amount {
		u, _ := r.p.engine.User(other.ID)
		return [3]kudos.Amount{r.user(sandbox.Newcomer).Balance, u.Balance, r.user(sandbox.Friend).Balance}
	}
	before := balances()
	r.restart(time.Second)
	const away = "My memory does not answer"
	r.trip.darken(chat.KindLink)
	for _, x := range []struct{ who, to string }{{sandbox.Newcomer, sandbox.Friend}, {sandbox.Friend, sandbox.Newcomer}} {
		m := r.run(x.who, "kudos gift", map[string]any{"user": x.to, "amount": 5}).MessageID
		r.message(x.who, m, away)
	}
	r.message(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), away)
	r.message(sandbox.Admin, r.run(sandbox.Admin, "kudos balance", nil).MessageID, away)
	r.message(sandbox.Newcomer, r.run(sandbox.Newcomer, "apikey info", nil).MessageID, away)
	if _, ok := r.p.engine.UserByExternal("d_" + sandbox.Admin); ok {
		t.Error("an account was opened")
	}
	r.trip.darken("")
	if got := balances(); got != before {
		t.Errorf("the balances are %v, want %v", got, before)
	}
	m := r.run(sandbox.Newcomer, "kudos gift", map[string]any{"user": sandbox.Friend, "amount": 5}).MessageID
	r.message(sandbox.Newcomer, m, "5 kudos")
	want := [3]kudos.Amount{before[0], before[1] - 5*kudos.One, before[2] + 5*kudos.One}
	r.eventually("the linked account pays", func() bool { return balances() == want })
	r.run(sandbox.Admin, "kudos balance", nil)
	r.eventually("the account is opened", func() bool {
		_, ok := r.p.engine.UserByExternal("d_" + sandbox.Admin)
		return ok
	})
}

func docsOf(t *testing.T, r *rig, person string) []string {
	t.Helper()
	docs, err := r.p.store.DocsOfPerson(r.ctx(), "", person)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range docs {
		out = append(out, string(d.Kind)+" "+string(d.Value))
	}
	return out
}

func TestEverythingIsExported(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), 1)
	r.run(sandbox.Newcomer, "settings preset save", map[string]any{"name": "mine"})
	key, _ := r.newKey(sandbox.Newcomer)
	r.run(sandbox.Newcomer, "privacy export", nil)
	r.whisper(sandbox.Newcomer, "by direct message")
	m := r.see(sandbox.Newcomer, "the file", func(m sandbox.Message) bool {
		return m.ChannelID == sandbox.DMChannel(sandbox.Newcomer) && len(m.Attachments) == 1
	})
	var out struct {
		Account   struct{ Name, Kudos string }
		Documents []struct{ Kind string }
		Requests  []struct{ Parameters struct{ Prompt string } }
	}
	data := m.Attachments[0].Data
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	if out.Account.Name != "Newcomer#2" || len(out.Requests) != 1 || out.Requests[0].Parameters.Prompt != "red apple" || len(out.Documents) < 2 {
		t.Errorf("exported %s", data)
	}
	if strings.Contains(string(data), key) || strings.Contains(string(data), "sealed") {
		t.Error("the export holds secrets")
	}
	r.sand.SetDMs(sandbox.Friend, false)
	r.run(sandbox.Friend, "privacy export", nil)
	r.see(sandbox.Friend, "the file, without direct messages", func(m sandbox.Message) bool { return m.Ephemeral && len(m.Attachments) == 1 })
}

func TestSomebodyIsForgotten(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), 1)
	r.run(sandbox.Newcomer, "settings preset save", map[string]any{"name": "mine"})
	r.run(sandbox.Newcomer, "settings notifications", map[string]any{"gifts": "none"})
	r.run(sandbox.Admin, "serverconfig block", map[string]any{"user": sandbox.Newcomer})
	ask := func() string {
		m := r.run(sandbox.Newcomer, "privacy delete", nil).MessageID
		r.message(sandbox.Newcomer, m, "after 7 days")
		r.click(sandbox.Newcomer, m, "Go on")
		r.message(sandbox.Newcomer, m, "Really?")
		return m
	}
	m := ask()
	r.click(sandbox.Newcomer, m, "Cancel")
	r.message(sandbox.Newcomer, m, "Nothing was deleted")
	if len(docsOf(t, r, sandbox.Newcomer)) < 2 {
		t.Error("something was deleted")
	}
	m = ask()
	r.click(sandbox.Newcomer, m, "Delete everything")
	r.message(sandbox.Newcomer, m, "I have forgotten", "Your account goes <t:")
	if docs := docsOf(t, r, sandbox.Newcomer); len(docs) != 0 {
		t.Errorf("still there: %v", docs)
	}
	if rows, err := r.p.store.MessagesOfPerson(r.ctx(), sandbox.Newcomer, 10); err != nil || len(rows) != 0 {
		t.Errorf("still there: %v, %v", rows, err)
	}
	r.run(sandbox.Newcomer, "settings show", nil)
	r.whisper(sandbox.Newcomer, "Gifts: each one") // also what was at hand is forgotten
	r.refused(sandbox.Newcomer, "generate", map[string]any{"prompt": "red apple"}, "may not use me here")

	// There is a time of grace, which a restart does not end.
	panel := r.run(sandbox.Newcomer, "login", nil).MessageID
	r.message(sandbox.Newcomer, panel, "This account is to be deleted")
	r.click(sandbox.Newcomer, panel, "Keep my account")
	if m := r.message(sandbox.Newcomer, panel, "You are logged in"); holds(m, []string{"to be deleted"}) {
		t.Error("it is to be deleted still")
	}
	m = ask()
	r.click(sandbox.Newcomer, m, "Delete everything")
	r.message(sandbox.Newcomer, m, "Your account goes")
	r.restart(8 * 24 * time.Hour)
	r.eventually("the account is deleted", func() bool { u := r.user(sandbox.Newcomer); return u.Has(horde.RoleDeleted) })
	r.jump(33 * 24 * time.Hour)
	r.eventually("the account is wiped", func() bool { _, ok := r.p.engine.UserByExternal("d_" + sandbox.Newcomer); return !ok })
}

// optionsOf are the values that the list of a message has.
func optionsOf(m sandbox.Message) (out []string) {
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if value, ok := v["value"].(string); ok {
				out = append(out, value)
			}
			for _, inner := range v {
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		case []map[string]any:
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	data, err := json.Marshal(m.Raw["components"])
	var components any
	if err == nil && json.Unmarshal(data, &components) == nil {
		walk(components)
	}
	return out
}

func guildDocs(t *testing.T, r *rig) []string {
	t.Helper()
	docs, err := r.p.store.DocsOfGuild(r.ctx(), "guild", sandbox.GuildID)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range docs {
		out = append(out, string(d.Value))
	}
	return out
}

func TestHelpAndAbout(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *commands.Options) { o.Version, o.Source = "1.2.3", "https://example.org/source" })
	m := r.run(sandbox.Newcomer, "help", nil).MessageID
	r.message(sandbox.Newcomer, m, "Hello from Test stable", "</generate:")
	for topic, want := range map[string]string{
		"images": "same seed", "account": "</apikey new:", "kudos": "React with 🙏", "settings": "</settings panel:", "privacy": "</privacy policy:",
		"party": "</party start:", "rate": "artifacts", "horde": "</workers list:", "text": "</text:",
	} {
		r.pick(sandbox.Newcomer, m, "More about…", topic)
		r.message(sandbox.Newcomer, m, want)
	}
	shown := func(who, channel string, want ...string) {
		t.Helper()
		out := r.runIn(who, channel, "help", nil)
		m := r.see(who, "the topics", func(m sandbox.Message) bool { return m.ID == out.MessageID && len(m.Selects) == 1 })
		have := optionsOf(m)
		for _, topic := range []string{"start", "images", "party", "server", "kudos", "privacy"} {
			if got := slices.Contains(have, topic); got != slices.Contains(want, topic) {
				t.Errorf("%s in %s: topic %s there: %v", who, channel, topic, got)
			}
		}
	}
	shown(sandbox.Newcomer, sandbox.ChannelID, "start", "images", "party", "kudos", "privacy")
	shown(sandbox.Admin, sandbox.ChannelID, "start", "images", "party", "server", "kudos", "privacy")
	shown(sandbox.Newcomer, sandbox.DMChannel(sandbox.Newcomer), "start", "images", "kudos", "privacy")
	r.run(sandbox.Admin, "serverconfig channel", map[string]any{"channel": sandbox.ChannelID, "off": true})
	r.whisper(sandbox.Admin, "<#"+sandbox.ChannelID+">")
	shown(sandbox.Newcomer, sandbox.ChannelID, "start", "privacy")
	r.run(sandbox.Admin, "serverconfig channel", map[string]any{"channel": sandbox.ChannelID, "off": false})
	r.eventually("the channel is on again", func() bool {
		return strings.Contains(strings.Join(guildDocs(t, r), ""), `"off":false`)
	})
	r.sand.SetLocale(sandbox.Newcomer, "de")
	german := r.run(sandbox.Newcomer, "help", map[string]any{"topic": "account"}).MessageID
	r.message(sandbox.Newcomer, german, "Schlüssel für Worker")
	r.click(sandbox.Newcomer, german, "Deine Einstellungen")
	r.whisper(sandbox.Newcomer, "Deine Einstellungen", "Profilbild")
	r.sand.SetLocale(sandbox.Newcomer, "en-US")
	r.run(sandbox.Newcomer, "about", nil)
	r.whisper(sandbox.Newcomer, "Version: 1.2.3", "Source: https://example.org/source", "AGPL", "Image workers: 0")
	r.run(sandbox.Newcomer, "privacy policy", nil)
	r.whisper(sandbox.Newcomer, "for 30 days what you asked for")
	panel := r.run(sandbox.Newcomer, "privacy consent", nil).MessageID
	r.click(sandbox.Newcomer, panel, "Images help research")
	r.message(sandbox.Newcomer, panel, "may help research")
}
