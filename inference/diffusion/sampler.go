package diffusion

import (
	"context"
	"math"
	"slices"
	"strings"
)

// denoiser estimates the clean latents in x, which holds noise of strength sigma, and writes them
// to out. x and out do not overlap.
type denoiser func(ctx context.Context, x []float32, sigma float64, out []float32) error

// walk is one run of a sampler: the latents, the noise levels they go through and scratch memory.
type walk struct {
	ctx     context.Context //nolint:containedctx // a walk lives for one call and is never kept
	x       []float32
	sigmas  []float64
	denoise denoiser
	noise   *Noise
	done    func(step int) // called after each step, 1 for the first

	denoised, other, saved, random []float32
}

// sampler describes one algorithm of the table below.
type sampler struct {
	run func(*walk) error
	// dropPenultimate: with n+1 levels computed, the last but one is left out.
	dropPenultimate bool
	// spacing replaces SpacingNormal where the caller did not ask for Karras.
	spacing Spacing
}

// samplers lists what can be asked for; the horde's names without their "k_".
func samplers(name string) (sampler, bool) {
	switch name {
	case "euler":
		return sampler{run: (*walk).euler}, true
	case "euler_a":
		return sampler{run: (*walk).eulerAncestral}, true
	case "heun":
		return sampler{run: (*walk).heun}, true
	case "dpm_2":
		return sampler{run: (*walk).dpm2, dropPenultimate: true}, true
	case "dpm_2_a":
		return sampler{run: (*walk).dpm2Ancestral, dropPenultimate: true}, true
	case "dpmpp_2s_a":
		return sampler{run: (*walk).dpmpp2sAncestral}, true
	case "dpmpp_2m":
		return sampler{run: (*walk).dpmpp2m}, true
	case "dpmpp_sde":
		return sampler{run: (*walk).dpmppSDE}, true
	case "ddim":
		return sampler{run: (*walk).euler, spacing: SpacingDDIMUniform}, true
	case "lcm":
		return sampler{run: (*walk).lcm, spacing: spacingLCM}, true
	}
	return sampler{}, false
}

// Samplers lists the names Params.Sampler understands, as the horde spells them.
func Samplers() []string {
	return []string{
		"k_euler", "k_euler_a", "k_heun", "k_dpm_2", "k_dpm_2_a", "k_dpmpp_2s_a", "k_dpmpp_2m", "k_dpmpp_sde", "DDIM", "lcm",
	}
}

// findSampler resolves a name in any spelling; an unknown one means Euler, as on the horde.
func findSampler(name string) sampler {
	name = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(name)), "k_")
	if s, ok := samplers(name); ok {
		return s
	}
	s, _ := samplers("euler")
	return s
}

// levels chooses the noise levels for n steps of a picture drawn from pure noise (denoise ≥ 1) or
// from a source, of which a share of denoise is to be drawn anew.
func (a sampler) levels(s *Schedule, n int, karras bool, denoise float64) []float64 {
	spacing := a.spacing
	switch {
	case spacing == spacingLCM:
	case karras:
		spacing = SpacingKarras
	case spacing == SpacingNormal && s.trailing:
		spacing = SpacingSimple
	}
	total := n
	if denoise < 1 {
		total = max(n, int(float64(n)/denoise))
	}
	want := total
	if a.dropPenultimate {
		want++
	}
	sigmas := s.Sigmas(spacing, want)
	if a.dropPenultimate && len(sigmas) > 2 {
		sigmas = slices.Delete(sigmas, len(sigmas)-2, len(sigmas)-1)
	}
	return sigmas[max(0, len(sigmas)-1-n):]
}

// steps calls do for every pair of neighbouring levels.
func (w *walk) steps(do func(i int, from, to float64) error) error {
	for i := range len(w.sigmas) - 1 {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if err := do(i, w.sigmas[i], w.sigmas[i+1]); err != nil {
			return err
		}
		if w.done != nil {
			w.done(i + 1)
		}
	}
	return nil
}

func (w *walk) model(x []float32, sigma float64, out []float32) error {
	return w.denoise(w.ctx, x, sigma, out)
}

// buffer returns scratch of the latents' length, made on first use.
func (w *walk) buffer(p *[]float32) []float32 {
	if len(*p) != len(w.x) {
		*p = make([]float32, len(w.x))
	}
	return *p
}

// mix sets dst to a·x + b·y.
func mix(dst []float32, a float64, x []float32, b float64, y []float32) {
	fa, fb := float32(a), float32(b)
	x, y = x[:len(dst)], y[:len(dst)]
	for i := range dst {
		dst[i] = fa*x[i] + fb*y[i]
	}
}

// addNoise adds fresh noise of a strength.
func (w *walk) addNoise(x []float32, strength float64) {
	if strength == 0 {
		return
	}
	random := w.buffer(&w.random)
	w.noise.Fill(random)
	mix(x, 1, x, strength, random)
}

// eulerStep follows the derivative (x−denoised)/from down to the level `to`.
func eulerStep(dst, x, denoised []float32, from, to float64) {
	mix(dst, to/from, x, 1-to/from, denoised)
}

// ancestral splits a step into a longer one and the noise that brings it back up.
func ancestral(from, to float64) (down, up float64) {
	up = min(to, math.Sqrt(to*to*(from*from-to*to)/(from*from)))
	return math.Sqrt(max(0, to*to-up*up)), up
}

func (w *walk) euler() error {
	denoised := w.buffer(&w.denoised)
	return w.steps(func(_ int, from, to float64) error {
		if err := w.model(w.x, from, denoised); err != nil {
			return err
		}
		eulerStep(w.x, w.x, denoised, from, to)
		return nil
	})
}

