// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"stablemate/horde/kudos"
	"stablemate/horde/origin"
)

// Alchemy is a machine of its own: a request is an image and a list of forms, and each form is handed out, delivered and
// paid by itself. Requests are few enough, and their forms small enough, to be kept as one document each.

// KindAlchemy is the kind of record of alchemy requests.
const KindAlchemy RecordKind = "alchemy"

// FormID names a form.
type FormID struct{ UUID }

// FormState says where a form is in its life. The words are wire format, and stored.
type FormState string

// States of a form.
const (
	FormWaiting    FormState = "waiting"
	FormProcessing FormState = "processing"
	FormDone       FormState = "done"
	FormCancelled  FormState = "cancelled" // also while a worker still has it, who is paid for it
	FormFaulted    FormState = "faulted"
)

// AlchemyPartial is the state of a request whose forms ended in different ways.
const AlchemyPartial FormState = "partial"

// Alchemy is what a user asked alchemists to do with one image.
type Alchemy struct {
	ID      RequestID `json:"id"`
	User    UserID    `json:"user"`
	Origin  string    `json:"origin,omitempty"`
	Client  string    `json:"client,omitempty"`
	Webhook string    `json:"webhook,omitempty"` // https address to call with each finished form
	Created time.Time `json:"created"`
	Expiry  time.Time `json:"expiry"`

	Source   string `json:"source"`             // key of the stored image; its address when Linked
	Linked   bool   `json:"linked,omitempty"`   // the image lies somewhere else
	Identity string `json:"identity,omitempty"` // the same for the same image; empty means that results are not remembered
	Tiles    int    `json:"tiles"`              // of 512 × 512 pixels

	TrustedWorkers bool `json:"trusted_workers,omitempty"`
	SlowWorkers    bool `json:"slow_workers,omitempty"`

	Rank     int64        `json:"rank"` // order in the queue, lower first; fixed at the beginning
	Consumed kudos.Amount `json:"consumed,omitempty"`
	Forms    []*Form      `json:"forms"`

	decoys []*formDecoy // in memory alone
}

// Form is one thing to do with an image.
type Form struct {
	ID       FormID            `json:"id"`
	Name     string            `json:"name"`
	Payload  map[string]string `json:"payload,omitempty"`
	State    FormState         `json:"state"`
	Worker   WorkerID          `json:"worker"` // the last one that had it
	Started  time.Time         `json:"started,omitzero"`
	Deadline time.Time         `json:"deadline,omitzero"` // set while a worker has it
	Faults   int               `json:"faults,omitempty"`
	Result   json.RawMessage   `json:"result,omitempty"` // a JSON object
	Blob     string            `json:"blob,omitempty"`   // key of the image that R2 in the result stands for
	Finished time.Time         `json:"finished,omitzero"`

	of     *Alchemy
	place  int    // among the forms of its request
	ticket uint32 // of the valid queue entry
}

// FormNames lists the forms a request may name, without post-processors, which it may name as well.
func FormNames() []string {
	return []string{"caption", "interrogation", "nsfw", "vectorize", "palette", "describe", "aesthetic"}
}

// AllForms lists every form.
func AllForms() []string { return append(FormNames(), PostProcessors()...) }

// PostForm reports whether a form is a post-processor, which makes an image.
func PostForm(name string) bool { return oneOf(name, PostProcessors()) }

// price is what the form is worth.
func (f *Form) price() kudos.Amount { return kudos.Form(f.Name, PostForm(f.Name), f.of.Tiles) }

// out reports whether a worker has the form.
func (f *Form) out() bool { return !f.Deadline.IsZero() }

// open reports whether the form counts against limits: it waits, or a worker has it.
func (f *Form) open() bool { return f.State == FormWaiting || f.out() }

