// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import "stablemate/horde/kudos"

// Workers that are paused are not told so. They get decoys: the payload of a real request, which stays as it is. What
// they deliver is thrown away and counted nowhere.

// MaxDecoys bounds the decoys one worker may have at once. They live as long as the requests they were taken from, and
// only in memory: after a restart a decoy is unknown, like a job that is too old.
const MaxDecoys = 200

// hidden is the reason for not offering a request that no counter shows.
const hidden = "decoy"

// decoyed reports whether this worker had a decoy of the request, or may have none any more.
func (s *State) decoyed(r *Request, w *Worker) bool {
	if !w.Paused || r.User == w.Owner {
		return false
	}
	if s.decoysOf[w.ID] >= MaxDecoys {
		return true
	}
	for _, d := range r.decoys {
		if d.Worker == w.ID {
			return true
		}
	}
	return false
}

// decoy turns a job that is ready to be handed out into one that counts for nothing.
func (s *State) decoy(c *Change, r *Request, w *Worker, job Job, n int) Job {
	for i := range n {
		g := &Generation{
			ID: GenerationID{c.IDs.UUID()}, Request: r.ID, Worker: w.ID, Model: job.Model, Seed: job.Seed + uint32(i),
			Started: c.Now, Deadline: c.Now.Add(job.TTL), request: r,
		}
		s.decoys[g.ID] = g
		s.decoysOf[w.ID]++
		r.decoys = append(r.decoys, g)
		job.Generations = append(job.Generations, g.ID)
		job.Seeds = append(job.Seeds, g.Seed)
	}
	return job
}

// submitDecoy answers like the delivery of a real generation, and changes nothing else.
func (s *State) submitDecoy(c *Change, g *Generation, op Submit) (Receipt, error) {
	w := s.workers[g.Worker]
	if g.State == GenerationProcessing && c.Now.After(g.Deadline) {
		g.State = GenerationFaulted
	}
	switch err := mayDeliver(w, g, op); {
	case err != nil:
		return Receipt{}, err
	case g.State != GenerationProcessing:
		return Receipt{Request: g.Request}, nil
	case op.Faulted:
		g.State = GenerationFaulted
		return Receipt{Request: g.Request}, nil
	}
	g.State = GenerationCompleted
	return Receipt{Reward: s.seeming(g, w, &op), Request: g.Request, Discard: true}, nil
}

// seeming is what the delivery of a decoy would bring if it were real. Any other number would give it away.
func (s *State) seeming(g *Generation, w *Worker, op *Submit) kudos.Amount {
	if g.request.Text != nil {
		g.deliverText(op)
		worth, _ := s.settleText(g.request, g, w)
		return worth
	}
	worth, _ := s.settleImage(g.request, g)
	return worth * kudosShare(w) / 100
}

// dropDecoys forgets the decoys of a request that leaves.
func (s *State) dropDecoys(r *Request) {
	for _, g := range r.decoys {
		delete(s.decoys, g.ID)
		if s.decoysOf[g.Worker]--; s.decoysOf[g.Worker] <= 0 {
			delete(s.decoysOf, g.Worker)
		}
	}
	r.decoys = nil
}
