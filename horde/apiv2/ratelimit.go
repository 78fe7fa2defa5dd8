// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"hash/maphash"
	"net/http"
	"strconv"
	"sync"
	"time"

	"stablemate/horde/origin"
)

// Spans of rate limits, in seconds.
const (
	second = 1
	minute = 60
	hour   = 3600
)

// Bounds of the limiter.
const (
	maxWindows   = 100_000 // counted at once; beyond, some callers are forgotten rather than memory spent
	maxRelaxed   = 10_000
	evictAtOnce  = 16
	relaxedFor   = 24 * time.Hour
	sweepWindows = time.Second
)

// counting says what one window counts.
type counting int8

const (
	countAddress counting = iota // calls of an endpoint from one origin
	countCall                    // calls of one method and path from one origin
	countKey                     // calls of one method and path with one key
)

// limit is a number of calls per span. The span begins with the first call.
type limit struct {
	n, relaxed, anonymous int // relaxed and anonymous replace n where they hold; 0 means n
	span                  int // seconds
	by                    counting
}

func perAddress(n, span int) limit { return limit{n: n, span: span, by: countAddress} }
func perCall(n, span int) limit    { return limit{n: n, span: span, by: countCall} }
func perKey(n, span int) limit     { return limit{n: n, span: span, by: countKey} }
func byDefault() limit             { return perAddress(90, minute) }

func (l limit) relaxedTo(n int) limit   { l.relaxed = n; return l }
func (l limit) anonymousTo(n int) limit { l.anonymous = n; return l }

// String is the text that clients know: "2 per 1 second".
func (l limit) String() string {
	name := "second"
	switch l.span {
	case minute:
		name = "minute"
	case hour:
		name = "hour"
	}
	return itoa(l.n) + " per 1 " + name
}

// counted is a limit of one endpoint; the number tells its windows from others.
type counted struct {
	limit
	number int
}

type windowKey struct {
	number int
	from   origin.Origin
	what   uint64 // hash of path, or of path and key
}

type window struct {
	ends  int64 // unix seconds
	calls int
}

// limiter counts calls in fixed windows. It is safe for concurrent use.
type limiter struct {
	now  func() time.Time
	seed maphash.Seed

	mu      sync.Mutex // guards what follows
	windows map[windowKey]window
	relaxed map[origin.Origin]time.Time
	swept   time.Time
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{
		now: now, seed: maphash.MakeSeed(),
		windows: make(map[windowKey]window), relaxed: make(map[origin.Origin]time.Time),
	}
}

// relax gives an origin the wider limits for a day.
func (l *limiter) relax(from origin.Origin) {
	if l == nil {
		return
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.relaxed) >= maxRelaxed {
		for o, until := range l.relaxed {
			if now.After(until) {
				delete(l.relaxed, o)
			}
		}
		if len(l.relaxed) >= maxRelaxed {
			return
		}
	}
	l.relaxed[from] = now.Add(relaxedFor)
}

// allow counts a call against all its limits, says so in the headers and, when one is exceeded, answers 429.
func (l *limiter) allow(s *Server, w http.ResponseWriter, r *http.Request, limits []counted) bool {
	if len(limits) == 0 {
		return true
	}
	from, now := s.Origin(r), l.now()
	shown, state, over := l.count(r, from, s.clientOrigin(r), now, limits)
	left := max(0, shown.n-state.calls)
	h := w.Header()
	h.Set("X-RateLimit-Limit", strconv.Itoa(shown.n))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(left))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(state.ends, 10))
	h.Set("Retry-After", strconv.FormatInt(max(0, state.ends-now.Unix()), 10))
	if over {
		writeError(w, http.StatusTooManyRequests, errorBody{Message: shown.String()})
	}
	return !over
}

// count adds one call to every limit and picks the one to report: the one that failed, else the one with the shortest
// span. The client may stand behind the service that from is.
func (l *limiter) count(r *http.Request, from, client origin.Origin, now time.Time, limits []counted) (shown limit, state window, over bool) {
	path := maphash.String(l.seed, r.URL.Path)
	key := r.Header.Get("Apikey")
	l.mu.Lock()
	defer l.mu.Unlock()
	until, ok := l.relaxed[from]
	relaxed := ok && now.Before(until)
	for _, c := range limits {
		lim := c.limit
		if relaxed && lim.relaxed > 0 {
			lim.n = lim.relaxed
		}
		if key == AnonymousKey && lim.anonymous > 0 {
			lim.n = lim.anonymous
		}
		k := windowKey{number: c.number, from: from}
		switch lim.by {
		case countAddress:
		case countCall:
			k.from, k.what = client, path
		case countKey:
			k.from = origin.Origin{}
			k.what = path ^ maphash.String(l.seed, "key "+key)
		}
		win := l.hit(k, lim, now)
		failed := win.calls > lim.n
		if shown.span == 0 || failed && !over || failed == over && lim.span < shown.span {
			shown, state = lim, win
		}
		over = over || failed
	}
	return shown, state, over
}

func (l *limiter) hit(k windowKey, lim limit, now time.Time) window {
	win, ok := l.windows[k]
	if !ok || now.Unix() >= win.ends {
		if !ok && len(l.windows) >= maxWindows {
			l.makeRoom(now)
		}
		win = window{ends: now.Unix() + int64(lim.span)}
	}
	win.calls++
	l.windows[k] = win
	return win
}

// makeRoom forgets windows that ended, and if none did, some that did not.
func (l *limiter) makeRoom(now time.Time) {
	if now.Sub(l.swept) >= sweepWindows {
		l.swept = now
		for k, win := range l.windows {
			if now.Unix() >= win.ends {
				delete(l.windows, k)
			}
		}
	}
	n := 0
	for k := range l.windows {
		if len(l.windows) < maxWindows || n == evictAtOnce {
			return
		}
		delete(l.windows, k)
		n++
	}
}
