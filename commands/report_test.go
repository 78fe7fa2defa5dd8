// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"strings"
	"testing"

	"stablemate/internal/sandbox"
)

func TestReportsReachTheServerAndTheHordesModerators(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.run(sandbox.Admin, "serverconfig log", map[string]any{"channel": sandbox.AdultChannelID}) // of the operators
	r.runIn(sandbox.Admin, sandbox.OtherChannelID, "serverconfig log", map[string]any{"channel": sandbox.OtherChannelID})
	out := r.runIn(sandbox.Newcomer, sandbox.OtherChannelID, "generate", map[string]any{"prompt": "red apple"})
	r.result(sandbox.Newcomer, out.MessageID, 1)
	r.closed()
	r.fillIn(sandbox.Admin, r.menu(sandbox.Admin, out.MessageID, "Report image"), map[string]string{"reason": "not *nice*"})
	r.see(sandbox.Newcomer, "the server's log", func(m sandbox.Message) bool {
		return m.ChannelID == sandbox.OtherChannelID && holds(m, []string{"<@" + sandbox.Admin + ">", `not \*nice\*`})
	})
	m := r.see(sandbox.Friend, "the operators' log", func(m sandbox.Message) bool {
		return m.ChannelID == sandbox.AdultChannelID && holds(m, []string{"reported in another server", `not \*nice\*`, out.MessageID})
	})
	if strings.Contains(m.Content, sandbox.Admin) || !strings.Contains(m.Content, "fd") {
		t.Errorf("the moderators read %q", m.Content)
	}
}

func TestDetailsOfOneOfSeveralImages(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.alchemist()
	// Two images that no request of ours made, as far as anybody can tell.
	text, err := r.sand.PostFiles(sandbox.Friend, sandbox.ChannelID, "look", pngFile(t, 64, 32), pngFile(t, 96, 48))
	if err != nil {
		t.Fatal(err)
	}
	r.menu(sandbox.Newcomer, text.ID, "Image details")
	which := r.whisper(sandbox.Newcomer, "Which image?")
	r.pick(sandbox.Newcomer, which.ID, which.Selects[0].CustomID, "1")
	r.whisper(sandbox.Newcomer, "96×48", "does not say how it was made")
	r.menu(sandbox.Newcomer, text.ID, "Upscale image")
	r.see(sandbox.Newcomer, "the question", func(m sandbox.Message) bool {
		return m.Ephemeral && m.ID > which.ID && holds(m, []string{"Which image?"})
	})
}
