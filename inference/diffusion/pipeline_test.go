package diffusion_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stablemate/inference/diffusion"
)

// The networks of these tests are written in Go and small enough to know what they must give: the
// text encoder turns each token into a colour, the U-Net knows exactly how to clean latents whose
// colour is the mean of the tokens', and the VAE only changes the scale.

// network is a Session that calls a function.
type network struct {
	in      []diffusion.Port
	out     diffusion.Port
	compute func(in []diffusion.Tensor, out diffusion.Tensor) error
	runs    atomic.Int64
}

type bound struct {
	n   *network
	in  []diffusion.Tensor
	out diffusion.Tensor
}

func (n *network) Inputs() []diffusion.Port { return n.in }
func (n *network) Output() diffusion.Port   { return n.out }

func (n *network) Bind(in []diffusion.Tensor, out diffusion.Tensor) (diffusion.Binding, error) {
	for i, port := range n.in {
		if in[i].Type != port.Type || len(in[i].Shape) != len(port.Dims) {
			return nil, fmt.Errorf("%s: got %s %v, want %s %v", port.Name, in[i].Type, in[i].Shape, port.Type, port.Dims)
		}
		for axis, d := range port.Dims {
			if d >= 0 && in[i].Shape[axis] != d {
				return nil, fmt.Errorf("%s: got the shape %v, want %v", port.Name, in[i].Shape, port.Dims)
			}
		}
	}
	return &bound{n, in, out}, nil
}

func (b *bound) Run(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.n.runs.Add(1)
	return b.n.compute(b.in, b.out)
}

func (b *bound) Close() {}

func get(t diffusion.Tensor, i int) float64 {
	switch t.Type {
	case diffusion.Float32:
		return float64(t.F32[i])
	case diffusion.Float16:
		return halfValue(t.F16[i])
	case diffusion.Int64:
		return float64(t.I64[i])
	case diffusion.Int32:
		return float64(t.I32[i])
	case diffusion.Unsupported:
	}
	return math.NaN()
}

func set(t diffusion.Tensor, i int, v float64) {
	if t.Type == diffusion.Float32 {
		t.F32[i] = float32(v)
		return
	}
	t.F16[i] = halfBits(v)
}

// halfValue and halfBits convert slowly, without the code under test.
func halfValue(h uint16) float64 {
	exponent, mantissa := int(h>>10&31), float64(h&1023)
	v := math.Ldexp(1+mantissa/1024, exponent-15)
	if exponent == 0 {
		v = math.Ldexp(mantissa, -24)
	}
	if h&0x8000 != 0 {
		return -v
	}
	return v
}

func halfBits(v float64) uint16 {
	sign := uint16(0)
	if v < 0 {
		sign, v = 0x8000, -v
	}
	if v < 0x1p-14 {
		return sign | uint16(math.RoundToEven(v*0x1p24))
	}
	exponent := math.Floor(math.Log2(v))
	return sign + uint16(math.RoundToEven(v*math.Exp2(10-exponent))) + uint16(exponent+14)<<10
}

// world is what varies between the tests.
type world struct {
	ids, step    diffusion.Type
	floats       diffusion.Type
	stepDims     []int64
	stepSymbols  []string
	batch        int64 // -1 = free
	refuseTwo    bool
	prediction   string
	fixed        int
	side         int64 // fixed latent side, -1 = free
	mask         bool
	distilled    bool
	noEncoder    bool
	spoil        bool
	afterUNetRun func(n int64)
}

const (
	scaling = 0.5
	width   = 4 // numbers per token, and latent channels
)

func tokenColour(id float64, channel int) float64 {
	return math.Sin(id*1.7+float64(channel)*2.1) * 0.8
}

type fixture struct {
	pipeline *diffusion.Pipeline
	unet     *network
	tok      *diffusion.Tokenizer
}