// state sums up the forms.
func (a *Alchemy) state() FormState {
	count := make(map[FormState]int)
	for _, f := range a.Forms {
		count[f.State]++
	}
	switch {
	case count[FormFaulted] == len(a.Forms):
		return FormFaulted
	case count[FormDone] == len(a.Forms):
		return FormDone
	case count[FormProcessing] > 0:
		return FormProcessing
	case count[FormWaiting] > 0:
		return FormWaiting
	}
	return AlchemyPartial
}

// NewForm is a form somebody asks for.
type NewForm struct {
	Name    string
	Payload map[string]string
}

// NewAlchemy is what EnqueueForms takes. Forms named twice are one; results of earlier requests for the same Identity
// are taken over at once, and cost nothing.
type NewAlchemy struct {
	User     UserID
	Origin   origin.Origin
	Client   string
	Webhook  string // optional https address to call with each finished form
	Source   string // key of the stored image, or its address when Linked
	Linked   bool
	Identity string
	Tiles    int // of 512 × 512 pixels; 0 when the size is not known
	Forms    []NewForm
	DryRun   bool    // only say whether it would be taken
	Address  Address // what is known about where the request comes from; it counts during a raid

	TrustedWorkers, SlowWorkers bool
}

// Alchemized is the answer to EnqueueForms.
type Alchemized struct {
	ID         RequestID
	Remembered int // forms answered from earlier results
	Waiting    int
}

// EnqueueForms asks alchemists for something.
type EnqueueForms struct{ NewAlchemy }

func (op EnqueueForms) apply(s *State, c *Change) (Alchemized, error) {
	u, ok := s.users[op.User]
	switch {
	case !ok:
		return Alchemized{}, refuse(CodeInvalidAPIKey, "no user matches this API key")
	case u.Has(RoleDeleted):
		return Alchemized{}, refuse(CodeDeletedUser, "this account is marked as deleted")
	case s.modes.Maintenance:
		return Alchemized{}, refuse(CodeMaintenanceMode, "this horde is in maintenance mode; please try again later")
	}
	if err := checkForms(&op.NewAlchemy); err != nil {
		return Alchemized{}, err
	}
	if err := s.mayAsk(op.Origin, c.Now); err != nil {
		return Alchemized{}, err
	}
	if err := s.mayComeFrom(u, op.Address); err != nil {
		return Alchemized{}, err
	}
	a := &Alchemy{
		User: u.ID, Origin: op.Origin.String(), Client: op.Client, Webhook: op.Webhook, Created: c.Now, Expiry: c.Now.Add(RequestTTL),
		Source: op.Source, Linked: op.Linked, Identity: op.Identity, Tiles: op.Tiles,
		TrustedWorkers: op.TrustedWorkers || u.Has(RoleEducation), SlowWorkers: op.SlowWorkers, // a classroom gets people who are known
	}
	if a.Tiles == 0 {
		a.Tiles = assumedTiles
	}
	out := Alchemized{}
	seen := make(map[string]bool, len(op.Forms))
	for _, n := range op.Forms {
		if seen[n.Name] {
			continue
		}
		seen[n.Name] = true
		f := &Form{Name: n.Name, Payload: n.Payload, State: FormWaiting, of: a}
		if s.lab.recall(f, c.Now) {
			out.Remembered++
		} else {
			out.Waiting++
		}
		a.Forms = append(a.Forms, f)
	}
	if err := s.lab.admit(u, a, out.Waiting); err != nil {
		return Alchemized{}, err
	}
	if op.DryRun {
		return out, nil
	}
	a.ID = RequestID{c.IDs.UUID()}
	for _, f := range a.Forms {
		f.ID = FormID{c.IDs.UUID()}
	}
	a.Rank = int64(formFairness)*int64(s.lab.ofCaller[callerOf(a)]) - int64(u.Balance)
	out.ID = a.ID
	s.alchemies.put(c, a.ID.String(), a)
	s.indexAlchemy(a)
	u.LastActive = c.Now
	u.Alchemy.Requests++
	c.saveUser(u)
	if out.Waiting > 0 {
		c.emit(Event{Kind: RequestQueued, Request: a.ID, User: u.ID})
	}
	return out, nil
}

