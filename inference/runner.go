// SPDX-License-Identifier: AGPL-3.0-or-later

package inference

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"sync"
	"time"
)

// Bounds of a runner.
const (
	maxCalls     = 256             // under way at once; far more than any pool has slots
	maxErrorText = 2000            // bytes of an error's text
	leaveAfter   = 3 * time.Second // how long a runner that is told to end waits for native code
)

// Params is one picture to draw. Zero values mean the model's own choice.
type Params struct {
	Prompt   string  `json:"prompt"` // what should not be seen follows ###
	Width    int     `json:"width"`  // pixels
	Height   int     `json:"height"`
	Steps    int     `json:"steps"`
	CFG      float64 `json:"cfg"`
	Sampler  string  `json:"sampler"` // as the horde spells it
	Karras   bool    `json:"karras,omitempty"`
	Seed     uint32  `json:"seed"`
	ClipSkip int     `json:"clip_skip,omitempty"`
	Tiling   bool    `json:"tiling,omitempty"`
}

// Timing says where the time of one picture went. Text, UNet and VAE are spent inside the networks, Encode on WebP.
type Timing struct {
	Text     time.Duration `json:"text"`
	UNet     time.Duration `json:"unet"`
	VAE      time.Duration `json:"vae"`
	Encode   time.Duration `json:"encode"`
	Total    time.Duration `json:"total"`
	UNetRuns int           `json:"unet_runs"`
}

// Model is a loaded model. Generate may be called several times at once.
type Model interface {
	// Generate draws. It calls progress after each step, counting from 1, and ends early when ctx does.
	Generate(ctx context.Context, p Params, progress func(step, total int)) (*image.RGBA, Timing, error)
	// Provider names what it computes on: "cpu", "cuda", …
	Provider() string
	// Close frees the model. No Generate is under way.
	Close()
}

// Classifier is the loaded safety network. Classify may be called several times at once.
type Classifier interface {
	// Classify takes ClassifierSide² pixels of red, green and blue between 0 and 1, row by row, and returns a
	// probability for each Class.
	Classify(ctx context.Context, pixels []float32) ([]float32, error)
	// Close frees the network. No Classify is under way.
	Close()
}

// Openers open what a runner works with. Both are required.
type Openers struct {
	Model      func(ctx context.Context, dir string, d Device) (Model, error)
	Classifier func(ctx context.Context, path string, d Device) (Classifier, error)
}

