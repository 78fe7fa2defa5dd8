// SPDX-License-Identifier: AGPL-3.0-or-later

package app

import (
	"context"
	"fmt"
	"net/netip"

	"stablemate/horde"
	"stablemate/internal/config"
	"stablemate/internal/vpn"
)

// addresses judges where workers call from with the operator's service; it is nil without one.
func (a *assembly) addresses() (func(context.Context, netip.Addr) horde.Address, error) {
	at := a.cfg.Horde.AddressCheck.Reveal()
	if at == "" {
		return nil, nil //nolint:nilnil // nobody to ask is an answer
	}
	safe, err := config.Networks(a.cfg.Horde.SafeAddresses)
	if err != nil {
		return nil, fmt.Errorf("read horde.safe_addresses: %w", err)
	}
	checker, err := vpn.New(vpn.Options{URL: at, Safe: safe, Now: systemClock.Now})
	if err != nil {
		return nil, fmt.Errorf("set up the check of addresses: %w", err)
	}
	return func(ctx context.Context, addr netip.Addr) horde.Address {
		switch checker.Check(ctx, addr) {
		case vpn.Unsafe:
			return horde.AddressUnsafe
		case vpn.Unknown:
			return horde.AddressUnknown
		case vpn.Safe:
		}
		return horde.AddressSafe
	}, nil
}