// assumedTiles is the size of an image that nobody has looked at: 1024 × 1024 pixels.
const assumedTiles = 4

// formFairness is how much each open form of the same caller lowers the priority of the next, in kudos: whoever sends
// many at once waits behind those who send few.
const formFairness = 10 * kudos.One

// checkForms holds the rules about what is asked for that need no state.
func checkForms(n *NewAlchemy) error {
	switch {
	case len(n.Forms) == 0:
		return refuse(CodeBadRequest, "a request names at least one form")
	case n.Tiles > MaxSourceTiles:
		return refuse(CodeSourceResolution, "Image validation failed: it has %d tiles of 512 × 512 pixels, at most %d are taken", n.Tiles, MaxSourceTiles)
	}
	for _, f := range n.Forms {
		if !oneOf(f.Name, AllForms()) {
			return refuse(CodeBadRequest, "unknown form %q", f.Name)
		}
		size := 0
		for k, v := range f.Payload {
			size += len(k) + len(v)
			if strings.IndexByte(k+v, 0) >= 0 {
				return refuse(CodeNulByte, "texts may not hold NUL characters")
			}
		}
		if size > MaxFormPayload {
			return refuse(CodeBadRequest, "the payload of %s has %d bytes, at most %d are allowed", f.Name, size, MaxFormPayload)
		}
	}
	return nil
}

// PopForms asks for forms on behalf of an alchemist, and is its check-in. Pop.Amount is how many are wanted, Pop.Priority
// does not matter.
type PopForms struct{ Pop }

// FormJob is what an alchemist gets.
type FormJob struct {
	Worker  WorkerID
	Forms   []OpenForm // empty when none fits
	Skipped map[string]int
}

// OpenForm is one form that a worker is to fill in.
type OpenForm struct {
	ID      FormID
	Name    string
	Payload map[string]string // shared, not to be changed
	Source  string
	Linked  bool
}

func (op PopForms) apply(s *State, c *Change) (FormJob, error) {
	owner, ok := s.users[op.Owner]
	if !ok {
		return FormJob{}, refuse(CodeInvalidAPIKey, "no user matches this API key")
	}
	w, err := s.checkIn(c, owner, Alchemist, op.Pop)
	if err != nil {
		return FormJob{}, err
	}
	job := FormJob{Worker: w.ID, Skipped: make(map[string]int)}
	amount := min(MaxFormsPerPop, max(1, op.Amount))
	if w.Maintenance || w.Paused { // its owner may still have it
		s.handOutOwn(c, w, amount, &job)
	} else {
		s.handOutForms(c, w, owner, amount, &job)
	}
	if w.Paused && !w.Maintenance && len(job.Forms) == 0 {
		s.handOutFormDecoys(c, w, owner, amount, &job)
	}
	if len(job.Forms) == 0 && w.Maintenance {
		reason := w.MaintReason
		if reason == "" {
			reason = DefaultMaintenance
		}
		return FormJob{}, refuse(CodeWorkerMaintenance, "%s", reason)
	}
	return job, nil
}

// fitting are the classes of forms that a worker can take. What its owner lacks is counted.
func (s *State) fitting(w *Worker, owner *User, job *FormJob) (out []*formBucket) {
	for _, name := range w.Offer.Forms {
		for _, b := range s.lab.shelves[name] {
			switch {
			case b.top() == nil:
			case b.class.trusted && !owner.Has(RoleTrusted):
				job.Skipped["untrusted"] += b.Len()
			case b.class.fast && w.speed >= SlowFormSeconds, b.class.tiles > w.Offer.MaxTiles:
			default:
				out = append(out, b)
			}
		}
	}
	return out
}

