// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"encoding/hex"
	"errors"
)

// UUID is 16 raw bytes, printed in lower case with dashes.
type UUID [16]byte

// Identifiers that cannot be mixed up.
type (
	// RequestID names a request; who knows it may read the request.
	RequestID struct{ UUID }
	// GenerationID names a generation.
	GenerationID struct{ UUID }
	// WorkerID names a worker.
	WorkerID struct{ UUID }
	// TeamID names a team of workers.
	TeamID struct{ UUID }
	// MessageID names a message to workers.
	MessageID struct{ UUID }
)

// UserID numbers accounts from 0, which is the anonymous one.
type UserID int64

// Anonymous is the account behind the key of ten zeros.
const Anonymous UserID = 0

// MaxUserID is the largest number a client may name.
const MaxUserID UserID = 1<<31 - 1

var errUUID = errors.New("not a UUID")

// ParseUUID reads the 36-character form, in either case.
func ParseUUID(s string) (UUID, error) {
	var u UUID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, errUUID
	}
	at := 0
	for _, part := range []string{s[:8], s[9:13], s[14:18], s[19:23], s[24:]} {
		n, err := hex.Decode(u[at:], []byte(part))
		if err != nil {
			return UUID{}, errUUID
		}
		at += n
	}
	return u, nil
}

// String is the 36-character form.
func (u UUID) String() string {
	var b [36]byte
	hex.Encode(b[:8], u[:4])
	hex.Encode(b[9:13], u[4:6])
	hex.Encode(b[14:18], u[6:8])
	hex.Encode(b[19:23], u[8:10])
	hex.Encode(b[24:], u[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// MarshalText is the 36-character form, for JSON.
func (u UUID) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (u *UUID) UnmarshalText(text []byte) error {
	id, err := ParseUUID(string(text))
	if err == nil {
		*u = id
	}
	return err
}

// IsZero reports whether the UUID was never set.
func (u UUID) IsZero() bool { return u == UUID{} }

// IDSource hands out identifiers and random numbers. The engine's is random; a test's is repeatable.
type IDSource interface {
	UUID() UUID
	Uint32() uint32
}
