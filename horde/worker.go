// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"strings"
	"time"
	"unicode/utf8"

	"stablemate/horde/kudos"
	"stablemate/horde/origin"
)

// WorkerType says what a worker makes.
type WorkerType string

// Worker types: dreamers make images, scribes write texts, alchemists look at images and improve them.
const (
	Dreamer   WorkerType = "image"
	Scribe    WorkerType = "text"
	Alchemist WorkerType = "interrogation"
)

// Offer is what a worker says about itself with every pop. Names and switches that are not about its type stay unset.
type Offer struct {
	Name         string
	Models       []string
	BridgeAgent  string
	NSFW         bool
	Threads      int
	MaxPixels    int
	Blacklist    []string
	Img2Img      bool
	Painting     bool
	UnsafeIP     bool
	Post         bool
	ControlNet   bool
	SDXLControl  bool
	Lora         bool
	LimitSteps   bool
	ExtraSlow    bool
	NeedsUpfront bool // only requesters who can pay

	// Of a scribe:
	MaxLength   int // tokens it writes, at most
	MaxContext  int // tokens it reads and writes
	Softprompts []string

	// Of an alchemist:
	Forms    []string // names of forms it serves
	MaxTiles int      // of 512 × 512 pixels each, in an image to post-process
}

// Worker lends a GPU. It has no credentials of its own: its owner's key and its name are it.
type Worker struct {
	ID       WorkerID
	Owner    UserID
	Type     WorkerType
	Created  time.Time
	LastSeen time.Time // last check-in
	Origin   origin.Origin
	Offer    Offer

	Info        string
	Maintenance bool
	MaintReason string
	Paused      bool
	Suspicion   int // how often a reason for it was given
	Reasons     Reasons

	Fulfilled   int64
	Uncompleted int64
	Things      int64 // pixelsteps made
	Uptime      int64 // seconds
	Rewarded    int64 // the uptime at the last reward for it
	Generated   kudos.Amount
	UptimeKudos kudos.Amount
	Performance []float64 // the last samples, things per second, oldest first
	DropSince   time.Time // window in which drops are counted
	Drops       int

	have    need
	can     Capability
	speed   float64
	size    int // largest class of request it takes
	context int
}

// Online reports whether the worker checked in lately.
func (w *Worker) Online(now time.Time) bool { return now.Sub(w.LastSeen) < WorkerOnline }

// Speed is the mean of the kept samples: pixelsteps per second of a dreamer, tokens per second of a scribe, seconds per
// form of an alchemist.
func (w *Worker) Speed() float64 {
	var sum float64
	for _, p := range w.Performance {
		sum += p
	}
	switch {
	case sum > 0:
	case w.Type == Scribe || w.Type == Alchemist:
		return UnknownTextSpeed
	default:
		return UnknownSpeed
	}
	return sum / float64(len(w.Performance))
}

// derive recomputes what follows from the stored fields.
func (w *Worker) derive() {
	w.can = Capabilities(w.Offer.BridgeAgent)
	w.speed = w.Speed()
	if w.Type == Scribe {
		w.deriveScribe()
		return
	}
	w.size, w.context = w.Offer.MaxPixels, 0
	var n need
	set := func(on bool, bit need) {
		if on {
			n |= bit
		}
	}
	set(w.Offer.NSFW, needNSFW)
	set(w.speed >= SlowWorkerSpeed, needFast)
	set(w.can.Has(CanR2), needR2)
	set(w.Offer.Img2Img && w.can.Has(CanImg2Img), needImg2Img)
	set(w.Offer.Painting && w.can.Has(CanInpainting), needPainting)
	set(w.Offer.Post && w.can.Has(CanPostProcess), needPost)
	set(w.Offer.Lora && w.can.Has(CanLora), needLora)
	set(w.can.Has(CanTI), needTI)
	set(w.Offer.ControlNet && w.can.Has(CanControlNet), needControl)
	set(w.can.Has(CanHiresFix), needHires)
	set(w.can.Has(CanTiling), needTiling)
	set(w.can.Has(CanTransparent) && w.Offer.SDXLControl, needTransparent)
	w.have = n | okExtraSlow
}

func (w *Worker) copy() Worker {
	out := *w
	out.Performance = append([]float64(nil), w.Performance...)
	return out
}