// handOutForms gives the first forms in queue order that the worker can take. It looks at the heads of classes alone.
func (s *State) handOutForms(c *Change, w *Worker, owner *User, amount int, job *FormJob) {
	fitting := s.fitting(w, owner, job)
	for len(job.Forms) < amount {
		var best *formBucket
		for _, b := range fitting {
			if f := b.top(); f != nil && (best == nil || beforeForm(f, best.top())) {
				best = b
			}
		}
		if best == nil {
			break
		}
		f := best.top()
		if !c.Now.Before(f.of.Expiry) { // about to leave
			best.pop()
			continue
		}
		s.handOutForm(c, w, f, job)
	}
	if len(job.Forms) > 0 {
		clear(job.Skipped)
	}
	s.lab.tidy(w.Offer.Forms)
}

// handOutOwn gives a worker that nobody else may have the forms of its owner.
func (s *State) handOutOwn(c *Change, w *Worker, amount int, job *FormJob) {
	var own []*Form
	for _, a := range s.lab.live[w.Owner] {
		for _, f := range a.Forms {
			if f.State == FormWaiting && c.Now.Before(a.Expiry) && oneOf(f.Name, w.Offer.Forms) && classOf(f).tiles <= w.Offer.MaxTiles {
				own = append(own, f)
			}
		}
	}
	slices.SortFunc(own, func(a, b *Form) int {
		if beforeForm(a, b) {
			return -1
		}
		return 1
	})
	for _, f := range own[:min(len(own), amount)] {
		s.handOutForm(c, w, f, job)
	}
}

func (s *State) handOutForm(c *Change, w *Worker, f *Form, job *FormJob) {
	a := f.of
	f.State, f.Worker, f.Started, f.Deadline = FormProcessing, w.ID, c.Now, c.Now.Add(FormTTL)
	f.ticket++
	a.Expiry = later(a.Expiry, c.Now.Add(RequestTTL))
	s.deadlines.push(f.Deadline, deadline{form: f.ID})
	c.saveRecord(KindAlchemy, a.ID.String())
	c.emit(Event{Kind: RequestChanged, Request: a.ID, User: a.User})
	job.Forms = append(job.Forms, OpenForm{ID: f.ID, Name: f.Name, Payload: f.Payload, Source: a.Source, Linked: a.Linked})
}

// SubmitForm delivers a form, or reports that it could not be filled in.
type SubmitForm struct {
	Owner   UserID // whose key the worker showed
	Form    FormID
	Faulted bool
	Result  json.RawMessage // a JSON object
	Blob    string          // key of the stored image that R2 in the result stands for
}

func (op SubmitForm) apply(s *State, c *Change) (Receipt, error) {
	if d, fake := s.lab.decoys[op.Form]; fake {
		return s.submitFormDecoy(c, d, op)
	}
	f, ok := s.lab.forms[op.Form]
	if !ok {
		return Receipt{}, refuse(CodeInvalidJobID, "Processing Job with ID %s does not exist.", op.Form)
	}
	a, w := f.of, s.workers[f.Worker]
	switch {
	case w == nil || w.Owner != op.Owner:
		return Receipt{}, refuse(CodeWrongCredentials, "Wrong credentials to submit as this worker.")
	case !f.out() && w.Maintenance:
		return Receipt{Request: a.ID}, nil
	case !f.out():
		return Receipt{}, errNotOut(f.ID)
	case op.Faulted:
		s.faultForm(c, f)
		return Receipt{Request: a.ID}, nil
	}
	if err := op.check(); err != nil {
		return Receipt{}, err
	}
	f.Deadline, f.Finished = time.Time{}, c.Now
	if f.State == FormProcessing { // what was cancelled in between is paid, and thrown away
		f.State, f.Result, f.Blob = FormDone, slices.Clone(op.Result), op.Blob
		s.lab.remember(f)
	}
	s.lab.count(a, -1)
	reward := s.settleForm(c, f, w)
	a.Expiry = later(a.Expiry, c.Now.Add(RequestTTL))

	sample := c.Now.Sub(f.Started).Seconds()
	w.Performance = append(w.Performance, float64(int64(sample*10))/10)
	if n := len(w.Performance); n > MaxPerformance {
		w.Performance = append(w.Performance[:0:0], w.Performance[n-MaxPerformance:]...)
	}
	w.derive()
	w.Fulfilled++
	w.Things++
	c.saveWorker(w)
	c.saveRecord(KindAlchemy, a.ID.String())
	c.emit(Event{Kind: GenerationDone, Request: a.ID, User: a.User, Worker: w.ID})
	if st := a.state(); st != FormProcessing && st != FormWaiting {
		c.emit(Event{Kind: RequestDone, Request: a.ID, User: a.User})
	}
	return Receipt{Reward: reward, Request: a.ID}, nil
}

