// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/blob"
	"stablemate/internal/fetch"
	"stablemate/ratings"
)

// AnonymousKey is the API key that everybody may use without an account.
const AnonymousKey = "0000000000"

// HashKey is what the horde knows of an API key: SHA-256 over the deployment's secret and the key. Another
// secret makes every key worthless.
func HashKey(secret []byte, key string) horde.KeyHash {
	var buf [96]byte // on the stack for secrets and keys of ordinary length
	return sha256.Sum256(append(append(buf[:0], secret...), key...))
}

// Deps are what the door works with. All are required.
type Deps struct {
	Engine *engine.Engine
	Blobs  blob.Images
	Signer blob.Links
	Secret []byte // of API keys
	IDs    horde.IDSource
	NewKey func() string // makes secrets like API keys, for proxy passkeys
	Now    func() time.Time
	Log    zerolog.Logger
}

// Options say how the door behaves; zero values work.
type Options struct {
	// RateLimits switches the limits per caller on. Without them anybody may call as often as the machine can.
	RateLimits bool
	// TrustedProxy believes the last entry of X-Forwarded-For, and X-Forwarded-Proto.
	TrustedProxy bool
	// PublicURL begins the links to images, without a slash at the end. Empty: the host each caller used.
	PublicURL string
	// Node names this process in the header Horde-Node; by convention host:port.
	Node string
	// Version of the software.
	Version string
	// Addresses judges where workers of accounts call from that are not trusted yet; nil: every address is safe. It must
	// answer within seconds, from what it remembers where it can, and be safe for concurrent use.
	Addresses func(ctx context.Context, addr netip.Addr) horde.Address
	// KnownModels are the names that status/models calls known; none means all are.
	KnownModels []string
	// Papers are the documents and the news; without them both are empty.
	Papers Papers
	// Fetch reads source images that are given as addresses. Nil: a client that reaches public addresses alone.
	Fetch *fetch.Client
	// Ratings keeps what people think of their images. Nil: nobody may rate.
	Ratings *ratings.Ratings
	// Webhooks calls those who asked to be told. Nil: nobody is told.
	Webhooks Webhooks
}

// Server is the door: an http.Handler for everything under /api/. It is safe for concurrent use and starts
// nothing. When links lead to the door itself, mount its sibling blob.Handler under /blob/ with the same signer.
type Server struct {
	deps Deps
	opts Options

	mux     *http.ServeMux
	schemas schemas
	limits  *limiter
	fetch   *fetch.Client
	node    []string
	known   map[string]bool
	large   chan struct{} // holds one token per large body in memory
	decodes chan struct{} // holds one token per image being decoded or encoded
	users   ranking
	active  atomic.Int64 // calls under way
	boot    string       // begins the names of calls
	calls   atomic.Uint64
}

// New builds the door.
func New(deps Deps, opts Options) (*Server, error) {
	switch {
	case deps.Engine == nil, deps.Blobs == nil, deps.Signer == nil, deps.IDs == nil, deps.NewKey == nil, deps.Now == nil:
		return nil, errors.New("the HTTP door needs an engine, an image store, a signer, identifiers and a clock")
	case len(deps.Secret) < 16:
		return nil, fmt.Errorf("the secret of API keys has %d bytes, 16 are the fewest", len(deps.Secret))
	}
	s := &Server{
		deps: deps, opts: opts, schemas: newSchemas(), known: make(map[string]bool),
		large: make(chan struct{}, MaxLargeBodies), decodes: make(chan struct{}, MaxDecodes),
	}
	if s.fetch = opts.Fetch; s.fetch == nil {
		s.fetch = fetch.New(fetch.Options{})
	}
	s.opts.PublicURL = strings.TrimRight(opts.PublicURL, "/")
	s.node = []string{opts.Node + ":" + opts.Version}
	for _, m := range opts.KnownModels {
		s.known[m] = true
	}
	if opts.RateLimits {
		s.limits = newLimiter(deps.Now)
	}
	s.boot = strconv.FormatInt(deps.Now().UnixMilli(), 36) + "-"
	own, err := pages()
	if err != nil {
		return nil, err
	}
	s.mux = s.routes(own)
	return s, nil
}

// Headers that every reply carries, or every one to a browser. The slices are shared and never changed.
//
//nolint:gochecknoglobals // constants that are slices
var (
	anyOrigin      = []string{"*"}
	allowedMethods = []string{"POST, GET, OPTIONS, PUT, DELETE, PATCH"}
	allowedHeaders = []string{"Accept, Content-Type, Content-Length, Accept-Encoding, X-CSRF-Token, apikey, Client-Agent, " +
		"X-Fields, X-Forwarded-For, Proxied-For, Proxy-Authorization, Idempotency-Key"}
	exposedHeaders = []string{"X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After, Horde-Node, X-Request-Id"}
	contentJSON    = []string{"application/json; charset=utf-8"}
)

// ServeHTTP answers one call. A panic in a handler is logged and answered with 500; the process lives.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["Access-Control-Allow-Origin"] = anyOrigin
	if len(r.Header["Origin"]) > 0 || r.Method == http.MethodOptions {
		// Browsers alone read these, and name where their page is from; each costs a caller more than it costs us.
		h["Access-Control-Allow-Methods"] = allowedMethods
		h["Access-Control-Allow-Headers"] = allowedHeaders
		h["Access-Control-Expose-Headers"] = exposedHeaders
	}
	h["Horde-Node"] = s.node
	h["X-Request-Id"] = []string{s.requestID(r)}
	s.active.Add(1)
	defer s.leave(w, r)
	if !clean(r.URL.EscapedPath()) {
		notFound(w) // the mux would send the caller elsewhere, with a page
		return
	}
	s.mux.ServeHTTP(w, r)
}

// Before returns a handler that answers what is under /api/ itself and leaves everything else to next. A ServeMux in
// front of the door would send callers of strange paths elsewhere, with a page, where clients expect JSON.
func (s *Server) Before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/api/"):
			s.ServeHTTP(w, r)
		case r.URL.Path == "/api":
			http.Redirect(w, r, "/api/", http.StatusPermanentRedirect)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// clean reports whether a path begins with a slash and holds no empty segment and none of dots.
func clean(p string) bool {
	return strings.HasPrefix(p, "/") && !strings.Contains(p, "//") && (!strings.Contains(p, "/.") ||
		!strings.Contains(p+"/", "/./") && !strings.Contains(p+"/", "/../"))
}

// leave ends a call, also one that panicked.
func (s *Server) leave(w http.ResponseWriter, r *http.Request) {
	s.active.Add(-1)
	p := recover()
	if p == nil {
		return
	}
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p) // the server's own way to cut a connection
	}
	s.fault(w, r, fmt.Errorf("panic: %v", p), string(debug.Stack()))
}

// fault logs what broke, with everything known, under an ID that the caller gets as well, and answers 500.
func (s *Server) fault(w http.ResponseWriter, r *http.Request, err error, stack string) {
	id := w.Header().Get("X-Request-Id")
	ev := s.deps.Log.Error().Err(err).Str("request_id", id).Str("method", r.Method).Str("path", r.URL.Path)
	if stack != "" {
		ev = ev.Str("stack", stack)
	}
	ev.Msg("a call broke")
	writeError(w, http.StatusInternalServerError, errorBody{Message: "Internal Server Error"})
}
