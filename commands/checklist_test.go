// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stablemate/commands"
	"stablemate/commands/chat"
	"stablemate/emojikudos"
	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/internal/sandbox"
)

// A job of twenty minutes outlives its interaction's token. Where the bot can reach its message with its own token it goes
// on there; elsewhere the message says so in time, and a button shows the result.
func TestAJobOfTwentyMinutes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		channel string
		options map[string]any
		alone   bool // the person brought the bot along, the guild did not
		button  bool
	}{
		"in a guild":                   {channel: sandbox.ChannelID},
		"in a thread":                  {channel: sandbox.ThreadID},
		"in a forum":                   {channel: sandbox.ForumPostID},
		"in a direct message":          {channel: sandbox.DMChannel(sandbox.Newcomer)},
		"for nobody else's eyes":       {channel: sandbox.ChannelID, options: map[string]any{"private": true}, button: true},
		"where only its person has it": {channel: sandbox.OtherChannelID, alone: true, button: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			if c.alone {
				if err := r.sand.Leave(sandbox.OtherGuildID, sandbox.BotID); err != nil {
					t.Fatal(err)
				}
			}
			options := map[string]any{"prompt": "red apple"}
			maps.Copy(options, c.options)
			id := r.runIn(sandbox.Newcomer, c.channel, "generate", options).MessageID
			r.message(sandbox.Newcomer, id, "No worker is online")
			const first, all = 13*time.Minute + 31*time.Second, horde.RequestTTL - time.Minute
			r.jump(first)
			button := ""
			if c.button {
				m := r.see(sandbox.Newcomer, "a button", func(m sandbox.Message) bool {
					return m.ID == id && len(m.Buttons) == 1 && strings.Contains(m.Buttons[0].CustomID, ":sh:")
				})
				button = m.Buttons[0].CustomID
			}
			r.jump(all - first)
			r.worker(nil)
			if !c.button {
				r.see(sandbox.Newcomer, "the image", func(m sandbox.Message) bool {
					return m.ID == id && m.ChannelID == c.channel && len(m.Attachments) == 1
				})
				return
			}
			r.eventually("the image is made", func() bool { return r.user(sandbox.Newcomer).Image.UsageThings > 0 })
			r.click(sandbox.Newcomer, id, button)
			r.see(sandbox.Newcomer, "the image", func(m sandbox.Message) bool { return m.ID != id && len(m.Attachments) == 1 })
		})
	}
}

// What the database takes does not cost the acknowledgement, and nothing is acknowledged twice.
func TestASlowDatabaseDoesNotCostTheAcknowledgement(t *testing.T) {
	t.Parallel()
	for name, which := range map[string]func(*rig) *atomic.Int64{
		"reading": func(r *rig) *atomic.Int64 { return &r.slow },
		"writing": func(r *rig) *atomic.Int64 { return &r.stiff },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil, hasty)
			r.login(sandbox.Friend)
			r.worker(nil)
			which(r).Store(int64(2500 * time.Millisecond))
			var people sync.WaitGroup
			var mu sync.Mutex
			after := map[string]sandbox.Outcome{}
			for path, options := range map[string]map[string]any{
				"generate": {"prompt": "red apple"}, "kudos gift": {"user": sandbox.Friend, "amount": 2}, "kudos balance": nil, "settings show": nil,
				"serverconfig show": nil, "history list": nil, "party list": nil, "autorole list": nil,
			} {
				people.Go(func() {
					out, err := r.sand.RunCommand(context.Background(), sandbox.Admin, sandbox.ChannelID, path, options)
					if err != nil {
						t.Errorf("/%s: %v", path, err)
					}
					mu.Lock()
					defer mu.Unlock()
					after[path] = out
				})
			}
			people.Wait()
			// What waited for the database longer than it takes once was promised before; how soon depends on the machine, too.
			for path, out := range after {
				if out.Kind != deferral && out.After > 2700*time.Millisecond || out.After > patience/2 {
					t.Errorf("/%s was acknowledged with %d after %v", path, out.Kind, out.After)
				}
			}
			r.see(sandbox.Admin, "the image", func(m sandbox.Message) bool { return len(m.Attachments) == 1 })
			r.eventually("the gift arrives", func() bool { return r.user(sandbox.Friend).Details.Received == 2*kudos.One })
		})
	}
}

