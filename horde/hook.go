// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import "stablemate/horde/kudos"

// Hook is what the webhook of a request is told of one delivered generation.
type Hook struct {
	URL     string // empty when the request names no webhook
	Request RequestID
	Kind    WorkerType // Dreamer or Scribe
	R2      bool
	Kudos   kudos.Amount // what one generation of the request is worth
	Delivered
}

// Hook reads whom to tell of a generation, and what. It is false for one that is not there or not delivered.
func (s *State) Hook(id GenerationID) (Hook, bool) {
	g, ok := s.generations[id]
	if !ok || g.State != GenerationCompleted {
		return Hook{}, false
	}
	r := g.request
	h := Hook{
		URL: r.Webhook, Request: r.ID, Kind: r.Kind, R2: r.R2, Kudos: r.Price.Round(),
		Delivered: Delivered{ID: g.ID, Worker: g.Worker, Model: g.Model, Seed: g.Seed, Blob: g.Blob, Text: g.Text, Censored: g.Censored, Meta: g.Meta},
	}
	if w := s.workers[g.Worker]; w != nil {
		h.WorkerName = w.Offer.Name
	}
	return h, true
}

// FormHook is what the webhook of an alchemy request is told of one finished form.
type FormHook struct {
	URL        string // empty when the request names no webhook
	Request    RequestID
	Worker     WorkerID
	WorkerName string
	Kudos      kudos.Amount // what the form is worth
	FormStatus
}

// FormHook reads whom to tell of a form, and what. It is false for one that is not there or not done.
func (s *State) FormHook(id FormID) (FormHook, bool) {
	f, ok := s.lab.forms[id]
	if !ok || f.State != FormDone {
		return FormHook{}, false
	}
	h := FormHook{
		URL: f.of.Webhook, Request: f.of.ID, Worker: f.Worker, Kudos: f.price(),
		FormStatus: FormStatus{f.ID, f.Name, f.State, f.Result, f.Blob},
	}
	if w := s.workers[f.Worker]; w != nil {
		h.WorkerName = w.Offer.Name
	}
	return h, true
}