// cleanOffer cuts an offer to its bounds.
func cleanOffer(kind WorkerType, o Offer) Offer {
	o.Name = strings.TrimSpace(o.Name)
	if utf8.RuneCountInString(o.Name) > MaxWorkerNameRunes {
		o.Name = string([]rune(o.Name)[:MaxWorkerNameRunes])
	}
	o.Models = unique(o.Models)
	if len(o.Models) > MaxModelsPerWorker {
		o.Models = o.Models[:MaxModelsPerWorker]
	}
	if len(o.Blacklist) > MaxBlacklist {
		o.Blacklist = o.Blacklist[:MaxBlacklist]
	}
	words := make([]string, 0, len(o.Blacklist))
	for _, w := range o.Blacklist {
		if r := []rune(strings.ToLower(strings.TrimSpace(w))); len(r) > 0 {
			words = append(words, string(r[:min(len(r), MaxBlacklistRunes)]))
		}
	}
	o.Blacklist = words
	threads := MaxThreads
	switch kind {
	case Scribe:
		o.Models = o.Models[:min(len(o.Models), MaxModelsPerScribe)]
		o.MaxLength, o.MaxContext = max(0, min(MaxTextLength, o.MaxLength)), max(0, min(MaxTextContext, o.MaxContext))
		o.Softprompts = unique(o.Softprompts)
		o.Softprompts = o.Softprompts[:min(len(o.Softprompts), MaxSoftprompts)]
		for i, name := range o.Softprompts {
			if r := []rune(name); len(r) > MaxSoftpromptRunes {
				o.Softprompts[i] = string(r[:MaxSoftpromptRunes])
			}
		}
	case Alchemist:
		threads = MaxAlchemistThreads
		o.Models = nil
		o.Forms = unique(o.Forms)
		o.MaxTiles = max(1, min(MaxFormTiles, o.MaxTiles))
	case Dreamer:
	}
	o.Threads = min(threads, max(1, o.Threads))
	return o
}

func unique[T comparable](in []T) []T {
	seen := make(map[T]bool, len(in))
	out := make([]T, 0, len(in))
	for _, x := range in {
		if !seen[x] {
			seen[x] = true
			out = append(out, x)
		}
	}
	return out
}

// checkIn finds or registers the caller's worker and takes over what it says about itself. Nothing
// changes on a refusal. The returned worker's derived fields follow this very offer, even when the
// stored ones are not due for writing.
func (s *State) checkIn(c *Change, owner *User, kind WorkerType, offer Offer, from origin.Origin) (*Worker, error) {
	nameRunes := utf8.RuneCountInString(strings.TrimSpace(offer.Name))
	offer = cleanOffer(kind, offer)
	switch {
	case owner.Has(RoleDeleted):
		return nil, refuse(CodeDeletedUser, "this account is marked as deleted")
	case owner.Has(RoleFlagged):
		return nil, refuse(CodeWorkerFlagged, "this account is flagged; its workers are in maintenance mode")
	case owner.ID == Anonymous:
		return nil, refuse(CodeAnonForbiddenWorker, "anonymous workers are not accepted; please register")
	case offer.Name == "":
		return nil, refuse(CodeBadRequest, "a worker needs a name")
	case strings.ContainsRune(offer.Name+offer.BridgeAgent, 0):
		return nil, refuse(CodeNulByte, "texts may not hold NUL characters")
	}
	models, err := s.acceptedModels(owner, kind, offer.Models)
	if err != nil {
		return nil, err
	}
	offer.Models = models

	id, known := s.workerByName[offer.Name]
	if !known {
		if err := s.mayRegister(owner, offer.Name, from); err != nil {
			return nil, err
		}
		w := &Worker{ID: WorkerID{c.IDs.UUID()}, Owner: owner.ID, Type: kind, Created: c.Now, LastSeen: c.Now, Origin: from, Offer: offer}
		w.derive()
		s.workers[w.ID] = w
		s.workerByName[offer.Name] = w.ID
		s.byOwner[owner.ID]++
		c.saveWorker(w)
		s.suspectOffer(c, owner, w, nameRunes)
		c.emit(Event{Kind: WorkerChanged, Worker: w.ID, User: owner.ID})
		return w, nil
	}
	w := s.workers[id]
	if w.Owner != owner.ID {
		return nil, refuse(CodeWrongCredentials, "Wrong credentials to submit as this worker: the name %q belongs to somebody else", offer.Name)
	}
	if w.Type != kind {
		return nil, refuse(CodePolymorphicName, "the name %q belongs to a worker of another type", offer.Name)
	}
	gap := c.Now.Sub(w.LastSeen)
	w.Offer = offer
	w.derive()
	s.suspectOffer(c, owner, w, nameRunes)
	if gap >= CheckInEvery { // what changed in between lives in memory; a restart asks the worker again
		s.countUptime(c, owner, w, gap)
		back := gap >= WorkerOnline
		w.LastSeen = c.Now
		w.Origin = from
		c.saveWorker(w)
		if back {
			c.emit(Event{Kind: WorkerChanged, Worker: w.ID, User: owner.ID})
		}
	}
	return w, nil
}

