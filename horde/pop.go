// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"container/heap"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"stablemate/horde/origin"
)

// Pop asks for work on behalf of a worker, and is its check-in.
type Pop struct {
	Owner    UserID
	Origin   origin.Origin
	Address  Address    // what is known about the origin
	Type     WorkerType // Dreamer or Scribe; empty counts as Dreamer
	Offer    Offer
	Priority []UserID // whose requests come first, besides the owner's own
	Amount   int      // images wanted at once
}

// Job is what a worker gets: one or more images of one request, all of one model.
type Job struct {
	Request     RequestID
	Generations []GenerationID // empty when there is nothing to do
	Seeds       []uint32
	Model       string
	Image       Image
	Text        *Text // of a scribe's job, else nil; shared, not to be changed
	Seed        uint32
	TTL         time.Duration
	R2          bool
	CensorNSFW  bool // the request is not NSFW and asks for censoring
	Skipped     map[string]int
	Worker      WorkerID
	Messages    []Message // for the worker, with work or without
}

func (op Pop) apply(s *State, c *Change) (Job, error) {
	owner, ok := s.users[op.Owner]
	if !ok {
		return Job{}, refuse(CodeInvalidAPIKey, "no user matches this API key")
	}
	kind := op.Type
	if kind == "" {
		kind = Dreamer
	}
	w, err := s.checkIn(c, owner, kind, op)
	if err != nil {
		return Job{}, err
	}
	p := popper{s: s, w: w, lane: laneOf(w.Type), owner: owner, now: c.Now, have: w.have, friends: op.Priority}
	if owner.Has(RoleTrusted) {
		p.have |= needTrusted
	}
	r := p.fromFriends(append([]UserID{owner.ID}, op.Priority...))
	if r == nil && !w.Maintenance {
		r = p.fromQueue()
	}
	if r == nil {
		if w.Maintenance {
			reason := w.MaintReason
			if reason == "" {
				reason = DefaultMaintenance
			}
			return Job{}, refuse(CodeWorkerMaintenance, "%s", reason)
		}
		return Job{Worker: w.ID, Skipped: p.skipped(), Messages: s.messagesFor(w.ID, c.Now)}, nil
	}
	job := s.assign(c, r, w, max(1, op.Amount))
	job.Messages = s.messagesFor(w.ID, c.Now)
	return job, nil
}

// popper looks for the best request one worker may have.
type popper struct {
	s      *State
	w      *Worker
	lane   lane
	owner  *User
	now    time.Time
	have   need
	passed map[string]int // why the best candidates were passed over
	// friends are whom the worker prefers: it asks them for no kudos up front.
	friends []UserID
}

// fromFriends looks at the requests of the owner and of people the worker prefers. They are few: each
// person's concurrency bounds them.
func (p *popper) fromFriends(users []UserID) *Request {
	var own []*Request
	for i, u := range users {
		if u == Anonymous || i > 0 && p.w.Maintenance {
			continue
		}
		d := p.s.desks[u]
		if d == nil {
			continue
		}
		for _, r := range d.waiting {
			if r.lane() == p.lane && p.fits(r.class()) && p.offers(r) {
				own = append(own, r)
			}
		}
	}
	sort.Slice(own, func(i, j int) bool { return before(own[i], own[j]) })
	for _, r := range own {
		if r.waiting(p.now) && p.refuses(r) == "" {
			return r
		}
	}
	return nil
}

