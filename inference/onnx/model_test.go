package onnx_test

import (
	"context"
	"errors"
	"image"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"stablemate/inference/diffusion"
	"stablemate/inference/onnx"
)

// TestPicturesEqualPyTorch draws what testdata/make.py drew with PyTorch and samplers of its own.
func TestPicturesEqualPyTorch(t *testing.T) {
	t.Parallel()
	m := open(t, "testdata/modern")
	for _, c := range []struct {
		file string
		q    diffusion.Params
	}{
		{"reference_euler.png", diffusion.Params{Width: 48, Height: 64, Steps: 6, CFG: 4, Seed: 1234, Sampler: "k_euler", Karras: true}},
		{"reference_dpmpp_2m.png", diffusion.Params{Width: 64, Height: 32, Steps: 6, CFG: 4, Seed: 5, Sampler: "k_dpmpp_2m", Karras: true}},
		{"reference_img2img.png", diffusion.Params{
			Width: 64, Height: 64, Steps: 4, CFG: 2, Seed: 9, Sampler: "k_euler", Karras: true,
			Source: readPNG(t, "testdata/source.png"), Denoise: 0.5,
		}},
	} {
		c.q.Prompt = "a red apple"
		want := readPNG(t, filepath.Join("testdata", c.file))
		got, timing, err := m.Pipeline().Generate(t.Context(), c.q, nil)
		if err != nil {
			t.Fatalf("%s: %v", c.file, err)
		}
		if got.Rect != want.Rect {
			t.Fatalf("%s: size %v, want %v", c.file, got.Rect, want.Rect)
		}
		if worst := worstDifference(got, want); worst > 1 {
			t.Errorf("%s: pixels differ by up to %d, want at most 1", c.file, worst)
		}
		if timing.UNetRuns != c.q.Steps || timing.UNet <= 0 || timing.Text <= 0 || timing.VAE <= 0 || timing.Total < timing.UNet+timing.Text+timing.VAE {
			t.Errorf("%s: timing %+v", c.file, timing)
		}
	}
}

func worstDifference(a, b *image.RGBA) int {
	worst := 0
	for i := range a.Pix {
		worst = max(worst, int(a.Pix[i])-int(b.Pix[i]), int(b.Pix[i])-int(a.Pix[i]))
	}
	return worst
}

func TestModelsOfEachKindDraw(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		size image.Point
		runs int
	}{
		"modern": {image.Pt(96, 64), 5},
		"older":  {image.Pt(96, 64), 10}, // a batch of one costs two runs a step
		"half":   {image.Pt(96, 64), 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := open(t, filepath.Join("testdata", name))
			if m.Provider() != onnx.CPU || len(m.Fallbacks()) != 0 {
				t.Errorf("provider %s, fallbacks %v", m.Provider(), m.Fallbacks())
			}
			var first string
			for _, sampler := range diffusion.Samplers() {
				q := diffusion.Params{Prompt: "(cat:1.2) ### dog", Width: 96, Height: 64, Steps: 5, CFG: 3, Seed: 4, Sampler: sampler}
				img, timing, err := m.Pipeline().Generate(t.Context(), q, nil)
				if err != nil {
					t.Fatalf("%s: %v", sampler, err)
				}
				if img.Rect.Size() != want.size {
					t.Errorf("%s: size %v", sampler, img.Rect.Size())
				}
				if sampler == "k_euler" {
					first = string(img.Pix)
					if timing.UNetRuns != want.runs {
						t.Errorf("%d U-Net runs, want %d", timing.UNetRuns, want.runs)
					}
				}
			}
			q := diffusion.Params{Prompt: "(cat:1.2) ### dog", Width: 96, Height: 64, Steps: 5, CFG: 3, Seed: 4, Sampler: "k_euler"}
			again, _, err := m.Pipeline().Generate(t.Context(), q, nil)
			if err != nil || string(again.Pix) != first {
				t.Errorf("the same seed draws another picture, error %v", err)
			}
			q.Seed = 5
			other, _, err := m.Pipeline().Generate(t.Context(), q, nil)
			if err != nil || string(other.Pix) == first {
				t.Errorf("another seed draws the same picture, error %v", err)
			}
			q.Source, q.Denoise = readPNG(t, "testdata/source.png"), 0.4
			if _, _, err := m.Pipeline().Generate(t.Context(), q, nil); err != nil {
				t.Errorf("from a source: %v", err)
			}
		})
	}
}

