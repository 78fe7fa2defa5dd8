// SPDX-License-Identifier: AGPL-3.0-or-later

package webhook_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"stablemate/horde/apiv2/wire"
	"stablemate/internal/fetch"
	"stablemate/internal/webhook"
)

var secret = []byte("the tests' secret of webhooks")

// receiver is a real https server, and what reached it.
type receiver struct {
	*httptest.Server

	mu    sync.Mutex // guards calls
	calls []received
}

type received struct {
	at   time.Time
	head http.Header
	body []byte
}

func (r *receiver) got() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.calls...)
}

// listen answers call number n, from 0, with answer.
func listen(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil || req.Method != http.MethodPost {
			t.Errorf("the call is a %s: %v", req.Method, err)
		}
		r.mu.Lock()
		n := len(r.calls)
		r.calls = append(r.calls, received{time.Now(), req.Header.Clone(), body})
		r.mu.Unlock()
		answer(n, w, req)
	}))
	t.Cleanup(r.Close)
	return r
}

// run starts a sender that may call this machine, and returns it with what ends it.
func run(t *testing.T, log io.Writer, opts webhook.Options, servers ...*receiver) (s *webhook.Sender, end func()) {
	t.Helper()
	roots := x509.NewCertPool()
	for _, r := range servers {
		roots.AddCert(r.Certificate())
	}
	opts.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	s, err := webhook.New(webhook.Deps{
		Dial: fetch.NewDialer(true).DialContext, Secret: secret, Now: time.Now, Log: zerolog.New(log),
	}, opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1) // holds Run's only answer
	go func() { ended <- s.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	t.Cleanup(stop)
	return s, stop
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func quick() []time.Duration { return []time.Duration{10 * time.Millisecond, 40 * time.Millisecond} }

func TestADeliveryArrivesSigned(t *testing.T) {
	t.Parallel()
	r := listen(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	s, _ := run(t, io.Discard, webhook.Options{}, r)
	bodies := []any{
		wire.ImageHook{Img: "https://horde.example/blob/x", Seed: 7, ID: "gen-1", GenMetadata: []wire.Metadata{}, Kudos: 10},
		wire.TextHook{Text: "ä <b>", ID: "gen-2", State: "ok", GenMetadata: []wire.Metadata{{Type: "censorship", Value: "nsfw"}}},
		wire.AlchemyHook{Form: "caption", State: "done", Result: map[string]any{"caption": "a cat"}, ID: "gen-3"},
	}
	for i, body := range bodies {
		if !s.Enqueue(wire.Delivery{URL: r.URL + "/hook?a=b", ID: "gen-" + strconv.Itoa(i+1), Body: body}) {
			t.Fatal("there is no room")
		}
	}
	eventually(t, "three deliveries", func() bool { return s.Stats() == webhook.Stats{Delivered: 3} })
	for _, call := range r.got() {
		id, stamp := call.head.Get("webhook-id"), call.head.Get("webhook-timestamp")
		n, err := strconv.Atoi(strings.TrimPrefix(id, "gen-"))
		if err != nil || n < 1 || n > 3 {
			t.Fatalf("the id is %q", id)
		}
		want, err := json.Marshal(bodies[n-1])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(call.body)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", id, diff)
		}
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(id + "." + stamp + "." + string(call.body)))
		if got, want := call.head.Get("webhook-signature"), "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)); got != want {
			t.Errorf("%s: signed %q, want %q", id, got, want)
		}
		unix, err := strconv.ParseInt(stamp, 10, 64)
		if err != nil || call.at.Sub(time.Unix(unix, 0)).Abs() > 10*time.Second {
			t.Errorf("%s: the timestamp is %q", id, stamp)
		}
		if kind := call.head.Get("Content-Type"); kind != "application/json" {
			t.Errorf("%s: Content-Type is %q", id, kind)
		}
	}
	if got := webhook.Secret([]byte("abc")); got != "whsec_YWJj" {
		t.Errorf("Secret = %q", got)
	}
}

