// SPDX-License-Identifier: AGPL-3.0-or-later

package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"stablemate/horde/apiv2/wire"
)

// Bounds of the calls.
const (
	// MaxQueue is how many deliveries may wait, those between two attempts included; more are dropped.
	MaxQueue = 256
	// MaxQueueBytes is how long the bodies of all that wait may be together.
	MaxQueueBytes = 64 << 20
	// MaxPerHost is how many of those may wait for one host, so that a dead one leaves room for the others.
	MaxPerHost = 64
	// MaxCalls is how many calls may be under way at once, and MaxHostCalls how many of them to one host.
	MaxCalls     = 16
	MaxHostCalls = 4
	// Attempts is how often a delivery is tried.
	Attempts = 3
	// Timeout is how long one attempt may take, from the connection to the head of the answer.
	Timeout = 3 * time.Second
	// Grace is how long a stop lets what waits have its last attempt.
	Grace = 5 * time.Second
	// MinSecret is the fewest bytes of a secret.
	MinSecret = 16
	// MaxURL is the most bytes of an address.
	MaxURL = 1024

	maxHeader = 16 << 10 // of an answer
	agent     = "Stablemate-Webhook/1"
)

// Deps are what a sender works with. Dial, Secret and Now are required.
type Deps struct {
	// Dial opens connections. It has to refuse addresses that are not public: strangers name whom to call.
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	Secret []byte
	Now    func() time.Time
	Log    zerolog.Logger
}

// Options change a sender; zero values mean the constants of this package.
type Options struct {
	// Pauses follow the first attempt, the second, and so on; there is one attempt more than pauses. Nil: 1 s and 5 s.
	Pauses  []time.Duration
	Timeout time.Duration
	Grace   time.Duration
	Queue   int
	// TLS is the configuration of connections, nil for the usual one.
	TLS *tls.Config
}

// Stats count deliveries since the start.
type Stats struct {
	Delivered uint64
	Failed    uint64 // in every attempt
	Dropped   uint64 // never tried: no room, no https, or the program ended
}

// Sender calls webhooks. It is safe for concurrent use.
type Sender struct {
	deps   Deps
	opts   Options
	client *http.Client
	wake   chan struct{} // holds one hint that the queue changed

	mu      sync.Mutex // guards what follows
	queue   []*item    // in order of arrival
	bytes   int
	waiting map[string]int // of the queue, by host
	calling map[string]int // under way, by host
	calls   int
	full    bool // the last delivery found no room
	stats   Stats
}

// item is a delivery on its way.
type item struct {
	url, host, id string
	body          []byte
	tries         int
	due           time.Time
}