func TestHalfModelDrawsNearlyTheSame(t *testing.T) {
	t.Parallel()
	q := diffusion.Params{Prompt: "owl", Width: 64, Height: 64, Steps: 5, CFG: 2, Seed: 4}
	full, _, err := open(t, "testdata/modern").Pipeline().Generate(t.Context(), q, nil)
	if err != nil {
		t.Fatal(err)
	}
	half, _, err := open(t, "testdata/half").Pipeline().Generate(t.Context(), q, nil)
	if err != nil {
		t.Fatal(err)
	}
	if worst := worstDifference(full, half); worst > 8 { // the same random weights, rounded
		t.Errorf("pixels differ by up to %d, want at most 8", worst)
	}
}

func TestInfoComesFromTheFolder(t *testing.T) {
	t.Parallel()
	got := open(t, "testdata/older").Pipeline().Info()
	want := diffusion.Info{
		Name: "toy", Description: "Random colours, for tests.", Licence: "AGPL-3.0-or-later", Baseline: "stable diffusion 1",
		FixedSize: 64, NativeSize: 64, DefaultSteps: 4, DefaultCFG: 3, MaxTokens: 77, Img2Img: true,
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := open(t, "testdata/modern").Pipeline().Info(); got.Name != "modern" || got.FixedSize != 0 || got.NativeSize != 64 {
		t.Errorf("without a stablemate.json: %+v", got)
	}
}

func TestModelWithoutAnEncoder(t *testing.T) {
	t.Parallel()
	dir := copyModel(t, "modern")
	if err := os.RemoveAll(filepath.Join(dir, "vae_encoder")); err != nil {
		t.Fatal(err)
	}
	m := open(t, dir)
	if m.Pipeline().Info().Img2Img {
		t.Error("a model without an encoder claims img2img")
	}
	if _, _, err := m.Pipeline().Generate(t.Context(), diffusion.Params{Steps: 2}, nil); err != nil {
		t.Error(err)
	}
}

func TestBrokenFoldersAreRefused(t *testing.T) {
	t.Parallel()
	lib := library(t)
	truncate := func(path string, keep float64) func(dir string) error {
		return func(dir string) error {
			file := filepath.Join(dir, path)
			info, err := os.Stat(file)
			if err != nil {
				return err
			}
			return os.Truncate(file, int64(float64(info.Size())*keep))
		}
	}
	remove := func(path string) func(dir string) error {
		return func(dir string) error { return os.RemoveAll(filepath.Join(dir, path)) }
	}
	write := func(path, text string) func(dir string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, path), []byte(text), 0o644) }
	}
	swap := func(a, b string) func(dir string) error {
		return func(dir string) error {
			data, err := os.ReadFile(filepath.Join(dir, b))
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, a), data, 0o644)
		}
	}
	for _, c := range []struct {
		name   string
		change func(dir string) error
		want   string // in the error
	}{
		{"no U-Net", remove("unet"), "unet/model.onnx is missing"},
		{"no text encoder", remove("text_encoder/model.onnx"), "text_encoder/model.onnx is missing"},
		{"no decoder", remove("vae_decoder"), "vae_decoder/model.onnx is missing"},
		{"no tokenizer", remove("tokenizer"), "tokenizer"},
		{"weights beside the U-Net missing", remove("unet/model.onnx_data"), "load unet"},
		{"weights beside the U-Net cut", truncate("unet/model.onnx_data", 0.5), "load unet"},
		{"a U-Net cut in half", truncate("unet/model.onnx", 0.5), "unet/model.onnx is not a sound ONNX model"},
		{"a U-Net cut by a little", truncate("unet/model.onnx", 0.99), "unet/model.onnx is not a sound ONNX model"},
		{"an empty U-Net", truncate("unet/model.onnx", 0), "unet/model.onnx is not a sound ONNX model"},
		{"an HTML page for a U-Net", write("unet/model.onnx", "<!doctype html><title>404</title>"), "unet/model.onnx is not a sound ONNX model"},
		{"the decoder for a U-Net", swap("unet/model.onnx", "vae_decoder/model.onnx"), "U-Net"},
		{"the text encoder for a decoder", swap("vae_decoder/model.onnx", "text_encoder/model.onnx"), "VAE decoder"},
		{"the decoder for a text encoder", swap("text_encoder/model.onnx", "vae_decoder/model.onnx"), "text encoder"},
		{"the encoder for a decoder", swap("vae_decoder/model.onnx", "vae_encoder/model.onnx"), "VAE decoder"},
		{"a scheduler that is no JSON", write("scheduler/scheduler_config.json", "{"), "scheduler_config.json"},
		{"an unknown prediction", write("scheduler/scheduler_config.json", `{"prediction_type": "flow"}`), "prediction_type"},
		{"an absurd VAE", write("vae_decoder/config.json", `{"block_out_channels": [1,1,1,1,1,1,1,1,1,1,1,1]}`), "times the latents"},
		{"another number of latent channels", write("vae_decoder/config.json", `{"latent_channels": 16}`), "channels"},
		{"a VAE of another scale", write("vae_decoder/config.json", `{"block_out_channels": [1,1,1]}`), "toy"},
		{"a fixed size of a fraction of latents", write("stablemate.json", `{"fixed_size": 100}`), "fixed_size"},
		{"another fixed size than the graphs'", write("stablemate.json", `{"fixed_size": 128}`), "fixed_size"},
		{"a family with two text encoders", write("model_index.json", `{"_class_name": "StableDiffusionXLPipeline"}`), "family"},
		{"a folder that is not there", func(dir string) error { return os.RemoveAll(dir) }, "tokenizer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := copyModel(t, "older")
			if err := c.change(dir); err != nil {
				t.Fatal(err)
			}
			m, err := onnx.Open(t.Context(), dir, onnx.Options{Library: lib, Now: time.Now})
			if err == nil {
				_, _, err = m.Pipeline().Generate(t.Context(), diffusion.Params{Steps: 1}, nil)
				m.Close()
				t.Fatalf("accepted; drawing gives %v", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q, want one with %q", err, c.want)
			}
			if strings.Contains(err.Error(), "\n") || len(err.Error()) > 700 {
				t.Errorf("the error is not one readable line: %q", err)
			}
		})
	}
}

