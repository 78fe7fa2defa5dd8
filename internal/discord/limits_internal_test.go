package discord

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestLimiter shows, on a clock that jumps, how calls are spread out.
func TestLimiter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(time.Now)
		begin := time.Now()
		for range 3*globalPerSecond + 1 {
			if err := l.wait(t.Context(), "a", true); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := time.Since(begin), 3*time.Second; got != want {
			t.Errorf("%d calls took %s, want %s", 3*globalPerSecond+1, got, want)
		}

		header := http.Header{"X-Ratelimit-Remaining": {"1"}, "X-Ratelimit-Reset-After": {"2.5"}}
		l.learn("b", header)
		begin = time.Now()
		for range 2 {
			if err := l.wait(t.Context(), "b", false); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := time.Since(begin), 2500*time.Millisecond; got != want {
			t.Errorf("two calls with one left took %s, want %s", got, want)
		}

		l.block("", 4*time.Second)
		begin = time.Now()
		if err := l.wait(t.Context(), "c", false); err != nil || time.Since(begin) != 0 {
			t.Errorf("a call that is not global waited %s, %v", time.Since(begin), err)
		}
		if err := l.wait(t.Context(), "c", true); err != nil || time.Since(begin) != 4*time.Second {
			t.Errorf("a global call waited %s, %v", time.Since(begin), err)
		}

		for range 10 {
			l.invalid()
		}
		time.Sleep(5 * time.Minute)
		for range 7 {
			l.invalid()
		}
		if got := l.refused(); got != 17 {
			t.Errorf("refused = %d, want 17", got)
		}
		time.Sleep(6 * time.Minute)
		if got := l.refused(); got != 7 {
			t.Errorf("refused after 11 minutes = %d, want 7", got)
		}
		time.Sleep(time.Hour)
		if got := l.refused(); got != 0 {
			t.Errorf("refused after an hour = %d, want 0", got)
		}
	})
}

