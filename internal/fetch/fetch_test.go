// SPDX-License-Identifier: AGPL-3.0-or-later

package fetch_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"stablemate/internal/fetch"
)

func TestOnlyPublicAddressesArePublic(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"1.1.1.1": true, "8.8.8.8": true, "93.184.216.34": true, "172.32.0.1": true, "100.128.0.1": true, "223.255.255.255": true,
		"2606:4700:4700::1111": true, "2a00:1450::1": true, "::ffff:8.8.8.8": true, "64:ff9b::808:808": true,

		"0.0.0.0": false, "10.1.2.3": false, "100.64.0.1": false, "100.100.100.200": false, "127.0.0.1": false, "127.8.9.10": false,
		"169.254.169.254": false, "172.16.0.1": false, "172.31.255.255": false, "192.0.0.192": false, "192.0.2.1": false,
		"192.168.1.1": false, "198.18.0.1": false, "198.51.100.7": false, "203.0.113.9": false, "224.0.0.1": false,
		"239.255.255.255": false, "240.0.0.1": false, "255.255.255.255": false, "168.63.129.16": false, "192.88.99.1": false,

		"::": false, "::1": false, "fe80::1": false, "fe80::1%eth0": false, "2606:4700::1%eth0": false, "fc00::1": false,
		"fd00:ec2::254": false, "ff02::1": false, "fec0::1": false, "2001:db8::1": false, "2001::1": false, "2002:7f00:1::": false,
		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::ffff:169.254.169.254": false, "::7f00:1": false,
		"64:ff9b::7f00:1": false, "64:ff9b::a9fe:a9fe": false, "64:ff9b:1::808:808": false, "100::1": false, "3fff::1": false,
		"5f00::1": false, "4000::1": false,
	} {
		if got := fetch.Public(netip.MustParseAddr(text)); got != want {
			t.Errorf("Public(%s) = %v, want %v", text, got, want)
		}
	}
	if fetch.Public(netip.Addr{}) {
		t.Error("no address at all is public")
	}
}

// server answers on loopback and counts the calls that reached it.
func server(t *testing.T, handle http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	return s
}

func TestAFileIsFetchedWhole(t *testing.T) {
	t.Parallel()
	want := bytes.Repeat([]byte("image "), 10_000)
	var s *httptest.Server
	s = server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Referer") != "" || r.Header.Get("Authorization") != "" {
			t.Errorf("the call tells too much: %v", r.Header)
		}
		switch r.URL.Path {
		case "/":
			_, _ = w.Write(want)
		case "/moved":
			http.Redirect(w, r, s.URL+"/", http.StatusFound)
		}
	})
	c := fetch.New(fetch.Options{AllowLoopback: true})
	for _, path := range []string{"/", "/moved"} {
		if got, err := c.Get(t.Context(), s.URL+path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v, want %d", path, len(got), err, len(want))
		}
	}
	safe := httptest.NewTLSServer(s.Config.Handler)
	t.Cleanup(safe.Close)
	roots := x509.NewCertPool()
	roots.AddCert(safe.Certificate())
	c = fetch.New(fetch.Options{AllowLoopback: true, TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}})
	if got, err := c.Get(t.Context(), safe.URL+"/"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("over https: %d bytes, %v", len(got), err)
	}
}

