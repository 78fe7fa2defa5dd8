// SPDX-License-Identifier: AGPL-3.0-or-later

package inference

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"stablemate/horde"
)

// Defaults of SupervisorOptions.
const (
	DefaultHelloLimit   = 30 * time.Second
	DefaultLoadLimit    = 120 * time.Second
	DefaultStepLimit    = 30 * time.Second
	DefaultCheckLimit   = 30 * time.Second
	DefaultCancelLimit  = 10 * time.Second
	DefaultRestartFirst = 200 * time.Millisecond
	DefaultRestartMost  = 30 * time.Second

	stableAfter = time.Minute // a child that lived this long was well; the next one starts at once
)

// Errors of a Supervisor. What a model says by itself is a *RunnerError.
var (
	// ErrRunnerGone says that the runner process ended under a call. The next call gets a new one.
	ErrRunnerGone = errors.New("the runner process ended")
	// ErrStuck says that the runner was silent for too long and was killed.
	ErrStuck = errors.New("the runner got stuck")
	// ErrStopped says that the supervisor's Run has ended.
	ErrStopped = errors.New("the supervisor has stopped")
)

// RunnerError is what a runner answered in place of a result. The process is well.
type RunnerError struct {
	Message string
}

// Error is the runner's own text.
func (e *RunnerError) Error() string { return e.Message }

// SupervisorOptions say how a runner is started and watched. Command and Now are required.
type SupervisorOptions struct {
	Name    string   // in the log
	Command []string // argv of a program that calls RunRunner on its standard input and output
	Env     []string // added to this process's environment, less its secrets
	Device  Device
	Nice    int // priority given up, 0 to 19; only on Linux

	HelloLimit   time.Duration // from start to greeting
	LoadLimit    time.Duration // for opening a model
	StepLimit    time.Duration // between two signs of life while drawing, see child.patience
	CheckLimit   time.Duration // for one safety check
	CancelLimit  time.Duration // for letting go of a cancelled call
	RestartFirst time.Duration // pause before a restart, doubled each time up to RestartMost
	RestartMost  time.Duration
	// MemoryBudget is how many bytes of model files a runner holds at once; 0 means half of the machine's memory. One
	// model is always held.
	MemoryBudget int64

	Now func() time.Time // measures durations
	Log zerolog.Logger
}

// Supervisor keeps one runner process alive and passes calls to it. It is safe for concurrent use; calls wait for a
// process while there is none, until their context ends.
type Supervisor struct {
	opts SupervisorOptions

	mu      sync.Mutex // guards what follows
	child   *child     // nil while there is none
	changed chan struct{}
	stopped bool
	starts  int
	last    error // why the last child went
}

// NewSupervisor checks the options. Nothing starts before Run.
func NewSupervisor(o SupervisorOptions) (*Supervisor, error) {
	if len(o.Command) == 0 || o.Command[0] == "" || o.Now == nil {
		return nil, errors.New("a supervisor needs a command and a clock")
	}
	for _, d := range []struct {
		value *time.Duration
		or    time.Duration
	}{
		{&o.HelloLimit, DefaultHelloLimit},
		{&o.LoadLimit, DefaultLoadLimit},
		{&o.StepLimit, DefaultStepLimit},
		{&o.CheckLimit, DefaultCheckLimit},
		{&o.CancelLimit, DefaultCancelLimit},
		{&o.RestartFirst, DefaultRestartFirst},
		{&o.RestartMost, DefaultRestartMost},
	} {
		if *d.value <= 0 {
			*d.value = d.or
		}
	}
	if o.MemoryBudget <= 0 {
		o.MemoryBudget = memoryBudget()
	}
	o.Log = o.Log.With().Str("runner", o.Name).Logger()
	return &Supervisor{opts: o, changed: make(chan struct{})}, nil
}

// Run keeps a runner alive until ctx ends, then asks it to leave, kills it when it does not, and returns nil once it is
// gone. A child that ends is replaced after a pause that grows while they keep ending.
func (s *Supervisor) Run(ctx context.Context) error {
	defer s.set(nil, nil, true)
	pause := s.opts.RestartFirst
	for ctx.Err() == nil {
		c, err := startChild(ctx, &s.opts)
		if err == nil {
			s.opts.Log.Info().Int("pid", c.cmd.Process.Pid).Stringer("device", s.opts.Device).Msg("runner started")
			s.set(c, nil, false)
			if s.live(c) {
				pause = s.opts.RestartFirst
			}
			err = c.died()
			s.set(nil, err, false)
			c.wait()
		}
		if ctx.Err() != nil {
			break
		}
		s.opts.Log.Error().Err(err).Dur("again_in", pause).Msg("runner ended; starting another")
		s.note(err)
		again := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-again.C:
		}
		again.Stop()
		pause = min(2*pause, s.opts.RestartMost)
	}
	return nil
}

// live waits for a child's end and reports whether it lived for long enough to count as well.
func (s *Supervisor) live(c *child) bool {
	well := time.NewTimer(stableAfter)
	defer well.Stop()
	select {
	case <-c.done:
		return false
	case <-well.C:
		<-c.done
		return true
	}
}

