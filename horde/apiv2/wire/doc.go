// SPDX-License-Identifier: AGPL-3.0-or-later

// Package wire is what travels: the JSON of the AI Horde's HTTP API, version 2, as Go structs. It knows
// names, types and which fields may be missing; it knows no rule.
//
// In requests a nil pointer leaves the field out, and the server's default holds. In replies some objects
// keep every field and say null ("keep"), others leave out what they have no value for ("omit"); the
// comment on each struct says which.
package wire
