// SPDX-License-Identifier: AGPL-3.0-or-later

// Package inferencetest takes the GPU's place in tests: runners that are real processes, with models that draw plain
// colours. What a model does, its prompt says, so that a test can have it crash, hang or draw what must not be seen.
//
// The runner is the test binary itself. Its TestMain begins with
//
//	if inferencetest.RunChild(time.Now) { return }
package inferencetest

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stablemate/inference"
)

// Words that a prompt may begin with. Any other prompt draws at once.
const (
	Slow     = "slow"     // 20 ms per step
	Crash    = "crash"    // the process is killed in the middle
	Once     = "once "    // followed by a path: like Crash, unless the file is there, which is then made
	Stuck    = "stuck"    // silent for ever, and deaf
	Stubborn = "stubborn" // shows life for ever, but does not let go
	Fail     = "fail"     // an error
	Nude     = "nude"     // a picture that the safety network holds back
	Garble   = "garble"   // speaks something that is not the protocol
)

// child is the argument that makes a test binary a runner.
const child = "stablemate-test-runner"

// Command starts a runner: Options.Command of a pool.
func Command() []string { return []string{os.Args[0], child} }

// RunChild makes this process a runner when Command started it, and reports whether it did. now measures durations.
func RunChild(now func() time.Time) bool {
	if len(os.Args) != 2 || os.Args[1] != child {
		return false
	}
	in, out, err := inference.Stdio()
	if err == nil {
		err = inference.RunRunner(context.Background(), in, out, openers(func() { _, _ = out.Write([]byte("Hello, I am a library.")) }), now)
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// Openers are the models of this package, for a runner in the test's own process.
func Openers() inference.Openers { return openers(func() {}) }

func openers(garble func()) inference.Openers {
	return inference.Openers{
		Model: func(_ context.Context, dir string, _ inference.Device) (inference.Model, error) {
			switch name := filepath.Base(dir); {
			case strings.HasPrefix(name, "broken"):
				return nil, errors.New("the model is broken")
			case strings.HasPrefix(name, "deadly"):
				kill()
			}
			return model{garble}, nil
		},
		Classifier: func(_ context.Context, path string, _ inference.Device) (inference.Classifier, error) {
			_, err := os.Stat(path)
			return classifier{failing: strings.HasPrefix(filepath.Base(path), "failing")}, err
		},
	}
}

// kill ends this process at once, as a fault in native code would.
func kill() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill()
	}
	select {}
}

type model struct{ garble func() }

// Generate does what the prompt says and draws Colour(seed).
func (m model) Generate(ctx context.Context, p inference.Params, progress func(step, total int)) (*image.RGBA, inference.Timing, error) {
	steps := max(1, p.Steps)
	for step := 1; step <= steps; step++ {
		switch {
		case strings.HasPrefix(p.Prompt, Slow):
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
				return nil, inference.Timing{}, ctx.Err()
			}
		case strings.HasPrefix(p.Prompt, Crash) && step == steps/2+1:
			kill()
		case strings.HasPrefix(p.Prompt, Once):
			if f, err := os.OpenFile(strings.TrimPrefix(p.Prompt, Once), os.O_CREATE|os.O_EXCL, 0o600); err == nil {
				_ = f.Close()
				kill()
			}
		case strings.HasPrefix(p.Prompt, Stuck) && step == steps/2+1:
			select {}
		case strings.HasPrefix(p.Prompt, Stubborn):
			for {
				progress(step, steps) //nolint:gosec // that it heeds no context is the point
				time.Sleep(5 * time.Millisecond)
			}
		case strings.HasPrefix(p.Prompt, Fail):
			return nil, inference.Timing{}, errors.New("cannot draw that")
		case strings.HasPrefix(p.Prompt, Garble):
			m.garble()
			select {}
		}
		progress(step, steps)
	}
	c := Colour(p.Seed)
	if strings.HasPrefix(p.Prompt, Nude) {
		c = color.RGBA{255, 0, 0, 255}
	}
	img := image.NewRGBA(image.Rect(0, 0, p.Width, p.Height))
	draw.Draw(img, img.Rect, image.NewUniform(c), image.Point{}, draw.Src)
	return img, inference.Timing{UNetRuns: steps}, nil
}

// Colour is what a seed draws; never the red that is held back.
func Colour(seed uint32) color.RGBA {
	return color.RGBA{uint8(seed % 5 * 20), uint8(60 + seed%7*25), uint8(60 + seed%11*15), 255}
}

// Provider names no real one.
func (model) Provider() string { return "test" }

// Close has nothing to free.
func (model) Close() {}

type classifier struct{ failing bool }

// Classify finds fault with red pictures.
func (c classifier) Classify(_ context.Context, pixels []float32) ([]float32, error) {
	if len(pixels) != 3*inference.ClassifierSide*inference.ClassifierSide {
		return nil, fmt.Errorf("%d numbers", len(pixels))
	}
	if c.failing {
		return nil, errors.New("cannot look at that")
	}
	scores := make([]float32, inference.Sexy+1)
	if pixels[0] > 0.9 && pixels[1] < 0.2 {
		scores[inference.Porn] = 0.9
		scores[inference.Neutral] = 0.1
	} else {
		scores[inference.Neutral] = 1
	}
	return scores, nil
}

// Close has nothing to free.
func (classifier) Close() {}

// Folder makes a model folder of the given name that Scan accepts and these runners open. Names that begin with
// "broken" cannot be loaded, those that begin with "deadly" take the process with them.
func Folder(tb testing.TB, name string) inference.Folder {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), name)
	WriteFolder(tb, dir)
	models, refused := inference.Scan(dir)
	if len(models) != 1 || len(refused) > 0 {
		tb.Fatalf("Scan(%s) = %v, refused %v", dir, models, refused)
	}
	return models[0]
}

// WriteFolder fills a folder with what a model in the Optimum layout has.
func WriteFolder(tb testing.TB, dir string) {
	tb.Helper()
	for path, data := range map[string]string{
		"model_index.json": `{"_class_name": "StableDiffusionPipeline"}`, "text_encoder/model.onnx": "graph",
		"unet/model.onnx": "graph", "vae_decoder/model.onnx": "graph",
	} {
		path = filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
}

// SafetyFile makes a file of the given name that the runners of this package take for a safety network. One whose name
// begins with "failing" fails at every picture.
func SafetyFile(tb testing.TB, name string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, []byte("graph"), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}