func TestRacesOfPeople(t *testing.T) {
	t.Parallel()
	t.Run("cancelling what is just being finished", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		gate := make(chan struct{})
		r.worker(gate)
		for range 4 {
			id := r.generate(sandbox.Newcomer, nil)
			r.message(sandbox.Newcomer, id, "Being made")
			var press sync.WaitGroup
			press.Go(func() { gate <- struct{}{} })
			press.Go(func() { r.both(sandbox.Newcomer, id, "Cancel") })
			press.Wait()
			m := r.see(sandbox.Newcomer, "an end", func(m sandbox.Message) bool {
				return m.ID == id && (len(m.Attachments) == 1) != holds(m, []string{"Cancelled by"})
			})
			r.closed()
			if made := len(m.Attachments) == 1; made != (r.latest(sandbox.Newcomer)["made"] != nil) {
				t.Errorf("the message shows an image: %t", made)
			}
		}
	})
	t.Run("two people deleting the same", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		r.worker(nil)
		id := r.generate(sandbox.Newcomer, nil)
		r.result(sandbox.Newcomer, id, 1)
		var press sync.WaitGroup
		press.Go(func() { r.both(sandbox.Newcomer, id, "Delete") })
		press.Go(func() { r.both(sandbox.Admin, id, "Delete") })
		press.Wait()
		r.gone(sandbox.Newcomer, sandbox.ChannelID, id)
		for _, m := range r.sand.Messages(sandbox.ChannelID, sandbox.Admin) {
			if m.Ephemeral && holds(m, []string{"went wrong"}) {
				t.Errorf("somebody is told %q", m.Content)
			}
		}
	})
	t.Run("a form that is sent twice", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		r.login(sandbox.Friend)
		r.worker(nil)
		id := r.generate(sandbox.Newcomer, nil)
		r.result(sandbox.Newcomer, id, 1)
		for button, values := range map[string]map[string]string{"Gift": {"amount": "12"}, "Remix": {"prompt": "red apple"}} {
			form := r.click(sandbox.Friend, id, button)
			var press sync.WaitGroup
			for range 2 {
				press.Go(func() {
					if _, err := r.sand.SubmitModal(context.Background(), sandbox.Friend, form.InteractionID, values); err != nil {
						t.Errorf("%s: %v", button, err)
					}
				})
			}
			press.Wait()
			r.whisper(sandbox.Friend, "You have sent this twice")
		}
		r.see(sandbox.Friend, "the other image", func(m sandbox.Message) bool { return m.ID != id && len(m.Attachments) == 1 })
		r.eventually("the gift arrives", func() bool { return r.user(sandbox.Newcomer).Details.Received == 12*kudos.One })
		r.closed()
		if u := r.user(sandbox.Friend); u.Image.Requests != 1 || u.Details.Gifted != -12*kudos.One {
			t.Errorf("%d requests, %s given", u.Image.Requests, -u.Details.Gifted)
		}
	})
	t.Run("a reaction that comes, goes and comes", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, func(o *commands.Options) { o.GiftGrace = 500 * time.Millisecond })
		r.login(sandbox.Newcomer, sandbox.Friend)
		m := r.post(sandbox.Newcomer)
		for range 3 {
			r.react(sandbox.Friend, m, "🙏")
			r.unreact(sandbox.Friend, m, "🙏")
		}
		r.react(sandbox.Friend, m, "🙏")
		r.balance(sandbox.Newcomer, start+10*kudos.One)
		for range 2 {
			r.unreact(sandbox.Friend, m, "🙏")
			r.react(sandbox.Friend, m, "🙏")
		}
		time.Sleep(600 * time.Millisecond)
		r.stays(sandbox.Newcomer, start+10*kudos.One)
		r.stays(sandbox.Friend, start-10*kudos.One)
	})
}

// both presses a button that somebody else may have taken away meanwhile.
func (r *rig) both(who, message, button string) {
	if _, err := r.sand.Click(context.Background(), who, message, button); errors.Is(err, sandbox.ErrNoAnswer) {
		r.t.Errorf("%s got no answer", who)
	}
}

