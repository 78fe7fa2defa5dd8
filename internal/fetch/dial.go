// SPDX-License-Identifier: AGPL-3.0-or-later

package fetch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// DialTimeout is how long opening a connection may take, names looked up included.
const DialTimeout = 2 * time.Second

// ErrPrivate says that a name led to an address that is not on the public internet.
var ErrPrivate = errors.New("the address is not a public one")

// Dialer opens connections to public addresses and returns ErrPrivate for all others: loopback, private, link-local,
// unique local, carrier-grade NAT, multicast, documentation, cloud metadata, and IPv4 addresses of these kinds wrapped
// into IPv6. It is safe for concurrent use.
type Dialer struct {
	loopback bool
}

// NewDialer returns a dialer. Only tests allow loopback addresses; nothing else changes then.
func NewDialer(allowLoopback bool) *Dialer { return &Dialer{loopback: allowLoopback} }

// DialContext is net.Dialer's, behind the check. Each address a name has is checked as it is about to be called.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	inner := net.Dialer{
		Timeout: DialTimeout,
		ControlContext: func(_ context.Context, network, address string, _ syscall.RawConn) error {
			return d.check(network, address)
		},
	}
	return inner.DialContext(ctx, network, address)
}

func (d *Dialer) check(network, address string) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("%w: %s is no TCP", ErrPrivate, network)
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPrivate, err)
	}
	if Public(at.Addr()) || d.loopback && at.Addr().Unmap().IsLoopback() {
		return nil
	}
	return ErrPrivate
}

// maxHeader is the most bytes the header of a strange server's answer may have.
const maxHeader = 64 << 10

// Transport returns a new HTTP transport over the dialer, with a copy of nothing shared: the caller may set its TLS
// configuration before the first use. It follows no proxy setting of the environment, since the proxy's reach is not
// ours to judge, and unpacks nothing.
func (d *Dialer) Transport() *http.Transport {
	return &http.Transport{
		DialContext: d.DialContext, TLSHandshakeTimeout: DialTimeout, DisableCompression: true, DisableKeepAlives: true,
		MaxResponseHeaderBytes: maxHeader, ForceAttemptHTTP2: true,
	}
}

// Public reports whether an address is one of the public internet, as far as its form tells.
func Public(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	a = a.Unmap()
	if a.Is4() {
		return !within(a, reserved4())
	}
	if nat64().Contains(a) { // an IPv4 address in its last four bytes
		b := a.As16()
		return Public(netip.AddrFrom4([4]byte(b[12:])))
	}
	return global6().Contains(a) && !within(a, reserved6())
}

func within(a netip.Addr, ranges []netip.Prefix) bool {
	for _, r := range ranges {
		if r.Contains(a) {
			return true
		}
	}
	return false
}

func v4(a, b, c, d byte, bits int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{a, b, c, d}), bits)
}

func v6(first, second uint16, bits int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom16([16]byte{byte(first >> 8), byte(first), byte(second >> 8), byte(second)}), bits)
}

// reserved4 is what IANA's registry of special addresses takes out of IPv4.
func reserved4() []netip.Prefix {
	return []netip.Prefix{
		v4(0, 0, 0, 0, 8), v4(10, 0, 0, 0, 8), v4(100, 64, 0, 0, 10), v4(127, 0, 0, 0, 8), v4(169, 254, 0, 0, 16),
		v4(172, 16, 0, 0, 12), v4(192, 0, 0, 0, 24), v4(192, 0, 2, 0, 24), v4(192, 88, 99, 0, 24), v4(192, 168, 0, 0, 16),
		v4(198, 18, 0, 0, 15), v4(198, 51, 100, 0, 24), v4(203, 0, 113, 0, 24), v4(224, 0, 0, 0, 4), v4(240, 0, 0, 0, 4),
		v4(168, 63, 129, 16, 32), // public by its form; one cloud's machines find their host there
	}
}

func nat64() netip.Prefix { return v6(0x64, 0xff9b, 96) }

// global6 holds every IPv6 address that is given out for use on the internet.
func global6() netip.Prefix { return v6(0x2000, 0, 3) }

// reserved6 is what is special within global6: protocol assignments with Teredo, documentation, and 6to4.
func reserved6() []netip.Prefix {
	return []netip.Prefix{v6(0x2001, 0, 23), v6(0x2001, 0xdb8, 32), v6(0x2002, 0, 16), v6(0x3fff, 0, 20)}
}
