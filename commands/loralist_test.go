// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"testing"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/sandbox"
)

func TestLorasOfOwnResultsAndOfStylesAreSuggested(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.login(sandbox.Newcomer)
	r.trust(sandbox.Newcomer, true)
	for name, adult := range map[string]bool{"inked": false, "night": true} {
		_, err := engine.Do(r.ctx(), r.p.engine, horde.CreateStyle{By: r.user(sandbox.Newcomer).ID, StyleDraft: horde.StyleDraft{
			Kind: horde.StyleImage, Name: name, Info: "a test", Public: true, NSFW: adult, Prompt: "{p}{np}", Models: []string{model},
			Image: &horde.ImageStyle{Steps: 4, Width: 256, Height: 256, Loras: []horde.Lora{{Name: "lines of " + name, Model: 0.5, Clip: 1}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	values := func(who, option, typed string) (out []any) {
		for _, c := range r.suggest(who, "advanced", option, typed) {
			out = append(out, c.Value)
		}
		return out
	}
	if got := values(sandbox.Newcomer, "lora", ""); len(got) != 1 || got[0] != "lines of inked:0.5" { // not the one for adults
		t.Errorf("suggested %q", got)
	}
	r.worker(nil)
	out := r.run(sandbox.Newcomer, "advanced", map[string]any{"prompt": "red apple", "lora": "watercolour:0.8", "embeddings": "7808:0.6"})
	r.result(sandbox.Newcomer, out.MessageID, 1)
	r.closed()
	if got := values(sandbox.Newcomer, "lora", "lines of inked:0.5, water"); len(got) != 1 || got[0] != "lines of inked:0.5, watercolour:0.8" {
		t.Errorf("suggested %q", got)
	}
	if got := values(sandbox.Newcomer, "embeddings", ""); len(got) != 1 || got[0] != "7808:0.6" {
		t.Errorf("suggested %q", got)
	}
	if got := values(sandbox.Friend, "lora", "water"); len(got) != 0 { // what somebody asked for is theirs
		t.Errorf("suggested %q to somebody else", got)
	}
}

func TestSuggestedModelsForTextsSayHowMuchTheyRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.scribe("Once upon a time")
	r.eventually("the scribe is online", func() bool { return len(r.p.engine.ModelsOf(horde.Scribe)) > 0 })
	list := r.suggest(sandbox.Newcomer, "text", "model", "")
	if len(list) != 1 || list[0].Name != "koboldcpp/tiny · 1 👷 · free · reads 65536, writes 4096 tokens" {
		t.Errorf("suggested %+v", list)
	}
}
