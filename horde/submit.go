// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"slices"
	"time"

	"stablemate/horde/kudos"
)

// Submit delivers one image or text, or reports that it could not be made.
type Submit struct {
	Owner      UserID // whose key the worker showed
	Generation GenerationID
	Faulted    bool
	Seed       uint32
	HasSeed    bool
	Type       WorkerType // Dreamer or Scribe; empty counts as Dreamer
	Blob       string     // key of the stored image
	Text       string     // of a scribe, may be empty
	Censored   bool       // a scribe withholds its text
	CSAM       bool       // likewise, for this reason
	Meta       []Meta
}

// Receipt is the answer to Submit.
type Receipt struct {
	Reward  kudos.Amount
	Request RequestID
	Discard bool // the result counts for nothing: whoever stored it may delete it
}

func (op Submit) apply(s *State, c *Change) (Receipt, error) {
	if decoy, fake := s.decoys[op.Generation]; fake {
		return s.submitDecoy(c, decoy, op)
	}
	g, ok := s.generations[op.Generation]
	if !ok || (op.Type == Scribe) != (g.request.Text != nil) {
		return Receipt{}, refuse(CodeInvalidJobID, "Processing Job with ID %s does not exist.", op.Generation)
	}
	w, r := s.workers[g.Worker], g.request
	if err := mayDeliver(w, g, op); err != nil {
		return Receipt{}, err
	}
	if g.State != GenerationProcessing {
		return Receipt{Request: r.ID}, nil
	}
	if op.Faulted {
		s.fault(c, g)
		return Receipt{Request: r.ID}, nil
	}

	g.State, g.Finished, g.Blob, g.Meta = GenerationCompleted, c.Now, op.Blob, op.Meta
	if op.HasSeed {
		g.Seed = op.Seed
	}
	for _, m := range op.Meta {
		g.Censored = g.Censored || m.Type == MetaCensorship
	}
	if r.Text != nil {
		g.deliverText(&op)
	} else if g.abusive() {
		s.reported(c, r, w)
	}
	r.processing--
	r.finished++
	r.Expiry = later(r.Expiry, c.Now.Add(RequestTTL))
	g.Reward = s.settle(c, r, g, w)
	if r.finished == 1 {
		if styler, thanked := s.thankStyler(c, r.style(), r.User, r.ID); thanked {
			records(styler, r).Styled++
		}
	}

	things := g.things()
	elapsed := c.Now.Sub(g.Started).Seconds()
	sample := float64(things)
	if elapsed > 0 {
		sample = float64(things) / elapsed
	}
	w.Performance = append(w.Performance, float64(int64(sample*10))/10)
	if n := len(w.Performance); n > MaxPerformance {
		w.Performance = append(w.Performance[:0:0], w.Performance[n-MaxPerformance:]...)
	}
	w.derive()
	w.Fulfilled++
	w.Things += things
	s.creditTeam(c, w, g.Reward, things)
	if elapsed > 0 {
		s.judgeSpeed(c, s.users[w.Owner], w, g.Model, sample)
	}
	s.delivered[r.lane()].add(c.Now, things)
	nominal := things
	if r.Kind == Dreamer {
		nominal = r.Image.NominalThings()
	}
	s.countDelivered(c, r.Kind.stat(), g.Model, nominal)

	c.saveGeneration(g)
	c.saveRequest(r)
	c.saveWorker(w)
	c.emit(Event{Kind: GenerationDone, Request: r.ID, Generation: g.ID, User: r.User, Worker: w.ID})
	s.releaseIfDone(c, r)
	if r.Done() {
		c.emit(Event{Kind: RequestDone, Request: r.ID, User: r.User})
	}
	return Receipt{Reward: g.Reward, Request: r.ID}, nil
}

// abusive reports whether a worker says that a generation shows abuse.
func (g *Generation) abusive() bool {
	return slices.ContainsFunc(g.Meta, func(m Meta) bool { return m.Type == MetaCensorship && m.Value == MetaCSAM })
}

// records are a person's counts of a request's kind.
func records(u *User, r *Request) *Records {
	if r.Text != nil {
		return &u.Text
	}
	return &u.Image
}

// things is the work in one delivery: pixelsteps of an image, tokens of a text as long as it became.
func (g *Generation) things() int64 {
	if t := g.request.Text; t != nil {
		return g.tokensIn(t)
	}
	return g.request.Image.Things()
}

