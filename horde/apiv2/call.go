// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/origin"
)

// Bounds of bodies.
const (
	// MaxBody is the most bytes of a body that holds no image.
	MaxBody = 1 << 20
	// MaxImageBody is the most bytes of a body that may hold images as base64.
	MaxImageBody = 24 << 20
	// MaxLargeBodies is how many bodies or replies above MaxBody may be in memory at once.
	MaxLargeBodies = 8
	// MaxDecodes is how many images may be decoded or encoded at once.
	MaxDecodes = 2

	// maxValues is how many values one body may hold: decoded, each takes far more memory than the few bytes it
	// was sent with.
	maxValues = 50_000

	largeWait  = 10 * time.Second // for a place among the large bodies
	largeRead  = 60 * time.Second // to send one
	maxAgent   = 1000             // bytes of Client-Agent that are kept
	agentUnset = "unknown:0:unknown"
)

// call is one HTTP call.
type call struct {
	w    http.ResponseWriter
	r    *http.Request
	mask *mask // of the reply, or nil
}

func (c *call) readMask() error {
	text := c.r.Header.Get("X-Fields")
	if text == "" {
		return nil
	}
	m, err := parseMask(text)
	if err != nil {
		return &httpError{status: http.StatusBadRequest, body: errorBody{Message: "The field mask in X-Fields is malformed: " + err.Error()}}
	}
	c.mask = m
	return nil
}

// CallerAddr is the address a call came from: its peer, or behind a trusted proxy the last hop that proxy
// names. It is not valid when the connection has none.
func CallerAddr(r *http.Request, trustedProxy bool) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	addr := peer.Addr()
	if err != nil {
		addr, _ = netip.ParseAddr(r.RemoteAddr)
	}
	if !trustedProxy {
		return addr
	}
	hops := r.Header.Values("X-Forwarded-For")
	if len(hops) == 0 {
		return addr
	}
	last := hops[len(hops)-1]
	last = strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
	if hop, err := netip.ParseAddr(strings.Trim(last, "[]")); err == nil {
		return hop
	}
	if hop, err := netip.ParseAddrPort(last); err == nil {
		return hop.Addr()
	}
	return addr
}

// Origin is where a call came from, for limits and blocks.
func (s *Server) Origin(r *http.Request) origin.Origin {
	return origin.FromAddr(CallerAddr(r, s.opts.TrustedProxy))
}

// key is the API key of a call and whether the header is there at all.
func (c *call) key() (string, bool) {
	values := c.r.Header["Apikey"]
	if len(values) == 0 {
		return "", false
	}
	return values[0], true
}

// caller is the account of the call's key. A missing key is a violation of the schema, a wrong one a refusal.
func (s *Server) caller(c *call) (horde.User, error) {
	key, sent := c.key()
	if !sent {
		return horde.User{}, missing("apikey", "the header apikey is required")
	}
	u, ok := s.deps.Engine.UserByKey(HashKey(s.deps.Secret, key))
	if !ok {
		return horde.User{}, wrongKey()
	}
	return u, nil
}

// optionalCaller is the account of the call's key when there is one. A wrong key counts as none, unless strict.
func (s *Server) optionalCaller(c *call, strict bool) (u horde.User, known bool, err error) {
	key, sent := c.key()
	if !sent {
		return horde.User{}, false, nil
	}
	u, known = s.deps.Engine.UserByKey(HashKey(s.deps.Secret, key))
	if !known && strict {
		return horde.User{}, false, wrongKey()
	}
	return u, known, nil
}

func wrongKey() error {
	return horde.Refuse(horde.CodeInvalidAPIKey, "No user matching sent API Key. Have you remembered to register at this horde?")
}

func (c *call) clientAgent() string {
	agent := c.r.Header.Get("Client-Agent")
	if agent == "" {
		return agentUnset
	}
	if len(agent) > maxAgent {
		agent = agent[:maxAgent]
	}
	if !utf8.ValidString(agent) {
		agent = strings.ToValidUTF8(agent, "")
	}
	return agent
}

//nolint:gochecknoglobals // buffers that go round
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxPooled is the largest buffer that is kept for reuse.
const maxPooled = 64 << 10

func putBuffer(b *bytes.Buffer) {
	if b.Cap() <= maxPooled {
		b.Reset()
		buffers.Put(b)
	}
}

// errBody is a body that cannot be read as JSON.
func errBody(status int, message string) error {
	return &httpError{status: status, body: errorBody{Message: message}}
}

