// SPDX-License-Identifier: AGPL-3.0-or-later

package inference

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/origin"
)

// Defaults of Options.
const (
	DefaultMaxPixels = 1024 * 1024
	DefaultGrace     = 20 * time.Second
	DefaultNice      = 5
)

// Bounds of a pool.
const (
	maxSlots       = 64
	popWait        = 50 * time.Second // of one pop; each is a sign of life to the horde
	retryFirst     = 500 * time.Millisecond
	retryMost      = 30 * time.Second
	loadTries      = 3 // then a model is not offered for a while
	withholdFor    = 10 * time.Minute
	restAfter      = 3 // failed jobs in a row, then the pool rests, longer each time
	restFirst      = 30 * time.Second
	restMost       = 3 * time.Minute
	liftGap        = 30 * time.Minute // the pool ends its worker's maintenance no more often
	abandonLimit   = 10 * time.Second
	bridgeVersion  = ":1:local"
	minWorkerRunes = 3
)

// Images keeps pictures. PutBytes returns nil when data will survive a power cut. A *blob.Store is one.
type Images interface {
	PutBytes(ctx context.Context, key string, data []byte) error
}

// Deps are what a pool works with. Engine, Images and Now are required.
type Deps struct {
	Engine *engine.Engine
	Images Images
	Now    func() time.Time
	Log    zerolog.Logger
	// Delivered hears of each image that the horde has taken, and has to return soon. It may be nil.
	Delivered func(ctx context.Context, id horde.GenerationID)
}

// Options say what a pool offers. Owner, WorkerName, Command, Models and Safety are required.
type Options struct {
	Owner      horde.UserID // who earns; not the anonymous account
	WorkerName string       // of this pool alone: at its start it takes back all that this worker has in flight
	Command    []string     // argv of a program that calls RunRunner on its standard input and output
	Env        []string     // added to a runner's environment
	Devices    []Device     // one runner each; empty means one for "auto"
	Nice       int          // priority that runners give up; 0 means DefaultNice, negative means none
	Models     []Folder
	Safety     string        // file of the safety network
	Slots      int           // jobs at once over all devices; 0 means one for each
	Batch      int           // images of one request popped together; 0 means 1
	MaxPixels  int           // of the largest image taken; 0 means DefaultMaxPixels
	Grace      time.Duration // for jobs under way at the end; 0 means DefaultGrace
	// NSFW takes requests for pictures that are not safe for work. Then only requests that ask for it are censored.
	NSFW bool
	// Watch holds limits of runners; zero ones mean the defaults. Its Command, Env, Device, Nice, Now and Log do not count.
	Watch SupervisorOptions
}

// Pool is a worker of the horde in this process. Models run in child processes; each image passes the safety check in
// another one before it is submitted, and without that process the pool takes no work.
type Pool struct {
	deps    Deps
	opts    Options
	models  map[string]Folder
	runners []*Supervisor
	safety  *Supervisor

	working   atomic.Int64
	delivered atomic.Int64
	held      atomic.Int64
	faulted   atomic.Int64
	failures  atomic.Int64 // jobs failed in a row

	mu    sync.Mutex          // guards what follows
	loads map[string]loadFate // by model
	lift  time.Time           // when maintenance may be ended again
}

// loadFate remembers how loading a model went.
type loadFate struct {
	failed   int
	withheld time.Time // not offered before
}

