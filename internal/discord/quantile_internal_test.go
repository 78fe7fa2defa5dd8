package discord

import (
	"sync/atomic"
	"testing"
	"time"
)

func TestQuantilesAreAQuarterTooHighAtMost(t *testing.T) {
	t.Parallel()
	var b [ackBuckets]atomic.Int64
	if got := quantile(&b, 0.5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
	for i := range 1000 {
		b[ackBucket(time.Duration(i+1)*time.Millisecond)].Add(1)
	}
	b[ackBucket(-time.Second)].Add(1)
	for part, want := range map[float64]time.Duration{0.5: 500 * time.Millisecond, 0.99: 990 * time.Millisecond, 1: time.Second} {
		if got := quantile(&b, part); got < want-2*time.Millisecond || got > want*125/100+2*time.Millisecond {
			t.Errorf("quantile %v = %v, want %v or a little more", part, got, want)
		}
	}
	b[ackBucket(time.Hour)].Add(1)
	if got := quantile(&b, 1); got < 3*time.Second {
		t.Errorf("the longest: %v", got)
	}
}
