// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"stablemate/commands/chat"
	"stablemate/horde"
	"stablemate/horde/engine"
	"stablemate/horde/origin"
)

// jobKind is which of the core's requests a message is about.
type jobKind string

// The kinds.
const (
	jobImage jobKind = "image"
	jobText  jobKind = "text"
	jobForms jobKind = "forms"
)

func (p *params) kind() jobKind {
	switch {
	case p.Forms != nil:
		return jobForms
	case p.Text != nil:
		return jobText
	}
	return jobImage
}

// load is what counts against limits of images at once.
func (p *params) load() int {
	if p.pictures() && p.Again == "" {
		return p.Amount
	}
	return 0
}

// pictures reports whether the request makes images, which can be shown one by one.
func (p *params) pictures() bool { return p.kind() == jobImage }

// feature is what a guild may keep for some roles.
func (p *params) feature() chat.Feature {
	switch {
	case p.Forms != nil:
		return chat.Tools
	case p.Text != nil:
		return chat.Texts
	}
	return chat.Images
}

// placed is what the core made of a request.
type placed struct {
	id    horde.RequestID
	tamed bool // the safety filter changed the prompt
}

// enqueue asks the core for a request, or only whether it would take it. The key makes a repeat one request; the image's
// identity makes a repeat to alchemists one result.
func (s *Set) enqueue(ctx context.Context, p params, key string, from origin.Origin, try bool) (placed, error) {
	if err := s.resumePaying(&p); err != nil {
		return placed{}, err
	}
	switch p.kind() {
	case jobForms:
		n := p.newForms(from)
		n.DryRun = try
		out, err := engine.Do(ctx, s.engine, horde.EnqueueForms{NewAlchemy: n})
		return placed{id: out.ID}, err
	case jobText:
		n := p.newText(key, from)
		n.SharedKey = p.shared
		n.DryRun = try
		out, err := engine.Do(ctx, s.engine, horde.EnqueueText{NewText: n})
		return placed{id: out.ID}, err
	case jobImage:
	}
	n := p.newImage(key, from)
	n.DryRun = try
	out, err := engine.Do(ctx, s.engine, horde.Enqueue{NewImage: n})
	return placed{out.ID, out.Tamed}, err
}

// status reads how far a request is. One to alchemists is told in the same words: each form is a generation whose model
// is the form's name.
func (s *Set) status(id horde.RequestID, p *params) (horde.Status, error) {
	if p.Forms == nil {
		return s.engine.Status(id)
	}
	a, err := s.engine.Alchemy(id)
	if err != nil {
		return horde.Status{}, err
	}
	st := horde.Status{ID: a.ID, User: a.User, Expiry: a.Expiry}
	for _, f := range a.Forms {
		switch f.State {
		case horde.FormWaiting:
			st.Waiting++
		case horde.FormProcessing:
			st.Processing++
		case horde.FormDone:
			st.Finished++
			st.Generations = append(st.Generations, horde.Delivered{
				ID: horde.GenerationID{UUID: f.ID.UUID}, Model: f.Name, Blob: f.Blob, Text: string(f.Result),
			})
		case horde.FormFaulted:
			st.Faulted = true
		case horde.FormCancelled, horde.AlchemyPartial: // the latter is of requests alone
		}
	}
	st.Done = st.Waiting+st.Processing == 0
	st.Possible = st.Processing+st.Finished > 0 || s.engine.Performance().Alchemists > 0
	if !st.Possible {
		st.Why = s.bundle.For(p.Locale).T("tools.noalchemist")
	}
	return st, nil
}

// cancel takes a request back and reports whether it was finished already.
func (s *Set) cancel(ctx context.Context, p params, id horde.RequestID) (done bool, err error) {
	if p.Forms != nil {
		before, err := s.status(id, &p)
		if err != nil || before.Done {
			return before.Done, err
		}
		_, err = engine.Do(ctx, s.engine, horde.CancelForms{Request: id})
		return false, err
	}
	before, err := engine.Do(ctx, s.engine, horde.Cancel{Request: id})
	return before.Done, err
}

// madeOf is what a request keeps of what was delivered.
func madeOf(st horde.Status) []outcome {
	out := make([]outcome, 0, len(st.Generations))
	for _, g := range st.Generations {
		out = append(out, outcome{
			ID: g.ID.String(), Model: g.Model, Worker: g.WorkerName, Seed: g.Seed, Blob: g.Blob, Text: g.Text, Censored: g.Censored,
		})
	}
	return out
}

// end notes how a request ended: the core forgets it soon, its buttons should work for longer.
func (p *params) end(row chat.Message, st horde.Status, at time.Time) {
	p.Made, p.Spent, p.Took = madeOf(st), st.Kudos, at.Sub(row.Created)
}

// noteEnd does that for a request that nobody follows any more.
func (s *Set) noteEnd(ctx context.Context, row *chat.Message, p *params, st horde.Status) {
	p.end(*row, st, s.now())
	if _, err := s.replaceParams(ctx, row, p); err != nil {
		s.log.Warn().Err(err).Str("key", row.Key).Msg("cannot note how a request ended")
	}
}

// replaceParams gives a request that is not open other parameters. done is false when it was changed or deleted since it
// was read: that counts.
func (s *Set) replaceParams(ctx context.Context, row *chat.Message, p *params) (done bool, err error) {
	data, err := json.Marshal(p)
	if err != nil {
		return false, fmt.Errorf("encode parameters: %w", err)
	}
	if done, err = s.deps.Messages.ReplaceParams(ctx, row.Key, row.Params, data); err != nil {
		return false, fmt.Errorf("save parameters: %w", err)
	}
	if done {
		row.Params = data
	}
	return done, nil
}

// ended is how a request ended, by what was noted then.
func (p *params) ended(row chat.Message) ending {
	st := horde.Status{Progress: horde.Progress{Finished: len(p.Made), Done: true, Possible: true, Kudos: p.Spent}}
	for _, m := range p.Made {
		id, _ := horde.ParseUUID(m.ID)
		st.Generations = append(st.Generations, horde.Delivered{
			ID: horde.GenerationID{UUID: id}, Model: m.Model, WorkerName: m.Worker, Seed: m.Seed, Blob: m.Blob, Text: m.Text, Censored: m.Censored,
		})
	}
	return ending{kind: endDone, status: st, at: row.Created.Add(p.Took)}
}
