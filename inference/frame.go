// SPDX-License-Identifier: AGPL-3.0-or-later

package inference

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Protocol is the version of the messages between a supervisor and its runner. Both refuse any other.
const Protocol = 1

// Bounds of a frame. A prompt of 64 KiB is 384 KiB of JSON at worst; a picture of 9 megapixels is 27 MiB raw.
const (
	maxHeader  = 1 << 20
	maxBody    = 64 << 20
	frameStart = 8 // two big-endian lengths: of the header, of the body
)

// kind says what a message is.
type kind string

// What a supervisor says.
const (
	kindStart    kind = "start"    // Version, Device: comes first
	kindLoad     kind = "load"     // Path, Classifier → loaded
	kindUnload   kind = "unload"   // Path → done
	kindGenerate kind = "generate" // Path, Params, Seeds → beat…, image each, done
	kindCheck    kind = "check"    // Path, body is a WebP picture → scores
	kindCancel   kind = "cancel"   // Call names the call to end; that call answers
)

// What a runner says. Every call ends with exactly one of loaded, done, scores and error.
const (
	kindHello  kind = "hello" // Version: comes first
	kindBeat   kind = "beat"  // Image, Step, Total: still alive and this far
	kindImage  kind = "image" // Image, Timing, body is the WebP picture
	kindLoaded kind = "loaded"
	kindDone   kind = "done"
	kindScores kind = "scores"
	kindError  kind = "error"
)

// message is the header of a frame. Which fields count follows from Kind.
type message struct {
	Kind       kind      `json:"kind"`
	Call       uint64    `json:"call,omitempty"`
	Version    int       `json:"version,omitempty"`
	Device     *Device   `json:"device,omitempty"`
	Path       string    `json:"path,omitempty"`
	Classifier bool      `json:"classifier,omitempty"`
	Params     *Params   `json:"params,omitempty"`
	Seeds      []uint32  `json:"seeds,omitempty"`
	Image      int       `json:"image,omitempty"`
	Step       int       `json:"step,omitempty"`
	Total      int       `json:"total,omitempty"`
	Timing     *Timing   `json:"timing,omitempty"`
	Provider   string    `json:"provider,omitempty"`
	Scores     []float32 `json:"scores,omitempty"`
	Memory     *Memory   `json:"memory,omitempty"`
	Error      string    `json:"error,omitempty"`
}

var errFrame = errors.New("not a frame of the runner's protocol")

// readFrame reads one message. It never takes more memory than bytes have come, so a length that lies costs nothing.
// io.EOF means a clean end between two frames.
func readFrame(r io.Reader) (message, []byte, error) {
	var m message
	var lengths [frameStart]byte
	if _, err := io.ReadFull(r, lengths[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return m, nil, fmt.Errorf("%w: cut off in its lengths", errFrame)
		}
		return m, nil, err
	}
	header, body := binary.BigEndian.Uint32(lengths[:4]), binary.BigEndian.Uint32(lengths[4:])
	if header == 0 || header > maxHeader || body > maxBody {
		return m, nil, fmt.Errorf("%w: header of %d bytes, body of %d", errFrame, header, body)
	}
	head, err := readPart(r, header)
	if err != nil {
		return m, nil, err
	}
	if err := json.Unmarshal(head, &m); err != nil {
		return m, nil, fmt.Errorf("%w: header: %w", errFrame, err)
	}
	data, err := readPart(r, body)
	return m, data, err
}

func readPart(r io.Reader, n uint32) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	var b bytes.Buffer
	b.Grow(int(min(n, 64<<10)))
	if _, err := io.CopyN(&b, r, int64(n)); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%w: cut off after %d of %d bytes", errFrame, b.Len(), n)
		}
		return nil, err
	}
	return b.Bytes(), nil
}

// frameWriter writes messages of several goroutines, one at a time.
type frameWriter struct {
	mu sync.Mutex // guards w; held while writing, as frames must not mix
	w  io.Writer
}

func (f *frameWriter) write(m message, body []byte) error {
	head, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("write %s: %w", m.Kind, err)
	}
	if len(head) > maxHeader || len(body) > maxBody {
		return fmt.Errorf("write %s: %w: header of %d bytes, body of %d", m.Kind, errFrame, len(head), len(body))
	}
	frame := make([]byte, frameStart, frameStart+len(head)+len(body))
	binary.BigEndian.PutUint32(frame[:4], uint32(len(head)))
	binary.BigEndian.PutUint32(frame[4:], uint32(len(body)))
	frame = append(append(frame, head...), body...)
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.w.Write(frame); err != nil {
		return fmt.Errorf("write %s: %w", m.Kind, err)
	}
	return nil
}