// RunRunner is the whole of a runner process: it answers the frames of a supervisor until in ends, which is when the
// parent closes it or dies, or until ctx does. Then calls under way are cancelled and given a few seconds; what native
// code does not let go of by then is left behind, so the caller must end the process. now measures durations.
func RunRunner(ctx context.Context, in io.Reader, out io.Writer, open Openers, now func() time.Time) error {
	if open.Model == nil || open.Classifier == nil || now == nil {
		return errors.New("a runner needs both openers and a clock")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &runner{
		out: &frameWriter{w: out}, open: open, now: now, end: cancel,
		calls: make(map[uint64]context.CancelFunc), loaded: make(map[string]*loaded),
	}
	go func() { cancel(r.read(ctx, in)) }() // ends with in; when ctx ended first, with the process
	<-ctx.Done()
	r.leave()
	if err := context.Cause(ctx); !errors.Is(err, io.EOF) && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// runner is the child's side.
type runner struct {
	out    *frameWriter
	open   Openers
	now    func() time.Time
	end    context.CancelCauseFunc
	device Device
	under  sync.WaitGroup // calls under way

	mu     sync.Mutex // guards what follows
	closed bool
	calls  map[uint64]context.CancelFunc
	loaded map[string]*loaded // by path
}

// loaded is an open model or classifier.
type loaded struct {
	model      Model
	classifier Classifier
	users      int
}

func (l *loaded) close() {
	if l.model != nil {
		l.model.Close()
		return
	}
	l.classifier.Close()
}

// read takes frames until in ends or says something that is not the protocol.
func (r *runner) read(ctx context.Context, in io.Reader) error {
	m, _, err := readFrame(in)
	if err != nil {
		return err
	}
	if m.Kind != kindStart || m.Version != Protocol || m.Device == nil {
		err := fmt.Errorf("the supervisor began with %q version %d, this runner speaks version %d", m.Kind, m.Version, Protocol)
		return errors.Join(err, r.out.write(message{Kind: kindHello, Version: Protocol}, nil))
	}
	r.device = *m.Device
	if err := r.out.write(message{Kind: kindHello, Version: Protocol}, nil); err != nil {
		return err
	}
	for {
		m, body, err := readFrame(in)
		if err != nil {
			return err
		}
		switch m.Kind {
		case kindLoad, kindUnload, kindGenerate, kindCheck:
			r.begin(ctx, m, body)
		case kindCancel:
			r.mu.Lock()
			if stop, ok := r.calls[m.Call]; ok {
				stop()
			}
			r.mu.Unlock()
		default:
			return fmt.Errorf("%w: a supervisor does not say %q", errFrame, m.Kind)
		}
	}
}

// begin starts a call of its own goroutine, which answers it.
func (r *runner) begin(ctx context.Context, m message, body []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	if _, twice := r.calls[m.Call]; twice || len(r.calls) >= maxCalls {
		r.answer(message{Kind: kindError, Call: m.Call, Error: "too many calls at once, or one number twice"})
		return
	}
	ctx, stop := context.WithCancel(ctx)
	r.calls[m.Call] = stop
	r.under.Go(func() {
		answer, err := r.do(ctx, m, body)
		if err != nil {
			text := err.Error()
			answer = message{Kind: kindError, Error: text[:min(len(text), maxErrorText)]}
		}
		answer.Call = m.Call
		memory := ownMemory()
		answer.Memory = &memory
		stop()
		r.mu.Lock()
		delete(r.calls, m.Call)
		r.mu.Unlock()
		r.answer(answer)
	})
}

// answer writes a message; a supervisor that does not hear any more ends the runner.
func (r *runner) answer(m message) {
	if err := r.out.write(m, nil); err != nil {
		r.end(err)
	}
}

// leave waits for calls under way, which are cancelled, and frees what they used.
func (r *runner) leave() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	gone := make(chan struct{})
	go func() { r.under.Wait(); close(gone) }() // ends with the calls, or with the process
	patience := time.NewTimer(leaveAfter)
	defer patience.Stop()
	select {
	case <-gone:
	case <-patience.C:
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.loaded {
		l.close()
	}
}

func (r *runner) do(ctx context.Context, m message, body []byte) (message, error) {
	switch m.Kind {
	case kindLoad:
		return r.load(ctx, m)
	case kindUnload:
		return message{Kind: kindDone}, r.unload(m.Path)
	case kindGenerate:
		return message{Kind: kindDone}, r.generate(ctx, m)
	default:
		return r.check(ctx, m, body)
	}
}

func (r *runner) load(ctx context.Context, m message) (message, error) {
	r.mu.Lock()
	l := r.loaded[m.Path]
	r.mu.Unlock()
	if l == nil {
		l = &loaded{}
		var err error
		if m.Classifier {
			l.classifier, err = r.open.Classifier(ctx, m.Path, r.device)
		} else {
			l.model, err = r.open.Model(ctx, m.Path, r.device)
		}
		if err != nil {
			return message{}, err
		}
		r.mu.Lock()
		r.loaded[m.Path] = l // a supervisor loads one thing at a time
		r.mu.Unlock()
	}
	answer := message{Kind: kindLoaded}
	if l.model != nil {
		answer.Provider = l.model.Provider()
	}
	return answer, nil
}

func (r *runner) unload(path string) error {
	r.mu.Lock()
	l := r.loaded[path]
	if l != nil && l.users > 0 {
		r.mu.Unlock()
		return errors.New("it is in use")
	}
	delete(r.loaded, path)
	r.mu.Unlock()
	if l != nil {
		l.close()
	}
	return nil
}

// use finds something loaded and keeps it from being unloaded until release.
func (r *runner) use(path string) (l *loaded, release func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l = r.loaded[path]; l == nil {
		return nil, nil, errors.New("it is not loaded")
	}
	l.users++
	return l, func() {
		r.mu.Lock()
		l.users--
		r.mu.Unlock()
	}, nil
}

// generate draws one picture per seed and sends each as soon as it is there.
func (r *runner) generate(ctx context.Context, m message) error {
	l, release, err := r.use(m.Path)
	if err != nil {
		return err
	}
	defer release()
	if l.model == nil || m.Params == nil {
		return errors.New("not a model, or no parameters")
	}
	for i, seed := range m.Seeds {
		p := *m.Params
		p.Seed = seed
		begin := r.now()
		beat := func(step, total int) {
			r.answer(message{Kind: kindBeat, Call: m.Call, Image: i, Step: step, Total: total})
		}
		beat(0, p.Steps)
		img, timing, err := l.model.Generate(ctx, p, beat)
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		encode := r.now()
		data, err := encodeWebP(img)
		if err != nil {
			return err
		}
		end := r.now()
		timing.Encode, timing.Total = end.Sub(encode), end.Sub(begin)
		if err := r.out.write(message{Kind: kindImage, Call: m.Call, Image: i, Timing: &timing}, data); err != nil {
			r.end(err)
			return err
		}
	}
	return nil
}

func (r *runner) check(ctx context.Context, m message, body []byte) (message, error) {
	l, release, err := r.use(m.Path)
	if err != nil {
		return message{}, err
	}
	defer release()
	if l.classifier == nil {
		return message{}, errors.New("not a classifier")
	}
	pixels, err := classifierInput(body)
	if err != nil {
		return message{}, err
	}
	scores, err := l.classifier.Classify(ctx, pixels)
	return message{Kind: kindScores, Scores: scores}, err
}
