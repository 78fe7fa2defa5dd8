package discord

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/json"
	"io"
)

// maxPeek is the longest packet that is looked into, in bytes: an opcode 9 is shorter, events are longer or have another
// opcode.
const maxPeek = 256

// frames reads a WebSocket's incoming bytes along and tells when Discord ends the session (opcode 9). It keeps no more
// than one short packet. The zero value begins at the answer to the handshake.
type frames struct {
	acked  func()         // called when Discord acknowledges a heartbeat; may be nil
	closed func(code int) // called when Discord says why it closes the connection; may be nil

	started bool   // the handshake is over
	head    []byte // of the handshake's answer, its last three bytes; of a frame, its header so far
	skip    uint64 // bytes of the frame that are of no interest
	want    int    // bytes of the frame that are wanted
	body    []byte
	zipped  bool
	closes  bool // the frame is a close
	again   bool // the packet that ended the session says that it may be resumed
}

// ends reports whether the bytes complete a packet that ends the session.
func (f *frames) ends(p []byte) bool {
	for len(p) > 0 {
		switch {
		case !f.started:
			p = f.handshake(p)
		case f.skip > 0:
			n := min(f.skip, uint64(len(p)))
			p, f.skip = p[n:], f.skip-n
		case f.want > 0:
			n := min(f.want, len(p))
			f.body = append(f.body, p[:n]...)
			p, f.want = p[n:], f.want-n
			if f.want == 0 && f.invalid() {
				return true
			}
		default:
			f.head = append(f.head, p[0])
			p = p[1:]
			f.header()
		}
	}
	return false
}

// handshake skips the HTTP answer, up to the empty line.
func (f *frames) handshake(p []byte) []byte {
	const end = "\r\n\r\n"
	all := append(f.head, p...)
	if _, rest, ok := bytes.Cut(all, []byte(end)); ok {
		f.started, f.head = true, nil
		return rest
	}
	f.head = bytes.Clone(all[max(0, len(all)-len(end)+1):])
	return nil
}

// header looks at a frame's header as far as it has come. Servers do not mask.
func (f *frames) header() {
	if len(f.head) < 2 {
		return
	}
	length := uint64(f.head[1] & 0x7f)
	switch {
	case length == 126 && len(f.head) == 4:
		length = uint64(binary.BigEndian.Uint16(f.head[2:]))
	case length == 127 && len(f.head) == 10:
		length = binary.BigEndian.Uint64(f.head[2:])
	case length >= 126:
		return
	}
	whole, opcode := f.head[0]&0x80 != 0, f.head[0]&0x0f
	f.head, f.closes = f.head[:0], false
	if opcode == 8 && length >= 2 && length <= maxPeek {
		f.want, f.body, f.closes = int(length), f.body[:0], true
		return
	}
	if whole && (opcode == 1 || opcode == 2) && length <= maxPeek {
		f.want, f.body, f.zipped = int(length), f.body[:0], opcode == 2
		return
	}
	f.skip = length
}

// invalid reports whether the packet just read is opcode 9, and tells of what else is of interest.
func (f *frames) invalid() bool {
	text := f.body
	if f.closes {
		if f.closed != nil {
			f.closed(int(binary.BigEndian.Uint16(text)))
		}
		return false
	}
	if f.zipped {
		z, err := zlib.NewReader(bytes.NewReader(text))
		if err != nil {
			return false
		}
		if text, err = io.ReadAll(io.LimitReader(z, maxPeek)); err != nil {
			return false
		}
	}
	var packet struct {
		Op   int             `json:"op"`
		Data json.RawMessage `json:"d"`
	}
	if json.Unmarshal(text, &packet) != nil {
		return false
	}
	if packet.Op == 11 && f.acked != nil {
		f.acked()
	}
	f.again = packet.Op == 9 && string(packet.Data) == "true"
	return packet.Op == 9
}

// isHeartbeat reports whether bytes on their way to Discord are a frame with a heartbeat (opcode 1). The library writes such
// short frames whole.
func isHeartbeat(p []byte) bool {
	const header, start = 6, `{"op":1,`
	if len(p) < header+len(start) || p[0] != 0x81 || p[1]&0x80 == 0 || int(p[1]&0x7f) != len(p)-header {
		return false
	}
	for i := range len(start) {
		if p[header+i]^p[2+i%4] != start[i] {
			return false
		}
	}
	return true
}
