// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"strings"
	"testing"
	"time"

	"stablemate/commands"
	"stablemate/internal/sandbox"
)

func TestAMessageThatOnlyItsTokenReachesIsLeftWithAButton(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	if err := r.sand.Leave(sandbox.OtherGuildID, sandbox.BotID); err != nil {
		t.Fatal(err)
	}
	out := r.runIn(sandbox.Newcomer, sandbox.OtherChannelID, "generate", map[string]any{"prompt": "red apple"})
	r.message(sandbox.Newcomer, out.MessageID, "No worker is online")
	r.jump(13*time.Minute + 31*time.Second)
	m := r.message(sandbox.Newcomer, out.MessageID, "Noch in Arbeit")
	if m.Ephemeral || len(m.Buttons) != 1 {
		t.Fatalf("the message is %+v", m)
	}
	r.worker(nil)
	r.see(sandbox.Newcomer, "that it is done", func(m sandbox.Message) bool {
		return m.ChannelID == sandbox.DMChannel(sandbox.Newcomer) && holds(m, []string{"red apple"})
	})
	r.closed()
	r.click(sandbox.Newcomer, m.ID, m.Buttons[0].Label)
	r.see(sandbox.Newcomer, "the image", func(m sandbox.Message) bool { return m.Ephemeral && len(m.Attachments) == 1 })
}

func TestWhoWantsToHearNothingOfLongWaitsHearsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.run(sandbox.Newcomer, "settings notifications", map[string]any{"done": false})
	id := r.generate(sandbox.Newcomer, map[string]any{"private": true})
	r.message(sandbox.Newcomer, id, "No worker is online")
	r.jump(13*time.Minute + 31*time.Second)
	r.message(sandbox.Newcomer, id, "press the button to see the result")
	r.worker(nil)
	r.closed()
	if list := r.sand.Messages(sandbox.DMChannel(sandbox.Newcomer), sandbox.Newcomer); len(list) > 0 {
		t.Errorf("was told %+v", list)
	}
}

func TestEachRequestHasItsOwnSourceImage(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	id := r.generate(sandbox.Newcomer, map[string]any{"image": pngFile(t, 256, 256)})
	r.result(sandbox.Newcomer, id, 2)
	first, _ := r.latest(sandbox.Newcomer)["source"].(string)
	out := r.click(sandbox.Friend, id, "Again")
	r.result(sandbox.Friend, out.MessageID, 2)
	second, _ := r.latest(sandbox.Friend)["source"].(string)
	if first == "" || second == "" || first == second {
		t.Fatalf("the sources are %q and %q", first, second)
	}
	r.closed()
	r.click(sandbox.Newcomer, id, "Delete")
	r.eventually("the source is gone", func() bool {
		_, err := r.images.Read(r.ctx(), first, 1<<20)
		return err != nil
	})
	out = r.click(sandbox.Friend, out.MessageID, "Again")
	r.result(sandbox.Friend, out.MessageID, 2)
}

func TestImagesForAdultsGoToAdultsAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *commands.Options) { o.Ceiling.Adult = true })
	r.worker(nil).adult.Store(true)
	out := r.runIn(sandbox.Newcomer, sandbox.AdultChannelID, "generate", map[string]any{"prompt": "red apple"})
	r.result(sandbox.Newcomer, out.MessageID, 1)
	if r.latest(sandbox.Newcomer)["adult"] != true {
		t.Fatal("the channel is not for adults")
	}
	r.click(sandbox.Friend, out.MessageID, "Send to DM")
	r.whisper(sandbox.Friend, "This image is for adults")
}

// A result whose message cannot be changed any more comes as a direct message, where other rules hold for adults.
func TestAResultForAdultsComesDirectlyToAdultsAlone(t *testing.T) {
	t.Parallel()
	for name, confirmed := range map[string]bool{"who said so": true, "who did not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(o *commands.Options) { o.Ceiling.Adult = true })
			if confirmed {
				panel := r.run(sandbox.Newcomer, "settings panel", nil).MessageID
				r.click(sandbox.Newcomer, panel, "I am of age (18 or older)")
				r.message(sandbox.Newcomer, panel, "I am of age (18 or older): Yes")
			}
			gate := make(chan struct{})
			r.worker(gate).adult.Store(true)
			id := r.runIn(sandbox.Newcomer, sandbox.AdultChannelID, "generate", map[string]any{"prompt": "red apple"}).MessageID
			r.message(sandbox.Newcomer, id, "Being made")
			r.sand.Arm(sandbox.Fault{Kind: sandbox.Forbidden, Method: "PATCH", Times: -1})
			close(gate)
			m := r.see(sandbox.Newcomer, "a direct message", func(m sandbox.Message) bool { return m.ChannelID == sandbox.DMChannel(sandbox.Newcomer) })
			if !confirmed {
				if len(m.Attachments) > 0 || !holds(m, []string{"for adults", "</settings panel:", "</history list:"}) || holds(m, []string{"apple"}) {
					t.Errorf("somebody whose age nobody knows gets %+v", m)
				}
				return
			}
			if len(m.Attachments) != 1 || !strings.HasPrefix(m.Attachments[0].Filename, "SPOILER_") {
				t.Errorf("an adult gets %+v", m)
			}
		})
	}
}
