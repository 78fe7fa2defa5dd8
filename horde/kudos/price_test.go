// SPDX-License-Identifier: AGPL-3.0-or-later

package kudos_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"stablemate/horde/kudos"
)

// plain is the job most published prices vary.
func plain() kudos.ImageJob {
	return kudos.ImageJob{Width: 512, Height: 512, Steps: 30, Sampler: "k_euler_a", Karras: true}
}

func with(change func(*kudos.ImageJob)) kudos.ImageJob {
	j := plain()
	change(&j)
	return j
}

func samplers() []string {
	return []string{
		"ddim", "k_dpm_2", "k_dpm_2_a", "k_dpm_adaptive", "k_dpm_fast", "k_dpmpp_2m", "k_dpmpp_2s_a", "k_dpmpp_sde",
		"k_euler", "k_euler_a", "k_heun", "k_lms", "plms", "uni_pc", "uni_pc_bh2", "DDIM", "lcm", "dpmsolver",
	}
}

func TestPublishedPricesAreMetWithinFivePercent(t *testing.T) {
	t.Parallel()
	const tolerance = 0.05
	raw, err := os.ReadFile("testdata/published.json")
	if err != nil {
		t.Fatal(err)
	}
	var published []struct {
		Group string
		Price float64
		Job   kudos.ImageJob
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&published); err != nil {
		t.Fatal(err)
	}
	if len(published) != 102 {
		t.Fatalf("%d published prices, want 102", len(published))
	}
	sum, worst := 0.0, 0.0
	for _, p := range published {
		got := kudos.Image(p.Job).Float()
		off := math.Abs(got/p.Price - 1)
		sum, worst = sum+off, max(worst, off)
		if off > tolerance {
			t.Errorf("%s: Image(%+v) = %.2f, published %.2f, off by %.1f %%", p.Group, p.Job, got, p.Price, 100*off)
		}
	}
	t.Logf("off by %.2f %% at most, %.2f %% on average", 100*worst, 100*sum/float64(len(published)))
}

// sizes are all that a request may have, one of each area, smallest first.
func sizes() [][2]int {
	var all [][2]int
	for w := 64; w <= 3072; w += 64 {
		for h := w; h <= 3072; h += 64 {
			all = append(all, [2]int{w, h})
		}
	}
	slices.SortFunc(all, func(a, b [2]int) int { return cmp.Compare(a[0]*a[1], b[0]*b[1]) })
	return slices.CompactFunc(all, func(a, b [2]int) bool { return a[0]*a[1] == b[0]*b[1] })
}

func TestMoreNeverCostsLessAndNothingJumps(t *testing.T) {
	t.Parallel()
	jobs := map[string]kudos.ImageJob{
		"a faint img2img":       with(func(j *kudos.ImageJob) { j.Source, j.Denoising = true, 0.05 }),
		"the cheapest control":  with(func(j *kudos.ImageJob) { j.Source, j.Control = true, "scribble" }),
		"an unknown control":    with(func(j *kudos.ImageJob) { j.Source, j.Control = true, "sketch" }),
		"everything at once":    with(func(j *kudos.ImageJob) { j.Post, j.HiresFix = []string{"GFPGAN", "CodeFormers", "4xLSDIRplus"}, true }),
		"outpainting on karras": with(func(j *kudos.ImageJob) { j.Source, j.Mask, j.Processing = true, true, "outpainting" }),
	}
	for _, name := range samplers() {
		jobs["sampler "+name] = with(func(j *kudos.ImageJob) { j.Sampler = name })
	}
	areas := sizes()
	steps := []int{1, 2, 3, 4, 6, 8, 9, 12, 15, 20, 21, 25, 29, 30, 31, 40, 49, 50, 51, 75, 99, 100, 101, 150, 250, 251, 400, 499, 500}
	const rounding = 0.011 // a price is in hundredths
	for name, job := range jobs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			smaller := make([]float64, len(steps))
			for i, size := range areas {
				fewer := 0.0
				for k, s := range steps {
					j := job
					j.Width, j.Height, j.Steps = size[0], size[1], s
					price := kudos.Image(j).Float()
					if price < fewer || price < smaller[k] {
						t.Fatalf("%d×%d×%d costs %.2f, one with fewer steps %.2f, a smaller one %.2f", size[0], size[1], s, price, fewer, smaller[k])
					}
					// The published prices rise with the third power of the area at most, between large
					// sizes at one step, and a little faster than the steps.
					if k > 0 && job.Control == "" {
						if most := fewer * math.Pow(float64(s)/float64(steps[k-1]), 1.35); price > most+rounding {
							t.Errorf("%d×%d×%d jumps to %.2f from %.2f", size[0], size[1], s, price, fewer)
						}
					}
					if i > 0 && job.Control == "" {
						before := areas[i-1]
						if most := smaller[k] * math.Pow(float64(size[0]*size[1])/float64(before[0]*before[1]), 3.2); price > most+rounding {
							t.Errorf("%d×%d×%d jumps to %.2f from %.2f", size[0], size[1], s, price, smaller[k])
						}
					}
					fewer, smaller[k] = price, price
				}
			}
		})
	}
}

