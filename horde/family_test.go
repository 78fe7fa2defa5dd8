// SPDX-License-Identifier: AGPL-3.0-or-later

package horde_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stablemate/horde"
	"stablemate/horde/kudos"
)

const (
	reGen13 = "AI Horde Worker reGen:13.0.0:https://example.org"
	xl      = "SDXL 1.0"
	flux    = "Flux.1-Schnell fp8 (Compact)"
	cascade = "Stable Cascade 1.0"
)

// learned is a world that knows the reference of models.
func learned(t *testing.T) *world {
	t.Helper()
	return newWorldWith(t, horde.Settings{AnonymousAllowed: true, TransfersAllowed: true, Models: horde.ReferenceModels()})
}

func (w *world) special(u horde.UserID, roles horde.Role) horde.UserID {
	w.t.Helper()
	do(w, horde.SetUser{User: u, Grant: roles})
	return u
}

func TestWhatModelsCannotDoIsRefused(t *testing.T) {
	t.Parallel()
	qr := []horde.ExtraText{{Text: "hello", Reference: horde.WorkflowQRCode}}
	cases := map[string]struct {
		roles  horde.Role
		change func(n *horde.NewImage)
		want   horde.Code
	}{
		"hires fix with Flux":    {0, func(n *horde.NewImage) { n.Models, n.Image.HiresFix = []string{flux}, true }, horde.CodeHiResMismatch},
		"transparency with SD 2": {0, func(n *horde.NewImage) { n.Models, n.Image.Transparent = []string{"stable_diffusion_2.1"}, true }, horde.CodeTransparencyModel},
		"transparency with SDXL": {0, func(n *horde.NewImage) { n.Models, n.Image.Transparent = []string{xl}, true }, ""},
		"a QR code with Cascade": {0, func(n *horde.NewImage) {
			n.Models, n.Image.Workflow, n.Image.ExtraTexts = []string{cascade}, horde.WorkflowQRCode, qr
		}, horde.CodeControlNetMismatchDot},
		"a QR code with SDXL": {0, func(n *horde.NewImage) {
			n.Models, n.Image.Workflow, n.Image.ExtraTexts = []string{xl}, horde.WorkflowQRCode, qr
		}, ""},
		"a QR code without text":   {0, func(n *horde.NewImage) { n.Image.Workflow = horde.WorkflowQRCode }, horde.CodeMissingExtraTexts},
		"an unknown workflow":      {0, func(n *horde.NewImage) { n.Image.Workflow = "spiral" }, horde.CodeBadRequest},
		"texts without a workflow": {0, func(n *horde.NewImage) { n.Image.ExtraTexts = qr }, horde.CodeInvalidExtraTexts},
		"remix with SDXL":          {0, func(n *horde.NewImage) { n.Models, n.Image.Source, n.Image.Processing = []string{xl}, "s", "remix" }, horde.CodeInvalidRemix},
		"remix with Cascade": {0, func(n *horde.NewImage) {
			n.Models, n.Image.Source, n.Image.Processing = []string{cascade}, "s", "remix"
		}, ""},
		"extra images without remix": {0, func(n *horde.NewImage) { n.Image.Source, n.Image.Extra = "s", []horde.ExtraSource{{Blob: "x"}} }, horde.CodeExtraSourceImages},
		"two extra images without trust": {0, func(n *horde.NewImage) {
			n.Models, n.Image.Source, n.Image.Processing, n.Image.Extra = []string{cascade}, "s", "remix", make([]horde.ExtraSource, 2)
		}, horde.CodeMoreExtraSources},
		"two extra images with trust": {horde.RoleTrusted, func(n *horde.NewImage) {
			n.Models, n.Image.Source, n.Image.Processing, n.Image.Extra = []string{cascade}, "s", "remix", make([]horde.ExtraSource, 2)
		}, ""},
		"six extra images":       {horde.RoleTrusted, func(n *horde.NewImage) { n.Image.Extra = make([]horde.ExtraSource, 6) }, horde.CodeTooManyExtraSources},
		"a ControlNet with SDXL": {0, func(n *horde.NewImage) { n.Models, n.Image.Source, n.Image.Control = []string{xl}, "s", "canny" }, horde.CodeControlNetMismatch},
		"normal maps with SD 2": {0, func(n *horde.NewImage) {
			n.Models, n.Image.Source, n.Image.Control = []string{"stable_diffusion_2.0"}, "s", "normal"
		}, horde.CodeControlNetUnsupported},
		"a ControlNet with pix2pix": {0, func(n *horde.NewImage) { n.Models, n.Image.Source, n.Image.Control = []string{"pix2pix"}, "s", "canny" }, horde.CodeControlNetUnsupported},
		"pix2pix without a source":  {0, func(n *horde.NewImage) { n.Models = []string{"pix2pix"} }, horde.CodeSourceRequired},
		"a control map in and out": {0, func(n *horde.NewImage) {
			n.Image.Source, n.Image.Control, n.Image.ImageIsControl, n.Image.ReturnControl = "s", "canny", true, true
		}, horde.CodeControlNetPayload},
		"transparent with a ControlNet":    {0, func(n *horde.NewImage) { n.Image.Source, n.Image.Control, n.Image.Transparent = "s", "canny", true }, horde.CodeTransparencyCN},
		"a special payload of anyone":      {0, func(n *horde.NewImage) { n.Image.Special = json.RawMessage(`{}`) }, horde.CodeBadRequest},
		"a special model of anyone":        {0, func(n *horde.NewImage) { n.Models = []string{"horde_special::x#2"} }, horde.CodeNotSpecial},
		"a special model without an owner": {horde.RoleSpecial, func(n *horde.NewImage) { n.Models = []string{"horde_special"} }, horde.CodeSpecialUsername},
		"somebody else's special model":    {horde.RoleSpecial, func(n *horde.NewImage) { n.Models = []string{"horde_special::x#1"} }, horde.CodeForbidden},
		"a special model without payload":  {horde.RoleSpecial, func(n *horde.NewImage) { n.Models = []string{"horde_special::x#2"} }, horde.CodeSpecialPayload},
		"one's own special model": {horde.RoleSpecial, func(n *horde.NewImage) {
			n.Models, n.Image.Special = []string{"horde_special::x#2"}, json.RawMessage(`{"a":1}`)
		}, ""},
		"an agent that names nobody": {0, func(n *horde.NewImage) { n.Client = "My-Project:v0.0.1:My-Contact" }, horde.CodeBannedClientAgent},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := learned(t)
			asker := w.special(w.user("asker", kudos.Whole(1000)), tc.roles)
			n := apple(asker)
			n.Models = []string{"stable_diffusion"}
			tc.change(&n)
			if _, err := try(w, horde.Enqueue{NewImage: n}); codeOf(err) != tc.want {
				t.Errorf("refused with %q (%v), want %q", codeOf(err), err, tc.want)
			}
		})
	}
}

