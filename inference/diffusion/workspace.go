package diffusion

import (
	"context"
	"errors"
	"fmt"
	"image"
	"strings"
	"time"
)

// textPorts is what the text encoder declares.
type textPorts struct {
	ids   int // index of input_ids
	width int // length of the vector per token
}

// unetPorts is what the U-Net declares. Indices are -1 for inputs it does not have.
type unetPorts struct {
	sample, timestep, context, guidance int
	batch                               int // 0 = free
	width, height                       int // of the latents; 0 = free
	windows                             int // 0 = free
	guidanceWidth                       int // length of the guidance embedding of distilled models, or 0
}

// inspect reads the ports of all networks and refuses what the pipeline could not feed.
func (p *Pipeline) inspect() error {
	if err := p.inspectText(); err != nil {
		return err
	}
	if err := p.inspectUNet(); err != nil {
		return err
	}
	channels := p.config.LatentChannels
	for _, vae := range []struct {
		name    string
		session Session
		in      int
		out     []int
	}{
		{"VAE decoder", p.parts.Decoder, channels, []int{3}},
		{"VAE encoder", p.parts.Encoder, 3, []int{channels, 2 * channels}},
	} {
		if vae.session == nil {
			continue
		}
		in, out := vae.session.Inputs(), vae.session.Output()
		if len(in) != 1 || len(in[0].Dims) != 4 || len(out.Dims) != 4 {
			return fmt.Errorf("%s: want one input and an output of four axes, have %s", vae.name, names(in))
		}
		for _, port := range []Port{in[0], out} {
			if err := wantFloat(vae.name, port); err != nil {
				return err
			}
		}
		if d := in[0].dim(1); d > 0 && d != vae.in {
			return fmt.Errorf("%s: takes %d channels, the config says %d", vae.name, d, vae.in)
		}
		if d := out.dim(1); d > 0 && d != vae.out[0] && d != vae.out[len(vae.out)-1] {
			return fmt.Errorf("%s: gives %d channels, the config says %v", vae.name, d, vae.out)
		}
		for axis := 2; axis < 4; axis++ {
			side := []int{p.unet.height, p.unet.width}[axis-2]
			if vae.in == 3 {
				side *= p.config.Downscale
			}
			if d := in[0].dim(axis); d > 0 && d != side {
				return fmt.Errorf("%s: takes a side of %d, the U-Net and the config make %d", vae.name, d, side)
			}
		}
	}
	return nil
}

func (p *Pipeline) inspectText() error {
	const part = "text encoder"
	in, out := p.parts.Text.Inputs(), p.parts.Text.Output()
	p.text.ids = findPort(in, "input_ids")
	if p.text.ids < 0 && len(in) == 1 {
		p.text.ids = 0
	}
	if p.text.ids < 0 {
		return fmt.Errorf("%s: no input_ids among %s", part, names(in))
	}
	for i, port := range in {
		if i != p.text.ids && port.Name != "attention_mask" {
			return fmt.Errorf("%s: unknown input %q", part, port.Name)
		}
		if port.Type != Int64 && port.Type != Int32 {
			return fmt.Errorf("%s: %q carries %s elements, want int64 or int32", part, port.Name, port.Type)
		}
		if len(port.Dims) != 2 || port.dim(0) > 1 {
			return fmt.Errorf("%s: %q has the shape %v, want one row of ids", part, port.Name, port.Dims)
		}
		if d := port.dim(1); d > 0 && d != p.config.Tokenizer.Length() {
			return fmt.Errorf("%s: takes %d tokens, the tokenizer gives %d", part, d, p.config.Tokenizer.Length())
		}
	}
	if err := wantFloat(part, out); err != nil {
		return err
	}
	if len(out.Dims) != 3 {
		return fmt.Errorf("%s: %q has %d axes, want 3", part, out.Name, len(out.Dims))
	}
	p.text.width = out.dim(2)
	if p.text.width < 0 {
		p.text.width = p.config.TextWidth
	}
	return nil
}