func TestWhatMayNotBeFetched(t *testing.T) {
	t.Parallel()
	free := make(chan struct{})
	var s *httptest.Server
	s = server(t, func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; path {
		case "/slow":
			select {
			case <-free:
			case <-r.Context().Done():
			}
		case "/long":
			w.Header().Set("Content-Length", "1001")
			_, _ = w.Write(make([]byte, 1001))
		case "/chunked":
			for range 11 {
				_, _ = w.Write(make([]byte, 100))
				_ = http.NewResponseController(w).Flush()
			}
		case "/packed":
			w.Header().Set("Content-Encoding", "gzip") // is taken as it is, not unpacked
			_, _ = w.Write(make([]byte, 1001))
		case "/gone":
			http.NotFound(w, r)
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		case "/inside":
			http.Redirect(w, r, "http://10.0.0.1/", http.StatusFound)
		case "/metadata":
			http.Redirect(w, r, "http://169.254.169.254/latest/", http.StatusTemporaryRedirect)
		case "/mapped":
			http.Redirect(w, r, "http://[::ffff:192.168.0.1]/", http.StatusFound)
		case "/file":
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(http.StatusFound)
		case "/credentials":
			http.Redirect(w, r, strings.Replace(s.URL, "http://", "http://u:p@", 1), http.StatusFound)
		case "/short":
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write(make([]byte, 10))
		}
	})
	t.Cleanup(func() { close(free) }) // before the server closes, which waits for it
	c := fetch.New(fetch.Options{AllowLoopback: true, MaxBytes: 1000, Timeout: 500 * time.Millisecond})
	for what, test := range map[string]struct {
		address string
		want    error
	}{
		"no address":                      {"", fetch.ErrURL},
		"a file of this machine":          {"file:///etc/passwd", fetch.ErrURL},
		"another protocol":                {"ftp://example.com/a.png", fetch.ErrURL},
		"no host":                         {"http:///a.png", fetch.ErrURL},
		"a control character":             {"http://example.com/\n", fetch.ErrURL},
		"credentials":                     {"http://user:secret@example.com/", fetch.ErrURL},
		"an address beyond measure":       {"http://example.com/" + strings.Repeat("a", fetch.MaxURL), fetch.ErrURL},
		"a private address":               {"http://10.0.0.1/", fetch.ErrPrivate},
		"a mapped private address":        {"http://[::ffff:10.0.0.1]/", fetch.ErrPrivate},
		"cloud metadata":                  {"http://169.254.169.254/", fetch.ErrPrivate},
		"any address of this machine":     {"http://0.0.0.0/", fetch.ErrPrivate},
		"a redirect to a private address": {s.URL + "/inside", fetch.ErrPrivate},
		"a redirect to metadata":          {s.URL + "/metadata", fetch.ErrPrivate},
		"a redirect to a mapped address":  {s.URL + "/mapped", fetch.ErrPrivate},
		"a redirect to a file":            {s.URL + "/file", fetch.ErrURL},
		"a redirect with credentials":     {s.URL + "/credentials", fetch.ErrURL},
		"a redirect without end":          {s.URL + "/round", fetch.ErrUnreachable},
		"a server that does not answer":   {s.URL + "/slow", fetch.ErrUnreachable},
		"a server that breaks off":        {s.URL + "/short", fetch.ErrUnreachable},
		"nothing there":                   {s.URL + "/gone", fetch.ErrUnreachable},
		"a length that is too much":       {s.URL + "/long", fetch.ErrTooLong},
		"an undeclared length too much":   {s.URL + "/chunked", fetch.ErrTooLong},
		"a packed body":                   {s.URL + "/packed", fetch.ErrTooLong},
	} {
		data, err := c.Get(t.Context(), test.address)
		if !errors.Is(err, test.want) || data != nil {
			t.Errorf("%s: %d bytes, %v, want %v", what, len(data), err, test.want)
		}
	}
}

// Nothing on this machine is reached without the option, whatever the address looks like.
func TestThisMachineIsNeverReached(t *testing.T) {
	t.Parallel()
	s := server(t, func(http.ResponseWriter, *http.Request) { t.Error("a call came through") })
	at, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := fetch.New(fetch.Options{})
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]", "2130706433", "0x7f.1", "127.1"} {
		_, err := c.Get(t.Context(), "http://"+net.JoinHostPort(strings.Trim(host, "[]"), at.Port())+"/")
		if !errors.Is(err, fetch.ErrPrivate) && !errors.Is(err, fetch.ErrUnreachable) { // the odd spellings may be no names at all
			t.Errorf("%s: %v, want ErrPrivate", host, err)
		}
	}
}

func TestACallerWhoLeavesIsToldSo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := server(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := fetch.New(fetch.Options{AllowLoopback: true}).Get(ctx, s.URL); !errors.Is(err, context.Canceled) {
		t.Errorf("Get = %v, want context.Canceled", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"https://example.com/a.png?b=c#d", "http://[::1]:80/", "http://a:b@c", "//x", "http://%41/", "HTTPS://EXAMPLE.COM"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := fetch.Parse(text)
		if err != nil {
			if !errors.Is(err, fetch.ErrURL) {
				t.Errorf("Parse(%q) = %v, want ErrURL", text, err)
			}
			return
		}
		if again, err := fetch.Parse(u.String()); err == nil && again.Host != u.Host {
			t.Errorf("%q names %q, then %q", text, u.Host, again.Host)
		}
	})
}
