package clock_test

import (
	"sync"
	"testing"
	"time"

	"stablemate/internal/clock"
)

func TestSystemIsUTCInWholeMicroseconds(t *testing.T) {
	t.Parallel()
	now := clock.System{}.Now()
	if now.Location() != time.UTC {
		t.Errorf("location = %v, want UTC", now.Location())
	}
	if rest := now.Nanosecond() % 1000; rest != 0 {
		t.Errorf("nanoseconds beyond a microsecond = %d, want 0", rest)
	}
	back := time.UnixMicro(now.UnixMicro()).UTC()
	if now != back { // not Equal: a monotonic part must show
		t.Errorf("%v does not survive a trip through microseconds: %v", now, back)
	}
	if ago := time.Since(now); ago < 0 || ago > time.Minute {
		t.Errorf("the clock is %v behind the machine's", ago)
	}
}

func TestFakeMovesOnlyWhenTold(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 21, 12, 0, 0, 1234567, time.FixedZone("CET", 3600))
	f := clock.NewFake(start)
	var c clock.Clock = f
	want := time.Date(2026, 11, 21, 11, 0, 0, 1234000, time.UTC)
	for range 3 {
		if got := c.Now(); !got.Equal(want) || got.Location() != time.UTC {
			t.Fatalf("Now() = %v, want %v", got, want)
		}
	}
	if got := f.Advance(90 * time.Second); !got.Equal(want.Add(90*time.Second)) || !f.Now().Equal(got) {
		t.Errorf("Advance(90s) = %v, want %v", got, want.Add(90*time.Second))
	}
	f.Set(want.Add(-time.Hour))
	if got := f.Now(); !got.Equal(want.Add(-time.Hour)) {
		t.Errorf("after Set Now() = %v, want %v", got, want.Add(-time.Hour))
	}
}

func TestFakeIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	f := clock.NewFake(time.Unix(0, 0))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				f.Advance(time.Second)
				_ = f.Now()
			}
		})
	}
	wg.Wait()
	if got := f.Now().Unix(); got != 800 {
		t.Errorf("after 800 steps of a second Now() = %d s, want 800", got)
	}
}
