// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
	"stablemate/horde/origin"
)

// defaultModel is what a request without models asks for. An empty list asks for any.
const defaultModel = "stable_diffusion"

// generate is POST /generate/async.
func (s *Server) generate(c *call) error {
	body, err := s.body(c, MaxImageBody, s.schemas.generate)
	if err != nil {
		return err
	}
	if _, sent := c.key(); !sent {
		_, err := s.caller(c)
		return err
	}
	style, err := s.chooseStyle(c, body, horde.StyleImage)
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
	u := who.user
	from, service := s.clientBehind(c.r)
	s.relaxFor(c, who)
	asked := body
	if style != nil {
		asked = unstyled(body, style)
	}
	n, err := newImage(u, from, c.clientAgent(), asked)
	if err != nil {
		return err
	}
	n.SharedKey, n.Service, n.Address = who.shared, service, s.askerAddress(c, &u)
	if style != nil {
		horde.ApplyImageStyle(style, &n)
	}
	if n.DryRun {
		out, err := do(s, c, horde.Enqueue{NewImage: n})
		if err != nil {
			return err
		}
		return c.reply(http.StatusOK, wire.Price{Kudos: wire.Float(out.Kudos.Float())})
	}
	if sourced(&n.Image) {
		if err := s.keepSources(c, &n, body); err != nil {
			return err
		}
	}
	out, err := do(s, c, horde.Enqueue{NewImage: n})
	if err != nil {
		return err
	}
	answer := wire.Enqueued{ID: out.ID.String(), Kudos: wire.Float(out.Kudos.Float())}
	for _, warning := range out.Warnings {
		answer.Warnings = append(answer.Warnings, wire.Warning{Code: warning.Code, Message: warning.Message})
		if warning.Code == horde.WarnNoWorker {
			answer.Message = warning.Message
		}
	}
	return c.reply(http.StatusAccepted, answer)
}

// notHere refuses what this horde does not have, before it looks at who asks, in the order of the contract.
func (s *Server) notHere(body object) error {
	switch {
	case s.deps.Engine.Modes().Maintenance:
		return horde.Refuse(horde.CodeMaintenanceMode, "This horde is in maintenance mode and takes no new requests. Please try again later.")
	}
	return goodHook(body)
}

// newImage turns a checked body into what the rules take. Source images are still in the body; their keys
// stand in for them until they are kept.
func newImage(u horde.User, from origin.Origin, agent string, body object) (horde.NewImage, error) {
	params := body.object("params")
	if err := notCarried(u, body); err != nil {
		return horde.NewImage{}, err
	}
	n := horde.NewImage{
		User: u.ID, Origin: from, Client: agent,
		N: int(params.integer("n", 1)), Models: []string{defaultModel}, Exclude: body.truth("worker_blacklist", false),
		DryRun: body.truth("dry_run", false), Webhook: body.text("webhook", ""),
		NSFW: body.truth("nsfw", true), CensorNSFW: body.truth("censor_nsfw", true),
		TrustedWorkers: body.truth("trusted_workers", false), SlowWorkers: body.truth("slow_workers", true),
		ExtraSlowWorkers: body.truth("extra_slow_workers", false), R2: body.truth("r2", true),
		DisableBatching: body.truth("disable_batching", false), AllowDowngrade: body.truth("allow_downgrade", false),
		Shared: body.truth("shared", false), Proxied: body.text("proxied_account", ""),
		KeepPrompt: !body.truth("replacement_filter", true),
		Image:      imageOf(body, params),
	}
	if body.has("models") {
		n.Models = body.texts("models")
	}
	for _, text := range body.texts("workers") {
		id, err := horde.ParseUUID(text)
		if err != nil {
			return horde.NewImage{}, horde.Refuse(horde.CodeWorkerNotFound, "no worker with ID %s", show(text))
		}
		n.Workers = append(n.Workers, horde.WorkerID{UUID: id})
	}
	if nul(body) {
		return horde.NewImage{}, horde.Refuse(horde.CodeNulByte, "texts may not hold NUL characters")
	}
	return n, nil
}

// notCarried refuses what a request may ask for elsewhere but no worker here could be told.
func notCarried(u horde.User, body object) error {
	if body.has("proxied_account") && !u.Has(horde.RoleService) {
		return horde.Refuse(codeServiceOnly, "Only service accounts may name a proxied account.")
	}
	return nil
}

// Steps with a ControlNet.
const (
	stepsUsual       = 30
	stepsControl     = 20
	stepsControlMost = 40
)

