// SPDX-License-Identifier: AGPL-3.0-or-later

// Package vpn asks a service whether an address hides where somebody is, and remembers the answer for a while. The operator
// chooses the service; without one nobody is asked.
package vpn

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"stablemate/internal/fetch"
)

// Bounds of asking.
const (
	// Limit is from which probability on an address is unsafe.
	Limit = 0.93
	// Timeout is how long the service may take to answer.
	Timeout = 2 * time.Second
	// Kept is how long an answer counts, and KeptUnknown how long that there was none.
	Kept        = 6 * time.Hour
	KeptUnknown = time.Minute
	// MaxKept is how many addresses are remembered, and MaxCalls how many may be asked about at once.
	MaxKept  = 20_000
	MaxCalls = 8

	maxAnswer = 4 << 10
	place     = "{ip}"
)

// Verdict is what is known about an address.
type Verdict int8

// Verdicts.
const (
	Safe Verdict = iota
	Unsafe
	Unknown // the service gave no answer in time, or refuses to
)

// Options say whom to ask. URL and Now are required.
type Options struct {
	// URL is the service's address, with {ip} where the address goes. It answers 200 and a number from 0 to 1: alone, or in
	// JSON as "result", as a number or a text.
	URL  string
	Safe []netip.Prefix // nobody is asked about these, nor about private addresses
	Now  func() time.Time
	// Client calls the service; nil: one of its own.
	Client *http.Client
}

// Checker judges addresses. It is safe for concurrent use.
type Checker struct {
	opts  Options
	calls chan struct{} // holds one token per call under way

	mu   sync.Mutex // guards what follows
	kept map[netip.Addr]answer
}

// answer is a verdict, or one that is on its way.
type answer struct {
	verdict Verdict
	until   time.Time
	ready   chan struct{} // closed when the verdict is there; nil when it is
}

// New returns a checker.
func New(opts Options) (*Checker, error) {
	if opts.Now == nil || !strings.Contains(opts.URL, place) {
		return nil, errors.New("a check of addresses needs a clock and an address with {ip}")
	}
	if opts.Client == nil {
		opts.Client = &http.Client{Timeout: Timeout}
	}
	return &Checker{opts: opts, calls: make(chan struct{}, MaxCalls), kept: make(map[netip.Addr]answer)}, nil
}

// Check judges an address. It waits for the service at most Timeout; those who ask about the same address wait together.
func (c *Checker) Check(ctx context.Context, addr netip.Addr) Verdict {
	addr = addr.Unmap().WithZone("")
	if c.known(addr) {
		return Safe
	}
	for {
		c.mu.Lock()
		got, ok := c.kept[addr]
		switch {
		case ok && got.ready != nil:
			c.mu.Unlock()
			select {
			case <-got.ready:
				continue
			case <-ctx.Done():
				return Unknown
			}
		case ok && c.opts.Now().Before(got.until):
			c.mu.Unlock()
			return got.verdict
		}
		if !ok && !c.room() {
			c.mu.Unlock()
			return Unknown
		}
		ready := make(chan struct{})
		c.kept[addr] = answer{ready: ready}
		c.mu.Unlock()
		// Others wait for this answer, also when whoever asked first leaves.
		verdict := c.ask(context.WithoutCancel(ctx), addr)
		life := Kept
		if verdict == Unknown {
			life = KeptUnknown
		}
		c.mu.Lock()
		c.kept[addr] = answer{verdict: verdict, until: c.opts.Now().Add(life)}
		c.mu.Unlock()
		close(ready)
		return verdict
	}
}

// known reports whether an address is safe without asking.
func (c *Checker) known(addr netip.Addr) bool {
	if !fetch.Public(addr) {
		return true
	}
	for _, p := range c.opts.Safe {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// room makes room for one more address. The caller holds mu.
func (c *Checker) room() bool {
	if len(c.kept) < MaxKept {
		return true
	}
	now := c.opts.Now()
	for addr, a := range c.kept {
		if a.ready == nil && !now.Before(a.until) {
			delete(c.kept, addr)
		}
	}
	for addr, a := range c.kept { // still full: forget any
		if len(c.kept) < MaxKept {
			break
		}
		if a.ready == nil {
			delete(c.kept, addr)
		}
	}
	return len(c.kept) < MaxKept
}

func (c *Checker) ask(ctx context.Context, addr netip.Addr) Verdict {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	select {
	case c.calls <- struct{}{}:
		defer func() { <-c.calls }()
	case <-ctx.Done():
		return Unknown
	}
	p, err := c.probability(ctx, addr)
	switch {
	case err != nil:
		return Unknown
	case p >= Limit:
		return Unsafe
	}
	return Safe
}

var errAnswer = errors.New("the service refused to answer")

func (c *Checker) probability(ctx context.Context, addr netip.Addr) (float64, error) {
	at := strings.ReplaceAll(c.opts.URL, place, url.QueryEscape(addr.String()))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return 0, fmt.Errorf("ask about an address: %w", err)
	}
	res, err := c.opts.Client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("ask about an address: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil || res.StatusCode != http.StatusOK {
		return 0, errAnswer
	}
	return read(body), nil
}

// read finds the probability in an answer. What is none, such as a number for an error, counts as 0: nobody is barred
// because the service does not know an address.
func read(body []byte) float64 {
	text := string(bytes.TrimSpace(body))
	if strings.HasPrefix(text, "{") {
		var in struct {
			Result json.RawMessage `json:"result"`
		}
		if err := json.Unmarshal(body, &in); err != nil {
			return 0
		}
		text = strings.Trim(string(in.Result), `"`)
	}
	p, err := strconv.ParseFloat(text, 64)
	if err != nil || !(p >= 0 && p <= 1) {
		return 0
	}
	return p
}
