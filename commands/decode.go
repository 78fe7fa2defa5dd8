// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"

	encoder "github.com/chai2010/webp"
	"golang.org/x/image/draw"

	"stablemate/horde"
)

// errPicture is behind every refusal of an image that cannot be decoded.
var errPicture = errors.New("unreadable image")

// header reads what an image says about itself: its size in pixels and its format. What is too large, or no image, is a
// refusal.
func header(data []byte) (cfg image.Config, format string, err error) {
	cfg, format, err = image.DecodeConfig(bytes.NewReader(data))
	switch {
	case err != nil:
		return cfg, format, errors.Join(errPicture, tellPlain("refused.pic.unreadable"))
	case cfg.Width < 1 || cfg.Height < 1 || cfg.Width > maxPicturePixels/cfg.Height:
		return cfg, format, errors.Join(errPicture, tellPlain("refused.pic.pixels", "Width", cfg.Width, "Height", cfg.Height))
	}
	return cfg, format, nil
}

// decoded decodes an image and hands it to use. Only a few are in memory at the same time.
func (s *Set) decoded(ctx context.Context, data []byte, use func(image.Image) error) error {
	if _, _, err := header(data); err != nil {
		return err
	}
	select {
	case s.decoding <- struct{}{}:
		defer func() { <-s.decoding }()
	case <-ctx.Done():
		return ctx.Err()
	}
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return errors.Join(errPicture, tellPlain("refused.pic.unreadable"))
	}
	return use(img)
}

// within makes an image smaller whose longer side has more than so many pixels. Its shape stays.
func within(img image.Image, side int) image.Image {
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	long := max(w, h)
	if long <= side {
		return img
	}
	small := image.NewNRGBA(image.Rect(0, 0, max(1, w*side/long), max(1, h*side/long)))
	draw.BiLinear.Scale(small, small.Bounds(), img, img.Bounds(), draw.Src, nil)
	return small
}

// asWebP encodes an image with some loss: quality goes to 100.
func asWebP(img image.Image, quality float32) ([]byte, error) {
	var buf bytes.Buffer
	if err := encoder.Encode(&buf, img, &encoder.Options{Quality: quality}); err != nil {
		return nil, fmt.Errorf("encode WebP: %w", err)
	}
	return buf.Bytes(), nil
}

// recode decodes an image, makes it small enough for the horde, and encodes it as WebP.
func (s *Set) recode(ctx context.Context, data []byte) (out []byte, w, h int, err error) {
	cfg, format, err := header(data)
	if err != nil {
		return nil, 0, 0, err
	}
	if format == "webp" && max(cfg.Width, cfg.Height) <= horde.MaxSide && len(data) <= maxImage {
		if bare, ok := bareWebP(data); ok {
			return bare, cfg.Width, cfg.Height, nil // as workers want it; they hold it against their own limits
		}
	}
	err = s.decoded(ctx, data, func(img image.Image) (err error) {
		img = within(img, horde.MaxSide)
		w, h = img.Bounds().Dx(), img.Bounds().Dy()
		out, err = asWebP(img, pictureQuality)
		return err
	})
	return out, w, h, err
}

// shrink makes an image small enough for a message: as it is, or as WebP of falling quality and at last size. It returns
// nil when nothing helps.
func (s *Set) shrink(ctx context.Context, data []byte, room int) (out []byte, err error) {
	if len(data) <= room {
		return data, nil
	}
	const small = 2048 // pixels of the longer side
	err = s.decoded(ctx, data, func(img image.Image) error {
		for _, step := range []struct {
			quality float32
			side    int
		}{{90, maxPicturePixels}, {80, maxPicturePixels}, {80, small}} {
			made, err := asWebP(within(img, step.side), step.quality)
			if err != nil {
				return err
			}
			if len(made) <= room {
				out = made
				return nil
			}
		}
		return nil
	})
	if errors.Is(err, errPicture) {
		return nil, nil // what cannot be read cannot be made smaller
	}
	return out, err
}
