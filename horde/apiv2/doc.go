// SPDX-License-Identifier: AGPL-3.0-or-later

// Package apiv2 is the HTTP door: it speaks the AI Horde's API version 2, so that the clients and workers
// people already have work here unchanged. It parses, authenticates, calls the engine once and renders;
// it decides nothing that the rules decide.
//
// A call goes through, in this order: routing, rate limits, the body against its schema, the API key, the
// engine, the reply, the field mask. Map of files:
//
//	server.go      what the door is made of; life of a call
//	routes.go      which path leads where, and under which limits
//	call.go        one call: body, key, reply
//	schema.go      bodies against schemas; bodies.go the schemas
//	errors.go      refusal → status
//	ratelimit.go   fixed windows
//	mask.go        X-Fields
//	image.go       generate: enqueue, check, status, cancel
//	work.go        generate: pop, submit
//	images.go      bytes of images: decode, look at, keep, link
//	users.go workers.go kudos.go status.go stats.go documents.go
package apiv2
