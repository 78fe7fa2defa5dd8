package onnx

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"stablemate/inference/diffusion"
)

// maxScores bounds what a classifier may give for one picture.
const maxScores = 10_000

// Classifier is a loaded network that gives numbers for a picture. It is safe for concurrent use.
type Classifier struct {
	s       *session
	in, out []int64 // shapes for one picture
}

// OpenClassifier loads a graph with one input and one output of floats whose only free axis is the first, the number of
// pictures. Library and Threads of the options count; it runs on the CPU. The caller closes the Classifier.
func OpenClassifier(ctx context.Context, path string, o Options) (*Classifier, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	info, err := readGraph(path)
	if err != nil {
		return nil, err
	}
	if len(info.inputs) != 1 || len(info.outputs) != 1 {
		return nil, fmt.Errorf("%s has %d inputs and %d outputs, want one of each", path, len(info.inputs), len(info.outputs))
	}
	c := &Classifier{}
	if c.in, err = single(info.inputs[0]); err != nil {
		return nil, err
	}
	if c.out, err = single(info.outputs[0]); err != nil {
		return nil, err
	}
	if o.Library == "" {
		dir, err := DefaultDir()
		if err != nil {
			return nil, err
		}
		if o.Library, err = Locate("", dir); err != nil {
			return nil, err
		}
	}
	if err := start(o.Library); err != nil {
		return nil, err
	}
	options, err := sessionOptions(CPU, 0, o.Threads)
	if err != nil {
		return nil, err
	}
	defer func() { _ = options.Destroy() }() // it always gives nil
	if c.s, err = load(path, info.inputs, info.outputs[0], options); err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	return c, nil
}

// single is the shape of a port for one picture.
func single(p diffusion.Port) ([]int64, error) {
	if p.Type != diffusion.Float32 || len(p.Dims) < 2 {
		return nil, fmt.Errorf("%q carries %s elements on %d axes, want float32 on two or more", p.Name, p.Type, len(p.Dims))
	}
	shape := slices.Clone(p.Dims)
	shape[0] = 1
	n := int64(1)
	for _, d := range shape {
		if d < 1 || d > diffusion.MaxSide {
			return nil, fmt.Errorf("%q has the shape %v, want only its first axis free", p.Name, p.Dims)
		}
		if n *= d; n > diffusion.MaxSide*diffusion.MaxSide*4 {
			return nil, fmt.Errorf("%q has the shape %v, which is too large", p.Name, p.Dims)
		}
	}
	return shape, nil
}

// Classify gives the network's output for one picture. pixels has exactly as many elements as the input; it is read in
// place and must not change meanwhile.
func (c *Classifier) Classify(ctx context.Context, pixels []float32) ([]float32, error) {
	in := diffusion.Tensor{Type: diffusion.Float32, Shape: c.in, F32: pixels}
	out := diffusion.NewTensor(diffusion.Float32, c.out...)
	if out.Len() > maxScores {
		return nil, errors.New("the network gives too many numbers")
	}
	run, err := c.s.Bind([]diffusion.Tensor{in}, out)
	if err != nil {
		return nil, err
	}
	defer run.Close()
	if err := run.Run(ctx); err != nil {
		return nil, err
	}
	return out.F32, nil
}

// Close waits for calls under way and frees the network. Closing twice is fine.
func (c *Classifier) Close() { c.s.close() }
