// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"testing"

	"stablemate/commands"
	"stablemate/internal/sandbox"
)

// upload submits the form of images of a draft.
func (r *rig) upload(who, panel string, values map[string]string, files map[string][]sandbox.File) {
	r.t.Helper()
	form := r.click(who, panel, "Image")
	if form.Modal == nil {
		r.t.Fatalf("the button opened no form: %+v", form)
	}
	if _, err := r.sand.SubmitFiles(r.ctx(), who, form.InteractionID, values, files); err != nil {
		r.t.Fatalf("submit: %v", err)
	}
}

func TestImagesAreUploadedInThePanel(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.run(sandbox.Newcomer, "advanced", map[string]any{"prompt": "red apple", "review": true})
	panel := r.whisper(sandbox.Newcomer, "red apple")
	r.upload(sandbox.Newcomer, panel.ID, map[string]string{"control": "canny"}, map[string][]sandbox.File{"image": {pngFile(t, 600, 300)}})
	r.message(sandbox.Newcomer, panel.ID, "begins with an image, 60 % change · img2img · canny", "--size 384x192")
	r.fillIn(sandbox.Newcomer, r.click(sandbox.Newcomer, panel.ID, "Numbers"), map[string]string{"strength": "40"})
	r.message(sandbox.Newcomer, panel.ID, "40 % change")
	r.upload(sandbox.Newcomer, panel.ID, map[string]string{"control": "none"}, map[string][]sandbox.File{
		"mask": {pngFile(t, 600, 300)}, "extra": {pngFile(t, 64, 64)},
	})
	r.message(sandbox.Newcomer, panel.ID, "40 % change · inpainting · Mask · +1")
	r.click(sandbox.Newcomer, panel.ID, "Estimate")
	r.message(sandbox.Newcomer, panel.ID, "Further images go with the mode remix only")
	r.upload(sandbox.Newcomer, panel.ID, map[string]string{"mode": "remix"}, nil)
	r.message(sandbox.Newcomer, panel.ID, "40 % change · remix")
	r.click(sandbox.Newcomer, panel.ID, "Estimate")
	r.message(sandbox.Newcomer, panel.ID, "The mode remix needs a Stable Cascade model")
	r.upload(sandbox.Newcomer, panel.ID, nil, map[string][]sandbox.File{"image": {{Name: "notes.png", ContentType: "image/png", Data: []byte("no image")}}})
	r.whisper(sandbox.Newcomer, "no image that I can read")
	r.upload(sandbox.Newcomer, panel.ID, map[string]string{"mode": "none"}, nil)
	r.see(sandbox.Newcomer, "the panel without an image", func(m sandbox.Message) bool { return m.ID == panel.ID && !holds(m, []string{"change"}) })
	out := r.click(sandbox.Newcomer, panel.ID, "Generate")
	r.result(sandbox.Newcomer, out.MessageID, 1)
	if p := r.latest(sandbox.Newcomer); p["source"] != nil || p["mask"] != nil {
		t.Errorf("the request is %v", p)
	}
}

func TestTheUploadedImageIsUsed(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.run(sandbox.Newcomer, "advanced", map[string]any{"prompt": "red apple", "review": true})
	panel := r.whisper(sandbox.Newcomer, "red apple")
	r.upload(sandbox.Newcomer, panel.ID, nil, map[string][]sandbox.File{"image": {pngFile(t, 256, 256)}})
	r.message(sandbox.Newcomer, panel.ID, "begins with an image")
	out := r.click(sandbox.Newcomer, panel.ID, "Generate")
	r.result(sandbox.Newcomer, out.MessageID, 2)
	if p := r.latest(sandbox.Newcomer); p["source"] == nil || p["strength"] != 0.6 {
		t.Errorf("the request is %v", p)
	}
}

func TestNoImagesAreUploadedWhereNoneMayBeUsed(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *commands.Options) { o.Ceiling.NoSources = true })
	r.run(sandbox.Newcomer, "advanced", map[string]any{"prompt": "red apple", "review": true})
	panel := r.whisper(sandbox.Newcomer, "red apple")
	r.click(sandbox.Newcomer, panel.ID, "Image")
	r.whisper(sandbox.Newcomer, "Images may not be made from other images here")
}