// readBody reads at most limit bytes and hands them to use. Large bodies wait for a place in memory.
func (s *Server) readBody(c *call, limit int64, use func([]byte) error) error {
	r := c.r
	if r.ContentLength > limit {
		return errBody(http.StatusRequestEntityTooLarge, tooLong(limit))
	}
	if limit > MaxBody && (r.ContentLength > MaxBody || r.ContentLength < 0) {
		leave, err := s.enterLarge(r.Context())
		if err != nil {
			return err
		}
		defer leave()
		// A sender who dawdles would keep the place from others.
		conn := http.NewResponseController(c.w)
		late := time.AfterFunc(largeRead, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
		defer late.Stop()
	}
	buf := buffers.Get().(*bytes.Buffer) // the pool holds nothing else
	defer putBuffer(buf)
	if r.ContentLength > 0 {
		buf.Grow(int(r.ContentLength) + bytes.MinRead) // within the limit, so that it never grows by copying
	}
	if _, err := buf.ReadFrom(http.MaxBytesReader(c.w, r.Body, limit)); err != nil {
		if _, much := errors.AsType[*http.MaxBytesError](err); much {
			return errBody(http.StatusRequestEntityTooLarge, tooLong(limit))
		}
		return errBody(http.StatusBadRequest, "The body ended too early.")
	}
	return use(buf.Bytes())
}

func tooLong(limit int64) string {
	return "The body is longer than the " + itoa(int(limit>>20)) + " MiB that are allowed here."
}

// enterLarge waits for a place among the large bodies.
func (s *Server) enterLarge(ctx context.Context) (leave func(), err error) {
	select {
	case s.large <- struct{}{}:
	default:
		timeout := time.NewTimer(largeWait)
		defer timeout.Stop()
		select {
		case s.large <- struct{}{}:
		case <-timeout.C:
			return nil, errBusy
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return func() { <-s.large }, nil
}

// body reads a JSON object and holds it against a schema (regime S of the contract).
func (s *Server) body(c *call, limit int64, sch *schema) (object, error) {
	media, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if errors.Is(err, mime.ErrInvalidMediaParameter) {
		err = nil // what it says beside the type does not matter
	}
	if err != nil || media != "application/json" && !strings.HasSuffix(media, "+json") {
		return nil, errBody(http.StatusBadRequest, "The body must be JSON, with Content-Type: application/json.")
	}
	var out object
	err = s.readBody(c, limit, func(data []byte) error {
		v, err := decode(data)
		if err != nil {
			return errBody(http.StatusBadRequest, "The body is not JSON that can be read.")
		}
		out, err = sch.check(v)
		return err
	})
	return out, err
}

// lenientBody reads a JSON object, or nothing (regime P): what is no object counts as an empty one.
func (s *Server) lenientBody(c *call) (object, error) {
	out := object{}
	err := s.readBody(c, MaxBody, func(data []byte) error {
		if v, err := decode(data); err == nil {
			if o, ok := v.(map[string]any); ok {
				out = o
			}
		}
		return nil
	})
	return out, err
}

// decode reads one JSON value and nothing after it. Numbers stay as they were written.
func decode(data []byte) (any, error) {
	if tooMany(data) {
		return nil, errors.New("it holds too many values")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON value")
	}
	return v, nil
}

// tooMany reports whether a JSON text holds more than maxValues values. It only counts what separates them.
func tooMany(data []byte) bool {
	n := 0
	for at := 0; at < len(data); at++ {
		switch data[at] {
		case '"':
			at++
			for {
				next := bytes.IndexAny(data[min(at, len(data)):], `"\\`)
				if next < 0 {
					return false // the string does not end; whoever decodes finds out
				}
				at += next
				if data[at] == '"' {
					break
				}
				at += 2
			}
		case ',', '[', '{':
			if n++; n > maxValues {
				return true
			}
		}
	}
	return false
}

// reply writes a success as JSON, through the mask if there is one.
func (c *call) reply(status int, v any) error {
	buf := buffers.Get().(*bytes.Buffer) // the pool holds nothing else
	defer putBuffer(buf)
	if err := encode(buf, v); err != nil {
		return err
	}
	if c.mask != nil {
		whole, err := decode(buf.Bytes())
		if err != nil {
			return err
		}
		buf.Reset()
		if err := encode(buf, c.mask.apply(whole)); err != nil {
			return err
		}
	}
	c.send(status, contentJSON, ascii(buf.Bytes()))
	return nil
}

func encode(buf *bytes.Buffer, v any) error {
	enc := json.NewEncoder(buf) // ends with a newline, as the contract wants
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// ascii escapes everything beyond ASCII as \u escapes, in surrogate pairs where needed. JSON holds such
// characters only inside strings.
func ascii(b []byte) []byte {
	at := 0
	for at < len(b) && b[at] < utf8.RuneSelf {
		at++
	}
	if at == len(b) {
		return b
	}
	const digits = "0123456789abcdef"
	out := make([]byte, at, len(b)+len(b)/2)
	copy(out, b)
	unit := func(u rune) {
		out = append(out, '\\', 'u', digits[u>>12&15], digits[u>>8&15], digits[u>>4&15], digits[u&15])
	}
	for at < len(b) {
		if b[at] < utf8.RuneSelf {
			out = append(out, b[at])
			at++
			continue
		}
		r, size := utf8.DecodeRune(b[at:])
		at += size
		if r > 0xffff {
			r -= 0x10000
			unit(0xd800 + r>>10)
			unit(0xdc00 + r&0x3ff)
			continue
		}
		unit(r)
	}
	return out
}

// do runs an operation on the engine.
func do[R any](s *Server, c *call, op horde.Op[R]) (R, error) {
	return engine.Do(c.r.Context(), s.deps.Engine, op)
}