// What Discord's codes lead to when a result is to be shown.
func TestCodesOfDiscord(t *testing.T) {
	t.Parallel()
	shown := func(m sandbox.Message) bool { return len(m.Attachments) == 1 }
	same := func(r *rig, id string) { r.result(sandbox.Newcomer, id, 1) }
	direct := func(r *rig, _ string) {
		r.see(sandbox.Newcomer, "the image", func(m sandbox.Message) bool { return m.ChannelID == sandbox.DMChannel(sandbox.Newcomer) && shown(m) })
	}
	history := func(r *rig, id string) {
		r.closed()
		out := r.run(sandbox.Newcomer, "history list", nil)
		r.message(sandbox.Newcomer, out.MessageID, "red apple")
		if len(r.sand.Messages(sandbox.DMChannel(sandbox.Newcomer), sandbox.Newcomer)) > 0 {
			r.t.Error("somebody is written to about a message that is gone")
		}
		_ = id
	}
	anew := func(r *rig, id string) {
		r.see(sandbox.Newcomer, "another message", func(m sandbox.Message) bool { return m.ID != id && m.ChannelID == sandbox.ChannelID && shown(m) })
	}
	for code, c := range map[int]struct {
		times int
		check func(*rig, string)
	}{
		10003: {1, history}, 10004: {1, history}, 10008: {1, history},
		20028: {1, same}, 50027: {1, same}, 10015: {1, same}, 10062: {1, same},
		50001: {1, direct}, 50013: {1, direct},
		40333: {2, same},
		50083: {1, anew}, 30046: {1, anew},
		40005: {1, func(r *rig, id string) { r.message(sandbox.Newcomer, id, "larger than Discord takes") }},
		50045: {1, func(r *rig, id string) { r.message(sandbox.Newcomer, id, "larger than Discord takes") }},
		200000: {1, func(r *rig, id string) {
			r.see(sandbox.Newcomer, "the image without words", func(m sandbox.Message) bool {
				return m.ID == id && shown(m) && !strings.Contains(m.Content, "red apple")
			})
		}},
		240000: {1, func(r *rig, id string) {
			r.see(sandbox.Newcomer, "the image without words", func(m sandbox.Message) bool {
				return m.ID == id && shown(m) && !strings.Contains(m.Content, "red apple")
			})
		}},
		50035: {1, same},
	} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			gate := make(chan struct{})
			r.worker(gate)
			id := r.generate(sandbox.Newcomer, nil)
			edits := r.message(sandbox.Newcomer, id, "Being made").Edits // the sandbox's log may lack the last one yet
			before := r.sand.Requests()
			r.sand.Arm(sandbox.Fault{Kind: sandbox.Refused, Code: code, Method: http.MethodPatch, Times: c.times})
			gate <- struct{}{}
			c.check(r, id)
			r.closed()
			if n := r.sand.Requests() - before; n > 8 {
				t.Errorf("%d requests", n)
			}
			if token, bot := r.edits(id); code/1000 == 10 && code <= 10008 && token+bot != edits+1 {
				t.Errorf("what is gone was edited %d times", token+bot-edits)
			}
		})
	}
}

// Kudos neither appear nor vanish, whatever people do and whenever the process ends.
func TestKudosAreKeptThroughEverything(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *commands.Options) { o.Welcome = 1000 * kudos.One })
	people := []string{sandbox.Newcomer, sandbox.Friend, sandbox.Admin}
	r.login(people...)
	r.worker(nil)
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	r.harsh.Store(true)
	t.Logf("seed %d", seed)
	pick := func() string { return people[rng.IntN(len(people))] }
	thread := r.party(sandbox.Newcomer, map[string]any{"name": "Random", "budget": 60, "award": 7, "prize": 10, "winner": "emoji"})
	messages := []string{r.post(sandbox.Newcomer), r.post(sandbox.Friend), r.post(sandbox.Admin)}
	run := func(who, channel, path string, options map[string]any) {
		if _, err := r.sand.RunCommand(r.ctx(), who, channel, path, options); err != nil && !errors.Is(err, sandbox.ErrNoAnswer) {
			t.Logf("/%s: %v", path, err)
		}
	}
	stranger, err := r.sand.AddPerson("Stranger")
	if err != nil {
		t.Fatal(err)
	}
	for round := range 4 {
		for range 12 {
			switch rng.IntN(6) {
			case 0:
				run(pick(), sandbox.ChannelID, "kudos gift", map[string]any{"user": pick(), "amount": 1 + rng.IntN(30)})
			case 1:
				run(pick(), sandbox.ChannelID, "kudos gift", map[string]any{"user": stranger, "amount": 1 + rng.IntN(5)}) // set aside
			case 2:
				r.react(pick(), messages[rng.IntN(len(messages))], "🙏")
			case 3:
				r.unreact(pick(), messages[rng.IntN(len(messages))], "🙏")
			case 4:
				run(pick(), thread, "generate", map[string]any{"prompt": "red apple"})
			case 5:
				run(sandbox.Newcomer, thread, "party topup", map[string]any{"kudos": 1 + rng.IntN(5)})
			}
		}
		// It ends in the middle of it all: what was under way goes on in the next process.
		r.restart(time.Duration(rng.IntN(3)) * time.Minute)
		if round < 3 {
			r.worker(nil)
		}
		r.audit()
	}
	r.restart(100 * time.Hour) // the party ends, what nobody came for goes back
	r.inThread(sandbox.Friend, thread, "Random** is over")
	r.restart(8 * 24 * time.Hour)
	r.eventually("nothing is set aside any more", func() bool {
		for _, who := range people {
			if u := r.user(who); len(r.p.engine.Purses(u.ID)) > 0 || len(r.p.engine.GiftsFrom(u.ID)) > 0 {
				return false
			}
		}
		return true
	})
	for _, who := range people {
		rows, err := r.p.store.DocsOfPerson(r.ctx(), chat.KindGift, who)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if strings.Contains(string(row.Value), `"state":"`+string(emojikudos.Waiting)+`"`) {
				t.Errorf("a gift still waits: %s", row.Key)
			}
		}
	}
	r.audit()
}