func TestAdviceAboutSettings(t *testing.T) {
	t.Parallel()
	w := learned(t)
	n := apple(w.user("asker", kudos.Whole(1000)))
	n.Models, n.Image.Steps, n.Image.CFG = []string{flux}, 2, 7
	got := do(w, horde.Enqueue{NewImage: n})
	var codes []string
	for _, warning := range got.Warnings {
		codes = append(codes, warning.Code)
	}
	if diff := cmp.Diff([]string{"StepsTooFew", "CfgScaleTooLarge", horde.WarnNoWorker}, codes); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestTheModelUsedDecidesThePrice(t *testing.T) {
	t.Parallel()
	reward := func(model string) kudos.Amount {
		w := learned(t)
		n := apple(w.user("asker", kudos.Whole(1000)))
		n.Models = []string{model}
		do(w, horde.Enqueue{NewImage: n})
		o := offer("gpu")
		o.Models, o.BridgeAgent = []string{model}, reGen13
		job := do(w, horde.Pop{Owner: w.owner, Offer: o, Amount: 1})
		if len(job.Generations) != 1 {
			t.Fatalf("%s: no job, skipped %v", model, job.Skipped)
		}
		return w.deliver(job).Reward
	}
	plain := reward("stable_diffusion")
	for model, times := range map[string]kudos.Amount{xl: 2, cascade: 4, flux: 8, "My fine-tune [Qwen]": 12, "unheard of": 1} {
		if got := reward(model); got != times*plain {
			t.Errorf("%s earns %s, want %d times %s", model, got, times, plain)
		}
	}
}

func TestWhatSoftwareCanDo(t *testing.T) {
	t.Parallel()
	type change = func(*horde.NewImage, *horde.Offer)
	agent := func(name string) change {
		return func(_ *horde.NewImage, o *horde.Offer) { o.BridgeAgent = name }
	}
	both := func(a, b change) change {
		return func(n *horde.NewImage, o *horde.Offer) { a(n, o); b(n, o) }
	}
	img := func(f func(*horde.Image)) change {
		return func(n *horde.NewImage, _ *horde.Offer) { f(&n.Image) }
	}
	post := func(name string) change { return img(func(i *horde.Image) { i.Post = []string{name} }) }
	old, legacy := agent("AI Horde Worker reGen:1.0:x"), agent("AI Horde Worker:20:x")
	cases := map[string]struct {
		change  change
		popped  bool
		skipped string
	}{
		"a new upscaler and new software":    {post("4xNomos8kSC"), true, ""},
		"a new upscaler and old software":    {both(post("4xNomos8kSC"), agent("AI Horde Worker reGen:9.0:x")), false, "bridge_version"},
		"x2plus and software too old":        {both(post("RealESRGAN_x2plus"), legacy), false, "bridge_version"},
		"lcm and the first reGen":            {both(img(func(i *horde.Image) { i.Sampler, i.Steps = "lcm", 8 }), old), false, "bridge_version"},
		"lcm and reGen":                      {img(func(i *horde.Image) { i.Sampler, i.Steps = "lcm", 8 }), true, ""},
		"DDIM with karras and legacy":        {both(img(func(i *horde.Image) { i.Sampler = "DDIM" }), legacy), false, "bridge_version"},
		"DDIM without karras and legacy":     {both(img(func(i *horde.Image) { i.Sampler, i.Karras = "DDIM", false }), legacy), true, ""},
		"Flux and reGen 8":                   {both(func(n *horde.NewImage, o *horde.Offer) { n.Models, o.Models = []string{flux}, []string{flux} }, agent("AI Horde Worker reGen:8.0:x")), false, "bridge_version"},
		"a control map back from old legacy": {both(img(func(i *horde.Image) { i.Source, i.Control, i.ReturnControl = "s", "canny", true }), agent("AI Horde Worker:17:x")), false, "bridge_version"},
		"a control map back from reGen":      {img(func(i *horde.Image) { i.Source, i.Control, i.ReturnControl = "s", "canny", true }), true, ""},
		"inpainting without such a model":    {img(func(i *horde.Image) { i.Source, i.Processing = "s", "inpainting" }), false, "models"},
		"a worker for inpainting only": {func(n *horde.NewImage, o *horde.Offer) {
			n.Models, o.Models = []string{"stable_diffusion_inpainting"}, []string{"stable_diffusion_inpainting"}
		}, false, "models"},
		"inpainting with such a model": {func(n *horde.NewImage, o *horde.Offer) {
			n.Models, o.Models = []string{"stable_diffusion_inpainting"}, []string{"stable_diffusion_inpainting"}
			n.Image.Source, n.Image.Processing = "s", "inpainting"
		}, true, ""},
		"more steps than a limited worker":  {func(n *horde.NewImage, o *horde.Offer) { n.Image.Steps, o.LimitSteps = 31, true }, false, "step_count"},
		"as many steps as a limited worker": {func(n *horde.NewImage, o *horde.Offer) { n.Image.Steps, o.LimitSteps = 30, true }, true, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := learned(t)
			n, o := apple(w.user("asker", kudos.Whole(1000))), offer("gpu")
			n.Models, o.Models, o.BridgeAgent = []string{"stable_diffusion"}, []string{"stable_diffusion"}, reGen13
			o.Img2Img, o.Painting, o.Post, o.ControlNet, o.SDXLControl, o.Lora = true, true, true, true, true, true
			tc.change(&n, &o)
			do(w, horde.Enqueue{NewImage: n})
			job := do(w, horde.Pop{Owner: w.owner, Offer: o, Amount: 1})
			if popped := len(job.Generations) > 0; popped != tc.popped {
				t.Fatalf("popped = %v, want %v; skipped %v", popped, tc.popped, job.Skipped)
			}
			if tc.skipped != "" && job.Skipped[tc.skipped] != 1 {
				t.Errorf("skipped = %v, want 1 %s", job.Skipped, tc.skipped)
			}
		})
	}
}