func imageOf(body, params object) horde.Image {
	control := params.text("control_type", "")
	steps := int(params.integer("steps", stepsUsual))
	if control != "" {
		steps = min(stepsControlMost, int(params.integer("steps", stepsControl)))
	}
	seed := params.text("seed", "")
	if len(seed) > horde.MaxSeedBytes {
		seed = strings.ToValidUTF8(seed[:horde.MaxSeedBytes], "") // more would not count
	}
	i := horde.Image{
		Prompt:  body.text("prompt", ""),
		Sampler: params.text("sampler_name", "k_euler_a"), CFG: params.number("cfg_scale", 5),
		Width: int(params.integer("width", 512)), Height: int(params.integer("height", 512)), Steps: steps,
		Seed: seed, SeedVariation: int(params.integer("seed_variation", 0)),
		Karras: params.truth("karras", true), Tiling: params.truth("tiling", false), HiresFix: params.truth("hires_fix", false),
		Transparent: params.truth("transparent", false), ClipSkip: int(params.integer("clip_skip", 0)),
		Denoising: params.number("denoising_strength", 0), HiresDenoising: params.number("hires_fix_denoising_strength", 0),
		FaceFixer: params.number("facefixer_strength", 0), Post: params.texts("post_processing"),
		Control: control, ImageIsControl: params.truth("image_is_control", false), ReturnControl: params.truth("return_control_map", false),
	}
	for _, l := range params.objects("loras") {
		i.Loras = append(i.Loras, horde.Lora{
			Name: l.text("name", ""), Model: l.number("model", 1), Clip: l.number("clip", 1),
			InjectTrigger: l.text("inject_trigger", ""), IsVersion: l.truth("is_version", false),
		})
	}
	for _, ti := range params.objects("tis") {
		i.TIs = append(i.TIs, horde.TI{Name: ti.text("name", ""), InjectTI: ti.text("inject_ti", ""), Strength: ti.number("strength", 1)})
	}
	i.Extra = extraOf(body)
	i.Workflow = params.text("workflow", "")
	for _, t := range params.objects("extra_texts") {
		i.ExtraTexts = append(i.ExtraTexts, horde.ExtraText{Text: t.text("text", ""), Reference: t.text("reference", "")})
	}
	if params.has("special") {
		i.Special, _ = json.Marshal(params.object("special")) // it was JSON before
	}
	if body.text("source_image", "") != "" {
		i.Source = pendingSource
	}
	if p := body.text("source_processing", "img2img"); i.Source != "" || len(i.Extra) > 0 || p == remix {
		i.Processing = p
	}
	if body.text("source_mask", "") != "" {
		i.SourceMask = pendingSource
	}
	return i
}

// requestID reads the path's request. What is no UUID is simply not found.
func (c *call) requestID() (horde.RequestID, error) {
	text := c.r.PathValue("id")
	id, err := horde.ParseUUID(text)
	if err != nil {
		return horde.RequestID{}, horde.Refuse(horde.CodeRequestNotFound, "Request with ID %s not found.", show(text))
	}
	return horde.RequestID{UUID: id}, nil
}

// check is GET /generate/check/{id}. Everybody who waits asks it every second.
func (s *Server) check(c *call) error {
	if !c.tellsItsName() && s.deps.Engine.TimedOut(s.Origin(c.r)) > 0 {
		return horde.Refuse(horde.CodeForbidden, "Requests from here are paused. Please name your program in the header Client-Agent.")
	}
	id, err := c.requestID()
	if err != nil {
		return err
	}
	p, err := s.deps.Engine.Check(id)
	if err != nil {
		return err
	}
	if p.Kind != horde.Dreamer {
		return noRequest(id)
	}
	answer := checkOf(p)
	if c.mask != nil {
		return c.reply(http.StatusOK, answer)
	}
	buf := buffers.Get().(*bytes.Buffer) // the pool holds nothing else
	defer putBuffer(buf)
	buf.Grow(maxCheck)
	out := append(answer.AppendJSON(buf.AvailableBuffer()), '\n')
	c.w.Header()["Content-Type"] = contentJSON
	_, _ = c.w.Write(out) // an error means the caller left
	return nil
}

// maxCheck is room for any check in bytes.
const maxCheck = 320

func checkOf(p horde.Progress) wire.Check {
	return wire.Check{
		Finished: p.Finished, Processing: p.Processing, Restarted: p.Restarted, Waiting: p.Waiting,
		Done: p.Done, Faulted: p.Faulted, WaitTime: int(p.Wait / time.Second), QueuePosition: p.Position,
		Kudos: wire.Float(p.Kudos.Float()), IsPossible: p.Possible,
	}
}

// status is GET /generate/status/{id}. The ID is the secret; there is no key.
func (s *Server) status(c *call) error {
	st, err := s.statusFor(c, horde.Dreamer)
	if err != nil {
		return err
	}
	return s.replyStatus(c, st)
}

// cancel is DELETE /generate/status/{id}. It answers the status as it was.
func (s *Server) cancel(c *call) error {
	place, err := s.statusFor(c, horde.Dreamer)
	if err != nil {
		return err
	}
	st, err := do(s, c, horde.Cancel{Request: place.ID})
	if err != nil {
		return err
	}
	st.Position, st.Wait = place.Position, place.Wait // the writer does not keep the order of the queue
	return s.replyStatus(c, st)
}

func (s *Server) replyStatus(c *call, st horde.Status) error {
	answer := wire.Status{Generations: make([]wire.Generation, 0, len(st.Generations)), Shared: st.Shared, Check: checkOf(st.Progress)}
	if !st.R2 && len(st.Generations) > 0 {
		leave, err := s.enterLarge(c.r.Context()) // the images travel inside the reply
		if err != nil {
			return err
		}
		defer leave()
	}
	for i := range st.Generations {
		g := &st.Generations[i]
		img, err := s.picture(c, g.Blob, st.R2)
		if err != nil {
			return err
		}
		out := wire.Generation{
			Img: img, Seed: uitoa(g.Seed), ID: g.ID.String(), Censored: g.Censored,
			GenMetadata: make([]wire.Metadata, 0, len(g.Meta)),
			WorkerID:    g.Worker.String(), WorkerName: g.WorkerName, Model: g.Model, State: wire.StateOK,
		}
		for _, m := range g.Meta {
			out.GenMetadata = append(out.GenMetadata, wire.Metadata{Type: m.Type, Value: m.Value, Ref: m.Ref})
		}
		answer.Generations = append(answer.Generations, out)
	}
	return c.reply(http.StatusOK, answer)
}