func TestEveryStepInTurnCostsNoLess(t *testing.T) {
	t.Parallel()
	for _, name := range samplers() {
		for _, side := range []int{64, 192, 512, 576, 832, 1024, 1088, 1536, 2048, 2560, 3072} {
			last := kudos.Amount(0)
			for s := 1; s <= 500; s++ {
				got := kudos.Image(kudos.ImageJob{Width: side, Height: side, Steps: s, Sampler: name, Karras: true})
				if got < last || got == 0 {
					t.Fatalf("%s %d²×%d costs %s, one step fewer %s", name, side, s, got, last)
				}
				last = got
			}
		}
	}
}

func TestRulesBesidesTheTable(t *testing.T) {
	t.Parallel()
	price := func(change func(*kudos.ImageJob)) kudos.Amount { return kudos.Image(with(change)) }
	base := price(func(*kudos.ImageJob) {})
	cases := map[string]struct{ got, want kudos.Amount }{
		"each LoRA adds 3":               {price(func(j *kudos.ImageJob) { j.LoRAs = 2 }), base + kudos.Whole(6)},
		"any textual inversions add 1":   {price(func(j *kudos.ImageJob) { j.TIs = true }), base + kudos.Whole(1)},
		"an add-on network comes on top": {price(func(j *kudos.ImageJob) { j.LoRAs = 1 }), base + kudos.Whole(3)},
		"a newer post-processor is ×1.2": {price(func(j *kudos.ImageJob) { j.Post = []string{"RestoreFormer"} }), kudos.FromFloat(base.Float() * 1.2)},
		"an unknown ControlNet is ×3":    {price(func(j *kudos.ImageJob) { j.Control = "sketch" }), 3 * base},
		"the ControlNet None is none":    {price(func(j *kudos.ImageJob) { j.Control = "None" }), base},
		"an unknown sampler is k_euler":  {price(func(j *kudos.ImageJob) { j.Sampler = "lcm" }), price(func(j *kudos.ImageJob) { j.Sampler = "k_euler" })},
		"strength needs a source":        {price(func(j *kudos.ImageJob) { j.Denoising, j.Mask, j.Processing = 0.2, true, "inpainting" }), base},
		"no strength is the full strength": {
			price(func(j *kudos.ImageJob) { j.Source = true }),
			price(func(j *kudos.ImageJob) { j.Source, j.Denoising = true, 1 }),
		},
		"strength does not matter with a ControlNet": {
			price(func(j *kudos.ImageJob) { j.Source, j.Control, j.Denoising = true, "hed", 0.3 }),
			price(func(j *kudos.ImageJob) { j.Source, j.Control = true, "hed" }),
		},
		"remix is img2img": {
			price(func(j *kudos.ImageJob) { j.Source, j.Processing = true, "remix" }),
			price(func(j *kudos.ImageJob) { j.Source, j.Processing = true, "img2img" }),
		},
		"the order of post-processors does not matter": {
			price(func(j *kudos.ImageJob) { j.Post = []string{"GFPGAN", "NMKD_Siax", "strip_background"} }),
			price(func(j *kudos.ImageJob) { j.Post = []string{"strip_background", "GFPGAN", "NMKD_Siax"} }),
		},
		"upright and lying cost the same": {
			price(func(j *kudos.ImageJob) { j.Width = 1024 }), price(func(j *kudos.ImageJob) { j.Height = 1024 }),
		},
	}
	for name, c := range cases {
		if diff := c.got - c.want; diff < -1 || diff > 1 { // a hundredth, from rounding in another order
			t.Errorf("%s: %s, want %s", name, c.got, c.want)
		}
	}
}

