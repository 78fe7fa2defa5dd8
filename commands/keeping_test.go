// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"testing"

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