// audit holds the ledger against itself: every event sums to nothing, balances are the sum of postings, and what is set
// aside belongs to something.
func (r *rig) audit() {
	r.t.Helper()
	report, err := r.p.store.Audit(r.ctx())
	if err != nil || !report.OK() {
		r.t.Fatalf("audit: %+v, %v", report, err)
	}
}

// The largest that people can type makes messages that Discord takes: the sandbox refuses others, and notes it.
func TestLargestInputs(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *commands.Options) { o.Welcome = 100_000 * kudos.One })
	r.login(sandbox.Newcomer, sandbox.Friend)
	r.worker(nil)
	fill := func(n int) string { return string([]rune(strings.Repeat("*_`~|\\<@1>é𝔸", n))[:n]) }
	for _, who := range []string{sandbox.Newcomer, sandbox.Friend} {
		for _, x := range []struct {
			path    string
			options map[string]any
		}{
			{"generate", map[string]any{"prompt": fill(4000), "negative": fill(2000), "amount": 4}},
			{"generate", map[string]any{"prompt": fill(4000), "private": true}},
			{"kudos gift", map[string]any{"user": sandbox.Admin, "amount": 999, "note": fill(200)}},
			{"settings preset save", map[string]any{"name": fill(32)}},
			{"history list", nil},
			{"jobs list", nil},
			{"settings show", nil},
			{"kudos history", nil},
			{"kudos pending", nil},
			{"styles search", map[string]any{"text": fill(25)}},
			{"text", map[string]any{"prompt": fill(4000)}},
			{"party start", map[string]any{"name": fill(80), "theme": fill(500), "words": fill(200), "budget": 10}},
			{"teams create", map[string]any{"name": fill(100), "info": fill(1000)}},
			{"teams info", map[string]any{"team": fill(100)}},
			{"styles create", map[string]any{"name": fill(100), "prompt": "{p}" + fill(3990), "models": model, "info": fill(1000), "tags": fill(300)}},
			{"styles info", map[string]any{"style": fill(100)}},
		} {
			out, err := r.sand.RunCommand(r.ctx(), who, sandbox.ChannelID, x.path, x.options)
			if err != nil {
				if errors.Is(err, sandbox.ErrNoAnswer) {
					t.Errorf("/%s: %v", x.path, err)
				}
				t.Errorf("/%s: %v", x.path, err)
				continue
			}
			r.eventually("/"+x.path+" is answered", func() bool {
				for _, m := range r.sand.Messages(sandbox.ChannelID, who) {
					if m.ID == out.MessageID && m.Loading {
						return false
					}
				}
				return true
			})
		}
	}
	r.eventually("the images are shown", func() bool {
		n := 0
		for _, who := range []string{sandbox.Newcomer, sandbox.Friend} {
			for _, m := range r.sand.Messages(sandbox.ChannelID, who) {
				if len(m.Attachments) == 4 || len(m.Attachments) == 1 && m.Ephemeral && m.Content != "" { // a page of /history has no content
					n++
				}
			}
		}
		return n == 2*2+2 // the public ones are seen by both
	})
}
