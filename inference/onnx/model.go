package onnx

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"stablemate/inference/diffusion"
)

// CacheVariable is the environment variable that moves the folder DefaultDir lies in.
const CacheVariable = "STABLEMATE_CACHE"

// DefaultDir is where Fetch should put the library when nobody says otherwise: "onnxruntime" in the
// folder CacheVariable names, or in "stablemate" in the user's cache folder.
func DefaultDir() (string, error) {
	cache := os.Getenv(CacheVariable)
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		cache = filepath.Join(user, "stablemate")
	}
	return filepath.Join(cache, "onnxruntime"), nil
}

// Options say how to run a model. The zero value of all but Now works.
type Options struct {
	// Library is the path of the ONNX Runtime library; "" looks for one as Locate does, DefaultDir included.
	Library string
	// Provider is CPU, CUDA, WebGPU or Auto; "" is CPU. One that does not work is replaced by the CPU.
	Provider string
	Device   int // which GPU of CUDA, from 0
	Threads  int // for the CPU; 0 = as many as Go uses
	// Now tells the time, to measure durations. It is required.
	Now func() time.Time
}

// Model is a loaded model folder. It is safe for concurrent use.
type Model struct {
	pipeline  *diffusion.Pipeline
	sessions  []*session
	provider  string
	fallbacks []string
}

// part is one network of the Optimum layout.
type part struct {
	folder   string
	outputs  []string // the wanted output, best name first
	optional bool

	path   string
	inputs []diffusion.Port
	output diffusion.Port
}

func layout() []part {
	return []part{
		{folder: "text_encoder", outputs: []string{"last_hidden_state"}},
		{folder: "unet", outputs: []string{"out_sample"}},
		{folder: "vae_decoder", outputs: []string{"sample"}},
		{folder: "vae_encoder", outputs: []string{"latent_parameters", "latent_sample"}, optional: true},
	}
}

// Open loads a model folder in the Optimum layout: text_encoder, unet, vae_decoder, optionally
// vae_encoder, each with a model.onnx, beside tokenizer and scheduler. It takes from milliseconds to
// many seconds with the size of the model; ctx is looked at between the parts, as the library cannot
// stop loading one. The caller closes the Model.
func Open(ctx context.Context, modelDir string, o Options) (*Model, error) {
	if o.Now == nil {
		return nil, errors.New("onnx: Options.Now is required")
	}
	providers, err := candidates(o.Provider)
	if err != nil {
		return nil, err
	}
	config, err := diffusion.LoadConfig(modelDir)
	if err != nil {
		return nil, err
	}
	parts, err := survey(modelDir)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", config.Info.Name, err)
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
	m := &Model{}
	for i, provider := range providers {
		m.provider = provider
		err := m.open(ctx, config, parts, o)
		if err == nil {
			return m, nil
		}
		m.Close()
		m.pipeline, m.sessions = nil, nil
		if i == len(providers)-1 || ctx.Err() != nil {
			return nil, fmt.Errorf("model %s: %w", config.Info.Name, err)
		}
		m.fallbacks = append(m.fallbacks, fmt.Sprintf("%s: %v", provider, err))
	}
	return nil, errors.New("onnx: no provider to try")
}

// survey reads what the parts of a model declare.
func survey(modelDir string) ([]part, error) {
	if _, err := os.Stat(filepath.Join(modelDir, "text_encoder_2")); err == nil {
		return nil, errors.New("it has two text encoders, and only models with one are supported")
	}
	var parts []part
	for _, p := range layout() {
		p.path = filepath.Join(modelDir, p.folder, "model.onnx")
		info, err := readGraph(p.path)
		if p.optional && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s/model.onnx is missing", p.folder)
		}
		if err != nil {
			return nil, err
		}
		p.inputs, p.output = info.inputs, info.outputs[0]
		for _, name := range slices.Backward(p.outputs) {
			if i := slices.IndexFunc(info.outputs, func(out diffusion.Port) bool { return out.Name == name }); i >= 0 {
				p.output = info.outputs[i]
			}
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// open loads all parts with m.provider. On an error some may be loaded.
func (m *Model) open(ctx context.Context, config diffusion.Config, parts []part, o Options) error {
	var networks diffusion.Parts
	for _, p := range parts {
		if err := ctx.Err(); err != nil {
			return err
		}
		// Each session needs options of its own: those that share WebGPU's count their one context as
		// freed by the first that closes, and the next close crashes.
		options, err := sessionOptions(m.provider, o.Device, o.Threads)
		if err != nil {
			return err
		}
		s, err := load(p.path, p.inputs, p.output, options)
		_ = options.Destroy() // it always gives nil
		if err != nil {
			return fmt.Errorf("load %s: %w", p.folder, err)
		}
		m.sessions = append(m.sessions, s)
		switch p.folder {
		case "text_encoder":
			networks.Text = s
		case "unet":
			networks.UNet = s
		case "vae_decoder":
			networks.Decoder = s
		case "vae_encoder":
			networks.Encoder = s
		}
	}
	var err error
	if m.pipeline, err = diffusion.New(config, networks, diffusion.Options{Now: o.Now}); err != nil {
		return err
	}
	if m.provider != CPU { // a provider may accept a graph it cannot run
		if _, _, err := m.pipeline.Generate(ctx, diffusion.Params{Steps: 1, CFG: 2}, nil); err != nil {
			return fmt.Errorf("try one step: %w", err)
		}
	}
	return nil
}

// Pipeline draws with the model. It works until Close.
func (m *Model) Pipeline() *diffusion.Pipeline { return m.pipeline }

// Provider is the provider in use: CPU, CUDA or WebGPU.
func (m *Model) Provider() string { return m.provider }

// Fallbacks says why the providers tried before Provider are not in use, a sentence each.
func (m *Model) Fallbacks() []string { return m.fallbacks }

// Close frees the model. It waits for a step under way; a Generate in the middle of its steps ends
// with ErrClosed. Closing twice is fine.
func (m *Model) Close() {
	if m.pipeline != nil {
		m.pipeline.Close()
	}
	for _, s := range m.sessions {
		s.close()
	}
}
