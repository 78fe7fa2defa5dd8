// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

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