func (s *State) acceptedModels(owner *User, kind WorkerType, offered []string) ([]string, error) {
	if kind == Alchemist {
		return nil, nil
	}
	out := make([]string, 0, len(offered))
	for _, m := range offered {
		n := utf8.RuneCountInString(m)
		if n >= 3 && n <= 255 && (len(s.known) == 0 || kind == Scribe || s.known[m] || owner.Has(RoleCustomizer)) {
			out = append(out, m)
		}
	}
	if len(out) == 0 {
		return nil, refuse(CodeBadRequest, "Unfortunately we cannot accept workers serving only models that this horde does not know")
	}
	return out, nil
}

func (s *State) mayRegister(owner *User, name string, from origin.Origin) error {
	lower := strings.ToLower(name)
	for _, word := range []string{"colab", "tpu", "google"} {
		if strings.Contains(lower, word) {
			return refuse(CodeBadRequest, "worker names may not contain %q", word)
		}
	}
	trusted := owner.Has(RoleTrusted)
	have, same := s.byOwner[owner.ID], 0
	sameLimit := MaxSameOrigin
	if trusted {
		sameLimit = MaxSameOriginTrusted
	}
	if from.Addr().IsValid() && !from.Addr().IsLoopback() {
		for _, w := range s.workers {
			if w.Owner == owner.ID && w.Origin == from {
				same++
			}
		}
	}
	switch {
	case s.modes.InviteOnly && have >= owner.Invited:
		return refuse("WorkerInviteOnly", "this horde is in worker invite-only mode; please ask for an invitation")
	case !trusted && have >= MaxWorkersUntrusted && have >= owner.Invited:
		return refuse(CodeTooManyWorkers, "you have %d workers; accounts that are not trusted yet may have %d", have, MaxWorkersUntrusted)
	case trusted && have >= MaxWorkersTrusted && have >= owner.Invited:
		return refuse(CodeTooManyWorkersTrusted, "you have %d workers; ask for an invitation to have more", have)
	case same >= sameLimit && same >= owner.Invited:
		return refuse(CodeTooManySameIPs, "you have %d workers at this address, at most %d are allowed", same, sameLimit)
	}
	return nil
}

// ReasonDropped is the maintenance message of a worker that dropped too many jobs.
const ReasonDropped = "this worker was put into maintenance mode because it dropped too many jobs; " +
	"please check it, and take it out of maintenance when it is well"

// drop counts a generation a worker did not deliver. Too many in an hour put it into maintenance.
func (s *State) drop(c *Change, w *Worker) {
	w.Uncompleted++
	if c.Now.Sub(w.DropSince) > DropWindow {
		w.DropSince, w.Drops = c.Now, 0
	}
	if w.Drops++; w.Drops > MaxDropped {
		w.Maintenance = true
		w.MaintReason = ReasonDropped
		w.Drops = 0
		s.suspect(c, s.users[w.Owner], w, ReasonManyAborted)
	}
	c.saveWorker(w)
}

// SetWorker changes what an owner may change. Nil fields stay as they are.
type SetWorker struct {
	Worker      WorkerID
	By          UserID
	Maintenance *bool
	Reason      string
	Info        *string
	Paused      *bool // moderators only
}

func (op SetWorker) apply(s *State, c *Change) (Worker, error) {
	w, ok := s.workers[op.Worker]
	if !ok {
		return Worker{}, refuse(CodeWorkerNotFound, "no worker with ID %s", op.Worker)
	}
	by, ok := s.users[op.By]
	switch {
	case !ok || w.Owner != op.By && !by.Has(RoleModerator):
		return Worker{}, refuse("NotOwner", "only the owner of a worker may change it")
	case op.Paused != nil && !by.Has(RoleModerator):
		return Worker{}, refuse("NotModerator", "only moderators may pause a worker")
	case utf8.RuneCountInString(op.Reason) > 300:
		return Worker{}, refuse(CodeBadRequest, "a maintenance message has at most 300 characters")
	case op.Info != nil && utf8.RuneCountInString(*op.Info) > 1000:
		return Worker{}, refuse(CodeBadRequest, "info has at most 1000 characters")
	}
	if op.Maintenance != nil {
		w.Maintenance, w.MaintReason = *op.Maintenance, op.Reason
	}
	if op.Info != nil {
		w.Info = *op.Info
	}
	if op.Paused != nil {
		w.Paused = *op.Paused
	}
	c.saveWorker(w)
	c.emit(Event{Kind: WorkerChanged, Worker: w.ID, User: w.Owner})
	return w.copy(), nil
}