func TestAFailureIsTriedAgainAfterGrowingPauses(t *testing.T) {
	t.Parallel()
	r := listen(t, func(n int, w http.ResponseWriter, req *http.Request) {
		switch n {
		case 0:
			w.WriteHeader(http.StatusInternalServerError)
		case 1:
			<-req.Context().Done() // until the attempt's time is over
		}
	})
	s, _ := run(t, io.Discard, webhook.Options{Pauses: []time.Duration{20 * time.Millisecond, 80 * time.Millisecond}, Timeout: time.Second}, r)
	s.Enqueue(wire.Delivery{URL: r.URL, ID: "g", Body: 1})
	eventually(t, "the third attempt", func() bool { return s.Stats() == webhook.Stats{Delivered: 1} })
	got := r.got()
	if len(got) != webhook.Attempts {
		t.Fatalf("%d attempts, want %d", len(got), webhook.Attempts)
	}
	if first, second := got[1].at.Sub(got[0].at), got[2].at.Sub(got[1].at); first < 20*time.Millisecond || second < 80*time.Millisecond {
		t.Errorf("the pauses were %v and %v", first, second)
	}
	for i, call := range got {
		if call.head.Get("webhook-id") != "g" || !bytes.Equal(call.body, got[0].body) {
			t.Errorf("attempt %d is another delivery", i)
		}
	}
}

func TestWhatCannotBeDeliveredIsGivenUp(t *testing.T) {
	t.Parallel()
	var log logged
	broken := listen(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	away := listen(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://10.0.0.1/", http.StatusFound) // counts as taken, and is not followed
	})
	stranger := listen(t, func(int, http.ResponseWriter, *http.Request) {})
	s, _ := run(t, &log, webhook.Options{Pauses: quick()}, broken, away)
	s.Enqueue(wire.Delivery{URL: broken.URL + "/?token=hush", ID: "a"})
	s.Enqueue(wire.Delivery{URL: away.URL, ID: "b"})
	s.Enqueue(wire.Delivery{URL: strings.Replace(stranger.URL, "127.0.0.1", "localhost", 1), ID: "c"}) // its certificate is for another name
	eventually(t, "all three", func() bool { return s.Stats() == webhook.Stats{Delivered: 1, Failed: 2} })
	if n := len(broken.got()); n != webhook.Attempts {
		t.Errorf("%d attempts, want %d", n, webhook.Attempts)
	}
	if n := len(away.got()); n != 1 {
		t.Errorf("a redirect was called %d times, want once", n)
	}
	if n := len(stranger.got()); n != 0 {
		t.Errorf("a server with a wrong certificate was told %d times", n)
	}
	if strings.Contains(log.String(), "hush") || !strings.Contains(log.String(), "cannot be delivered") {
		t.Errorf("the log says %s", log.String())
	}
}

