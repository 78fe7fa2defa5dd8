// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"stablemate/commands/chat"
	"stablemate/internal/sandbox"
)

// blobOf is the key of the image that a person's latest request made.
func (r *rig) blobOf(who string) string {
	r.t.Helper()
	made, _ := r.latest(who)["made"].([]any)
	if len(made) != 1 {
		r.t.Fatalf("the latest request made %v", made)
	}
	blob, _ := made[0].(map[string]any)["blob"].(string)
	return blob
}

// age has what is kept look old, and tells whether all of it was kept anew since.
func (r *rig) age() (anew func() bool) {
	r.t.Helper()
	old := time.Now().Add(-25 * 24 * time.Hour)
	files, err := filepath.Glob(filepath.Join(r.dir, "album", "*", "*.webp"))
	if err != nil || len(files) != 1 {
		r.t.Fatalf("the album has %q, %v, want an image", files, err)
	}
	if err := os.Chtimes(files[0], old, old); err != nil {
		r.t.Fatal(err)
	}
	return func() bool {
		info, err := os.Stat(files[0])
		return err == nil && info.ModTime().After(old.Add(time.Hour))
	}
}

func TestALateFavouriteAndWhatIsShownAgainKeepTheirImages(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	id := r.generate(sandbox.Newcomer, nil)
	r.result(sandbox.Newcomer, id, 1)
	r.closed()
	anew := r.age()
	r.click(sandbox.Newcomer, id, "Favourite")
	r.whisper(sandbox.Newcomer, "⭐ Kept")
	if !anew() {
		t.Error("the image of a new favourite stays old")
	}
	anew = r.age()
	first := r.suggest(sandbox.Newcomer, "history show", "job", "apple")[0].Value
	again := r.run(sandbox.Newcomer, "history repost", map[string]any{"job": first}).MessageID
	r.result(sandbox.Friend, again, 1)
	if !anew() {
		t.Error("the image of what is shown again stays old")
	}
}

func TestDeletingWhatIsShownAgainKeepsTheOriginal(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), 1)
	r.closed()
	image := r.blobOf(sandbox.Newcomer)
	first := r.suggest(sandbox.Newcomer, "history show", "job", "apple")[0].Value
	again := r.run(sandbox.Newcomer, "history repost", map[string]any{"job": first}).MessageID
	r.result(sandbox.Friend, again, 1)
	r.closed()
	r.click(sandbox.Newcomer, again, "Delete")
	r.eventually("the second is forgotten", func() bool { return r.latest(sandbox.Newcomer)["prompt"] == "" })
	if _, err := r.album.Read(r.ctx(), image, 1<<20); err != nil {
		t.Errorf("the image of the first: %v", err)
	}
	r.run(sandbox.Newcomer, "history delete", map[string]any{"job": first})
	r.whisper(sandbox.Newcomer, "Deleted.")
	if _, err := r.album.Read(r.ctx(), image, 1<<20); err == nil {
		t.Error("the image stays when the first is deleted")
	}
}

func TestAnImageThatIsDeletedWhileItIsPostedIsInNoGallery(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	panel := r.run(sandbox.Admin, "serverconfig panel", nil).MessageID
	r.pick(sandbox.Admin, panel, "What to change", "places")
	r.pick(sandbox.Admin, panel, "Gallery", sandbox.AdultChannelID)
	r.whisper(sandbox.Admin, "Images that many people keep are shown in")
	r.fillIn(sandbox.Admin, r.click(sandbox.Admin, panel, "Change the numbers"), map[string]string{"stars": "1"})
	r.message(sandbox.Admin, panel, "Gallery: <#"+sandbox.AdultChannelID+"> · from one favourite on")
	id := r.generate(sandbox.Newcomer, map[string]any{"prompt": "a pear"})
	r.result(sandbox.Newcomer, id, 1)
	r.closed()
	shown := func() (n int) {
		for _, m := range r.sand.Messages(sandbox.AdultChannelID, sandbox.Newcomer) {
			n += len(m.Attachments)
		}
		return n
	}
	r.stiff.Store(int64(2 * time.Second)) // a post is noted late
	r.click(sandbox.Friend, id, "Favourite")
	r.eventually("the image is posted", func() bool { return shown() == 1 })
	r.click(sandbox.Newcomer, id, "Delete")
	r.eventually("the image is in no gallery", func() bool { return shown() == 0 })
	r.eventually("nobody knows the words", func() bool {
		rows, err := r.p.store.MessagesOfPerson(r.ctx(), sandbox.Newcomer, 10)
		if err != nil || len(rows) != 2 {
			t.Errorf("there are %d rows, %v", len(rows), err)
		}
		for _, row := range rows {
			if strings.Contains(string(row.Params), "pear") {
				return false
			}
		}
		return true
	})
}

