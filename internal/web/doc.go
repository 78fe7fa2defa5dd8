// SPDX-License-Identifier: AGPL-3.0-or-later

// Package web is the horde's few pages for people: the front page with live figures, and registration, which
// the API leaves to a page on purpose. Pages are made on the server, use no script, no cookie and nothing
// from elsewhere.
package web