// check holds the rules about a result.
func (op *SubmitForm) check() error {
	switch {
	case len(op.Result) > MaxFormResult:
		return refuse(CodeBadRequest, "the result has %d bytes, at most %d are taken", len(op.Result), MaxFormResult)
	case !isObject(op.Result):
		return refuse(CodeBadRequest, "a result is a JSON object")
	}
	return nil
}

func errNotOut(id FormID) error {
	return refuse(CodeDuplicateGen, "Processing Job with ID %s has already submitted its result, or is not yours any more.", id)
}

func isObject(text json.RawMessage) bool {
	return strings.HasPrefix(strings.TrimLeft(string(text), " \t\r\n"), "{") && json.Valid(text)
}

// settleForm moves the kudos of one form: the requester pays its price and a surcharge that is burned, the owner earns
// the price, half of it in escrow until they are trusted.
func (s *State) settleForm(c *Change, f *Form, w *Worker) kudos.Amount {
	a := f.of
	requester, owner := s.users[a.User], s.users[w.Owner]
	credit := f.price()
	debit := kudos.FormDebit(credit, !a.SlowWorkers)
	share := kudos.Amount(0)
	if !owner.Has(RoleTrusted) {
		share = credit / 2
	}
	bill := &Request{User: a.User} // nothing is held for alchemy
	s.charge(c, requester, "settle:"+f.ID.String(), kudos.KindSettle, debit, bill, []kudos.Posting{
		{Account: spendable(owner.ID), Amount: credit - share},
		{Account: evaluated(owner.ID), Amount: share},
		{Account: kudos.Burn, Amount: debit - credit},
	})
	a.Consumed += bill.Consumed
	requester.Alchemy.UsageThings += requester.usage(1)
	requester.LastActive, owner.LastActive = c.Now, c.Now
	owner.Alchemy.ContributionThings++
	owner.Alchemy.Fulfilments++
	owner.Details.Accumulated += credit - share // the escrow counts when it is paid out
	w.Generated += credit
	c.saveUser(requester)
	c.saveUser(owner)
	s.maybeTrust(c, owner)
	return credit
}

// faultForm takes a form from its worker and returns it to the queue; the fourth fault ends it.
func (s *State) faultForm(c *Change, f *Form) {
	a := f.of
	f.Deadline = time.Time{}
	if f.State == FormProcessing {
		f.Faults++
		f.State = FormWaiting
		if f.Faults >= FaultsPerForm {
			f.State, f.Finished = FormFaulted, c.Now
		}
	}
	if f.State == FormWaiting {
		s.lab.shelve(f)
		c.emit(Event{Kind: RequestQueued, Request: a.ID, User: a.User})
	} else {
		s.lab.count(a, -1)
	}
	if w := s.workers[f.Worker]; w != nil {
		s.drop(c, w)
	}
	c.saveRecord(KindAlchemy, a.ID.String())
	c.emit(Event{Kind: RequestChanged, Request: a.ID, User: a.User})
}

// CancelForms takes a request back. What workers have of it is still paid when they deliver. It answers the status
// from after that.
type CancelForms struct{ Request RequestID }

