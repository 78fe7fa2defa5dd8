// SPDX-License-Identifier: AGPL-3.0-or-later

package vpn_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stablemate/internal/clock"
	"stablemate/internal/vpn"
)

// service answers every question in one way, and counts them.
type service struct {
	asked  atomic.Int64
	last   atomic.Value
	status atomic.Int64
	answer atomic.Value
	hold   chan struct{}
}

func serve(t *testing.T, status int, answer string) (*service, *vpn.Checker, *clock.Fake) {
	t.Helper()
	s := &service{}
	s.status.Store(int64(status))
	s.answer.Store(answer)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		s.last.Store(r.URL.Query().Get("ip"))
		if s.hold != nil {
			<-s.hold
		}
		w.WriteHeader(int(s.status.Load()))
		_, _ = w.Write([]byte(s.answer.Load().(string)))
	}))
	t.Cleanup(server.Close)
	now := clock.NewFake(time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC))
	c, err := vpn.New(vpn.Options{URL: server.URL + "/check?ip={ip}&flags=m", Safe: []netip.Prefix{netip.MustParsePrefix("9.9.0.0/16")}, Now: now.Now})
	if err != nil {
		t.Fatal(err)
	}
	return s, c, now
}

func TestAnswersAreRead(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		status int
		answer string
		want   vpn.Verdict
	}{
		"a low number":            {200, "0.2", vpn.Safe},
		"the limit":               {200, " 0.93\n", vpn.Unsafe},
		"a number in JSON":        {200, `{"status": "success", "result": 1}`, vpn.Unsafe},
		"a text in JSON":          {200, `{"result": "0.99"}`, vpn.Unsafe},
		"a code of an error":      {200, "-3", vpn.Safe},
		"no number":               {200, "<html>", vpn.Safe},
		"no number that there is": {200, "NaN", vpn.Safe},
		"broken JSON":             {200, `{"result"`, vpn.Safe},
		"too many questions":      {429, "0.1", vpn.Unknown},
		"a fault":                 {500, "", vpn.Unknown},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s, checker, _ := serve(t, c.status, c.answer)
			if got := checker.Check(t.Context(), netip.MustParseAddr("8.8.8.8")); got != c.want {
				t.Errorf("judged %d, want %d", got, c.want)
			}
			if s.last.Load() != "8.8.8.8" {
				t.Errorf("asked about %v", s.last.Load())
			}
		})
	}
}

func TestAnswersAreRemembered(t *testing.T) {
	t.Parallel()
	s, c, now := serve(t, 200, "1")
	addr := netip.MustParseAddr("2a00:1450::1")
	for range 3 {
		if got := c.Check(t.Context(), addr); got != vpn.Unsafe {
			t.Fatalf("judged %d", got)
		}
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("asked %d times, want once", n)
	}
	s.status.Store(503)
	now.Advance(vpn.Kept)
	for range 2 {
		if got := c.Check(t.Context(), addr); got != vpn.Unknown {
			t.Errorf("judged %d while the service is away", got)
		}
	}
	s.status.Store(200)
	now.Advance(vpn.KeptUnknown)
	if got := c.Check(t.Context(), addr); got != vpn.Unsafe || s.asked.Load() != 3 {
		t.Errorf("judged %d after %d questions, want the third to be answered", got, s.asked.Load())
	}
}

func TestNobodyIsAskedAboutSafeAddresses(t *testing.T) {
	t.Parallel()
	s, c, _ := serve(t, 200, "1")
	for _, text := range []string{"9.9.9.9", "127.0.0.1", "10.1.2.3", "::1", "fd00::7", "::ffff:192.168.0.1"} {
		if got := c.Check(t.Context(), netip.MustParseAddr(text)); got != vpn.Safe {
			t.Errorf("%s is judged %d", text, got)
		}
	}
	if got := c.Check(t.Context(), netip.Addr{}); got != vpn.Safe || s.asked.Load() != 0 {
		t.Errorf("no address is judged %d after %d questions", got, s.asked.Load())
	}
}

func TestManyWaitForOneAnswer(t *testing.T) {
	t.Parallel()
	s, c, _ := serve(t, 200, "1")
	s.hold = make(chan struct{})
	addr := netip.MustParseAddr("8.8.4.4")
	var wait sync.WaitGroup
	for range 10 {
		wait.Go(func() {
			if got := c.Check(t.Context(), addr); got != vpn.Unsafe {
				t.Errorf("judged %d", got)
			}
		})
	}
	for s.asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if got := c.Check(gone, addr); got != vpn.Unknown {
		t.Errorf("who leaves is told %d", got)
	}
	close(s.hold)
	wait.Wait()
	if n := s.asked.Load(); n != 1 {
		t.Errorf("asked %d times, want once", n)
	}
}

func TestACheckNeedsAnAddressAndAClock(t *testing.T) {
	t.Parallel()
	for _, o := range []vpn.Options{{URL: "https://x/{ip}"}, {URL: "https://x/", Now: clock.System{}.Now}} {
		if _, err := vpn.New(o); err == nil {
			t.Errorf("%+v is taken", o.URL)
		}
	}
}
