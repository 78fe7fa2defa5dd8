package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Options tune a Server. The zero value works.
type Options struct {
	Addr    string           // where to listen, default "127.0.0.1:0"; anything but loopback is refused
	Now     func() time.Time // decides ids and the age of tokens; default time.Now
	Log     zerolog.Logger
	DataDir string // folder that keeps the conversation over restarts; "" keeps nothing
	Token   string // bot token; default is the one in DataDir, or a new random one

	AnswerWindow time.Duration // within which a bot must answer; default 3 s as Discord's
	Heartbeat    time.Duration // interval that bots are told; default 41.25 s as Discord's
	Interactions int           // how many are remembered; default 1000
	Members      bool          // the bot may have the privileged intent for members; otherwise asking for it is refused
	Shards       int           // gateway connections that bots are advised to have; default 1
	Concurrency  int           // how many of them may identify at once; default 1
	Identifies   int           // sessions that bots may begin; default 1000
	Window       time.Duration // in which Concurrency counts; default none. Who is too quick is told so by opcode 9
	Compress     bool          // compress gateway packets for bots that ask for it

	// Validate is asked about every REST exchange; what it returns is added to the findings. Tests check Discord's own
	// API description here.
	Validate func(Exchange) []string
}

// Exchange is one REST request and its answer.
type Exchange struct {
	Method, Path string // path below the API root, such as /users/@me
	Route        string // its pattern
	Body         []byte // JSON; of a multipart request its payload_json
	Status       int
	Answer       []byte
}

// Finding is something in the bot's traffic that Discord would not have accepted, or that the sandbox does not offer.
type Finding struct {
	Where string // the request
	Text  string
}

// Server is a Discord on loopback. Its methods are safe for concurrent use.
type Server struct {
	opts     Options
	log      zerolog.Logger
	listener net.Listener
	origin   string // http://host:port
	store    *store // nil without DataDir
	started  time.Time

	mu          sync.Mutex // guards everything below
	w           *world
	changed     chan struct{} // closed and replaced whenever something changes
	sessions    map[string]*session
	pages       map[*page]bool
	waiting     map[string]chan struct{}  // by interaction id; closed when it is answered
	suggestions map[string]map[string]any // by person, command and option: what a suggestion's name stands for
	buckets     map[string]*bucket
	faults      []*Fault
	findings    []Finding
	identified  int               // sessions begun
	turns       map[int]time.Time // by shard % Concurrency: the last identify
	validating  int               // exchanges that Options.Validate is looking at
	journal     []Entry
	entries     int              // written to the journal so far
	requests    int              // REST requests that came so far
	held        []dispatch       // events kept back by the fault Swap
	uploads     map[string]*file // given with commands; not part of a message
	stopped     bool
}

