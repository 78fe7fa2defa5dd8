// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"image"
	"testing"

	encoder "github.com/chai2010/webp"

	"stablemate/internal/discord"
)

// chunk is a part of a WebP.
func chunk(name string, data []byte) []byte {
	out := binary.LittleEndian.AppendUint32([]byte(name), uint32(len(data)))
	out = append(out, data...)
	if len(data)%2 == 1 {
		out = append(out, 0)
	}
	return out
}

func riff(chunks ...[]byte) []byte {
	body := append([]byte("WEBP"), bytes.Join(chunks, nil)...)
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

func TestWhatAnImageTellsBesidesThePictureIsTakenOut(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	if err := encoder.Encode(&buf, image.NewNRGBA(image.Rect(0, 0, 9, 7)), &encoder.Options{Quality: 80}); err != nil {
		t.Fatal(err)
	}
	plain := buf.Bytes()
	pixels := plain[12:]
	if string(pixels[:4]) == "VP8X" {
		pixels = pixels[18:]
	}
	extended := func(flags byte) []byte { return chunk("VP8X", []byte{flags, 0, 0, 0, 8, 0, 0, 6, 0, 0}) }
	told := riff(extended(0x0c|0x10), pixels, chunk("EXIF", []byte("51.5007 N")), chunk("XMP ", []byte("by me")))
	bare, ok := bareWebP(told)
	if want := riff(extended(0x10), pixels); !ok || !bytes.Equal(bare, want) {
		t.Errorf("bareWebP = %q, %t, want %q", bare, ok, want)
	}
	cfg, _, err := image.DecodeConfig(bytes.NewReader(bare))
	if err != nil || cfg.Width != 9 || cfg.Height != 7 {
		t.Errorf("what is left is %+v, %v", cfg, err)
	}
	if same, ok := bareWebP(plain); !ok || !bytes.Equal(same, plain) {
		t.Errorf("an image with nothing in it changed: %t", ok)
	}
	for name, data := range map[string][]byte{
		"nothing": nil, "another format": []byte("GIF89a and so on and on"), "one that moves": riff(extended(2), chunk("ANIM", nil)),
		"one that was cut off": told[:len(told)-7], "one with a lie": append(riff(), "VP8 \xff\xff\xff\xff"...),
	} {
		if _, ok := bareWebP(data); ok {
			t.Errorf("%s is taken as it is", name)
		}
	}
}

func TestImagesOfAMessageAreFoundWhereverTheyAre(t *testing.T) {
	t.Parallel()
	var m discord.FetchedMessage
	if err := json.Unmarshal([]byte(`{
		"id": "1", "attachments": [{"id": "2", "filename": "a.png", "content_type": "image/png", "size": 9, "url": "https://cdn.discordapp.com/attachments/1/2/a.png?ex=1"}],
		"embeds": [{"image": {"url": "https://a.b/c.png", "proxy_url": "https://images-ext-1.discordapp.net/external/c.png"}}],
		"components": [{"type": 17, "components": [
			{"type": 12, "items": [{"media": {"url": "https://cdn.discordapp.com/attachments/1/2/a.png?ex=2", "width": 3, "height": 4}},
				{"media": {"url": "https://cdn.discordapp.com/attachments/1/3/b.png"}}]},
			{"type": 9, "components": [{"type": 10, "content": "x"}], "accessory": {"type": 11, "media": {"url": "https://cdn.discordapp.com/attachments/1/4/d.png"}}}]}],
		"message_snapshots": [{"message": {"attachments": [{"id": "5", "filename": "e.webp", "size": 9, "url": "https://cdn.discordapp.com/attachments/1/5/e.webp"},
			{"id": "6", "filename": "notes.txt", "content_type": "text/plain", "size": 9, "url": "https://cdn.discordapp.com/attachments/1/6/notes.txt"}]}}]
	}`), &m); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"https://cdn.discordapp.com/attachments/1/2/a.png?ex=1", "https://cdn.discordapp.com/attachments/1/3/b.png",
		"https://cdn.discordapp.com/attachments/1/4/d.png", "https://images-ext-1.discordapp.net/external/c.png",
		"https://cdn.discordapp.com/attachments/1/5/e.webp",
	}
	got := picturesOf(m)
	if len(got) != len(want) {
		t.Fatalf("%d images, want %d", len(got), len(want))
	}
	for i, pic := range got {
		if pic.url != want[i] {
			t.Errorf("image %d is %s, want %s", i, pic.url, want[i])
		}
	}
}
