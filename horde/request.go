// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"encoding/json"
	"slices"
	"time"

	"stablemate/horde/kudos"
	"stablemate/horde/origin"
)

// Lora, TI and Meta are as in the API.
type (
	// Lora is an add-on network asked for by name.
	Lora struct {
		Name          string  `json:"name"`
		Model         float64 `json:"model"`
		Clip          float64 `json:"clip"`
		InjectTrigger string  `json:"inject_trigger,omitempty"`
		IsVersion     bool    `json:"is_version,omitempty"`
	}
	// TI is a textual inversion asked for by name.
	TI struct {
		Name     string  `json:"name"`
		InjectTI string  `json:"inject_ti,omitempty"`
		Strength float64 `json:"strength"`
	}
	// ExtraSource is a further source image.
	ExtraSource struct {
		Blob     string  `json:"blob"`
		Strength float64 `json:"strength"`
	}
	// ExtraText is a text that a workflow puts into the image.
	ExtraText struct {
		Text      string `json:"text"`
		Reference string `json:"reference"`
	}
	// Meta tells something about a delivered generation.
	Meta struct {
		Type  string `json:"type"`
		Value string `json:"value"`
		Ref   string `json:"ref,omitempty"`
	}
)

// Image is everything an image request asks of a worker. It never changes after Enqueue.
type Image struct {
	Prompt         string   `json:"prompt"` // the negative part follows ###
	Sampler        string   `json:"sampler"`
	CFG            float64  `json:"cfg"`
	Width          int      `json:"width"`
	Height         int      `json:"height"`
	Steps          int      `json:"steps"`
	Seed           string   `json:"seed,omitempty"` // as given; empty means random
	SeedVariation  int      `json:"seed_variation,omitempty"`
	Karras         bool     `json:"karras,omitempty"`
	Tiling         bool     `json:"tiling,omitempty"`
	HiresFix       bool     `json:"hires_fix,omitempty"`
	Transparent    bool     `json:"transparent,omitempty"`
	ClipSkip       int      `json:"clip_skip,omitempty"`
	Denoising      float64  `json:"denoising,omitempty"`
	HiresDenoising float64  `json:"hires_denoising,omitempty"`
	FaceFixer      float64  `json:"facefixer,omitempty"`
	Post           []string `json:"post,omitempty"`
	Control        string   `json:"control,omitempty"`
	ImageIsControl bool     `json:"image_is_control,omitempty"`
	ReturnControl  bool     `json:"return_control,omitempty"`
	Loras          []Lora   `json:"loras,omitempty"`
	TIs            []TI     `json:"tis,omitempty"`
	Source         string   `json:"source,omitempty"` // blob key of the source image
	SourceMask     string   `json:"source_mask,omitempty"`
	Processing     string   `json:"processing,omitempty"` // img2img, inpainting, outpainting, remix

	Extra      []ExtraSource   `json:"extra,omitempty"` // further source images, for remix
	Workflow   string          `json:"workflow,omitempty"`
	ExtraTexts []ExtraText     `json:"extra_texts,omitempty"` // for the workflow
	Special    json.RawMessage `json:"special,omitempty"`     // for models that belong to one account

	Style *AppliedStyle `json:"style,omitempty"` // that the request was made with
}

// EffectiveSteps counts what the sampler really runs.
func (i *Image) EffectiveSteps() int {
	switch i.Sampler {
	case "k_heun", "k_dpm_2", "k_dpm_2_a", "k_dpmpp_2s_a", "k_dpmpp_sde":
		return 2 * i.Steps
	case "k_dpm_adaptive":
		return 40
	}
	return i.Steps
}

// Things is the work in one image, in pixelsteps.
func (i *Image) Things() int64 { return int64(i.Width) * int64(i.Height) * int64(i.EffectiveSteps()) }

// NominalThings is the work in one image by the steps that were asked for, as statistics count it.
func (i *Image) NominalThings() int64 { return int64(i.Width) * int64(i.Height) * int64(i.Steps) }

// Painting reports whether part of a source image is to be repainted.
func (i *Image) Painting() bool {
	return i.Source != "" && (i.Processing == "inpainting" || i.Processing == "outpainting")
}

// RequestState says where a request is in its life. The numbers are stored.
type RequestState int8

// States of a request.
const (
	RequestActive    RequestState = 0
	RequestCancelled RequestState = 1
	RequestFaulted   RequestState = 2 // too many generations failed
)

