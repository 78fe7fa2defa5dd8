// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"testing"

	"stablemate/internal/sandbox"
)

func TestADescriptionBecomesTheAltTextOfAnImageOfOurs(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.alchemist()
	id := r.generate(sandbox.Newcomer, map[string]any{"amount": 2})
	m := r.result(sandbox.Newcomer, id, 2)
	r.closed()
	r.menu(sandbox.Friend, id, "Describe image (alt text)")
	which := r.whisper(sandbox.Friend, "Which image?")
	r.pick(sandbox.Friend, which.ID, which.Selects[0].CustomID, "1")
	said := r.whisper(sandbox.Friend, "A horse *running* in snow.")
	r.closed()
	r.click(sandbox.Friend, said.ID, "Set as alt text")
	r.whisper(sandbox.Friend, "Only the person who asked")
	r.menu(sandbox.Newcomer, id, "Describe image (alt text)")
	which = r.whisper(sandbox.Newcomer, "Which image?")
	r.pick(sandbox.Newcomer, which.ID, which.Selects[0].CustomID, "1")
	said = r.whisper(sandbox.Newcomer, "A horse *running* in snow.")
	r.closed()
	r.click(sandbox.Newcomer, said.ID, "Set as alt text")
	r.whisper(sandbox.Newcomer, "The image has this alt text now")
	after := r.message(sandbox.Friend, id, "red apple")
	if len(after.Attachments) != 2 || after.Attachments[1].Description != "A horse *running* in snow." ||
		after.Attachments[0].Description != m.Attachments[0].Description || len(after.Buttons) != len(m.Buttons) {
		t.Errorf("the message shows %+v with %q", after.Attachments, labels(after))
	}
	file := pngFile(t, 64, 64)
	r.run(sandbox.Newcomer, "describe", map[string]any{"image": file})
	said = r.see(sandbox.Newcomer, "the description of a file", func(m sandbox.Message) bool {
		return m.Ephemeral && m.ID > said.ID && holds(m, []string{"A horse"}) && len(m.Buttons) > 1
	})
	for _, label := range labels(said) {
		if label == "Set as alt text" {
			t.Error("somebody else's image can get an alt text")
		}
	}
}
