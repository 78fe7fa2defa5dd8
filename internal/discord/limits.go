package discord

import (
	"context"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	globalPerSecond = 45              // Discord allows 50 requests a second with the bot token
	maxBuckets      = 10_000          // rate-limit buckets remembered; expired ones are dropped first
	invalidWindow   = 10              // minutes over which refused requests are counted
	invalidOptional = 5_000           // above: optional calls are not sent. Discord blocks the address at 10,000
	invalidHard     = 8_000           // above: only acknowledgements and final results are sent
	unreadablePause = 5 * time.Second // after a 429 that names no time
	editsPerChannel = 4               // edits with the bot token within editWindow, over all messages of a channel
	editWindow      = 5 * time.Second
	maxPaced        = 10_000 // channels with edits remembered
)

// limiter holds calls back so that Discord need not refuse them. It is safe for concurrent use.
type limiter struct {
	now func() time.Time

	mu      sync.Mutex                 // guards everything below
	slots   [globalPerSecond]time.Time // when each of the last calls was let through
	next    int
	paused  time.Time // global pause until then
	buckets map[string]bucket
	edits   map[string][editsPerChannel]time.Time // of channels: when the last ones are let through, oldest first
	swept   time.Time                             // when expired buckets were dropped last
	minute  int64                                 // of counts[minute%invalidWindow]
	counts  [invalidWindow]int
}

type bucket struct {
	remaining int
	reset     time.Time
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, buckets: map[string]bucket{}, edits: map[string][editsPerChannel]time.Time{}}
}

// wait blocks until a call on the bucket may go out. Global calls count against the limit of the bot as a whole.
func (l *limiter) wait(ctx context.Context, key string, global bool) error {
	for {
		d := l.reserve(key, global)
		if d <= 0 {
			return nil
		}
		if err := sleep(ctx, d); err != nil {
			return err
		}
	}
}

// pace blocks until a channel may see another edit. Without a channel it does not.
func (l *limiter) pace(ctx context.Context, channel string) error {
	if channel == "" {
		return nil
	}
	most := callBudget
	if deadline, ok := ctx.Deadline(); ok {
		most = time.Until(deadline) //nolint:forbidigo // contexts live by the real clock
	}
	d, ok := l.turnOf(channel, most)
	switch {
	case !ok:
		return context.DeadlineExceeded
	case d > 0:
		return sleep(ctx, d)
	}
	return nil
}

// turnOf takes a place among the edits of a channel, and returns how long it is until then. When that is too long, it
// takes none and ok is false.
func (l *limiter) turnOf(channel string, most time.Duration) (d time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	last, known := l.edits[channel]
	if !known && len(l.edits) >= maxPaced {
		maps.DeleteFunc(l.edits, func(_ string, e [editsPerChannel]time.Time) bool {
			return now.Sub(e[editsPerChannel-1]) >= editWindow
		})
		if len(l.edits) >= maxPaced {
			return 0, true // Discord has a limit of its own
		}
	}
	at := last[0].Add(editWindow)
	if at.Before(now) {
		at = now
	}
	if at.Sub(now) > most {
		return 0, false
	}
	copy(last[:], last[1:])
	last[editsPerChannel-1] = at
	l.edits[channel] = last
	return at.Sub(now), true
}

// reserve takes a place, or returns how long to wait before trying again.
func (l *limiter) reserve(key string, global bool) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if b, ok := l.buckets[key]; ok {
		switch {
		case !b.reset.After(now):
			delete(l.buckets, key)
		case b.remaining <= 0:
			return b.reset.Sub(now)
		}
	}
	if global {
		if l.paused.After(now) {
			return l.paused.Sub(now)
		}
		if free := l.slots[l.next].Add(time.Second); free.After(now) {
			return free.Sub(now)
		}
		l.slots[l.next] = now
		l.next = (l.next + 1) % globalPerSecond
	}
	if b, ok := l.buckets[key]; ok {
		b.remaining--
		l.buckets[key] = b
	}
	return 0
}

// learn reads the rate-limit headers of an answer.
func (l *limiter) learn(key string, h http.Header) {
	remaining, err1 := strconv.Atoi(h.Get("X-RateLimit-Remaining"))
	after, err2 := strconv.ParseFloat(h.Get("X-RateLimit-Reset-After"), 64)
	if err1 != nil || err2 != nil || after < 0 || after > 3600 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.set(key, bucket{remaining: remaining, reset: l.now().Add(seconds(after))})
}

// block closes a bucket, or with an empty key everything, for a while.
func (l *limiter) block(key string, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	until := l.now().Add(d)
	if key == "" {
		if until.After(l.paused) {
			l.paused = until
		}
		return
	}
	l.set(key, bucket{reset: until})
}

func (l *limiter) set(key string, b bucket) {
	if now := l.now(); len(l.buckets) >= maxBuckets && now.Sub(l.swept) > time.Second {
		l.swept = now
		for k, old := range l.buckets {
			if !old.reset.After(now) {
				delete(l.buckets, k)
			}
		}
	}
	if len(l.buckets) >= maxBuckets {
		return // Discord will tell us the hard way
	}
	l.buckets[key] = b
}

// invalid counts a refused request (401, 403, 429).
func (l *limiter) invalid() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn()
	l.counts[l.minute%invalidWindow]++
}

// refused returns how many requests were refused within the window.
func (l *limiter) refused() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn()
	total := 0
	for _, n := range l.counts {
		total += n
	}
	return total
}

// turn empties the minutes that have passed since the last call.
func (l *limiter) turn() {
	minute := l.now().Unix() / 60
	for m := max(l.minute+1, minute-invalidWindow+1); m <= minute; m++ {
		l.counts[m%invalidWindow] = 0
	}
	l.minute = max(l.minute, minute)
}

func seconds(f float64) time.Duration { return time.Duration(f * float64(time.Second)) }

// sleep waits, or returns the error of a context that ends earlier or would end during the wait.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
