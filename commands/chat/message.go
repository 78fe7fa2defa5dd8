// SPDX-License-Identifier: AGPL-3.0-or-later

// Package chat has the types the chat door keeps: what must survive a restart so that a message in a
// channel is continued and not repeated. It is pure.
package chat

import "time"

// Message is the one Discord message of one request.
type Message struct {
	Request string // the horde's request ID; empty while the horde has not accepted it yet
	Key     string // idempotency key of the request: the interaction's ID

	App, Guild, Channel, Message string // Discord IDs; Message is empty until it is known
	Person                       string // who asked
	Sealed                       []byte // interaction token, encrypted; empty once it is worthless
	TokenEnds                    time.Time
	Ephemeral                    bool

	Params  []byte // the command's parameters as JSON, for "again" and for the result's text
	Created time.Time
	Open    bool // the result is not shown yet
}

// Deleted are the Params of a message whose person deleted it: nothing is asked for in them any more.
const Deleted = `{"prompt":"","width":0,"height":0,"steps":0,"amount":0,"cfg":0,"sampler":"","user":0}`

// Emoji is a guild's kudos emoji; guilds configure their own in a later table, the default comes from
// the configuration.
type Emoji struct {
	Key    string // "u:" and the emoji without variation selectors, or "c:" and the custom emoji's ID
	Amount int64  // hundredths of a kudos
}
