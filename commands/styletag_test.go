// SPDX-License-Identifier: AGPL-3.0-or-later

package commands_test

import (
	"slices"
	"testing"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/kudos"
	"stablemate/internal/sandbox"
)

func TestATagIsAnyOfItsStyles(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(nil)
	owner, err := engine.Do(r.ctx(), r.p.engine, horde.CreateUser{
		External: "d_77", Name: "Stylist", Key: hashKey("stylist"), Roles: horde.RoleTrusted | horde.RoleCustomizer, Welcome: 100 * kudos.One,
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, tags := range map[string][]string{"inked": {"drawn", "black"}, "crayon": {"drawn"}, "bared": {"drawn"}} {
		_, err = engine.Do(r.ctx(), r.p.engine, horde.CreateStyle{By: owner.ID, StyleDraft: horde.StyleDraft{
			Kind: horde.StyleImage, Name: name, Prompt: "{p} ### {np}", Image: &horde.ImageStyle{Steps: 11}, Tags: tags, Public: true, Models: []string{model}, NSFW: name == "bared",
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	list := r.suggest(sandbox.Newcomer, "generate", "style", "drawn")
	if want := []sandbox.Choice{{Name: "🏷️ drawn", Value: "🏷️ drawn"}}; !slices.Equal(list, want) {
		t.Fatalf("suggested %+v, want %+v", list, want)
	}
	drawn := map[string]bool{}
	for range 6 {
		id := r.generate(sandbox.Newcomer, map[string]any{"style": list[0].Value})
		r.result(sandbox.Newcomer, id, 1)
		p := r.latest(sandbox.Newcomer)
		style, _ := p["styled"].(map[string]any)["style"].(map[string]any)
		name, _ := style["name"].(string)
		if drawn[name] = true; p["steps"] != 11.0 || name == "bared" {
			t.Errorf("the request is %v", p)
		}
	}
	r.run(sandbox.Newcomer, "generate", map[string]any{"prompt": "red apple", "style": "🏷️ nobody"})
	r.whisper(sandbox.Newcomer, "🏷️ nobody")
}
