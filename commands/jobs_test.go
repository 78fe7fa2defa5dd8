// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"strconv"
	"strings"
	"testing"
	"time"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/sandbox"
)

// scribe writes what it is told to, always.
func (r *rig) scribe(text string) {
	r.t.Helper()
	owner := r.owner("d_997", "Scribe")
	r.beside(func(ctx context.Context) {
		for ctx.Err() == nil {
			job, err := r.p.engine.Pop(ctx, horde.Pop{Owner: owner.ID, Amount: 1, Type: horde.Scribe, Offer: horde.Offer{
				Name: "Quill", Models: []string{"koboldcpp/tiny"}, BridgeAgent: "KoboldCppEmbedWorker:2:test", Threads: 1, MaxLength: 4096, MaxContext: 1 << 16,
			}}, time.Second)
			if err != nil {
				if ctx.Err() == nil {
					r.t.Errorf("pop: %v", err)
				}
				return
			}
			for _, id := range job.Generations {
				_, err := engine.Do(ctx, r.p.engine, horde.Submit{Owner: owner.ID, Generation: id, Type: horde.Scribe, Text: text})
				if err != nil && ctx.Err() == nil {
					r.t.Errorf("submit: %v", err)
				}
			}
		}
	})
}

func TestJobsAreListedAndTakenBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.run(sandbox.Newcomer, "jobs list", nil)
	r.whisper(sandbox.Newcomer, "Nothing is being made for you")
	first, second := r.generate(sandbox.Newcomer, nil), r.generate(sandbox.Newcomer, map[string]any{"prompt": "green pear"})
	r.message(sandbox.Newcomer, first, "No worker")
	r.message(sandbox.Newcomer, second, "No worker")
	r.run(sandbox.Newcomer, "jobs list", nil)
	list := r.whisper(sandbox.Newcomer, "1. **red apple** [↗]", "2. **green pear**", "nobody can take it")
	r.run(sandbox.Friend, "jobs cancel-all", nil)
	r.whisper(sandbox.Friend, "Nothing is being made for you")

	choices := r.suggest(sandbox.Newcomer, "jobs cancel", "job", "pear")
	if len(choices) != 1 {
		t.Fatalf("suggested %+v", choices)
	}
	r.run(sandbox.Friend, "jobs cancel", map[string]any{"job": choices[0].Value})
	r.whisper(sandbox.Friend, "I do not find it")
	r.run(sandbox.Newcomer, "jobs cancel", map[string]any{"job": choices[0].Value})
	r.whisper(sandbox.Newcomer, "Cancelled: green pear")
	r.message(sandbox.Newcomer, second, "Cancelled by")

	r.click(sandbox.Newcomer, list.ID, "Cancel all")
	r.whisper(sandbox.Newcomer, "Really cancel the one that is left?")
	r.click(sandbox.Newcomer, list.ID, "Cancel all")
	r.message(sandbox.Newcomer, first, "Cancelled by")
}

