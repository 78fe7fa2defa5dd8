// Package schedule runs the product's recurring jobs: sweeping old images, monthly kudos, statistics.
package schedule

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/robfig/cron/v3"
	"github.com/rs/zerolog"
)

// Job is one run of a recurring task. Its context ends when the scheduler stops; the scheduler then waits for it, so it
// must return soon. What it did must be safe to do again: a run that fails is not repeated before its next time.
type Job func(ctx context.Context) error

// Scheduler starts jobs at their times, which are read in UTC. A job never overlaps itself: a run that is due while the
// last one still works is left out. Errors and panics of a job are logged and touch no other job.
type Scheduler struct {
	log zerolog.Logger

	mu      sync.Mutex // guards the rest
	jobs    []*job
	running bool
}

type job struct {
	name string
	when cron.Schedule
	do   Job
	busy sync.Mutex // held during a run
}

// New returns a scheduler without jobs.
func New(log zerolog.Logger) *Scheduler {
	return &Scheduler{log: log.With().Str("component", "schedule").Logger()}
}

// Add registers a job before Run. spec is a cron line of five fields ("0 4 * * *": each day at four), or "@hourly",
// "@daily", "@every 30s" and the like; one second is the finest step. The name appears in logs and must be unique.
func (s *Scheduler) Add(spec, name string, do Job) error {
	when, err := cron.ParseStandard(spec)
	if err != nil {
		return fmt.Errorf("schedule %q as %q: %w", name, spec, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		return fmt.Errorf("schedule %q: the scheduler is running already", name)
	}
	if do == nil {
		return fmt.Errorf("schedule %q: no job given", name)
	}
	for _, j := range s.jobs {
		if j.name == name {
			return fmt.Errorf("schedule %q: the name is taken", name)
		}
	}
	s.jobs = append(s.jobs, &job{name: name, when: when, do: do})
	return nil
}

// Run starts jobs when they are due until ctx ends, then waits for those that still work and returns nil. A scheduler
// runs once.
func (s *Scheduler) Run(ctx context.Context) error {
	s.mu.Lock()
	if s.running {
		s.mu.Unlock()
		return errors.New("the scheduler runs only once")
	}
	s.running = true
	jobs := s.jobs
	s.mu.Unlock()

	c := cron.New(cron.WithLocation(time.UTC), cron.WithLogger(cron.DiscardLogger))
	for _, j := range jobs {
		c.Schedule(j.when, cron.FuncJob(func() { s.once(ctx, j) }))
	}
	c.Start()
	<-ctx.Done()
	<-c.Stop().Done() // Stop starts nothing new; its context ends when the last run has
	return nil
}

func (s *Scheduler) once(ctx context.Context, j *job) {
	if ctx.Err() != nil {
		return
	}
	if !j.busy.TryLock() {
		s.log.Warn().Str("job", j.name).Msg("left out a run: the last one is still working")
		return
	}
	defer j.busy.Unlock()
	defer func() {
		if p := recover(); p != nil {
			s.log.Error().Str("job", j.name).Interface("panic", p).Bytes("stack", debug.Stack()).Msg("a job panicked")
		}
	}()
	if err := j.do(ctx); err != nil && ctx.Err() == nil {
		s.log.Error().Str("job", j.name).Err(err).Msg("a job broke off")
	}
}
