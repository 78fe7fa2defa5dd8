package diffusion

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Params is one picture to draw. The zero value of a field means the model's own choice.
type Params struct {
	Prompt string // may hold a negative part behind "###"
	// Width and Height are pixels up to MaxSide.
	Width, Height int
	Steps         int // up to MaxSteps
	// CFG is the guidance scale; at 1 and below the negative prompt is not used and a step costs half.
	CFG     float64
	Sampler string // one of Samplers; anything else draws with k_euler
	Karras  bool
	Seed    uint64 // the low 32 bits count
	// ClipSkip is accepted and has no effect: exported text encoders do not give their inner layers.
	ClipSkip int
	// Tiling is accepted and has no effect: it would have to be part of the exported graphs.
	Tiling bool
	// Source is a picture to start from; nil draws from noise alone.
	Source *image.RGBA
	// Denoise says how much of Source is drawn anew, from just above 0 to 1. Without Source it has no meaning.
	Denoise float64
}

// Timing says where the time of a Generate went. Text, UNet and VAE are spent inside the sessions,
// Total is the whole call.
type Timing struct {
	Text, UNet, VAE, Total time.Duration
	UNetRuns               int
}

// Parts are the networks of a model. Encoder may be nil; then there is no drawing from a source.
type Parts struct {
	Text, UNet, Decoder, Encoder Session
}

// Options are what a Pipeline needs from its surroundings.
type Options struct {
	// Now tells the time, to measure durations. It is required.
	Now func() time.Time
}

// minDenoise is the least a source is changed; below it the schedule would have millions of steps.
const minDenoise = 0.01

// ErrNotFinite is returned when a model overflows and its output holds no picture.
var ErrNotFinite = errors.New("the model's output is not finite")

// Pipeline draws pictures with one model. It is safe for concurrent use; a call at a time reuses
// memory, further ones at the same time bring their own.
type Pipeline struct {
	config   Config
	schedule *Schedule
	parts    Parts
	now      func() time.Time

	text  textPorts
	unet  unetPorts
	apart atomic.Bool // the U-Net refused a batch of two

	mu     sync.Mutex // guards the fields below
	closed bool
	spare  *workspace
	empty  []float32 // the encoded empty prompt
}

// New checks that the networks fit the config and each other.
func New(c Config, parts Parts, o Options) (*Pipeline, error) {
	if o.Now == nil {
		return nil, errors.New("diffusion: Options.Now is required")
	}
	if c.Tokenizer == nil || parts.Text == nil || parts.UNet == nil || parts.Decoder == nil {
		return nil, fmt.Errorf("model %s: a tokenizer, a text encoder, a U-Net and a VAE decoder are required", c.Info.Name)
	}
	p := &Pipeline{config: c, parts: parts, now: o.Now}
	var err error
	if p.schedule, err = NewSchedule(c.Scheduler); err != nil {
		return nil, fmt.Errorf("model %s: %w", c.Info.Name, err)
	}
	if err := p.inspect(); err != nil {
		return nil, fmt.Errorf("model %s: %w", c.Info.Name, err)
	}
	p.config.Info.Img2Img = parts.Encoder != nil
	return p, nil
}

// Info describes the model.
func (p *Pipeline) Info() Info { return p.config.Info }

// Close frees the memory kept for the next call. Calls under way end normally.
func (p *Pipeline) Close() {
	p.mu.Lock()
	spare := p.spare
	p.spare, p.closed = nil, true
	p.mu.Unlock()
	if spare != nil {
		spare.close()
	}
}

// plan is a checked Params.
type plan struct {
	width, height         int // of the result
	drawWidth, drawHeight int // of what the networks draw
	steps                 int
	guided                bool
	levels                []float64
	sampler               sampler
}

func (p *Pipeline) plan(q Params) (plan, error) {
	info := p.config.Info
	a := plan{width: q.Width, height: q.Height, steps: q.Steps, guided: q.CFG > 1, sampler: findSampler(q.Sampler)}
	if a.width == 0 {
		a.width = info.NativeSize
	}
	if a.height == 0 {
		a.height = info.NativeSize
	}
	if a.steps == 0 {
		a.steps = info.DefaultSteps
	}
	denoise := 1.
	switch {
	case a.width < 1 || a.width > MaxSide || a.height < 1 || a.height > MaxSide:
		return plan{}, fmt.Errorf("a picture of %d×%d pixels, want 1 to %d a side", q.Width, q.Height, MaxSide)
	case a.steps < 1 || a.steps > MaxSteps:
		return plan{}, fmt.Errorf("%d steps, want 1 to %d", q.Steps, MaxSteps)
	case math.IsNaN(q.CFG) || math.IsInf(q.CFG, 0):
		return plan{}, fmt.Errorf("guidance of %v", q.CFG)
	case q.Source != nil && p.parts.Encoder == nil:
		return plan{}, fmt.Errorf("model %s cannot start from a picture: it has no VAE encoder", info.Name)
	case q.Source != nil && q.Source.Rect.Empty():
		return plan{}, errors.New("the source picture is empty")
	case q.Source != nil && q.Denoise > 0:
		denoise = max(minDenoise, min(q.Denoise, 1))
	}
	a.drawWidth, a.drawHeight = p.unet.width*p.config.Downscale, p.unet.height*p.config.Downscale
	unit := p.config.Align * p.config.Downscale
	if a.drawWidth == 0 {
		a.drawWidth = (a.width + unit - 1) / unit * unit
	}
	if a.drawHeight == 0 {
		a.drawHeight = (a.height + unit - 1) / unit * unit
	}
	if p.unet.guidanceWidth > 0 { // distilled: guidance is an input, and one run serves
		a.guided = false
	}
	a.levels = a.sampler.levels(p.schedule, a.steps, q.Karras, denoise)
	return a, nil
}

