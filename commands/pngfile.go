// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/draw"
	"image/png"
	"io/fs"
	"strconv"
	"strings"

	"stablemate/commands/chat"
	"stablemate/commands/words"
	"stablemate/internal/discord"
)

// verbPNG is the verb of what brings an image as PNG. arg: number of the image, or empty in a select.
const verbPNG = "pn"

// maxRecipe bounds the text in a PNG, in bytes. Prompts are shorter, with the templates of styles around them.
const maxRecipe = 32 << 10

// pngRow offers each image of a result as PNG: a button for each of a few, a select for more. ok is false when there is
// nothing to offer.
func pngRow(w words.Words, row chat.Message, p *params) (out discord.Row, ok bool) {
	there := p.there()
	if !p.pictures() || len(there) == 0 {
		return out, false
	}
	id := short(row)
	switch {
	case len(there) == 1:
		out.Buttons = []discord.Button{pickButton(w.T("image.png"), "📄", verbPNG, id, strconv.Itoa(there[0]))}
	case len(there) <= discord.MaxButtons:
		for _, n := range there {
			out.Buttons = append(out.Buttons, pickButton("PNG "+strconv.Itoa(n), "📄", verbPNG, id, strconv.Itoa(n)))
		}
	default:
		out.Select = &discord.Select{CustomID: discord.CustomID{Verb: verbPNG, ID: id}.String(), Placeholder: discord.Clip(w.T("image.png"), maxPlaceholder)}
		for _, n := range there[:min(len(there), discord.MaxSelectOptions)] {
			out.Select.Options = append(out.Select.Options, discord.SelectOption{Label: w.T("image.number", "Number", n), Value: strconv.Itoa(n)})
		}
	}
	return out, true
}

// maxPlaceholder is what Discord lets the text in an empty select have, in characters.
const maxPlaceholder = 150

// pngKey is where a PNG is kept that Discord does not take.
func pngKey(row chat.Message, number int) string {
	return short(row) + "_p" + strconv.Itoa(number) + ".png"
}

// pressPNG brings one image as PNG with how it was made, to whoever may see the result: privately.
func (s *Set) pressPNG(ctx context.Context, in *discord.Interaction, r *discord.Responder) error {
	row, p, ok, err := s.pressed(ctx, in, r)
	if err != nil || !ok {
		return err
	}
	w := s.say(in)
	arg := in.Component.ID.Arg
	if arg == "" && len(in.Component.Values) == 1 {
		arg = in.Component.Values[0]
	}
	number, err := strconv.Atoi(arg)
	if err != nil || number < 1 || number > len(p.Made) || !p.pictures() || p.Made[number-1].Blob == "" || p.Made[number-1].Censored {
		return tell(w.T("image.gone"))
	}
	if p.Adult && row.Channel != in.ChannelID {
		e, err := s.effective(ctx, in)
		if err != nil {
			return err
		}
		if !e.adult {
			return tell(w.T("jobs.adult"))
		}
	}
	if err := r.Defer(ctx, true); err != nil {
		return err
	}
	made := p.Made[number-1]
	data, err := s.deps.Images.Read(ctx, made.Blob, maxDelivered)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return tell(w.T("image.gone"))
	case err != nil:
		return fmt.Errorf("read image: %w", err)
	}
	out, err := s.pngWith(ctx, data, recipe(p, made, s.opts.Version))
	if err != nil {
		return err
	}
	v := voice{w}
	m := private(w.T("image.pngsays"))
	m.Files = []discord.File{{
		Name: short(row) + "-" + strconv.Itoa(number) + ".png", ContentType: "image/png", Data: out, Description: v.altOf(&p, number), Spoiler: p.Veiled,
	}}
	barred := false
	if int64(len(out)) <= s.bot.UploadLimit(in.GuildID, in.AttachmentSizeLimit) {
		err := r.Reply(ctx, m)
		barred = discord.IsMissingPermission(err)
		if !barred && !discord.IsTooLarge(err) {
			return err
		}
	}
	// It may still be fetched, where people reach this horde.
	m.Files = nil
	m.Content = w.T("image.pnglarge")
	if barred {
		m.Content = w.T("request.barred")
	}
	if s.mayLink() {
		key := pngKey(row, number)
		if err := s.deps.Images.PutBytes(ctx, key, out); err != nil {
			return fmt.Errorf("keep a PNG: %w", err)
		}
		if err := s.deps.Images.Keep(ctx, key, int64(len(out))); err != nil { // for as long as the link works
			return fmt.Errorf("keep a PNG: %w", err)
		}
		m.Content = s.apart(v, []kept{{number, key}}, showing{barred: barred}, p.Veiled)
	}
	return r.Edit(ctx, m)
}

// pngWith makes a PNG of an image, with a text that says how it was made and nothing else about it.
func (s *Set) pngWith(ctx context.Context, data []byte, text string) (out []byte, err error) {
	err = s.decoded(ctx, data, func(img image.Image) error {
		flat := image.NewNRGBA(image.Rect(0, 0, img.Bounds().Dx(), img.Bounds().Dy())) // what the encoder is quick with
		draw.Draw(flat, flat.Bounds(), img, img.Bounds().Min, draw.Src)
		var buf bytes.Buffer
		if err := png.Encode(&buf, flat); err != nil {
			return fmt.Errorf("encode PNG: %w", err)
		}
		out = withText(buf.Bytes(), "parameters", text)
		return nil
	})
	return out, err
}

// withText puts a text into a PNG, behind its header.
func withText(file []byte, key, text string) []byte {
	const header = 8 + 4 + 4 + 13 + 4 // signature and first chunk, which has one size in every PNG
	if len(file) < header {
		return file
	}
	text = strings.ReplaceAll(strings.ToValidUTF8(text[:min(len(text), maxRecipe)], ""), "\x00", "")
	kind, body := "tEXt", []byte(key+"\x00")
	if narrow, ok := toLatin1(text); ok {
		body = append(body, narrow...)
	} else { // not compressed, in no language that is known
		kind, body = "iTXt", append(body, "\x00\x00\x00\x00"+text...)
	}
	out := make([]byte, 0, len(file)+len(body)+12)
	out = append(out, file[:header]...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(body)))
	from := len(out)
	out = append(append(out, kind...), body...)
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[from:]))
	return append(out, file[header:]...)
}

// toLatin1 writes a text with one byte for each character, if it has no others.
func toLatin1(text string) ([]byte, bool) {
	out := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xFF {
			return nil, false
		}
		out = append(out, byte(r))
	}
	return out, true
}
