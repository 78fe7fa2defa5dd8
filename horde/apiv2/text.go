// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"strings"
	"time"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
	"stablemate/horde/origin"
)

// generateText is POST /generate/text/async.
func (s *Server) generateText(c *call) error {
	body, err := s.body(c, maxTextBody, s.schemas.generateText)
	if err != nil {
		return err
	}
	if _, sent := c.key(); !sent {
		_, err := s.caller(c)
		return err
	}
	style, err := s.chooseStyle(c, body, horde.StyleText)
	if err != nil {
		return err
	}
	if err := s.notHere(body); err != nil {
		return err
	}
	who, err := s.asker(c)
	if err != nil {
		return err
	}
	who = s.lend(who, style)
	s.relaxFor(c, who)
	n, err := newText(who.user, s.clientOrigin(c.r), c.clientAgent(), body)
	if err != nil {
		return err
	}
	n.SharedKey = who.shared
	if style != nil {
		horde.ApplyTextStyle(style, &n.Text, &n.Models)
	}
	out, err := do(s, c, horde.EnqueueText{NewText: n})
	if err != nil {
		return err
	}
	if n.DryRun {
		return c.reply(http.StatusOK, wire.Price{Kudos: amount(out.Kudos)})
	}
	answer := wire.TextEnqueued{ID: out.ID.String(), Kudos: amount(out.Kudos)}
	for _, warning := range out.Warnings {
		if warning.Code == horde.WarnNoWorker {
			answer.Message = warning.Message
		}
	}
	return c.reply(http.StatusAccepted, answer)
}

// newText turns a checked body into what the rules take.
func newText(u horde.User, from origin.Origin, agent string, body object) (horde.NewText, error) {
	params := body.object("params")
	switch {
	case body.has("proxied_account") && !u.Has(horde.RoleService):
		return horde.NewText{}, horde.Refuse(codeServiceOnly, "Only service accounts may name a proxied account.")
	case nul(body):
		return horde.NewText{}, horde.Refuse(horde.CodeNulByte, "texts may not hold NUL characters")
	}
	n := horde.NewText{
		User: u.ID, Origin: from, Client: agent, Proxied: body.text("proxied_account", ""), N: int(params.integer("n", 1)),
		Images: len(body.objects("extra_source_images")),
		Models: body.texts("models"), Exclude: body.truth("worker_blacklist", false), DryRun: body.truth("dry_run", false),
		Webhook:        body.text("webhook", ""),
		TrustedWorkers: body.truth("trusted_workers", false), SlowWorkers: body.truth("slow_workers", true),
		DisableBatching: body.truth("disable_batching", false), AllowDowngrade: body.truth("allow_downgrade", false),
		Text: horde.Text{
			Prompt: body.text("prompt", ""), MaxLength: int(params.integer("max_length", textLength)),
			MaxContext: int(params.integer("max_context_length", textContext)),
			Validated:  body.truth("validated_backends", false), Settings: settingsOf(params),
		},
	}
	for _, text := range body.texts("workers") {
		id, err := horde.ParseUUID(text)
		if err != nil {
			return horde.NewText{}, horde.Refuse(horde.CodeWorkerNotFound, "no worker with ID %s", show(text))
		}
		n.Workers = append(n.Workers, horde.WorkerID{UUID: id})
	}
	return n, nil
}

// Lengths of a text in tokens when nothing is asked for.
const (
	textLength  = 80
	textContext = 2048
)

// settingsOf reads what is set, and only that.
func settingsOf(params object) horde.TextSettings {
	number := func(name string) *float64 {
		if !params.has(name) {
			return nil
		}
		return new(params.number(name, 0))
	}
	integer := func(name string) *int {
		if !params.has(name) {
			return nil
		}
		return new(int(params.integer(name, 0)))
	}
	truth := func(name string) *bool {
		if !params.has(name) {
			return nil
		}
		return new(params.truth(name, false))
	}
	out := horde.TextSettings{
		RepPen: number("rep_pen"), RepPenRange: integer("rep_pen_range"), RepPenSlope: number("rep_pen_slope"),
		Temperature: number("temperature"), TFS: number("tfs"), TopA: number("top_a"), TopK: integer("top_k"),
		TopP: number("top_p"), Typical: number("typical"), MinP: number("min_p"), SmoothingFactor: number("smoothing_factor"),
		DynatempRange: number("dynatemp_range"), DynatempExponent: number("dynatemp_exponent"),
		SingleLine: truth("singleline"), DefaultBadWords: truth("use_default_badwordsids"), FormatAddSpace: truth("frmtadsnsp"),
		FormatBlankLines: truth("frmtrmblln"), FormatRemoveSpeech: truth("frmtrmspch"), FormatTrim: truth("frmttriminc"),
		StopSequence: params.texts("stop_sequence"),
	}
	if order, ok := params["sampler_order"].([]any); ok {
		out.SamplerOrder = make([]int, 0, len(order))
		for _, v := range order {
			if n, ok := v.(json.Number); ok {
				out.SamplerOrder = append(out.SamplerOrder, int(object{"n": n}.integer("n", 0)))
			}
		}
	}
	return out
}

