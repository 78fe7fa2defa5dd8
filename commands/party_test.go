// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"strings"
	"testing"
	"time"

	"stablemate/horde/kudos"
	"stablemate/internal/sandbox"
)

// party begins a party of a host and returns its thread.
func (r *rig) party(host string, options map[string]any) string {
	r.t.Helper()
	before := len(r.sand.Threads(sandbox.ChannelID))
	ask := r.run(host, "party start", options).MessageID
	r.message(host, ask, "are set aside until it ends")
	r.click(host, ask, "Begin")
	r.message(host, ask, "The party has begun")
	threads := r.sand.Threads(sandbox.ChannelID)
	if len(threads) != before+1 {
		r.t.Fatalf("there are %d threads, want one more than %d", len(threads), before)
	}
	return threads[before]
}

// inThread waits for a message in a thread.
func (r *rig) inThread(who, thread string, texts ...string) sandbox.Message {
	r.t.Helper()
	return r.see(who, "message in the thread with "+strings.Join(texts, ", "), func(m sandbox.Message) bool {
		return m.ChannelID == thread && holds(m, texts)
	})
}

// entry makes an image in a thread and waits until it is an entry.
func (r *rig) entry(who, thread, number string) string {
	r.t.Helper()
	id := r.runIn(who, thread, "generate", map[string]any{"prompt": "a red apple"}).MessageID
	r.result(who, id, 1)
	r.inThread(who, thread, "Entry "+number+" by <@"+who+">")
	return id
}

func TestAPartyThanksItsGuestsAndEndsByItself(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend, sandbox.Admin)
	r.worker(nil)
	thread := r.party(sandbox.Newcomer, map[string]any{
		"name": "Apples", "theme": "all *kinds*", "budget": 50, "award": 10, "prize": 20, "winner": "emoji", "words": "red",
	})
	r.inThread(sandbox.Friend, thread, "Welcome!", "Apples", "Words in every prompt: red", "Left for rewards: 30 kudos", "Prize for the favourite: 20 kudos")
	r.balance(sandbox.Newcomer, start-50*kudos.One)

	r.runIn(sandbox.Friend, thread, "generate", map[string]any{"prompt": "a pear"})
	r.whisper(sandbox.Friend, "every prompt has these words: red")
	first := r.entry(sandbox.Friend, thread, "1")
	r.inThread(sandbox.Friend, thread, "10 kudos as a reward; 20 are left")
	second := r.entry(sandbox.Friend, thread, "2") // beyond what one person may have
	r.entry(sandbox.Newcomer, thread, "3")         // the host's own
	r.runIn(sandbox.Friend, thread, "party info", nil)
	r.whisper(sandbox.Friend, "Entry 3 by", "Left for rewards: 20 kudos", "Entries: 3")
	r.run(sandbox.Friend, "party info", nil)
	r.whisper(sandbox.Friend, "There is no party in this thread")
	r.run(sandbox.Friend, "party list", nil)
	r.whisper(sandbox.Friend, "<#"+thread+"> · <@"+sandbox.Newcomer+"> · entries: 3")
	if got := r.user(sandbox.Friend).Details.Received; got != 10*kudos.One {
		t.Errorf("the guest received %s", got)
	}
	for _, x := range []struct{ who, message string }{
		{sandbox.Friend, first}, {sandbox.Newcomer, first}, {sandbox.Admin, second}, // one's own and the host's do not count
	} {
		r.react(x.who, x.message, "❤️")
	}
	host := r.user(sandbox.Newcomer).Balance

	// It ends while nobody is there, and Discord is in trouble when somebody is again.
	r.sand.Arm(sandbox.Fault{Kind: sandbox.Status, Code: 502, Method: "POST", Path: "/channels/" + thread + "/messages", Times: 5})
	r.restart(73 * time.Hour)
	r.eventually("the prize is given", func() bool { return r.user(sandbox.Friend).Details.Received == 30*kudos.One })
	r.eventually("the results are not told", func() bool { return strings.Contains(r.logs.String(), "looking after a party did not work") })
	r.restart(2 * time.Minute)
	r.inThread(sandbox.Friend, thread, "Apples** is over", "The favourite picture: Entry 2 by", "the prize of 20 kudos", "Rewards for entries: 10 kudos")
	r.balance(sandbox.Newcomer, host+20*kudos.One)
	r.restart(2 * time.Minute)
	if got := r.user(sandbox.Friend).Details.Received; got != 30*kudos.One {
		t.Errorf("the guest received %s in the end", got)
	}
	if got := len(r.p.engine.Purses(r.user(sandbox.Newcomer).ID)); got != 0 {
		t.Errorf("%d purses are left", got)
	}
	r.runIn(sandbox.Newcomer, thread, "party extend", map[string]any{"days": 1})
	r.whisper(sandbox.Newcomer, "This party is over")
}