func TestLimiterIgnoresNonsense(t *testing.T) {
	t.Parallel()
	l := newLimiter(time.Now)
	for _, h := range []http.Header{
		{},
		{"X-Ratelimit-Remaining": {"x"}, "X-Ratelimit-Reset-After": {"1"}},
		{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset-After": {"x"}},
		{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset-After": {"-1"}},
		{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset-After": {"1e300"}},
	} {
		l.learn("a", h)
		if d := l.reserve("a", false); d != 0 {
			t.Errorf("after %v the next call waits %s", h, d)
		}
	}
	for i := range 2 * maxBuckets {
		l.block(strings.Repeat("x", 1+i%3)+time.Duration(i).String(), time.Hour)
	}
	if n := len(l.buckets); n > maxBuckets {
		t.Errorf("%d buckets are remembered, want at most %d", n, maxBuckets)
	}
}

func TestBreaker(t *testing.T) {
	t.Parallel()
	l := newLimiter(time.Now)
	c := &rest{client: &http.Client{Transport: &transport{next: http.DefaultTransport}}, limit: l, stats: &counters{}}
	send := func(req call) bool {
		// The route is refused by the transport below the breaker, since it leaves nothing out of this machine.
		req.method, req.path, req.once = http.MethodGet, "/x", true
		c.client.Transport = roundTrip(func(*http.Request) (*http.Response, error) { return nil, http.ErrServerClosed })
		_, err := c.do(t.Context(), req)
		return !strings.Contains(err.Error(), ErrBreaker.Error())
	}
	for _, step := range []struct {
		refused                int
		optional, usual, vital bool
	}{{0, true, true, true}, {invalidOptional, false, true, true}, {invalidHard, false, false, true}} {
		for l.refused() < step.refused {
			l.invalid()
		}
		if got := send(call{optional: true}); got != step.optional {
			t.Errorf("after %d refusals optional calls are sent: %t", step.refused, got)
		}
		if got := send(call{}); got != step.usual {
			t.Errorf("after %d refusals usual calls are sent: %t", step.refused, got)
		}
		if got := send(call{vital: true}); got != step.vital {
			t.Errorf("after %d refusals vital calls are sent: %t", step.refused, got)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTransportRefusesOtherHosts(t *testing.T) {
	t.Parallel()
	reached := ""
	tr := &transport{next: roundTrip(func(r *http.Request) (*http.Response, error) {
		reached = r.URL.String()
		return nil, http.ErrServerClosed
	})}
	for _, address := range []string{"https://example.org/api/v9/x", "http://discord.com/api/v9/x", "https://discord.com:444/x", "https://discord.com.example.org/"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tr.RoundTrip(req); err == nil || reached != "" {
			t.Errorf("%s was let through to %q (%v)", address, reached, err)
		}
	}
	base, err := parseBase("http://127.0.0.1:1234")
	if err != nil {
		t.Fatal(err)
	}
	tr.base = base
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://discord.com/api/v9/channels/1/messages/2/reactions/%23%EF%B8%8F%E2%83%A3/@me", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = tr.RoundTrip(req)
	if want := "http://127.0.0.1:1234/api/v10/channels/1/messages/2/reactions/%23%EF%B8%8F%E2%83%A3/@me"; reached != want {
		t.Errorf("reached %s, want %s", reached, want)
	}
}

func FuzzDecodeInteraction(f *testing.F) {
	for _, s := range []string{
		`{"id":"1","token":"t","type":2,"member":{"user":{"id":"5"},"permissions":"8"},"data":{"id":"3","name":"kudos","options":[{"type":1,"name":"gift","options":[{"type":6,"name":"user","value":"7"}]}]}}`,
		`{"id":"1","token":"t","type":3,"user":{"id":"5"},"data":{"id":4,"custom_id":"1:cx:2:3","values":["a"]},"message":{"id":"9"}}`,
		`{"id":"1","token":"t","type":5,"user":{"id":"5"},"data":{"custom_id":"x","components":[{"type":18,"component":{"type":4,"custom_id":"a","value":"b"}},{"type":99}]}}`,
		`{"id":"1","token":"t","type":2}`, `null`, `{"id":1}`, `[]`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		in, err := decodeInteraction(raw, time.Now())
		if in == nil && err == nil {
			t.Fatal("neither an interaction nor an error")
		}
		if in != nil && (in.ID == "" || in.Token == "") {
			t.Fatalf("an interaction that cannot be answered: %+v", in)
		}
		if in != nil {
			_, h := NewRouter().find(in)
			if h == nil {
				t.Fatal("no handler")
			}
			_ = label(in)
		}
		_, _ = decodeReaction(raw)
	})
}

func FuzzCustomID(f *testing.F) {
	for _, s := range []string{"1:cx:01J:a:b", "1:cx::", "0:cx:1:2", "1::x:y", "::::", "", "1:CX:a:b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseCustomID(s)
		if err == nil && id.String() != s {
			t.Fatalf("ParseCustomID(%q) = %+v, which is %q", s, id, id.String())
		}
	})
}

func TestEditsOfAChannelArePaced(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	l := newLimiter(func() time.Time { return now })
	var got []time.Duration
	turn := func(channel string) time.Duration {
		d, ok := l.turnOf(channel, time.Minute)
		if !ok {
			t.Errorf("no turn for %s", channel)
		}
		return d
	}
	for range 9 {
		got = append(got, turn("a"))
	}
	if d, ok := l.turnOf("a", time.Second); ok {
		t.Errorf("somebody with a second takes a turn in %s", d)
	}
	if got[3] != 0 || got[4] != editWindow || got[7] != editWindow || got[8] != 2*editWindow {
		t.Errorf("edits of one channel wait for %v", got)
	}
	if d := turn("b"); d != 0 {
		t.Errorf("another channel waits for %s", d)
	}
	now = now.Add(3 * editWindow)
	if d := turn("a"); d != 0 {
		t.Errorf("later it is %s", d)
	}
}
