// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"stablemate/horde"
	"stablemate/internal/blob"
	"stablemate/internal/fetch"
)

// remix is the one processing that takes further source images.
const remix = "remix"

// extraOf reads the further source images. They are kept later; until then a word stands in for each.
func extraOf(body object) []horde.ExtraSource {
	images := body.objects("extra_source_images")
	if len(images) == 0 {
		return nil
	}
	out := make([]horde.ExtraSource, 0, len(images))
	for _, x := range images {
		out = append(out, horde.ExtraSource{Blob: pendingSource, Strength: x.number("strength", 1)})
	}
	return out
}

// sourced reports whether a request brings images.
func sourced(i *horde.Image) bool { return i.Source != "" || i.SourceMask != "" || len(i.Extra) > 0 }

// pendingImage is a source image on its way into the store.
type pendingImage struct {
	text string  // as it came: base64, or an address
	key  string  // where it will be kept
	into *string // what will name it

	data    []byte // small, as WebP
	through bool   // some of it is see-through
}

// keepSources checks and stores the source image, its mask and the further images, and puts their keys into the request.
// It asks the rules first, so that nothing is fetched, decoded or kept for a request that will be refused anyway; and it
// keeps none before all are known to be good.
func (s *Server) keepSources(c *call, n *horde.NewImage, body object) error {
	trial := *n
	trial.DryRun = true
	if _, err := do(s, c, horde.Enqueue{NewImage: trial}); err != nil {
		return err
	}
	id := s.deps.IDs.UUID().String()
	var all []*pendingImage
	image, mask := body.text("source_image", ""), body.text("source_mask", "")
	if image != "" {
		all = append(all, &pendingImage{text: image, key: id + "_src.webp", into: &n.Image.Source})
	}
	if mask != "" {
		all = append(all, &pendingImage{text: mask, key: id + "_msk.webp", into: &n.Image.SourceMask})
	}
	for i, x := range body.objects("extra_source_images") {
		all = append(all, &pendingImage{
			text: x.text("image", ""), key: id + "_exra_src_" + itoa(i) + ".webp", into: &n.Image.Extra[i].Blob,
		})
	}
	reading, ctx := errgroup.WithContext(c.r.Context()) // addresses are slow, and there are seven at most
	for _, p := range all {
		reading.Go(func() (err error) {
			p.data, p.through, err = s.source(ctx, p.text)
			return err
		})
	}
	if err := reading.Wait(); err != nil {
		return err
	}
	if image != "" && mask == "" && n.Image.Processing == "inpainting" && !all[0].through {
		return horde.Refuse(horde.CodeInpaintingMissingMask, "Inpainting needs a source_mask, or a source image with see-through parts.")
	}
	for _, p := range all {
		if err := s.deps.Blobs.PutBytes(c.r.Context(), p.key, p.data); err != nil {
			return fmt.Errorf("keep source image: %w", err)
		}
		*p.into = p.key
	}
	return nil
}

// source reads one source image, in base64 or from an address, and encodes it small. It also tells whether any of it is
// see-through. What comes from an address is held to the same limits as the rest.
func (s *Server) source(ctx context.Context, text string) (data []byte, through bool, err error) {
	var raw []byte
	if isAddress(text) {
		raw, err = s.fetched(ctx, text)
	} else if raw, err = fromBase64(text); err != nil {
		err = badImage(horde.CodeImageValidation, "%s", err)
	}
	if err != nil {
		return nil, false, err
	}
	format, w, h, err := blob.CheckLimits(raw, MaxSourceSide, MaxSourceSide*MaxSourceSide)
	switch {
	case errors.Is(err, blob.ErrTooLarge):
		return nil, false, badImage(horde.CodeSourceResolution, "it has %d × %d pixels, at most %d × %d are taken", w, h, MaxSourceSide, MaxSourceSide)
	case err != nil:
		return nil, false, badImage(horde.CodeImageValidation, "%s", err)
	}
	return s.recode(ctx, raw, format, qualitySource)
}

// isAddress tells an address from base64, which never holds a colon.
func isAddress(text string) bool {
	scheme, _, found := strings.Cut(text, "://")
	return found && len(scheme) <= len("https") && !strings.ContainsAny(scheme, "/+=,;")
}

// fetched reads the bytes at an address.
func (s *Server) fetched(ctx context.Context, address string) ([]byte, error) {
	data, err := s.fetch.Get(ctx, address)
	switch {
	case err == nil:
		return data, nil
	case errors.Is(err, fetch.ErrTooLong):
		return nil, badImage(horde.CodeSourceSize, "%s", err)
	case errors.Is(err, fetch.ErrURL):
		return nil, badImage(codeSourceURL, "%s", err)
	case errors.Is(err, fetch.ErrUnreachable):
		return nil, badImage(codeSourceUnreadable, "%s", err)
	}
	return nil, err
}