// Generate draws one picture. progress, which may be nil, is called on the same goroutine after each
// step, counting from 1. When ctx ends, Generate stops between two steps or within one, as far as
// the session can, and returns an error that wraps the context's.
func (p *Pipeline) Generate(ctx context.Context, q Params, progress func(step, total int)) (*image.RGBA, Timing, error) {
	begin := p.now()
	var timing Timing
	a, err := p.plan(q)
	if err != nil {
		return nil, timing, err
	}
	ws, err := p.take()
	if err != nil {
		return nil, timing, err
	}
	img, err := p.generate(ctx, q, a, ws, &timing, progress)
	p.give(ws)
	timing.Total = p.now().Sub(begin)
	if err != nil {
		return nil, timing, err
	}
	return img, timing, nil
}

func (p *Pipeline) generate(ctx context.Context, q Params, a plan, ws *workspace, timing *Timing, progress func(step, total int)) (*image.RGBA, error) {
	positive, negative := SplitPrompt(q.Prompt)
	latentWidth, latentHeight := a.drawWidth/p.config.Downscale, a.drawHeight/p.config.Downscale
	ws.resize(latentWidth, latentHeight)
	texts := []string{positive}
	if a.guided {
		texts = []string{negative, positive}
	}
	contexts, err := p.encodeTexts(ctx, ws, texts, timing)
	if err != nil {
		return nil, fmt.Errorf("encode the prompt: %w", err)
	}
	d := denoising{p: p, ws: ws, cfg: q.CFG, timing: timing}
	if err := d.prepare(contexts); err != nil {
		return nil, err
	}

	x := ws.walk.x
	NewNoise(q.Seed).Fill(x)
	first := a.levels[0]
	strength := first
	if first >= p.schedule.SigmaMax()*0.999 { // pure noise: what is left of the signal counts too
		strength = math.Sqrt(1 + first*first)
	}
	for i := range x {
		x[i] *= float32(strength)
	}
	if q.Source != nil {
		if err := p.encodePicture(ctx, ws, cover(q.Source, a.drawWidth, a.drawHeight), timing); err != nil {
			return nil, fmt.Errorf("encode the source picture: %w", err)
		}
	}

	w := &ws.walk
	w.ctx, w.sigmas, w.denoise, w.noise = ctx, a.levels, d.run, NewNoise(q.Seed+1)
	w.done = nil
	if progress != nil {
		w.done = func(step int) { progress(step, len(a.levels)-1) }
	}
	err = a.sampler.run(w)
	w.ctx, w.denoise, w.done = nil, nil, nil
	if err != nil {
		return nil, fmt.Errorf("draw: %w", err)
	}
	if !finite(x) {
		return nil, ErrNotFinite
	}
	img, err := p.decode(ctx, ws, timing)
	if err != nil {
		return nil, fmt.Errorf("decode the latents: %w", err)
	}
	if p.unet.width > 0 || p.unet.height > 0 {
		return Fit(img, a.width, a.height), nil
	}
	return crop(img, a.width, a.height), nil
}

// finite says whether all values are numbers.
func finite(x []float32) bool {
	sum := float32(0)
	for _, v := range x {
		sum += v * 0 // NaN for NaN and infinities
	}
	return sum == 0
}

// take hands out the spare workspace, or a new one.
func (p *Pipeline) take() (*workspace, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, fmt.Errorf("model %s is closed", p.config.Info.Name)
	}
	ws := p.spare
	p.spare = nil
	if ws == nil {
		ws = &workspace{p: p}
	}
	return ws, nil
}

// give keeps a workspace for the next call.
func (p *Pipeline) give(ws *workspace) {
	p.mu.Lock()
	keep := p.spare == nil && !p.closed
	if keep {
		p.spare = ws
	}
	p.mu.Unlock()
	if !keep {
		ws.close()
	}
}