func TestImageDebit(t *testing.T) {
	t.Parallel()
	type args struct {
		g                           kudos.Amount
		source, refuseSlow, exclude bool
		post                        []string
	}
	for name, c := range map[string]struct {
		args
		want float64
	}{
		"a plain image costs 1 more":            {args{g: 1100}, 12},
		"a source image costs 3 in 10 more":     {args{g: 1100, source: true}, 15.3},
		"refusing slow workers costs a fifth":   {args{g: 1100, refuseSlow: true}, 14.4},
		"excluding workers costs a tenth":       {args{g: 1100, exclude: true}, 13.2},
		"an upscaler costs a twentieth":         {args{g: 1000, post: []string{"4xLSDIRplus"}}, 11.5},
		"a face fixer costs nothing more":       {args{g: 1000, post: []string{"GFPGAN", "RestoreFormer", "strip_background"}}, 11},
		"everything at once":                    {args{1000, true, true, true, []string{"GFPGAN", "RealESRGAN_x4plus"}}, 19.34},
		"censored":                              {args{g: 0}, 1},
		"censored, no slow workers, exclusions": {args{refuseSlow: true, exclude: true}, 1.32},
	} {
		if got, want := kudos.ImageDebit(c.g, c.source, c.refuseSlow, c.exclude, c.post...), kudos.FromFloat(c.want); got != want {
			t.Errorf("%s: ImageDebit = %s, want %s", name, got, want)
		}
	}
}

func FuzzImage(f *testing.F) {
	f.Add(512, 512, 30, "k_euler_a", "canny", "GFPGAN", 2, 0.75, 1, uint8(0xff))
	f.Add(64, 64, 1, "", "scribble", "CodeFormers", 500, 0.01, 0, uint8(0x0f))
	f.Add(math.MaxInt, math.MaxInt, math.MaxInt, "k_heun", "sketch", "x", 2000, math.NaN(), math.MaxInt, uint8(0))
	f.Add(-1, math.MinInt, -500, "lcm", "None", "4xLSDIRplus", -1, -1.0, -7, uint8(4))
	f.Fuzz(func(t *testing.T, w, h, steps int, sampler, control, post string, posts int, denoising float64, loras int, flags uint8) {
		j := kudos.ImageJob{
			Width: w, Height: h, Steps: steps, Sampler: sampler, Control: control, Denoising: denoising, LoRAs: loras,
			Karras: flags&1 > 0, HiresFix: flags&2 > 0, Source: flags&4 > 0, Mask: flags&8 > 0, TIs: flags&16 > 0,
		}
		if flags&32 > 0 {
			j.Processing = "inpainting"
		}
		for range min(posts, 3000) {
			j.Post = append(j.Post, post)
		}
		price := kudos.Image(j)
		if price < 0 || price > kudos.MaxAmount {
			t.Fatalf("Image(%+v) = %s", j, price)
		}
		if again := kudos.Image(j); again != price {
			t.Fatalf("Image(%+v) = %s, then %s", j, price, again)
		}
		if j.Post = nil; steps < math.MaxInt {
			less := kudos.Image(j)
			j.Steps++
			if more := kudos.Image(j); more < less {
				t.Fatalf("Image(%+v) = %s, a step fewer %s", j, more, less)
			}
		}
		if debit := kudos.ImageDebit(price, flags&4 > 0, flags&64 > 0, flags&128 > 0, post); debit < kudos.One && price < kudos.MaxAmount {
			t.Fatalf("ImageDebit(%s) = %s", price, debit)
		}
	})
}

func BenchmarkImage(b *testing.B) {
	j := with(func(j *kudos.ImageJob) {
		j.Width, j.Height, j.Sampler, j.Source, j.Denoising = 1024, 1536, "uni_pc_bh2", true, 0.6
		j.Post = []string{"GFPGAN", "RealESRGAN_x4plus"}
	})
	b.ReportAllocs()
	for b.Loop() {
		kudos.Image(j)
	}
}
