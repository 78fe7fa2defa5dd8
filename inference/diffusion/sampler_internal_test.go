package diffusion

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
)

// These tests look inside the package: a sampler is reachable from outside only through a network.

func stableDiffusion(t *testing.T) *Schedule {
	t.Helper()
	s, err := NewSchedule(SchedulerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func close6(a, b float64) bool { return math.Abs(a-b) <= 5e-5*max(1, math.Abs(b)) }

func TestSigmasOfStableDiffusion(t *testing.T) {
	t.Parallel()
	s := stableDiffusion(t)
	if !close6(s.SigmaMin(), 0.029167) || !close6(s.SigmaMax(), 14.614641) {
		t.Errorf("sigmas run from %v to %v, want 0.029167 to 14.614641", s.SigmaMin(), s.SigmaMax())
	}
	for _, c := range []struct {
		name    string
		spacing Spacing
		n       int
		head    []float64
		tail    []float64
	}{
		{"karras with 20 steps", SpacingKarras, 20, []float64{14.6146, 11.7254, 9.3402, 7.3836}, []float64{0.0779, 0.0485, 0.0292, 0}},
		{"normal with 20 steps", SpacingNormal, 20, []float64{14.6146, 10.7468, 8.0815}, []float64{0.0292, 0}},
		{"a single karras step", SpacingKarras, 1, []float64{14.6146}, []float64{0}},
		{"a single normal step", SpacingNormal, 1, []float64{14.6146}, []float64{0}},
	} {
		got := s.Sigmas(c.spacing, c.n)
		if len(got) != c.n+1 {
			t.Errorf("%s: %d levels, want %d", c.name, len(got), c.n+1)
		}
		for i, want := range c.head {
			if math.Abs(got[i]-want) > 6e-5 {
				t.Errorf("%s: [%d] = %.5f, want %.4f", c.name, i, got[i], want)
			}
		}
		for i, want := range c.tail {
			if at := len(got) - len(c.tail) + i; math.Abs(got[at]-want) > 6e-5 {
				t.Errorf("%s: [%d] = %.5f, want %.4f", c.name, at, got[at], want)
			}
		}
	}
}

func TestTimestepsOfSpacings(t *testing.T) {
	t.Parallel()
	s := stableDiffusion(t)
	for _, c := range []struct {
		name    string
		spacing Spacing
		n       int
		want    []int
	}{
		{"uniform from timestep 1", SpacingDDIMUniform, 4, []int{751, 501, 251, 1}},
		{"uniform where n does not divide 1000", SpacingDDIMUniform, 7, []int{995, 853, 711, 569, 427, 285, 143}},
		{"simple counts from the top", SpacingSimple, 4, []int{999, 749, 499, 249}},
		{"normal includes both ends", SpacingNormal, 4, []int{999, 666, 333, 0}},
		{"distilled in fifty steps", spacingLCM, 4, []int{999, 759, 499, 259}},
	} {
		var got []int
		sigmas := s.Sigmas(c.spacing, c.n)
		for _, sigma := range sigmas[:len(sigmas)-1] {
			got = append(got, s.Timestep(sigma))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestScheduleOfOtherConfigs(t *testing.T) {
	t.Parallel()
	linear, err := NewSchedule(SchedulerConfig{BetaStart: 1e-4, BetaEnd: 0.02, BetaSchedule: "linear", PredictionType: "v_prediction"})
	if err != nil {
		t.Fatal(err)
	}
	if got := linear.SigmaMax(); math.Abs(got-157.4) > 0.05 {
		t.Errorf("linear betas end at sigma %v, want 157.4", got)
	}
	if linear.Prediction() != PredictVelocity {
		t.Errorf("prediction %v, want velocity", linear.Prediction())
	}
	zero, err := NewSchedule(SchedulerConfig{RescaleBetasZeroSNR: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := zero.SigmaMax(); got < 4000 || math.IsInf(got, 0) {
		t.Errorf("a schedule without signal ends at sigma %v, want a large number", got)
	}
	for name, c := range map[string]SchedulerConfig{
		"unknown betas":           {BetaSchedule: "sigmoid"},
		"unknown prediction":      {PredictionType: "flow"},
		"one timestep":            {TrainTimesteps: 1},
		"a million timesteps":     {TrainTimesteps: 1_000_000},
		"betas above one":         {BetaStart: 1, BetaEnd: 2, BetaSchedule: "linear"},
		"negative betas":          {BetaStart: -1, BetaEnd: -0.5, BetaSchedule: "linear"},
		"roots of negative betas": {BetaStart: -1, BetaEnd: 0.5, BetaSchedule: "scaled_linear"},
	} {
		if _, err := NewSchedule(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestSamplersOnAGaussian draws from N(0, 0.8²), whose best denoiser is known exactly, and compares
// the spread of the results with published values: a wrong formula shows in the second digit.
func TestSamplersOnAGaussian(t *testing.T) {
	t.Parallel()
	const (
		spread = 0.8
		count  = 200_000
	)
	s := stableDiffusion(t)
	exact := func(_ context.Context, x []float32, sigma float64, out []float32) error {
		keep := float32(spread * spread / (spread*spread + sigma*sigma))
		for i, v := range x {
			out[i] = keep * v
		}
		return nil
	}
	steps := []int{8, 20, 50}
	for _, c := range []struct {
		name string
		want [3]float64
	}{
		{"k_euler", [3]float64{.639, .736, .774}},
		{"k_euler_a", [3]float64{.539, .679, .748}},
		{"k_heun", [3]float64{.879, .808, .799}},
		{"k_dpm_2", [3]float64{.845, .805, .798}},
		{"k_dpmpp_2m", [3]float64{.860, .809, .801}},
		{"k_dpmpp_2s_a", [3]float64{.692, .779, .797}},
		{"something unknown", [3]float64{.639, .736, .774}},
	} {
		for i, n := range steps {
			t.Run(fmt.Sprintf("%s with %d steps", c.name, n), func(t *testing.T) {
				t.Parallel()
				got := spreadOf(t, findSampler(c.name), s.Sigmas(SpacingKarras, n), count, exact)
				if math.Abs(got-c.want[i]) > 0.004 {
					t.Errorf("spread %.4f, want %.3f", got, c.want[i])
				}
			})
		}
	}
	// No published values, but they must come near the target with many steps.
	for _, name := range []string{"k_dpm_2_a", "k_dpmpp_sde", "DDIM"} {
		t.Run(name+" converges", func(t *testing.T) {
			t.Parallel()
			a := findSampler(name)
			got := spreadOf(t, a, a.levels(s, 100, true, 1), count/4, exact)
			if math.Abs(got-spread) > 0.03 {
				t.Errorf("spread %.4f after 100 steps, want %.1f", got, spread)
			}
		})
	}
}

func spreadOf(t *testing.T, a sampler, sigmas []float64, count int, model denoiser) float64 {
	t.Helper()
	w := &walk{ctx: t.Context(), x: make([]float32, count), sigmas: sigmas, denoise: model, noise: NewNoise(8)}
	NewNoise(7).Fill(w.x)
	for i := range w.x {
		w.x[i] *= float32(math.Sqrt(1 + sigmas[0]*sigmas[0]))
	}
	if err := a.run(w); err != nil {
		t.Fatal(err)
	}
	sum := 0.
	for _, v := range w.x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum / float64(count))
}

func TestSamplersStopWithTheContext(t *testing.T) {
	t.Parallel()
	s := stableDiffusion(t)
	for _, name := range Samplers() {
		ctx, cancel := context.WithCancel(t.Context())
		calls := 0
		w := &walk{ctx: ctx, x: make([]float32, 16), noise: NewNoise(1)}
		w.denoise = func(_ context.Context, x []float32, _ float64, out []float32) error {
			calls++
			copy(out, x)
			return nil
		}
		w.done = func(step int) {
			if step == 2 {
				cancel()
			}
		}
		a := findSampler(name)
		w.sigmas = a.levels(s, 10, false, 1)
		if err := a.run(w); err == nil || calls > 4 {
			t.Errorf("%s ran the model %d times after a cancel in step 2, error %v", name, calls, err)
		}
		cancel()
	}
}

func TestLevelsForPartialDenoising(t *testing.T) {
	t.Parallel()
	s := stableDiffusion(t)
	for _, name := range Samplers() {
		a := findSampler(name)
		full, half := a.levels(s, 20, false, 1), a.levels(s, 20, false, 0.5)
		if len(full) != 21 || len(half) != 21 {
			t.Errorf("%s: %d and %d levels, want 21", name, len(full), len(half))
		}
		if half[0] >= full[0]/2 {
			t.Errorf("%s: half the noise starts at %v, all of it at %v", name, half[0], full[0])
		}
		if full[20] != 0 || half[20] != 0 {
			t.Errorf("%s: the levels do not end at zero", name)
		}
	}
}

func BenchmarkSampler(b *testing.B) {
	s, err := NewSchedule(SchedulerConfig{})
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range Samplers() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			a := findSampler(name)
			w := &walk{ctx: b.Context(), x: make([]float32, 4*64*64), noise: NewNoise(1), sigmas: a.levels(s, 20, true, 1)}
			w.denoise = func(_ context.Context, _ []float32, _ float64, out []float32) error { return nil }
			for b.Loop() {
				if err := a.run(w); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
