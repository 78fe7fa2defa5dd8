// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
	"stablemate/internal/blob"
)

// Webhooks calls those who asked to be told. Enqueue never waits; false means that the news is dropped. Whoever
// implements it logs and counts what is dropped, and calls public addresses alone.
type Webhooks interface {
	Enqueue(d wire.Delivery) bool
}

// goodHook holds the rules about a body's webhook. Where it leads is judged when it is called.
func goodHook(body object) error {
	text := body.text("webhook", "")
	if text == "" {
		return nil
	}
	at, err := url.Parse(text)
	if err != nil || !strings.HasPrefix(text, "https://") || at.Hostname() == "" || at.User != nil {
		return horde.Refuse(horde.CodeBadRequest, "A webhook must be an https:// address.")
	}
	return nil
}

// Delivered tells the webhook of a generation's request, when it has one. Whoever has delivered a generation without
// going through generate/submit calls it after the engine acknowledged that. It waits for nobody outside; what goes
// wrong is logged, since the delivery stands all the same.
func (s *Server) Delivered(ctx context.Context, id horde.GenerationID) {
	if s.opts.Webhooks == nil {
		return
	}
	h, ok := s.deps.Engine.Hook(id)
	if !ok || h.URL == "" {
		return
	}
	d := wire.Delivery{URL: h.URL, ID: id.String()}
	meta := make([]wire.Metadata, 0, len(h.Meta))
	for _, m := range h.Meta {
		meta = append(meta, wire.Metadata{Type: m.Type, Value: m.Value, Ref: m.Ref})
	}
	if h.Kind == horde.Scribe {
		d.Body = wire.TextHook{
			Text: h.Text, Seed: int64(h.Seed), WorkerID: h.Worker.String(), WorkerName: h.WorkerName, Model: h.Model, ID: d.ID,
			State: textState(&h.Delivered), GenMetadata: meta, Request: h.Request.String(), Kudos: wire.Float(h.Kudos.Float()),
		}
	} else {
		img, err := s.hookPicture(ctx, h)
		if err != nil {
			s.deps.Log.Error().Err(err).Str("id", d.ID).Msg("a webhook is not called: its image cannot be read")
			return
		}
		d.Body = wire.ImageHook{
			Img: img, Seed: int64(h.Seed), WorkerID: h.Worker.String(), WorkerName: h.WorkerName, Model: h.Model, ID: d.ID,
			Censored: h.Censored, GenMetadata: meta, Request: h.Request.String(), Kudos: wire.Float(h.Kudos.Float()),
		}
	}
	s.opts.Webhooks.Enqueue(d)
}

// formDelivered tells the webhook of a finished form's request, when it has one, as Delivered does.
func (s *Server) formDelivered(ctx context.Context, id horde.FormID) {
	if s.opts.Webhooks == nil {
		return
	}
	h, ok := s.deps.Engine.FormHook(id)
	if !ok || h.URL == "" {
		return
	}
	result, err := withLink(&h.FormStatus, func() (string, error) {
		return s.hookPicture(ctx, horde.Hook{R2: true, Delivered: horde.Delivered{Blob: h.Blob}})
	})
	if err != nil {
		s.deps.Log.Error().Err(err).Str("id", id.String()).Msg("a webhook is not called: its image cannot be linked")
		return
	}
	s.opts.Webhooks.Enqueue(wire.Delivery{URL: h.URL, ID: id.String(), Body: wire.AlchemyHook{
		Form: h.Name, State: string(h.State), Result: result, WorkerID: h.Worker.String(), WorkerName: h.WorkerName,
		ID: id.String(), Request: h.Request.String(), Kudos: wire.Float(h.Kudos.Float()),
	}})
}

// hookPicture is how an image goes to a webhook: as the status would show it.
func (s *Server) hookPicture(ctx context.Context, h horde.Hook) (string, error) {
	if h.R2 {
		link, err := s.deps.Signer.Link(blob.OpGet, h.Blob)
		if err != nil {
			return "", fmt.Errorf("sign a link: %w", err)
		}
		if at := strings.Index(link, blob.PathPrefix); at >= 0 && s.deps.Signer.Own() && s.opts.PublicURL != "" {
			link = s.opts.PublicURL + link[at:]
		}
		return link, nil
	}
	leave, err := s.enterLarge(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	data, err := s.deps.Blobs.Read(ctx, h.Blob, maxResultBytes)
	if err != nil {
		return "", fmt.Errorf("read image: %w", err)
	}
	return base64.StdEncoding.EncodeToString(data), nil
}
