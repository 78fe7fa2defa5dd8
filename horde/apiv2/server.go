// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/internal/blob"
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
	Blobs  *blob.Store
	Signer *blob.Signer
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
	// KnownModels are the names that status/models calls known; none means all are.
	KnownModels []string
}

// Server is the door: an http.Handler for everything under /api/. It is safe for concurrent use and starts
// nothing. Mount its sibling blob.Handler under /blob/ with the same signer.
type Server struct {
	deps Deps
	opts Options

	mux     *http.ServeMux
	schemas schemas
	limits  *limiter
	node    []string
	known   map[string]bool
	large   chan struct{} // holds one token per large body in memory
	decodes chan struct{} // holds one token per image being decoded or encoded
	users   ranking
	active  atomic.Int64 // calls under way
	faults  atomic.Uint64
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
	s.opts.PublicURL = strings.TrimRight(opts.PublicURL, "/")
	s.node = []string{opts.Node + ":" + opts.Version}
	for _, m := range opts.KnownModels {
		s.known[m] = true
	}
	if opts.RateLimits {
		s.limits = newLimiter(deps.Now)
	}
	s.mux = s.routes()
	return s, nil
}

// Headers that every reply carries. The slices are shared and never changed.
//
//nolint:gochecknoglobals // constants that are slices
var (
	anyOrigin      = []string{"*"}
	allowedMethods = []string{"POST, GET, OPTIONS, PUT, DELETE, PATCH"}
	allowedHeaders = []string{"Accept, Content-Type, Content-Length, Accept-Encoding, X-CSRF-Token, apikey, Client-Agent, " +
		"X-Fields, X-Forwarded-For, Proxied-For, Proxy-Authorization, Idempotency-Key"}
	exposedHeaders = []string{"X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After, Horde-Node"}
	contentJSON    = []string{"application/json; charset=utf-8"}
)

// ServeHTTP answers one call. A panic in a handler is logged and answered with 500; the process lives.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["Access-Control-Allow-Origin"] = anyOrigin
	h["Access-Control-Allow-Methods"] = allowedMethods
	h["Access-Control-Allow-Headers"] = allowedHeaders
	h["Access-Control-Expose-Headers"] = exposedHeaders
	h["Horde-Node"] = s.node
	s.active.Add(1)
	defer s.leave(w, r)
	s.mux.ServeHTTP(w, r)
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
	id := s.requestID()
	ev := s.deps.Log.Error().Err(err).Str("request_id", id).Str("method", r.Method).Str("path", r.URL.Path)
	if stack != "" {
		ev = ev.Str("stack", stack)
	}
	ev.Msg("a call broke")
	w.Header().Set("X-Request-Id", id)
	writeError(w, http.StatusInternalServerError, errorBody{Message: "Internal Server Error"})
}

// requestID names a call that went wrong.
func (s *Server) requestID() string {
	return strconv.FormatInt(s.deps.Now().UnixMilli(), 36) + "-" + strconv.FormatUint(s.faults.Add(1), 36)
}