func (p *Pipeline) inspectUNet() error {
	const part = "U-Net"
	in, out := p.parts.UNet.Inputs(), p.parts.UNet.Output()
	u := &p.unet
	u.sample, u.timestep = findPort(in, "sample"), findPort(in, "timestep")
	u.context, u.guidance = findPort(in, "encoder_hidden_states"), findPort(in, "timestep_cond")
	if u.sample < 0 || u.timestep < 0 || u.context < 0 {
		return fmt.Errorf("%s: want sample, timestep and encoder_hidden_states, have %s", part, names(in))
	}
	for i, port := range in {
		if i != u.sample && i != u.timestep && i != u.context && i != u.guidance {
			return fmt.Errorf("%s: unknown input %q", part, port.Name)
		}
	}
	sample, step, context := in[u.sample], in[u.timestep], in[u.context]
	for _, port := range []Port{sample, context, out} {
		if err := wantFloat(part, port); err != nil {
			return err
		}
	}
	if step.Type == Unsupported || len(step.Dims) > 1 || step.Type == Float16 && len(step.Dims) == 0 {
		return fmt.Errorf("%s: the timestep is %s with %d axes", part, step.Type, len(step.Dims))
	}
	if len(sample.Dims) != 4 || len(out.Dims) != 4 || len(context.Dims) != 3 {
		return fmt.Errorf("%s: sample, output and context have %d, %d and %d axes, want 4, 4 and 3",
			part, len(sample.Dims), len(out.Dims), len(context.Dims))
	}
	for _, port := range []Port{sample, out} {
		if d := port.dim(1); d > 0 && d != p.config.LatentChannels {
			return fmt.Errorf("%s: %q has %d channels, the latents have %d", part, port.Name, d, p.config.LatentChannels)
		}
	}
	u.batch = max(0, sample.dim(0))
	if u.batch > 2 {
		return fmt.Errorf("%s: takes %d pictures at a time, want 1 or 2", part, u.batch)
	}
	u.height, u.width = max(0, sample.dim(2)), max(0, sample.dim(3))
	if fixed := p.config.Info.FixedSize / p.config.Downscale; fixed > 0 {
		if u.height > 0 && u.height != fixed || u.width > 0 && u.width != fixed {
			return fmt.Errorf("%s: takes latents of %d×%d, fixed_size makes %d", part, u.width, u.height, fixed)
		}
		u.height, u.width = fixed, fixed
	}
	if max(u.width, u.height)*p.config.Downscale > MaxSide {
		return fmt.Errorf("%s: draws %d×%d pixels, want at most %d", part, u.width*p.config.Downscale, u.height*p.config.Downscale, MaxSide)
	}
	if d := context.dim(2); d > 0 {
		if p.text.width <= 0 {
			p.text.width = d
		}
		if d != p.text.width {
			return fmt.Errorf("%s: wants %d numbers per token, the text encoder gives %d", part, d, p.text.width)
		}
	}
	if p.text.width <= 0 {
		return errors.New("neither the graphs nor the configs say how long the encoded tokens are")
	}
	if d := context.dim(1); d > 0 {
		u.windows = d / p.config.Tokenizer.Length()
		if u.windows*p.config.Tokenizer.Length() != d {
			return fmt.Errorf("%s: wants %d tokens, the text encoder gives %d at a time", part, d, p.config.Tokenizer.Length())
		}
	}
	if u.guidance >= 0 {
		port := in[u.guidance]
		if err := wantFloat(part, port); err != nil {
			return err
		}
		u.guidanceWidth = 256
		if d := port.dim(1); d > 0 {
			u.guidanceWidth = d
		}
		if u.guidanceWidth < 4 || u.guidanceWidth%2 != 0 || len(port.Dims) != 2 {
			return fmt.Errorf("%s: timestep_cond has the shape %v", part, port.Dims)
		}
	}
	return nil
}

func names(ports []Port) string {
	var all []string
	for _, port := range ports {
		all = append(all, port.Name)
	}
	return strings.Join(all, ", ")
}

// unetRun is the U-Net with memory for one shape.
type unetRun struct {
	binding                                 Binding
	batch, tokens                           int
	sample, timestep, context, guide, noise Tensor
}

// simpleRun is a network with one input that matters and one output.
type simpleRun struct {
	binding Binding
	in, out Tensor
}

// workspace is the memory of one Generate. It is kept and used again, and rebuilt where another
// size asks for it.
type workspace struct {
	p             *Pipeline
	width, height int // of the latents

	text             *simpleRun
	pair, one, other *unetRun // both prompts at a time, or one each
	decoder, encoder *simpleRun

	walk    walk
	scratch []float32 // for converting 16-bit outputs
	second  []float32
	states  []float32 // encoded prompts
}

