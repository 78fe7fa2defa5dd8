// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
	"stablemate/internal/blob"
)

// maxWait is the longest that a pop may wait for work, in seconds: ?wait=60. It is our own addition.
const maxWait = 60

// pop is POST /generate/pop.
func (s *Server) pop(c *call) error {
	body, err := s.body(c, MaxBody, s.schemas.pop)
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
	friends := body.texts("priority_usernames")
	for _, alias := range friends {
		if !strings.Contains(alias, "#") {
			return horde.Refuse(horde.CodeInvalidPriorityUser, "%s is no user name: it needs a # and a number", show(alias))
		}
	}
	u, err := s.caller(c)
	if err != nil {
		return err
	}
	if nul(body) {
		return horde.Refuse(horde.CodeNulByte, "texts may not hold NUL characters")
	}
	op := horde.Pop{Owner: u.ID, Origin: s.Origin(c.r), Address: s.addressOf(c, &u), Offer: offerOf(body), Amount: int(body.integer("amount", 1))}
	for _, alias := range friends {
		if strings.HasSuffix(alias, "#") {
			return horde.Refuse(horde.CodeInvalidPriorityUser, "%s is no user name: it needs a number after the #", show(alias))
		}
		if id, ok := horde.ParseAlias(alias); ok {
			op.Priority = append(op.Priority, id)
		}
	}
	if wait > 0 {
		// The server's own limit on writing is shorter than what this caller asked to wait.
		_ = http.NewResponseController(c.w).SetWriteDeadline(time.Time{})
	}
	job, err := s.deps.Engine.Pop(c.r.Context(), op, wait)
	if err != nil {
		return err
	}
	answer, err := s.popReply(c, job, op.Offer.BridgeAgent)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, answer)
}

func (c *call) wait() (time.Duration, error) {
	if c.r.URL.RawQuery == "" {
		return 0, nil
	}
	text := c.r.URL.Query().Get("wait")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maxWait {
		return 0, missing("wait", "wait is a number of seconds between 0 and "+itoa(maxWait))
	}
	return time.Duration(n) * time.Second, nil
}

// maxOffer is the most pixels a worker can offer: more than any request may ask for.
const maxOffer = 16 * horde.MaxSide * horde.MaxSide

func offerOf(body object) horde.Offer {
	return horde.Offer{
		Name: body.text("name", ""), Models: body.texts("models"), BridgeAgent: body.text("bridge_agent", agentUnset),
		NSFW: body.truth("nsfw", true), Threads: int(body.integer("threads", 1)),
		MaxPixels: int(max(0, min(maxOffer, body.integer("max_pixels", 512*512)))), Blacklist: body.texts("blacklist"),
		Img2Img: body.truth("allow_img2img", true), Painting: body.truth("allow_painting", true),
		UnsafeIP: body.truth("allow_unsafe_ipaddr", true), Post: body.truth("allow_post_processing", true),
		ControlNet: body.truth("allow_controlnet", false), SDXLControl: body.truth("allow_sdxl_controlnet", false),
		Lora: body.truth("allow_lora", false), LimitSteps: body.truth("limit_max_steps", false),
		ExtraSlow: body.truth("extra_slow_worker", false), NeedsUpfront: body.truth("require_upfront_kudos", false),
	}
}

// popReply renders a job, or that there is none.
func (s *Server) popReply(c *call, job horde.Job, agent string) (wire.PopReply, error) {
	answer := wire.PopReply{
		Payload: wire.IdlePayload(), IDs: make([]string, 0, len(job.Generations)), Messages: messagesOf(job.Messages),
		Skipped: map[string]int{}, SourceProcessing: "img2img",
	}
	if len(job.Generations) == 0 {
		maps.Copy(answer.Skipped, job.Skipped)
		return answer, nil
	}
	// Also for a request whose images travel inside replies: worker software of today only knows how to upload.
	for _, id := range job.Generations {
		answer.IDs = append(answer.IDs, id.String())
		link, err := s.link(c, blob.OpPut, resultKey(id))
		if err != nil {
			return answer, err
		}
		answer.R2Uploads = append(answer.R2Uploads, link)
	}
	answer.ID, answer.Model, answer.TTL = &answer.IDs[0], &job.Model, new(int(job.TTL/time.Second))
	answer.R2Upload = &answer.R2Uploads[0]
	answer.Payload = payloadOf(job)
	var err error
	if len(job.Image.Extra) > 0 {
		answer.SourceProcessing = job.Image.Processing
		if answer.ExtraSourceImages, err = s.extraFor(c, agent, job.Image.Extra); err != nil {
			return answer, err
		}
	}
	if job.Image.Source != "" {
		answer.SourceProcessing = job.Image.Processing
		if answer.SourceImage, err = s.sourceFor(c, agent, job.Image.Source); err != nil {
			return answer, err
		}
		if job.Image.SourceMask != "" {
			if answer.SourceMask, err = s.sourceFor(c, agent, job.Image.SourceMask); err != nil {
				return answer, err
			}
		}
	}
	return answer, nil
}

// sourceFor hands a source image to a worker: as a link, or as base64 to software too old for links.
func (s *Server) sourceFor(c *call, agent, key string) (*string, error) {
	if horde.Capabilities(agent).Has(horde.CanR2Source) {
		link, err := s.link(c, blob.OpGet, key)
		return &link, err
	}
	data, err := s.deps.Blobs.Read(c.r.Context(), key, maxResultBytes)
	if err != nil {
		return nil, fmt.Errorf("read source image: %w", err)
	}
	return new(base64.StdEncoding.EncodeToString(data)), nil
}

