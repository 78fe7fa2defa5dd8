// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"stablemate/horde/kudos"
	"stablemate/horde/origin"
)

// NewText is what EnqueueText takes: a checked request without the parts the rules decide.
type NewText struct {
	User   UserID
	Origin origin.Origin
	Client string
	// SharedKey is what the caller showed instead of a key of their own; its owner then pays, whoever User is.
	SharedKey SharedKeyID
	Proxied   string // whom a service account asks for, in its own words
	Text      Text
	Images    int // source images that came along; texts take none, and the refusal says so
	N         int
	Models    []string // empty means any
	Workers   []WorkerID
	Exclude   bool
	Key       string // optional idempotency key: the same key returns the same request
	DryRun    bool
	Webhook   string // optional https address to call with each delivered text

	TrustedWorkers, SlowWorkers, DisableBatching, AllowDowngrade bool
}

// EnqueueText puts a text request into the queue. From there on Pop, Submit, Cancel and Expire treat it like any other.
// Enqueued.Kudos is the expected price of one text, or of all for a dry run.
type EnqueueText struct{ NewText }

func (op EnqueueText) apply(s *State, c *Change) (Enqueued, error) {
	pay, err := s.payerOf(op.User, op.SharedKey, op.Text.Style, op.AllowDowngrade, c.Now)
	if err != nil {
		return Enqueued{}, err
	}
	u := pay.user
	if err := checkAsker(u, op.Proxied); err != nil {
		return Enqueued{}, err
	}
	if s.modes.Maintenance {
		return Enqueued{}, refuse(CodeMaintenanceMode, "this horde is in maintenance mode; please try again later")
	}
	if err := mayBring(u, op.Images); err != nil {
		return Enqueued{}, err
	}
	if op.Text.Prompt == "" {
		return Enqueued{}, refuse(CodeMissingPrompt, "you cannot specify an empty prompt")
	}
	op.TrustedWorkers = op.TrustedWorkers || u.Has(RoleEducation) // a classroom gets people who are known
	op.Models = slices.DeleteFunc(unique(op.Models), func(m string) bool { return m == "" })
	op.Workers = unique(op.Workers)
	if id, ok := s.requestKeys[requestKey{u.ID, op.Key}]; ok && op.Key != "" {
		if r, live := s.requests[id]; live && c.Now.Before(r.Expiry) {
			return Enqueued{ID: r.ID, Kudos: r.Price, Possible: s.possible(r, c.Now)}, nil
		}
	}
	if err := s.listed(&op.Workers); err != nil {
		return Enqueued{}, err
	}
	if op.DisableBatching && op.N > 1 && !u.Has(RoleTrusted) {
		return Enqueued{}, refuse(CodeRequiresTrust, "only trusted accounts may disable batching for several texts")
	}
	if err := s.roomForText(u, &op.NewText); err != nil {
		return Enqueued{}, err
	}
	if err := s.mayAsk(op.Origin, c.Now); err != nil {
		return Enqueued{}, err
	}
	if err := checkText(&op.NewText); err != nil {
		return Enqueued{}, err
	}
	// The filter does not score texts. It rewrites what models meant for nudity, and flagged accounts, are asked.
	prompt, err := s.tame(u, op.Models, op.Text.Prompt)
	if err != nil {
		return Enqueued{}, err
	}
	op.Text.Prompt = prompt
	activation := kudos.ActivationText
	if op.Text.Style.Foreign(u.ID) {
		activation += kudos.StyleFee
	}
	estimate := kudos.TextDebit(expectedText(&op.Text, op.Models))*kudos.Amount(op.N) + activation
	if err := s.admitSharedKey(&pay, estimate, op.AllowDowngrade); err != nil {
		return Enqueued{}, err
	}
	hold, downgraded, err := s.textUpfront(u, &op.NewText, activation, c.Now)
	if err != nil {
		return Enqueued{}, err
	}
	if err := s.limitSharedKey(&pay, sharedAsk{Tokens: op.Text.MaxLength}); err != nil {
		return Enqueued{}, err
	}
	if op.DryRun {
		one := kudos.TextEstimate(op.Text.MaxLength, op.Text.MaxContext, firstKnown(op.Models))
		return Enqueued{Kudos: kudos.TextDebit(one)*kudos.Amount(op.N) + activation, Possible: true}, nil
	}

	r := &Request{
		ID: RequestID{c.IDs.UUID()}, User: u.ID, Origin: op.Origin, Client: op.Client, Key: op.Key, Webhook: op.Webhook, Created: c.Now,
		Kind: Scribe, Text: &op.Text, Models: op.Models, Workers: op.Workers, Exclude: op.Exclude,
		TrustedWorkers: op.TrustedWorkers, SlowWorkers: op.SlowWorkers, DisableBatching: op.DisableBatching,
		SharedKey: pay.key, Proxied: op.Proxied,
		Price: expectedText(&op.Text, op.Models), Rank: rankAt(pay.priority(), c.Now), N: op.N, Jobs: op.N, Expiry: c.Now.Add(RequestTTL), Held: hold,
	}
	if downgraded {
		r.Rank = rankAt(lowPriority, c.Now)
	}
	s.index(r)
	c.dirty.bornRequests[r.ID] = true
	id := r.ID.String()
	if hold > 0 {
		c.post(s, "hold:"+id, kudos.KindHold, kudos.Move(spendable(u.ID), held(u.ID), hold))
	}
	s.charge(c, u, "activation:"+id, kudos.KindActivation, activation, r, nil)
	u.LastActive = c.Now
	u.Text.Requests++
	s.countStyle(c, op.Text.Style)
	c.saveUser(u)
	c.saveRequest(r)
	c.emit(Event{Kind: RequestQueued, Request: r.ID, User: u.ID})

	out := Enqueued{ID: r.ID, Kudos: r.Price, Possible: s.possible(r, c.Now)}
	if !out.Possible && !s.modes.Raid {
		out.Warnings = append(out.Warnings, Warning{WarnNoWorker, "Warning: " + s.whyImpossible(r, c.Now)})
	}
	return out, nil
}