// New makes a server and opens its port; nothing is answered until Run.
func New(opts Options) (*Server, error) {
	if opts.Addr == "" {
		opts.Addr = "127.0.0.1:0"
	}
	if opts.Now == nil {
		opts.Now = time.Now //nolint:forbidigo // the default for callers that hand in no clock
	}
	if opts.AnswerWindow <= 0 {
		opts.AnswerWindow = 3 * time.Second
	}
	if opts.Interactions <= 0 {
		opts.Interactions = maxInteractions
	}
	opts.Shards, opts.Concurrency = max(opts.Shards, 1), max(opts.Concurrency, 1)
	if opts.Identifies <= 0 {
		opts.Identifies = 1000
	}
	if opts.Heartbeat <= 0 {
		opts.Heartbeat = 41250 * time.Millisecond
	}
	host, _, err := net.SplitHostPort(opts.Addr)
	if err != nil {
		return nil, fmt.Errorf("sandbox: address %q: %w", opts.Addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("sandbox: address %q is not loopback", opts.Addr)
	}
	s := &Server{
		opts: opts, log: opts.Log, w: newWorld(), changed: make(chan struct{}), sessions: map[string]*session{},
		pages: map[*page]bool{}, waiting: map[string]chan struct{}{}, suggestions: map[string]map[string]any{},
		buckets: map[string]*bucket{}, turns: map[int]time.Time{}, uploads: map[string]*file{}, started: opts.Now(),
	}
	if opts.DataDir != "" {
		if s.store, s.w, err = openStore(filepath.Clean(opts.DataDir)); err != nil {
			return nil, fmt.Errorf("sandbox: %w", err)
		}
	}
	switch {
	case opts.Token != "":
		s.w.Token = opts.Token
	case s.w.Token == "":
		s.w.Token = "sandbox-" + randomHex(24)
	}
	if s.listener, err = net.Listen("tcp", opts.Addr); err != nil { //nolint:noctx // nothing to cancel: it does not wait
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	s.origin = "http://" + s.listener.Addr().String()
	if s.store != nil {
		if err := s.store.save(s.w); err != nil {
			_ = s.listener.Close()
			return nil, fmt.Errorf("sandbox: %w", err)
		}
	}
	return s, nil
}

// URL is the address of the web page.
func (s *Server) URL() string { return s.origin + "/" }

// APIURL is what a bot takes as the address of Discord, without a trailing slash.
func (s *Server) APIURL() string { return s.origin }

// Token is the bot's token, without "Bot ".
func (s *Server) Token() string { return s.w.Token }

// Close gives up a server that is not run. After Run it does nothing.
func (s *Server) Close() error {
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("sandbox: %w", err)
	}
	return nil
}

// Run serves until ctx ends, then cuts all connections and saves the world. It can be called once.
func (s *Server) Run(ctx context.Context) error {
	hs := &http.Server{
		Handler: s.routes(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	saving, stopSaving := context.WithCancel(context.WithoutCancel(ctx))
	if s.store != nil {
		wg.Go(func() { s.keepSaved(saving) })
	}
	failed := make(chan error, 1) // one server, one result
	wg.Go(func() { failed <- hs.Serve(s.listener) })
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.stop()
	if e := hs.Close(); err == nil && e != nil && !errors.Is(e, net.ErrClosed) {
		err = e
	}
	stopSaving()
	if err != nil && !errors.Is(err, http.ErrServerClosed) && ctx.Err() == nil {
		return fmt.Errorf("sandbox: serve: %w", err)
	}
	return nil
}

// stop ends the connections that http.Server does not know.
func (s *Server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for _, sess := range s.sessions {
		sess.drop()
	}
	for p := range s.pages {
		p.close()
	}
	clear(s.pages)
	s.touch()
}

// keepSaved writes the world after it has changed.
func (s *Server) keepSaved(ctx context.Context) {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
			// One write for a burst of changes; a crash loses no more than this.
			select {
			case <-time.After(saveDelay):
			case <-ctx.Done():
			}
			s.saveNow()
		case <-ctx.Done():
			s.saveNow()
			return
		}
	}
}

func (s *Server) saveNow() {
	s.mu.Lock()
	snapshot, err := s.store.encode(s.w)
	s.mu.Unlock()
	if err == nil {
		err = s.store.write(snapshot)
	}
	if err != nil {
		s.log.Error().Err(err).Msg("cannot save the sandbox")
	}
}

// touch wakes whoever waits for a change. s.mu is held.
func (s *Server) touch() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// await blocks until ok says yes. ok is called with s.mu held.
func (s *Server) await(ctx context.Context, ok func() bool) error {
	for {
		s.mu.Lock()
		if ok() {
			s.mu.Unlock()
			return nil
		}
		changed, stopped := s.changed, s.stopped
		s.mu.Unlock()
		if stopped {
			return errors.New("sandbox has stopped")
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// note notes something that Discord would not accept. s.mu is held.
func (s *Server) note(where, text string) {
	if len(s.findings) < maxFindings {
		s.findings = append(s.findings, Finding{Where: where, Text: text})
	}
}

// Findings returns what was wrong with the bot's traffic so far. It waits for checks that are under way.
func (s *Server) Findings() []Finding {
	_ = s.await(context.Background(), func() bool { return s.validating == 0 }) // ends with the server at the latest
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Finding(nil), s.findings...)
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func pathSegment(s string) string { return url.PathEscape(s) }

const dirMode, fileMode = os.FileMode(0o700), os.FileMode(0o600)
