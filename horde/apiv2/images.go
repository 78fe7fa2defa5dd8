// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"net/http"
	"strings"

	encoder "github.com/chai2010/webp"
	"golang.org/x/image/webp"

	"stablemate/horde"
	"stablemate/horde/apiv2/wire"
	"stablemate/internal/blob"
	"stablemate/internal/fetch"
)

// Bounds and qualities of images.
const (
	// MaxSourceSide is the most pixels of a source image in width or height.
	MaxSourceSide = horde.MaxSide
	// MaxSourceBytes is the most bytes of a source image that lies at an address.
	MaxSourceBytes = fetch.MaxBytes
	// MaxResultSide and MaxResultPixels bound a delivered image, also an enlarged one.
	MaxResultSide   = 8192
	MaxResultPixels = 4096 * 4096

	maxResultBytes = 24 << 20 // of a stored image that travels inside a reply

	qualityResult = 95
	qualitySource = 50

	// pendingSource stands for the key of a source image until it is kept.
	pendingSource = "pending"
)

// imageRefused begins the message of every refused image: clients look for it.
const imageRefused = "Image validation failed: "

func badImage(code horde.Code, format string, args ...any) error {
	return horde.Refuse(code, imageRefused+format, args...)
}

// resultKey is where the image of a generation is kept.
func resultKey(id horde.GenerationID) string { return id.String() + ".webp" }

// link signs a link to an image, beginning with the public address, or the one the caller used.
func (s *Server) link(c *call, op blob.Op, key string) (string, error) {
	link, err := s.deps.Signer.Link(op, key)
	if err != nil {
		return "", fmt.Errorf("sign a link: %w", err)
	}
	at := strings.Index(link, blob.PathPrefix)
	if at < 0 || !s.deps.Signer.Own() {
		return link, nil
	}
	return s.base(c.r) + link[at:], nil
}

// base is scheme and host of links. The signature does not cover it.
func (s *Server) base(r *http.Request) string {
	if s.opts.PublicURL != "" {
		return s.opts.PublicURL
	}
	scheme := "http"
	if r.TLS != nil || s.opts.TrustedProxy && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// picture is how a kept image goes to whoever asked for it: a link, or the bytes as base64.
func (s *Server) picture(c *call, key string, asLink bool) (string, error) {
	if !asLink {
		data, err := s.deps.Blobs.Read(c.r.Context(), key, maxResultBytes)
		switch {
		case errors.Is(err, blob.ErrNotFound), errors.Is(err, blob.ErrKey):
			return wire.Gone, nil
		case err != nil:
			return "", fmt.Errorf("read image: %w", err)
		}
		return base64.StdEncoding.EncodeToString(data), nil
	}
	there, err := s.kept(c.r.Context(), key)
	switch {
	case err != nil:
		return "", err
	case !there:
		return wire.Gone, nil
	}
	return s.link(c, blob.OpGet, key)
}

// kept reports whether an image is there.
func (s *Server) kept(ctx context.Context, key string) (bool, error) {
	_, err := s.deps.Blobs.Stat(ctx, key)
	switch {
	case errors.Is(err, blob.ErrNotFound), errors.Is(err, blob.ErrKey):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for image: %w", err)
	}
	return true, nil
}

// fromBase64 reads an image in a JSON text; a data URL's beginning is tolerated.
func fromBase64(text string) ([]byte, error) {
	if strings.HasPrefix(text, "data:") {
		_, text, _ = strings.Cut(text, ",")
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		data, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	}
	if err != nil || len(data) == 0 {
		return nil, errors.New("the text is no base64 image")
	}
	return data, nil
}

// keepResult stores a delivered image under key, as WebP. It is durable when this returns nil.
func (s *Server) keepResult(ctx context.Context, key, text string) error {
	data, err := fromBase64(text)
	if err != nil {
		return badImage(horde.CodeImageValidation, "%s", err)
	}
	format, w, h, err := blob.CheckLimits(data, MaxResultSide, MaxResultPixels)
	switch {
	case errors.Is(err, blob.ErrTooLarge):
		return badImage(horde.CodeImageValidation, "it has %d × %d pixels, at most %d on a side and %d in all are taken", w, h, MaxResultSide, MaxResultPixels)
	case err != nil:
		return badImage(horde.CodeImageValidation, "%s", err)
	}
	if format != blob.WebP {
		data, _, err = s.recode(ctx, data, format, qualityResult)
		if err != nil {
			return err
		}
	}
	if err := s.deps.Blobs.PutBytes(ctx, key, data); err != nil {
		return fmt.Errorf("keep result: %w", err)
	}
	return nil
}

// uploadedAsWebP takes an uploaded result, and makes a WebP of it when it is another kind of image. It reports whether
// there is one.
func (s *Server) uploadedAsWebP(ctx context.Context, key string) (there bool, err error) {
	format, err := s.deps.Blobs.Accept(ctx, key)
	switch {
	case errors.Is(err, blob.ErrNotFound), errors.Is(err, blob.ErrKey):
		return false, nil
	case errors.Is(err, blob.ErrNotImage), errors.Is(err, blob.ErrTooLarge), errors.Is(err, blob.ErrTooLong):
		return true, badImage(horde.CodeImageValidation, "%s", err)
	case err != nil:
		return false, fmt.Errorf("accept upload: %w", err)
	}
	if format == blob.WebP {
		return true, nil
	}
	leave, err := s.enterLarge(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	data, err := s.deps.Blobs.Read(ctx, key, maxResultBytes)
	if err != nil {
		return false, fmt.Errorf("read image: %w", err)
	}
	if data, _, err = s.recode(ctx, data, format, qualityResult); err != nil {
		return false, err
	}
	if err := s.deps.Blobs.PutBytes(ctx, key, data); err != nil {
		return false, fmt.Errorf("keep result: %w", err)
	}
	return true, nil
}

// recode decodes a checked image and encodes it as WebP. It also tells whether any of it is see-through.
func (s *Server) recode(ctx context.Context, data []byte, format blob.Format, quality float32) (out []byte, through bool, err error) {
	select {
	case s.decodes <- struct{}{}:
		defer func() { <-s.decodes }()
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	img, err := decodeImage(data, format)
	if err != nil {
		return nil, false, badImage(codeSourceUnreadable, "it cannot be decoded")
	}
	opaque, known := img.(interface{ Opaque() bool })
	var buf bytes.Buffer
	if err := encoder.Encode(&buf, img, &encoder.Options{Quality: quality}); err != nil {
		return nil, false, fmt.Errorf("encode WebP: %w", err)
	}
	return buf.Bytes(), known && !opaque.Opaque(), nil
}

func decodeImage(data []byte, format blob.Format) (image.Image, error) {
	in := bytes.NewReader(data)
	switch format {
	case blob.WebP:
		return webp.Decode(in)
	case blob.PNG:
		return png.Decode(in)
	case blob.JPEG:
		return jpeg.Decode(in)
	}
	return nil, blob.ErrNotImage
}
