// SPDX-License-Identifier: AGPL-3.0-or-later

package inference

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"stablemate/horde"
)

// Bounds of a child process.
const (
	stopGrace   = 4 * time.Second // from closing its input until it is killed
	writeLimit  = 15 * time.Second
	pipesLimit  = 2 * time.Second               // from its end until its pipes are closed from here
	maxLogLines = 2000                          // of one child's standard error
	maxLogLine  = 2000                          // bytes
	newsPerCall = horde.MaxImagesPerRequest + 4 // images of a call and its answer, not yet taken
)

// child is one runner process.
type child struct {
	opts  *SupervisorOptions
	cmd   *exec.Cmd
	in    *os.File // our end of its standard input
	out   *frameWriter
	done  chan struct{} // closed when the process is gone and err is set
	err   error
	hello chan message   // holds 1
	under sync.WaitGroup // goroutines of this child

	loading chan struct{} // holds the one token to load
	freed   chan struct{} // holds 1: something is not in use any more

	mu        sync.Mutex // guards what follows
	cause     error      // why we killed it
	next      uint64
	calls     map[uint64]*call
	residents map[string]*resident // by path
	uses      uint64
	memory    Memory
}

// call is a question under way.
type call struct {
	news  chan news    // holds all that a well-behaved child may send
	beats chan message // holds 1, the newest
}

type news struct {
	message
	body []byte
}

// startChild starts a runner and waits until it speaks. The process is asked to end when ctx does, and killed when it
// does not.
func startChild(ctx context.Context, o *SupervisorOptions) (*child, error) {
	c := &child{
		opts: o, done: make(chan struct{}), hello: make(chan message, 1), loading: make(chan struct{}, 1), freed: make(chan struct{}, 1),
		calls: make(map[uint64]*call), residents: make(map[string]*resident),
	}
	var files []*os.File // in: read, write; out: read, write; err: read, write
	for range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(files...)
			return nil, fmt.Errorf("make pipes for a runner: %w", err)
		}
		files = append(files, r, w)
	}
	c.in, c.out = files[1], &frameWriter{w: files[1]}
	c.cmd = exec.CommandContext(ctx, o.Command[0], o.Command[1:]...) //nolint:gosec // our own program, named by whoever builds the pool
	c.cmd.Env = append(childEnvironment(os.Environ()), o.Env...)
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = files[0], files[3], files[5]
	c.cmd.SysProcAttr = childAttributes()
	c.cmd.Cancel = c.in.Close // its input ends, so it leaves; closing twice is harmless
	c.cmd.WaitDelay = stopGrace

	started := make(chan error, 1)
	c.under.Go(func() {
		// The kernel kills the child when the thread that started it ends, so this one must stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.cmd.Start()
		closeAll(files[0], files[3], files[5])
		started <- err
		if err != nil {
			closeAll(files[1], files[2], files[4])
			return
		}
		c.attend(files[2], files[4])
	})
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start a runner: %w", err)
	}
	if o.Nice > 0 {
		if err := lowerPriority(c.cmd.Process.Pid, o.Nice); err != nil {
			o.Log.Debug().Err(err).Msg("cannot lower the priority of a runner")
		}
	}
	if err := c.greet(); err != nil {
		c.kill(err)
		c.wait()
		return nil, err
	}
	return c, nil
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// childEnvironment leaves the bot's secrets out: a runner needs none.
func childEnvironment(env []string) []string {
	return slices.DeleteFunc(env, func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		ours := strings.HasPrefix(name, "STABLEMATE_")
		return ours && slices.ContainsFunc([]string{"SECRET", "TOKEN", "KEY", "URL", "PASSWORD"}, func(s string) bool { return strings.HasSuffix(name, s) })
	})
}

