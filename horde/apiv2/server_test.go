// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"stablemate/horde"
	"stablemate/horde/apiv2"
	"stablemate/horde/engine"
	"stablemate/internal/clock"
)

func TestEveryReplyCarriesTheCommonHeaders(t *testing.T) {
	t.Parallel()
	h := build(t, plan{options: apiv2.Options{Node: "here:7788", Version: "1.2"}})
	for _, call := range []string{"GET /api/v2/status/heartbeat", "GET /api/v2/nothing", "PUT /api/v2/users", "OPTIONS /api/v2/users", "GET /api/v2/find_user"} {
		method, path, _ := strings.Cut(call, " ")
		got := h.send(t, method, path, "", "Origin", "https://page.example")
		for name, want := range map[string]string{
			"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "POST, GET, OPTIONS, PUT, DELETE, PATCH", "Horde-Node": "here:7788:1.2",
		} {
			if have := got.head.Get(name); have != want {
				t.Errorf("%s: %s is %q, want %q", call, name, have, want)
			}
		}
		if !strings.Contains(got.head.Get("Access-Control-Allow-Headers"), "apikey, Client-Agent, X-Fields") {
			t.Errorf("%s: browsers may not send %q", call, got.head.Get("Access-Control-Allow-Headers"))
		}
	}
	if got := h.send(t, http.MethodGet, "/api/v2/status/heartbeat", ""); got.head.Get("Access-Control-Allow-Origin") != "*" || got.head.Get("Access-Control-Allow-Headers") != "" {
		t.Errorf("a caller that is no browser is told %v", got.head)
	}
}

func TestOptionsHeadAndWrongMethods(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	got := h.send(t, "OPTIONS", "/api/v2/generate/status/x", "")
	if got.status != 200 || len(got.body) != 0 || got.head.Get("Allow") != "DELETE, GET, HEAD, OPTIONS" || got.head.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("OPTIONS answers %d %q with Allow %q", got.status, got.body, got.head.Get("Allow"))
	}
	got = h.send(t, "HEAD", "/api/v2/status/performance", "")
	if got.status != 200 || len(got.body) != 0 {
		t.Errorf("HEAD answers %d %q", got.status, got.body)
	}
	got = h.send(t, "PATCH", "/api/v2/generate/async", "{}")
	if got.status != 405 || got.head.Get("Allow") != "OPTIONS, POST" {
		t.Errorf("PATCH answers %d with Allow %q", got.status, got.head.Get("Allow"))
	}
}

func TestTextsBeyondASCIIAreEscaped(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"plain": "plain", "é": `\u00e9`, "€!": `\u20ac!`, "😀x": `\ud83d\ude00x`} {
		if got := string(apiv2.ASCII([]byte(in))); got != want {
			t.Errorf("ascii(%q) = %s, want %s", in, got, want)
		}
		var back string
		if err := json.Unmarshal([]byte(`"`+want+`"`), &back); err != nil || back != in {
			t.Errorf("%s reads as %q, want %q", want, back, in)
		}
	}
}

func TestMasksKeepWhatTheyName(t *testing.T) {
	t.Parallel()
	const whole = `{"a":1,"b":{"c":[{"d":1.0,"e":2}],"f":null},"g-h":true}`
	for fields, want := range map[string]string{
		"a":              `{"a":1}`,
		"{a}":            `{"a":1}`,
		" a , nothing ":  `{"a":1}`,
		"b{c{d}}":        `{"b":{"c":[{"d":1.0}]}}`,
		"b{f}, g-h":      `{"b":{"f":null},"g-h":true}`,
		"*":              whole,
		"b{c{e}},*":      `{"a":1,"b":{"c":[{"e":2}]},"g-h":true}`,
		"nothing{x,y,*}": `{}`,
	} {
		if got, err := apiv2.Masked(fields, whole); err != nil || got != want {
			t.Errorf("mask %q = %s, %v, want %s", fields, got, err, want)
		}
	}
	for _, bad := range []string{",", "a,", "{a", "a}", "a{", "a{}", "a b", "a{b}c", strings.Repeat("a{", 40) + "a" + strings.Repeat("}", 40)} {
		if got, err := apiv2.Masked(bad, whole); err == nil {
			t.Errorf("mask %q is taken and gives %s", bad, got)
		}
	}
}

func TestRateLimitsCountAndSaySo(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Unix(1_800_000_000, 0))
	h := build(t, plan{clock: fake, options: apiv2.Options{RateLimits: true}})
	check := func(want int) answer {
		t.Helper()
		got := h.send(t, "GET", "/api/v2/generate/check/00000000-0000-4000-8000-000000000000", "")
		if got.status != want {
			t.Errorf("got %d %s, want %d", got.status, got.body, want)
		}
		return got
	}
	for i := range 10 {
		got := check(404)
		if left := got.head.Get("X-RateLimit-Remaining"); left != strconv.Itoa(9-i) || got.head.Get("X-RateLimit-Limit") != "10" {
			t.Errorf("call %d: %s of %s left", i, left, got.head.Get("X-RateLimit-Limit"))
		}
		if got.head.Get("X-RateLimit-Reset") != "1800000001" || got.head.Get("Retry-After") != "1" {
			t.Errorf("call %d: reset %s, retry %s", i, got.head.Get("X-RateLimit-Reset"), got.head.Get("Retry-After"))
		}
	}
	over := check(429)
	if e := over.refusal(t); e.Message != "10 per 1 second" || e.RC != "" {
		t.Errorf("got %s", over.body)
	}
	if other := h.send(t, "GET", "/api/v2/generate/check/00000000-0000-4000-8000-000000000001", ""); other.status != 404 {
		t.Errorf("another request's check gets %d", other.status)
	}
	fake.Advance(time.Second)
	check(404)

	// Of several limits the shortest is told; a failing one goes first. The anonymous key has room for 60.
	for i, want := range []int{202, 202, 429} {
		got := h.send(t, "POST", "/api/v2/generate/async", `{"prompt": "a"}`, "apikey", "0000000000")
		if got.status != want || got.head.Get("X-RateLimit-Limit") != "2" {
			t.Errorf("generate %d: got %d with limit %s, want %d of 2", i, got.status, got.head.Get("X-RateLimit-Limit"), want)
		}
	}
	// No limit where none is due.
	for range 200 {
		if got := h.send(t, "GET", "/api/v2/status/heartbeat", ""); got.status != 200 || got.head.Get("X-RateLimit-Limit") != "" {
			t.Fatalf("the heartbeat gets %d with limit %q", got.status, got.head.Get("X-RateLimit-Limit"))
		}
	}
	for i := range 91 {
		want := 200
		if i == 90 {
			want = 429
		}
		if got := h.send(t, "GET", "/api/v2/status/news", ""); got.status != want {
			t.Errorf("news %d: got %d, want %d", i, got.status, want)
		}
	}
}