// mayDeliver refuses what cannot be delivered. A generation that is over already and yet not refused gets no reward.
func mayDeliver(w *Worker, g *Generation, op Submit) error {
	switch {
	case w == nil || w.Owner != op.Owner:
		return refuse(CodeWrongCredentials, "Wrong credentials to submit as this worker.")
	case len(op.Meta) > MaxMetadata:
		return refuse(CodeBadRequest, "%d metadata entries, at most %d are allowed", len(op.Meta), MaxMetadata)
	case g.State == GenerationCompleted && !w.Maintenance:
		return refuse(CodeDuplicateGen, "Processing Job with ID %s has already submitted its generation.", g.ID)
	case g.State == GenerationFaulted && !op.Faulted:
		return refuse(CodeAbortedGen,
			"Processing Job with ID %s was aborted because it took too long. Please check your worker speed or ask for smaller images.", g.ID)
	case len(op.Text) > MaxTextBytes:
		return refuse(CodeBadRequest, "the text has %d bytes, at most %d are taken", len(op.Text), MaxTextBytes)
	case g.State == GenerationProcessing && !op.Faulted && op.Blob == "" && g.request.Text == nil:
		return refuse(CodeBadRequest, "a delivered generation needs an image")
	}
	return nil
}

// settle moves the kudos of one delivered image or text: the requester pays the price and a surcharge, the owner
// earns the price by the worker's software, the difference is burned, or minted when it is negative.
// An owner who is not trusted yet gets half of it in escrow.
func (s *State) settle(c *Change, r *Request, g *Generation, w *Worker) kudos.Amount {
	requester, owner := s.users[r.User], s.users[w.Owner]
	var worth, debit, credit kudos.Amount
	asked, gave := records(requester, r), records(owner, r)
	if r.Text != nil {
		worth, debit = s.settleText(r, g, w)
		credit = worth
	} else {
		worth, debit = s.settleImage(r, g)
		credit = worth * kudosShare(w) / 100
	}

	share := kudos.Amount(0)
	if !owner.Has(RoleTrusted) {
		share = credit / 2
	}
	earned := []kudos.Posting{
		{Account: spendable(owner.ID), Amount: credit - share}, {Account: evaluated(owner.ID), Amount: share},
	}
	if debit >= credit {
		earned = append(earned, kudos.Posting{Account: kudos.Burn, Amount: debit - credit})
	} else {
		earned = append(earned, kudos.Posting{Account: kudos.Treasury, Amount: debit - credit})
	}
	s.charge(c, requester, "settle:"+g.ID.String(), kudos.KindSettle, debit, r, earned)

	things := g.things()
	asked.UsageThings += requester.usage(things)
	requester.LastActive, owner.LastActive = c.Now, c.Now
	gave.ContributionThings += things
	gave.Fulfilments++
	owner.Details.Accumulated += credit - share // the escrow counts when it is paid out
	w.Generated += credit
	c.saveUser(requester)
	c.saveUser(owner)
	s.maybeTrust(c, owner)
	return credit
}

// settleImage is what one delivered image is worth, and what its requester pays for it.
func (s *State) settleImage(r *Request, g *Generation) (worth, debit kudos.Amount) {
	factor := s.factorFor(&r.Image, g.Model)
	if w := s.workers[g.Worker]; len(r.Models) == 0 && s.models[g.Model] == nil && !s.users[w.Owner].vouchedFor() {
		factor = 1 // who takes any model does not pay for what a stranger calls theirs
	}
	worth = kudos.Times(r.Price, factor)
	exclude := r.Exclude && len(r.Workers) > 0
	if g.Censored {
		return worth, kudos.ImageDebit(0, false, !r.SlowWorkers, exclude)
	}
	return worth, kudos.ImageDebit(worth, r.Image.Source != "", !r.SlowWorkers, exclude, r.Image.Post...)
}

// charge takes an amount from a person: from what is held for the request first, then from the balance
// down to its floor; what the floor forgives comes from the subsidy account, as a posting of its own. It
// goes to the given postings, or is burned when there are none.
func (s *State) charge(c *Change, u *User, key string, kind kudos.Kind, amount kudos.Amount, r *Request, to []kudos.Posting) {
	fromHold := kudos.Amount(0)
	if kind == kudos.KindSettle {
		fromHold = min(amount, r.Held)
	}
	rest := amount - fromHold
	fromBalance := min(rest, max(0, u.Balance-u.Floor()))
	postings := []kudos.Posting{
		{Account: held(u.ID), Amount: -fromHold},
		{Account: spendable(u.ID), Amount: -fromBalance},
		{Account: kudos.Subsidy, Amount: -(rest - fromBalance)},
	}
	if to == nil {
		to = []kudos.Posting{{Account: kudos.Burn, Amount: amount}}
	}
	r.Held -= fromHold
	r.Consumed += amount
	u.Details.Accumulated -= amount
	s.spendSharedKey(c, r.SharedKey, amount)
	c.post(s, key, kind, append(postings, to...))
}

// releaseIfDone gives back what is still held for a request that will deliver nothing more. What is in flight
// when a request fails may still come, and is paid.
func (s *State) releaseIfDone(c *Change, r *Request) {
	if !r.Done() || r.processing > 0 || r.Held == 0 {
		return
	}
	s.release(c, r)
	c.saveRequest(r)
}

