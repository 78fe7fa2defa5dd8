// SPDX-License-Identifier: AGPL-3.0-or-later

package vpn

// Read is read.
func Read(body []byte) float64 { return read(body) }