// attend reads what the process says until it is gone.
func (c *child) attend(stdout, stderr *os.File) {
	var readers sync.WaitGroup
	readers.Go(func() {
		err := c.listen(stdout)
		c.kill(fmt.Errorf("it stopped talking: %w", err))
	})
	readers.Go(func() { c.logLines(stderr) })
	state := c.cmd.Wait()
	late := time.AfterFunc(pipesLimit, func() { closeAll(stdout, stderr) }) // somebody else may hold the other ends
	readers.Wait()
	late.Stop()
	closeAll(stdout, stderr, c.in)
	c.mu.Lock()
	c.err = c.cause
	if state != nil && (c.err == nil || errors.Is(c.err, io.EOF)) {
		c.err = state
	}
	c.mu.Unlock()
	close(c.done)
}

// wait returns when nothing of the child is left.
func (c *child) wait() { c.under.Wait() }

// kill ends the process for a reason, of which the first counts.
func (c *child) kill(why error) {
	c.mu.Lock()
	if c.cause == nil {
		c.cause = why
	}
	c.mu.Unlock()
	_ = c.cmd.Process.Kill() // that it is gone already is as well
}

// going reports whether the child was killed, or seen to end, and only has to be buried.
func (c *child) going() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause != nil
}

// died says why a child is gone. Call it after done.
func (c *child) died() error {
	if c.err == nil {
		return ErrRunnerGone
	}
	return fmt.Errorf("%w: %w", ErrRunnerGone, c.err)
}

// greet says what the runner is to compute on and checks that both speak the same protocol.
func (c *child) greet() error {
	if err := c.say(message{Kind: kindStart, Version: Protocol, Device: &c.opts.Device}, nil); err != nil {
		return err
	}
	patience := time.NewTimer(c.opts.HelloLimit)
	defer patience.Stop()
	select {
	case m := <-c.hello:
		if m.Version != Protocol {
			return fmt.Errorf("the runner speaks protocol %d and this program %d: the program's file was replaced; start it anew", m.Version, Protocol)
		}
		return nil
	case <-c.done:
		return c.died()
	case <-patience.C:
		return fmt.Errorf("%w: no greeting within %v", ErrStuck, c.opts.HelloLimit)
	}
}

// say writes a frame. A child that does not read it is killed.
func (c *child) say(m message, body []byte) error {
	stuck := time.AfterFunc(writeLimit, func() { c.kill(fmt.Errorf("%w: it did not take a frame within %v", ErrStuck, writeLimit)) })
	defer stuck.Stop()
	return c.out.write(m, body)
}

// listen takes the runner's frames and hands them to their calls.
func (c *child) listen(stdout io.Reader) error {
	in := bufio.NewReader(stdout)
	greeted := false
	for {
		m, body, err := readFrame(in)
		if err != nil {
			return err
		}
		switch m.Kind {
		case kindHello:
			if greeted {
				return fmt.Errorf("%w: it greeted twice", errFrame)
			}
			greeted = true
			c.hello <- m
			continue
		case kindBeat, kindImage, kindLoaded, kindDone, kindScores, kindError:
		default:
			return fmt.Errorf("%w: a runner does not say %q", errFrame, m.Kind)
		}
		if m.Error != "" {
			m.Error = strings.ToValidUTF8(m.Error[:min(len(m.Error), maxErrorText)], "�")
		}
		c.mu.Lock()
		k := c.calls[m.Call]
		if m.Memory != nil {
			c.memory = *m.Memory
		}
		c.mu.Unlock()
		switch {
		case k == nil: // the call was given up
		case m.Kind == kindBeat:
			select {
			case <-k.beats:
			default:
			}
			k.beats <- m // only this goroutine sends, so there is room
		default:
			select {
			case k.news <- news{m, body}:
			default:
				return fmt.Errorf("%w: more answers than were asked for", errFrame)
			}
		}
	}
}

