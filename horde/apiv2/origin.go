// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"net/http"
	"net/netip"
	"strings"

	"stablemate/horde"
	"stablemate/horde/origin"
)

// Headers of a service account that speaks for other people.
const (
	headerPasskey = "Proxy-Authorization" // the passkey alone, without a scheme
	headerProxied = "Proxied-For"         // the address of whoever asked the service
)

// maxPasskey bounds what is hashed in search of a passkey, in bytes.
const maxPasskey = 100

// clientOrigin is who a call came from in the end: when it shows the passkey of a service account, the address the service
// names, else where the call itself came from. Passkeys that are unknown are ignored.
func (s *Server) clientOrigin(r *http.Request) origin.Origin {
	from, _ := s.clientBehind(r)
	return from
}

// clientBehind is clientOrigin with the service account that the call came through, 0 without one.
func (s *Server) clientBehind(r *http.Request) (from origin.Origin, service horde.UserID) {
	from = s.Origin(r)
	passkey := r.Header.Get(headerPasskey)
	if passkey == "" || len(passkey) > maxPasskey {
		return from, 0
	}
	// The hash of the whole passkey under the secret is looked up, so how long that takes tells nothing about it.
	u, ok := s.deps.Engine.ProxyAccount(HashKey(s.deps.Secret, passkey))
	if !ok {
		return from, 0
	}
	addr, err := netip.ParseAddr(strings.TrimSpace(r.Header.Get(headerProxied)))
	if err != nil {
		return from, 0
	}
	// A bot that asks for people of its own names their stand-ins, which count each for itself.
	if o, err := origin.Parse(addr.WithZone("").String()); err == nil && o.IsDiscord() {
		return o, u.ID
	}
	return origin.FromAddr(addr), u.ID
}
