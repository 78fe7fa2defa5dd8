// SPDX-License-Identifier: AGPL-3.0-or-later

// Package horde holds the rules: who may ask for what, which worker gets it, and how kudos move.
//
// It is one state machine. A State is the whole horde in memory; an Op is a plain struct that the rules
// apply to it, yielding a result or a refusal (*Error) and adding to a Change: rows to write, postings
// to append, news to announce. There are no goroutines, no clock, no network and no randomness of its
// own in here, so a week of the horde replays in a test within seconds. Package engine runs it.
//
// The life of a request:
//
//	Enqueue   checks it, holds kudos when they are needed up front, charges the activation, files it
//	          by model, class and rank                                     request.go validate.go queue.go
//	Pop       a worker checks in and gets the first request it can take    worker.go bridge.go pop.go
//	Submit    delivers an image: the requester pays, the owner earns       submit.go
//	          or reports a fault: the image returns to the queue, the third one ends the request
//	Cancel    takes back what is not handed out                            request.go
//	Expire    ends generations and requests that are out of time           submit.go
//
// What guards it: the prompt filter (filter.go judge.go), time-outs of origins (countermeasure.go pause.go), modes (modes.go).
// Workers: who may register and change them (worker.go), their names (profanity.go), uptime (uptime.go), suspicion
// (suspicion.go, toofast.go), decoys for those that are paused (decoy.go), teams (team.go), messages (message.go).
//
// Beside it: accounts (user.go), gifts (ledger.go), styles and collections of them (style.go,
// styleops.go, collection.go), what doors read (read.go, stats.go), bounds (limits.go).
package horde
