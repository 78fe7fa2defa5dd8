// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
	"stablemate/internal/sandbox"
)

// labels lists the buttons of a message.
func labels(m sandbox.Message) []string {
	var out []string
	for _, b := range m.Buttons {
		out = append(out, b.Label)
	}
	return out
}

// picture is a file to attach.
func pngFile(t *testing.T, w, h int) sandbox.File {
	t.Helper()
	var buf bytes.Buffer
	if err := png.Encode(&buf, image.NewNRGBA(image.Rect(0, 0, w, h))); err != nil {
		t.Fatal(err)
	}
	return sandbox.File{Name: "photo.png", ContentType: "image/png", Data: buf.Bytes()}
}

// latest reads the newest request of a person.
func (r *rig) latest(who string) map[string]any {
	r.t.Helper()
	rows, err := r.p.store.MessagesOfPerson(r.ctx(), who, 1)
	if err != nil || len(rows) != 1 {
		r.t.Fatalf("rows of %s: %v %v", who, rows, err)
	}
	var p map[string]any
	if err := json.Unmarshal(rows[0].Params, &p); err != nil {
		r.t.Fatal(err)
	}
	return p
}

// closed waits until nothing is followed any more.
func (r *rig) closed() {
	r.t.Helper()
	r.eventually("the rows are closed", func() bool {
		rows, err := r.p.store.OpenMessages(r.ctx())
		return err == nil && len(rows) == 0
	})
}

// crucible asks for forms.
func crucible(owner horde.User) horde.PopForms {
	return horde.PopForms{Pop: horde.Pop{Owner: owner.ID, Amount: 10, Offer: horde.Offer{
		Name: "Crucible", Forms: horde.AllForms(), MaxTiles: horde.MaxFormTiles, BridgeAgent: horde.PoolAgent + ":1:test", Threads: 1,
	}}}
}

// seenAlchemist is one that is known, and does nothing.
func (r *rig) seenAlchemist() {
	r.t.Helper()
	if _, err := engine.Do(r.ctx(), r.p.engine, crucible(r.owner("d_998", "Alchemist"))); err != nil {
		r.t.Fatal(err)
	}
}

// alchemist fills in forms: a caption in words, everything else as an image.
func (r *rig) alchemist() {
	r.t.Helper()
	owner := r.owner("d_998", "Alchemist")
	r.beside(func(ctx context.Context) {
		for ctx.Err() == nil {
			job, err := r.p.engine.PopForms(ctx, crucible(owner), time.Second)
			if err != nil {
				if ctx.Err() == nil {
					r.t.Errorf("pop forms: %v", err)
				}
				return
			}
			for _, f := range job.Forms {
				if _, err := r.images.Read(ctx, f.Source, 1<<20); err != nil {
					r.t.Errorf("the source of a form: %v", err)
				}
				done := horde.SubmitForm{Owner: owner.ID, Form: f.ID}
				switch {
				case f.Name == "caption":
					done.Result = json.RawMessage(`{"caption": "an image of a horse *running* in snow"}`)
				case horde.PostForm(f.Name):
					done.Blob, done.Result = f.ID.String()+".webp", json.RawMessage(`{"`+f.Name+`": "R2"}`)
					if err := r.images.PutBytes(ctx, done.Blob, webp()); err != nil && ctx.Err() == nil {
						r.t.Errorf("store image: %v", err)
					}
				default:
					done.Result = json.RawMessage(`{"` + f.Name + `": {"tags": [{"text": "horse", "confidence": 0.9}]}}`)
				}
				if _, err := engine.Do(ctx, r.p.engine, done); err != nil && ctx.Err() == nil {
					r.t.Errorf("submit form: %v", err)
				}
			}
		}
	})
}

