package diffusion

import (
	"fmt"
	"math"
	"slices"
	"sort"
)

// Prediction is what a U-Net's output stands for.
type Prediction uint8

// The predictions of scheduler_config.json.
const (
	PredictEpsilon  Prediction = iota // the noise
	PredictVelocity                   // "v_prediction"
	PredictSample                     // the clean latents
)

// SchedulerConfig is what scheduler_config.json says about the noise a model was trained with.
// Zero values stand for Stable Diffusion 1's.
type SchedulerConfig struct {
	Class                  string  `json:"_class_name"`
	TrainTimesteps         int     `json:"num_train_timesteps"`
	BetaStart              float64 `json:"beta_start"`
	BetaEnd                float64 `json:"beta_end"`
	BetaSchedule           string  `json:"beta_schedule"`
	PredictionType         string  `json:"prediction_type"`
	TimestepSpacing        string  `json:"timestep_spacing"`
	RescaleBetasZeroSNR    bool    `json:"rescale_betas_zero_snr"`
	UseKarrasSigmas        bool    `json:"use_karras_sigmas"`
	OriginalInferenceSteps int     `json:"original_inference_steps"`
}

// maxTrainTimesteps bounds what a config file may ask for.
const maxTrainTimesteps = 100_000

// Schedule knows how much noise the model expects at each of its training timesteps.
// It is immutable and safe for concurrent use.
type Schedule struct {
	sigmas     []float64 // by timestep, growing
	logSigmas  []float64
	prediction Prediction
	trailing   bool
	lcmSteps   int
}

// NewSchedule computes the schedule of a config.
func NewSchedule(c SchedulerConfig) (*Schedule, error) {
	if c.TrainTimesteps == 0 {
		c.TrainTimesteps = 1000
	}
	if c.BetaStart == 0 && c.BetaEnd == 0 {
		c.BetaStart, c.BetaEnd = 0.00085, 0.012
		if c.BetaSchedule == "" {
			c.BetaSchedule = "scaled_linear"
		}
	}
	if c.TrainTimesteps < 2 || c.TrainTimesteps > maxTrainTimesteps {
		return nil, fmt.Errorf("scheduler: num_train_timesteps is %d, want 2 to %d", c.TrainTimesteps, maxTrainTimesteps)
	}
	alphas, err := cumulativeAlphas(c)
	if err != nil {
		return nil, err
	}
	s := &Schedule{trailing: c.TimestepSpacing == "trailing", lcmSteps: c.OriginalInferenceSteps}
	if s.lcmSteps <= 0 {
		s.lcmSteps = 50
	}
	s.lcmSteps = min(s.lcmSteps, c.TrainTimesteps)
	switch c.PredictionType {
	case "", "epsilon":
		s.prediction = PredictEpsilon
	case "v_prediction":
		s.prediction = PredictVelocity
	case "sample":
		s.prediction = PredictSample
	default:
		return nil, fmt.Errorf("scheduler: unknown prediction_type %q", c.PredictionType)
	}
	for _, a := range alphas {
		s.sigmas = append(s.sigmas, math.Sqrt((1-a)/a))
		s.logSigmas = append(s.logSigmas, math.Log(s.sigmas[len(s.sigmas)-1]))
	}
	for i := 1; i < len(s.sigmas); i++ {
		if s.sigmas[i] <= s.sigmas[i-1] {
			return nil, fmt.Errorf("scheduler: betas from %g to %g do not give growing noise", c.BetaStart, c.BetaEnd)
		}
	}
	return s, nil
}

