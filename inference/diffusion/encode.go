package diffusion

import (
	"context"
	"fmt"
	"image"
	"math"
)

// encodeTexts gives the encoder's states for each text: windows·length·width numbers. They lie in
// the workspace and hold until its next use.
func (p *Pipeline) encodeTexts(ctx context.Context, ws *workspace, texts []string, timing *Timing) ([][]float32, error) {
	tok := p.config.Tokenizer
	if err := ws.prepareText(); err != nil {
		return nil, err
	}
	limit := maxWindows
	if p.unet.windows > 0 {
		limit = p.unet.windows
	}
	size := tok.Length() * p.text.width
	cut := make([]windows, len(texts))
	total := 0
	for i, text := range texts {
		cut[i] = tok.windows(text, limit)
		total += cut[i].count(tok.Length()) * size
	}
	states := grow(&ws.states, total)
	out := make([][]float32, len(texts))
	for i, w := range cut {
		var empty []float32
		if !w.plain {
			var err error
			if empty, err = p.emptyStates(ctx, ws, timing); err != nil {
				return nil, err
			}
		}
		count := w.count(tok.Length())
		out[i], states = states[:count*size], states[count*size:]
		for k := range count {
			from, to := k*tok.Length(), (k+1)*tok.Length()
			part := out[i][k*size : (k+1)*size]
			if err := p.encodeWindow(ctx, ws, w.ids[from:to], part, timing); err != nil {
				return nil, err
			}
			if !w.plain {
				weigh(part, empty, w.weights[from:to], p.text.width)
			}
		}
		if missing := p.unet.windows - count; missing > 0 { // the graph wants an exact number
			whole := make([]float32, 0, p.unet.windows*size)
			for k := range p.unet.windows {
				whole = append(whole, out[i][k%count*size:(k%count+1)*size]...)
			}
			out[i] = whole
		}
	}
	return out, nil
}

// weigh moves the states of tokens with a weight towards or away from those of an empty prompt.
func weigh(states, empty []float32, weights []float32, width int) {
	for i, weight := range weights {
		if weight == 1 {
			continue
		}
		z, zero := states[i*width:(i+1)*width], empty[i*width:(i+1)*width]
		for j := range z {
			z[j] = (z[j]-zero[j])*weight + zero[j]
		}
	}
}

// emptyStates encodes the empty prompt, once per model.
func (p *Pipeline) emptyStates(ctx context.Context, ws *workspace, timing *Timing) ([]float32, error) {
	p.mu.Lock()
	known := p.empty
	p.mu.Unlock()
	if known != nil {
		return known, nil
	}
	states := make([]float32, p.config.Tokenizer.Length()*p.text.width)
	if err := p.encodeWindow(ctx, ws, p.config.Tokenizer.Encode(""), states, timing); err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.empty = states
	p.mu.Unlock()
	return states, nil
}

func (ws *workspace) prepareText() error {
	if ws.text != nil {
		return nil
	}
	p := ws.p
	length := int64(p.config.Tokenizer.Length())
	in := p.parts.Text.Inputs()
	tensors := make([]Tensor, len(in))
	for i, port := range in {
		tensors[i] = NewTensor(port.Type, 1, length)
		tensors[i].fill(1) // right for attention_mask, overwritten for input_ids
	}
	run := &simpleRun{in: tensors[p.text.ids], out: NewTensor(p.parts.Text.Output().Type, 1, length, int64(p.text.width))}
	var err error
	if run.binding, err = p.parts.Text.Bind(tensors, run.out); err != nil {
		return err
	}
	ws.text = run
	return nil
}

func (p *Pipeline) encodeWindow(ctx context.Context, ws *workspace, ids []int32, states []float32, timing *Timing) error {
	ws.text.in.putIDs(0, ids)
	if err := p.timed(ctx, ws.text.binding, &timing.Text); err != nil {
		return err
	}
	copy(states, ws.text.out.floats(&ws.scratch))
	return nil
}

// encodePicture adds the latents of a picture to the noise in the walk.
func (p *Pipeline) encodePicture(ctx context.Context, ws *workspace, img *image.RGBA, timing *Timing) error {
	x := ws.walk.x
	size := img.Rect.Size()
	if ws.encoder == nil {
		out := p.parts.Encoder.Output()
		channels := out.dim(1)
		if channels < 0 {
			channels = 2 * p.config.LatentChannels
		}
		run := &simpleRun{
			in:  NewTensor(p.parts.Encoder.Inputs()[0].Type, 1, 3, int64(size.Y), int64(size.X)),
			out: NewTensor(out.Type, 1, int64(channels), int64(ws.height), int64(ws.width)),
		}
		var err error
		if run.binding, err = p.parts.Encoder.Bind([]Tensor{run.in}, run.out); err != nil {
			return err
		}
		ws.encoder = run
	}
	planes := make([]float32, 3*size.X*size.Y)
	fromPicture(img, planes)
	ws.encoder.in.put(0, planes, 1)
	if err := p.timed(ctx, ws.encoder.binding, &timing.VAE); err != nil {
		return err
	}
	// The means come first; their variances, where the graph gives them, are left alone.
	means := ws.encoder.out.floats(&ws.scratch)
	scale, shift := float32(p.config.Scaling), float32(p.config.Shift)
	for i := range x {
		x[i] += (means[i] - shift) * scale
	}
	return nil
}

