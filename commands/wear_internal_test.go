// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"testing"

	"stablemate/horde"
	"stablemate/horde/origin"
)

func TestWhatSomebodySaysWinsOverTheStyleAndTheStyleOverDefaults(t *testing.T) {
	t.Parallel()
	type image struct {
		width, height, steps, skip int
		cfg                        float64
		sampler, model             string
	}
	usual := params{Prompt: "an apple", Width: 512, Height: 512, Steps: 20, CFG: 7, Sampler: "k_euler", Model: "usual", Fine: &fine{ClipSkip: 1}}
	style := image{320, 192, 11, 2, 3, "k_lms", "styled"}
	for name, c := range map[string]struct {
		said string
		want image
	}{
		"nothing said":      {"", style},
		"a size":            {"size", image{512, 512, 11, 2, 3, "k_lms", "styled"}},
		"a side":            {"width", image{512, 512, 11, 2, 3, "k_lms", "styled"}},
		"steps":             {"steps", image{320, 192, 20, 2, 3, "k_lms", "styled"}},
		"a guidance":        {"cfg", image{320, 192, 11, 2, 7, "k_lms", "styled"}},
		"a sampler":         {"sampler", image{320, 192, 11, 2, 3, "k_euler", "styled"}},
		"a model":           {"model", image{320, 192, 11, 2, 3, "k_lms", "usual"}},
		"layers to leave":   {"clip_skip", image{320, 192, 11, 1, 3, "k_lms", "styled"}},
		"what no style has": {"seed", style},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := usual
			p.Fine = &fine{ClipSkip: 1}
			p.Styled = &worn{Style: horde.Style{Prompt: "{p} in ink{np}", Models: []string{"styled"}, Image: &horde.ImageStyle{
				Width: 320, Height: 192, Steps: 11, ClipSkip: 2, CFG: new(3.0), Sampler: "k_lms",
			}}}
			if c.said != "" {
				p.says(c.said)
			}
			set(t).wear(&p)
			n := p.newImage("key", origin.Origin{})
			i := n.Image
			got := image{i.Width, i.Height, i.Steps, i.ClipSkip, i.CFG, i.Sampler, ""}
			if len(n.Models) == 1 {
				got.model = n.Models[0]
			}
			if got != c.want || i.Prompt != "an apple in ink" {
				t.Errorf("the request is %+v with %q, want %+v", got, i.Prompt, c.want)
			}
		})
	}
}