// logLines passes the runner's standard error to the log.
func (c *child) logLines(stderr io.Reader) {
	in := bufio.NewReaderSize(stderr, maxLogLine)
	for n := 0; n < maxLogLines; {
		line, more, err := in.ReadLine()
		if len(line) > 0 {
			c.opts.Log.Warn().Int("pid", c.cmd.Process.Pid).Str("line", strings.ToValidUTF8(string(line), "�")).Msg("runner")
			n++
		}
		for more && err == nil { // the rest of a line that is too long
			_, more, err = in.ReadLine()
		}
		if err != nil {
			return
		}
	}
	c.opts.Log.Warn().Int("pid", c.cmd.Process.Pid).Msg("runner: it says too much; the rest is left out")
	_, _ = io.Copy(io.Discard, in)
}

// call asks for something that has one answer, which has to come within the limit.
func (c *child) call(ctx context.Context, m message, body []byte, limit time.Duration) (message, error) {
	return c.converse(ctx, m, body, func(time.Duration) time.Duration { return limit }, nil)
}

// converse asks and takes what comes until the answer. each gets every image, on this goroutine. patience says how long
// the runner may be silent from now on, given its last silence; a runner that is silent longer is killed. When ctx ends
// or each fails, the call is cancelled and the runner has CancelLimit to let go of it.
func (c *child) converse(ctx context.Context, m message, body []byte, patience func(time.Duration) time.Duration, each func(message, []byte) error) (message, error) {
	k := &call{news: make(chan news, newsPerCall), beats: make(chan message, 1)}
	c.mu.Lock()
	c.next++
	m.Call = c.next
	c.calls[m.Call] = k
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.calls, m.Call)
		c.mu.Unlock()
	}()
	switch err := c.say(m, body); {
	case err == nil:
	case errors.Is(err, errFrame): // nothing was said
		return message{}, err
	default:
		select {
		case <-c.done: // its end says more than a broken pipe
			return message{}, c.died()
		case <-time.After(pipesLimit):
		}
		return message{}, fmt.Errorf("%w: %w", ErrRunnerGone, err)
	}

	limit, last := patience(0), c.opts.Now()
	silence := time.NewTimer(limit)
	defer silence.Stop()
	var stop error // why the call was cancelled
	cancelled := ctx.Done()
	cancel := func(why error) {
		stop, cancelled = why, nil
		_ = c.say(message{Kind: kindCancel, Call: m.Call}, nil) // when this fails, the child is going
		silence.Reset(c.opts.CancelLimit)
	}
	take := func(n news) (final bool, err error) {
		switch {
		case n.Kind == kindError && stop == nil:
			return true, &RunnerError{n.Error}
		case n.Kind != kindImage:
			return true, stop
		case stop == nil && each != nil:
			limit = patience(c.opts.Now().Sub(last))
			if err := each(n.message, n.body); err != nil {
				cancel(err)
				return false, nil
			}
			last = c.opts.Now()
			silence.Reset(limit)
		}
		return false, nil
	}
	for {
		select {
		case n := <-k.news:
			if final, err := take(n); final {
				return n.message, err
			}
		case beat := <-k.beats:
			if stop == nil {
				now := c.opts.Now()
				limit, last = patience(now.Sub(last)), now
				silence.Reset(limit)
				if each != nil {
					_ = each(beat, nil) // it only listens
				}
			}
		case <-cancelled:
			cancel(ctx.Err())
		case <-c.done:
			for { // what it said before it went
				select {
				case n := <-k.news:
					if final, err := take(n); final {
						return n.message, err
					}
					continue
				default:
				}
				return message{}, errors.Join(stop, c.died())
			}
		case <-silence.C:
			err := fmt.Errorf("%w: silent for %v while it should %s", ErrStuck, limit, m.Kind)
			if stop != nil {
				err = fmt.Errorf("%w: did not let go within %v", ErrStuck, c.opts.CancelLimit)
			}
			c.kill(err)
			return message{}, errors.Join(stop, err)
		}
	}
}