func (op CancelForms) apply(s *State, c *Change) (AlchemyStatus, error) {
	a, ok := s.alchemies.pages[op.Request.String()]
	if !ok || !c.Now.Before(a.Expiry) {
		return AlchemyStatus{}, errNoRequest(op.Request)
	}
	s.cancelForms(c, a, FormWaiting, FormProcessing)
	return a.status(), nil
}

// cancelForms takes back the forms of a request that are in one of the given states.
func (s *State) cancelForms(c *Change, a *Alchemy, states ...FormState) {
	before := c.Writes()
	for _, f := range a.Forms {
		if !slices.Contains(states, f.State) {
			continue
		}
		if f.State == FormWaiting {
			f.ticket++
			s.lab.count(a, -1)
		}
		f.State, f.Finished = FormCancelled, c.Now
		c.saveRecord(KindAlchemy, a.ID.String())
	}
	if c.Writes() > before {
		c.emit(Event{Kind: RequestChanged, Request: a.ID, User: a.User})
	}
}

// expireForm ends a form that its worker did not deliver in time.
func (s *State) expireForm(c *Change, id FormID) bool {
	f, ok := s.lab.forms[id]
	if !ok || !f.out() || c.Now.Before(f.Deadline) {
		return false
	}
	s.faultForm(c, f)
	return true
}

// expireAlchemy removes a request that is out of time.
func (s *State) expireAlchemy(c *Change, id RequestID) bool {
	a, ok := s.alchemies.pages[id.String()]
	if !ok {
		return false
	}
	if c.Now.Before(a.Expiry) {
		s.deadlines.push(a.Expiry, deadline{alchemy: a.ID})
		return false
	}
	for _, f := range a.Forms {
		f.ticket++
		if f.open() {
			s.lab.count(a, -1)
		}
		f.State = FormCancelled
		delete(s.lab.forms, f.ID)
	}
	s.dropFormDecoys(a)
	if live := s.lab.live[a.User]; live != nil {
		delete(live, a.ID)
		if len(live) == 0 {
			delete(s.lab.live, a.User)
		}
	}
	s.alchemies.drop(c, a.ID.String())
	c.emit(Event{Kind: RequestGone, Request: a.ID, User: a.User})
	return true
}

// AlchemyStatus is how far a request is.
type AlchemyStatus struct {
	ID     RequestID
	User   UserID
	State  FormState
	Expiry time.Time
	Forms  []FormStatus
}

// FormStatus is how far a form is. Result is shared and not to be changed.
type FormStatus struct {
	ID     FormID
	Name   string
	State  FormState
	Result json.RawMessage
	Blob   string
}

func (a *Alchemy) status() AlchemyStatus {
	out := AlchemyStatus{ID: a.ID, User: a.User, State: a.state(), Expiry: a.Expiry, Forms: make([]FormStatus, 0, len(a.Forms))}
	for _, f := range a.Forms {
		out.Forms = append(out.Forms, FormStatus{f.ID, f.Name, f.State, f.Result, f.Blob})
	}
	return out
}

// Alchemy reads a request for forms.
func (s *State) Alchemy(id RequestID, now time.Time) (AlchemyStatus, bool) {
	a, ok := s.alchemies.pages[id.String()]
	if !ok || !now.Before(a.Expiry) {
		return AlchemyStatus{}, false
	}
	return a.status(), true
}

// Form reads a form, and who owns the worker that has it: -1 when none has.
func (s *State) Form(id FormID) (st FormStatus, owner UserID, ok bool) {
	f, ok := s.lab.forms[id]
	if !ok {
		return s.formDecoy(id)
	}
	owner = -1
	if w := s.workers[f.Worker]; w != nil && f.out() {
		owner = w.Owner
	}
	return FormStatus{f.ID, f.Name, f.State, f.Result, f.Blob}, owner, true
}
