// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
	"stablemate/internal/sandbox"
)

func TestOnlyPicturesAreEntriesOfAParty(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	r.worker(nil)
	r.scribe("Once upon a time")
	thread := r.party(sandbox.Newcomer, map[string]any{"name": "Apples", "budget": 50, "award": 10, "words": "red", "model": "tiny"})
	r.runIn(sandbox.Friend, thread, "text", map[string]any{"prompt": "green"})
	r.inThread(sandbox.Friend, thread, "Once upon a time")
	r.entry(sandbox.Friend, thread, "1")
	if got := r.user(sandbox.Friend).Details.Received; got != 10*kudos.One {
		t.Errorf("the guest received %s", got)
	}
}

func TestAPartyWithAStyleAndAnInvitation(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	r.worker(nil)
	r.trust(sandbox.Newcomer, true)
	_, err := engine.Do(r.ctx(), r.p.engine, horde.CreateStyle{By: r.user(sandbox.Newcomer).ID, StyleDraft: horde.StyleDraft{
		Kind: horde.StyleImage, Name: "oil", Info: "as painted", Public: true, Prompt: "oil painting of {p}{np}", Models: []string{model},
		Image: &horde.ImageStyle{Steps: 4, Width: 256, Height: 256},
	}})
	if err != nil {
		t.Fatal(err)
	}
	role := r.setRole(sandbox.Role{Name: "Artists"})
	for want, options := range map[string]map[string]any{
		"may not be pinged":     {"name": "x", "budget": 0, "ping": role},
		"name only one of them": {"name": "x", "budget": 0, "style": "oil", "model": model},
		"no style":              {"name": "x", "budget": 0, "style": "no such style"},
	} {
		r.run(sandbox.Newcomer, "party start", options)
		if want != "no style" {
			r.whisper(sandbox.Newcomer, want)
		} else {
			r.whisper(sandbox.Newcomer, "🙅")
		}
	}
	r.run(sandbox.Admin, "serverconfig party", map[string]any{"ping": role, "days": 2, "most": 1})
	r.whisper(sandbox.Admin, "Parties: at a time: 1 · days: 2 · may ping: <@&"+role+">")
	r.run(sandbox.Newcomer, "party start", map[string]any{"name": "x", "budget": 0, "days": 3})
	r.whisper(sandbox.Newcomer, "2 days from now at most")
	thread := r.party(sandbox.Newcomer, map[string]any{"name": "Oil", "budget": 0, "style": "oil", "ping": role})
	m := r.inThread(sandbox.Friend, thread, "<@&"+role+"> Welcome!", "Style: oil")
	if got, ok := m.Raw["mention_roles"].([]string); !ok || !slices.Equal(got, []string{role}) {
		t.Errorf("it pings %v", m.Raw["mention_roles"])
	}
	id := r.runIn(sandbox.Friend, thread, "generate", map[string]any{"prompt": "a red apple"}).MessageID
	if m := r.result(sandbox.Friend, id, 1); !holds(m, []string{"256×256", "oil"}) {
		t.Errorf("not in the style: %q", m.Content)
	}
	r.run(sandbox.Friend, "party start", map[string]any{"name": "y", "budget": 0})
	r.whisper(sandbox.Friend, "This server has 1 parties already")
	r.run(sandbox.Admin, "serverconfig party", map[string]any{"most": 3, "channel": sandbox.ChannelID})
	r.whisper(sandbox.Admin, "in: <#"+sandbox.ChannelID+">")
}

func TestTheHostPaysForGuests(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	r.worker(nil)
	ask := r.run(sandbox.Newcomer, "party start", map[string]any{"name": "Free", "budget": 0, "pay": 30}).MessageID
	r.message(sandbox.Newcomer, ask, "cost you up to **30 kudos**")
	r.click(sandbox.Newcomer, ask, "Begin")
	r.message(sandbox.Newcomer, ask, "The party has begun")
	threads := r.sand.Threads(sandbox.ChannelID)
	thread := threads[len(threads)-1]
	r.inThread(sandbox.Friend, thread, "The host pays for pictures of guests: 30 kudos")
	host, guest := r.user(sandbox.Newcomer), r.user(sandbox.Friend)
	if got := len(r.p.engine.SharedKeysOf(host.ID)); got != 1 {
		t.Fatalf("the host has %d shared keys", got)
	}
	r.entry(sandbox.Friend, thread, "1")
	if now := r.user(sandbox.Friend); now.Balance != guest.Balance {
		t.Errorf("the guest paid %s", guest.Balance-now.Balance)
	}
	if now := r.user(sandbox.Newcomer); now.Balance >= host.Balance {
		t.Errorf("the host paid nothing: %s before, %s now", host.Balance, now.Balance)
	}
	// What costs more than is left is paid by who asks.
	id := r.runIn(sandbox.Friend, thread, "generate", map[string]any{"prompt": "a red apple", "amount": 4, "size": "1024x1024", "steps": 30}).MessageID
	r.result(sandbox.Friend, id, 4)
	r.inThread(sandbox.Friend, thread, "Entry 2 by")
	if now := r.user(sandbox.Friend); now.Balance >= guest.Balance {
		t.Errorf("the guest paid nothing for much")
	}
	data := docsOf(t, r, sandbox.Newcomer)
	k := r.p.engine.SharedKeysOf(host.ID)[0].String()
	if strings.Contains(strings.Join(data, ""), k) {
		t.Error("the key is kept openly")
	}
	r.click(sandbox.Newcomer, r.runIn(sandbox.Newcomer, thread, "party end", nil).MessageID, "End it")
	m := r.inThread(sandbox.Friend, thread, "Free** is over")
	if len(m.Attachments) != 2 || m.Attachments[0].Description != "Entry 2" {
		t.Errorf("the pictures: %+v", m.Attachments)
	}
	if got := len(r.p.engine.SharedKeysOf(host.ID)); got != 0 {
		t.Errorf("%d shared keys are left", got)
	}
}

