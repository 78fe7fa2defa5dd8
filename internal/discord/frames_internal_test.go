package discord

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"strings"
	"testing"
)

func frame(opcode byte, payload []byte) []byte {
	out := []byte{0x80 | opcode}
	switch n := len(payload); {
	case n < 126:
		out = append(out, byte(n))
	case n < 1<<16:
		out = binary.BigEndian.AppendUint16(append(out, 126), uint16(n))
	default:
		out = binary.BigEndian.AppendUint64(append(out, 127), uint64(n))
	}
	return append(out, payload...)
}

func zipped(text string) []byte {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, _ = z.Write([]byte(text)) // into memory
	_ = z.Close()
	return b.Bytes()
}

const handshake = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"

func TestHeartbeatsOnTheWire(t *testing.T) {
	t.Parallel()
	masked := func(opcode byte, text string) []byte {
		out := []byte{0x80 | opcode, 0x80 | byte(len(text)), 0x12, 0x34, 0xab, 0xcd}
		for i := range len(text) {
			out = append(out, text[i]^out[2+i%4])
		}
		return out
	}
	for name, c := range map[string]struct {
		bytes []byte
		want  bool
	}{
		"a heartbeat":           {masked(1, "{\"op\":1,\"d\":251}\n"), true},
		"one without a number":  {masked(1, "{\"op\":1,\"d\":null}"), true},
		"something else":        {masked(1, "{\"op\":11,\"d\":2}"), false},
		"a close":               {masked(8, "{\"op\":1,\"d\":2}"), false},
		"half of one":           {masked(1, "{\"op\":1,\"d\":251}\n")[:9], false},
		"nothing":               {nil, false},
		"a frame without masks": {frame(1, []byte("{\"op\":1,\"d\":251}\n")), false},
	} {
		if got := isHeartbeat(c.bytes); got != c.want {
			t.Errorf("%s: isHeartbeat = %t, want %t", name, got, c.want)
		}
	}
	var heard []int
	f := frames{acked: func() { heard = append(heard, 11) }, closed: func(code int) { heard = append(heard, code) }}
	stream := append([]byte(handshake), frame(2, zipped(`{"t":null,"s":null,"op":11,"d":null}`))...)
	stream = append(stream, frame(8, []byte("\x0f\xa4refused"))...)
	for _, b := range stream {
		if f.ends([]byte{b}) {
			t.Error("it ended")
		}
	}
	if len(heard) != 2 || heard[0] != 11 || heard[1] != 4004 {
		t.Errorf("heard %v, want an acknowledgement and 4004", heard)
	}
}

func TestFrames(t *testing.T) {
	t.Parallel()
	ack, end := frame(1, []byte(`{"op":11}`)), frame(1, []byte(`{"t":null,"s":null,"op":9,"d":false}`))
	long := func(n int) []byte { return frame(1, []byte(`{"op":9,"d":"`+strings.Repeat("x", n)+`"}`)) }
	for name, c := range map[string]struct {
		stream []byte
		want   bool
	}{
		"nothing but the handshake":      {nil, false},
		"acknowledgements":               {bytes.Repeat(ack, 3), false},
		"the end":                        {end, true},
		"the end after other packets":    {bytes.Join([][]byte{ack, long(300), long(70_000), ack, end}, nil), true},
		"the end, to be resumed":         {frame(1, []byte(`{"op":9,"d":true}`)), true},
		"a compressed end":               {frame(2, zipped(`{"op":9,"d":true}`)), true},
		"something compressed":           {frame(2, zipped(`{"op":0}`)), false},
		"a ping and a close":             {append(frame(9, []byte("op9")), frame(8, []byte{0x0f, 0xa0})...), false},
		"words about it in a long event": {long(400), false},
	} {
		stream := append([]byte(handshake), c.stream...)
		for _, step := range []int{1, 2, 7, len(stream)} {
			var f frames
			got := false
			for at := 0; at < len(stream) && !got; at += step {
				got = f.ends(stream[at:min(at+step, len(stream))])
			}
			if f.again != (got && strings.Contains(string(stream), "true") || name == "a compressed end") {
				t.Errorf("%s: again = %t", name, f.again)
			}
			if got != c.want {
				t.Errorf("%s, %d bytes at a time: ends = %t, want %t", name, step, got, c.want)
			}
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte(handshake), 3)
	f.Add(append([]byte(handshake), frame(2, zipped(`{"op":9}`))...), 5)
	f.Fuzz(func(t *testing.T, stream []byte, step int) {
		var whole, parts frames
		want := whole.ends(stream)
		got := false
		for at := 0; at < len(stream) && !got; at += max(step, 1) {
			got = parts.ends(stream[at:min(at+max(step, 1), len(stream))])
		}
		if got != want {
			t.Errorf("at once %t, in parts %t", want, got)
		}
	})
}
