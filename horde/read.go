// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"stablemate/horde/kudos"
)

// Progress is what a check answers.
type Progress struct {
	Finished, Processing, Restarted, Waiting int
	Done, Faulted, Possible                  bool
	Kind                                     WorkerType // Dreamer or Scribe
	Kudos                                    kudos.Amount
	Position                                 int           // 1 is next, 0 when nothing waits
	Wait                                     time.Duration // expected, for the rest of the request
}

// Status is a check with what is delivered.
type Status struct {
	Progress
	ID          RequestID
	User        UserID
	R2, Shared  bool
	Expiry      time.Time
	Why         string // when not Possible: what no worker offers
	Generations []Delivered
}

// Delivered is one finished generation.
type Delivered struct {
	ID         GenerationID
	Worker     WorkerID
	WorkerName string
	Model      string
	Seed       uint32
	Blob       string
	Text       string
	Censored   bool
	Meta       []Meta
}

// Place is a request's place in the queue, among requests of its kind.
type Place struct {
	Position int
	Things   int64 // waiting pixelsteps or tokens up to and including the request
	Jobs     int   // generations likewise
	Fleet    Fleet
}

// Fleet sums up the workers that are online.
type Fleet struct {
	Workers, Threads int
	Speed            float64 // mean, pixelsteps or tokens per second of one thread
}

// Fleet adds up the workers of a type that are online.
func (s *State) Fleet(kind WorkerType, now time.Time) Fleet {
	var f Fleet
	for _, w := range s.workers {
		if w.Type == kind && w.Online(now) {
			f.Workers++
			f.Threads += w.Offer.Threads
			f.Speed += w.speed
		}
	}
	if f.Workers > 0 {
		f.Speed /= float64(f.Workers)
	}
	return f
}

// Check reads a request's progress; the place comes from whoever keeps the order of the queue.
func (s *State) Check(id RequestID, now time.Time, place func(RequestID, WorkerType) Place) (Progress, bool) {
	r, ok := s.requests[id]
	if !ok || !now.Before(r.Expiry) {
		return Progress{}, false
	}
	return s.progress(r, now, place), true
}

// Status reads a request with its delivered generations.
func (s *State) Status(id RequestID, now time.Time, place func(RequestID, WorkerType) Place) (Status, bool) {
	r, ok := s.requests[id]
	if !ok || !now.Before(r.Expiry) {
		return Status{}, false
	}
	st := s.status(r, now)
	st.Progress = s.progress(r, now, place)
	return st, true
}

func (s *State) status(r *Request, now time.Time) Status {
	st := Status{Progress: s.progress(r, now, nil), ID: r.ID, User: r.User, R2: r.R2, Shared: r.Shared, Expiry: r.Expiry, Generations: []Delivered{}}
	if !st.Possible {
		st.Why = s.whyImpossible(r, now)
	}
	for _, g := range r.generations {
		if g.State != GenerationCompleted {
			continue
		}
		d := Delivered{ID: g.ID, Worker: g.Worker, Model: g.Model, Seed: g.Seed, Blob: g.Blob, Text: g.Text, Censored: g.Censored, Meta: g.Meta}
		if w := s.workers[g.Worker]; w != nil {
			d.WorkerName = w.Offer.Name
		}
		st.Generations = append(st.Generations, d)
	}
	return st
}

func (s *State) progress(r *Request, now time.Time, place func(RequestID, WorkerType) Place) Progress {
	p := Progress{
		Kind: r.Kind, Finished: r.finished, Processing: r.processing, Restarted: r.Faults,
		Done: r.Done(), Faulted: r.State == RequestFaulted, Kudos: r.Consumed.Round(),
	}
	if r.State == RequestActive {
		p.Waiting = r.N
	}
	p.Possible = r.processing > 0 || r.Done() || s.possible(r, now)
	if p.Done {
		return p
	}
	var at Place
	if place != nil && r.queued {
		at = place(r.ID, r.Kind)
	}
	p.Position = at.Position
	p.Wait = s.estimate(r, at, now)
	return p
}

// estimate is the expected time until a request is done: what waits ahead over the speed of the workers
// that can share it, plus the slowest of its own images in flight.
func (s *State) estimate(r *Request, at Place, now time.Time) time.Duration {
	seconds := 0.0
	if at.Jobs > 0 {
		rate := UnknownSpeed
		if r.Text != nil {
			rate = UnknownTextSpeed
		}
		if at.Fleet.Workers > 0 {
			rate = at.Fleet.Speed * float64(max(1, min(at.Fleet.Threads, at.Jobs)))
		}
		seconds = float64(at.Things) / max(1, rate)
	}
	slowest := 0.0
	for _, g := range r.generations {
		if g.State == GenerationProcessing {
			if w := s.workers[g.Worker]; w != nil {
				slowest = max(slowest, float64(r.Things())/max(1, w.speed)-now.Sub(g.Started).Seconds())
			}
		}
	}
	return time.Duration(math.Round(seconds+slowest)) * time.Second
}

