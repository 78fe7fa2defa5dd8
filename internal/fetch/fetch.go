// SPDX-License-Identifier: AGPL-3.0-or-later

package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Bounds of one fetch.
const (
	// MaxBytes is the most bytes a fetched file may have.
	MaxBytes = 5000 << 10
	// MaxRedirects is how many times a server may send the caller elsewhere.
	MaxRedirects = 3
	// Timeout is how long a fetch may take, from the wait for its turn to the last byte.
	Timeout = 2 * time.Second
	// MaxAtOnce is how many fetches may be under way at once; each may hold MaxBytes of memory.
	MaxAtOnce = 16
	// MaxURL is the most bytes an address may have.
	MaxURL = 4096
)

var (
	// ErrURL says that a text is no http or https address that may be fetched, or leads to one that may not.
	ErrURL = errors.New("the address cannot be used")
	// ErrTooLong says that what lies there has more bytes than are taken.
	ErrTooLong = errors.New("the file is too long")
	// ErrUnreachable says that the server did not answer in time, broke off, or answered something else than 200.
	ErrUnreachable = errors.New("the address cannot be read")
)

// Options change a client; zero values mean the constants of this package.
type Options struct {
	// AllowLoopback lets the client call this machine. It is for tests alone.
	AllowLoopback bool
	// TLS is the configuration of encrypted connections, nil for the usual one.
	TLS      *tls.Config
	Timeout  time.Duration
	MaxBytes int64
}

// Client fetches files from public addresses. It keeps no connections and no cookies, sends no credentials and tells no
// referrer. It is safe for concurrent use.
type Client struct {
	http  *http.Client
	opts  Options
	turns chan struct{} // holds one token per fetch under way
}

// New returns a client.
func New(opts Options) *Client {
	if opts.Timeout <= 0 {
		opts.Timeout = Timeout
	}
	if opts.MaxBytes <= 0 {
		opts.MaxBytes = MaxBytes
	}
	transport := NewDialer(opts.AllowLoopback).Transport()
	transport.TLSClientConfig = opts.TLS
	return &Client{
		opts: opts, turns: make(chan struct{}, MaxAtOnce),
		http: &http.Client{Transport: transport, CheckRedirect: func(next *http.Request, via []*http.Request) error {
			if len(via) > MaxRedirects {
				return fmt.Errorf("%w: more than %d redirects", ErrUnreachable, MaxRedirects)
			}
			next.Header.Del("Referer")
			return check(next.URL)
		}},
	}
}

// Parse reads an address that Get would call. It returns ErrURL for any other; names are not looked up yet.
func Parse(address string) (*url.URL, error) {
	if len(address) > MaxURL {
		return nil, fmt.Errorf("%w: it has more than %d bytes", ErrURL, MaxURL)
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("%w: it is malformed", ErrURL)
	}
	return u, check(u)
}

func check(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%w: it is neither http nor https", ErrURL)
	case u.Hostname() == "":
		return fmt.Errorf("%w: it names no host", ErrURL)
	case u.User != nil:
		return fmt.Errorf("%w: it holds credentials", ErrURL)
	}
	return nil
}

// Get reads the whole file at an address. It returns ErrURL, also with ErrPrivate, ErrTooLong or ErrUnreachable; their
// texts are safe to show to whoever named the address. A ctx that ends is returned as its own error.
func (c *Client) Get(ctx context.Context, address string) ([]byte, error) {
	u, err := Parse(address)
	if err != nil {
		return nil, err
	}
	within, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	data, err := c.get(within, u)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return data, err
}

func (c *Client) get(ctx context.Context, u *url.URL) ([]byte, error) {
	select {
	case c.turns <- struct{}{}:
		defer func() { <-c.turns }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: too many are being read", ErrUnreachable)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: it is malformed", ErrURL)
	}
	req.Header.Set("User-Agent", "Stablemate")
	res, err := c.http.Do(req)
	if err != nil {
		return nil, sentence(err)
	}
	defer func() { _ = res.Body.Close() }()
	switch {
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%w: the server answered %d", ErrUnreachable, res.StatusCode)
	case res.ContentLength > c.opts.MaxBytes:
		return nil, c.tooLong()
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, c.opts.MaxBytes+1))
	switch {
	case err != nil:
		return nil, sentence(err)
	case int64(len(data)) > c.opts.MaxBytes:
		return nil, c.tooLong()
	}
	return data, nil
}

func (c *Client) tooLong() error {
	return fmt.Errorf("%w: it has more than %d bytes", ErrTooLong, c.opts.MaxBytes)
}

// sentence keeps of a network error only what a stranger may know: neither addresses nor what lies behind them.
func sentence(err error) error {
	switch {
	case errors.Is(err, ErrPrivate):
		return fmt.Errorf("%w: %w", ErrURL, ErrPrivate)
	case errors.Is(err, ErrURL):
		return fmt.Errorf("%w: it leads to an address of another kind", ErrURL)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: it took too long", ErrUnreachable)
	default:
		return ErrUnreachable
	}
}
