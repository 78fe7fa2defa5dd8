// Package idgen makes identifiers and keys from a source of random bytes that its caller hands in: crypto/rand in the
// product, a seeded stream when a run is replayed.
package idgen

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"sync"
	"time"
)

const (
	// KeyBytes is how much randomness an API key carries: 128 bits cannot be guessed.
	KeyBytes = 16
	// KeyLength is the length of an API key in characters: KeyBytes in URL-safe base64 without padding.
	KeyLength = 22
)

// UUID is an RFC 9562 identifier. It converts to and from any other [16]byte type.
type UUID [16]byte

// String returns the canonical form: 36 characters, lower case.
func (u UUID) String() string {
	var b [36]byte
	hex.Encode(b[0:8], u[0:4])
	hex.Encode(b[9:13], u[4:6])
	hex.Encode(b[14:18], u[6:8])
	hex.Encode(b[19:23], u[8:10])
	hex.Encode(b[24:36], u[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// Source makes identifiers. It is safe for concurrent use; under one goroutine the same bytes and times give the same
// identifiers.
type Source struct {
	now func() time.Time

	mu   sync.Mutex // guards the reader, which need not be safe itself, and last
	r    io.Reader
	last uint64 // timestamp and counter of the newest V7: 48 bits of milliseconds, 12 bits below
}

// New returns a source that reads random bytes from r and, for V7, the time from now. r must never fail or run dry, as
// crypto/rand.Reader and Replay never do: a source of identifiers without randomness is a programmer error and panics.
func New(r io.Reader, now func() time.Time) *Source {
	if r == nil || now == nil {
		panic("idgen: New needs a reader and a clock")
	}
	return &Source{now: now, r: r}
}

// Secure returns a source over crypto/rand.
func Secure(now func() time.Time) *Source { return New(rand.Reader, now) }

// Replay returns an endless stream of bytes that depends on seed alone, for replaying a run. Never make secrets from it.
func Replay(seed uint64) io.Reader {
	var s [32]byte
	binary.LittleEndian.PutUint64(s[:], seed)
	return mathrand.NewChaCha8(s)
}

// V4 returns a random identifier: it tells nothing about when it was made.
func (s *Source) V4() UUID {
	var u UUID
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fill(u[:])
	return stamp(u, 4)
}

// V7 returns an identifier that begins with the time in milliseconds. Those of one source strictly increase, also within
// a millisecond and when the clock steps backwards, so they index well.
func (s *Source) V7() UUID {
	var u UUID
	t := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fill(u[:])
	// RFC 9562 method 3: the 12 bits after the milliseconds hold the fraction of the millisecond.
	fraction := uint64(t.Nanosecond()%1e6) * 4096 / 1e6
	next := uint64(t.UnixMilli())<<12 | fraction
	if next <= s.last {
		next = s.last + 1
	}
	s.last = next
	binary.BigEndian.PutUint64(u[:8], next>>12<<16|next&0xfff)
	return stamp(u, 7)
}

// APIKey returns a fresh API key of KeyLength URL-safe characters.
func (s *Source) APIKey() string {
	var b [KeyBytes]byte
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fill(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (s *Source) fill(b []byte) {
	if _, err := io.ReadFull(s.r, b); err != nil {
		panic(fmt.Sprintf("idgen: the source of randomness broke: %v", err))
	}
}

func stamp(u UUID, version byte) UUID {
	u[6] = u[6]&0x0f | version<<4
	u[8] = u[8]&0x3f | 0x80
	return u
}