func build(tb testing.TB, w world) fixture {
	tb.Helper()
	f, err := tryBuild(tb, w)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func tryBuild(tb testing.TB, w world) (fixture, error) {
	tb.Helper()
	if w.ids == diffusion.Unsupported {
		w.ids = diffusion.Int64
	}
	if w.step == diffusion.Unsupported {
		w.step = diffusion.Int64
	}
	if w.floats == diffusion.Unsupported {
		w.floats = diffusion.Float32
	}
	if w.batch == 0 {
		w.batch = -1
	}
	if w.side == 0 {
		w.side = -1
	}
	dir := tb.TempDir()
	put := func(text string, path ...string) {
		name := filepath.Join(dir, filepath.Join(path...))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	for _, name := range []string{"vocab.json", "merges.txt", "tokenizer_config.json"} {
		data, err := os.ReadFile(filepath.Join("testdata/tokenizer", name))
		if err != nil {
			tb.Fatal(err)
		}
		put(string(data), "tokenizer", name)
	}
	put(`{"in_channels": 4, "sample_size": 8, "block_out_channels": [8, 8]}`, "unet", "config.json")
	put(`{"latent_channels": 4, "block_out_channels": [8, 8, 8, 8], "scaling_factor": 0.5}`, "vae_decoder", "config.json")
	put(fmt.Sprintf(`{"_class_name": "DDIMScheduler", "prediction_type": %q}`, w.prediction), "scheduler", "scheduler_config.json")
	if w.fixed > 0 {
		put(fmt.Sprintf(`{"name": "fixed", "fixed_size": %d, "default_steps": 5, "default_cfg": 3, "licence": "MIT"}`, w.fixed), "stablemate.json")
	}
	c, err := diffusion.LoadConfig(dir)
	if err != nil {
		return fixture{}, err
	}
	schedule, err := diffusion.NewSchedule(c.Scheduler)
	if err != nil {
		return fixture{}, err
	}
	sigmas := make([]float64, 1000) // found through the exported way only
	for _, s := range schedule.Sigmas(diffusion.SpacingSimple, 1000)[:1000] {
		sigmas[schedule.Timestep(s)] = s
	}

	text := &network{
		in:  []diffusion.Port{{Name: "input_ids", Type: w.ids, Dims: []int64{-1, -1}}},
		out: diffusion.Port{Name: "last_hidden_state", Type: w.floats, Dims: []int64{-1, -1, width}},
		compute: func(in []diffusion.Tensor, out diffusion.Tensor) error {
			for i := range out.Len() {
				set(out, i, tokenColour(get(in[len(in)-1], i/width), i%width))
			}
			return nil
		},
	}
	if w.mask {
		text.in = append([]diffusion.Port{{Name: "attention_mask", Type: w.ids, Dims: []int64{-1, -1}}}, text.in...)
	}
	unet := &network{
		in: []diffusion.Port{
			{Name: "sample", Type: w.floats, Dims: []int64{w.batch, width, w.side, w.side}, Symbols: []string{"batch", "", "h", "w"}},
			{Name: "timestep", Type: w.step, Dims: w.stepDims, Symbols: w.stepSymbols},
			{Name: "encoder_hidden_states", Type: w.floats, Dims: []int64{w.batch, -1, width}},
		},
		out: diffusion.Port{Name: "out_sample", Type: w.floats, Dims: []int64{w.batch, width, w.side, w.side}},
	}
	if w.distilled {
		unet.in = append(unet.in, diffusion.Port{Name: "timestep_cond", Type: diffusion.Float32, Dims: []int64{w.batch, 16}})
	}
	unet.compute = func(in []diffusion.Tensor, out diffusion.Tensor) error {
		sample, states := in[0], in[2]
		batch, area := int(sample.Shape[0]), int(sample.Shape[2]*sample.Shape[3])
		if w.refuseTwo && batch == 2 {
			return errors.New("a batch of two does not fit the graph")
		}
		tokens := int(states.Shape[1])
		for b := range batch {
			step := get(in[1], min(b, in[1].Len()-1))
			sigma := sigmas[int(step)]
			for ch := range width {
				target := 0.
				for k := range tokens {
					target += get(states, (b*tokens+k)*width+ch) / float64(tokens)
				}
				target *= scaling
				for i := range area {
					at := (b*width+ch)*area + i
					x := get(sample, at) * math.Sqrt(sigma*sigma+1)
					v := (x - target) / sigma
					switch w.prediction {
					case "v_prediction":
						v = (x/(sigma*sigma+1) - target) * math.Sqrt(sigma*sigma+1) / sigma
					case "sample":
						v = target
					}
					if w.spoil {
						v = math.NaN()
					}
					set(out, at, v)
				}
			}
		}
		if w.afterUNetRun != nil {
			w.afterUNetRun(unet.runs.Load())
		}
		return nil
	}
	decoder := &network{
		in:  []diffusion.Port{{Name: "latent_sample", Type: w.floats, Dims: []int64{-1, width, w.side, w.side}}},
		out: diffusion.Port{Name: "sample", Type: w.floats, Dims: []int64{-1, 3, -1, -1}},
		compute: func(in []diffusion.Tensor, out diffusion.Tensor) error {
			h, wd := int(out.Shape[2]), int(out.Shape[3])
			for ch := range 3 {
				for y := range h {
					for x := range wd {
						set(out, (ch*h+y)*wd+x, get(in[0], (ch*(h/8)+y/8)*(wd/8)+x/8))
					}
				}
			}
			return nil
		},
	}
	encoder := &network{
		in:  []diffusion.Port{{Name: "sample", Type: w.floats, Dims: []int64{-1, 3, -1, -1}}},
		out: diffusion.Port{Name: "latent_parameters", Type: w.floats, Dims: []int64{-1, 2 * width, -1, -1}},
		compute: func(in []diffusion.Tensor, out diffusion.Tensor) error {
			h, wd := int(out.Shape[2]), int(out.Shape[3])
			for i := range out.Len() {
				set(out, i, 0)
			}
			for ch := range 3 {
				for y := range h {
					for x := range wd {
						set(out, (ch*h+y)*wd+x, get(in[0], (ch*h*8+y*8+4)*wd*8+x*8+4))
					}
				}
			}
			return nil
		},
	}
	parts := diffusion.Parts{Text: text, UNet: unet, Decoder: decoder}
	if !w.noEncoder {
		parts.Encoder = encoder
	}
	p, err := diffusion.New(c, parts, diffusion.Options{Now: steadyClock()})
	if err != nil {
		return fixture{}, err
	}
	tb.Cleanup(p.Close)
	return fixture{p, unet, c.Tokenizer}, nil
}

// steadyClock moves on by a millisecond whenever it is asked.
func steadyClock() func() time.Time {
	var n atomic.Int64
	return func() time.Time { return time.Unix(0, n.Add(1)*int64(time.Millisecond)) }
}

// colourOf is what the networks make of a prompt in one window.
func (f fixture) colourOf(text string, channel int) float64 {
	sum := 0.
	ids := f.tok.Encode(text)
	for _, id := range ids {
		sum += tokenColour(float64(id), channel) / float64(len(ids))
	}
	return sum
}

// wantColour fails unless a pixel has the colour, give or take two shades.
func (f fixture) wantColour(t *testing.T, img *image.RGBA, x, y int, positive, negative string, cfg float64) {
	t.Helper()
	got := img.RGBAAt(x, y)
	for ch, have := range []uint8{got.R, got.G, got.B} {
		v := f.colourOf(positive, ch)
		if cfg > 1 {
			n := f.colourOf(negative, ch)
			v = n + cfg*(v-n)
		}
		want := math.Max(0, math.Min(255, v*127.5+127.5))
		if math.Abs(float64(have)-want) > 2 {
			t.Errorf("channel %d at %d,%d is %d, want %.0f", ch, x, y, have, want)
		}
	}
}

func TestGenerateReachesWhatTheModelKnows(t *testing.T) {
	t.Parallel()
	for _, prediction := range []string{"epsilon", "v_prediction", "sample"} {
		f := build(t, world{prediction: prediction})
		for _, sampler := range append(diffusion.Samplers(), "", "unheard_of") {
			for _, karras := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s with %s, karras %v", prediction, sampler, karras), func(t *testing.T) {
					t.Parallel()
					q := diffusion.Params{
						Prompt: "a red apple ### snow", Width: 64, Height: 48, Steps: 12, CFG: 1.5,
						Sampler: sampler, Karras: karras, Seed: 7,
					}
					var last, total int
					img, timing, err := f.pipeline.Generate(t.Context(), q, func(step, of int) { last, total = step, of })
					if err != nil {
						t.Fatal(err)
					}
					if img.Rect != image.Rect(0, 0, 64, 48) {
						t.Fatalf("the picture is %v", img.Rect)
					}
					f.wantColour(t, img, 0, 0, "a red apple", "snow", 1.5)
					f.wantColour(t, img, 63, 47, "a red apple", "snow", 1.5)
					if last != 12 || total != 12 {
						t.Errorf("the last step was %d of %d, want 12 of 12", last, total)
					}
					if timing.UNetRuns < 12 || timing.UNetRuns > 24 {
						t.Errorf("%d U-Net runs", timing.UNetRuns)
					}
				})
			}
		}
	}
}

