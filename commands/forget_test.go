// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/internal/sandbox"
	"stablemate/ratings"
)

func TestRatingsAndKudosAreExportedAndForgotten(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.stock(2)
	r.login(sandbox.Newcomer)
	u := r.user(sandbox.Newcomer)
	r.run(sandbox.Newcomer, "rate", map[string]any{"dataset": "old-ones"})
	panel := r.panel(sandbox.Newcomer, "How do you like this image?").ID
	r.vote(sandbox.Newcomer, panel, "7", "1 · hardly anything")
	r.message(sandbox.Newcomer, panel, "1 of 500 today")
	r.run(sandbox.Newcomer, "sharedkey create", map[string]any{"name": "friends"})
	secret := ""
	r.eventually("the shared key is there", func() bool {
		for _, id := range r.p.engine.SharedKeysOf(u.ID) {
			secret = id.String()
		}
		return secret != ""
	})
	form := r.run(sandbox.Newcomer, "sharedkey use", map[string]any{"scope": "me"})
	r.fillIn(sandbox.Newcomer, form, map[string]string{"key": secret})
	r.run(sandbox.Newcomer, "privacy export", nil)
	m := r.see(sandbox.Newcomer, "the file", func(m sandbox.Message) bool {
		return m.ChannelID == sandbox.DMChannel(sandbox.Newcomer) && len(m.Attachments) == 1
	})
	var out struct {
		Account struct {
			Keys      []struct{ Name string }        `json:"shared_keys"`
			Movements []struct{ Kind, Kudos string } `json:"movements_of_kudos"`
			Ratings   []struct{ Rating, Artifacts int }
		}
	}
	data := m.Attachments[0].Data
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	if a := out.Account; len(a.Keys) != 1 || len(a.Movements) < 2 || len(a.Ratings) != 1 || a.Ratings[0].Rating != 7 || a.Ratings[0].Artifacts != 1 {
		t.Errorf("exported %s", data)
	}
	if strings.Contains(string(data), secret) || strings.Contains(string(data), `"sealed"`) {
		t.Error("the export holds secrets")
	}

	m2 := r.run(sandbox.Newcomer, "privacy delete", nil).MessageID
	r.click(sandbox.Newcomer, m2, "Go on")
	r.click(sandbox.Newcomer, m2, "Delete everything")
	r.message(sandbox.Newcomer, m2, "Your account goes")
	if got, err := r.p.store.VotesOf(r.ctx(), u.ID, 9); err != nil || len(got) != 1 {
		t.Errorf("the account's ratings went before it: %+v, %v", got, err)
	}
	r.restart(8 * 24 * time.Hour)
	r.eventually("the account is deleted", func() bool { u := r.user(sandbox.Newcomer); return u.Has(horde.RoleDeleted) })
	r.eventually("its ratings are nobody's", func() bool {
		got, err := r.p.store.VotesOf(r.ctx(), u.ID, 9)
		return err == nil && len(got) == 0
	})
	if got, err := r.p.store.RatingTally(r.ctx(), ratings.ByAll, ""); err != nil || got.Votes != 1 {
		t.Errorf("what was said is gone, too: %+v, %v", got, err)
	}
}

func TestWhatRunsEndsWithItsPerson(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	r.worker(nil)
	thread := r.party(sandbox.Newcomer, map[string]any{"name": "Last", "budget": 40, "award": 10, "prize": 10, "winner": "poll", "pay": 20})
	r.entry(sandbox.Friend, thread, "1")
	done := r.generate(sandbox.Newcomer, nil)
	r.result(sandbox.Newcomer, done, 1)
	u := r.user(sandbox.Newcomer)
	r.restart(20 * time.Minute) // no worker from now on
	waiting := r.generate(sandbox.Newcomer, map[string]any{"prompt": "red apple that never is"})
	r.message(sandbox.Newcomer, waiting, "No worker is online")
	r.jump(3 * time.Second) // the end may be shown at once
	m := r.run(sandbox.Newcomer, "privacy delete", nil).MessageID
	r.click(sandbox.Newcomer, m, "Go on")
	r.click(sandbox.Newcomer, m, "Delete everything")
	r.message(sandbox.Newcomer, m, "I have forgotten")
	r.inThread(sandbox.Friend, thread, "Last** is over")
	if got := len(r.p.engine.Purses(u.ID)) + len(r.p.engine.SharedKeysOf(u.ID)); got != 0 {
		t.Errorf("%d purses and keys are left", got)
	}
	if got := r.user(sandbox.Friend).Details.Received; got != 10*kudos.One {
		t.Errorf("the guest received %s", got)
	}
	if rows, err := r.p.store.MessagesOfPerson(r.ctx(), sandbox.Newcomer, 10); err != nil || len(rows) != 0 {
		t.Errorf("still there: %+v, %v", rows, err)
	}
	for _, q := range r.p.engine.RequestsOf(u.ID) {
		if st, err := r.p.engine.Status(q); err == nil && !st.Done {
			t.Errorf("a request goes on: %+v", st.Progress)
		}
	}
	if docs := docsOf(t, r, sandbox.Newcomer); len(docs) != 0 {
		t.Errorf("still there: %v", docs)
	}
}

func TestAGuildIsForgottenAMonthAfterTheBotLeft(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	guild, channel, err := r.sand.AddGuild("Second thoughts")
	if err != nil {
		t.Fatal(err)
	}
	r.runIn(sandbox.Admin, channel, "serverconfig party", map[string]any{"most": 2})
	kept := func() bool {
		_, found, err := r.p.store.Doc(r.ctx(), chat.KindGuild, guild)
		return err == nil && found
	}
	r.eventually("the settings are kept", kept)
	if err := r.sand.Leave(guild, sandbox.BotID); err != nil {
		t.Fatal(err)
	}
	r.eventually("it is noted", func() bool {
		_, found, err := r.p.store.Doc(r.ctx(), chat.KindLeft, guild)
		return err == nil && found
	})
	r.restart(29 * 24 * time.Hour)
	if !kept() {
		t.Error("the settings went too early")
	}
	r.jump(2 * 24 * time.Hour)
	r.eventually("the settings go", func() bool { return !kept() })
}
