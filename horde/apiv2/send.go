// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// Which replies are compressed for callers who take gzip: small ones gain nothing, and long ones are images as
// base64, which hardly shrink.
const (
	// MinGzip is the fewest bytes of a reply that is compressed.
	MinGzip = 2 << 10
	// MaxGzip is the most.
	MaxGzip = 4 << 20
)

//nolint:gochecknoglobals // constants that are slices, and writers that go round
var (
	varyEncoding = []string{"Accept-Encoding"}
	gzipped      = []string{"gzip"}
	gzipWriters  = sync.Pool{New: func() any {
		w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is a known one
		return w
	}}
)

// send writes a whole reply, compressed when that is worth it.
func (c *call) send(status int, kind []string, body []byte) {
	h := c.w.Header()
	h["Content-Type"] = kind
	if len(body) >= MinGzip && len(body) <= MaxGzip {
		h["Vary"] = varyEncoding
		if acceptsGzip(c.r.Header["Accept-Encoding"]) {
			buf := buffers.Get().(*bytes.Buffer) // the pool holds nothing else
			defer putBuffer(buf)
			if shrink(buf, body) {
				h["Content-Encoding"] = gzipped
				body = buf.Bytes()
			}
		}
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body) // an error means the caller left
}

// shrink compresses and reports whether that worked.
func shrink(buf *bytes.Buffer, body []byte) bool {
	w := gzipWriters.Get().(*gzip.Writer) // the pool holds nothing else
	defer gzipWriters.Put(w)
	w.Reset(buf)
	_, err := w.Write(body)
	return err == nil && w.Close() == nil
}

// acceptsGzip reads Accept-Encoding: gzip among its items, not switched off by a weight of zero.
func acceptsGzip(values []string) bool {
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			name, weight, _ := strings.Cut(item, ";")
			if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
				continue
			}
			_, q, weighted := strings.Cut(weight, "=")
			if !weighted {
				return true
			}
			n, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
			return err == nil && n > 0
		}
	}
	return false
}

// maxRequestID bounds an X-Request-Id that a trusted proxy names, in bytes.
const maxRequestID = 64

// requestID names a call: as the trusted proxy in front of this server does, or with a number of our own. It stands
// in the header X-Request-Id and in the log.
func (s *Server) requestID(r *http.Request) string {
	if s.opts.TrustedProxy {
		if id := r.Header.Get("X-Request-Id"); plainID(id) {
			return id
		}
	}
	return s.boot + strconv.FormatUint(s.calls.Add(1), 36)
}

// plainID reports whether a text may name a call.
func plainID(id string) bool {
	strange := func(c rune) bool {
		return c != '-' && c != '_' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
	}
	return id != "" && len(id) <= maxRequestID && strings.IndexFunc(id, strange) < 0
}