// NewPool checks what it is given. Nothing starts before Run.
func NewPool(d Deps, o Options) (*Pool, error) {
	if o.Slots == 0 {
		o.Slots = max(1, len(o.Devices))
	}
	if o.Batch == 0 {
		o.Batch = 1
	}
	if o.MaxPixels == 0 {
		o.MaxPixels = DefaultMaxPixels
	}
	if o.Grace == 0 {
		o.Grace = DefaultGrace
	}
	if o.Nice == 0 {
		o.Nice = DefaultNice
	}
	if len(o.Devices) == 0 {
		o.Devices = []Device{{Provider: "auto"}}
	}
	switch {
	case d.Engine == nil || d.Images == nil || d.Now == nil:
		return nil, errors.New("a pool needs an engine, a place for images and a clock")
	case o.Owner == horde.Anonymous:
		return nil, errors.New("the anonymous account cannot own a worker")
	case len([]rune(o.WorkerName)) < minWorkerRunes || len([]rune(o.WorkerName)) > horde.MaxWorkerNameRunes:
		return nil, fmt.Errorf("the worker's name %q does not have %d to %d characters", o.WorkerName, minWorkerRunes, horde.MaxWorkerNameRunes)
	case len(o.Models) == 0 || len(o.Models) > horde.MaxModelsPerWorker:
		return nil, fmt.Errorf("a pool serves 1 to %d models, not %d", horde.MaxModelsPerWorker, len(o.Models))
	case o.Safety == "":
		return nil, errors.New("a pool without a safety network takes no work")
	case o.Slots < len(o.Devices) || o.Slots > maxSlots:
		return nil, fmt.Errorf("%d slots, want one per device to %d", o.Slots, maxSlots)
	case o.Batch < 1 || o.Batch > horde.MaxImagesPerRequest:
		return nil, fmt.Errorf("batches of %d images, want 1 to %d", o.Batch, horde.MaxImagesPerRequest)
	case o.MaxPixels < horde.MinSide*horde.MinSide || o.MaxPixels > horde.MaxSide*horde.MaxSide:
		return nil, fmt.Errorf("images of %d pixels, want %d to %d", o.MaxPixels, horde.MinSide*horde.MinSide, horde.MaxSide*horde.MaxSide)
	}
	p := &Pool{deps: d, opts: o, models: make(map[string]Folder), loads: make(map[string]loadFate)}
	for _, m := range o.Models {
		if _, twice := p.models[m.Name]; twice {
			return nil, fmt.Errorf("two models are called %q", m.Name)
		}
		p.models[m.Name] = m
	}
	watch := o.Watch
	watch.Command, watch.Env, watch.Nice, watch.Now, watch.Log = o.Command, o.Env, max(0, o.Nice), d.Now, d.Log
	for _, device := range o.Devices {
		watch.Name, watch.Device = "draw "+device.String(), device
		s, err := NewSupervisor(watch)
		if err != nil {
			return nil, err
		}
		p.runners = append(p.runners, s)
	}
	watch.Name, watch.Device = "safety", Device{Provider: "cpu", Threads: 1, Library: o.Devices[0].Library}
	var err error
	p.safety, err = NewSupervisor(watch)
	return p, err
}

// Run works until ctx ends. Then it takes nothing new, gives jobs under way Options.Grace, returns what is still not
// done to the queue and ends the runners.
func (p *Pool) Run(ctx context.Context) error {
	if !p.abandon(ctx, "a run before this one") {
		return nil
	}
	work, abort := context.WithCancel(context.WithoutCancel(ctx)) // outlives ctx by Grace
	defer abort()
	alive, halt := context.WithCancel(context.WithoutCancel(ctx)) // outlives all jobs
	defer halt()
	var processes errgroup.Group
	for _, s := range append([]*Supervisor{p.safety}, p.runners...) {
		processes.Go(func() error { return s.Run(alive) })
	}
	var slots sync.WaitGroup
	for i := range p.opts.Slots {
		slots.Go(func() { p.slot(ctx, work, p.runners[i%len(p.runners)]) })
	}
	<-ctx.Done()
	defer time.AfterFunc(p.opts.Grace, abort).Stop()
	slots.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonLimit)
	defer cancel()
	p.abandon(last, "a shutdown")
	halt()
	return processes.Wait()
}

// abandon returns what this worker has in flight to the queue, without blame. It tries until it knows, and reports
// false when ctx ends first.
func (p *Pool) abandon(ctx context.Context, after string) bool {
	for pause := retryFirst; ; pause = min(2*pause, retryMost) {
		n, err := engine.Do(ctx, p.deps.Engine, horde.Abandon{Owner: p.opts.Owner, Worker: p.opts.WorkerName})
		switch _, refused := errors.AsType[*horde.Error](err); {
		case err == nil && n > 0:
			p.deps.Log.Info().Int("images", n).Str("after", after).Msg("returned images to the queue")
			return true
		case err == nil:
			return true
		case refused: // somebody else's worker; pops will say so, too
			p.deps.Log.Error().Err(err).Msg("the pool's worker is refused")
			return true
		}
		p.deps.Log.Warn().Err(err).Msg("cannot return images to the queue yet")
		if !sleep(ctx, pause) {
			return false
		}
	}
}

// slot works one job at a time: it pops under ctx and draws under work.
func (p *Pool) slot(ctx, work context.Context, s *Supervisor) {
	pause := retryFirst
	for ctx.Err() == nil {
		models := p.offered()
		if len(models) == 0 {
			sleep(ctx, retryMost)
			continue
		}
		err := p.prepare(ctx, s, models[0])
		if err == nil {
			var job horde.Job
			job, err = p.deps.Engine.Pop(ctx, p.pop(models), popWait)
			if err == nil && len(job.Generations) > 0 {
				p.work(work, s, job)
				p.rest(ctx)
			}
		}
		switch {
		case ctx.Err() != nil:
		case err == nil, p.liftMaintenance(ctx, err):
			pause = retryFirst
		default:
			p.deps.Log.Warn().Err(err).Dur("again_in", pause).Msg("the pool takes no work")
			sleep(ctx, pause)
			pause = min(2*pause, retryMost)
		}
	}
}

