// SPDX-License-Identifier: AGPL-3.0-or-later

package wire

// Error is every refusal and fault. RC is the stable part of a rule's refusal; it is empty when the body
// did not fit the schema (then Errors names each violation by its dotted path) and for errors of the
// framework, such as 404 for an unknown path, 405, 429 and 500.
type Error struct {
	Errors  map[string]string `json:"errors,omitempty"`
	Message string            `json:"message"`
	RC      string            `json:"rc,omitempty"`
}