// fromQueue finds the first request in queue order that the worker can take. It looks at the head of each
// fitting class on the shelves of the worker, so its cost does not depend on the length of the queue.
func (p *popper) fromQueue() *Request {
	type head struct {
		at     shelf
		q      *shelfQueue
		b      *bucket
		looked int
	}
	var heads []*head
	visit := func(at shelf) {
		q := p.s.queue.shelves[at]
		if q == nil {
			return
		}
		for i := 0; i < len(q.classes); {
			b := q.classes[i]
			if !p.fits(b.class) {
				i++
				continue
			}
			for len(b.entries) > 0 && b.entries[0].stale() {
				heap.Pop(&b.entries)
			}
			if len(b.entries) == 0 {
				p.s.sweep(at, q, b) // removes classes[i]
				continue
			}
			heads = append(heads, &head{at: at, q: q, b: b})
			i++
		}
	}
	visit(shelf{lane: p.lane, worker: p.w.ID})
	if !p.w.special {
		visit(shelf{lane: p.lane})
	}
	for _, m := range p.w.Offer.Models {
		visit(shelf{lane: p.lane, model: m})
	}

	type aside struct {
		b *bucket
		e entry
	}
	var put []aside
	defer func() {
		for _, a := range put {
			heap.Push(&a.b.entries, a.e)
		}
	}()
	for {
		var best *head
		for _, h := range heads {
			for len(h.b.entries) > 0 && h.b.entries[0].stale() {
				heap.Pop(&h.b.entries)
			}
			if len(h.b.entries) == 0 || h.looked >= candidatesPerClass {
				continue
			}
			if best == nil || before(h.b.entries[0].r, best.b.entries[0].r) {
				best = h
			}
		}
		if best == nil {
			return nil
		}
		r := best.b.entries[0].r
		if r.waiting(p.now) {
			var why string
			if !p.offers(r) {
				why = "models"
			} else {
				why = p.refuses(r)
			}
			if why == "" {
				return r
			}
			if p.passed == nil {
				p.passed = make(map[string]int)
			}
			if why != hidden {
				p.passed[why]++
			}
		}
		best.looked++
		put = append(put, aside{best.b, heap.Pop(&best.b.entries).(entry)})
	}
}

// fits compares constants of a class with constants of the worker.
func (p *popper) fits(c class) bool {
	return c.need&^p.have == 0 && int(c.size) <= p.w.size && int(c.context) <= p.w.context && (!p.w.Offer.ExtraSlow || c.need&okExtraSlow != 0)
}

// offers reports whether the worker has a model for a request. What will do with any model is not for workers that serve
// models of one account.
func (p *popper) offers(r *Request) bool {
	if len(r.Models) == 0 {
		return !p.w.special
	}
	return overlap(r.Models, p.w.Offer.Models)
}

// refuses says why this worker may not have a request that its class allows, or "".
func (p *popper) refuses(r *Request) string {
	w := p.w
	if p.s.decoyed(r, w) {
		return hidden
	}
	if len(r.Workers) > 0 {
		listed := false
		for _, id := range r.Workers {
			listed = listed || id == w.ID
		}
		if listed == r.Exclude {
			return "worker_id"
		}
	}
	if len(w.Offer.Blacklist) > 0 {
		prompt := strings.ToLower(r.prompt())
		for _, word := range w.Offer.Blacklist {
			if strings.Contains(prompt, word) {
				return "blacklist"
			}
		}
	}
	if p.lane == imageLane {
		if why := p.refusesImage(r); why != "" {
			return why
		}
	}
	if w.Offer.NeedsUpfront {
		u := p.s.users[r.User]
		if u.ID != p.owner.ID && !u.Has(RoleTrusted) && !slices.Contains(p.friends, u.ID) && u.Available() < r.Price && r.Held < r.Price {
			return "kudos"
		}
	}
	return ""
}

// refusesImage is the part of refuses about what a dreamer can do.
func (p *popper) refusesImage(r *Request) string {
	w := p.w
	if why := p.cannot(r); why != "" {
		return why
	}
	if w.Offer.LimitSteps {
		models := r.Models
		if len(models) == 0 {
			models = w.Offer.Models
		}
		if r.Image.EffectiveSteps() > p.s.limitedSteps(models) {
			return "step_count"
		}
	}
	return ""
}

// cannot says what about an image is beyond the worker's software or its models, or "".
func (p *popper) cannot(r *Request) string {
	w, i := p.w, &r.Image
	if i.Painting() && !slices.ContainsFunc(w.Offer.Models, func(m string) bool { return p.s.model(m).Inpainting }) {
		return "models"
	}
	if !i.Painting() && !slices.ContainsFunc(w.Offer.Models, func(m string) bool { return !p.s.model(m).Inpainting }) {
		return "models"
	}
	if !samplesWith(w.Offer.BridgeAgent, i.Sampler, i.Karras) {
		return "bridge_version"
	}
	var needs Capability
	add := func(on bool, can Capability) {
		if on {
			needs |= can
		}
	}
	for _, name := range i.Post {
		needs |= canPost(name)
	}
	for _, l := range i.Loras {
		add(l.IsVersion, CanLoraVersions)
	}
	families := func(is func(Family) bool) bool {
		return len(r.Models) > 0 && !slices.ContainsFunc(r.Models, func(m string) bool { return !is(p.s.model(m).Family) })
	}
	add(i.ReturnControl, CanReturnControl)
	add(i.ImageIsControl, CanImageIsControl)
	add(i.ClipSkip > 1, CanClipSkip)
	add(i.HiresFix && families(func(f Family) bool { return f == Cascade }), CanCascade2Pass)
	add(families(func(f Family) bool { return f == Flux }), CanFlux)
	add(len(i.Extra) > 0, CanExtraSources)
	add(i.Workflow != "" || len(i.ExtraTexts) > 0, CanWorkflows|CanControlNet)
	if !w.can.Has(needs) {
		return "bridge_version"
	}
	if i.Workflow == WorkflowQRCode {
		switch {
		case !w.Offer.ControlNet:
			return "controlnet"
		case !w.Offer.SDXLControl && slices.ContainsFunc(w.Offer.Models, func(m string) bool { return p.s.model(m).Family == SDXL }):
			return "controlnet"
		}
	}
	return ""
}