// Waiting lists the queue in its order, for places.
func (s *State) Waiting() []QueueEntry {
	out := make([]QueueEntry, 0, len(s.queue.waiting))
	for _, r := range s.queue.waiting {
		out = append(out, QueueEntry{r.ID, r.Kind, r.Rank, r.Created, int64(r.N) * r.Things(), r.N})
	}
	return out
}

// QueueEntry is what ordering needs to know about a waiting request.
type QueueEntry struct {
	ID      RequestID
	Kind    WorkerType
	Rank    int64
	Created time.Time
	Things  int64
	Jobs    int
}

// Places numbers the waiting requests of each kind in queue order. It sorts its argument. Fleets are by kind.
func Places(q []QueueEntry, fleets map[WorkerType]Fleet) map[RequestID]Place {
	sort.Slice(q, func(i, j int) bool {
		a, b := &q[i], &q[j]
		if a.Rank != b.Rank {
			return a.Rank < b.Rank
		}
		if !a.Created.Equal(b.Created) {
			return a.Created.Before(b.Created)
		}
		return string(a.ID.UUID[:]) < string(b.ID.UUID[:])
	})
	out := make(map[RequestID]Place, len(q))
	last := [lanes]Place{imageLane: {Fleet: fleets[Dreamer]}, textLane: {Fleet: fleets[Scribe]}}
	for _, e := range q {
		at := &last[laneOf(e.Kind)]
		at.Position++
		at.Things += e.Things
		at.Jobs += e.Jobs
		out[e.ID] = *at
	}
	return out
}

// QueueLength is the number of waiting requests.
func (s *State) QueueLength() int { return len(s.queue.waiting) }

// possible reports whether some worker that is online could take the request.
func (s *State) possible(r *Request, now time.Time) bool {
	for _, w := range s.workers {
		if s.couldTake(w, r, now) == "" {
			return true
		}
	}
	return false
}

// couldTake says why a worker will not take a request, or "".
func (s *State) couldTake(w *Worker, r *Request, now time.Time) string {
	owner := s.users[w.Owner]
	switch {
	case w.Type != r.Kind, !w.Online(now), owner.Has(RoleFlagged):
		return "no worker is online"
	case (w.Paused || w.Maintenance) && w.Owner != r.User:
		return "the workers that are online are in maintenance"
	}
	p := popper{s: s, w: w, lane: laneOf(w.Type), owner: owner, now: now, have: w.have}
	if owner.Has(RoleTrusted) {
		p.have |= needTrusted
	}
	lacks := r.needs &^ p.have
	switch {
	case !p.offers(r):
		return "no worker offers the model " + strings.Join(r.Models, " or ")
	case r.Text != nil && r.Text.MaxLength > w.size:
		return "no worker writes texts of " + itoa(r.Text.MaxLength) + " tokens"
	case r.Text != nil && r.Text.MaxContext > w.context:
		return "no worker reads prompts of " + itoa(r.Text.MaxContext) + " tokens"
	case r.Text == nil && r.Image.Width*r.Image.Height > w.size:
		return "no worker makes images of " + itoa(r.Image.Width) + "×" + itoa(r.Image.Height)
	case lacks != 0:
		return "no worker offers " + lacks.String()
	case w.Offer.ExtraSlow && r.needs&okExtraSlow == 0:
		return "only extra slow workers are online"
	}
	switch p.refuses(r) {
	case "":
		return ""
	case "worker_id":
		return "the workers this request allows are not online"
	case "models":
		return "no worker offers a model made for this: repainting parts of an image needs one, and such a model makes nothing else"
	case "controlnet":
		return "no worker offers what the workflow needs"
	case "step_count":
		return "the workers that are online take fewer steps only"
	case "bridge_version":
		return "no worker's software can do all that is asked for"
	case "kudos":
		return "the workers that are online ask for kudos up front"
	}
	return "no worker accepts this prompt with these settings"
}

// whyImpossible explains in one sentence why no worker can take a request: what the worker that comes
// closest lacks.
func (s *State) whyImpossible(r *Request, now time.Time) string {
	rank := func(why string) int {
		switch {
		case why == "no worker is online":
			return 0
		case strings.HasPrefix(why, "no worker offers the model"):
			return 1
		case strings.HasPrefix(why, "the workers that are online are in"):
			return 2
		}
		return 3
	}
	best := "no worker is online"
	for _, w := range s.workers {
		why := s.couldTake(w, r, now)
		if why != "" && (rank(why) > rank(best) || rank(why) == rank(best) && why < best) {
			best = why
		}
	}
	return best + " right now. The request waits in the queue and may expire before one comes."
}

