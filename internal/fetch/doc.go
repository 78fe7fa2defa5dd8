// SPDX-License-Identifier: AGPL-3.0-or-later

// Package fetch calls addresses that strangers name, and only public ones: whoever could make this program call its own
// machine or a neighbour's would have passed every wall around them. The check sits where a connection is opened, on the
// address that the name led to, so that neither redirects nor names that change their answer get around it.
package fetch