// roomForText refuses what would be too much of one account in the queue, or in memory.
func (s *State) roomForText(u *User, n *NewText) error {
	if err := s.mayWait(u, textLane, n.N, n.Models, n.Origin, n.Proxied); err != nil {
		return err
	}
	if d := s.desks[u.ID]; d != nil && d.prompts+len(n.Text.Prompt) > MaxLivePromptBytes {
		return refuse(CodeTooManyPrompts, "the prompts of %s that are still kept have %d MiB together, which is the most; "+
			"they are forgotten in some minutes", u.Name, MaxLivePromptBytes>>20)
	}
	return nil
}

// checkText holds the rules about parameters that need no state.
func checkText(n *NewText) error {
	t := &n.Text
	stops := unique(t.Settings.StopSequence)
	characters := 0
	for _, stop := range stops {
		characters += utf8.RuneCountInString(stop)
	}
	texts := slices.Concat([]string{t.Prompt, n.Client}, n.Models, stops)
	switch {
	case slices.ContainsFunc(texts, func(s string) bool { return strings.IndexByte(s, 0) >= 0 }):
		return refuse(CodeNulByte, "texts may not hold NUL characters")
	case !utf8.ValidString(t.Prompt):
		return refuse(CodeBadRequest, "the prompt is not valid UTF-8")
	case len(t.Prompt) > MaxTextPromptBytes:
		return refuse(CodeInvalidPromptSize, "the prompt has %d bytes, at most %d are allowed", len(t.Prompt), MaxTextPromptBytes)
	case n.N < 1 || n.N > MaxImagesPerRequest:
		return refuse(CodeBadRequest, "n is %d, it must be between 1 and %d", n.N, MaxImagesPerRequest)
	case t.MaxLength < MinTextLength || t.MaxLength > MaxTextLength:
		return refuse(CodeBadRequest, "max_length is %d, it must be between %d and %d", t.MaxLength, MinTextLength, MaxTextLength)
	case t.MaxContext < MinTextContext || t.MaxContext > MaxTextContext:
		return refuse(CodeBadRequest, "max_context_length is %d, it must be between %d and %d", t.MaxContext, MinTextContext, MaxTextContext)
	case t.MaxLength > t.MaxContext:
		return refuse(CodeTokenOverflow, "max_length is %d and max_context_length %d: the text must fit into the context", t.MaxLength, t.MaxContext)
	case t.Settings.SamplerOrder != nil && len(unique(t.Settings.SamplerOrder)) < fullSamplerOrder:
		return refuse(CodeSamplerOrder, "a sampler_order must name all %d samplers", fullSamplerOrder)
	case len(stops) > MaxStopSequences:
		return refuse(CodeTooManyStops, "%d stop sequences, at most %d are allowed", len(stops), MaxStopSequences)
	case characters > MaxStopCharacters:
		return refuse(CodeStopTooLong, "the stop sequences have %d characters together, at most %d are allowed", characters, MaxStopCharacters)
	case n.Images > 0:
		return refuse(CodeExtraSourceImages, "Texts take no extra source images.")
	}
	return nil
}

// fullSamplerOrder is how many samplers there are to put into order.
const fullSamplerOrder = 7