// String names what a set of needs asks for, for people.
func (n need) String() string {
	names := []struct {
		bit  need
		name string
	}{
		{needNSFW, "NSFW images"},
		{needTrusted, "a trusted owner"},
		{needFast, "enough speed"},
		{needR2, "uploads by link"},
		{needImg2Img, "source images"},
		{needPainting, "inpainting"},
		{needPost, "post-processing"},
		{needLora, "LoRAs"},
		{needTI, "textual inversions"},
		{needControl, "ControlNet"},
		{needHires, "hires fix"},
		{needTiling, "tiling"},
		{needTransparent, "transparency"},
		{needValidated, "validated software"},
		{needTokens3 | needTokens4 | needTokens5, "enough speed"},
	}
	var out []string
	for _, x := range names {
		if n&x.bit != 0 {
			out = append(out, x.name)
		}
	}
	return strings.Join(out, ", ")
}

// User, UserByKey and the like copy what they return.

// User reads an account.
func (s *State) User(id UserID) (User, bool) {
	u, ok := s.users[id]
	if !ok || u.Wiped() {
		return User{}, false
	}
	return *u, true
}

// UserByKey finds the account of a hashed API key.
func (s *State) UserByKey(k KeyHash) (User, bool) {
	id, ok := s.byKey[k]
	if !ok || id == Anonymous && !s.settings.AnonymousAllowed || s.users[id].Wiped() {
		return User{}, false
	}
	return *s.users[id], true
}

// UserByExternal finds the account of an identity.
func (s *State) UserByExternal(external string) (User, bool) {
	id, ok := s.byExternal[external]
	if !ok || s.users[id].Wiped() {
		return User{}, false
	}
	return *s.users[id], true
}

// Users lists all accounts by number.
func (s *State) Users() []User {
	out := make([]User, 0, len(s.users))
	for _, u := range s.users {
		if !u.Wiped() {
			out = append(out, *u)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}

// Worker reads a worker.
func (s *State) Worker(id WorkerID) (Worker, bool) {
	w, ok := s.workers[id]
	if !ok {
		return Worker{}, false
	}
	return w.copy(), true
}

// WorkerByName finds a worker by its exact name.
func (s *State) WorkerByName(name string) (Worker, bool) {
	id, ok := s.workerByName[workerName(name)]
	if !ok {
		return Worker{}, false
	}
	return s.workers[id].copy(), true
}

// Workers lists workers by name: all, or those online.
func (s *State) Workers(now time.Time, onlineOnly bool) []Worker {
	var out []Worker
	for _, w := range s.workers {
		if !onlineOnly || w.Online(now) {
			out = append(out, w.copy())
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Offer.Name < out[j].Offer.Name })
	return out
}

// WorkersOf lists a person's workers.
func (s *State) WorkersOf(u UserID) []WorkerID {
	var out []WorkerID
	for id, w := range s.workers {
		if w.Owner == u {
			out = append(out, id)
		}
	}
	sort.Slice(out, func(i, j int) bool { return string(out[i].UUID[:]) < string(out[j].UUID[:]) })
	return out
}

// RequestsOf lists a person's live requests, oldest first: all, or those of the given kinds.
func (s *State) RequestsOf(u UserID, kinds ...WorkerType) []RequestID {
	d := s.desks[u]
	if d == nil {
		return nil
	}
	live := make([]*Request, 0, len(d.live))
	for _, r := range d.live {
		if len(kinds) == 0 || slices.Contains(kinds, r.Kind) {
			live = append(live, r)
		}
	}
	sort.Slice(live, func(i, j int) bool {
		if !live[i].Created.Equal(live[j].Created) {
			return live[i].Created.Before(live[j].Created)
		}
		return string(live[i].ID.UUID[:]) < string(live[j].ID.UUID[:])
	})
	out := make([]RequestID, len(live))
	for i, r := range live {
		out[i] = r.ID
	}
	return out
}

// Generation finds a generation and the owner of its worker.
func (s *State) Generation(id GenerationID) (Generation, UserID, bool) {
	g, ok := s.generations[id]
	if !ok {
		g, ok = s.decoys[id]
	}
	if !ok {
		return Generation{}, 0, false
	}
	owner := UserID(-1)
	if w := s.workers[g.Worker]; w != nil {
		owner = w.Owner
	}
	return g.bare(), owner, true
}

// Model is what the reference says about an image model. Of one that it lacks, the name tells what it can; known is false.
func (s *State) Model(name string) (m Model, known bool) {
	_, known = s.models[name]
	return s.model(name), known
}

// Modes reads the switches of the whole horde.
func (s *State) Modes() Modes { return s.modes }

// TransfersAllowed tells whether people may give kudos here.
func (s *State) TransfersAllowed() bool { return s.settings.TransfersAllowed }
