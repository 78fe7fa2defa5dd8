// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"encoding/json"
	"errors"
	"io/fs"
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

func TestNothingOfWhatRunsComesBackAfterItsPersonWasForgotten(t *testing.T) {
	t.Parallel()
	forget := func(r *rig) {
		r.t.Helper()
		m := r.run(sandbox.Newcomer, "privacy delete", nil).MessageID
		r.click(sandbox.Newcomer, m, "Go on")
		r.click(sandbox.Newcomer, m, "Delete everything")
		r.message(sandbox.Newcomer, m, "I have forgotten")
	}
	nothing := func(r *rig) {
		r.t.Helper()
		r.closed()
		if rows, err := r.p.store.MessagesOfPerson(r.ctx(), sandbox.Newcomer, 10); err != nil || len(rows) != 0 {
			r.t.Errorf("still there: %+v, %v", rows, err)
		}
		if docs := docsOf(r.t.(*testing.T), r, sandbox.Newcomer); len(docs) != 0 { //nolint:forcetypeassert // no benchmark comes here
			r.t.Errorf("still there: %v", docs)
		}
	}
	t.Run("while an image is being made", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		r.login(sandbox.Newcomer)
		gate := make(chan struct{})
		r.worker(gate)
		id := r.generate(sandbox.Newcomer, map[string]any{"amount": 2})
		gate <- struct{}{}
		first := ""
		r.eventually("one of two is made", func() bool {
			for _, q := range r.p.engine.RequestsOf(r.user(sandbox.Newcomer).ID) {
				if st, err := r.p.engine.Status(q); err == nil && len(st.Generations) == 1 {
					first = st.Generations[0].Blob
				}
			}
			return first != ""
		})
		forget(r)
		r.message(sandbox.Newcomer, id, "Cancelled by")
		gate <- struct{}{} // what was being made is delivered all the same
		r.eventually("both are made", func() bool {
			for _, q := range r.p.engine.RequestsOf(r.user(sandbox.Newcomer).ID) {
				if st, err := r.p.engine.Status(q); err != nil || !st.Done {
					return false
				}
			}
			return true
		})
		nothing(r)
		if _, err := r.album.Read(r.ctx(), first, 1<<20); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("its image is still there: %v", err)
		}
	})
	t.Run("while it is being asked for", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		r.login(sandbox.Newcomer)
		r.message(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), "No worker is online")
		rows, err := r.p.store.OpenMessages(r.ctx())
		if err != nil || len(rows) != 1 {
			t.Fatalf("open rows: %v %v", rows, err)
		}
		row := rows[0]
		row.Key, row.Request = "12345", ""
		if err := r.p.store.SaveMessage(r.ctx(), row); err != nil {
			t.Fatal(err)
		}
		r.p.stop()
		hold := make(chan struct{})
		r.start(hold)
		forget(r)
		close(hold)
		nothing(r)
		for _, q := range r.p.engine.RequestsOf(r.user(sandbox.Newcomer).ID) {
			if st, err := r.p.engine.Status(q); err == nil && !st.Done {
				t.Errorf("a request goes on: %+v", st.Progress)
			}
		}
	})
}

func TestForgettingGoesOnWhereItStoppedBefore(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer)
	r.worker(nil)
	for range 3 {
		r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), 1)
	}
	r.closed()
	keys := r.madeBy(sandbox.Newcomer)
	if len(keys) != 3 {
		t.Fatalf("images %q", keys)
	}
	r.stuck.Store(keys[1], true)
	m := r.run(sandbox.Newcomer, "privacy delete", nil).MessageID
	r.click(sandbox.Newcomer, m, "Go on")
	r.click(sandbox.Newcomer, m, "Delete everything")
	r.whisper(sandbox.Newcomer, "Something went wrong")
	if left := r.madeBy(sandbox.Newcomer); len(left) != 1 || left[0] != keys[1] {
		t.Errorf("%q are left of %q", left, keys)
	}
	if _, found, err := r.p.store.Doc(r.ctx(), chat.KindFarewell, sandbox.Newcomer); err != nil || found {
		t.Errorf("the account goes although its person read that it failed: %v", err)
	}
	r.stuck.Clear()
	m = r.run(sandbox.Newcomer, "privacy delete", nil).MessageID
	r.click(sandbox.Newcomer, m, "Go on")
	r.click(sandbox.Newcomer, m, "Delete everything")
	r.message(sandbox.Newcomer, m, "I have forgotten")
	if left := r.madeBy(sandbox.Newcomer); len(left) != 0 {
		t.Errorf("%q are left", left)
	}
	for _, key := range keys {
		if _, err := r.album.Read(r.ctx(), key, 1<<20); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("an image is still there: %v", err)
		}
	}
}

func TestAResultWhoseImageCannotBeDeletedIsNotForgotten(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer, sandbox.Friend)
	r.worker(nil)
	id := r.generate(sandbox.Newcomer, nil)
	r.result(sandbox.Newcomer, id, 1)
	r.closed()
	keys := r.madeBy(sandbox.Newcomer)
	r.click(sandbox.Friend, id, "Favourite")
	r.eventually("it is kept", func() bool { return r.favourite(sandbox.Friend) != "" })
	r.stuck.Store(keys[0], true)
	r.click(sandbox.Newcomer, id, "Delete")
	r.whisper(sandbox.Newcomer, "Something went wrong")
	r.result(sandbox.Newcomer, id, 1) // its message is there, and its button
	r.stuck.Clear()
	r.click(sandbox.Newcomer, id, "Delete")
	r.gone(sandbox.Newcomer, sandbox.ChannelID, id)
	gone := func() bool {
		_, err := r.album.Read(r.ctx(), keys[0], 1<<20)
		return errors.Is(err, fs.ErrNotExist)
	}
	r.eventually("the image is gone", gone)
	// It is no more when somebody's favourite is renewed.
	if err := r.album.PutBytes(r.ctx(), keys[0], webp()); err != nil {
		t.Fatal(err)
	}
	r.jump(8 * 24 * time.Hour)
	r.eventually("the image is gone for good", gone)
}

// madeBy lists the images of somebody's requests, newest first.
func (r *rig) madeBy(who string) (keys []string) {
	r.t.Helper()
	rows, err := r.p.store.PastMessages(r.ctx(), who, 100)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, row := range rows {
		var p struct{ Made []struct{ Blob string } }
		if err := json.Unmarshal(row.Params, &p); err != nil {
			r.t.Fatal(err)
		}
		for _, g := range p.Made {
			keys = append(keys, g.Blob)
		}
	}
	return keys
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