func TestGenerateAdaptsToTheGraphs(t *testing.T) {
	t.Parallel()
	const cfg = 1.5
	for name, w := range map[string]world{
		"32-bit ids and a float step in a row of one": {ids: diffusion.Int32, step: diffusion.Float32, stepDims: []int64{1}},
		"16-bit floats":                        {floats: diffusion.Float16, step: diffusion.Float16, stepDims: []int64{1}},
		"a step per picture":                   {stepDims: []int64{-1}, stepSymbols: []string{"batch"}},
		"a step in a row of any length":        {stepDims: []int64{-1}, stepSymbols: []string{"steps"}},
		"32-bit steps":                         {step: diffusion.Int32},
		"a batch of exactly one":               {batch: 1},
		"a batch of exactly two":               {batch: 2, stepDims: []int64{2}},
		"a free batch that means one":          {refuseTwo: true},
		"16-bit floats and a batch of one":     {floats: diffusion.Float16, batch: 1},
		"an attention mask":                    {mask: true},
		"latents of one size":                  {side: 8},
		"latents of one size and a fixed_size": {side: 8, fixed: 64},
		"a fixed size and free latents":        {fixed: 64},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := build(t, w)
			q := diffusion.Params{Prompt: "owl###rain", Width: 64, Height: 64, Steps: 8, CFG: cfg, Sampler: "k_dpmpp_2m", Karras: true, Seed: 3}
			for range 2 {
				img, _, err := f.pipeline.Generate(t.Context(), q, nil)
				if err != nil {
					t.Fatal(err)
				}
				f.wantColour(t, img, 31, 31, "owl", "rain", cfg)
			}
			q.CFG = 1
			before := f.unet.runs.Load()
			img, _, err := f.pipeline.Generate(t.Context(), q, nil)
			if err != nil {
				t.Fatal(err)
			}
			f.wantColour(t, img, 31, 31, "owl", "", 1)
			if runs := f.unet.runs.Load() - before; runs != 8 {
				t.Errorf("without guidance the U-Net ran %d times, want 8", runs)
			}
		})
	}
}