func (ws *workspace) close() {
	for _, r := range []**simpleRun{&ws.text, &ws.decoder, &ws.encoder} {
		if *r != nil {
			(*r).binding.Close()
			*r = nil
		}
	}
	for _, r := range []**unetRun{&ws.pair, &ws.one, &ws.other} {
		ws.drop(r)
	}
}

func (ws *workspace) drop(r **unetRun) {
	if *r != nil {
		(*r).binding.Close()
		*r = nil
	}
}

// resize makes the workspace fit latents of a size.
func (ws *workspace) resize(width, height int) {
	if ws.width == width && ws.height == height {
		return
	}
	text := ws.text
	ws.text = nil // does not depend on the size
	ws.close()
	ws.text = text
	ws.width, ws.height = width, height
	ws.walk = walk{x: make([]float32, ws.p.config.LatentChannels*width*height)}
}

// unet returns *r, rebuilt unless it already has that batch and context length.
func (ws *workspace) unet(r **unetRun, batch, tokens int) (*unetRun, error) {
	if *r != nil && (*r).batch == batch && (*r).tokens == tokens {
		return *r, nil
	}
	ws.drop(r)
	p := ws.p
	in, out := p.parts.UNet.Inputs(), p.parts.UNet.Output()
	b, c, h, w := int64(batch), int64(p.config.LatentChannels), int64(ws.height), int64(ws.width)
	run := &unetRun{batch: batch, tokens: tokens}
	tensors := make([]Tensor, len(in))
	run.sample = NewTensor(in[p.unet.sample].Type, b, c, h, w)
	run.context = NewTensor(in[p.unet.context].Type, b, int64(tokens), int64(p.text.width))
	run.noise = NewTensor(out.Type, b, c, h, w)
	step := in[p.unet.timestep]
	switch {
	case len(step.Dims) == 0:
		run.timestep = NewTensor(step.Type)
	case step.dim(0) > 0:
		run.timestep = NewTensor(step.Type, int64(step.dim(0)))
	case step.symbol(0) != "" && step.symbol(0) == in[p.unet.sample].symbol(0): // one per picture
		run.timestep = NewTensor(step.Type, b)
	default:
		run.timestep = NewTensor(step.Type, 1)
	}
	tensors[p.unet.sample], tensors[p.unet.timestep], tensors[p.unet.context] = run.sample, run.timestep, run.context
	if p.unet.guidance >= 0 {
		run.guide = NewTensor(in[p.unet.guidance].Type, b, int64(p.unet.guidanceWidth))
		tensors[p.unet.guidance] = run.guide
	}
	var err error
	if run.binding, err = p.parts.UNet.Bind(tensors, run.noise); err != nil {
		return nil, fmt.Errorf("prepare the U-Net: %w", err)
	}
	*r = run
	return run, nil
}

// timed runs a binding and adds what it took.
func (p *Pipeline) timed(ctx context.Context, b Binding, spent *time.Duration) error {
	begin := p.now()
	err := b.Run(ctx)
	*spent += p.now().Sub(begin)
	return err
}

// decode turns the latents of the walk into a picture.
func (p *Pipeline) decode(ctx context.Context, ws *workspace, timing *Timing) (*image.RGBA, error) {
	width, height := ws.width*p.config.Downscale, ws.height*p.config.Downscale
	if ws.decoder == nil {
		run := &simpleRun{
			in:  NewTensor(p.parts.Decoder.Inputs()[0].Type, 1, int64(p.config.LatentChannels), int64(ws.height), int64(ws.width)),
			out: NewTensor(p.parts.Decoder.Output().Type, 1, 3, int64(height), int64(width)),
		}
		var err error
		if run.binding, err = p.parts.Decoder.Bind([]Tensor{run.in}, run.out); err != nil {
			return nil, err
		}
		ws.decoder = run
	}
	run, x := ws.decoder, ws.walk.x
	scale, shift := float32(1/p.config.Scaling), float32(p.config.Shift)
	if shift != 0 {
		for i := range x {
			x[i] = x[i]*scale + shift
		}
		scale = 1
	}
	run.in.put(0, x, scale)
	if err := p.timed(ctx, run.binding, &timing.VAE); err != nil {
		return nil, err
	}
	planes := run.out.floats(&ws.scratch)
	if !finite(planes) {
		return nil, ErrNotFinite
	}
	return toPicture(planes, width, height), nil
}