// skipped counts why waiting requests were not for this worker. It goes through the classes of all
// shelves, not through requests.
func (p *popper) skipped() map[string]int {
	out := make(map[string]int)
	if p.lane == imageLane { // scribes are told only what counts
		for _, why := range []string{
			"worker_id", "performance", "nsfw", "untrusted", "models", "bridge_version", "unsafe_ip", "img2img", "painting",
			"post-processing", "lora", "controlnet",
		} {
			out[why] = 0
		}
	}
	for why, n := range p.passed {
		out[why] += n
	}
	offered := make(map[string]bool, len(p.w.Offer.Models))
	for _, m := range p.w.Offer.Models {
		offered[m] = true
	}
	visited := 0
	for at, q := range p.s.queue.shelves {
		if at.lane != p.lane {
			continue
		}
		if visited++; visited > maxShelvesCounted {
			break
		}
		for _, b := range q.classes {
			n := len(b.entries)
			if n == 0 {
				continue
			}
			if !at.worker.IsZero() && at.worker != p.w.ID {
				out["worker_id"] += n
			}
			if at.model != "" && !offered[at.model] {
				out["models"] += n
			}
			lacks := b.class.need &^ p.have
			for bit, name := range skipNames {
				if lacks&bit == 0 {
					continue
				}
				out[p.skipReason(bit, name)] += n
			}
			if p.w.Offer.ExtraSlow && b.class.need&okExtraSlow == 0 {
				out["performance"] += n
			}
			if int(b.class.size) > p.w.size {
				out[p.tooLarge()] += n
			}
			if int(b.class.context) > p.w.context {
				out["max_context_length"] += n
			}
		}
	}
	return out
}

// tooLarge names the bound that a request is above.
func (p *popper) tooLarge() string {
	if p.lane == textLane {
		return "max_length"
	}
	return "max_pixels"
}

// maxShelvesCounted bounds the work for skip counters when people name thousands of models.
const maxShelvesCounted = 1000

var skipNames = map[need]string{ //nolint:gochecknoglobals // a constant table
	needNSFW: "nsfw", needTrusted: "untrusted", needFast: "performance", needR2: "bridge_version",
	needImg2Img: "img2img", needPainting: "painting", needPost: "post-processing", needLora: "lora",
	needTI: "bridge_version", needControl: "controlnet", needHires: "bridge_version",
	needTiling: "bridge_version", needTransparent: "bridge_version",
	needValidated: "bridge_version", needTokens3: "performance", needTokens4: "performance", needTokens5: "performance",
}

// skipReason tells a switch of the worker from software that is too old.
func (p *popper) skipReason(bit need, name string) string {
	o := &p.w.Offer
	on := map[need]bool{needImg2Img: o.Img2Img, needPainting: o.Painting, needPost: o.Post, needLora: o.Lora, needControl: o.ControlNet}
	if on[bit] {
		return "bridge_version"
	}
	return name
}

// safeAmount is how many images of a request fit into the worker's memory at once.
//
// Formula (horde rules, handing out): round((max_pixels/3.5 × amount) / (w·h × (1 + 0.4 × post-processors) × 1.8 if one of
// them is heavy or the image transparent × the family's factor)), within 1…amount.
func (s *State) safeAmount(w *Worker, r *Request, amount int) int {
	amount = min(amount, MaxImagesPerRequest)
	if r.Text != nil {
		return min(r.N, amount)
	}
	if r.DisableBatching {
		return 1
	}
	area := float64(r.Image.Width*r.Image.Height) * (1 + 0.4*float64(len(r.Image.Post)))
	if r.Image.Transparent || slices.ContainsFunc(r.Image.Post, heavy) {
		area *= 1.8
	}
	largest := 1.0
	for _, m := range r.Models {
		largest = max(largest, batchFactor(s.model(m).Family))
	}
	area *= largest
	n := int(math.RoundToEven(float64(w.Offer.MaxPixels) / 3.5 * float64(amount) / area))
	return min(r.N, min(amount, max(1, n)))
}