func wireSettings(in *horde.TextSettings) wire.TextSettings {
	number := func(f *float64) *wire.Float {
		if f == nil {
			return nil
		}
		return new(wire.Float(*f))
	}
	return wire.TextSettings{
		RepPen: number(in.RepPen), RepPenRange: in.RepPenRange, RepPenSlope: number(in.RepPenSlope),
		Temperature: number(in.Temperature), TFS: number(in.TFS), TopA: number(in.TopA), TopK: in.TopK, TopP: number(in.TopP),
		Typical: number(in.Typical), MinP: number(in.MinP), SmoothingFactor: number(in.SmoothingFactor),
		DynatempRange: number(in.DynatempRange), DynatempExponent: number(in.DynatempExponent),
		SamplerOrder: in.SamplerOrder, StopSequence: in.StopSequence, SingleLine: in.SingleLine,
		UseDefaultBadWordIDs: in.DefaultBadWords, FrmtAdSnSp: in.FormatAddSpace, FrmtRmBlLn: in.FormatBlankLines,
		FrmtRmSpch: in.FormatRemoveSpeech, FrmtTrimInc: in.FormatTrim,
	}
}

// statusFor reads a request of one kind: the paths of one know no requests of the other.
func (s *Server) statusFor(c *call, kind horde.WorkerType) (horde.Status, error) {
	id, err := c.requestID()
	if err != nil {
		return horde.Status{}, err
	}
	st, err := s.deps.Engine.Status(id)
	if err == nil && st.Kind != kind {
		return st, noRequest(id)
	}
	return st, err
}

func noRequest(id horde.RequestID) error {
	return horde.Refuse(horde.CodeRequestNotFound, "Request with ID '%s' not found.", id)
}

// textStatus is GET /generate/text/status/{id}. The ID is the secret; there is no key.
func (s *Server) textStatus(c *call) error {
	st, err := s.statusFor(c, horde.Scribe)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, textStatusOf(&st))
}

// cancelText is DELETE /generate/text/status/{id}. It answers the status as it was.
func (s *Server) cancelText(c *call) error {
	place, err := s.statusFor(c, horde.Scribe)
	if err != nil {
		return err
	}
	st, err := do(s, c, horde.Cancel{Request: place.ID})
	if err != nil {
		return err
	}
	st.Position, st.Wait = place.Position, place.Wait // the writer does not keep the order of the queue
	return c.reply(http.StatusOK, textStatusOf(&st))
}

func textStatusOf(st *horde.Status) wire.TextStatus {
	out := wire.TextStatus{Generations: make([]wire.TextGeneration, 0, len(st.Generations)), Check: checkOf(st.Progress)}
	for i := range st.Generations {
		g := &st.Generations[i]
		text := wire.TextGeneration{
			Text: g.Text, Seed: int64(g.Seed), GenMetadata: make([]wire.Metadata, 0, len(g.Meta)),
			WorkerID: g.Worker.String(), WorkerName: g.WorkerName, Model: g.Model, State: textState(g),
		}
		for _, m := range g.Meta {
			text.GenMetadata = append(text.GenMetadata, wire.Metadata{Type: m.Type, Value: m.Value, Ref: m.Ref})
		}
		out.Generations = append(out.Generations, text)
	}
	return out
}

// textState says in a word whether a text is withheld.
func textState(g *horde.Delivered) string {
	for _, m := range g.Meta {
		if m.Type == horde.MetaCensorship && m.Value == horde.MetaCSAM {
			return wire.StateCSAM
		}
	}
	if g.Censored {
		return wire.StateCensored
	}
	return wire.StateOK
}

