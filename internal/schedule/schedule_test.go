package schedule_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"stablemate/internal/schedule"
)

// buffer is a log that several jobs may write to.
type buffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// run starts the scheduler for a span of the bubble's time and returns when it has stopped.
func run(t *testing.T, s *schedule.Scheduler, span time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), span)
	defer cancel()
	if err := s.Run(ctx); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestJobsRunAtTheirTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := schedule.New(zerolog.Nop())
		var often, hourly, daily int
		for spec, count := range map[string]*int{"@every 10s": &often, "0 * * * *": &hourly, "30 4 * * *": &daily} {
			if err := s.Add(spec, spec, func(context.Context) error { *count++; return nil }); err != nil {
				t.Fatal(err)
			}
		}
		run(t, s, 24*time.Hour+time.Millisecond)
		if often != 8640 || hourly != 24 || daily != 1 {
			t.Errorf("in a day: every 10 s %d, hourly %d, daily %d; want 8640, 24, 1", often, hourly, daily)
		}
	})
}

func TestAJobNeverOverlapsItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log buffer
		s := schedule.New(zerolog.New(&log))
		var now, most, runs atomic.Int64
		slow := func(context.Context) error {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(2500 * time.Millisecond)
			now.Add(-1)
			runs.Add(1)
			return nil
		}
		if err := s.Add("@every 1s", "slow", slow); err != nil {
			t.Fatal(err)
		}
		run(t, s, 30500*time.Millisecond)
		if most.Load() != 1 || runs.Load() != 10 {
			t.Errorf("at most %d at once and %d runs, want 1 and 10", most.Load(), runs.Load())
		}
		if !strings.Contains(log.String(), "left out a run") {
			t.Errorf("the log does not say that runs were left out: %s", log.String())
		}
	})
}

func TestABrokenJobHurtsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log buffer
		s := schedule.New(zerolog.New(&log))
		var fine, bad int
		for name, do := range map[string]schedule.Job{
			"fine":   func(context.Context) error { fine++; return nil },
			"panics": func(context.Context) error { bad++; panic("the wheel came off") },
			"errs":   func(context.Context) error { return errors.New("no fuel") },
		} {
			if err := s.Add("@every 1s", name, do); err != nil {
				t.Fatal(err)
			}
		}
		run(t, s, 5500*time.Millisecond)
		if fine != 5 || bad != 5 {
			t.Errorf("the fine job ran %d times, the bad one %d, want 5 and 5", fine, bad)
		}
		for _, want := range []string{"the wheel came off", "no fuel", `"job":"errs"`} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log lacks %q", want)
			}
		}
	})
}

func TestRunWaitsForTheLastJob(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := schedule.New(zerolog.Nop())
		var ended bool
		err := s.Add("@every 1s", "tidy", func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(time.Second)
			ended = true
			return ctx.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		run(t, s, 1500*time.Millisecond)
		if !ended {
			t.Error("Run returned while a job was still working")
		}
		if err := s.Run(t.Context()); err == nil {
			t.Error("a second Run was let in")
		}
	})
}

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	do := func(context.Context) error { return nil }
	for name, c := range map[string]struct {
		spec, name string
		do         schedule.Job
	}{
		"a line of four fields": {"* * * *", "a", do},
		"words":                 {"now and then", "a", do},
		"a name that is taken":  {"@hourly", "taken", do},
		"no job":                {"@hourly", "a", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := schedule.New(zerolog.Nop())
			if err := s.Add("@hourly", "taken", do); err != nil {
				t.Fatal(err)
			}
			if err := s.Add(c.spec, c.name, c.do); err == nil {
				t.Errorf("Add(%q, %q) was let in", c.spec, c.name)
			}
		})
	}
}