func TestAResultHasItsButtons(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	more := []string{"Again", "Remix", "Info", "Favourite", "Delete", "Describe", "Send to DM", "Gift"}
	m := r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), 1)
	if got, want := labels(m), append([]string{"Upscale", "Vary subtly", "Vary strongly"}, more...); !slices.Equal(got, want) {
		t.Errorf("one image has the buttons %q, want %q", got, want)
	}
	m = r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, map[string]any{"amount": 3}), 3)
	if got, want := labels(m), append([]string{"U1", "U2", "U3", "V1", "V2", "V3"}, more...); !slices.Equal(got, want) {
		t.Errorf("three images have the buttons %q, want %q", got, want)
	}
	r.click(sandbox.Newcomer, m.ID, "Info")
	info := r.see(sandbox.Newcomer, "the details", func(m sandbox.Message) bool { return m.Ephemeral && len(m.Attachments) == 1 })
	if !strings.HasSuffix(info.Attachments[0].Filename, ".json") || !json.Valid(info.Attachments[0].Data) {
		t.Errorf("info shows %+v", info.Attachments)
	}
	if bytes.Contains(info.Attachments[0].Data, []byte(sandbox.Newcomer)) {
		t.Errorf("the file names its person: %s", info.Attachments[0].Data)
	}
}

func TestVariationsBeginWithTheStoredImageAndArePaidByWhoPresses(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	m := r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), 1)
	before := r.user(sandbox.Newcomer).Balance
	r.closed()
	r.jump(24 * time.Hour) // the core has forgotten the request by now
	out := r.click(sandbox.Friend, m.ID, "Vary strongly")
	link := "[from this](https://discord.com/channels/" + sandbox.GuildID + "/" + sandbox.ChannelID + "/" + m.ID + ")"
	if v := r.result(sandbox.Friend, out.MessageID, 1); !strings.Contains(v.Content, link) || strings.Contains(m.Content, "from this") {
		t.Errorf("the variation says %q, want %s", v.Content, link)
	}
	if after := r.user(sandbox.Newcomer).Balance; after != before {
		t.Errorf("the one who did not press has %s, had %s", after, before)
	}
	p := r.latest(sandbox.Friend)
	if p["strength"] != 0.65 || p["source"] == nil || p["prompt"] != "red apple" {
		t.Errorf("the variation is %v", p)
	}
	if _, err := r.images.Read(r.ctx(), p["source"].(string), 1<<20); err != nil {
		t.Errorf("the source image: %v", err)
	}

	m = r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, map[string]any{"amount": 2}), 2)
	r.click(sandbox.Newcomer, m.ID, "V2")
	how := r.whisper(sandbox.Newcomer, "How much should image 2 change?")
	out = r.click(sandbox.Newcomer, how.ID, "Vary subtly")
	r.result(sandbox.Newcomer, out.MessageID, 1)
	if p := r.latest(sandbox.Newcomer); p["strength"] != 0.35 {
		t.Errorf("the variation is %v", p)
	}
}

func TestRemixIsAFormWithEverythingFilledIn(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	m := r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, map[string]any{"steps": 12}), 1)
	form := r.click(sandbox.Friend, m.ID, "Remix")
	if form.Modal == nil || len(form.Modal.Inputs) != 4 || form.Modal.Inputs[0].Value != "red apple" || !strings.Contains(form.Modal.Inputs[3].Value, "--steps 12") {
		t.Fatalf("the form is %+v", form.Modal)
	}
	out := r.fillIn(sandbox.Friend, form, map[string]string{
		"prompt": "red apple --ar 3:2", "strength": "40 %", "params": form.Modal.Inputs[3].Value + " --steps 9",
	})
	r.result(sandbox.Friend, out.MessageID, 1)
	p := r.latest(sandbox.Friend)
	if p["strength"] != 0.4 || p["steps"] != 9.0 || p["width"] != 320.0 || p["height"] != 192.0 {
		t.Errorf("the remix is %v", p)
	}
	form = r.click(sandbox.Friend, m.ID, "Remix")
	out = r.fillIn(sandbox.Friend, form, map[string]string{"prompt": "red apple", "strength": "", "params": ""})
	r.result(sandbox.Friend, out.MessageID, 1)
	if p := r.latest(sandbox.Friend); p["source"] != nil {
		t.Errorf("a remix by words alone is %v", p)
	}
}