// popText is POST /generate/text/pop.
func (s *Server) popText(c *call) error {
	body, err := s.body(c, MaxBody, s.schemas.popText)
	if err != nil {
		return err
	}
	if _, sent := c.key(); !sent {
		_, err := s.caller(c)
		return err
	}
	wait, err := c.wait()
	if err != nil {
		return err
	}
	op, err := s.popOf(c, body)
	if err != nil {
		return err
	}
	op.Type, op.Offer = horde.Scribe, textOffer(body)
	if wait > 0 {
		// The server's own limit on writing is shorter than what this caller asked to wait.
		_ = http.NewResponseController(c.w).SetWriteDeadline(time.Time{})
	}
	job, err := s.deps.Engine.Pop(c.r.Context(), op, wait)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, textPopReply(job))
}

// popOf reads what every pop says besides its offer: who calls, how much is wanted and for whom first.
func (s *Server) popOf(c *call, body object) (horde.Pop, error) {
	friends := body.texts("priority_usernames")
	for _, alias := range friends {
		if !strings.Contains(alias, "#") || strings.HasSuffix(alias, "#") {
			return horde.Pop{}, horde.Refuse(horde.CodeInvalidPriorityUser, "%s is no user name: it needs a # and a number", show(alias))
		}
	}
	u, err := s.caller(c)
	if err != nil {
		return horde.Pop{}, err
	}
	if nul(body) {
		return horde.Pop{}, horde.Refuse(horde.CodeNulByte, "texts may not hold NUL characters")
	}
	op := horde.Pop{Owner: u.ID, Origin: s.Origin(c.r), Address: s.addressOf(c, &u), Amount: int(max(1, min(math.MaxInt32, body.integer("amount", 1))))}
	for _, alias := range friends {
		if id, ok := horde.ParseAlias(alias); ok {
			op.Priority = append(op.Priority, id)
		}
	}
	return op, nil
}

func textOffer(body object) horde.Offer {
	bounded := func(name string, otherwise int64) int {
		return int(max(0, min(horde.MaxTextContext, body.integer(name, otherwise))))
	}
	return horde.Offer{
		Name: body.text("name", ""), Models: body.texts("models"), BridgeAgent: body.text("bridge_agent", agentUnset),
		NSFW: body.truth("nsfw", true), Threads: int(body.integer("threads", 1)),
		NeedsUpfront: body.truth("require_upfront_kudos", false), MaxLength: bounded("max_length", 512),
		MaxContext: bounded("max_context_length", textContext), Softprompts: body.texts("softprompts"),
	}
}

// textPopReply renders a job, or that there is none.
func textPopReply(job horde.Job) wire.TextPopReply {
	answer := wire.TextPopReply{
		Payload: wire.IdleTextPayload(), IDs: make([]string, 0, len(job.Generations)), Messages: messagesOf(job.Messages),
		Skipped: map[string]int{},
	}
	if len(job.Generations) == 0 {
		maps.Copy(answer.Skipped, job.Skipped)
		return answer
	}
	for _, id := range job.Generations {
		answer.IDs = append(answer.IDs, id.String())
	}
	answer.ID, answer.Model, answer.TTL = &answer.IDs[0], &job.Model, new(int(job.TTL/time.Second))
	answer.Payload = wire.TextPayload{
		Prompt: job.Text.Prompt, N: 1, MaxContextLength: job.Text.MaxContext, MaxLength: job.Text.MaxLength,
		TextSettings: wireSettings(&job.Text.Settings),
	}
	answer.Payload.Fill()
	return answer
}

// submitText is POST /generate/text/submit.
func (s *Server) submitText(c *call) error {
	body, err := s.body(c, MaxBody, s.schemas.submitText)
	if err != nil {
		return err
	}
	if _, sent := c.key(); !sent {
		_, err := s.caller(c)
		return err
	}
	seed, ok := coerceInteger(body, "seed", 0)
	if !ok {
		return missing("seed", "seed is not an integer")
	}
	text := body.text("id", "")
	id, err := horde.ParseUUID(text)
	if err != nil {
		return noJob(show(text))
	}
	if _, _, found := s.deps.Engine.Generation(horde.GenerationID{UUID: id}); !found {
		return noJob(id.String())
	}
	u, err := s.caller(c)
	if err != nil {
		return err
	}
	if nul(body["gen_metadata"]) {
		return horde.Refuse(horde.CodeNulByte, "texts may not hold NUL characters")
	}
	op := horde.Submit{Owner: u.ID, Type: horde.Scribe, Generation: horde.GenerationID{UUID: id}, Text: body.text("generation", "")}
	switch body.text("state", wire.StateOK) {
	case wire.StateFaulted:
		op.Faulted, op.Text = true, ""
	case wire.StateCensored:
		op.Censored = true
	case wire.StateCSAM:
		op.CSAM = true
	}
	if seed >= 0 && seed < 1<<32 {
		op.Seed, op.HasSeed = uint32(seed), true
	}
	for _, m := range body.objects("gen_metadata") {
		op.Meta = append(op.Meta, horde.Meta{Type: m.text("type", ""), Value: m.text("value", ""), Ref: m.text("ref", "")})
	}
	receipt, err := do(s, c, op)
	if err != nil {
		return err
	}
	if !op.Faulted && !receipt.Discard {
		s.Delivered(c.r.Context(), op.Generation)
	}
	return c.reply(http.StatusOK, wire.SubmitReply{Reward: amount(receipt.Reward)})
}

