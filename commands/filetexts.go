// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
	"strings"
	"unicode/utf16"
)

// Bounds of the texts in an image's file.
const (
	maxTextChunks = 16
	maxFileText   = 8000     // bytes of one text
	maxInflated   = 64 << 10 // bytes of one that was compressed
)

// fileTexts reads the parameters that programs write into images: the text chunks of a PNG, the comment in the Exif part
// of others. It never reads beyond the data.
func fileTexts(data []byte) string {
	if bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")) {
		return pngTexts(data[8:])
	}
	if _, text, ok := bytes.Cut(data, []byte("UNICODE\x00")); ok {
		return cleanLines(wideText(text[:min(len(text), maxFileText)]))
	}
	if _, text, ok := bytes.Cut(data, []byte("ASCII\x00\x00\x00")); ok {
		text, _, _ = bytes.Cut(text[:min(len(text), maxFileText)], []byte{0})
		return cleanLines(string(text))
	}
	return ""
}

// pngTexts reads the text chunks behind a PNG's first bytes.
func pngTexts(rest []byte) string {
	var out []string
	for len(rest) >= 12 && len(out) < maxTextChunks {
		size := uint64(binary.BigEndian.Uint32(rest))
		if size > uint64(len(rest)-12) {
			break
		}
		kind, body := string(rest[4:8]), rest[8:8+size]
		rest = rest[12+size:]
		key, text, ok := bytes.Cut(body, []byte{0})
		switch {
		case !ok:
			continue
		case kind == "tEXt":
			text = latin1(text)
		case kind == "zTXt" && len(text) > 1 && text[0] == 0:
			text = latin1(inflate(text[1:]))
		case kind == "iTXt" && len(text) > 2:
			packed := text[0] == 1
			_, text, _ = bytes.Cut(text[2:], []byte{0}) // language
			_, text, _ = bytes.Cut(text, []byte{0})     // the key in it
			if packed {
				text = inflate(text)
			}
		default:
			continue
		}
		if said := cleanLines(string(text[:min(len(text), maxFileText)])); said != "" {
			out = append(out, cleanLines(string(key))+": "+said)
		}
	}
	return strings.Join(out, "\n")
}

// inflate unpacks a text, as much of it as is read.
func inflate(data []byte) []byte {
	z, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil
	}
	out, _ := io.ReadAll(io.LimitReader(z, maxInflated)) // what came before an error is good enough to show
	return out
}

// latin1 reads a text of one byte for each character. Many programs write UTF-8 all the same.
func latin1(text []byte) []byte {
	if strings.ToValidUTF8(string(text), "") == string(text) {
		return text
	}
	var b strings.Builder
	for _, c := range text {
		b.WriteRune(rune(c))
	}
	return []byte(b.String())
}

// wideText reads UTF-16. Its order of bytes is not said, and shows in where the zeros are.
func wideText(data []byte) string {
	var even, odd int
	for i, c := range data {
		if c == 0 && i%2 == 0 {
			even++
		} else if c == 0 {
			odd++
		}
	}
	var order binary.ByteOrder = binary.LittleEndian
	if even > odd {
		order = binary.BigEndian
	}
	units := make([]uint16, 0, len(data)/2)
	for ; len(data) >= 2; data = data[2:] {
		u := order.Uint16(data)
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return string(utf16.Decode(units))
}

// cleanLines keeps the lines of a text from outside, each made plain, up to the first that is not text.
func cleanLines(text string) string {
	var out []string
	for line := range strings.Lines(strings.ToValidUTF8(text, "\x01")) {
		line, _, broken := strings.Cut(line, "\x01")
		out = append(out, plain(line))
		if broken {
			break
		}
	}
	return strings.TrimSpace(strings.Join(out, "\n"))
}