func TestUpscaleAndDescribeAskAlchemists(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.alchemist()
	m := r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), 1)
	r.click(sandbox.Friend, m.ID, "Upscale")
	how := r.whisper(sandbox.Friend, "What should be done with image 1?")
	out := r.pick(sandbox.Friend, how.ID, how.Selects[0].CustomID, "RealESRGAN_x2plus")
	r.see(sandbox.Newcomer, "the larger image", func(m sandbox.Message) bool {
		return m.ID == out.MessageID && len(m.Attachments) == 1 && holds(m, []string{"Upscale · RealESRGAN\\_x2plus"})
	})

	r.click(sandbox.Friend, m.ID, "Describe")
	said := r.whisper(sandbox.Friend, "A horse *running* in snow.")
	if got := labels(said); !slices.Contains(got, "Publish") {
		t.Errorf("a description has the buttons %q", got)
	}
	r.click(sandbox.Friend, said.ID, "Publish")
	r.see(sandbox.Newcomer, "the description", func(m sandbox.Message) bool {
		return !m.Ephemeral && holds(m, []string{"A horse *running* in snow."})
	})
	form := r.click(sandbox.Friend, said.ID, "Use as prompt")
	if form.Modal == nil || !strings.Contains(form.Modal.Inputs[0].Value, "a horse *running* in snow") {
		t.Fatalf("the form is %+v", form.Modal)
	}
	out = r.fillIn(sandbox.Friend, form, nil)
	r.result(sandbox.Friend, out.MessageID, 1)
}

func TestASourceImageGivesItsShape(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	id := r.generate(sandbox.Newcomer, map[string]any{"image": pngFile(t, 600, 300), "strength": 30})
	m := r.result(sandbox.Newcomer, id, 2)
	if last := m.Attachments[1]; !strings.HasSuffix(last.Filename, "-source.webp") || last.Description != "The image it was made from" {
		t.Errorf("the last file is %+v", last)
	}
	p := r.latest(sandbox.Newcomer)
	if p["strength"] != 0.3 || p["width"] != 384.0 || p["height"] != 192.0 {
		t.Errorf("the request is %v", p)
	}
	data, err := r.images.Read(r.ctx(), p["source"].(string), 1<<20)
	if err != nil || !bytes.HasPrefix(data, []byte("RIFF")) {
		t.Errorf("the source image is kept as %.8q, %v", data, err)
	}
	r.run(sandbox.Newcomer, "generate", map[string]any{
		"prompt": "red apple", "image": sandbox.File{Name: "a.png", ContentType: "image/png", Data: []byte("no image at all")},
	})
	r.whisper(sandbox.Newcomer, "no image that I can read")
	r.run(sandbox.Newcomer, "generate", map[string]any{
		"prompt": "red apple", "image": sandbox.File{Name: "a.txt", ContentType: "text/plain", Data: []byte("hello")},
	})
	r.whisper(sandbox.Newcomer, "The file is no image")
}

func TestFlagsInThePrompt(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	id := r.generate(sandbox.Newcomer, map[string]any{"prompt": "red apple --ar 2:1 --no worms, rot --seed 7 —model TINY --unknown x"})
	r.message(sandbox.Newcomer, id, "red apple") // what is not known stays in the value before it
	p := r.latest(sandbox.Newcomer)
	if p["prompt"] != "red apple" || p["negative"] != "worms, rot" || p["seed"] != "7" || p["width"] != 384.0 {
		t.Errorf("the request is %v", p)
	}
	r.run(sandbox.Newcomer, "generate", map[string]any{"prompt": "red apple --ar x"})
	r.whisper(sandbox.Newcomer, `I cannot read "x" behind --ar`)
}

