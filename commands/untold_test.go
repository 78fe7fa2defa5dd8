// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"strings"
	"testing"
	"time"

	"stablemate/commands/chat"
	"stablemate/horde/kudos"
	"stablemate/internal/sandbox"
)

func TestWhatSomebodyCouldNotBeToldWaitsInPending(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	r.sand.SetDMs(sandbox.Friend, false)
	r.gift(sandbox.Newcomer, map[string]any{"horde": "friend", "amount": 2, "note": "for the horse"})
	r.balance(sandbox.Friend, start+2*kudos.One)
	r.restart(2 * time.Minute)
	r.eventually("it is kept", func() bool {
		docs, err := r.p.store.DocsOfPerson(r.ctx(), chat.KindGiftNews, sandbox.Friend)
		return err == nil && len(docs) == 1 && strings.Contains(string(docs[0].Value), `"kept":true`)
	})
	r.run(sandbox.Friend, "kudos pending", nil)
	r.whisper(sandbox.Friend, "What I could not tell you", "thanked you with 2 kudos", "for the horse")
	r.eventually("it is known by now", func() bool {
		docs, err := r.p.store.DocsOfPerson(r.ctx(), chat.KindGiftNews, sandbox.Friend)
		return err == nil && len(docs) == 0
	})
}

func TestAnUnreadableDocumentHidesNoOther(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	r.worker(nil)
	for _, key := range []string{"1", "99999999999999999999"} {
		d := chat.Doc{Kind: chat.KindParty, Key: key, Person: sandbox.Newcomer, Guild: sandbox.GuildID, Due: r.now().Add(-time.Hour), Value: []byte(`{"name":7}`)}
		if _, err := r.p.store.SaveDoc(r.ctx(), d); err != nil {
			t.Fatal(err)
		}
	}
	thread := r.party(sandbox.Newcomer, map[string]any{"name": "Apples", "budget": 0})
	r.run(sandbox.Friend, "party list", nil)
	r.whisper(sandbox.Friend, "<#"+thread+"> · <@"+sandbox.Newcomer+">")
	if !strings.Contains(r.logs.String(), "a document cannot be read") {
		t.Error("the log does not tell")
	}
}
