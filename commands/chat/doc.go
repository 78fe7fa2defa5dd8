// SPDX-License-Identifier: AGPL-3.0-or-later

package chat

import (
	"errors"
	"time"
)

// DocKind names a kind of thing that the chat door remembers as one JSON document each: settings of people and guilds,
// presets, kudos emoji, role rules, pending gifts, parties. The names are stored.
type DocKind string

// Doc is one such document.
type Doc struct {
	Kind DocKind
	Key  string // unique within its kind

	// Whom it is about, by Discord ids; empty for nobody in particular. Leaving guilds and people who want to be
	// forgotten are found by them.
	Person, Guild string

	Value []byte // JSON
	// Due is when somebody should look at it again; zero for never.
	Due time.Time
	// Version counts the times it was saved. A save must name the version it is based on, 0 for a new document.
	Version int64
}

// ErrChanged says that a document was saved by somebody else in the meantime, or that a new one is there already. Read it
// again and decide again.
var ErrChanged = errors.New("the document was changed in the meantime")