func (w *walk) eulerAncestral() error {
	denoised := w.buffer(&w.denoised)
	return w.steps(func(_ int, from, to float64) error {
		if err := w.model(w.x, from, denoised); err != nil {
			return err
		}
		down, up := ancestral(from, to)
		eulerStep(w.x, w.x, denoised, from, down)
		w.addNoise(w.x, up)
		return nil
	})
}

func (w *walk) heun() error {
	denoised, ahead, second := w.buffer(&w.denoised), w.buffer(&w.other), w.buffer(&w.saved)
	return w.steps(func(_ int, from, to float64) error {
		if err := w.model(w.x, from, denoised); err != nil {
			return err
		}
		if to == 0 {
			copy(w.x, denoised)
			return nil
		}
		eulerStep(ahead, w.x, denoised, from, to)
		if err := w.model(ahead, to, second); err != nil {
			return err
		}
		// x += ((x−D)/from + (ahead−D₂)/to)/2·(to−from)
		half := (to - from) / 2
		for i, x := range w.x {
			w.x[i] = x + float32(half/from)*(x-denoised[i]) + float32(half/to)*(ahead[i]-second[i])
		}
		return nil
	})
}

// midpoint goes from `from` to `to` with the derivative at their geometric mean.
func (w *walk) midpoint(from, to float64) error {
	denoised, ahead := w.buffer(&w.denoised), w.buffer(&w.other)
	if err := w.model(w.x, from, denoised); err != nil {
		return err
	}
	if to == 0 {
		copy(w.x, denoised)
		return nil
	}
	middle := math.Sqrt(from * to)
	eulerStep(ahead, w.x, denoised, from, middle)
	if err := w.model(ahead, middle, denoised); err != nil {
		return err
	}
	slope := float32((to - from) / middle)
	for i := range w.x {
		w.x[i] += slope * (ahead[i] - denoised[i])
	}
	return nil
}

func (w *walk) dpm2() error {
	return w.steps(func(_ int, from, to float64) error { return w.midpoint(from, to) })
}

func (w *walk) dpm2Ancestral() error {
	return w.steps(func(_ int, from, to float64) error {
		down, up := ancestral(from, to)
		if err := w.midpoint(from, down); err != nil {
			return err
		}
		w.addNoise(w.x, up)
		return nil
	})
}

func (w *walk) dpmpp2sAncestral() error {
	denoised, ahead := w.buffer(&w.denoised), w.buffer(&w.other)
	return w.steps(func(_ int, from, to float64) error {
		if err := w.model(w.x, from, denoised); err != nil {
			return err
		}
		down, up := ancestral(from, to)
		if down == 0 {
			copy(w.x, denoised)
		} else {
			h := math.Log(from) - math.Log(down)
			middle := math.Sqrt(from * down)
			mix(ahead, middle/from, w.x, -math.Expm1(-h/2), denoised)
			if err := w.model(ahead, middle, denoised); err != nil {
				return err
			}
			mix(w.x, down/from, w.x, -math.Expm1(-h), denoised)
		}
		w.addNoise(w.x, up)
		return nil
	})
}

func (w *walk) dpmpp2m() error {
	denoised, previous := w.buffer(&w.denoised), w.buffer(&w.other)
	lastH := 0.
	return w.steps(func(i int, from, to float64) error {
		if err := w.model(w.x, from, denoised); err != nil {
			return err
		}
		if to == 0 {
			copy(w.x, denoised)
			return nil
		}
		h := math.Log(from) - math.Log(to)
		gain := -math.Expm1(-h)
		if i == 0 {
			mix(w.x, to/from, w.x, gain, denoised)
		} else {
			weight := h / (2 * lastH) // 1/(2r)
			keep, now, before := float32(to/from), float32(gain*(1+weight)), float32(-gain*weight)
			for j, x := range w.x {
				w.x[j] = keep*x + now*denoised[j] + before*previous[j]
			}
		}
		lastH = h
		denoised, previous = previous, denoised
		return nil
	})
}

// dpmppSDE takes two ancestral half-steps whose noises are increments of one Brownian path.
func (w *walk) dpmppSDE() error {
	denoised, ahead, first := w.buffer(&w.denoised), w.buffer(&w.other), w.buffer(&w.saved)
	second := make([]float32, len(w.x))
	return w.steps(func(_ int, from, to float64) error {
		if err := w.model(w.x, from, denoised); err != nil {
			return err
		}
		if to == 0 {
			copy(w.x, denoised)
			return nil
		}
		middle := math.Sqrt(from * to)
		w.noise.Fill(first)
		w.noise.Fill(second)
		down, up := ancestral(from, middle)
		mix(ahead, down/from, w.x, 1-down/from, denoised)
		mix(ahead, 1, ahead, up, first)
		if err := w.model(ahead, middle, denoised); err != nil {
			return err
		}
		// The path's increment over the whole step holds the one over its first half.
		a, b := math.Sqrt((from-middle)/(from-to)), math.Sqrt((middle-to)/(from-to))
		mix(first, a, first, b, second)
		down, up = ancestral(from, to)
		mix(w.x, down/from, w.x, 1-down/from, denoised)
		mix(w.x, 1, w.x, up, first)
		return nil
	})
}

func (w *walk) lcm() error {
	denoised := w.buffer(&w.denoised)
	return w.steps(func(_ int, from, to float64) error {
		if err := w.model(w.x, from, denoised); err != nil {
			return err
		}
		copy(w.x, denoised)
		w.addNoise(w.x, to)
		return nil
	})
}
