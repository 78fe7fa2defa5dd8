package discord

import (
	"math"
	"sync/atomic"
	"time"
)

// Durations are counted in buckets, each a quarter wider than the one before.
const (
	ackBuckets = 48
	ackFirst   = 100 * time.Microsecond
	ackWider   = 1.25
)

// ackBucket is where a duration is counted: the first bucket that it fits into, or the last.
func ackBucket(d time.Duration) int {
	if d <= ackFirst {
		return 0
	}
	n := int(math.Ceil(math.Log(float64(d)/float64(ackFirst)) / math.Log(ackWider)))
	return min(max(n, 0), ackBuckets-1)
}

// quantile is the upper end of the bucket that a part of all that was counted lies below; 0 when nothing was.
func quantile(buckets *[ackBuckets]atomic.Int64, part float64) time.Duration {
	var counts [ackBuckets]int64
	all := int64(0)
	for i := range buckets {
		counts[i] = buckets[i].Load()
		all += counts[i]
	}
	want := int64(math.Ceil(part * float64(all)))
	for i, n := range counts {
		if want -= n; n > 0 && want <= 0 {
			return time.Duration(float64(ackFirst) * math.Pow(ackWider, float64(i)))
		}
	}
	return 0
}
