// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"slices"
	"time"
)

// formDecoy is what a paused alchemist gets instead of a form: its picture and its name, under an ID of its own. The form
// stays as it is.
type formDecoy struct {
	id       FormID
	form     *Form
	worker   WorkerID
	state    FormState
	deadline time.Time
}

// handOutFormDecoys gives a paused alchemist forms that count for nothing: no more than it may have, and none twice. It
// looks at a few of each class alone.
func (s *State) handOutFormDecoys(c *Change, w *Worker, owner *User, amount int, job *FormJob) {
	var forms []*Form
	for _, b := range s.fitting(w, owner, job) {
		for _, e := range b.entries[:min(b.Len(), candidatesPerClass)] {
			f := e.f
			if f.State == FormWaiting && f.ticket == e.ticket && c.Now.Before(f.of.Expiry) && !f.decoyed(w) {
				forms = append(forms, f)
			}
		}
	}
	slices.SortFunc(forms, func(a, b *Form) int {
		if beforeForm(a, b) {
			return -1
		}
		return 1
	})
	for _, f := range forms[:min(len(forms), amount, max(0, MaxDecoys-s.decoysOf[w.ID]))] {
		d := &formDecoy{id: FormID{c.IDs.UUID()}, form: f, worker: w.ID, state: FormProcessing, deadline: c.Now.Add(FormTTL)}
		s.lab.decoys[d.id] = d
		s.decoysOf[w.ID]++
		f.of.decoys = append(f.of.decoys, d)
		job.Forms = append(job.Forms, OpenForm{ID: d.id, Name: f.Name, Payload: f.Payload, Source: f.of.Source, Linked: f.of.Linked})
	}
	if len(job.Forms) > 0 {
		clear(job.Skipped)
	}
	s.lab.tidy(w.Offer.Forms)
}

// decoyed reports whether a worker had a decoy of the form.
func (f *Form) decoyed(w *Worker) bool {
	return slices.ContainsFunc(f.of.decoys, func(d *formDecoy) bool { return d.form == f && d.worker == w.ID })
}

// formDecoy reads a decoy as State.Form reads a form.
func (s *State) formDecoy(id FormID) (st FormStatus, owner UserID, ok bool) {
	d, ok := s.lab.decoys[id]
	if !ok {
		return FormStatus{}, 0, false
	}
	owner = -1
	if w := s.workers[d.worker]; w != nil && d.state == FormProcessing {
		owner = w.Owner
	}
	return FormStatus{ID: d.id, Name: d.form.Name, State: d.state}, owner, true
}

// submitFormDecoy answers like the delivery of a real form, and changes nothing else.
func (s *State) submitFormDecoy(c *Change, d *formDecoy, op SubmitForm) (Receipt, error) {
	w, of := s.workers[d.worker], d.form.of.ID
	if d.state == FormProcessing && !c.Now.Before(d.deadline) {
		d.state = FormFaulted
	}
	switch {
	case w == nil || w.Owner != op.Owner:
		return Receipt{}, refuse(CodeWrongCredentials, "Wrong credentials to submit as this worker.")
	case d.state != FormProcessing && w.Maintenance:
		return Receipt{Request: of, Discard: true}, nil
	case d.state != FormProcessing:
		return Receipt{}, errNotOut(d.id)
	case op.Faulted:
		d.state = FormFaulted
		return Receipt{Request: of, Discard: true}, nil
	}
	if err := op.check(); err != nil {
		return Receipt{}, err
	}
	d.state = FormDone
	return Receipt{Reward: d.form.price(), Request: of, Discard: true}, nil
}

// dropFormDecoys forgets the decoys of a request that leaves.
func (s *State) dropFormDecoys(a *Alchemy) {
	for _, d := range a.decoys {
		delete(s.lab.decoys, d.id)
		if s.decoysOf[d.worker]--; s.decoysOf[d.worker] <= 0 {
			delete(s.decoysOf, d.worker)
		}
	}
	a.decoys = nil
}
