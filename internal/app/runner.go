// SPDX-License-Identifier: AGPL-3.0-or-later

package app

import (
	"context"
	"fmt"
	"image"
	"io"
	"os"
	"os/signal"
	"syscall"

	"stablemate/inference"
	"stablemate/inference/diffusion"
	"stablemate/inference/onnx"
)

// runnerCommand is the hidden sub-command of a runner process. Only such processes load ONNX Runtime.
const runnerCommand = "runner"

// runRunner ends when its parent closes its standard input, not by signals: those reach the whole group, and the parent
// wants to let running jobs finish.
func runRunner(ctx context.Context, _ io.Writer) error {
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	in, out, err := inference.Stdio()
	if err != nil {
		return fmt.Errorf("runner: %w", err)
	}
	return inference.RunRunner(ctx, in, out, openers(), systemClock.Now)
}

func openers() inference.Openers {
	return inference.Openers{
		Model: func(ctx context.Context, dir string, d inference.Device) (inference.Model, error) {
			m, err := onnx.Open(ctx, dir, onnx.Options{
				Library: d.Library, Provider: d.Provider, Device: d.Index, Threads: d.Threads, Now: systemClock.Now,
			})
			if err != nil {
				return nil, err
			}
			return model{m}, nil
		},
		Classifier: func(ctx context.Context, path string, d inference.Device) (inference.Classifier, error) {
			return onnx.OpenClassifier(ctx, path, onnx.Options{Library: d.Library, Threads: d.Threads, Now: systemClock.Now})
		},
	}
}

// model fits a pipeline into what a runner works with.
type model struct{ *onnx.Model }

// Generate draws one picture.
func (m model) Generate(ctx context.Context, p inference.Params, progress func(step, total int)) (*image.RGBA, inference.Timing, error) {
	img, t, err := m.Pipeline().Generate(ctx, diffusion.Params{
		Prompt: p.Prompt, Width: p.Width, Height: p.Height, Steps: p.Steps, CFG: p.CFG, Sampler: p.Sampler,
		Karras: p.Karras, Seed: uint64(p.Seed), ClipSkip: p.ClipSkip, Tiling: p.Tiling,
	}, progress)
	return img, inference.Timing{Text: t.Text, UNet: t.UNet, VAE: t.VAE, Total: t.Total, UNetRuns: t.UNetRuns}, err
}
