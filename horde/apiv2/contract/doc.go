// SPDX-License-Identifier: AGPL-3.0-or-later

// Package contract holds no code: its tests call every operation of the API over real HTTP, against a horde on
// SQLite and one on PostgreSQL, and hold each reply against the API's description and a golden file.
//
// A test of an operation is one row in the table of its file (see type row): who calls what, after which setup, and
// what must come back. Rows are told apart by operation and name; the name is also the golden file's, which
//
//	go test ./horde/apiv2/contract -update
//
// writes anew. A row needs no more than the operation, a name, the status and, for a refusal, its code.
package contract