// Request is what a user asked for: one or more images, or texts.
type Request struct {
	ID      RequestID
	User    UserID
	Origin  origin.Origin
	Client  string // Client-Agent, as sent
	Key     string // idempotency key of the requester, may be empty
	Webhook string // https address to call with each delivered generation, may be empty
	Created time.Time

	Kind    WorkerType // Dreamer or Scribe
	Image   Image
	Text    *Text    // of a scribe's request, else nil; never changes
	Models  []string // empty means any
	Workers []WorkerID
	Exclude bool // Workers is an exclusion list

	NSFW, CensorNSFW, TrustedWorkers, SlowWorkers, ExtraSlowWorkers bool
	R2, Shared, DisableBatching                                     bool

	SharedKey SharedKeyID // through which it is paid; zero: none
	Proxied   string      // whom a service account asks for

	Price kudos.Amount // of one image, as a worker is paid
	Rank  int64        // order in the queue, lower first; fixed at activation

	N        int // images not handed out
	Jobs     int // images asked for, less those a cancel took back
	Faults   int // generations that failed
	State    RequestState
	Expiry   time.Time
	Consumed kudos.Amount
	Held     kudos.Amount // still set aside for this request

	// Derived while in memory, never stored.
	processing, finished int
	generations          []*Generation
	decoys               []*Generation
	ticket               uint32 // of the valid queue entry
	queued               bool
	needs                need
}

// Done reports whether nothing more will be delivered: it failed, or nothing is waiting or in flight.
func (r *Request) Done() bool {
	return r.State == RequestFaulted || r.N == 0 && r.processing == 0
}

// waiting reports whether a pop may hand out an image of it.
func (r *Request) waiting(now time.Time) bool {
	return r.N > 0 && r.State == RequestActive && now.Before(r.Expiry)
}

// ready is waiting without a clock: what counts as queued.
func (r *Request) ready() bool { return r.N > 0 && r.State == RequestActive }

// GenerationState says where a generation is in its life. The numbers are stored.
type GenerationState int8

// States of a generation.
const (
	GenerationProcessing GenerationState = 0
	GenerationCompleted  GenerationState = 1
	GenerationFaulted    GenerationState = 2 // reported by the worker, or out of time
)

// Generation is one image or text of a request, given to one worker.
type Generation struct {
	ID       GenerationID
	Request  RequestID
	Worker   WorkerID
	Model    string
	Seed     uint32
	State    GenerationState
	Started  time.Time
	Deadline time.Time
	Finished time.Time

	Blob     string // key of the stored image, once delivered
	Text     string // the delivered text of a scribe
	Censored bool
	Meta     []Meta
	Reward   kudos.Amount

	request *Request
}

// NewImage is what Enqueue takes: a checked request without the parts the rules decide.
type NewImage struct {
	User   UserID
	Origin origin.Origin
	Client string
	// SharedKey is what the caller showed instead of a key of their own; its owner then pays, whoever User is.
	SharedKey SharedKeyID
	Proxied   string // whom a service account asks for, in its own words
	Service   UserID // whose proxy passkey the call showed; 0 for none
	Image     Image
	N         int
	Models    []string
	Workers   []WorkerID
	Exclude   bool
	Key       string // optional idempotency key: the same key returns the same request
	Webhook   string // optional https address to call with each delivered generation
	DryRun    bool
	Address   Address // what is known about where it comes from; it counts during a raid

	NSFW, CensorNSFW, TrustedWorkers, SlowWorkers, ExtraSlowWorkers bool
	R2, Shared, DisableBatching, AllowDowngrade                     bool
	KeepPrompt                                                      bool // the filter refuses the prompt rather than rewriting it
}

// Enqueued is the answer to Enqueue.
type Enqueued struct {
	ID       RequestID
	Kudos    kudos.Amount // price of one image, or of all for a dry run
	Warnings []Warning
	Possible bool
	Tamed    bool // the safety filter changed the prompt; not told of a repeat
}

// Warning is an advice that does not stop a request.
type Warning struct {
	Code    string
	Message string
}

// WarnNoWorker is the code of the warning that no worker can take a request now.
const WarnNoWorker = "NoAvailableWorker"

// Enqueue puts an image request into the queue.
type Enqueue struct{ NewImage }

