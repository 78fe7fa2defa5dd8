// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"testing"
	"time"

	"stablemate/commands/chat"
	"stablemate/internal/sandbox"
)

const horse = "A horse *running* in snow."

// described waits until all images of a message have a description.
func (r *rig) described(who, id string, images int, text string) sandbox.Message {
	r.t.Helper()
	return r.see(who, "the images described as "+text, func(m sandbox.Message) bool {
		if m.ID != id || len(m.Attachments) != images {
			return false
		}
		for _, a := range m.Attachments {
			if a.Description != text {
				return false
			}
		}
		return true
	})
}

// undescribing waits until nothing is being described any more.
func (r *rig) undescribing(who string) {
	r.t.Helper()
	r.eventually("nothing is being described", func() bool {
		docs, err := r.p.store.DocsOfPerson(r.ctx(), chat.KindCaptions, who)
		return err == nil && len(docs) == 0
	})
}

func TestImagesGetTheirDescriptionFromAnAlchemistWhenTheirPersonWantsThat(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.alchemist()
	r.eventually("the alchemist is known", func() bool { return r.p.engine.Performance().Alchemists > 0 })
	panel := r.run(sandbox.Newcomer, "settings panel", nil).MessageID
	r.pick(sandbox.Newcomer, panel, "Alt text", "caption")
	r.message(sandbox.Newcomer, panel, "Alt text: description")
	id := r.generate(sandbox.Newcomer, map[string]any{"amount": 3})
	m := r.described(sandbox.Friend, id, 3, horse)
	if !holds(m, []string{"red apple"}) || len(m.Buttons) != 14 {
		t.Errorf("the message says %q with %q", m.Content, labels(m))
	}
	r.undescribing(sandbox.Newcomer)
	if n := r.user(sandbox.Newcomer).Alchemy.Requests; n != 3 {
		t.Errorf("alchemists were asked %d times about 3 images", n)
	}
	// What is known stays known where the image is shown again.
	r.click(sandbox.Newcomer, id, "Send to DM")
	r.see(sandbox.Newcomer, "the images in a direct message", func(m sandbox.Message) bool {
		return m.ChannelID == sandbox.DMChannel(sandbox.Newcomer) && len(m.Attachments) == 3 && m.Attachments[2].Description == horse
	})
	// Others do not pay for it.
	id = r.generate(sandbox.Friend, nil)
	r.result(sandbox.Friend, id, 1)
	r.closed()
	r.undescribing(sandbox.Friend)
	if n := r.user(sandbox.Friend).Alchemy.Requests; n != 0 {
		t.Errorf("alchemists were asked %d times for somebody who does not want it", n)
	}
	r.described(sandbox.Friend, id, 1, "AI image: red apple")
}

func TestDescriptionsComeAfterARestart(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]map[string]any{
		"of a message that everybody sees": {}, "of a private one, by the interaction's token": {"private": true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.worker(nil)
			r.pick(sandbox.Newcomer, r.run(sandbox.Newcomer, "settings panel", nil).MessageID, "Alt text", "caption")
			r.seenAlchemist()
			id := r.generate(sandbox.Newcomer, options)
			r.result(sandbox.Newcomer, id, 1)
			r.eventually("an alchemist is waited for", func() bool { return r.p.engine.Performance().QueuedForms > 0 })
			r.restart(time.Minute)
			r.alchemist()
			r.described(sandbox.Newcomer, id, 1, horse)
			r.undescribing(sandbox.Newcomer)
			if n := r.user(sandbox.Newcomer).Alchemy.Requests; n != 1 {
				t.Errorf("alchemists were asked %d times about one image", n)
			}
		})
	}
}

func TestWhatAnErasedRequestShowsIsToldToItsMessageAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.alchemist()
	r.eventually("the alchemist is known", func() bool { return r.p.engine.Performance().Alchemists > 0 })
	r.keepPrompts(sandbox.Newcomer, "none", "are kept: **not at all")
	r.pick(sandbox.Newcomer, r.run(sandbox.Newcomer, "settings panel", nil).MessageID, "Alt text", "caption")
	id := r.generate(sandbox.Newcomer, map[string]any{"amount": 2})
	r.described(sandbox.Newcomer, id, 2, horse)
	r.undescribing(sandbox.Newcomer)
	if with, all := r.prompts(sandbox.Newcomer, "running"); with != 0 || all == 0 {
		t.Errorf("%d of %d requests say what their images show", with, all)
	}
}

func TestNothingIsDescribedWithoutAnAlchemistOrAfterItWasDeleted(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.pick(sandbox.Newcomer, r.run(sandbox.Newcomer, "settings panel", nil).MessageID, "Alt text", "caption")
	id := r.generate(sandbox.Newcomer, nil)
	r.result(sandbox.Newcomer, id, 1)
	r.closed()
	r.undescribing(sandbox.Newcomer)
	r.seenAlchemist()
	id = r.generate(sandbox.Newcomer, nil)
	r.result(sandbox.Newcomer, id, 1)
	r.eventually("an alchemist is waited for", func() bool { return r.p.engine.Performance().QueuedForms > 0 })
	r.click(sandbox.Newcomer, id, "Delete")
	r.jump(time.Minute)
	r.undescribing(sandbox.Newcomer)
	if n := r.user(sandbox.Newcomer).Alchemy.Requests; n != 1 {
		t.Errorf("alchemists were asked %d times", n)
	}
}