func TestTrustedCallersGetWiderLimits(t *testing.T) {
	t.Parallel()
	h := build(t, plan{clock: clock.NewFake(time.Unix(1_800_000_000, 0)), options: apiv2.Options{RateLimits: true}})
	_, key := h.account(t, "trusted", horde.RoleTrusted, 1000)
	for i := range 11 {
		want := 202
		if i == 10 {
			want = 429
		}
		if got := h.send(t, "POST", "/api/v2/generate/async", `{"prompt": "a"}`, "apikey", key); got.status != want {
			t.Errorf("call %d: got %d %s, want %d", i, got.status, got.body, want)
		}
	}
}

func TestOnlyATrustedProxyNamesTheCaller(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what, remote, forwarded string
		trusted                 bool
		want                    string
	}{
		{"the peer", "192.0.2.1:5", "", true, "192.0.2.1"},
		{"the peer, whatever it says", "192.0.2.1:5", "198.51.100.7", false, "192.0.2.1"},
		{"the last hop", "192.0.2.1:5", "203.0.113.9, 198.51.100.7", true, "198.51.100.7"},
		{"a hop with a port", "192.0.2.1:5", "198.51.100.7:4711", true, "198.51.100.7"},
		{"a hop over IPv6", "192.0.2.1:5", "[2001:db8::1]", true, "2001:db8::1"},
		{"nonsense", "192.0.2.1:5", "unknown", true, "192.0.2.1"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr = c.remote
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := apiv2.CallerAddr(r, c.trusted).String(); got != c.want {
			t.Errorf("%s: got %s, want %s", c.what, got, c.want)
		}
	}
}

// journal is a log that several goroutines write.
type journal struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

// shaky is a real store whose commits can be made to fail, as those of a full disk do.
type shaky struct {
	engine.Store
	mu   sync.Mutex // guards down
	down bool
}

var errFull = errors.New("the disk is full")

func (s *shaky) fail(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func (s *shaky) Commit(ctx context.Context, term horde.Term, b *horde.Batch) error {
	s.mu.Lock()
	down := s.down
	s.mu.Unlock()
	if down {
		return errFull
	}
	return s.Store.Commit(ctx, term, b)
}

func TestAPanicIsContained(t *testing.T) {
	t.Parallel()
	log := &journal{}
	h := build(t, plan{log: log})
	h.door.Break("/api/v2/breaks")
	got := h.send(t, "GET", "/api/v2/breaks", "")
	if got.status != 500 || strings.TrimSpace(string(got.body)) != `{"message":"Internal Server Error"}` {
		t.Errorf("got %d %s, want a neutral 500", got.status, got.body)
	}
	id := got.head.Get("X-Request-Id")
	if text := log.String(); id == "" || !strings.Contains(text, id) || !strings.Contains(text, "a handler broke") || !strings.Contains(text, "stack") {
		t.Errorf("the log says %q, want the panic, its stack and the ID %q", text, id)
	}
	if got = h.send(t, "GET", "/api/v2/status/heartbeat", ""); got.status != 200 || !strings.Contains(string(got.body), `"active_count":0`) {
		t.Errorf("after the panic the heartbeat says %d %s", got.status, got.body)
	}
}

func TestAStoreThatIsAwayIs503(t *testing.T) {
	t.Parallel()
	disk := &shaky{}
	h := build(t, plan{wrap: func(s engine.Store) engine.Store { disk.Store = s; return disk }})
	generate := func() answer {
		return h.send(t, "POST", "/api/v2/generate/async", `{"prompt": "a"}`, "apikey", apiv2.AnonymousKey)
	}
	if got := generate(); got.status != 202 {
		t.Fatalf("with its store the horde answers %d %s", got.status, got.body)
	}
	disk.fail(true)
	if got := generate(); got.status != 503 || got.head.Get("Retry-After") == "" || got.refusal(t).RC != "" {
		t.Errorf("without its store the horde answers %d %s", got.status, got.body)
	}
	disk.fail(false)
	eventually(t, "the horde to go on", func() bool { return generate().status == 202 })
}

func TestTheLimiterForgetsRatherThanGrows(t *testing.T) {
	t.Parallel()
	if n := apiv2.Windows(130_000); n > 100_000 {
		t.Errorf("130,000 callers leave %d windows", n)
	}
}

func TestKeysDependOnTheSecret(t *testing.T) {
	t.Parallel()
	a, b := apiv2.HashKey([]byte("one"), "key"), apiv2.HashKey([]byte("two"), "key")
	if a == b || a != apiv2.HashKey([]byte("one"), "key") {
		t.Error("HashKey does not depend on secret and key alone")
	}
}
