// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"slices"
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
	Paused      bool // it gets decoys, and is not told
	Suspicion   int  // how often a reason for it was given
	Reasons     Reasons
	Team        TeamID // zero without one

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
	special bool // it serves a model that belongs to one account
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
	w.special = slices.ContainsFunc(w.Offer.Models, special)
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

// workerName is a worker's name as the horde keeps it. What is left of markup in a name that is cut goes as well.
func workerName(name string) string {
	name = plainName(name)
	if utf8.RuneCountInString(name) <= MaxWorkerNameRunes {
		return name
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if strings.ContainsRune("<>&", r) {
			return -1
		}
		return r
	}, string([]rune(name)[:MaxWorkerNameRunes])))
}

// cleanOffer cuts an offer to its bounds.
func cleanOffer(kind WorkerType, o Offer) Offer {
	o.Name = workerName(o.Name)
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

// Address is what is known about where a worker calls from. Whoever asks a service about addresses fills it in; where
// nobody does, every address is safe.
type Address int8

// What is known about an address.
const (
	AddressSafe    Address = 0
	AddressUnsafe  Address = 1 // it hides where it is
	AddressUnknown Address = 2 // the service gave no answer
)

// ChecksAddress reports whether an owner's workers may only call from safe addresses. Whoever is trusted may call from
// anywhere.
func ChecksAddress(owner *User) bool {
	return !owner.Has(RoleTrusted) && !owner.Has(RoleModerator) && !owner.Has(RoleVPN)
}

func (s *State) checkAddress(owner *User, at Address) error {
	switch {
	case at == AddressSafe || !ChecksAddress(owner):
		return nil
	case at == AddressUnknown:
		return refuse(CodeTooManyNewIPs, "your address cannot be checked just now; please try again in a while")
	case s.modes.Raid: // let in, so that an attacker learns nothing
		return nil
	}
	return refuse(CodeUnsafeIP, "workers of accounts that are not trusted yet may not call through a VPN or proxy; please ask a moderator")
}

// checkIn finds or registers the caller's worker and takes over what it says about itself. Nothing
// changes on a refusal. The returned worker's derived fields follow this very offer, even when the
// stored ones are not due for writing.
func (s *State) checkIn(c *Change, owner *User, kind WorkerType, op Pop) (*Worker, error) {
	named := utf8.RuneCountInString(plainName(op.Offer.Name))
	offer := cleanOffer(kind, op.Offer)
	switch {
	case owner.Has(RoleDeleted):
		return nil, refuse(CodeDeletedUser, "this account is marked as deleted")
	case owner.Has(RoleFlagged):
		return nil, refuse(CodeWorkerFlagged, "this account is flagged; its workers are in maintenance mode")
	case owner.ID == Anonymous:
		return nil, refuse(CodeAnonForbiddenWorker, "anonymous workers are not accepted; please register")
	case offer.Name == "":
		return nil, refuse(CodeBadRequest, "a worker needs a name")
	case strings.ContainsRune(op.Offer.Name+offer.BridgeAgent, 0):
		return nil, refuse(CodeNulByte, "texts may not hold NUL characters")
	}
	w := s.workers[s.workerByName[offer.Name]]
	if w != nil && w.Type != kind {
		return nil, refuse(CodePolymorphicName, "the name %q belongs to a worker of the type %s", offer.Name, w.Type)
	}
	if err := s.mayAsk(op.Origin, c.Now); err != nil {
		return nil, err
	}
	if err := s.checkAddress(owner, op.Address); err != nil {
		return nil, err
	}
	switch {
	case w == nil:
		if err := s.mayRegister(owner, &offer, op.Origin); err != nil {
			return nil, err
		}
	case w.Owner != owner.ID:
		return nil, refuse(CodeWrongCredentials, "Wrong credentials to submit as this worker: the name %q belongs to somebody else", offer.Name)
	}
	models, err := s.acceptedModels(owner, kind, offer.Models)
	if err != nil {
		return nil, err
	}
	offer.Models = models

	if w == nil {
		w = &Worker{ID: WorkerID{c.IDs.UUID()}, Owner: owner.ID, Type: kind, Created: c.Now, LastSeen: c.Now, Origin: op.Origin, Offer: offer}
		s.register(c, owner, w)
	} else {
		w.Offer = offer // what changes between check-ins lives in memory; a restart asks the worker again
		w.derive()
		s.seen(c, owner, w, op.Origin)
	}
	if w.Maintenance {
		return w, nil // most of its pops are refused, and a refusal writes nothing
	}
	s.suspectOffer(c, owner, w, named)
	if op.Address == AddressUnsafe && ChecksAddress(owner) {
		s.suspect(c, owner, w, ReasonUnsafeIP)
	}
	return w, nil
}

// register files a new worker.
func (s *State) register(c *Change, owner *User, w *Worker) {
	w.derive()
	s.workers[w.ID] = w
	s.workerByName[w.Offer.Name] = w.ID
	s.byOwner[owner.ID]++
	c.saveWorker(w)
	c.emit(Event{Kind: WorkerChanged, Worker: w.ID, User: owner.ID})
}

// seen is a check-in: at most one every CheckInEvery counts. A worker that rests, or that was away, starts the time
// until its next reward anew. A worker in maintenance is only seen in memory: its pops are mostly refused, and a
// refusal writes nothing.
func (s *State) seen(c *Change, owner *User, w *Worker, from origin.Origin) {
	gap := c.Now.Sub(w.LastSeen)
	if gap < CheckInEvery {
		return
	}
	earned := w.UptimeKudos
	s.countUptime(c, owner, w, gap)
	w.LastSeen, w.Origin = c.Now, from
	if w.Maintenance {
		return
	}
	if w.UptimeKudos > earned {
		s.creditTeamUptime(c, w)
	}
	c.saveWorker(w)
	if gap >= WorkerOnline {
		c.emit(Event{Kind: WorkerChanged, Worker: w.ID, User: owner.ID})
	}
}

func (s *State) acceptedModels(owner *User, kind WorkerType, offered []string) ([]string, error) {
	if kind == Alchemist {
		return nil, nil
	}
	out := make([]string, 0, len(offered))
	for _, m := range offered {
		if kind == Dreamer && special(m) {
			if whose, named := specialOwner(m); !named || whose != owner.ID || !owner.Has(RoleSpecial) {
				return nil, refuse(CodeBadRequest, "Unfortunately we cannot accept workers serving the model %s, which belongs to somebody else", m)
			}
			out = append(out, m)
			continue
		}
		n := utf8.RuneCountInString(m)
		if n >= 3 && n <= 255 && (len(s.known) == 0 || kind == Scribe || s.known[m] || owner.Has(RoleCustomizer)) {
			out = append(out, m)
		}
	}
	for _, m := range out {
		if _, alias, ok := strings.Cut(m, "::"); ok && kind == Scribe && alias != owner.Alias() {
			return nil, refuse(CodeBadRequest, "Unfortunately we cannot accept workers serving a model that is reserved for %s", alias)
		}
	}
	if len(out) == 0 {
		return nil, refuse(CodeBadRequest, "Unfortunately we cannot accept workers serving only models that this horde does not know")
	}
	return out, nil
}

// mayBeNamed holds the rules about names of workers, but for their length.
func (s *State) mayBeNamed(name string) error {
	lower := strings.ToLower(name)
	for _, word := range []string{"colab", "tpu", "google"} {
		if strings.Contains(lower, word) {
			return refuse(CodeBadRequest, "worker names may not contain %q", word)
		}
	}
	if s.profane(name) {
		return refuse(CodeProfaneWorkerName, "this name is not fit for a worker; please choose another one")
	}
	return nil
}

func (s *State) mayRegister(owner *User, offer *Offer, from origin.Origin) error {
	if s.profane(offer.BridgeAgent) {
		return refuse(CodeProfaneBridgeAgent, "this bridge agent is not fit to be shown; please choose another one")
	}
	if err := s.mayBeNamed(offer.Name); err != nil {
		return err
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
		return refuse(CodeWorkerInviteOnly, "this horde is in worker invite-only mode; please ask for an invitation")
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

// DefaultMaintenance is the maintenance message where its owner left none. Workers look for "maintenance mode" in it.
const DefaultMaintenance = "this worker has been put into maintenance mode by its owner"

// maxDropped is how many generations a worker may drop within DropWindow.
func (s *State) maxDropped(w *Worker) int {
	switch {
	case w.Type == Alchemist:
		return MaxDroppedForms
	case s.modes.Raid:
		return MaxDroppedInRaid
	}
	return MaxDropped
}

// drop counts a generation a worker did not deliver. Too many in an hour put it into maintenance, and are suspicious;
// during a raid nobody is told.
func (s *State) drop(c *Change, w *Worker) {
	w.Uncompleted++
	if c.Now.Sub(w.DropSince) > DropWindow {
		w.DropSince, w.Drops = c.Now, 0
	}
	if w.Drops++; w.Drops > s.maxDropped(w) {
		w.Drops = 0
		if !s.modes.Raid && !w.Maintenance {
			w.Maintenance, w.MaintReason = true, ReasonDropped
			c.emit(Event{Kind: WorkerChanged, Worker: w.ID, User: w.Owner})
		}
		s.suspect(c, s.users[w.Owner], w, ReasonManyAborted)
	}
	c.saveWorker(w)
}

// SetWorker changes what its owner, or a moderator, may change about a worker. Nil fields stay as they are.
type SetWorker struct {
	Worker      WorkerID
	By          UserID
	Maintenance *bool
	Reason      string // of the maintenance, at most MaxReasonRunes; empty means DefaultMaintenance
	Info        *string
	Name        *string // MinWorkerNameRunes to MaxWorkerNameRunes, unlike that of any other worker
	Team        *TeamID // the zero one leaves the team
	Paused      *bool   // moderators only
}

func (op SetWorker) apply(s *State, c *Change) (Worker, error) {
	w, ok := s.workers[op.Worker]
	if !ok {
		return Worker{}, errNoWorker(op.Worker)
	}
	by, ok := s.users[op.By]
	if !ok {
		return Worker{}, refuse(CodeInvalidAPIKey, "no user matches this API key")
	}
	if op.Name != nil {
		op.Name = new(plainName(*op.Name))
	}
	if op.Info != nil {
		op.Info = new(SafeText(*op.Info))
	}
	if err := op.check(s, w, by); err != nil {
		return Worker{}, err
	}
	if op.Maintenance != nil {
		w.Maintenance, w.MaintReason = *op.Maintenance, ""
		if w.Maintenance {
			w.MaintReason = SafeText(op.Reason)
		}
	}
	if op.Info != nil {
		w.Info = *op.Info
	}
	if op.Paused != nil {
		w.Paused = *op.Paused
	}
	if op.Name != nil {
		delete(s.workerByName, w.Offer.Name)
		w.Offer.Name = *op.Name
		s.workerByName[w.Offer.Name] = w.ID
	}
	if op.Team != nil {
		w.Team = *op.Team
	}
	c.saveWorker(w)
	c.emit(Event{Kind: WorkerChanged, Worker: w.ID, User: w.Owner})
	return w.copy(), nil
}

func errNoWorker(id WorkerID) error {
	return refuse(CodeWorkerNotFound, "Worker with ID %s not found.", id)
}

// check holds all rules about a change, in the order in which the protocol tells them.
func (op SetWorker) check(s *State, w *Worker, by *User) error {
	moderator := by.Has(RoleModerator)
	stranger := w.Owner != by.ID && !moderator
	switch {
	case stranger && (op.Maintenance != nil || op.Info != nil):
		return refuse(CodeNotOwner, "Only the owner of a worker may change it.")
	case op.Paused != nil && !moderator:
		return refuse(CodeNotModerator, "Only moderators may pause a worker.")
	case stranger && (op.Name != nil || op.Team != nil):
		return refuse(CodeNotModerator, "Only moderators may change somebody else's worker.")
	case by.ID == Anonymous:
		return refuse(CodeAnonForbiddenWorker, "Anonymous callers may not change workers.")
	case op.Maintenance == nil && op.Info == nil && op.Paused == nil && op.Name == nil && op.Team == nil:
		return refuse(CodeNoWorkerMod, "No change was asked for.")
	case utf8.RuneCountInString(op.Reason) > MaxReasonRunes:
		return refuse(CodeBadRequest, "a maintenance message has at most %d characters", MaxReasonRunes)
	case op.Info != nil && utf8.RuneCountInString(*op.Info) > MaxInfoRunes:
		return refuse(CodeTooLongWorkerName, "info has at most %d characters", MaxInfoRunes) // the code is the protocol's
	case op.Info != nil && s.profane(*op.Info):
		return refuse(CodeProfaneWorkerInfo, "this info is not fit for a worker; please choose other words")
	case strings.ContainsRune(op.Reason, 0):
		return refuse(CodeNulByte, "texts may not hold NUL characters")
	}
	if op.Name != nil {
		if err := s.mayBeRenamed(w, *op.Name); err != nil {
			return err
		}
	}
	if op.Team != nil && !op.Team.IsZero() && s.teams.pages[op.Team.String()] == nil {
		return errNoTeam(op.Team.String())
	}
	return nil
}

func (s *State) mayBeRenamed(w *Worker, name string) error {
	switch n := utf8.RuneCountInString(name); {
	case n > MaxWorkerNameRunes:
		return refuse(CodeTooLongWorkerName, "a worker's name has at most %d characters", MaxWorkerNameRunes)
	case n < MinWorkerNameRunes:
		return refuse(CodeBadRequest, "a worker's name has at least %d characters", MinWorkerNameRunes)
	}
	if err := s.mayBeNamed(name); err != nil {
		return err
	}
	if id, taken := s.workerByName[name]; taken && id != w.ID {
		return refuse(CodeWorkerNameExists, "there is already a worker of this name")
	}
	return nil
}

// DeleteWorker removes a worker. Its owner and moderators may, while no live request holds anything it made.
type DeleteWorker struct {
	Worker WorkerID
	By     UserID
}

func (op DeleteWorker) apply(s *State, c *Change) (Worker, error) {
	w, ok := s.workers[op.Worker]
	if !ok {
		return Worker{}, errNoWorker(op.Worker)
	}
	by, ok := s.users[op.By]
	switch {
	case !ok:
		return Worker{}, refuse(CodeInvalidAPIKey, "no user matches this API key")
	case w.Owner != by.ID && !by.Has(RoleModerator):
		return Worker{}, refuse(CodeNotModerator, "Only the owner of a worker, or a moderator, may delete it.")
	case by.ID == Anonymous:
		return Worker{}, refuse(CodeAnonForbiddenWorker, "Anonymous callers may not delete workers.")
	case s.referenced(w.ID):
		return Worker{}, refuse(CodeLocked, "Live requests still refer to this worker. Please try again in about %d minutes.", RequestTTL/time.Minute)
	}
	s.forgetWorker(c, w)
	return w.copy(), nil
}

// referenced reports whether a live request holds something of a worker, finished or not.
func (s *State) referenced(id WorkerID) bool {
	if s.decoysOf[id] > 0 {
		return true
	}
	for _, g := range s.generations {
		if g.Worker == id {
			return true
		}
	}
	for _, f := range s.lab.forms {
		if f.Worker == id {
			return true
		}
	}
	return false
}
