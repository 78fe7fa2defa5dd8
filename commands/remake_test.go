// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"stablemate/internal/sandbox"
)

// Who does not see an image is told what it shows, whatever its person and the server keep for themselves.
func TestAnybodyMayHaveAnImageDescribed(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	m := r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), 1)
	r.closed()
	r.run(sandbox.Newcomer, "settings panel", nil)
	panel := r.whisper(sandbox.Newcomer, "Your settings")
	r.click(sandbox.Newcomer, panel.ID, "My buttons are mine alone")
	r.click(sandbox.Friend, m.ID, "Vary strongly")
	r.whisper(sandbox.Friend, "keeps its buttons for themselves")
	r.click(sandbox.Friend, m.ID, "Describe") // nobody answers yet
	r.whisper(sandbox.Friend, "What the image shows")
	r.click(sandbox.Friend, m.ID, "Describe")
	r.whisper(sandbox.Friend, "I am looking at an image for you already")
	r.alchemist()
	r.whisper(sandbox.Friend, "A horse *running* in snow.", "caption")
	r.closed()
	if p := r.latest(sandbox.Friend); p["forms"].(map[string]any)["of"] == nil {
		t.Errorf("the description is of nothing: %v", p["forms"])
	}
}

func TestWhatSomebodyKeepsOfOthersWorksElsewhere(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	m := r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), 1)
	r.closed()
	r.click(sandbox.Friend, m.ID, "Favourite")
	r.whisper(sandbox.Friend, "⭐ Kept")
	job := strings.TrimSuffix(m.Attachments[0].Filename, "-1.webp")
	r.runIn(sandbox.Friend, sandbox.AdultChannelID, "history show", map[string]any{"job": job})
	shown := r.see(sandbox.Friend, "the image", func(m sandbox.Message) bool { return m.Ephemeral && len(m.Attachments) == 1 })
	if got := labels(shown); slices.Contains(got, "Delete") {
		t.Errorf("another's image has the buttons %q", got)
	}
	out := r.click(sandbox.Friend, shown.ID, "Vary strongly")
	r.see(sandbox.Friend, "the variation", func(m sandbox.Message) bool { return m.ID == out.MessageID && len(m.Attachments) == 1 })
}

// What was promised too early, because the store is slow, is not left behind when the request is refused after all.
func TestARefusalAfterTheAcknowledgementLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil, hasty)
	r.worker(nil)
	m := r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), 1)
	r.closed()
	r.slow.Store(int64(2500 * time.Millisecond)) // each read
	r.run(sandbox.Admin, "remix", map[string]any{"prompt": "red apple", "link": "http://169.254.169.254/latest.png"})
	r.whisper(sandbox.Admin, "I cannot read the image")
	r.unsafe.Store(true)
	r.click(sandbox.Friend, m.ID, "Again")
	r.whisper(sandbox.Friend, "Something went wrong")
	r.unsafe.Store(false)
	for _, who := range []string{sandbox.Friend, sandbox.Admin} {
		for _, m := range r.sand.Messages(sandbox.ChannelID, who) {
			if strings.Contains(m.Content, "Taking down") {
				t.Errorf("%s sees %q", who, m.Content)
			}
		}
	}
}
