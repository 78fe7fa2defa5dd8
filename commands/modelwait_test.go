// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/internal/sandbox"
)

// offer has a worker ask for something to do with a model, once.
func (r *rig) offer(name, model string) {
	r.t.Helper()
	owner := r.owner("d_998", "Somebody")
	_, err := r.p.engine.Pop(r.ctx(), horde.Pop{Owner: owner.ID, Amount: 1, Offer: horde.Offer{
		Name: name, Models: []string{model}, BridgeAgent: "AI Horde Worker reGen:13:test", Threads: 1, MaxPixels: 64 * 64,
	}}, time.Millisecond)
	if err != nil {
		r.t.Fatal(err)
	}
}

// docs lists what is remembered of a kind about somebody.
func (r *rig) docs(kind chat.DocKind, who string) []chat.Doc {
	r.t.Helper()
	docs, err := r.p.store.DocsOfPerson(r.ctx(), kind, who)
	if err != nil {
		r.t.Fatal(err)
	}
	return docs
}

// told counts the direct messages that somebody got with a text.
func (r *rig) told(who, text string) (n int) {
	for _, m := range r.sand.Messages(sandbox.DMChannel(who), who) {
		if holds(m, []string{text}) {
			n++
		}
	}
	return n
}

func TestPeopleAreToldOnceWhenAModelIsServedAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id := r.generate(sandbox.Newcomer, map[string]any{"model": "Night *Owl*"})
	m := r.message(sandbox.Newcomer, id, "⚠️")
	if !slices.Contains(labels(m), "Notify me") {
		t.Fatalf("the buttons are %q", labels(m))
	}
	r.click(sandbox.Newcomer, id, "Notify me")
	r.whisper(sandbox.Newcomer, `**Night \*Owl\*** again`)
	r.click(sandbox.Newcomer, id, "Notify me") // once more: it is one wait
	r.click(sandbox.Friend, id, "Notify me")
	quiet := r.whisper(sandbox.Friend, `**Night \*Owl\*** again`)
	r.click(sandbox.Friend, quiet.ID, "Stop these messages")
	r.whisper(sandbox.Friend, "You no longer wait for 1 model.")

	// It comes while nobody is here, and it comes once.
	r.restart(time.Hour)
	r.offer("Owl", "Night *Owl*")
	dm := r.see(sandbox.Newcomer, "the direct message", func(m sandbox.Message) bool {
		return m.ChannelID == sandbox.DMChannel(sandbox.Newcomer) && holds(m, []string{`**Night \*Owl\*** is served again`})
	})
	r.eventually("it is noted that they know", func() bool { return len(r.docs(chat.KindModelWait, sandbox.Newcomer)) == 0 })
	r.restart(time.Minute)
	r.offer("Owl", "Night *Owl*")
	r.restart(time.Hour)
	r.offer("Owl", "Night *Owl*")
	r.offer("Second", "Something else")
	r.run(sandbox.Friend, "models info", map[string]any{"model": "Something else"})
	if n := r.told(sandbox.Newcomer, "is served again"); n != 1 {
		t.Errorf("told %d times", n)
	}
	if n := r.told(sandbox.Friend, "is served again"); n != 0 {
		t.Errorf("who wanted to hear no more was told %d times", n)
	}
	r.click(sandbox.Newcomer, dm.ID, "Stop these messages")
	r.see(sandbox.Newcomer, "the answer", func(m sandbox.Message) bool { return holds(m, []string{"You no longer wait for 0 models"}) })
}

func TestWhoTakesNoDirectMessagesReadsItWithTheNextCommand(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	id := r.generate(sandbox.Newcomer, map[string]any{"model": "Owl"})
	r.message(sandbox.Newcomer, id, "⚠️")
	r.click(sandbox.Newcomer, id, "Notify me")
	r.whisper(sandbox.Newcomer, "I will tell you, once")
	r.sand.Arm(sandbox.Fault{Kind: sandbox.Status, Code: 503, Method: "POST", Path: "/channels/" + sandbox.DMChannel(sandbox.Newcomer) + "/messages", Times: -1})
	r.offer("Owl", "Owl")
	r.eventually("Discord is in trouble", func() bool { return strings.Contains(r.logs.String(), "not everybody is told") })
	r.sand.Disarm()
	r.sand.Arm(sandbox.Fault{Kind: sandbox.Refused, Code: 50007, Method: "POST", Path: "/channels/" + sandbox.DMChannel(sandbox.Newcomer) + "/messages", Times: -1})
	r.restart(time.Minute)
	r.offer("Owl", "Owl")
	r.eventually("the note is left", func() bool { return len(r.docs(chat.KindNotes, sandbox.Newcomer)) == 1 })
	r.sand.Disarm()
	r.sand.Arm(sandbox.Fault{Kind: sandbox.Slow, Method: "POST", Path: "/webhooks/", Delay: 2 * time.Second})
	r.run(sandbox.Newcomer, "about", nil)
	const note = "**Owl** is served again. You asked to be told."
	r.eventually("it is told", func() bool {
		left := len(r.docs(chat.KindNotes, sandbox.Newcomer))
		told := slices.ContainsFunc(r.sand.Messages(sandbox.ChannelID, sandbox.Newcomer), func(m sandbox.Message) bool { return holds(m, []string{note}) })
		if left == 0 && !told {
			t.Error("the note is gone before it is told")
		}
		return told
	})
	r.whisper(sandbox.Newcomer, note)
	r.eventually("no document is left", func() bool {
		return len(r.docs(chat.KindModelWait, sandbox.Newcomer))+len(r.docs(chat.KindNotes, sandbox.Newcomer)) == 0
	})
}

func TestSomebodyWaitsForSoManyModelsAndSoLong(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for i := range 11 {
		name := "Owl " + string(rune('A'+i))
		id := r.generate(sandbox.Admin, map[string]any{"model": name})
		r.message(sandbox.Newcomer, id, "⚠️")
		r.click(sandbox.Newcomer, id, "Notify me")
	}
	m := r.whisper(sandbox.Newcomer, "You wait for 10 models already")
	r.jump(31 * 24 * time.Hour)
	r.restart(0)
	r.eventually("nobody waits any more", func() bool { return len(r.docs(chat.KindModelWait, sandbox.Newcomer)) == 0 })
	r.click(sandbox.Newcomer, m.ID, "Stop these messages")
	r.whisper(sandbox.Newcomer, "You no longer wait for 0 models")
}
