// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"bytes"
	"encoding/binary"
)

// Flags of a WebP's VP8X chunk.
const (
	webpMoves = 0x02
	webpXMP   = 0x04
	webpExif  = 0x08
)

// bareWebP takes out of a WebP what tells more than the picture: where and with what it was taken. ok is false for what
// moves and for what is not put together as it should be; that is decoded instead.
func bareWebP(data []byte) (bare []byte, ok bool) {
	const head = 12
	if len(data) < head+8 || string(data[:4]) != "RIFF" || string(data[8:head]) != "WEBP" {
		return nil, false
	}
	out := bytes.NewBuffer(append(make([]byte, 0, len(data)), data[:head]...))
	for rest := data[head:]; len(rest) > 0; {
		if len(rest) < 8 {
			return nil, false
		}
		size := uint64(binary.LittleEndian.Uint32(rest[4:8]))
		whole := 8 + size + size%2
		if whole == uint64(len(rest))+1 {
			whole-- // the last padding is often forgotten
		}
		if whole > uint64(len(rest)) {
			return nil, false
		}
		chunk := rest[:whole]
		rest = rest[whole:]
		switch string(chunk[:4]) {
		case "VP8 ", "VP8L", "ALPH", "ICCP":
			out.Write(chunk)
		case "VP8X":
			if size < 10 || chunk[8]&webpMoves != 0 {
				return nil, false
			}
			at := out.Len()
			out.Write(chunk)
			out.Bytes()[at+8] &^= webpXMP | webpExif
		case "ANIM", "ANMF":
			return nil, false
		}
	}
	bare = out.Bytes()
	binary.LittleEndian.PutUint32(bare[4:8], uint32(len(bare)-8))
	return bare, true
}