func (s *Supervisor) set(c *child, err error, stopped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.child, s.stopped = c, stopped
	if c != nil {
		s.starts++
	}
	if err != nil {
		s.last = err
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Supervisor) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = err
}

// current waits for a child that is alive.
func (s *Supervisor) current(ctx context.Context) (*child, error) {
	for {
		s.mu.Lock()
		c, changed, stopped, last := s.child, s.changed, s.stopped, s.last
		s.mu.Unlock()
		switch {
		case stopped:
			return nil, ErrStopped
		case c != nil && !c.going():
			return c, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), last)
		}
	}
}

// Load opens a model unless it is open, and waits for a runner when there is none. It is not needed before Generate,
// but tells a model that cannot be loaded from a picture that cannot be drawn.
func (s *Supervisor) Load(ctx context.Context, f Folder) error {
	return s.load(ctx, f.Dir, f.Bytes, false)
}

// LoadClassifier does the same for a safety network, a file.
func (s *Supervisor) LoadClassifier(ctx context.Context, path string) error {
	return s.load(ctx, path, 0, true)
}

func (s *Supervisor) load(ctx context.Context, path string, bytes int64, classifier bool) error {
	c, err := s.current(ctx)
	if err != nil {
		return err
	}
	_, release, err := c.use(ctx, path, bytes, classifier)
	if err != nil {
		return fmt.Errorf("load %s: %w", path, err)
	}
	release()
	return nil
}

// Picture is one drawn image.
type Picture struct {
	Seed   uint32
	WebP   []byte
	Timing Timing
}

// Generate draws a picture for each seed, up to the horde's images per request; p.Seed does not count. each gets them
// in order, on the caller's goroutine, while the next is being drawn; its error ends the call. beat hears there of steps,
// though not of every one; it may be nil. When ctx ends, drawing stops and Generate returns ctx's error.
func (s *Supervisor) Generate(ctx context.Context, f Folder, p Params, seeds []uint32, each func(i int, pic Picture) error, beat func(i, step, total int)) error {
	if len(seeds) == 0 || len(seeds) > horde.MaxImagesPerRequest || p.Width < 1 || p.Height < 1 {
		return fmt.Errorf("draw %d pictures of %d×%d: nothing anybody may ask for", len(seeds), p.Width, p.Height)
	}
	c, err := s.current(ctx)
	if err != nil {
		return err
	}
	r, release, err := c.use(ctx, f.Dir, f.Bytes, false)
	if err != nil {
		return fmt.Errorf("load %s: %w", f.Name, err)
	}
	defer release()
	got := 0
	_, err = c.converse(ctx, message{Kind: kindGenerate, Path: f.Dir, Params: &p, Seeds: seeds}, nil, c.patience(r, p.Width*p.Height),
		func(m message, body []byte) error {
			if m.Kind == kindBeat {
				if beat != nil && m.Image >= got && m.Image < len(seeds) && m.Total > 0 {
					beat(m.Image, m.Step, m.Total)
				}
				return nil
			}
			if m.Image != got || got >= len(seeds) || m.Timing == nil || len(body) == 0 {
				return fmt.Errorf("%w: picture %d when %d was due", errFrame, m.Image, got)
			}
			got++
			return each(m.Image, Picture{Seed: seeds[m.Image], WebP: body, Timing: *m.Timing})
		})
	if err == nil && got < len(seeds) {
		err = fmt.Errorf("%w: it drew %d of %d pictures", errFrame, got, len(seeds))
	}
	return err
}

// Check asks the safety network in the file at path about a WebP picture.
func (s *Supervisor) Check(ctx context.Context, path string, picture []byte) (Scores, error) {
	c, err := s.current(ctx)
	if err != nil {
		return Scores{}, err
	}
	_, release, err := c.use(ctx, path, 0, true)
	if err != nil {
		return Scores{}, fmt.Errorf("load the safety network: %w", err)
	}
	defer release()
	answer, err := c.call(ctx, message{Kind: kindCheck, Path: path}, picture, s.opts.CheckLimit)
	if err != nil {
		return Scores{}, err
	}
	return readScores(answer.Scores)
}

// RunnerStatus is how a runner is doing.
type RunnerStatus struct {
	Name   string
	Device Device
	PID    int      // 0 while there is none
	Starts int      // processes so far
	Loaded []string // paths of open models
	Memory Memory   // as of its last answer
	Last   error    // why the last process ended, nil when none did
}

// Status tells how the runner is doing.
func (s *Supervisor) Status() RunnerStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := RunnerStatus{Name: s.opts.Name, Device: s.opts.Device, Starts: s.starts, Last: s.last}
	if c := s.child; c != nil {
		st.PID, st.Loaded = c.cmd.Process.Pid, c.holds()
		c.mu.Lock()
		st.Memory = c.memory
		c.mu.Unlock()
	}
	return st
}
