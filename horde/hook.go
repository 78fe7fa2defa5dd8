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
