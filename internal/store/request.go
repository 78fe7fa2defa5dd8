// SPDX-License-Identifier: AGPL-3.0-or-later

package store

import (
	"encoding/json"
	"fmt"

	"stablemate/horde"
	"stablemate/horde/kudos"
	"stablemate/horde/origin"
)

// requestSpec is the JSON of what never changes in a request after it entered the queue.
type requestSpec struct {
	Client           string           `json:"client,omitempty"`
	Key              string           `json:"key,omitempty"`  // as plain wrote it, since JSON has no room for broken UTF-8
	Kind             horde.WorkerType `json:"kind,omitempty"` // empty means image, as it was written before there were others
	Webhook          string           `json:"webhook,omitempty"`
	Image            horde.Image      `json:"image,omitzero"`
	Text             *horde.Text      `json:"text,omitempty"`
	Models           []string         `json:"models,omitempty"`
	Workers          []string         `json:"workers,omitempty"`
	Exclude          bool             `json:"exclude,omitempty"`
	NSFW             bool             `json:"nsfw,omitempty"`
	CensorNSFW       bool             `json:"censor_nsfw,omitempty"`
	TrustedWorkers   bool             `json:"trusted_workers,omitempty"`
	SlowWorkers      bool             `json:"slow_workers,omitempty"`
	ExtraSlowWorkers bool             `json:"extra_slow_workers,omitempty"`
	R2               bool             `json:"r2,omitempty"`
	Shared           bool             `json:"shared,omitempty"`
	DisableBatching  bool             `json:"disable_batching,omitempty"`
	SharedKey        string           `json:"shared_key,omitempty"`
	Proxied          string           `json:"proxied,omitempty"` // as plain wrote it
}

func specOf(r *horde.Request) *requestSpec {
	spec := &requestSpec{
		Client: r.Client, Key: plain(r.Key), Webhook: r.Webhook, Image: r.Image, Text: r.Text, Models: r.Models, Exclude: r.Exclude, NSFW: r.NSFW, CensorNSFW: r.CensorNSFW,
		TrustedWorkers: r.TrustedWorkers, SlowWorkers: r.SlowWorkers, ExtraSlowWorkers: r.ExtraSlowWorkers,
		R2: r.R2, Shared: r.Shared, DisableBatching: r.DisableBatching, Proxied: plain(r.Proxied),
	}
	if !r.SharedKey.IsZero() {
		spec.SharedKey = r.SharedKey.String()
	}
	if r.Kind != horde.Dreamer {
		spec.Kind = r.Kind
	}
	for _, w := range r.Workers {
		spec.Workers = append(spec.Workers, w.String())
	}
	return spec
}

func (spec *requestSpec) into(r *horde.Request) error {
	key, err := unplain(spec.Key)
	if err != nil {
		return err
	}
	r.Key = key
	r.Kind, r.Text = spec.Kind, spec.Text
	if r.Kind == "" {
		r.Kind = horde.Dreamer
	}
	r.Client, r.Image, r.Models, r.Exclude = spec.Client, spec.Image, spec.Models, spec.Exclude
	r.Webhook = spec.Webhook
	r.NSFW, r.CensorNSFW, r.TrustedWorkers = spec.NSFW, spec.CensorNSFW, spec.TrustedWorkers
	r.SlowWorkers, r.ExtraSlowWorkers = spec.SlowWorkers, spec.ExtraSlowWorkers
	r.R2, r.Shared, r.DisableBatching = spec.R2, spec.Shared, spec.DisableBatching
	if r.Proxied, err = unplain(spec.Proxied); err != nil {
		return err
	}
	if spec.SharedKey != "" {
		if r.SharedKey.UUID, err = horde.ParseUUID(spec.SharedKey); err != nil {
			return fmt.Errorf("shared key %q: %w", spec.SharedKey, err)
		}
	}
	for _, text := range spec.Workers {
		id, err := horde.ParseUUID(text)
		if err != nil {
			return fmt.Errorf("worker %q: %w", text, err)
		}
		r.Workers = append(r.Workers, horde.WorkerID{UUID: id})
	}
	return nil
}