func TestNeverToPrivateAddresses(t *testing.T) {
	t.Parallel()
	r := listen(t, func(int, http.ResponseWriter, *http.Request) {})
	s, err := webhook.New(webhook.Deps{Dial: fetch.NewDialer(false).DialContext, Secret: secret, Now: time.Now, Log: zerolog.Nop()},
		webhook.Options{Pauses: quick(), TLS: &tls.Config{InsecureSkipVerify: true}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1) // holds Run's only answer
	go func() { ended <- s.Run(ctx) }()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(r.URL, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	hosts := []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254"}
	for i, host := range hosts {
		s.Enqueue(wire.Delivery{URL: "https://" + host + ":" + port + "/", ID: strconv.Itoa(i)})
	}
	eventually(t, "all refusals", func() bool { return s.Stats().Failed == uint64(len(hosts)) })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := len(r.got()); n != 0 {
		t.Errorf("%d calls came through", n)
	}
}

func TestOverflowIsCountedAndLogged(t *testing.T) {
	t.Parallel()
	var log logged
	s, err := webhook.New(webhook.Deps{Dial: fetch.NewDialer(true).DialContext, Secret: secret, Now: time.Now, Log: zerolog.New(&log)}, webhook.Options{})
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for i := range webhook.MaxQueue + 50 { // it does not run, so nothing leaves
		if s.Enqueue(wire.Delivery{URL: "https://" + strconv.Itoa(i) + ".example/", ID: "x"}) {
			taken++
		}
	}
	if got := s.Stats(); taken != webhook.MaxQueue || got != (webhook.Stats{Dropped: 50}) {
		t.Errorf("%d taken, %+v, want %d and 50 dropped", taken, got, webhook.MaxQueue)
	}
	if n := strings.Count(log.String(), "no room"); n != 1 {
		t.Errorf("the log tells %d times of the overflow:\n%s", n, log.String())
	}

	one, err := webhook.New(webhook.Deps{Dial: fetch.NewDialer(true).DialContext, Secret: secret, Now: time.Now, Log: zerolog.Nop()}, webhook.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range webhook.MaxPerHost + 1 {
		one.Enqueue(wire.Delivery{URL: "https://one.example/", ID: "x"})
	}
	if one.Stats().Dropped != 1 || !one.Enqueue(wire.Delivery{URL: "https://other.example/", ID: "x"}) {
		t.Errorf("one host takes the whole queue: %+v", one.Stats())
	}
	big := strings.Repeat("x", webhook.MaxQueueBytes)
	for _, d := range []wire.Delivery{
		{URL: "http://plain.example/"},
		{URL: "https://user:pw@named.example/"},
		{URL: "https:///"},
		{URL: "::"},
		{URL: "https://long.example/" + strings.Repeat("a", webhook.MaxURL)},
		{URL: "https://big.example/", Body: big},
	} {
		if one.Enqueue(d) {
			t.Errorf("%.40s is taken", d.URL)
		}
	}
}

// A host that never answers holds up nobody else.
func TestOneDeadHostHoldsUpNobody(t *testing.T) {
	t.Parallel()
	free := make(chan struct{})
	dead := listen(t, func(_ int, _ http.ResponseWriter, r *http.Request) {
		select {
		case <-free:
		case <-r.Context().Done():
		}
	})
	well := listen(t, func(int, http.ResponseWriter, *http.Request) {})
	s, _ := run(t, io.Discard, webhook.Options{Timeout: time.Minute}, dead, well)
	for range 3 * webhook.MaxHostCalls {
		s.Enqueue(wire.Delivery{URL: dead.URL, ID: "x"})
	}
	s.Enqueue(wire.Delivery{URL: well.URL, ID: "y"})
	eventually(t, "the other host", func() bool { return len(well.got()) == 1 })
	eventually(t, "the dead host's share", func() bool { return len(dead.got()) == webhook.MaxHostCalls })
	close(free)
	eventually(t, "the rest", func() bool { return s.Stats().Delivered == 3*webhook.MaxHostCalls+1 })
}

func TestAStopDeliversWhatWaits(t *testing.T) {
	t.Parallel()
	r := listen(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 0 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	s, end := run(t, io.Discard, webhook.Options{Pauses: []time.Duration{time.Hour, time.Hour}}, r)
	s.Enqueue(wire.Delivery{URL: r.URL, ID: "x"})
	eventually(t, "the first attempt", func() bool { return len(r.got()) == 1 })
	end()
	if got := s.Stats(); got != (webhook.Stats{Delivered: 1}) {
		t.Errorf("after the stop %+v, want it delivered", got)
	}
}

func TestAStopDoesNotWaitForTheDead(t *testing.T) {
	t.Parallel()
	r := listen(t, func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	s, end := run(t, io.Discard, webhook.Options{Timeout: time.Hour, Grace: 50 * time.Millisecond}, r)
	for range 2 * webhook.MaxHostCalls {
		s.Enqueue(wire.Delivery{URL: r.URL, ID: "x"})
	}
	eventually(t, "the first attempts", func() bool { return len(r.got()) == webhook.MaxHostCalls })
	end()
	if got := s.Stats(); got.Delivered != 0 || got.Failed+got.Dropped != 2*webhook.MaxHostCalls {
		t.Errorf("after the stop %+v", got)
	}
}

func TestASenderNeedsItsParts(t *testing.T) {
	t.Parallel()
	dial := fetch.NewDialer(false).DialContext
	for what, deps := range map[string]webhook.Deps{
		"no dialer":      {Secret: secret, Now: time.Now},
		"no clock":       {Dial: dial, Secret: secret},
		"a short secret": {Dial: dial, Secret: []byte("short"), Now: time.Now},
	} {
		if _, err := webhook.New(deps, webhook.Options{}); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

// logged is a log that a test reads while it is written.
type logged struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
