// SPDX-License-Identifier: AGPL-3.0-or-later

// Package inference makes images on this machine: a pool that works for the horde like any other worker, and the
// processes it works with.
//
// Nothing in here loads native code. A Supervisor starts one runner process per device, which is the same program with
// a hidden sub-command, and a second one for the safety check. Only runners open models, through Openers that the
// program hands in, so a crash or a leak inside a native library costs one generation and never the bot.
//
//	models.go       folders with models, as a Scan finds them
//	builtin.go      the models that come with the program
//	device.go       what a runner computes on, and how much memory there is
//	frame.go        the messages between supervisor and runner
//	runner.go       RunRunner, the child's side
//	supervisor.go   the parent's side: keeps a child alive, watches over its calls
//	child.go        one child process
//	resident.go     which models a child holds
//	webp.go         pictures as files
//	safety.go       what is held back, and what is shown instead
//	pool.go         Pool: pops and answers for its worker
//	work.go         one job: draw, check, store, submit
package inference
