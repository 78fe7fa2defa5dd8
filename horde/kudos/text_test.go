// SPDX-License-Identifier: AGPL-3.0-or-later

package kudos_test

import (
	"math"
	"testing"

	"stablemate/horde/kudos"
)

func TestTextsCostWhatTheRulesSay(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		job  kudos.TextJob
		want float64
	}{
		"7B, 80 tokens, 2000 characters of prompt": {kudos.TextJob{Prompt: 2000, Output: 320, MaxLength: 80, Params: 7, Validated: true}, 5.62},
		"13B, 512 of 512, 8000 characters":         {kudos.TextJob{Prompt: 8000, Output: 2048, MaxLength: 512, Params: 13, Validated: true}, 88.10},
		"70B, 80 tokens":                           {kudos.TextJob{Prompt: 2000, Output: 320, MaxLength: 80, Params: 70, Validated: true}, 78.73},
		"70B, 512 tokens":                          {kudos.TextJob{Prompt: 8000, Output: 2048, MaxLength: 512, Params: 70, Validated: true}, 664.31},
		"software that is not validated":           {kudos.TextJob{Prompt: 2000, Output: 320, MaxLength: 80, Params: 7}, 1.69},
		"nothing written counts as 20 tokens":      {kudos.TextJob{Prompt: 2000, MaxLength: 80, Params: 7, Validated: true}, 1.41},
		"an unknown model of a stranger":           {kudos.TextJob{Prompt: 2000, Output: 320, MaxLength: 80}, 1.25},
		"an unknown model of a trusted owner":      {kudos.TextJob{Prompt: 2000, Output: 320, MaxLength: 80, Trusted: true}, 2.71},
	} {
		if got := kudos.Text(c.job).Float(); math.Abs(got-c.want) > 0.011 {
			t.Errorf("%s: Text(%+v) = %v, want %v", what, c.job, got, c.want)
		}
	}
	if got := kudos.TextEstimate(80, 1024, 0).Float(); got != 22.88 {
		t.Errorf("an estimate without a model is %v, want 80 × 13 × 2.2 / 100 = 22.88", got)
	}
	if got := kudos.TextUpfront(512, 0); got != 20*kudos.One {
		t.Errorf("%s is set aside without a model, want 20", got)
	}
	if got := kudos.TextUpfront(210, 70).Float(); got != 700 {
		t.Errorf("%v is set aside for 210 tokens of 70B, want 700", got)
	}
}

func TestAModelsNameTellsItsSize(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]float64{
		"koboldcpp/Llama-3.1-8B-Instruct":    8,
		"koboldcpp/mini-magnum-12b-v1.1":     12,
		"Qwen/Qwen3-30B-A3B":                 30,
		"mistralai/Mixtral-8x7B-v0.1":        8 * 7 * 5.0 / 6,
		"KoboldAI/OPT-350M":                  0.35,
		"phi-3-3.8b.Q4_K_M":                  3.8,
		"aphrodite/Meta-70B::owner#7":        70,
		"plain::70B#7":                       0,
		"GPT-J":                              0,
		"a-99999999999999999999999999b-lie":  0,
		"koboldcpp/8bit-mystery":             0,
		"x7b":                                0,
		"7b":                                 7,
		"":                                   0,
		"1.2.3b":                             0,
		"\xff13b":                            13,
		"koboldcpp/L3-8B-Stheno-v3.2-Q6_K_L": 8,
	} {
		if got := kudos.TextParams(name); math.Abs(got-want) > 1e-9 {
			t.Errorf("TextParams(%q) = %v, want %v", name, got, want)
		}
	}
}

func FuzzAnyNameHasASize(f *testing.F) {
	for _, name := range []string{"8x7B", "7b", "3.8b", "::", "9e9b", "NaNb", "1.b"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if got := kudos.TextParams(name); !(got >= 0 && got <= kudos.MaxTextParams) {
			t.Errorf("TextParams(%q) = %v", name, got)
		}
	})
}