func TestBatchesFitIntoMemory(t *testing.T) {
	t.Parallel()
	// The published examples, for a worker of one million pixels.
	cases := map[string]struct {
		side, amount int
		post         []string
		model        string
		want         int
	}{
		"4 of 512²":                             {512, 4, nil, "stable_diffusion", 4},
		"4 of 1024²":                            {1024, 4, nil, "stable_diffusion", 1},
		"8 of 768²":                             {768, 8, nil, "stable_diffusion", 4},
		"8 of 512² with a light post-processor": {512, 8, []string{"GFPGAN"}, "stable_diffusion", 7},
		"8 of 512² with a heavy one":            {512, 8, []string{"CodeFormers"}, "stable_diffusion", 4},
		"8 of 512² with Flux":                   {512, 8, nil, flux, 2},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := learned(t)
			n := apple(w.user("asker", kudos.Whole(10000)))
			n.N, n.Models, n.Image.Width, n.Image.Height, n.Image.Post, n.Image.Steps = tc.amount, []string{tc.model}, tc.side, tc.side, tc.post, 8
			do(w, horde.Enqueue{NewImage: n})
			o := offer("gpu")
			o.Models, o.BridgeAgent, o.MaxPixels, o.Post = []string{tc.model}, reGen13, 1<<20, true
			if job := do(w, horde.Pop{Owner: w.owner, Offer: o, Amount: tc.amount}); len(job.Generations) != tc.want {
				t.Errorf("handed out %d, want %d; skipped %v", len(job.Generations), tc.want, job.Skipped)
			}
		})
	}
}

func TestTimeToDeliver(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		width, height, steps int
		model                string
		want                 time.Duration
	}{
		{512, 512, 30, "stable_diffusion", 150 * time.Second},
		{512, 512, 80, "stable_diffusion", 190 * time.Second},
		{1024, 1024, 30, "stable_diffusion", 270 * time.Second},
		{1536, 768, 40, "stable_diffusion", 390 * time.Second},
		{1024, 1024, 30, flux, 810 * time.Second},
	} {
		w := learned(t)
		n := apple(w.user("asker", kudos.Whole(100000)))
		n.Image.Width, n.Image.Height, n.Image.Steps, n.Models = tc.width, tc.height, tc.steps, []string{tc.model}
		do(w, horde.Enqueue{NewImage: n})
		o := offer("gpu")
		o.Models, o.BridgeAgent, o.MaxPixels = []string{tc.model}, reGen13, 1<<22
		if job := do(w, horde.Pop{Owner: w.owner, Offer: o, Amount: 1}); job.TTL != tc.want {
			t.Errorf("%d×%d, %d steps, %s: %v, want %v", tc.width, tc.height, tc.steps, tc.model, job.TTL, tc.want)
		}
	}
}