const selectRequests = `
SELECT id, user_id, origin, created, rank, price, n, jobs, faults, state, expiry, consumed, held, spec FROM request`

// requestRow is a request whose specification is still JSON.
type requestRow struct {
	request horde.Request
	spec    []byte
}

func scanRequest(scan func(...any) error) (requestRow, error) {
	var (
		row                           requestRow
		id                            uid
		from                          string
		created, expiry               int64
		price, consumed, heldOf       int64
		left, jobs, faults, condition int64
	)
	r := &row.request
	err := scan(&id, &r.User, &from, &created, &r.Rank, &price, &left, &jobs, &faults, &condition, &expiry, &consumed, &heldOf, &row.spec)
	if err != nil {
		return row, fmt.Errorf("read a request: %w", err)
	}
	r.ID, r.Created, r.Expiry = horde.RequestID{UUID: horde.UUID(id)}, fromMicros(created), fromMicros(expiry)
	r.N, r.Jobs, r.Faults, r.State = int(left), int(jobs), int(faults), horde.RequestState(condition)
	r.Price, r.Consumed, r.Held = kudos.Amount(price), kudos.Amount(consumed), kudos.Amount(heldOf)
	if r.Origin, err = origin.Parse(from); err != nil {
		return row, fmt.Errorf("read request %s: %w", r.ID, err)
	}
	return row, nil
}

// decode reads the specification: the expensive part, done beside the reading of further rows.
func (row *requestRow) decode() error {
	var spec requestSpec
	if err := json.Unmarshal(row.spec, &spec); err != nil {
		return fmt.Errorf("read request %s: %w", row.request.ID, err)
	}
	row.spec = nil
	if err := spec.into(&row.request); err != nil {
		return fmt.Errorf("read request %s: %w", row.request.ID, err)
	}
	return nil
}

const selectGenerations = `
SELECT request, id, worker, model, seed, state, started, deadline, finished, blob, censored, meta, reward FROM generation`

func scanGeneration(scan func(...any) error) (horde.Generation, error) {
	var (
		g                           horde.Generation
		request, id, worker         uid
		model, blob                 string
		meta                        []byte
		seed, condition, reward     int64
		started, deadline, finished int64
	)
	err := scan(&request, &id, &worker, &model, &seed, &condition, &started, &deadline, &finished, &blob, &g.Censored, &meta, &reward)
	if err != nil {
		return g, fmt.Errorf("read a generation: %w", err)
	}
	g.ID, g.Request = horde.GenerationID{UUID: horde.UUID(id)}, horde.RequestID{UUID: horde.UUID(request)}
	g.Worker = horde.WorkerID{UUID: horde.UUID(worker)}
	g.Seed, g.State, g.Reward = uint32(seed), horde.GenerationState(condition), kudos.Amount(reward)
	g.Started, g.Deadline, g.Finished = fromMicros(started), fromMicros(deadline), fromMicros(finished)
	if g.Model, err = unplain(model); err != nil {
		return g, fmt.Errorf("read generation %s: %w", g.ID, err)
	}
	if g.Blob, err = unplain(blob); err != nil {
		return g, fmt.Errorf("read generation %s: %w", g.ID, err)
	}
	if err := readMeta(meta, &g); err != nil {
		return g, fmt.Errorf("read generation %s: %w", g.ID, err)
	}
	return g, nil
}

// generationMeta is the JSON of what is known about a delivered text. An image has only metadata, written as the array
// alone.
type generationMeta struct {
	Text string       `json:"text"` // as plain wrote it
	Meta []horde.Meta `json:"meta,omitempty"`
}

func metaOf(g *horde.Generation) (string, error) {
	var v any = g.Meta
	switch {
	case g.Text != "":
		v = generationMeta{plain(g.Text), g.Meta}
	case len(g.Meta) == 0:
		return "", nil
	}
	text, err := json.Marshal(v)
	return string(text), err
}

func readMeta(text []byte, g *horde.Generation) error {
	switch {
	case len(text) == 0:
		return nil
	case text[0] != '{':
		return json.Unmarshal(text, &g.Meta)
	}
	var m generationMeta
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	written, err := unplain(m.Text)
	g.Text, g.Meta = written, m.Meta
	return err
}