// New builds a sender. Nothing is sent before Run.
func New(deps Deps, opts Options) (*Sender, error) {
	switch {
	case deps.Dial == nil || deps.Now == nil:
		return nil, errors.New("webhooks need a dialer and a clock")
	case len(deps.Secret) < MinSecret:
		return nil, fmt.Errorf("the secret of webhooks has %d bytes, %d are the fewest", len(deps.Secret), MinSecret)
	}
	if opts.Pauses == nil {
		opts.Pauses = []time.Duration{time.Second, 5 * time.Second} // Attempts less one
	}
	if opts.Timeout <= 0 {
		opts.Timeout = Timeout
	}
	if opts.Grace <= 0 {
		opts.Grace = Grace
	}
	if opts.Queue <= 0 {
		opts.Queue = MaxQueue
	}
	return &Sender{
		deps: deps, opts: opts, wake: make(chan struct{}, 1),
		waiting: make(map[string]int), calling: make(map[string]int),
		client: &http.Client{
			Transport: &http.Transport{
				DialContext: deps.Dial, TLSClientConfig: opts.TLS, TLSHandshakeTimeout: opts.Timeout, DisableKeepAlives: true,
				DisableCompression: true, MaxResponseHeaderBytes: maxHeader, ForceAttemptHTTP2: true,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Enqueue takes a delivery to be sent soon and reports whether there was room. It never waits. What is dropped is
// counted; the first of a row is logged.
func (s *Sender) Enqueue(d wire.Delivery) bool {
	at, err := url.Parse(d.URL)
	if err != nil || len(d.URL) > MaxURL || at.Scheme != "https" || at.Hostname() == "" || at.User != nil {
		s.drop("the address is no plain https one", "")
		return false
	}
	body, err := json.Marshal(d.Body)
	if err != nil {
		s.deps.Log.Error().Err(err).Str("id", d.ID).Msg("a webhook's body is no JSON")
		s.drop("", "")
		return false
	}
	it := &item{url: d.URL, host: at.Host, id: d.ID, body: body, due: s.deps.Now()}
	s.mu.Lock()
	room := len(s.queue) < s.opts.Queue && s.bytes+len(body) <= MaxQueueBytes && s.waiting[it.host] < MaxPerHost
	if room {
		s.push(it)
		s.full = false
	}
	s.mu.Unlock()
	if !room {
		s.drop("there is no room in the queue", it.host)
		return false
	}
	s.hint()
	return true
}

// Stats tells what became of the deliveries so far.
func (s *Sender) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

func (s *Sender) drop(why, host string) {
	s.mu.Lock()
	s.stats.Dropped++
	first := !s.full
	s.full = true
	dropped := s.stats.Dropped
	s.mu.Unlock()
	if first && why != "" {
		s.deps.Log.Warn().Str("host", host).Uint64("dropped_so_far", dropped).Msg("webhooks are dropped: " + why)
	}
}

func (s *Sender) hint() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// push and take keep the sums right. The caller holds mu.
func (s *Sender) push(it *item) {
	s.queue = append(s.queue, it)
	s.bytes += len(it.body)
	s.waiting[it.host]++
}

func (s *Sender) take(at int) *item {
	it := s.queue[at]
	s.queue = slices.Delete(s.queue, at, at+1)
	s.bytes -= len(it.body)
	if s.waiting[it.host]--; s.waiting[it.host] == 0 {
		delete(s.waiting, it.host)
	}
	return it
}

// next takes the first delivery that is due and may be called now, or tells how long until one is due. The last result
// is false when nothing waits or is under way.
func (s *Sender) next(hurry bool) (it *item, wait time.Duration, busy bool) {
	now := s.deps.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	wait = time.Hour // a hint comes before that
	if s.calls < MaxCalls {
		for i, x := range s.queue {
			if s.calling[x.host] >= MaxHostCalls {
				continue
			}
			if left := x.due.Sub(now); left > 0 && !hurry {
				wait = min(wait, left)
				continue
			}
			s.calls++
			s.calling[x.host]++
			return s.take(i), 0, true
		}
	}
	return nil, wait, len(s.queue) > 0 || s.calls > 0
}

// Run sends until ctx ends. Then what waits has its last attempt at once, within Options.Grace.
func (s *Sender) Run(ctx context.Context) error {
	work, abort := context.WithCancel(context.WithoutCancel(ctx)) // outlives ctx by Grace
	var calls sync.WaitGroup
	defer s.abandon()
	defer calls.Wait()
	defer abort()
	ending := ctx.Done()
	var late <-chan time.Time
	for {
		it, wait, busy := s.next(late != nil)
		if it != nil {
			last := late != nil
			calls.Go(func() { s.attempt(work, it, last) })
			continue
		}
		if late != nil && !busy {
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-s.wake:
		case <-timer.C:
		case <-ending:
			grace := time.NewTimer(s.opts.Grace)
			defer grace.Stop()
			ending, late = nil, grace.C
		case <-late:
			timer.Stop()
			return nil
		}
		timer.Stop()
	}
}

// abandon counts what is left at the end.
func (s *Sender) abandon() {
	s.mu.Lock()
	left := len(s.queue)
	s.stats.Dropped += uint64(left)
	s.queue, s.bytes = nil, 0
	clear(s.waiting)
	s.mu.Unlock()
	if left > 0 {
		s.deps.Log.Warn().Int("left", left).Msg("webhooks are dropped: the program ends")
	}
}

// attempt makes one call, and puts the delivery back when there will be another.
func (s *Sender) attempt(ctx context.Context, it *item, last bool) {
	err := s.call(ctx, it)
	it.tries++
	again := err != nil && !last && it.tries <= len(s.opts.Pauses)
	s.mu.Lock()
	s.calls--
	if s.calling[it.host]--; s.calling[it.host] == 0 {
		delete(s.calling, it.host)
	}
	switch {
	case err == nil:
		s.stats.Delivered++
	case again:
		it.due = s.deps.Now().Add(s.opts.Pauses[it.tries-1])
		s.push(it) // it had its place in the queue before; at most MaxCalls come back at once
	default:
		s.stats.Failed++
	}
	s.mu.Unlock()
	s.hint()
	if err != nil && !again {
		// The address may hold a secret of its receiver; only the host is told.
		s.deps.Log.Info().Str("host", it.host).Str("id", it.id).Int("attempts", it.tries).AnErr("why", cause(err)).Msg("a webhook cannot be delivered")
	}
}

// cause leaves out the address that errors of the HTTP client begin with.
func cause(err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		return outer.Err
	}
	return err
}

func (s *Sender) call(ctx context.Context, it *item) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, it.url, bytes.NewReader(it.body))
	if err != nil {
		return fmt.Errorf("make the call: %w", err)
	}
	at := s.deps.Now()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", agent)
	req.Header.Set(HeaderID, it.id)
	req.Header.Set(HeaderTimestamp, strconv.FormatInt(at.Unix(), 10))
	req.Header.Set(HeaderSignature, Sign(s.deps.Secret, it.id, at, it.body))
	res, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("call: %w", err)
	}
	_ = res.Body.Close() // what it says is of no interest
	if res.StatusCode < 200 || res.StatusCode > 399 {
		return fmt.Errorf("the answer is %d", res.StatusCode)
	}
	return nil
}