// denoising asks the U-Net for clean latents, with guidance.
type denoising struct {
	p      *Pipeline
	ws     *workspace
	cfg    float64
	timing *Timing

	pair     *unetRun // either both prompts in one batch, the negative first,
	one, two *unetRun // or each in its own run; two is nil without guidance
	contexts [][]float32
}

// prepare binds the U-Net for the contexts: one, or two with guidance.
func (d *denoising) prepare(contexts [][]float32) error {
	d.contexts = contexts
	width := d.p.text.width
	if len(contexts) == 1 {
		batch := max(1, d.p.unet.batch)
		run, err := d.ws.unet(&d.ws.one, batch, len(contexts[0])/width)
		if err != nil {
			return err
		}
		d.one = run
		for b := range batch {
			run.context.put(b*len(contexts[0]), contexts[0], 1)
		}
		d.guide(run)
		return nil
	}
	longer := max(len(contexts[0]), len(contexts[1]))
	fits := longer%len(contexts[0]) == 0 && longer%len(contexts[1]) == 0
	if !fits && d.p.unet.batch == 2 {
		fits = true // no choice: cut both to the windows they share
		longer = min(len(contexts[0]), len(contexts[1]))
		contexts = [][]float32{contexts[0][:longer], contexts[1][:longer]}
	}
	if fits && d.p.unet.batch != 1 && !d.p.apart.Load() {
		run, err := d.ws.unet(&d.ws.pair, 2, longer/width)
		if err == nil {
			for i, c := range contexts { // repeating a context changes nothing: attention averages
				for at := 0; at < longer; at += len(c) {
					run.context.put(i*longer+at, c, 1)
				}
			}
			d.pair = run
			return nil
		}
		if d.p.unet.batch == 2 {
			return err
		}
	}
	return d.split()
}

// split prepares a run for each context.
func (d *denoising) split() error {
	d.pair = nil
	for i, slot := range []struct{ kept, use **unetRun }{{&d.ws.one, &d.one}, {&d.ws.other, &d.two}} {
		run, err := d.ws.unet(slot.kept, 1, len(d.contexts[i])/d.p.text.width)
		if err != nil {
			return err
		}
		run.context.put(0, d.contexts[i], 1)
		*slot.use = run
	}
	return nil
}

// guide fills in the guidance embedding of distilled models.
func (d *denoising) guide(run *unetRun) {
	n := d.p.unet.guidanceWidth
	if n == 0 {
		return
	}
	half := n / 2
	embedding := make([]float32, n)
	for i := range half {
		angle := 1000 * max(d.cfg-1, 0) * math.Exp(-math.Log(10000)*float64(i)/float64(half-1))
		sin, cos := math.Sincos(angle)
		embedding[i], embedding[half+i] = float32(sin), float32(cos)
	}
	for b := range run.batch {
		run.guide.put(b*n, embedding, 1)
	}
}

// evaluate runs the U-Net once on x, which is copied for each picture of the batch.
func (d *denoising) evaluate(ctx context.Context, run *unetRun, x []float32, scale float32, timestep int) error {
	for b := range run.batch {
		run.sample.put(b*len(x), x, scale)
	}
	run.timestep.fill(float64(timestep))
	d.timing.UNetRuns++
	return d.p.timed(ctx, run.binding, &d.timing.UNet)
}

// run is the denoiser of a walk.
func (d *denoising) run(ctx context.Context, x []float32, sigma float64, out []float32) error {
	timestep := d.p.schedule.Timestep(sigma)
	scale := float32(1 / math.Sqrt(sigma*sigma+1))
	// Clean latents are keep·x + gain·output.
	keep, gain := 1., -sigma
	switch d.p.schedule.Prediction() {
	case PredictVelocity:
		keep, gain = 1/(sigma*sigma+1), -sigma/math.Sqrt(sigma*sigma+1)
	case PredictSample:
		keep, gain = 0, 1
	case PredictEpsilon:
	}
	n := len(x)
	var negative, positive []float32
	switch {
	case d.pair != nil:
		err := d.evaluate(ctx, d.pair, x, scale, timestep)
		if err != nil && ctx.Err() == nil && d.p.unet.batch != 2 {
			// Some exports bake a batch of one into a free axis. Once is enough to learn it.
			if err := d.split(); err != nil {
				return err
			}
			if again := d.run(ctx, x, sigma, out); again != nil {
				return fmt.Errorf("%w (and with a batch of two: %w)", again, err)
			}
			d.p.apart.Store(true)
			return nil
		}
		if err != nil {
			return err
		}
		both := d.pair.noise.floats(&d.ws.scratch)
		negative, positive = both[:n], both[n:2*n]
	case d.two != nil:
		for _, run := range []*unetRun{d.one, d.two} {
			if err := d.evaluate(ctx, run, x, scale, timestep); err != nil {
				return err
			}
		}
		negative = d.one.noise.floats(&d.ws.scratch)
		positive = d.two.noise.floats(&d.ws.second)
	default:
		if err := d.evaluate(ctx, d.one, x, scale, timestep); err != nil {
			return err
		}
		mix(out, keep, x, gain, d.one.noise.floats(&d.ws.scratch)[:n])
		return nil
	}
	k, a, b := float32(keep), float32(gain*(1-d.cfg)), float32(gain*d.cfg)
	for i := range out {
		out[i] = k*x[i] + a*negative[i] + b*positive[i]
	}
	return nil
}