func TestAStyleDressesThePrompt(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	owner, err := engine.Do(r.ctx(), r.p.engine, horde.CreateUser{
		External: "d_77", Name: "Stylist", Key: hashKey("stylist"), Roles: horde.RoleTrusted | horde.RoleCustomizer, Welcome: 100 * kudos.One,
	})
	if err != nil {
		t.Fatal(err)
	}
	steps := 11
	_, err = engine.Do(r.ctx(), r.p.engine, horde.CreateStyle{By: owner.ID, StyleDraft: horde.StyleDraft{
		Kind: horde.StyleImage, Name: "inked", Prompt: "{p} in ink ### {np}", Image: &horde.ImageStyle{Steps: steps}, Models: []string{model}, Public: true,
	}})
	if err != nil {
		t.Fatal(err)
	}
	list := r.suggest(sandbox.Newcomer, "generate", "style", "ink")
	if len(list) != 1 {
		t.Fatalf("suggested %+v", list)
	}
	id := r.generate(sandbox.Newcomer, map[string]any{"style": list[0].Value})
	r.result(sandbox.Newcomer, id, 1)
	if p := r.latest(sandbox.Newcomer); p["steps"] != 11.0 {
		t.Errorf("the request is %v", p)
	}
	r.run(sandbox.Newcomer, "generate", map[string]any{"prompt": "red apple", "style": "nobody made this"})
	r.whisper(sandbox.Newcomer, "no style or collection of that name")
}

func TestDeleteRemovesTheFilesToo(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	id := r.generate(sandbox.Newcomer, map[string]any{"spoiler": true})
	m := r.result(sandbox.Newcomer, id, 1)
	if !strings.HasPrefix(m.Attachments[0].Filename, "SPOILER_") {
		t.Errorf("a spoiler is called %s", m.Attachments[0].Filename)
	}
	r.closed()
	blob := r.latest(sandbox.Newcomer)["made"].([]any)[0].(map[string]any)["blob"].(string)
	r.click(sandbox.Friend, id, "Send to DM")
	r.see(sandbox.Friend, "the files", func(m sandbox.Message) bool {
		return m.ChannelID == sandbox.DMChannel(sandbox.Friend) && len(m.Attachments) == 1
	})
	r.click(sandbox.Friend, id, "Delete")
	r.whisper(sandbox.Friend, "Only the person who asked")
	r.click(sandbox.Newcomer, id, "Delete")
	r.eventually("the image is gone", func() bool {
		_, err := r.images.Read(r.ctx(), blob, 1<<20)
		return err != nil
	})
	r.eventually("the words are gone", func() bool { return r.latest(sandbox.Newcomer)["prompt"] == "" })
}

func TestAResultStaysUsefulWhenTheHordeForgotItsImages(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	m := r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, nil), 1)
	r.click(sandbox.Newcomer, m.ID, "Favourite")
	r.whisper(sandbox.Newcomer, "/history list")
	r.closed() // by then its image is kept
	kept, err := filepath.Glob(filepath.Join(r.dir, "album", "*", "*.webp"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("the album has %q, %v, want the image", kept, err)
	}
	forgotten := func() {
		if _, err := r.images.Sweep(r.ctx(), time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	forgotten()
	r.click(sandbox.Newcomer, m.ID, "Vary strongly")
	r.see(sandbox.Newcomer, "a variation", func(v sandbox.Message) bool { return v.ID != m.ID && len(v.Attachments) > 0 })

	// A favourite is kept for another while before the album lets go of it.
	before := time.Now()
	r.jump(8 * 24 * time.Hour)
	r.eventually("a favourite kept anew", func() bool {
		info, err := os.Stat(kept[0])
		return err == nil && info.ModTime().After(before)
	})
	if _, err := r.album.Sweep(r.ctx(), before); err != nil {
		t.Fatal(err)
	}
	forgotten()
	jobs := r.suggest(sandbox.Newcomer, "history show", "job", "")
	r.run(sandbox.Newcomer, "history show", map[string]any{"job": jobs[len(jobs)-1].Value})
	r.see(sandbox.Newcomer, "the favourite", func(v sandbox.Message) bool { return v.Ephemeral && len(v.Attachments) == 1 })
}
