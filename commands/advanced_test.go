// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/sandbox"
)

func TestAdvancedTakesEveryParameter(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	out := r.run(sandbox.Newcomer, "advanced", map[string]any{
		"prompt": "red apple", "width": 320, "height": 256, "steps": 11, "cfg": 4.5, "sampler": "k_euler_a", "scheduler": "karras", "seed": "9",
		"parameters": "Steps: 12, Sampler: DPM++ 2M, CFG scale: 5, Clip skip: 2",
	})
	r.result(sandbox.Newcomer, out.MessageID, 1)
	p := r.latest(sandbox.Newcomer)
	f, _ := p["fine"].(map[string]any)
	if p["width"] != 320.0 || p["steps"] != 12.0 || p["sampler"] != "k_dpmpp_2m" || p["cfg"] != 5.0 || p["karras"] != true || f["clip_skip"] != 2.0 {
		t.Errorf("the request is %v", p)
	}
	out = r.run(sandbox.Newcomer, "advanced", map[string]any{
		"prompt": "red apple", "image": pngFile(t, 256, 256), "mask": pngFile(t, 256, 256), "strength": 70,
	})
	r.message(sandbox.Newcomer, out.MessageID, "⚠️") // the worker has no model for it
	if p := r.latest(sandbox.Newcomer); p["source"] == nil || p["mask"] == nil || p["strength"] != 0.7 {
		t.Errorf("the request is %v", p)
	}
	for text, options := range map[string]map[string]any{
		"please give an image, too":      {"prompt": "red apple", "strength": 40},
		"a mask needs an image":          {"prompt": "red apple", "mask": pngFile(t, 64, 64)},
		"unknown post-processor":         {"prompt": "red apple", "post": "sparkles"},
		"I cannot read the LoRA":         {"prompt": "red apple", "lora": "ink:much"},
		"no JSON that I can read":        {"prompt": "red apple", "parameters": "{oops"},
		`I cannot read "x" behind`:       {"prompt": "red apple", "parameters": "Steps: x"},
		"This size does not work: width": {"prompt": "red apple", "width": 300},
	} {
		r.run(sandbox.Newcomer, "advanced", options)
		r.whisper(sandbox.Newcomer, text)
	}
}

func TestTheAdvancedPanelEditsADraft(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	r.run(sandbox.Newcomer, "advanced", map[string]any{"prompt": "red apple", "parameters": "Steps: 9, Moon phase: full"})
	panel := r.whisper(sandbox.Newcomer, "I do not know these parameters and left them out: moon phase", "--steps 9")
	if len(panel.Selects) != 3 {
		t.Fatalf("the panel has the selects %+v", panel.Selects)
	}
	r.pick(sandbox.Newcomer, panel.ID, "Sampler", "k_heun")
	r.pick(sandbox.Newcomer, panel.ID, "Size", "384x256")
	r.fillIn(sandbox.Newcomer, r.click(sandbox.Newcomer, panel.ID, "Prompt"), map[string]string{"prompt": "red apple pie", "negative": "worms", "n": "2"})
	r.fillIn(sandbox.Newcomer, r.click(sandbox.Newcomer, panel.ID, "Numbers"), map[string]string{"steps": "8", "cfg": "6.5", "clipskip": "3"})
	r.click(sandbox.Newcomer, panel.ID, "Switches")
	r.message(sandbox.Newcomer, panel.ID, "Choose what is on")
	r.pick(sandbox.Newcomer, panel.ID, "Switches", "karras", "downgrade")
	r.click(sandbox.Newcomer, panel.ID, "Back")
	r.message(sandbox.Newcomer, panel.ID, "Karras, Smaller when kudos are short")
	r.fillIn(sandbox.Newcomer, r.click(sandbox.Newcomer, panel.ID, "Save preset"), map[string]string{"name": "Pie"})
	r.message(sandbox.Newcomer, panel.ID, "Kept as ★ Pie")
	r.click(sandbox.Newcomer, panel.ID, "Estimate")
	r.message(sandbox.Newcomer, panel.ID, "🧮 About ")
	r.restart(time.Hour) // drafts outlive the process
	r.worker(nil)
	out := r.click(sandbox.Newcomer, panel.ID, "Generate")
	r.result(sandbox.Newcomer, out.MessageID, 2)
	p := r.latest(sandbox.Newcomer)
	if p["prompt"] != "red apple pie" || p["negative"] != "worms" || p["steps"] != 8.0 || p["sampler"] != "k_heun" || p["width"] != 384.0 ||
		p["fine"].(map[string]any)["downgrade"] != true {
		t.Errorf("the request is %v", p)
	}
	if list := r.suggest(sandbox.Newcomer, "generate", "style", "pie"); len(list) != 1 || list[0].Value != "★ Pie" {
		t.Errorf("suggested %+v", list)
	}
	r.result(sandbox.Newcomer, r.generate(sandbox.Newcomer, map[string]any{"style": "★ Pie", "amount": 1}), 1)
	if p := r.latest(sandbox.Newcomer); p["steps"] != 8.0 || p["negative"] != "worms" {
		t.Errorf("the request with the preset is %v", p)
	}
	r.jump(25 * time.Hour)
	r.click(sandbox.Newcomer, panel.ID, "Estimate")
	r.whisper(sandbox.Newcomer, "This draft is gone")
}

