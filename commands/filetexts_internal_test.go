// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"testing"
	"unicode/utf16"
)

func pngChunk(kind, body string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(body)))) + kind + body + "crc!"
}

func packed(t *testing.T, text string) string {
	t.Helper()
	var buf bytes.Buffer
	z := zlib.NewWriter(&buf)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func wide(order binary.AppendByteOrder, text string) string {
	var out []byte
	for _, u := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, u)
	}
	return string(out)
}

func TestParametersInFilesAreRead(t *testing.T) {
	t.Parallel()
	const png = "\x89PNG\r\n\x1a\n"
	for name, c := range map[string]struct{ data, want string }{
		"a PNG's text":           {png + pngChunk("IHDR", "123") + pngChunk("tEXt", "parameters\x00a horse\nSteps: 9"), "parameters: a horse\nSteps: 9"},
		"a packed text":          {png + pngChunk("zTXt", "parameters\x00\x00"+packed(t, "a caf\xe9")), "parameters: a café"},
		"an international text":  {png + pngChunk("iTXt", "prompt\x00\x00\x00de\x00Prompt\x00ein Füllen"), "prompt: ein Füllen"},
		"a packed one":           {png + pngChunk("iTXt", "prompt\x00\x01\x00\x00\x00"+packed(t, "馬")), "prompt: 馬"},
		"a bomb":                 {png + pngChunk("zTXt", "x\x00\x00"+packed(t, string(bytes.Repeat([]byte("a"), 1<<20)))), "x: " + string(bytes.Repeat([]byte("a"), maxFileText))},
		"a lie about its length": {png + "\xff\xff\xff\xfftEXtx\x00y", ""},
		"Exif, big end first":    {"\xff\xd8..UNICODE\x00" + wide(binary.BigEndian, "ein Füllen 🐎") + "\x00\x00rest", "ein Füllen 🐎"},
		"Exif, small end first":  {"RIFF..UNICODE\x00" + wide(binary.LittleEndian, "ein Füllen"), "ein Füllen"},
		"Exif in ASCII":          {"\xff\xd8..ASCII\x00\x00\x00a horse\x00rest", "a horse"},
		"nothing":                {"\xff\xd8", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := fileTexts([]byte(c.data)); got != c.want {
				t.Errorf("fileTexts = %.80q, want %.80q", got, c.want)
			}
		})
	}
}

func FuzzFileTexts(f *testing.F) {
	f.Add([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x04tEXta\x00bccrc!"))
	f.Add([]byte("UNICODE\x00a\x00b\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if n := len(fileTexts(data)); n > (maxTextChunks+1)*4*maxFileText+maxTextChunks*len(data) {
			t.Errorf("%d bytes became a text of %d", len(data), n)
		}
	})
}
