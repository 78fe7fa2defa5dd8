// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
	"stablemate/internal/blob"
	"stablemate/internal/fetch"
)

// interrogate is POST /interrogate/async.
func (s *Server) interrogate(c *call) error {
	body, err := s.body(c, MaxImageBody, s.schemas.interrogate)
	if err != nil {
		return err
	}
	if _, sent := c.key(); !sent {
		_, err := s.caller(c)
		return err
	}
	if err := s.notHere(body); err != nil {
		return err
	}
	u, err := s.caller(c)
	if err != nil {
		return err
	}
	source := body.text("source_image", "")
	body["source_image"] = "" // it may be long, and is looked at below
	if nul(body) || strings.IndexByte(source, 0) >= 0 {
		return horde.Refuse(horde.CodeNulByte, "texts may not hold NUL characters")
	}
	n := horde.NewAlchemy{
		User: u.ID, Origin: s.clientOrigin(c.r), Client: c.clientAgent(), Webhook: body.text("webhook", ""),
		TrustedWorkers: body.truth("trusted_workers", false), SlowWorkers: body.truth("slow_workers", true), Address: s.askerAddress(c, &u),
	}
	if n.Forms, err = formsOf(body); err != nil {
		return err
	}
	if err := s.alchemySource(c, &n, source); err != nil {
		return err
	}
	out, err := do(s, c, horde.EnqueueForms{NewAlchemy: n})
	if err != nil {
		return err
	}
	return c.reply(http.StatusAccepted, wire.AlchemyEnqueued{ID: out.ID.String()})
}

// formsOf reads the forms of a checked body; payloads hold texts alone.
func formsOf(body object) ([]horde.NewForm, error) {
	var out []horde.NewForm
	bad := make(map[string]string)
	for i, o := range body.objects("forms") {
		f := horde.NewForm{Name: o.text("name", "")}
		for name, v := range o.object("payload") {
			text, ok := v.(string)
			if !ok {
				bad["forms."+itoa(i)+".payload"] = show(v) + " is not a string"
				continue
			}
			if f.Payload == nil {
				f.Payload = make(map[string]string)
			}
			f.Payload[name] = text
		}
		out = append(out, f)
	}
	if len(bad) > 0 {
		return nil, invalid(bad)
	}
	return out, nil
}

// alchemySource finds out what image a request is about. An address goes on to the workers as it is; bytes are kept,
// but only for a request that the rules will take and that earlier results do not answer.
func (s *Server) alchemySource(c *call, n *horde.NewAlchemy, source string) error {
	if isAddress(source) {
		if err := publicURL(source); err != nil {
			return err
		}
		n.Source, n.Linked, n.Identity = source, true, source
		return nil
	}
	raw, err := fromBase64(source)
	if err != nil {
		return badImage(horde.CodeImageValidation, "%s", err)
	}
	format, w, h, err := blob.CheckLimits(raw, MaxSourceSide, MaxSourceSide*MaxSourceSide)
	switch {
	case errors.Is(err, blob.ErrTooLarge):
		return badImage(horde.CodeSourceResolution, "it has %d × %d pixels, at most %d × %d are taken", w, h, MaxSourceSide, MaxSourceSide)
	case err != nil:
		return badImage(horde.CodeImageValidation, "%s", err)
	}
	sum := sha256.Sum256(raw)
	n.Identity = "sha256:" + hex.EncodeToString(sum[:])
	n.Tiles = ((w + tileSide - 1) / tileSide) * ((h + tileSide - 1) / tileSide)
	trial := *n
	trial.DryRun = true
	answer, err := do(s, c, horde.EnqueueForms{NewAlchemy: trial})
	if err != nil || answer.Waiting == 0 {
		return err
	}
	data := raw
	if format != blob.WebP { // what is WebP was not decoded here; workers hold it against their own limits
		if data, _, err = s.recode(c.r.Context(), raw, format, qualityResult); err != nil {
			return err
		}
	}
	n.Source = s.deps.IDs.UUID().String() + "_src.webp"
	if err := s.deps.Blobs.PutBytes(c.r.Context(), n.Source, data); err != nil {
		return fmt.Errorf("keep source image: %w", err)
	}
	return nil
}

// tileSide is the side of a tile in pixels.
const tileSide = 512

