// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stablemate/horde"
)

func TestPastedParametersAreTakenAsOtherProgramsWriteThem(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text    string
		want    params
		unknown []string
	}{
		"a line with the schedule behind the sampler": {
			"Steps: 30, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 123, Width: 512, Height: 768",
			params{Steps: 30, Sampler: "k_dpmpp_2m", Karras: true, CFG: 7, Seed: "123", Width: 512, Height: 768},
			nil,
		},
		"a whole text with a negative prompt of many parts": {
			"Negative prompt: worms, (mud:1.4), rain Steps: 20, Sampler: Euler a, Clip skip: 2, Lora hashes: \"ink: 1, fog: 2\", Version: v1.6",
			params{Negative: "worms, (mud:1.4), rain", Steps: 20, Sampler: "k_euler_a", Fine: &fine{ClipSkip: 2}},
			[]string{"lora hashes", "version"},
		},
		"lines with a prompt before": {
			"an apple, red\nNegative prompt: worms\nSteps: 20",
			params{Negative: "worms", Steps: 20},
			[]string{"an apple", "red"},
		},
		"an inch is no quotation mark": {
			"Negative prompt: 5\" nails, rust, Steps: 9", params{Negative: "5\" nails, rust", Steps: 9}, nil,
		},
		"a sampler that nobody has": {"Steps: 9, Sampler: Restart", params{Steps: 9}, []string{"sampler: Restart"}},
		"a schedule that nobody has": {
			"Sampler: DPM++ 2M, Schedule type: Karras, Moon phase: full", params{Sampler: "k_dpmpp_2m", Karras: true}, []string{"moon phase"},
		},
		"flags": {"--steps 9 --karras --moon full", params{Steps: 9, Karras: true}, []string{"moon"}},
		"a request of the horde": {
			`{"prompt": "red apple ### worms", "nsfw": false, "params": {"seed": 18446744073709551615, "cfg_scale": 7.5, "n": 2,
			"sampler_name": "k_heun", "karras": true, "hires_fix": true, "control_type": "canny", "facefixer_strength": 0.5, "post_processing": ["GFPGAN"],
			"loras": [{"name": "ink", "model": 0.5, "is_version": false}], "tis": [{"name": "7", "inject_ti": "negprompt", "strength": 0.8}]}}`,
			params{Prompt: "red apple", Negative: "worms", Seed: "18446744073709551615", CFG: 7.5, Amount: 2, Sampler: "k_heun", Karras: true, Fine: &fine{
				Hires: true, Control: "canny", FaceFixer: 0.5, Post: []string{"GFPGAN"}, Loras: []horde.Lora{{Name: "ink", Model: 0.5, Clip: 1}},
				TIs: []horde.TI{{Name: "7", InjectTI: "negprompt", Strength: 0.8}},
			}},
			[]string{"nsfw"},
		},
	} {
		var p params
		unknown, err := set(t).paste(&p, c.text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		p.Said = nil
		if p.Fine != nil && cmp.Equal(*p.Fine, fine{}) {
			p.Fine = nil
		}
		if diff := cmp.Diff(c.want, p, cmp.AllowUnexported(params{}, horde.SharedKeyID{})); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
		if diff := cmp.Diff(c.unknown, unknown); diff != "" {
			t.Errorf("%s: unknown (-want +got)\n%s", name, diff)
		}
	}
}

func TestUnreadableParametersAreRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"Steps: x", "Steps: 501", "CFG scale: 101", "ar: big", "Clip skip: 0", "--strength 0", "{", `{"params": {"loras": [{"name": ""}]}}`,
		`{"params": {"tis": [{"name": "x", "strength": 9}]}}`, `{"params": {"loras": [{"name": "a", "model": 9}]}}`, "embeddings: a:x",
	} {
		var p params
		_, err := set(t).paste(&p, text)
		if keyed, ok := errors.AsType[*keyedError](err); !ok || keyed.key == "" {
			t.Errorf("%q: %v, want a refusal", text, err)
		}
	}
}

func TestEmbeddingsSayWhereTheyGo(t *testing.T) {
	t.Parallel()
	got, err := embeddings("ink:0.5, 7:neg\nmud:-1:neg, fog")
	want := []horde.TI{
		{Name: "ink", Strength: 0.5, InjectTI: "prompt"},
		{Name: "7", Strength: 1, InjectTI: "negprompt"},
		{Name: "mud", Strength: -1, InjectTI: "negprompt"},
		{Name: "fog", Strength: 1, InjectTI: "prompt"},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if _, err := embeddings("ink:much"); err == nil {
		t.Error("a strength that is none is taken")
	}
}

func FuzzPaste(f *testing.F) {
	for _, text := range []string{
		"Steps: 30, Sampler: DPM++ 2M Karras", "--steps 9 --no worms", `{"params": {"loras": [{"name": "ink"}]}}`, `Negative prompt: "a, b Steps: 3`, ":,:\n\"",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var p params
		set(t).pastedLine(text)
		_, _, _ = pastedJSON(&p, text) // whatever it says, it says it
	})
}