func TestProvidersFallBackToTheCPU(t *testing.T) {
	t.Parallel()
	lib := library(t)
	for _, provider := range []string{onnx.CUDA, onnx.WebGPU, onnx.Auto} {
		m := openWith(t, "testdata/modern", onnx.Options{Provider: provider})
		if m.Provider() == onnx.CPU && len(m.Fallbacks()) == 0 {
			t.Errorf("%s: on the CPU without a reason", provider)
		}
		for _, reason := range m.Fallbacks() {
			t.Logf("asked for %s: %s", provider, reason)
		}
		if _, _, err := m.Pipeline().Generate(t.Context(), diffusion.Params{Steps: 2, CFG: 2}, nil); err != nil {
			t.Errorf("%s: %v", provider, err)
		}
	}
	if _, err := onnx.Open(t.Context(), "testdata/modern", onnx.Options{Library: lib, Provider: "abacus", Now: time.Now}); err == nil {
		t.Error("an unknown provider: accepted")
	}
}

func TestCancelStopsAPicture(t *testing.T) {
	t.Parallel()
	m := open(t, "testdata/modern")
	q := diffusion.Params{Prompt: "owl", Width: 512, Height: 512, Steps: 400, CFG: 3}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var cancelled time.Time
	_, _, err := m.Pipeline().Generate(ctx, q, func(step, _ int) {
		if step == 2 {
			cancelled = time.Now()
			time.AfterFunc(3*time.Millisecond, cancel) // in the middle of a run
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want cancelled", err)
	}
	if late := time.Since(cancelled); late > 2*time.Second {
		t.Errorf("it went on for %v", late)
	}
	if _, _, err := m.Pipeline().Generate(t.Context(), diffusion.Params{Prompt: "owl", Steps: 2}, nil); err != nil {
		t.Errorf("the next picture: %v", err)
	}
	short, stop := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer stop()
	if _, _, err := m.Pipeline().Generate(short, q, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want deadline exceeded", err)
	}
	if _, err := onnx.Open(ctx, "testdata/modern", onnx.Options{Library: library(t), Now: time.Now}); !errors.Is(err, context.Canceled) {
		t.Errorf("open under a cancelled context: %v", err)
	}
}

func TestModelIsUsedByMany(t *testing.T) {
	t.Parallel()
	m := open(t, "testdata/modern")
	q := diffusion.Params{Prompt: "owl", Width: 64, Height: 64, Steps: 6, CFG: 3, Seed: 8}
	want, _, err := m.Pipeline().Generate(t.Context(), q, nil)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				runtime.GC() // memory the library knows must stay where it is
				got, _, err := m.Pipeline().Generate(t.Context(), q, nil)
				if err != nil || string(got.Pix) != string(want.Pix) {
					t.Errorf("another picture at the same time, error %v", err)
				}
			}
		})
	}
	wg.Wait()
}