// cumulativeAlphas is the share of signal left at each timestep.
func cumulativeAlphas(c SchedulerConfig) ([]float64, error) {
	n := c.TrainTimesteps
	at := func(i int) float64 { return float64(i) / float64(n-1) }
	var beta func(i int) float64
	switch c.BetaSchedule {
	case "", "linear":
		beta = func(i int) float64 { return c.BetaStart + (c.BetaEnd-c.BetaStart)*at(i) }
	case "scaled_linear":
		from, to := math.Sqrt(c.BetaStart), math.Sqrt(c.BetaEnd)
		beta = func(i int) float64 { b := from + (to-from)*at(i); return b * b }
	case "squaredcos_cap_v2":
		bar := func(t float64) float64 { v := math.Cos((t + 0.008) / 1.008 * math.Pi / 2); return v * v }
		beta = func(i int) float64 {
			return min(1-bar(float64(i+1)/float64(n))/bar(float64(i)/float64(n)), 0.999)
		}
	default:
		return nil, fmt.Errorf("scheduler: unknown beta_schedule %q", c.BetaSchedule)
	}
	alphas := make([]float64, n)
	product := 1.0
	for i := range alphas {
		product *= 1 - beta(i)
		alphas[i] = product
	}
	if c.RescaleBetasZeroSNR {
		first, last := math.Sqrt(alphas[0]), math.Sqrt(alphas[n-1])
		for i, a := range alphas {
			v := (math.Sqrt(a) - last) * first / (first - last)
			alphas[i] = v * v
		}
		alphas[n-1] = 4.8973451890853435e-08 // no signal at all would need an infinite sigma
	}
	for i, a := range alphas {
		if !(a > 0 && a < 1) {
			return nil, fmt.Errorf("scheduler: the share of signal at timestep %d is %g, want between 0 and 1", i, a)
		}
	}
	return alphas, nil
}

// Prediction is what the model's output stands for.
func (s *Schedule) Prediction() Prediction { return s.prediction }

// SigmaMin is the noise at the first training timestep.
func (s *Schedule) SigmaMin() float64 { return s.sigmas[0] }

// SigmaMax is the noise at the last training timestep.
func (s *Schedule) SigmaMax() float64 { return s.sigmas[len(s.sigmas)-1] }

// Timestep is the training timestep whose noise is nearest to sigma on a logarithmic scale.
func (s *Schedule) Timestep(sigma float64) int {
	log := math.Log(sigma)
	i := sort.SearchFloat64s(s.logSigmas, log)
	switch {
	case i == 0:
		return 0
	case i == len(s.logSigmas):
		return i - 1
	case log-s.logSigmas[i-1] <= s.logSigmas[i]-log:
		return i - 1
	}
	return i
}

// sigmaAt is the noise at a timestep between the trained ones.
func (s *Schedule) sigmaAt(t float64) float64 {
	low := max(0, min(int(t), len(s.sigmas)-1))
	high := min(low+1, len(s.sigmas)-1)
	part := t - float64(low)
	return math.Exp((1-part)*s.logSigmas[low] + part*s.logSigmas[high])
}

// Spacing is a way to choose the noise levels of n steps.
type Spacing uint8

// The spacings, named as ComfyUI does.
const (
	SpacingNormal      Spacing = iota // timesteps at equal distances, both ends included
	SpacingKarras                     // Karras et al. 2022, rho = 7
	SpacingSimple                     // every (1000/n)-th trained noise level from the top
	SpacingDDIMUniform                // every (1000/n)-th from timestep 1
	spacingLCM                        // the grid latent consistency models were distilled on
)

// Sigmas returns n falling noise levels and a final zero. n is at least 1.
func (s *Schedule) Sigmas(spacing Spacing, n int) []float64 {
	n = max(n, 1)
	out := make([]float64, 0, n+1)
	count := len(s.sigmas)
	switch spacing {
	case SpacingKarras:
		const rho = 7
		from, to := math.Pow(s.SigmaMax(), 1./rho), math.Pow(s.SigmaMin(), 1./rho)
		for i := range n {
			part := 0.
			if n > 1 {
				part = float64(i) / float64(n-1)
			}
			out = append(out, math.Pow(from+part*(to-from), rho))
		}
	case SpacingSimple:
		for i := range n {
			out = append(out, s.sigmas[count-1-min(i*count/n, count-1)])
		}
	case SpacingDDIMUniform:
		stride := max(count/n, 1)
		top := 1 + (count-2)/stride*stride
		for i := range n {
			out = append(out, s.sigmas[max(top-i*stride, 0)])
		}
	case spacingLCM:
		stride := count / s.lcmSteps
		for i := range n {
			out = append(out, s.sigmas[max((s.lcmSteps-i*s.lcmSteps/n)*stride-1, 0)])
		}
	case SpacingNormal:
		for i := range n {
			t := float64(count - 1)
			if n > 1 {
				t *= 1 - float64(i)/float64(n-1)
			}
			out = append(out, s.sigmaAt(t))
		}
	}
	// With more steps than trained levels neighbours coincide; a step of no length would divide by zero.
	out = slices.Compact(out)
	return append(out, 0)
}
