// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"testing"

	"stablemate/internal/sandbox"
)

func TestARefusedRequestIsCorrectedByAButton(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.run(sandbox.Newcomer, "generate", map[string]any{"prompt": "red apple", "size": "300x260"})
	m := r.whisper(sandbox.Newcomer, "This size does not work")
	out := r.click(sandbox.Newcomer, m.ID, "Make it with 320×256")
	r.result(sandbox.Newcomer, out.MessageID, 1)
	if p := r.latest(sandbox.Newcomer); p["width"] != 320.0 || p["height"] != 256.0 || p["prompt"] != "red apple" {
		t.Errorf("the request is %v", p)
	}
	r.click(sandbox.Newcomer, m.ID, "Make it with 320×256") // once more
	r.whisper(sandbox.Newcomer, "This button is from an older message")

	// What the guild allows counts as well.
	form := r.click(sandbox.Admin, r.run(sandbox.Admin, "serverconfig panel", nil).MessageID, "Change the numbers")
	r.fillIn(sandbox.Admin, form, map[string]string{"steps": "10", "size": "256"})
	r.run(sandbox.Newcomer, "generate", map[string]any{"prompt": "red apple", "size": "512x512", "steps": 12})
	m = r.whisper(sandbox.Newcomer, "256×256")
	out = r.click(sandbox.Newcomer, m.ID, "Make it with 256×256 · 10 steps")
	r.result(sandbox.Newcomer, out.MessageID, 1)
}

func TestThePanelOpensAtWhatWasRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)

	// A form opens where the panel has one, and the refusal becomes the panel.
	r.run(sandbox.Newcomer, "advanced", map[string]any{"prompt": "red apple", "cfg": 4.123, "steps": 9})
	m := r.whisper(sandbox.Newcomer, "at most two decimals")
	r.fillIn(sandbox.Newcomer, r.click(sandbox.Newcomer, m.ID, "Change it in the panel"), map[string]string{"cfg": "4.1", "steps": "9"})
	r.message(sandbox.Newcomer, m.ID, "Your draft", "--cfg 4.1")
	r.result(sandbox.Newcomer, r.click(sandbox.Newcomer, m.ID, "Generate").MessageID, 1)

	// Switches have a page of their own.
	r.run(sandbox.Newcomer, "advanced", map[string]any{"prompt": "red apple", "post": "RealESRGAN_x4plus, RealESRGAN_x2plus"})
	m = r.whisper(sandbox.Newcomer, "Only one upscaler")
	r.click(sandbox.Newcomer, m.ID, "Change it in the panel")
	r.message(sandbox.Newcomer, m.ID, "Choose what is on")
	r.pick(sandbox.Newcomer, m.ID, "Post-processing", "RealESRGAN_x2plus")

	// A select comes first.
	r.run(sandbox.Newcomer, "advanced", map[string]any{"prompt": "red apple", "width": 300})
	m = r.whisper(sandbox.Newcomer, "This size does not work")
	r.click(sandbox.Newcomer, m.ID, "Change it in the panel")
	m = r.message(sandbox.Newcomer, m.ID, "Here is your request")
	if m.Selects[0].Label != "Size" {
		t.Errorf("the first select is %+v", m.Selects[0])
	}

	// An image that was attached comes along, even though it was not kept yet.
	r.run(sandbox.Newcomer, "advanced", map[string]any{"prompt": "red apple", "image": pngFile(t, 256, 256), "mode": "remix"})
	m = r.whisper(sandbox.Newcomer, "The mode remix needs")
	r.click(sandbox.Newcomer, m.ID, "Change it in the panel")
	m = r.message(sandbox.Newcomer, m.ID, "Here is your request", "begins with an image")
	form := r.click(sandbox.Newcomer, m.ID, "Image")
	r.fillIn(sandbox.Newcomer, form, map[string]string{"mode": "img2img"})
	r.message(sandbox.Newcomer, m.ID, "img2img")
	out := r.click(sandbox.Newcomer, m.ID, "Generate")
	r.message(sandbox.Newcomer, out.MessageID, "red apple")

	// Somebody else has nothing to correct.
	if out, err := r.sand.Click(r.ctx(), sandbox.Friend, m.ID, "Generate"); err == nil {
		t.Errorf("somebody else pressed: %+v", out)
	}
}

func TestEmbeddingsAreEditedBesideLoras(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.run(sandbox.Newcomer, "advanced", map[string]any{"prompt": "red apple", "embeddings": "7808:0.5", "review": true})
	m := r.whisper(sandbox.Newcomer, "7808:0.5")
	r.fillIn(sandbox.Newcomer, r.click(sandbox.Newcomer, m.ID, "LoRAs"), map[string]string{"lora": "ink:0.8", "ti": "7808:0.7"})
	r.message(sandbox.Newcomer, m.ID, "ink:0.8:1, 7808:0.7")
}