func TestGuidanceCostsTwoRunsOnlyWhereItMust(t *testing.T) {
	t.Parallel()
	q := diffusion.Params{Prompt: "owl###rain", Width: 64, Height: 64, Steps: 10, CFG: 5, Seed: 3}
	for name, c := range map[string]struct {
		w    world
		runs int
	}{
		"a free batch":           {world{}, 10},
		"a batch of one":         {world{batch: 1}, 20},
		"a refused batch of two": {world{refuseTwo: true}, 21},
		"a distilled model":      {world{distilled: true}, 10},
	} {
		f := build(t, c.w)
		_, timing, err := f.pipeline.Generate(t.Context(), q, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if timing.UNetRuns != c.runs {
			t.Errorf("%s: %d runs, want %d", name, timing.UNetRuns, c.runs)
		}
		_, timing, err = f.pipeline.Generate(t.Context(), q, nil)
		if err != nil || timing.UNetRuns > 20 {
			t.Errorf("%s, second picture: %d runs, %v", name, timing.UNetRuns, err)
		}
	}
}

func TestLongPromptsMeetShortNegatives(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("apple ", 30)   // two windows
	longer := strings.Repeat("apple ", 60) // three
	for name, c := range map[string]struct {
		prompt string
		w      world
	}{
		"two windows and one":                {long + "###owl", world{}},
		"three windows and two":              {longer + "###" + long, world{}},
		"one window and three":               {"owl###" + longer, world{}},
		"three and two with a batch of two":  {longer + "###" + long, world{batch: 2}},
		"three and two with a batch of one":  {longer + "###" + long, world{batch: 1}},
		"weights in a part of several":       {long + "(owl:1.5)", world{}},
		"more windows than anybody can want": {strings.Repeat("apple ", 5000), world{}},
	} {
		f := build(t, c.w)
		q := diffusion.Params{Prompt: c.prompt, Width: 32, Height: 32, Steps: 3, CFG: 4, Seed: 1}
		if _, _, err := f.pipeline.Generate(t.Context(), q, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWeightsPullTheColour(t *testing.T) {
	t.Parallel()
	f := build(t, world{})
	draw := func(prompt string) color.RGBA {
		img, _, err := f.pipeline.Generate(t.Context(), diffusion.Params{Prompt: prompt, Width: 16, Height: 16, Steps: 5, Seed: 1}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return img.RGBAAt(3, 3)
	}
	plain, one, none, double := draw("apple"), draw("(apple:1)"), draw("(apple:0)"), draw("(apple:2)")
	if plain != one {
		t.Errorf("a weight of 1 changes %v to %v", plain, one)
	}
	if d, p, e := int(double.R), int(plain.R), int(none.R); p == e || math.Abs(float64((d-p)-(p-e))) > 2 {
		t.Errorf("red goes %d, %d, %d with weights 0, 1, 2; want even steps", e, p, d)
	}
}

func TestSeedDecidesTheNoise(t *testing.T) {
	t.Parallel()
	f := build(t, world{prediction: "epsilon"})
	draw := func(seed uint64) string {
		img, _, err := f.pipeline.Generate(t.Context(), diffusion.Params{Prompt: "owl", Width: 64, Height: 64, Steps: 3, Seed: seed, Sampler: "k_euler_a"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return string(img.Pix)
	}
	first := draw(5)
	if again := draw(5); again != first {
		t.Error("the same seed gives two pictures")
	}
}

func TestFixedSizeIsFittedIntoTheRequest(t *testing.T) {
	t.Parallel()
	f := build(t, world{fixed: 64})
	if got := f.pipeline.Info(); got.FixedSize != 64 || got.NativeSize != 64 || got.Name != "fixed" || got.DefaultSteps != 5 || got.Licence != "MIT" || got.MaxTokens != 24 || !got.Img2Img {
		t.Errorf("info %+v", got)
	}
	for _, size := range []image.Point{{64, 64}, {128, 64}, {64, 200}, {512, 512}, {30, 50}, {0, 0}, {1, 1}} {
		img, _, err := f.pipeline.Generate(t.Context(), diffusion.Params{Prompt: "owl", Width: size.X, Height: size.Y}, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := size
		if want.X == 0 {
			want = image.Pt(64, 64)
		}
		if img.Rect.Size() != want {
			t.Errorf("asked for %v, got %v", size, img.Rect.Size())
		}
		f.wantColour(t, img, 0, 0, "owl", "", 0)
		f.wantColour(t, img, want.X-1, want.Y-1, "owl", "", 0)
	}
}

func TestFreeSizesFollowTheRequest(t *testing.T) {
	t.Parallel()
	f := build(t, world{}) // draws multiples of 16
	for _, size := range []image.Point{{64, 64}, {16, 128}, {100, 72}, {1, 1}} {
		img, _, err := f.pipeline.Generate(t.Context(), diffusion.Params{Prompt: "owl", Width: size.X, Height: size.Y, Steps: 4}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if img.Rect.Size() != size {
			t.Errorf("asked for %v, got %v", size, img.Rect.Size())
		}
		f.wantColour(t, img, size.X-1, size.Y-1, "owl", "", 0)
	}
}

func TestSourcePictureShinesThrough(t *testing.T) {
	t.Parallel()
	f := build(t, world{prediction: "epsilon"})
	source := image.NewRGBA(image.Rect(10, 10, 90, 50)) // neither the size asked for nor at the origin
	for i := range source.Pix {
		source.Pix[i] = 255
	}
	distance := func(denoise float64) float64 {
		img, timing, err := f.pipeline.Generate(t.Context(), diffusion.Params{Prompt: "owl", Width: 64, Height: 64, Steps: 6, Source: source, Denoise: denoise, Seed: 2}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if timing.UNetRuns != 6 {
			t.Errorf("denoise %v took %d runs, want 6", denoise, timing.UNetRuns)
		}
		c := img.RGBAAt(20, 20)
		return math.Abs(float64(c.R)-(f.colourOf("owl", 0)*127.5+127.5)) + 0
	}
	// The toy model knows one picture and goes there from anywhere, so the result is its colour; the
	// source is taken in without trouble whatever the share.
	for _, denoise := range []float64{0.001, 0.3, 0.7, 1, 0} {
		if d := distance(denoise); d > 3 {
			t.Errorf("denoise %v ends %.0f shades away", denoise, d)
		}
	}
}

func TestGenerateRefuses(t *testing.T) {
	t.Parallel()
	f := build(t, world{noEncoder: true})
	for name, q := range map[string]diffusion.Params{
		"a side too long":           {Width: diffusion.MaxSide + 1, Height: 64},
		"a negative side":           {Width: 64, Height: -64},
		"too many steps":            {Steps: diffusion.MaxSteps + 1},
		"negative steps":            {Steps: -1},
		"guidance without number":   {CFG: math.NaN()},
		"a source without a way in": {Source: image.NewRGBA(image.Rect(0, 0, 8, 8))},
	} {
		if _, _, err := f.pipeline.Generate(t.Context(), q, nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	with := build(t, world{})
	if _, _, err := with.pipeline.Generate(t.Context(), diffusion.Params{Source: image.NewRGBA(image.Rectangle{})}, nil); err == nil {
		t.Error("an empty source: accepted")
	}
	spoilt := build(t, world{spoil: true})
	if _, _, err := spoilt.pipeline.Generate(t.Context(), diffusion.Params{Steps: 2}, nil); !errors.Is(err, diffusion.ErrNotFinite) {
		t.Errorf("a model that overflows: %v", err)
	}
	with.pipeline.Close()
	if _, _, err := with.pipeline.Generate(t.Context(), diffusion.Params{Steps: 2}, nil); err == nil {
		t.Error("a closed pipeline draws")
	}
}

func TestNewRefusesGraphsItCannotFeed(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]world{
		"float ids":                         {ids: diffusion.Float32},
		"integer latents":                   {floats: diffusion.Int64},
		"a batch of three":                  {batch: 3},
		"a scalar step of 16 bits":          {step: diffusion.Float16},
		"a step with two axes":              {stepDims: []int64{1, 1}},
		"latents that fixed_size forbids":   {side: 8, fixed: 128},
		"a fixed_size that does not divide": {fixed: 100},
		"an unknown prediction":             {prediction: "flow"},
	} {
		if _, err := tryBuild(t, w); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestGenerateStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	f := build(t, world{afterUNetRun: func(n int64) {
		if n == 3 {
			cancel()
		}
	}})
	_, _, err := f.pipeline.Generate(ctx, diffusion.Params{Prompt: "owl", Steps: 50, CFG: 5}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want cancelled", err)
	}
	if n := f.unet.runs.Load(); n != 3 {
		t.Errorf("%d runs after a cancel in the third", n)
	}
	if _, _, err := f.pipeline.Generate(t.Context(), diffusion.Params{Prompt: "owl", Steps: 2}, nil); err != nil {
		t.Errorf("the next picture: %v", err)
	}
}

func TestGenerateAtTheSameTime(t *testing.T) {
	t.Parallel()
	f := build(t, world{})
	var wg sync.WaitGroup
	for i, prompt := range []string{"owl", "a red apple", "(snow:1.2)", "cat ### dog", strings.Repeat("apple ", 30)} {
		wg.Go(func() {
			q := diffusion.Params{Prompt: prompt, Width: 32 + 16*i, Height: 32, Steps: 4, CFG: 2, Sampler: diffusion.Samplers()[i]}
			for range 3 {
				if _, _, err := f.pipeline.Generate(t.Context(), q, nil); err != nil {
					t.Errorf("%s: %v", prompt, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestTimingAddsUp(t *testing.T) {
	t.Parallel()
	f := build(t, world{})
	_, timing, err := f.pipeline.Generate(t.Context(), diffusion.Params{Prompt: "owl", Steps: 4, CFG: 3}, nil)
	if err != nil {
		t.Fatal(err)
	}
	// The clock moves by 1 ms per look, so every session run lasts 1 ms.
	if timing.Text != 2*time.Millisecond || timing.UNet != 4*time.Millisecond || timing.VAE != time.Millisecond {
		t.Errorf("timing %+v, want 2, 4 and 1 ms", timing)
	}
	if timing.Total != 15*time.Millisecond { // two looks for each of seven runs and the last of all
		t.Errorf("in all %v, want 15 ms", timing.Total)
	}
}

// TestStepsAllocateNothing compares a short with a long run, alone, as others would be counted in.
func TestStepsAllocateNothing(t *testing.T) { //nolint:paralleltest // see above
	f := build(t, world{})
	measure := func(steps int) float64 {
		q := diffusion.Params{Prompt: "owl", Width: 16, Height: 16, Steps: steps, CFG: 3, Sampler: "k_euler_a"}
		return testing.AllocsPerRun(5, func() {
			if _, _, err := f.pipeline.Generate(t.Context(), q, nil); err != nil {
				t.Fatal(err)
			}
		})
	}
	if few, many := measure(5), measure(105); many-few > 20 { // the list of levels grows in a few leaps
		t.Errorf("%.0f allocations for 5 steps, %.0f for 105", few, many)
	}
}

func TestFit(t *testing.T) {
	t.Parallel()
	src := image.NewRGBA(image.Rect(0, 0, 4, 4))
	for i := 0; i < len(src.Pix); i += 4 {
		src.Pix[i], src.Pix[i+3] = 200, 255
	}
	for y := 1; y < 3; y++ {
		for x := 1; x < 3; x++ {
			src.SetRGBA(x, y, color.RGBA{0, 255, 0, 255})
		}
	}
	if diffusion.Fit(src, 4, 4) != src {
		t.Error("a picture of the right size is copied")
	}
	wide := diffusion.Fit(src, 100, 40)
	if wide.Rect != image.Rect(0, 0, 100, 40) {
		t.Fatalf("%v", wide.Rect)
	}
	for _, at := range []image.Point{{0, 0}, {29, 39}, {70, 0}, {99, 20}} {
		if got := wide.RGBAAt(at.X, at.Y); got != (color.RGBA{200, 0, 0, 255}) {
			t.Errorf("the border at %v is %v", at, got)
		}
	}
	if got := wide.RGBAAt(50, 20); got.G < 200 {
		t.Errorf("the middle is %v, want green", got)
	}
	if got := diffusion.Fit(src, 4, 9).RGBAAt(1, 3); got != (color.RGBA{0, 255, 0, 255}) {
		t.Errorf("unscaled and moved down by two, the pixel is %v, want pure green", got)
	}
}

func BenchmarkFit(b *testing.B) {
	src := image.NewRGBA(image.Rect(0, 0, 256, 256))
	for _, size := range []image.Point{{512, 512}, {1024, 1024}, {768, 512}} {
		b.Run(size.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				diffusion.Fit(src, size.X, size.Y)
			}
		})
	}
}