// enlarged has an alchemist enlarge the first image of a message, and returns the ID of the result's.
func (r *rig) enlarged(who, id string) string {
	r.t.Helper()
	r.click(who, id, "Upscale")
	how := r.whisper(who, "What should be done with image 1?")
	out := r.pick(who, how.ID, how.Selects[0].CustomID, "RealESRGAN_x2plus")
	r.see(who, "the larger image", func(m sandbox.Message) bool { return m.ID == out.MessageID && len(m.Attachments) == 1 })
	r.closed()
	return out.MessageID
}

func TestWhatAlchemistsMadeIsDeletedForOnePersonAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.alchemist()
	id := r.generate(sandbox.Newcomer, nil)
	r.result(sandbox.Newcomer, id, 1)
	r.closed()
	r.enlarged(sandbox.Newcomer, id)
	theirs := r.blobOf(sandbox.Newcomer)
	mine := r.enlarged(sandbox.Friend, id)
	image := r.blobOf(sandbox.Friend)
	r.click(sandbox.Friend, mine, "Delete")
	r.eventually("one is deleted", func() bool { return r.latest(sandbox.Friend)["prompt"] == "" })
	if _, err := r.album.Read(r.ctx(), image, 1<<20); err == nil {
		t.Error("a deleted image is still there")
	}
	if _, err := r.images.Sweep(r.ctx(), time.Now().Add(time.Hour)); err != nil { // what is left is in the album
		t.Fatal(err)
	}
	if _, err := r.album.Read(r.ctx(), theirs, 1<<20); err != nil {
		t.Errorf("the image of somebody else: %v", err)
	}
}

func TestADeletedImageOfAlchemistsIsThereWhenAskedForAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.alchemist()
	id := r.generate(sandbox.Newcomer, nil)
	r.result(sandbox.Newcomer, id, 1)
	for range 2 {
		r.click(sandbox.Newcomer, r.enlarged(sandbox.Newcomer, id), "Delete")
		r.eventually("it is deleted", func() bool { return r.latest(sandbox.Newcomer)["prompt"] == "" })
	}
}

func TestAHistoryOfLongNamesCanBeShown(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), 1)
	r.closed()
	rows, err := r.p.store.PastMessages(r.ctx(), sandbox.Newcomer, 1)
	if err != nil || len(rows) != 1 {
		t.Fatalf("%v, %v", rows, err)
	}
	p := r.latest(sandbox.Newcomer)
	p["prompt"], p["model"], p["style"] = strings.Repeat("*~", 60), strings.Repeat("_", 100), strings.Repeat("|", 100)
	row := rows[0]
	if row.Params, err = json.Marshal(p); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		row.Key, row.Message, row.Created = "discord:"+strconv.Itoa(i+1), strconv.Itoa(i+1), rows[0].Created.Add(time.Duration(i+1)*time.Second)
		if err := r.p.store.SaveMessage(r.ctx(), row); err != nil {
			t.Fatal(err)
		}
	}
	id := r.run(sandbox.Newcomer, "history list", nil).MessageID
	r.message(sandbox.Newcomer, id, `1. **\*\~`, `10. **\*\~`, "Page 1 of 2")
}

func TestAResultIsShownAgainThoughTheProcessEndsBefore(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), 1)
	r.closed()
	first := r.suggest(sandbox.Newcomer, "history show", "job", "apple")[0].Value
	r.sand.Arm(sandbox.Fault{Kind: sandbox.Status, Code: 503, Method: "PATCH", Times: -1})
	again := r.run(sandbox.Newcomer, "history repost", map[string]any{"job": first}).MessageID
	r.eventually("it is written down", func() bool {
		rows, err := r.p.store.OpenMessages(r.ctx())
		return err == nil && len(rows) == 1 && rows[0].Message == again
	})
	r.p.stop()
	r.sand.Disarm()
	r.jump(25 * time.Hour) // the core knows nothing of it any more
	r.start()
	m := r.result(sandbox.Friend, again, 1)
	if !holds(m, []string{"red apple"}) {
		t.Errorf("it says %q", m.Content)
	}
	r.closed()
	if p := r.latest(sandbox.Newcomer); len(p["made"].([]any)) != 1 { //nolint:forcetypeassert // a result made something
		t.Errorf("the row is %v", p)
	}
}

func TestAGiftToARoleThatIsNotWrittenDownIsNotShown(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Admin)
	r.trip.arm(0, chat.KindRoleGift)
	r.run(sandbox.Admin, "kudos giftrole", map[string]any{"role": sandbox.RoleWorker, "amount": 30})
	r.see(sandbox.Admin, "that something broke", func(m sandbox.Message) bool { return holds(m, []string{"Something went wrong"}) })
	r.trip.disarm()
	for _, m := range r.sand.Messages(sandbox.ChannelID, sandbox.Newcomer) {
		if holds(m, []string{"Looking who that is"}) {
			t.Errorf("people see %q", m.Content)
		}
	}
}