// pop is what a slot says to the horde.
func (p *Pool) pop(models []Folder) horde.Pop {
	names := make([]string, len(models))
	for i, m := range models {
		names[i] = m.Name
	}
	return horde.Pop{
		Owner: p.opts.Owner, Origin: origin.FromAddr(netip.AddrFrom4([4]byte{127, 0, 0, 1})), Amount: p.opts.Batch,
		Offer: horde.Offer{
			Name: p.opts.WorkerName, Models: names, BridgeAgent: horde.PoolAgent + bridgeVersion,
			NSFW: p.opts.NSFW, Threads: p.opts.Slots, MaxPixels: p.opts.MaxPixels,
		},
	}
}

// prepare waits until both runners are there and ready: no job is taken that could not be drawn or checked.
func (p *Pool) prepare(ctx context.Context, s *Supervisor, first Folder) error {
	if err := p.safety.LoadClassifier(ctx, p.opts.Safety); err != nil {
		return fmt.Errorf("the safety check is not ready: %w", err)
	}
	if len(s.Status().Loaded) > 0 {
		return nil
	}
	return p.load(ctx, s, first)
}

// load opens a model and remembers how that went.
func (p *Pool) load(ctx context.Context, s *Supervisor, m Folder) error {
	err := s.Load(ctx, m)
	if err != nil && ctx.Err() != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		delete(p.loads, m.Name)
		return nil
	}
	fate := p.loads[m.Name]
	if fate.failed++; fate.failed >= loadTries {
		fate = loadFate{withheld: p.deps.Now().Add(withholdFor)}
		p.deps.Log.Error().Err(err).Str("model", m.Name).Dur("for", withholdFor).Msg("the model cannot be loaded and is not offered")
	}
	p.loads[m.Name] = fate
	return err
}

// offered lists the models that can be loaded, as far as known.
func (p *Pool) offered() []Folder {
	now := p.deps.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Folder
	for _, m := range p.opts.Models {
		if !now.Before(p.loads[m.Name].withheld) {
			out = append(out, m)
		}
	}
	return out
}

// rest pauses after several failures in a row: something is wrong with this machine rather than with the jobs.
func (p *Pool) rest(ctx context.Context) {
	n := p.failures.Load()
	if n < restAfter {
		return
	}
	pause := min(restMost, restFirst<<min(n-restAfter, 10))
	p.deps.Log.Error().Int64("failures", n).Dur("pause", pause).Msg("jobs keep failing; the pool rests")
	sleep(ctx, pause)
}

// liftMaintenance ends the maintenance that the horde put the pool's worker into for dropping too many images, when err
// is a pop refused for it: the pool has rested for its failures, and nobody else would. It waits liftGap before the next
// time. What an owner or a moderator decided stays.
func (p *Pool) liftMaintenance(ctx context.Context, err error) bool {
	refusal, ok := errors.AsType[*horde.Error](err)
	if !ok || refusal.Code != horde.CodeWorkerMaintenance {
		return false
	}
	w, ok := p.deps.Engine.WorkerByName(p.opts.WorkerName)
	if !ok || w.Owner != p.opts.Owner || w.MaintReason != horde.ReasonDropped || !p.mayLift() {
		return false
	}
	if _, err := engine.Do(ctx, p.deps.Engine, horde.SetWorker{Worker: w.ID, By: p.opts.Owner, Maintenance: new(false)}); err != nil {
		p.deps.Log.Error().Err(err).Msg("cannot end the maintenance of the pool's worker")
		return false
	}
	p.deps.Log.Warn().Msg("the pool dropped many images and was put into maintenance; it tries again")
	return true
}

// mayLift reports whether liftGap has passed since it last did so.
func (p *Pool) mayLift() bool {
	now := p.deps.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Before(p.lift) {
		return false
	}
	p.lift = now.Add(liftGap)
	return true
}

// Status is how a pool is doing.
type Status struct {
	Runners   []RunnerStatus // the safety check's last
	Working   int            // jobs under way
	Delivered int64          // images since the start, those held back included
	Held      int64          // images that did not pass the safety check
	Faulted   int64          // images that could not be made
}

// Status tells how the pool is doing. It is safe for concurrent use.
func (p *Pool) Status() Status {
	st := Status{Working: int(p.working.Load()), Delivered: p.delivered.Load(), Held: p.held.Load(), Faulted: p.faulted.Load()}
	for _, s := range p.runners {
		st.Runners = append(st.Runners, s.Status())
	}
	st.Runners = append(st.Runners, p.safety.Status())
	return st
}

// sleep pauses and reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