// assign hands out images of a request to a worker.
func (s *State) assign(c *Change, r *Request, w *Worker, amount int) Job {
	n := s.safeAmount(w, r, amount)
	model := chooseModel(r, w, c.IDs.Uint32())
	ttl := TextJobTTL
	if r.Text == nil {
		ttl = s.jobTTL(r, w.Offer.ExtraSlow)
	}
	job := Job{
		Request: r.ID, Model: model, Image: r.Image, Text: r.Text, TTL: ttl, R2: r.R2, Worker: w.ID,
		CensorNSFW: r.CensorNSFW && !r.NSFW, Seed: seedOf(r, n, c.IDs),
	}
	if w.Paused && r.User != w.Owner {
		return s.decoy(c, r, w, job, n)
	}
	s.handOut(r, n)
	for i := range n {
		g := &Generation{
			ID: GenerationID{c.IDs.UUID()}, Request: r.ID, Worker: w.ID, Model: model, Seed: job.Seed + uint32(i),
			Started: c.Now, Deadline: c.Now.Add(ttl), request: r,
		}
		if r.Text != nil {
			g.Seed = 0 // scribes choose their own
		}
		s.generations[g.ID] = g
		r.generations = append(r.generations, g)
		r.processing++
		s.deadlines.push(g.Deadline, deadline{generation: g.ID})
		c.dirty.bornGens[g.ID] = true
		c.saveGeneration(g)
		job.Generations = append(job.Generations, g.ID)
		job.Seeds = append(job.Seeds, g.Seed)
	}
	life := RequestTTL
	if w.Offer.ExtraSlow {
		life = ExtraSlowTTL
	}
	r.Expiry = later(r.Expiry, c.Now.Add(life))
	c.saveRequest(r)
	c.emit(Event{Kind: RequestChanged, Request: r.ID, User: r.User})
	return job
}

// jobTTL is how long a worker has to deliver: 30 s plus 2 s per effective step and 512×512 pixels, doubled with a
// ControlNet, three times that for the big families, at least MinJobTTL, and three times that for extra slow workers.
func (s *State) jobTTL(r *Request, extraSlow bool) time.Duration {
	i := &r.Image
	seconds := 30 + 2*float64(i.EffectiveSteps())*float64(i.Width*i.Height)/(512*512)
	if i.Control != "" {
		seconds *= 2
	}
	if s.anyModel(r.Models, func(m Model) bool { return slow(m.Family) }) {
		seconds *= 3
	}
	ttl := max(MinJobTTL, time.Duration(seconds)*time.Second)
	if extraSlow {
		ttl *= 3
	}
	return ttl
}

func chooseModel(r *Request, w *Worker, random uint32) string {
	offered := w.Offer.Models
	if len(r.Models) > 0 {
		offered = offered[:0:0]
		for _, m := range r.Models {
			if oneOf(m, w.Offer.Models) {
				offered = append(offered, m)
			}
		}
	}
	return offered[int(random)%len(offered)]
}

// seedOf reads the request's seed: digits are a number, other text its bytes as a little-endian number,
// both shifted right by 32 bits until they fit 32. Without one it is random per hand-out. It is asked for before
// n images leave the queue.
func seedOf(r *Request, n int, ids IDSource) uint32 {
	if r.Text != nil {
		return 0
	}
	if r.Image.Seed == "" {
		return ids.Uint32()
	}
	seed := FoldSeed(r.Image.Seed)
	if r.Image.SeedVariation > 0 {
		return seed + uint32(r.Image.SeedVariation)*uint32(r.N)
	}
	// Images of one request differ: a hand-out takes the first n seeds in a row that no other one has, so that
	// the seed of an image that failed is drawn again.
	taken := make(map[uint32]bool, len(r.generations))
	for _, g := range r.generations {
		if g.State != GenerationFaulted {
			taken[g.Seed] = true
		}
	}
	first := uint32(0)
	for i, free := uint32(0), 0; free < n; i++ {
		free++
		if taken[seed+i] {
			first, free = i+1, 0
		}
	}
	return seed + first
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
