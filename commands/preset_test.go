// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"stablemate/internal/sandbox"
)

func TestAPresetKeepsTheFineParameters(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.run(sandbox.Newcomer, "advanced", map[string]any{
		"prompt": "red apple", "lora": "ink:0.8", "embeddings": "mud:1:neg", "post": "GFPGAN", "clip_skip": 2, "hires_fix": true, "scheduler": "karras", "review": true,
	})
	panel := r.whisper(sandbox.Newcomer, "Your draft")
	r.fillIn(sandbox.Newcomer, r.click(sandbox.Newcomer, panel.ID, "Save preset"), map[string]string{"name": "Ink"})
	r.message(sandbox.Newcomer, panel.ID, "Kept as ★ Ink")
	want := map[string]any{
		"clip_skip": 2.0, "hires_fix": true, "post": []any{"GFPGAN"}, "loras": []any{map[string]any{"name": "ink", "model": 0.8, "clip": 1.0}},
		"tis": []any{map[string]any{"name": "mud", "inject_ti": "negprompt", "strength": 1.0}},
	}
	check := func(name, id string, want map[string]any) {
		t.Helper()
		r.message(sandbox.Newcomer, id, "No worker")
		p := r.latest(sandbox.Newcomer)
		if diff := cmp.Diff(any(want), p["fine"]); diff != "" || p["karras"] != true {
			t.Errorf("%s: karras is %v, fine (-want +got)\n%s", name, p["karras"], diff)
		}
	}
	check("/generate", r.generate(sandbox.Newcomer, map[string]any{"style": "★ Ink"}), want)
	r.run(sandbox.Newcomer, "settings preset save", map[string]any{"name": "Again"})
	r.whisper(sandbox.Newcomer, "**Again** is kept", "LoRA ink, TI mud, GFPGAN")
	want["post"], want["clip_skip"] = []any{"CodeFormers"}, 3.0
	out := r.run(sandbox.Newcomer, "advanced", map[string]any{"prompt": "red apple", "style": "★ Again", "post": "CodeFormers", "clip_skip": 3})
	check("/advanced with more", out.MessageID, want)
}

func TestPresetsForTexts(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.scribe("Once.")
	form := r.run(sandbox.Newcomer, "settings preset text", map[string]any{"name": "Tale"})
	for details, text := range map[string]string{
		"luck: 3": "I do not know luck", "top_k: 0.5": "must be a number from 0 to 200", "top_p: 2": "must be a number from 0.001 to 1",
	} {
		r.fillIn(sandbox.Newcomer, r.run(sandbox.Newcomer, "settings preset text", map[string]any{"name": "Tale"}), map[string]string{"details": details})
		r.whisper(sandbox.Newcomer, text)
	}
	r.fillIn(sandbox.Newcomer, form, map[string]string{"model": "KOBOLDCPP/tiny", "length": "80", "temperature": "0,7", "details": "top_p: 0.9, top k = 40\nRep Pen: 1.1"})
	r.whisper(sandbox.Newcomer, "**Tale** is kept: koboldcpp/tiny", "80 tokens · Temperature 0.7", `rep\_pen: 1.1, top\_k: 40, top\_p: 0.9`)
	if list := r.suggest(sandbox.Newcomer, "text", "style", "tale"); len(list) != 1 || list[0].Value != "★ Tale" {
		t.Errorf("for texts suggested %+v", list)
	}
	if list := r.suggest(sandbox.Newcomer, "generate", "style", "tale"); len(list) != 0 {
		t.Errorf("for images suggested %+v", list)
	}
	r.refused(sandbox.Newcomer, "generate", map[string]any{"prompt": "red apple", "preset": "Tale"}, "is a preset for something else")
	out := r.run(sandbox.Newcomer, "text", map[string]any{"prompt": "red apple", "style": "★ Tale", "temperature": 0.2})
	r.message(sandbox.Newcomer, out.MessageID, "Once.")
	p := r.latest(sandbox.Newcomer)
	want := map[string]any{"length": 80.0, "temperature": 0.2, "details": map[string]any{"top_p": 0.9, "top_k": 40.0, "rep_pen": 1.1}}
	if diff := cmp.Diff(any(want), p["text"]); diff != "" || p["model"] != "koboldcpp/tiny" {
		t.Errorf("of %v (-want +got)\n%s", p["model"], diff)
	}
	r.run(sandbox.Newcomer, "settings preset save", map[string]any{"name": "Cool"})
	r.whisper(sandbox.Newcomer, "**Cool** is kept: koboldcpp/tiny", "Temperature 0.2", "with the option `style`")
}
