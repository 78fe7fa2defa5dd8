// SPDX-License-Identifier: AGPL-3.0-or-later

// Package origin knows where a request came from: an HTTP client's address, or the stand-in address of
// a Discord guild and person. Limits, time-outs and blocks count by origin, so that a strike falls on
// the person, a storm on the guild, and never on the bot in between.
package origin

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Prefix lengths of the stand-in range fd00::/8: a guild is a /80, a person in it a /128.
const (
	guildBits = 80
	ipv6Bits  = 64 // an HTTP client over IPv6 counts by its /64
)

// Origin is comparable and usable as a map key. The zero Origin means "inside this process".
type Origin struct{ addr netip.Addr }

// FromAddr makes the origin of an HTTP client: IPv4 (also when mapped into IPv6) as it is, IPv6 by /64.
// A client on a private network cannot pass for a person: its lower half is always zero.
func FromAddr(a netip.Addr) Origin {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		p, err := a.Prefix(ipv6Bits)
		if err == nil {
			a = p.Addr()
		}
	}
	return Origin{a}
}

// FromDiscord makes the stand-in of a person in a guild. A guild of 0 means a direct message. Layout:
// byte 0 is fd, byte 1 is 0, bytes 2–9 are the guild, bytes 10–15 are the first 48 bits of SHA-256 over
// guild and person, so that the person's number does not travel.
func FromDiscord(guild, person uint64) Origin {
	var b [16]byte
	b[0] = 0xfd
	binary.BigEndian.PutUint64(b[2:10], guild)
	var in [16]byte
	binary.BigEndian.PutUint64(in[:8], guild)
	binary.BigEndian.PutUint64(in[8:], person)
	sum := sha256.Sum256(in[:])
	copy(b[10:], sum[:6])
	return Origin{netip.AddrFrom16(b)}
}

// Parse reads what String wrote; the empty string is the zero Origin.
func Parse(s string) (Origin, error) {
	if s == "" {
		return Origin{}, nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return Origin{}, fmt.Errorf("origin %q: %w", s, err)
	}
	return Origin{a.Unmap().WithZone("")}, nil
}

// String is the address, or "" for the zero Origin.
func (o Origin) String() string {
	if !o.addr.IsValid() {
		return ""
	}
	return o.addr.String()
}

// Addr is the address to compare with blocks; it is not valid for the zero Origin.
func (o Origin) Addr() netip.Addr { return o.addr }

// IsDiscord reports whether the origin is a stand-in.
func (o Origin) IsDiscord() bool { return isStandIn(o.addr) }

// Group is the wider circle of the origin: the guild of a stand-in, the /24 of an IPv4 address, the /48
// of an IPv6 one.
func (o Origin) Group() netip.Prefix {
	bits := 48
	switch {
	case !o.addr.IsValid():
		return netip.Prefix{}
	case isStandIn(o.addr):
		bits = guildBits
	case o.addr.Is4():
		bits = 24
	}
	p, err := o.addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

func isStandIn(a netip.Addr) bool {
	return a.Is6() && a.As16()[0] == 0xfd
}