// publicURL refuses addresses that cannot be of the public internet, as far as their form tells. Workers, who call them,
// look for themselves where a name leads.
func publicURL(address string) error {
	u, err := fetch.Parse(address)
	if err != nil {
		return badImage(codeSourceURL, "%s", err)
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	ip, err := netip.ParseAddr(host)
	literal := err == nil
	switch {
	case literal && !fetch.Public(ip),
		!literal && !strings.Contains(host, "."),                                                // a name of somebody's own network
		!literal && strings.Trim(host[strings.LastIndexByte(host, '.')+1:], "0123456789") == "", // a number in another spelling
		!literal && strings.Contains(host[strings.LastIndexByte(host, '.')+1:], "0x"):
		return badImage(codeSourceURL, "%s", fetch.ErrPrivate)
	}
	for _, local := range []string{".localhost", ".local", ".internal", ".home.arpa", ".lan"} {
		if strings.HasSuffix(host, local) {
			return badImage(codeSourceURL, "%s", fetch.ErrPrivate)
		}
	}
	return nil
}

// alchemyStatus is GET /interrogate/status/{id}. The ID is the secret; there is no key.
func (s *Server) alchemyStatus(c *call) error {
	id, err := c.requestID()
	if err != nil {
		return err
	}
	st, err := s.deps.Engine.Alchemy(id)
	if err != nil {
		return err
	}
	return s.replyAlchemy(c, &st)
}

// cancelAlchemy is DELETE /interrogate/status/{id}. It answers the status as it became.
func (s *Server) cancelAlchemy(c *call) error {
	id, err := c.requestID()
	if err != nil {
		return err
	}
	st, err := do(s, c, horde.CancelForms{Request: id})
	if err != nil {
		return err
	}
	return s.replyAlchemy(c, &st)
}

func (s *Server) replyAlchemy(c *call, st *horde.AlchemyStatus) error {
	out := wire.AlchemyStatus{State: string(st.State), Forms: make([]wire.FormStatus, 0, len(st.Forms))}
	for i := range st.Forms {
		f := &st.Forms[i]
		result, err := withLink(f, func() (string, error) { return s.picture(c, f.Blob, true) })
		if err != nil {
			return err
		}
		out.Forms = append(out.Forms, wire.FormStatus{Form: f.Name, State: string(f.State), Result: result})
	}
	return c.reply(http.StatusOK, out)
}

// withLink is a form's result with a link in place of the word that stands for an uploaded image.
func withLink(f *horde.FormStatus, link func() (string, error)) (json.RawMessage, error) {
	if f.Blob == "" || len(f.Result) == 0 {
		return f.Result, nil
	}
	v, err := decode(f.Result)
	if err != nil {
		return nil, fmt.Errorf("read the result of form %s: %w", f.ID, err)
	}
	o, _ := v.(map[string]any) // the rules take only objects
	for name, value := range o {
		if value != wire.Uploaded {
			continue
		}
		text, err := link()
		if err != nil {
			return nil, err
		}
		o[name] = text
	}
	return plainJSON(o)
}

// plainJSON is JSON without the escapes that only HTML needs.
func plainJSON(o map[string]any) (json.RawMessage, error) {
	var buf bytes.Buffer
	if err := encode(&buf, o); err != nil {
		return nil, fmt.Errorf("write a form's result: %w", err)
	}
	return bytes.TrimSpace(buf.Bytes()), nil
}

// popForms is POST /interrogate/pop.
func (s *Server) popForms(c *call) error {
	body, err := s.body(c, MaxBody, s.schemas.popForms)
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
	op.Offer = formOffer(body)
	if wait > 0 {
		// The server's own limit on writing is shorter than what this caller asked to wait.
		_ = http.NewResponseController(c.w).SetWriteDeadline(time.Time{})
	}
	job, err := s.deps.Engine.PopForms(c.r.Context(), horde.PopForms{Pop: op}, wait)
	if err != nil {
		return err
	}
	answer := wire.AlchemyPopReply{Skipped: job.Skipped}
	for _, f := range job.Forms {
		out := wire.FormJob{ID: f.ID.String(), Form: f.Name, Payload: f.Payload, SourceImage: f.Source}
		if !f.Linked {
			if out.SourceImage, err = s.link(c, blob.OpGet, f.Source); err != nil {
				return err
			}
		}
		if horde.PostForm(f.Name) {
			if out.R2Upload, err = s.link(c, blob.OpPut, formKey(f.ID)); err != nil {
				return err
			}
		}
		answer.Forms = append(answer.Forms, out)
	}
	return c.reply(http.StatusOK, answer)
}

// formKey is where the image of a form is kept.
func formKey(id horde.FormID) string { return id.String() + ".webp" }

// usualTiles is what an alchemist takes when it says nothing.
const usualTiles = 80

func formOffer(body object) horde.Offer {
	o := horde.Offer{
		Name: body.text("name", ""), Forms: body.texts("forms"), BridgeAgent: body.text("bridge_agent", agentUnset),
		NSFW: true, Threads: int(body.integer("threads", 1)), MaxTiles: int(body.integer("max_tiles", usualTiles)),
	}
	if len(o.Forms) == 0 {
		o.Forms = []string{"caption"}
	}
	return o
}

// submitForm is POST /interrogate/submit.
func (s *Server) submitForm(c *call) error {
	body, err := s.lenientBody(c)
	if err != nil {
		return err
	}
	if _, sent := c.key(); !sent {
		_, err := s.caller(c)
		return err
	}
	text, ok := coerceText(body["id"])
	if !ok {
		return missing("id", "Missing required parameter in the JSON body")
	}
	result := body.object("result")
	bare, isText := body["result"].(string)
	state, _ := coerceText(body["state"])
	if result == nil && !isText && state != wire.StateFaulted {
		return missing("result", "Missing required parameter in the JSON body")
	}
	uuid, err := horde.ParseUUID(text)
	if err != nil {
		return noJob(show(text))
	}
	id := horde.FormID{UUID: uuid}
	f, owner, found := s.deps.Engine.Form(id)
	if !found {
		return noJob(id.String())
	}
	u, err := s.caller(c)
	if err != nil {
		return err
	}
	op := horde.SubmitForm{Owner: u.ID, Form: id, Faulted: state == wire.StateFaulted}
	if owner == u.ID && !op.Faulted { // the rules refuse the others by themselves
		if result == nil { // horde-sdk knows results only as texts
			result = object{f.Name: bare}
		}
		if nul(result) {
			return horde.Refuse(horde.CodeNulByte, "texts may not hold NUL characters")
		}
		if op.Result, err = plainJSON(result); err != nil {
			return err
		}
		if op.Blob, err = s.formImage(c.r.Context(), id, f.Name, result); err != nil {
			return err
		}
	}
	receipt, err := do(s, c, op)
	if err != nil {
		return err
	}
	switch {
	case receipt.Discard && op.Blob != "": // nobody will ever ask for it, and what stays behind falls to the sweep
		_ = s.deps.Blobs.Delete(c.r.Context(), op.Blob)
	case !receipt.Discard && !op.Faulted:
		s.formDelivered(c.r.Context(), id)
	}
	return c.reply(http.StatusOK, wire.SubmitReply{Reward: amount(receipt.Reward)})
}

// formImage makes sure that the image of a post-processed form is kept as WebP and returns its key; other forms have none.
func (s *Server) formImage(ctx context.Context, id horde.FormID, name string, result object) (string, error) {
	uploaded := false
	for _, v := range result {
		uploaded = uploaded || v == wire.Uploaded
	}
	if !uploaded || !horde.PostForm(name) {
		return "", nil
	}
	key := formKey(id)
	there, err := s.uploadedAsWebP(ctx, key)
	if err == nil && !there {
		err = horde.Refuse(horde.CodeBadRequest, "The image of form %s is not at its upload link. Please PUT it to r2_upload before you submit.", id)
	}
	return key, err
}

// Bounds of alchemy bodies that the contract leaves open.
const maxFormsSent = 200

func interrogateBody() *schema {
	return shape(map[string]*schema{
		"source_image": text(),
		"forms": list(shape(map[string]*schema{
			"name": oneOf(horde.AllForms()...), "payload": shape(nil),
		}, "name")).atMost(maxFormsSent),
		"trusted_workers": truth(),
		"slow_workers":    truth(),
		"webhook":         text().length(10, 1024),
	}, "source_image")
}

func popFormsBody() *schema {
	return shape(map[string]*schema{
		"name":               text(),
		"forms":              list(oneOf(horde.AllForms()...)).atMost(maxFormsSent),
		"amount":             integer(),
		"bridge_agent":       text().length(0, 1000),
		"threads":            integer().between(1, horde.MaxAlchemistThreads),
		"max_tiles":          integer().between(1, horde.MaxFormTiles),
		"priority_usernames": list(text()).atMost(maxPrioritised),
	}, "name")
}