// textUpfrontTokens is the longest text that needs no kudos up front. It falls as the queue grows.
func (s *State) textUpfrontTokens(now time.Time) int {
	tokens := 512 + 5*s.Fleet(Scribe, now).Threads - int(math.RoundToEven(0.9*float64(s.queued[textLane].jobs)))
	return min(512, max(256, tokens))
}

// textUpfront decides what has to be set aside for a request. With AllowDowngrade it shortens the text instead of
// refusing.
func (s *State) textUpfront(u *User, n *NewText, activation kudos.Amount, now time.Time) (hold kudos.Amount, downgraded bool, err error) {
	tokens := s.textUpfrontTokens(now)
	var reason string
	switch {
	case !n.SlowWorkers:
		reason = "refusing slow workers costs kudos up front"
	case n.Text.MaxLength > tokens:
		reason = "more than " + itoa(tokens) + " tokens at the present load"
	default:
		return 0, false, nil
	}
	largest := 0.0
	for _, m := range n.Models {
		largest = max(largest, kudos.TextParams(m))
	}
	hold = kudos.TextUpfront(n.Text.MaxLength, largest) * kudos.Amount(n.N)
	total := hold + activation
	switch {
	case u.Available() >= total:
		return hold, false, nil
	case n.AllowDowngrade:
		n.SlowWorkers = true
		n.Text.MaxLength = min(n.Text.MaxLength, tokens)
		return 0, true, nil
	}
	return 0, false, refuse(CodeKudosUpfront,
		"%s: this needs %s kudos up front and %s has %s to set aside; a shorter text needs none", reason, total, u.Alias(), u.Available())
}

// firstKnown is the size of the first model in billions of parameters, 0 when its name does not tell.
func firstKnown(models []string) float64 {
	if len(models) == 0 {
		return 0
	}
	return kudos.TextParams(models[0])
}

// usualTextParams is the size assumed of a model that is not known before a worker takes a request.
const usualTextParams = 13

// expectedText is the price of one text of full length.
func expectedText(t *Text, models []string) kudos.Amount {
	params := firstKnown(models)
	if params == 0 {
		params = usualTextParams
	}
	return kudos.Text(kudos.TextJob{
		Prompt: utf8.RuneCountInString(t.Prompt), Output: 4 * t.MaxLength, MaxLength: t.MaxLength, Params: params, Validated: true,
	})
}

// believedTextParams is the largest size, in billions of parameters, that the name of a stranger's model is believed.
const believedTextParams = 70

// vouchedFor reports whether somebody trusts what an account says about its models.
func (u *User) vouchedFor() bool { return u.Has(RoleTrusted) || u.Has(RoleCustomizer) }

// believed is the size of a text model as far as its worker's owner is believed: nobody looks whether it runs what it is
// called, and kudos follow the size.
func (s *State) believed(owner *User, model string) float64 {
	params := kudos.TextParams(model)
	if !owner.vouchedFor() {
		params = min(params, believedTextParams)
	}
	return params
}

// settleText is what one delivered text is worth, and what its requester pays for it.
func (s *State) settleText(r *Request, g *Generation, w *Worker) (worth, debit kudos.Amount) {
	params := s.believed(s.users[w.Owner], g.Model)
	if len(r.Models) == 0 && !s.users[w.Owner].vouchedFor() {
		params = min(params, usualTextParams) // who takes any model was told no more
	}
	worth = kudos.Text(kudos.TextJob{
		Prompt: utf8.RuneCountInString(r.Text.Prompt), Output: utf8.RuneCountInString(g.Text), MaxLength: r.Text.MaxLength,
		Params: params, Validated: ValidatedBackend(w.Offer.BridgeAgent), Trusted: s.users[w.Owner].Has(RoleTrusted),
	})
	if g.Censored {
		return worth, kudos.TextDebit(0)
	}
	return worth, kudos.TextDebit(worth)
}

// deliverText takes over what a scribe wrote.
func (g *Generation) deliverText(op *Submit) {
	g.Text = strings.ReplaceAll(op.Text, "\x00", "�")
	g.Censored = g.Censored || op.Censored || op.CSAM
	if op.CSAM && !g.abusive() {
		g.Meta = append(slices.Clone(g.Meta), Meta{Type: MetaCensorship, Value: MetaCSAM})
	}
}

// Metadata that says why something is withheld.
const (
	MetaCensorship = "censorship"
	MetaCSAM       = "csam"
)

// tokensIn estimates what was written.
func (g *Generation) tokensIn(t *Text) int64 {
	return int64(kudos.TextTokens(utf8.RuneCountInString(g.Text), t.MaxLength))
}