func (op Enqueue) apply(s *State, c *Change) (Enqueued, error) {
	pay, err := s.payerOf(op.User, op.SharedKey, op.Image.Style, op.AllowDowngrade, c.Now)
	if err != nil {
		return Enqueued{}, err
	}
	u := pay.user
	if err := checkAsker(u, op.Proxied); err != nil {
		return Enqueued{}, err
	}
	switch {
	case op.Client == placeholderClientAgent:
		return Enqueued{}, refuse(CodeBannedClientAgent, "please put the name of your program into Client-Agent")
	case s.modes.Maintenance:
		return Enqueued{}, refuse(CodeMaintenanceMode, "this horde is in maintenance mode; please try again later")
	}
	if err := mayBring(u, len(op.Image.Extra)); err != nil {
		return Enqueued{}, err
	}
	// An empty name names no model.
	op.Models = slices.DeleteFunc(unique(op.Models), func(m string) bool { return m == "" })
	op.Workers = unique(op.Workers)
	if err := checkImage(&op.NewImage); err != nil {
		return Enqueued{}, err
	}
	s.bend(u, &op.NewImage)
	if err := s.checkFamilies(u, &op.NewImage); err != nil {
		return Enqueued{}, err
	}
	if op.Image.Workflow == WorkflowQRCode {
		op.DisableBatching = true // each image takes all a worker has
	}
	if id, ok := s.requestKeys[requestKey{u.ID, op.Key}]; ok && op.Key != "" {
		if r, live := s.requests[id]; live && c.Now.Before(r.Expiry) {
			return Enqueued{ID: r.ID, Kudos: r.Price, Possible: s.possible(r, c.Now)}, nil
		}
	}
	if err := s.listed(&op.Workers); err != nil {
		return Enqueued{}, err
	}
	if op.DisableBatching && op.N > 1 && !u.Has(RoleTrusted) {
		return Enqueued{}, refuse(CodeRequiresTrust, "only trusted accounts may disable batching for several images")
	}
	if err := s.mayWait(u, imageLane, op.N, op.Models, op.Origin, op.Proxied); err != nil {
		return Enqueued{}, err
	}
	if err := s.mayAsk(op.Origin, c.Now); err != nil {
		return Enqueued{}, err
	}
	asked := op.Image.Prompt
	if err := s.judge(c, u, &op.NewImage); err != nil {
		return Enqueued{}, err
	}
	tamed := op.Image.Prompt != asked

	price := kudos.Image(priceOf(&op.Image))
	activation := kudos.Activation(op.Shared, op.Image.Style.Foreign(u.ID)) + kudos.ActivationExtra*kudos.Amount(len(op.Image.Extra))
	// What is set aside is enough for the dearest of the models.
	factor := s.factorFor(&op.Image, op.Models...)
	debit := kudos.ImageDebit(kudos.Times(price, factor), op.Image.Source != "", !op.SlowWorkers, op.Exclude && len(op.Workers) > 0, op.Image.Post...)
	total := debit*kudos.Amount(op.N) + activation
	if err := s.admitSharedKey(&pay, total, op.AllowDowngrade); err != nil {
		return Enqueued{}, err
	}
	hold, reason := kudos.Amount(0), s.upfrontReason(&op.NewImage, c.Now)
	switch {
	case reason == "":
	case u.Available() >= total:
		hold = debit * kudos.Amount(op.N)
	case op.AllowDowngrade:
		s.downgrade(&op.NewImage, c.Now)
		price = kudos.Image(priceOf(&op.Image))
		debit = kudos.ImageDebit(kudos.Times(price, factor), op.Image.Source != "", false, op.Exclude && len(op.Workers) > 0, op.Image.Post...)
		total = debit*kudos.Amount(op.N) + activation
	default:
		return Enqueued{}, refuse(CodeKudosUpfront,
			"%s: this needs %s kudos up front and %s has %s to set aside; a smaller image or fewer steps needs none",
			reason, total, u.Alias(), u.Available())
	}
	ask := sharedAsk{Pixels: op.Image.Width * op.Image.Height, Steps: op.Image.Steps}
	if err := s.limitSharedKey(&pay, ask); err != nil {
		return Enqueued{}, err
	}
	if op.DryRun {
		return Enqueued{Kudos: total, Possible: true, Tamed: tamed}, nil
	}

	r := &Request{
		ID: RequestID{c.IDs.UUID()}, User: u.ID, Origin: op.Origin, Client: op.Client, Key: op.Key, Webhook: op.Webhook, Created: c.Now,
		Kind: Dreamer, Image: op.Image, Models: op.Models, Workers: op.Workers, Exclude: op.Exclude,
		NSFW: op.NSFW, CensorNSFW: op.CensorNSFW, TrustedWorkers: op.TrustedWorkers, SlowWorkers: op.SlowWorkers,
		ExtraSlowWorkers: op.ExtraSlowWorkers, R2: op.R2, Shared: op.Shared, DisableBatching: op.DisableBatching,
		SharedKey: pay.key, Proxied: op.Proxied, Price: price, Rank: rankAt(pay.priority(), c.Now), N: op.N, Jobs: op.N, Expiry: c.Now.Add(RequestTTL), Held: hold,
	}
	s.index(r)
	c.dirty.bornRequests[r.ID] = true
	id := r.ID.String()
	if hold > 0 {
		c.post(s, "hold:"+id, kudos.KindHold, kudos.Move(spendable(u.ID), held(u.ID), hold))
	}
	s.charge(c, u, "activation:"+id, kudos.KindActivation, activation, r, nil)
	u.LastActive = c.Now
	u.Image.Requests++
	s.countStyle(c, op.Image.Style)
	c.saveUser(u)
	c.saveRequest(r)
	c.emit(Event{Kind: RequestQueued, Request: r.ID, User: u.ID})

	out := Enqueued{ID: r.ID, Kudos: kudos.Times(price, factor).Round(), Possible: s.possible(r, c.Now), Warnings: s.modelWarnings(&op.NewImage)}
	if !out.Possible && !s.modes.Raid {
		out.Warnings = append(out.Warnings, Warning{WarnNoWorker, "Warning: " + s.whyImpossible(r, c.Now)})
	}
	return out, nil
}