// Bounds of text bodies that the contract leaves open.
const (
	maxTextBody  = 4 << 20 // a prompt of the largest size, escaped
	maxStopsSent = 1000    // the rules allow fewer, and say so
	maxOrderSent = 100
)

func generateTextBody() *schema {
	params := shape(map[string]*schema{
		"n":                       integer().between(1, horde.MaxImagesPerRequest),
		"max_length":              integer().between(horde.MinTextLength, horde.MaxTextLength),
		"max_context_length":      integer().between(horde.MinTextContext, horde.MaxTextContext),
		"rep_pen":                 number().between(1, 3),
		"rep_pen_range":           integer().between(0, 4096),
		"rep_pen_slope":           number().between(0, 10),
		"temperature":             number().between(0, 5),
		"tfs":                     number().between(0, 1),
		"top_a":                   number().between(0, 1),
		"top_k":                   integer().between(0, 200),
		"top_p":                   number().between(0.001, 1),
		"typical":                 number().between(0, 1),
		"min_p":                   number().between(0, 1),
		"smoothing_factor":        number().between(0, 10),
		"dynatemp_range":          number().between(0, 5),
		"dynatemp_exponent":       number().between(0, 5),
		"sampler_order":           list(integer().between(math.MinInt32, math.MaxInt32)).atMost(maxOrderSent),
		"stop_sequence":           list(text()).atMost(maxStopsSent),
		"use_default_badwordsids": truth(),
		"singleline":              truth(),
		"frmtadsnsp":              truth(),
		"frmtrmblln":              truth(),
		"frmtrmspch":              truth(),
		"frmttriminc":             truth(),
	})
	return shape(map[string]*schema{
		"prompt":             text(),
		"params":             params,
		"softprompt":         text().length(1, 0),
		"trusted_workers":    truth(),
		"validated_backends": truth(),
		"slow_workers":       truth(),
		"extra_slow_workers": truth(),
		"workers":            list(text()).atMost(maxWorkersAsked),
		"worker_blacklist":   truth(),
		"models":             list(text().length(0, maxModelName)).atMost(maxModelsAsked),
		"extra_source_images": list(shape(map[string]*schema{
			"image": text().length(1, 0), "strength": number(),
		})).atMost(maxAddOns),
		"dry_run":          truth(),
		"proxied_account":  text(),
		"disable_batching": truth(),
		"allow_downgrade":  truth(),
		"webhook":          text(),
		"style":            text().length(3, 1024),
	}, "prompt")
}

func popTextBody() *schema {
	return shape(map[string]*schema{
		"name":                  text(),
		"models":                list(text().length(3, maxModelName)).atMost(maxModelsServed),
		"bridge_agent":          text().length(0, 1000),
		"priority_usernames":    list(text()).atMost(maxPrioritised),
		"nsfw":                  truth(),
		"threads":               integer().between(1, horde.MaxThreads),
		"require_upfront_kudos": truth(),
		"amount":                integer().between(1, horde.MaxImagesPerRequest),
		"extra_slow_worker":     truth(),
		"max_length":            integer(),
		"max_context_length":    integer(),
		"softprompts":           list(text()).atMost(maxModelsServed),
	}, "name")
}

func submitTextBody() *schema {
	return shape(map[string]*schema{
		"id":         text(),
		"generation": text(),
		"state":      oneOf(wire.StateOK, wire.StateCensored, wire.StateFaulted, wire.StateCSAM),
		"gen_metadata": list(shape(map[string]*schema{
			"type": oneOf(horde.MetaCensorship), "value": oneOf(horde.MetaCSAM), "ref": text().length(0, 255),
		}, "type", "value")),
	}, "id", "generation")
}
