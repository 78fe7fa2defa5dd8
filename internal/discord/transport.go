package discord

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	discordHost = "discord.com"
	apiVersion  = "v10"
)

// cdnHosts are the only hosts that Download reads from when the bot speaks to Discord: files, and its copies of images of
// embeds.
var cdnHosts = [...]string{"cdn.discordapp.com", "media.discordapp.net", "images-ext-1.discordapp.net", "images-ext-2.discordapp.net"} //nolint:gochecknoglobals // constant

// transport sends every request to the one host it is for and refuses all others, so that neither a wrong setting nor the
// library can carry the token anywhere else.
type transport struct {
	base *url.URL // nil means Discord itself
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != discordHost || req.URL.Scheme != "https" {
		return nil, fmt.Errorf("refused to send a request to %s", req.URL.Host)
	}
	out := req.Clone(req.Context())
	if rest, ok := strings.CutPrefix(out.URL.Path, "/api/v9/"); ok {
		// discordgo is built for v9; both versions answer its few calls alike.
		out.URL.Path = "/api/" + apiVersion + "/" + rest
		if raw, ok := strings.CutPrefix(out.URL.RawPath, "/api/v9/"); ok {
			out.URL.RawPath = "/api/" + apiVersion + "/" + raw
		}
	}
	if t.base != nil {
		out.URL.Scheme, out.URL.Host, out.Host = t.base.Scheme, t.base.Host, t.base.Host
	}
	return t.next.RoundTrip(out)
}

// parseBase accepts the address of a stand-in on this machine and nothing else.
func parseBase(s string) (*url.URL, error) {
	if s == "" {
		return nil, nil
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("base URL: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("base URL %q: want http or https", s)
	}
	if !loopback(u.Hostname()) {
		return nil, fmt.Errorf("base URL %q: only loopback addresses are allowed", s)
	}
	return u, nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// wire is one gateway connection at the level of bytes. Discord acknowledges every heartbeat, so a connection that stays
// silent for longer is dead, and its reads fail. They fail as well when Discord ends the session.
type wire struct {
	net.Conn
	silence time.Duration
	frames  frames
	// ended is called when Discord ends the session, and told whether it may be resumed; nil when the bytes cannot be read.
	ended func(again bool)
	heart *heart
}

// Write implements net.Conn.
func (w *wire) Write(p []byte) (int, error) {
	if w.ended != nil && isHeartbeat(p) {
		w.heart.beat()
	}
	return w.Conn.Write(p)
}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	deadline := time.Now().Add(w.silence) //nolint:forbidigo // the network stack knows the real clock only
	if err := w.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	n, err := w.Conn.Read(p)
	if w.ended != nil && w.frames.ends(p[:n]) {
		w.ended(w.frames.again)
		_ = w.Close() // or the library says goodbye, which ends what may be resumed
		return 0, errInvalid
	}
	return n, err
}

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// dial opens the gateway's TCP connections; with a stand-in it refuses to leave this machine.
func (b *shard) dial(ended func(bool)) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := b.connect(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return b.watch(conn, ended), nil
	}
}

// dialTLS does the same for encrypted ones.
func (b *shard) dialTLS(ended func(bool)) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := b.connect(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		host, _, _ := net.SplitHostPort(addr) // connect has looked at it
		secure := tls.Client(conn, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		return b.watch(secure, ended), nil
	}
}

func (b *shard) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil || (b.base != nil && !loopback(host)) {
		return nil, fmt.Errorf("refused to dial %s", addr)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, addr)
}

func (b *shard) watch(conn net.Conn, ended func(bool)) *wire {
	w := &wire{Conn: conn, silence: b.opts.GatewaySilence, ended: ended, heart: b.heart}
	w.frames.acked, w.frames.closed = b.heart.acked, b.heart.closes
	b.heart.connecting()
	b.conn.Store(w)
	return w
}
