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
