// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	_ "image/gif" // avatars and attachments
	_ "image/jpeg"
	_ "image/png"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	_ "golang.org/x/image/webp"

	"stablemate/internal/discord"
)

// Bounds of images that people bring along.
const (
	maxPicture       = 20 << 20 // bytes
	maxPicturePixels = 40 << 20 // before it is made smaller
	maxDecoding      = 2        // decoded at the same time
	pictureQuality   = 90       // of the WebP that is kept
	tileSide         = 512      // of what alchemists count, in pixels
)

// processing is what is done with a source image unless somebody says otherwise.
const processing = "img2img"

// pendingKey stands for a source image that is not kept yet, in trials.
const pendingKey = "pending"

// Strengths of a change, above 0 to 1.
const (
	strengthUsual  = 0.6
	strengthSubtle = 0.35
	strengthStrong = 0.65
)

// photo is an image that a request begins with: a file at Discord, or one that we made.
type photo struct {
	url           string
	blob          string
	name          string // of the file; may be empty
	width, height int    // 0 when not known
	brought       bool   // attached to what is being asked for
}

// ofAttachment takes a file that somebody attached.
func ofAttachment(a discord.Attachment) (*photo, bool) {
	kind := strings.HasPrefix(a.ContentType, "image/") ||
		slices.Contains([]string{".png", ".jpg", ".jpeg", ".webp", ".gif"}, strings.ToLower(path.Ext(a.Filename)))
	return &photo{url: a.URL, name: a.Filename, width: a.Width, height: a.Height, brought: true}, kind && a.URL != ""
}

// sourceOption takes the image of a command. Where nobody says a size, the image's shape counts.
func (s *Set) sourceOption(o discord.OptionValues, p *params) error {
	a, ok := o.Attachment("image")
	if !ok && o.Has("strength") {
		return tellPlain("refused.strengthalone")
	}
	if !ok {
		return nil
	}
	if a.Size > maxPicture {
		return tellPlain("refused.pic.large", "MiB", maxPicture>>20)
	}
	pic, ok := ofAttachment(a)
	if !ok {
		return tellPlain("refused.pic.none")
	}
	p.from, p.Strength = pic, float64(o.Int("strength", int64(strengthUsual*100)))/100
	if !o.Has("size") && !o.Has("width") && !o.Has("height") {
		p.takeShape()
	}
	return nil
}

// takeShape gives the result the shape of its source, as far as that is known.
func (p *params) takeShape() {
	if pic := p.from; pic != nil && pic.width > 0 && pic.height > 0 {
		p.Width, p.Height = shape(pic.width, pic.height, p.Width*p.Height)
		p.says("size")
		p.shaped = true
	}
}

// keepPictures reads and keeps the images that a request begins with, so that workers can fetch them.
func (s *Set) keepPictures(ctx context.Context, interaction string, p *params) error {
	for i, pic := range p.extra {
		raw, err := s.readPicture(ctx, pic)
		if err != nil {
			return err
		}
		data, _, _, err := s.recode(ctx, raw)
		if err != nil {
			return err
		}
		key := interaction + "_x" + strconv.Itoa(i+1) + ".webp"
		if err := s.deps.Images.PutBytes(ctx, key, data); err != nil {
			return fmt.Errorf("keep source image: %w", err)
		}
		f := p.detail()
		f.Extra = append(f.Extra, key)
	}
	p.extra = nil
	for _, k := range []struct {
		from **photo
		into *string
		end  string
	}{{&p.from, &p.Source, "_src.webp"}, {&p.mask, &p.Mask, "_msk.webp"}} {
		if *k.from == nil {
			continue
		}
		raw, err := s.readPicture(ctx, *k.from)
		if err != nil {
			return err
		}
		data, w, h, err := s.recode(ctx, raw)
		if err != nil {
			return err
		}
		key := interaction + k.end
		if err := s.deps.Images.PutBytes(ctx, key, data); err != nil {
			return fmt.Errorf("keep source image: %w", err)
		}
		if k.from == &p.from && p.from.url != "" {
			p.Brought = p.from.brought
		}
		*k.into, *k.from = key, nil
		if p.Forms != nil {
			sum := sha256.Sum256(raw)
			p.Forms.Identity = "sha256:" + hex.EncodeToString(sum[:])
			p.Forms.Tiles = tilesOf(w, h)
		}
	}
	return nil
}

// readPicture reads the bytes of an image. What somebody else may have removed is a refusal.
func (s *Set) readPicture(ctx context.Context, pic *photo) ([]byte, error) {
	if pic.blob != "" {
		data, err := s.deps.Images.Read(ctx, pic.blob, maxPicture)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, tellPlain("refused.pic.gone")
		}
		if err != nil {
			return nil, fmt.Errorf("read image: %w", err)
		}
		return data, nil
	}
	data, err := s.bot.Download(ctx, pic.url, maxPicture)
	if errors.Is(err, discord.ErrHost) && s.deps.Fetch != nil {
		data, err = s.deps.Fetch(ctx, pic.url)
	}
	if err != nil {
		s.log.Debug().Err(err).Msg("cannot read an image of a person")
		return nil, tellPlain("refused.pic.away")
	}
	return data, nil
}

// picturesOf finds the images of a message: files, what its embeds and its layout show, and those of messages that it
// passes on. None comes twice.
func picturesOf(m discord.FetchedMessage) []*photo {
	var out []*photo
	seen := make(map[string]bool)
	add := func(pic *photo) {
		file, _, _ := strings.Cut(pic.url, "?") // the same file may be signed anew
		if _, path, ok := strings.Cut(file, "://"); ok {
			_, file, _ = strings.Cut(path, "/") // or come by way of Discord's own copy
		}
		if !seen[file] && len(out) < discord.MaxSelectOptions {
			seen[file] = true
			out = append(out, pic)
		}
	}
	for _, part := range append([]discord.MessageBody{m.MessageBody}, m.Forwarded()...) {
		for _, a := range part.Attachments {
			if pic, ok := ofAttachment(a); ok && a.Size <= maxPicture {
				pic.brought = false
				add(pic)
			}
		}
		shown := part.Media()
		for _, e := range part.Embeds {
			shown = append(shown, e.Image, e.Thumbnail)
		}
		for _, x := range shown {
			if address := cmp.Or(x.ProxyURL, x.URL); address != "" {
				add(&photo{url: address, width: x.Width, height: x.Height})
			}
		}
	}
	return out
}