func (s *State) release(c *Change, r *Request) {
	amount := r.Held
	r.Held = 0
	c.post(s, "release:"+r.ID.String(), kudos.KindRelease, kudos.Move(held(r.User), spendable(r.User), amount))
}

// fault takes a generation from its worker and returns its image to the queue; the third fault of a
// request ends it.
func (s *State) fault(c *Change, g *Generation) {
	r := g.request
	g.State, g.Finished = GenerationFaulted, c.Now
	r.processing--
	r.Faults++
	switch {
	case r.State == RequestCancelled:
		r.Jobs--
	case r.Faults >= FaultsPerFailed && r.State == RequestActive:
		s.dequeue(r)
		r.N++ // this image, too, was not delivered
		r.State = RequestFaulted
	case r.State == RequestActive:
		s.giveBack(r)
		c.emit(Event{Kind: RequestQueued, Request: r.ID, User: r.User})
	}
	if w := s.workers[g.Worker]; w != nil {
		s.drop(c, w)
	}
	s.releaseIfDone(c, r)
	c.saveGeneration(g)
	c.saveRequest(r)
	kind := RequestChanged
	if r.State == RequestFaulted {
		kind = RequestGone
	}
	c.emit(Event{Kind: kind, Request: r.ID, User: r.User})
}

// Expire ends whatever is past its time: generations go back to the queue, requests leave with their
// results. It reports whether anything changed.
type Expire struct{}

func (op Expire) apply(s *State, c *Change) (int, error) { //nolint:unparam // all operations look alike
	ended := s.sweepGuard(c)
	for ended < maxExpiriesPerRun {
		at, ok := s.deadlines.next()
		if !ok || at.After(c.Now) {
			break
		}
		d := s.deadlines.pop()
		if g, ok := s.generations[d.generation]; ok && g.State == GenerationProcessing {
			s.fault(c, g)
			ended++
		}
		if s.expireMessage(c, d.message) || s.expireForm(c, d.form) || s.expireAlchemy(c, d.alchemy) {
			ended++
		}
		if s.expireGift(c, d.gift) || s.expirePurse(c, d.purse) {
			ended++
		}
		r, ok := s.requests[d.request]
		switch {
		case !ok:
		case c.Now.Before(r.Expiry):
			s.deadlines.push(r.Expiry, deadline{request: r.ID})
		default:
			s.remove(c, r)
			ended++
		}
	}
	return ended, nil
}

// maxExpiriesPerRun bounds one run; the engine runs again at once when more is due.
const maxExpiriesPerRun = 1000

// NextDeadline is when Expire has something to do.
func (s *State) NextDeadline() (time.Time, bool) { return s.deadlines.next() }

// remove forgets a request and its generations. What was held for it is released.
func (s *State) remove(c *Change, r *Request) {
	s.dequeue(r)
	if r.Held > 0 {
		s.release(c, r)
	}
	for _, g := range r.generations {
		delete(s.generations, g.ID)
	}
	s.dropDecoys(r)
	delete(s.requests, r.ID)
	if key := (requestKey{r.User, r.Key}); s.requestKeys[key] == r.ID {
		delete(s.requestKeys, key)
	}
	d := s.desks[r.User]
	delete(d.live, r.ID)
	if r.Text != nil {
		d.prompts -= len(r.Text.Prompt)
	}
	if len(d.live) == 0 {
		delete(s.desks, r.User)
	}
	c.dirty.goneRequests.add(r.ID)
	c.writes++
	c.emit(Event{Kind: RequestGone, Request: r.ID, User: r.User})
}

// Abandon returns everything a worker has in flight to the queue, without counting it as dropped: its
// owner says that the worker was started anew. It returns how many images went back.
type Abandon struct {
	Owner  UserID
	Worker string // name
}

func (op Abandon) apply(s *State, c *Change) (int, error) {
	id, ok := s.workerByName[workerName(op.Worker)]
	if !ok {
		return 0, nil
	}
	w := s.workers[id]
	if w.Owner != op.Owner {
		return 0, refuse(CodeWrongCredentials, "Wrong credentials to speak for this worker.")
	}
	var open []*Generation
	for _, g := range s.generations {
		if g.Worker == id && g.State == GenerationProcessing {
			open = append(open, g)
		}
	}
	sortGenerations(open)
	for _, g := range open {
		r := g.request
		g.State, g.Finished = GenerationFaulted, c.Now
		r.processing--
		if r.State == RequestActive {
			s.giveBack(r)
			c.emit(Event{Kind: RequestQueued, Request: r.ID, User: r.User})
		} else {
			r.Jobs--
		}
		s.releaseIfDone(c, r)
		c.saveGeneration(g)
		c.saveRequest(r)
		c.emit(Event{Kind: RequestChanged, Request: r.ID, User: r.User})
	}
	return len(open), nil
}