func TestHistory(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.run(sandbox.Newcomer, "history list", nil)
	r.whisper(sandbox.Newcomer, "There is nothing here yet")
	r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), 1)
	pear := r.generate(sandbox.Newcomer, map[string]any{"prompt": "green pear"})
	r.result(sandbox.Newcomer, pear, 1)
	r.closed()
	r.click(sandbox.Newcomer, pear, "Favourite")
	r.whisper(sandbox.Newcomer, "⭐ Kept")
	r.jump(24 * time.Hour)
	r.run(sandbox.Newcomer, "history list", nil)
	list := r.whisper(sandbox.Newcomer, "1. ⭐ **green pear**", "2. **red apple**")
	if len(list.Pictures) != 2 || list.Pictures[1].Description != "AI image: red apple" || list.Pictures[1].Spoiler {
		t.Errorf("the pictures are %+v", list.Pictures)
	}
	r.run(sandbox.Newcomer, "history list", map[string]any{"favourites": true})
	only := r.see(sandbox.Newcomer, "the favourites", func(m sandbox.Message) bool {
		return m.ID > list.ID && holds(m, []string{"green pear"}) && !holds(m, []string{"red apple"})
	})
	choices := r.suggest(sandbox.Newcomer, "history show", "job", "apple")
	if len(choices) != 1 {
		t.Fatalf("suggested %+v", choices)
	}
	r.pick(sandbox.Newcomer, only.ID, only.Selects[0].CustomID, r.suggest(sandbox.Newcomer, "history show", "job", "pear")[0].Value.(string))
	r.see(sandbox.Newcomer, "the result", func(m sandbox.Message) bool {
		return m.Ephemeral && len(m.Attachments) == 1 && len(m.Buttons) > 5 && holds(m, []string{"green pear"})
	})
	r.run(sandbox.Friend, "history show", map[string]any{"job": choices[0].Value})
	r.whisper(sandbox.Friend, "I do not find it")
	out := r.run(sandbox.Newcomer, "history repost", map[string]any{"job": choices[0].Value})
	again := r.result(sandbox.Friend, out.MessageID, 1)
	vary := r.click(sandbox.Friend, again.ID, "Vary subtly") // its buttons work like those of the first
	r.result(sandbox.Friend, vary.MessageID, 1)

	r.run(sandbox.Newcomer, "history delete", map[string]any{"all": true})
	sure := r.whisper(sandbox.Newcomer, "It cannot be brought back")
	r.click(sandbox.Newcomer, sure.ID, "Delete everything")
	r.whisper(sandbox.Newcomer, "3 results deleted")
	r.run(sandbox.Newcomer, "history list", nil)
	r.see(sandbox.Newcomer, "nothing", func(m sandbox.Message) bool { return m.ID > sure.ID && holds(m, []string{"There is nothing here yet"}) })
	for _, m := range r.sand.Messages(sandbox.ChannelID, sandbox.Friend) {
		if m.ID == pear {
			t.Error("the message of a deleted result is still there")
		}
	}
}

func TestAHistoryHasPagesWithSmallPictures(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.picture = pngFile(t, 512, 256).Data
	r.worker(nil)
	r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, map[string]any{"spoiler": true}), 1)
	r.closed()
	rows, err := r.p.store.PastMessages(r.ctx(), sandbox.Newcomer, 1)
	if err != nil || len(rows) != 1 {
		t.Fatalf("%v, %v", rows, err)
	}
	row := rows[0]
	for i := range 11 { // older ones, with the same image
		row.Key, row.Message, row.Created = fmt.Sprintf("discord:%d", i+1), strconv.Itoa(i+1), rows[0].Created.Add(time.Duration(i-60)*time.Second)
		if err := r.p.store.SaveMessage(r.ctx(), row); err != nil {
			t.Fatal(err)
		}
	}
	id := r.run(sandbox.Newcomer, "history list", nil).MessageID
	list := r.message(sandbox.Newcomer, id, "1. **red apple**", "10. **red apple**", "Page 1 of 2")
	if len(list.Pictures) != 10 || len(list.Attachments) != 10 || !list.Pictures[9].Spoiler {
		t.Fatalf("it shows %d pictures and %d files: %+v", len(list.Pictures), len(list.Attachments), list.Pictures)
	}
	cfg, kind, err := image.DecodeConfig(bytes.NewReader(atDiscord(t, list.Attachments[0])))
	if err != nil || kind != "webp" || cfg.Width != 256 || cfg.Height != 128 {
		t.Errorf("a picture is %s of %d × %d, %v", kind, cfg.Width, cfg.Height, err)
	}
	r.click(sandbox.Newcomer, id, "Next")
	list = r.message(sandbox.Newcomer, id, "11. **red apple**", "12. **red apple**", "Page 2 of 2")
	if len(list.Pictures) != 2 || len(list.Attachments) != 2 {
		t.Errorf("the second page shows %+v", list.Pictures)
	}
	r.sand.Arm(sandbox.Fault{Kind: sandbox.Forbidden, Method: "PATCH"})
	r.click(sandbox.Newcomer, id, "Back")
	r.see(sandbox.Newcomer, "the first page without pictures", func(m sandbox.Message) bool {
		return m.ID == id && holds(m, []string{"10. **red apple**"}) && len(m.Attachments) == 0
	})
}