func TestPartiesAreListedInFullAndShowWhoIsInFront(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	r.worker(nil)
	name := strings.Repeat("n", 100)
	thread := r.party(sandbox.Newcomer, map[string]any{
		"name": name, "budget": 30, "award": 5, "prize": 10, "winner": "emoji", "emoji": "<a:dance:123456789012345678>",
	})
	r.inThread(sandbox.Friend, thread, name, "<a:dance:123456789012345678>")
	id := r.entry(sandbox.Friend, thread, "1")
	r.react(sandbox.Admin, id, "dance:123456789012345678")
	r.runIn(sandbox.Friend, thread, "party info", nil)
	info := r.whisper(sandbox.Friend, "In front so far: - Entry 1 by", "1 <a:dance:123456789012345678>")
	r.click(sandbox.Friend, info.ID, "Publish")
	r.inThread(sandbox.Admin, thread, "In front so far: - Entry 1 by")

	for i := range 9 {
		key := "11000000000000099" + strconv.Itoa(i)
		value := []byte(`{"name":"x","guild":"` + sandbox.GuildID + `","host":"` + sandbox.Admin + `","stage":"running","ends":"2100-01-01T00:00:00Z"}`)
		if _, err := r.p.store.SaveDoc(r.ctx(), chat.Doc{Kind: chat.KindParty, Key: key, Guild: sandbox.GuildID, Person: sandbox.Admin, Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	r.run(sandbox.Friend, "party list", nil)
	r.whisper(sandbox.Friend, "Parties in this server", "<#"+thread+">", "<#110000000000000998>")
}

func TestPeopleVoteForTheFavouriteAndFundItTogether(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	people := []string{sandbox.Newcomer, sandbox.Friend, sandbox.Admin}
	r.login(people...)
	r.worker(nil)
	thread := r.party(sandbox.Newcomer, map[string]any{"name": "Vote", "budget": 30, "award": 10, "prize": 10, "winner": "poll"})
	r.runIn(sandbox.Friend, thread, "party topup", map[string]any{"kudos": 20})
	r.inThread(sandbox.Admin, thread, "<@"+sandbox.Friend+"> adds 20 kudos for rewards; 40 are left")
	r.runIn(sandbox.Admin, thread, "party topup", map[string]any{"kudos": 10, "prize": true})
	r.inThread(sandbox.Admin, thread, "the prize; it is 20 kudos now")
	r.runIn(sandbox.Friend, thread, "party info", nil)
	r.whisper(sandbox.Friend, "With the help of: <@"+sandbox.Friend+"> · 20")
	r.entry(sandbox.Friend, thread, "1")
	r.entry(sandbox.Admin, thread, "2")
	r.entry(sandbox.Newcomer, thread, "3") // the host's is not voted on
	ask := r.runIn(sandbox.Newcomer, thread, "party end", nil).MessageID
	r.click(sandbox.Newcomer, ask, "End it")
	ballot := r.inThread(sandbox.Friend, thread, "Which picture do you like best?")
	vote := func(who, entry, want string) {
		t.Helper()
		out := r.pick(who, ballot.ID, "The picture I like best…", entry)
		r.see(who, "the answer "+want, func(m sandbox.Message) bool { return m.ID == out.MessageID && holds(m, []string{want}) })
	}
	vote(sandbox.Newcomer, "1", "The host does not vote")
	vote(sandbox.Friend, "1", "That one is your own")
	vote(sandbox.Friend, "2", "Your vote is for entry 2")
	before := map[string]kudos.Amount{}
	for _, who := range people {
		before[who] = r.user(who).Balance
	}
	r.pick(sandbox.Friend, ballot.ID, "The picture I like best…", "2") // once more
	// The vote ends while nobody is there, and Discord is in trouble when somebody is again.
	r.sand.Arm(sandbox.Fault{Kind: sandbox.Status, Code: 502, Method: "POST", Path: "/channels/" + thread + "/messages", Times: 5})
	r.restart(25 * time.Hour)
	r.eventually("the results are not told", func() bool { return strings.Contains(r.logs.String(), "looking after a party did not work") })
	r.restart(2 * time.Minute)
	r.inThread(sandbox.Friend, thread, "The favourite picture: Entry 2 by <@"+sandbox.Admin+">", "the prize of 20 kudos", "1 🗳️")
	// 60 were set aside, 20 went to entries, 20 to the prize: of the other 20, 30, 20 and 10 parts go back.
	for who, want := range map[string]kudos.Amount{sandbox.Newcomer: kudos.Whole(10), sandbox.Friend: 667, sandbox.Admin: kudos.Whole(20) + 333} {
		if got := r.user(who).Balance - before[who]; max(got-want, want-got) > 1 {
			t.Errorf("%s has %s more, want %s", who, got, want)
		}
	}
	r.see(sandbox.Admin, "the news of the prize", func(m sandbox.Message) bool {
		return m.ChannelID == sandbox.DMChannel(sandbox.Admin) && holds(m, []string{"20 kudos are yours", "settings notifications"})
	})
	r.restart(2 * time.Minute)
	told := 0
	for _, m := range r.sand.Messages(thread, sandbox.Friend) {
		if strings.Contains(m.Content, "Vote** is over. Entries") {
			told++
		}
	}
	if told != 1 {
		t.Errorf("the results were told %d times", told)
	}
}