func TestTheRulesOfAPartyArePinnedWhileItRuns(t *testing.T) {
	t.Parallel()
	for name, mayPin := range map[string]bool{"where the bot may pin": true, "where it may not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.login(sandbox.Newcomer)
			if !mayPin {
				r.permissionsOfBot(1<<10 | 1<<11 | 1<<15 | 1<<38)
			}
			thread := r.party(sandbox.Newcomer, map[string]any{"name": "Apples", "budget": 0})
			rules := func() sandbox.Message { return r.inThread(sandbox.Friend, thread, "Welcome!") }
			r.eventually("the rules are pinned", func() bool {
				return mayPin && rules().Pinned || !mayPin && strings.Contains(r.logs.String(), "rules of a party are not pinned")
			})
			r.click(sandbox.Newcomer, r.runIn(sandbox.Newcomer, thread, "party end", nil).MessageID, "End it")
			r.inThread(sandbox.Friend, thread, "Apples** is over")
			r.eventually("the rules are not pinned any more", func() bool { return !rules().Pinned })
		})
	}
}

func TestAHostLooksAfterAParty(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	r.worker(nil)
	for want, options := range map[string]map[string]any{
		"you have 100":      {"name": "x", "budget": 1000, "award": 1},
		"is too small":      {"name": "x", "budget": 10, "award": 5, "prize": 6, "winner": "host"},
		"how the favourite": {"name": "x", "budget": 10, "prize": 6},
		"not know this em":  {"name": "x", "budget": 10, "award": 1, "emoji": "hello"},
	} {
		r.run(sandbox.Newcomer, "party start", options)
		r.whisper(sandbox.Newcomer, want)
	}
	thread := r.party(sandbox.Newcomer, map[string]any{"name": "Quiet", "budget": 30, "award": 5, "prize": 10, "winner": "host", "per_person": 3, "hours": 2})
	for path, options := range map[string]map[string]any{
		"party extend": {"days": 1}, "party winner": {"entry": 1}, "party end": nil,
	} {
		r.runIn(sandbox.Friend, thread, path, options)
	}
	r.whisper(sandbox.Friend, "Only the host can do that")
	r.whisper(sandbox.Friend, "Only the host, and people who added kudos, can do that")
	r.runIn(sandbox.Newcomer, thread, "party start", map[string]any{"name": "again", "budget": 0})
	r.whisper(sandbox.Newcomer, "There is a party in this thread already")
	r.runIn(sandbox.Newcomer, thread, "party extend", map[string]any{"days": 30})
	r.whisper(sandbox.Newcomer, "30 days from now at most")
	r.runIn(sandbox.Newcomer, thread, "party extend", map[string]any{"days": 1})
	r.inThread(sandbox.Friend, thread, "The party goes on")
	r.runIn(sandbox.Newcomer, thread, "party topup", map[string]any{"kudos": 5})
	r.inThread(sandbox.Friend, thread, "adds 5 kudos for rewards; 25 are left")
	r.balance(sandbox.Newcomer, start-35*kudos.One)
	r.runIn(sandbox.Newcomer, thread, "party winner", map[string]any{"entry": 1})
	r.whisper(sandbox.Newcomer, "There is no entry 1")
	r.entry(sandbox.Friend, thread, "1")

	// An administrator ends it; the host then has time to pick.
	ask := r.runIn(sandbox.Admin, thread, "party end", nil).MessageID
	r.click(sandbox.Admin, ask, "End it")
	r.inThread(sandbox.Friend, thread, "<@"+sandbox.Newcomer+">, the party is over", "pick your favourite")
	r.restart(24 * time.Hour)
	r.runIn(sandbox.Newcomer, thread, "party winner", map[string]any{"entry": 1})
	r.inThread(sandbox.Friend, thread, "Quiet** is over", "The favourite picture: Entry 1 by", "20 kudos go back to <@"+sandbox.Newcomer+">")
	r.balance(sandbox.Newcomer, start-15*kudos.One)
	if got := r.user(sandbox.Friend).Details.Received; got != 15*kudos.One {
		t.Errorf("the guest received %s", got)
	}
}