func TestALongHistoryIsDeletedWhole(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	save := func(i int, params string) {
		r.t.Helper()
		err := r.p.store.SaveMessage(r.ctx(), chat.Message{
			Key: fmt.Sprintf("i:%06d", i), Person: sandbox.Newcomer, Created: r.now().Add(time.Duration(i-1000) * time.Second), Params: []byte(params),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 250 {
		save(i, fmt.Sprintf(`{"prompt":"green pear %d"}`, i))
	}
	for i := range 210 { // what is deleted already is newer
		save(500+i, chat.Deleted)
	}
	r.run(sandbox.Newcomer, "history list", map[string]any{"page": 25})
	r.whisper(sandbox.Newcomer, "250. **green pear 0**")
	r.run(sandbox.Newcomer, "history delete", map[string]any{"all": true})
	sure := r.whisper(sandbox.Newcomer, "It cannot be brought back")
	r.click(sandbox.Newcomer, sure.ID, "Delete everything")
	r.whisper(sandbox.Newcomer, "250 results deleted")
	if rows, err := r.p.store.PastMessages(r.ctx(), sandbox.Newcomer, 10); err != nil || len(rows) != 0 {
		t.Errorf("there are still %d past messages, %v", len(rows), err)
	}
}

func TestATextIsWrittenAndGoesOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.scribe(" there was a *horse* @everyone.\nIt ran.")
	out := r.run(sandbox.Newcomer, "text", map[string]any{"prompt": "red apple once", "format": "instruct", "temperature": 0.5})
	m := r.message(sandbox.Friend, out.MessageID, `there was a \*horse\* \@everyone.`, "It ran.", "kudos", "koboldcpp/tiny")
	if got := strings.Join(labels(m), ", "); got != "Continue, Regenerate, Edit prompt, Info, Delete" {
		t.Errorf("the buttons are %s", got)
	}
	on := r.click(sandbox.Friend, m.ID, "Continue")
	m = r.message(sandbox.Newcomer, on.MessageID, "It ran. there was a")
	if p := r.latest(sandbox.Friend); p["text"].(map[string]any)["so_far"] == nil {
		t.Errorf("the second request is %v", p)
	}
	form := r.click(sandbox.Newcomer, m.ID, "Edit prompt")
	if form.Modal == nil || form.Modal.Inputs[0].Value != "red apple once" {
		t.Fatalf("the form is %+v", form.Modal)
	}
	next := r.fillIn(sandbox.Newcomer, form, map[string]string{"prompt": "red apple twice"})
	r.message(sandbox.Newcomer, next.MessageID, "red apple twice", "It ran.")
	r.run(sandbox.Newcomer, "text", map[string]any{"prompt": "red apple", "style": "nobody made this"})
	r.whisper(sandbox.Newcomer, "no style or collection of that name")
}

func TestALongTextIsAFileWithAPreview(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	long := strings.Repeat("A horse runs. ", 600) + "The end."
	r.scribe(long)
	out := r.run(sandbox.Newcomer, "text", map[string]any{"prompt": "red apple", "private": true})
	m := r.see(sandbox.Newcomer, "the text", func(m sandbox.Message) bool { return m.ID == out.MessageID && len(m.Attachments) == 1 })
	if string(m.Attachments[0].Data) != long || !strings.Contains(m.Embeds[0].Description, "The end.") {
		t.Errorf("attached %d bytes; shown %q", len(m.Attachments[0].Data), m.Embeds[0].Description)
	}
}

func TestAShorterTextStandsInAFrame(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.scribe(strings.Repeat("A horse runs. ", 200))
	out := r.run(sandbox.Newcomer, "text", map[string]any{"prompt": "red apple"})
	r.see(sandbox.Newcomer, "the text", func(m sandbox.Message) bool {
		return m.ID == out.MessageID && len(m.Embeds) == 1 && len(m.Attachments) == 0 && len(m.Embeds[0].Description) > 2000
	})
}
