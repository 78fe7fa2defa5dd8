// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2_test

import (
	"testing"

	"stablemate/horde"
	"stablemate/horde/apiv2"
)

// What a body holds is read into values inside the bounds that its schema names, whatever the bytes are.
func FuzzBodies(f *testing.F) {
	for _, seed := range []string{
		`{"prompt": "a", "params": {"width": 64, "height": 3072, "steps": 500, "n": 20, "cfg_scale": 7.5, "seed": "x", "loras": [{"name": "y"}]}}`,
		`{"prompt": "a", "params": {"width": 64.0, "n": 1e0, "post_processing": ["GFPGAN"], "tis": []}, "workers": [], "models": []}`,
		`{"name": "w", "models": ["tiny"], "threads": 1, "max_pixels": -9e99, "amount": 20, "blacklist": ["x"], "priority_usernames": ["a#1"]}`,
		`{"id": "x", "generation": "R2", "seed": 18446744073709551616, "gen_metadata": [{"type": "lora", "value": "nsfw"}]}`,
		`{"maintenance": true, "info": "x"}`, `[]`, `null`, `{"prompt": "\u0000"}`, `{"a":`, `{"prompt": {"prompt": []}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, name := range []string{"generate", "pop", "submit", "worker", "newTeam", "team", "message"} {
			bad, err := apiv2.Violations(name, data)
			if err == nil && len(bad) > 60 {
				t.Errorf("%s: %d violations are told", name, len(bad))
			}
		}
		if o, ok := apiv2.Offer(data); ok && (o.MaxPixels < 0 || o.Threads < 1 || o.Threads > horde.MaxThreads) {
			t.Errorf("an offer of %d pixels and %d threads passed", o.MaxPixels, o.Threads)
		}
		n, err, ok := apiv2.NewImage(data)
		if !ok || err != nil {
			return
		}
		i := n.Image
		if i.Width%horde.SideStep != 0 || i.Width < horde.MinSide || i.Height > horde.MaxSide || i.Steps < 1 || i.Steps > horde.MaxSteps ||
			n.N < 1 || n.N > horde.MaxImagesPerRequest || len(i.Seed) > horde.MaxSeedBytes || i.Prompt == "" {
			t.Errorf("passed: %+v", n)
		}
	})
}

func FuzzMask(f *testing.F) {
	for _, seed := range []string{"a", "{a,b{c}}", "*", "a{*},b", "a{b{c{d}}}", "{", "a,,b"} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, fields string) {
		_, _ = apiv2.Masked(fields, `{"a": {"b": [1, {"c": 2}]}, "d": null}`)
	})
}

func FuzzLenientBody(f *testing.F) {
	for _, seed := range []string{`{"username": "a#1", "amount": 1.5}`, `{"username": 7, "amount": "7"}`, `{"amount": 1e400}`, `{"amount": null}`, `x`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(_ *testing.T, data []byte) { _, _, _, _ = apiv2.Coerced(data) })
}

func FuzzSourceImage(f *testing.F) {
	for _, seed := range []string{"", "R2", "data:image/webp;base64,AAAA", "UklGRg==", "AA", "%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		data, err := apiv2.FromBase64(text)
		if err == nil && len(data) == 0 {
			t.Error("an image of no bytes passed")
		}
	})
}

func TestLenientBodiesAreCoerced(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]int64{
		`{"username": "a#1"}`: 100, `{"username": "a#1", "amount": 1.9}`: 1, `{"username": "a#1", "amount": -1.9}`: -1,
		`{"username": "a#1", "amount": "7"}`: 7, `{"username": "a#1", "amount": true}`: 1,
	} {
		to, ok, amount, fine := apiv2.Coerced([]byte(body))
		if to != "a#1" || !ok || amount != want || !fine {
			t.Errorf("%s reads as %q, %d, want %d", body, to, amount, want)
		}
	}
	for _, body := range []string{`{"amount": null}`, `{"amount": "x"}`, `{"amount": []}`, `{"amount": 1e400}`} {
		if _, _, amount, fine := apiv2.Coerced([]byte(body)); fine {
			t.Errorf("%s reads as %d", body, amount)
		}
	}
}