func TestCloseEndsAPicture(t *testing.T) {
	t.Parallel()
	m := open(t, "testdata/modern")
	started, done := make(chan struct{}), make(chan error, 1)
	var once sync.Once
	go func() {
		_, _, err := m.Pipeline().Generate(t.Context(), diffusion.Params{Width: 256, Height: 256, Steps: 500, CFG: 3}, func(int, int) { once.Do(func() { close(started) }) })
		done <- err
	}()
	<-started
	m.Close()
	if err := <-done; !errors.Is(err, onnx.ErrClosed) {
		t.Errorf("a picture in the middle of its steps ends with %v, want ErrClosed", err)
	}
	m.Close()
	if _, _, err := m.Pipeline().Generate(t.Context(), diffusion.Params{Steps: 1}, nil); err == nil {
		t.Error("a closed model draws")
	}
}

// BenchmarkPipelineOverhead measures what a picture costs beyond the time inside ONNX Runtime. The toy
// model's runs take microseconds, so its percentage says little; the built-in model's is the one to hold.
func BenchmarkPipelineOverhead(b *testing.B) {
	for _, c := range []struct {
		name, dir string
		size      int
	}{
		{"toy", "testdata/modern", 256},
		{"built-in at its own size", "../models/stablemate-mini", 256},
		{"built-in at 512", "../models/stablemate-mini", 512},
	} {
		b.Run(c.name, func(b *testing.B) {
			if _, err := os.Stat(c.dir); err != nil {
				b.Skip(err)
			}
			m := open(b, c.dir)
			q := diffusion.Params{Prompt: "a red apple ### blurry", Width: c.size, Height: c.size, Steps: 20, CFG: 5, Sampler: "k_dpmpp_2m", Karras: true}
			if _, _, err := m.Pipeline().Generate(b.Context(), q, nil); err != nil {
				b.Fatal(err)
			}
			var inside, total time.Duration
			b.ReportAllocs()
			for b.Loop() {
				q.Seed++
				_, timing, err := m.Pipeline().Generate(b.Context(), q, nil)
				if err != nil {
					b.Fatal(err)
				}
				inside += timing.Text + timing.UNet + timing.VAE
				total += timing.Total
			}
			b.ReportMetric(100*float64(total-inside)/float64(inside), "overhead_%")
			b.ReportMetric(float64(inside.Microseconds())/1000/float64(b.N), "inside_ms/op")
		})
	}
}