func TestAnImageHidesAQRCode(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.run(sandbox.Newcomer, "advanced", map[string]any{"prompt": "red apple", "review": true, "seed": "7"})
	panel := r.whisper(sandbox.Newcomer, "red apple")
	r.fillIn(sandbox.Newcomer, r.click(sandbox.Newcomer, panel.ID, "QR code"), map[string]string{"qr": " https://stable.example/ "})
	r.message(sandbox.Newcomer, panel.ID, "QR code: ```\nhttps://stable.example/\n")
	form := r.click(sandbox.Newcomer, panel.ID, "QR code")
	if form.Modal == nil || form.Modal.Inputs[0].Value != "https://stable.example/" {
		t.Fatalf("the form is %+v", form.Modal)
	}
	out := r.click(sandbox.Newcomer, panel.ID, "Generate")
	r.message(sandbox.Newcomer, out.MessageID, "No worker")
	owner := r.owner("d_999", "Owner")
	job, err := engine.Do(r.ctx(), r.p.engine, horde.Pop{Owner: owner.ID, Amount: 1, Offer: horde.Offer{
		Name: "Pony", Models: []string{model}, BridgeAgent: "AI Horde Worker reGen:99:test", Threads: 1, MaxPixels: 1 << 20, Img2Img: true, ControlNet: true,
	}})
	if err != nil || len(job.Generations) != 1 {
		t.Fatalf("popped %+v, %v", job, err)
	}
	if i := job.Image; i.Workflow != horde.WorkflowQRCode || !slices.Equal(i.ExtraTexts, []horde.ExtraText{{Text: "https://stable.example/", Reference: horde.WorkflowQRCode}}) {
		t.Errorf("the workflow is %q with %+v", i.Workflow, i.ExtraTexts)
	}
}

func TestThreeReportsHideAnImage(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	id := r.generate(sandbox.Newcomer, nil)
	r.result(sandbox.Newcomer, id, 1)
	r.closed()
	for _, who := range []string{sandbox.Friend, sandbox.Friend, sandbox.Admin} {
		r.fillIn(who, r.menu(who, id, "Report image"), map[string]string{"reason": "not *nice*"})
		r.jump(5 * time.Second) // a form that comes twice at once counts once
	}
	r.whisper(sandbox.Friend, "You have reported this image already")
	if m := r.message(sandbox.Newcomer, id); strings.HasPrefix(m.Attachments[0].Filename, "SPOILER_") {
		t.Error("two people's reports hide the image")
	}
	r.fillIn(sandbox.Newcomer, r.menu(sandbox.Newcomer, id, "Report image"), nil)
	r.see(sandbox.Friend, "the hidden image", func(m sandbox.Message) bool {
		return m.ID == id && len(m.Attachments) == 1 && strings.HasPrefix(m.Attachments[0].Filename, "SPOILER_")
	})
}