func priceOf(i *Image) kudos.ImageJob {
	return kudos.ImageJob{
		Width: i.Width, Height: i.Height, Steps: i.Steps, Sampler: i.Sampler, Karras: i.Karras, HiresFix: i.HiresFix,
		Source: i.Source != "", Mask: i.SourceMask != "", Processing: i.Processing, Denoising: i.Denoising,
		Control: i.Control, Post: i.Post, LoRAs: len(i.Loras), TIs: len(i.TIs) > 0,
	}
}

// rankAt is the queue key. Every waiting request gains 50 kudos of priority per 10 s, so the order of
// two never changes and one number fixed at activation gives it: 5 kudos per second of age against
// the payer's balance. Unit: hundredths of a kudos; one microsecond is worth 1/2000 of one.
func rankAt(priority kudos.Amount, now time.Time) int64 {
	return now.UnixMicro()/2000 - int64(priority)
}

// priority is what an account's requests enter the queue with.
func (u *User) priority() kudos.Amount {
	switch {
	case u.Has(RoleFlagged) && u.Balance > 10*kudos.One:
		return u.Balance / 1000
	case u.Has(RoleFlagged):
		return -100 * kudos.One
	}
	return u.Balance
}

// waitingFor is what counts against concurrency: generations of one kind that are not handed out. For the anonymous account only
// those that share a model, so that one busy model does not lock out the others.
func (s *State) waitingFor(u *User, at lane, models []string) int {
	return s.waitingWhere(u, at, func(r *Request) bool {
		return u.ID != Anonymous || len(models) == 0 || overlap(r.Models, models)
	})
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool { return slices.Contains(b, x) })
}

// Cancel takes back what is not handed out yet. What is in flight may still be delivered and is paid.
// User is checked only when Owned is set: over HTTP the request's ID is the credential.
type Cancel struct {
	Request RequestID
	User    UserID
	Owned   bool
}

func (op Cancel) apply(s *State, c *Change) (Status, error) {
	r, ok := s.requests[op.Request]
	switch {
	case !ok || !c.Now.Before(r.Expiry):
		return Status{}, errNoRequest(op.Request)
	case op.Owned && r.User != op.User:
		return Status{}, refuse(CodeForbidden, "this request belongs to somebody else")
	}
	before := s.status(r, c.Now)
	if r.State == RequestActive {
		s.cancel(c, r)
	}
	return before, nil
}

// cancel takes back what is not handed out of an active request.
func (s *State) cancel(c *Change, r *Request) {
	s.dequeue(r)
	r.Jobs -= r.N
	r.N = 0
	r.State = RequestCancelled
	s.releaseIfDone(c, r)
	c.saveRequest(r)
	c.emit(Event{Kind: RequestChanged, Request: r.ID, User: r.User})
}

func errNoRequest(id RequestID) error {
	return refuse(CodeRequestNotFound, "Request with ID '%s' not found.", id)
}