// extraFor hands the further source images to a worker.
func (s *Server) extraFor(c *call, agent string, images []horde.ExtraSource) ([]wire.ExtraSourceImage, error) {
	out := make([]wire.ExtraSourceImage, 0, len(images))
	for _, x := range images {
		image, err := s.sourceFor(c, agent, x.Blob)
		if err != nil {
			return nil, err
		}
		out = append(out, wire.ExtraSourceImage{Image: *image, Strength: wire.Float(x.Strength)})
	}
	return out, nil
}

func payloadOf(job horde.Job) wire.Payload {
	i := &job.Image
	p := wire.Payload{
		Prompt: i.Prompt, DDIMSteps: i.Steps, NIter: len(job.Generations), UseNSFWCensor: job.CensorNSFW, Seed: uitoa(job.Seed),
		ImageIsControl: i.ImageIsControl, ReturnControlMap: i.ReturnControl, SamplerName: i.Sampler, CFGScale: wire.Float(i.CFG),
		Height: i.Height, Width: i.Width, PostProcessing: i.Post, Karras: i.Karras, Tiling: i.Tiling, HiresFix: i.HiresFix,
		ClipSkip: i.ClipSkip, ControlType: i.Control, Transparent: i.Transparent,
	}
	// Zero is never asked for: the smallest strength is 0.01.
	optional := func(f float64) *wire.Float {
		if f == 0 {
			return nil
		}
		return new(wire.Float(f))
	}
	p.DenoisingStrength, p.HiresFixDenoising = optional(i.Denoising), optional(i.HiresDenoising)
	p.FacefixerStrength = optional(i.FaceFixer)
	for _, l := range i.Loras {
		p.Loras = append(p.Loras, wire.Lora{
			Name: l.Name, Model: wire.Float(l.Model), Clip: wire.Float(l.Clip), InjectTrigger: l.InjectTrigger, IsVersion: l.IsVersion,
		})
	}
	p.Workflow, p.Special = i.Workflow, i.Special
	for _, t := range i.ExtraTexts {
		p.ExtraTexts = append(p.ExtraTexts, wire.ExtraText{Text: t.Text, Reference: t.Reference})
	}
	for _, ti := range i.TIs {
		p.TextualInversions = append(p.TextualInversions, wire.TI{Name: ti.Name, InjectTI: ti.InjectTI, Strength: wire.Float(ti.Strength)})
	}
	return p
}

// submit is POST /generate/submit. The image is kept before the rules hear of it, so that no delivered
// generation ever lacks one; whose generation it is, is asked before that.
func (s *Server) submit(c *call) error {
	body, err := s.body(c, MaxImageBody, s.schemas.submit)
	if err != nil {
		return err
	}
	key, sent := c.key()
	if !sent {
		_, err := s.caller(c)
		return err
	}
	text := body.text("id", "")
	uuid, err := horde.ParseUUID(text)
	if err != nil {
		return noJob(show(text))
	}
	id := horde.GenerationID{UUID: uuid}
	g, owner, found := s.deps.Engine.Generation(id)
	if !found {
		return noJob(id.String())
	}
	u, ok := s.deps.Engine.UserByKey(HashKey(s.deps.Secret, key))
	if !ok {
		return wrongKey()
	}
	if nul(body["gen_metadata"]) {
		return horde.Refuse(horde.CodeNulByte, "texts may not hold NUL characters")
	}
	op := horde.Submit{Owner: u.ID, Generation: id, Faulted: body.text("state", wire.StateOK) == wire.StateFaulted}
	if seed := body.integer("seed", -1); seed >= 0 && seed < 1<<32 {
		op.Seed, op.HasSeed = uint32(seed), true
	}
	for _, m := range body.objects("gen_metadata") {
		op.Meta = append(op.Meta, horde.Meta{Type: m.text("type", ""), Value: m.text("value", ""), Ref: m.text("ref", "")})
	}
	// Only a delivery that can still succeed brings an image; the rules refuse the others by themselves.
	delivers := owner == u.ID && g.State == horde.GenerationProcessing && !op.Faulted && len(op.Meta) <= horde.MaxMetadata
	if delivers {
		if op.Blob, err = s.delivered(c, id, body.text("generation", "")); err != nil {
			return err
		}
	}
	receipt, err := do(s, c, op)
	if err != nil {
		return err
	}
	if receipt.Discard { // nobody will ever ask for it, and what stays behind falls to the sweep
		_ = s.deps.Blobs.Delete(c.r.Context(), op.Blob)
	} else if delivers {
		s.Delivered(c.r.Context(), id)
	}
	return c.reply(http.StatusOK, wire.SubmitReply{Reward: wire.Float(receipt.Reward.Float())})
}

func noJob(id string) error {
	return horde.Refuse(horde.CodeInvalidJobID, "Processing Job with ID %s does not exist.", id)
}

// delivered makes sure that the image of a generation is kept as WebP and returns its key.
func (s *Server) delivered(c *call, id horde.GenerationID, generation string) (string, error) {
	key := resultKey(id)
	if generation != wire.Uploaded {
		return key, s.keepResult(c.r.Context(), key, generation)
	}
	there, err := s.uploadedAsWebP(c.r.Context(), key)
	switch {
	case err != nil:
		return "", err
	case !there:
		return "", horde.Refuse(horde.CodeBadRequest,
			"The image of job %s is not at its upload link. Please PUT it to r2_upload before you submit.", id)
	}
	return key, nil
}

func uitoa(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
