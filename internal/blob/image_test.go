package blob_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"runtime"
	"testing"

	"github.com/chai2010/webp"

	"stablemate/internal/blob"
)

func picture(w, h int) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = byte(i * 7)
	}
	img.Set(0, 0, color.NRGBA{R: 200, A: 255})
	return img
}

func encoded(tb testing.TB, format blob.Format, w, h int) []byte {
	tb.Helper()
	var b bytes.Buffer
	var err error
	switch format {
	case blob.PNG:
		err = png.Encode(&b, picture(w, h))
	case blob.JPEG:
		err = jpeg.Encode(&b, picture(w, h), nil)
	case blob.WebP:
		err = webp.Encode(&b, picture(w, h), &webp.Options{Quality: 80})
	default:
		err = gif.Encode(&b, picture(w, h), nil)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// hugePNG is a PNG of a few dozen bytes whose header claims w × h pixels.
func hugePNG(w, h uint32) []byte {
	head := append([]byte("IHDR"), binary.BigEndian.AppendUint32(nil, w)...)
	head = append(binary.BigEndian.AppendUint32(head, h), 8, 6, 0, 0, 0)
	out := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	out = append(out, head...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(head))
}

// hugeJPEG claims w × h pixels in its first frame header.
func hugeJPEG(w, h uint16) []byte {
	out := []byte{0xff, 0xd8, 0xff, 0xc0, 0, 11, 8}
	out = binary.BigEndian.AppendUint16(out, h)
	out = binary.BigEndian.AppendUint16(out, w)
	return append(out, 1, 1, 0x11, 0, 0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0)
}

// hugeWebP claims w × h pixels on its canvas.
func hugeWebP(w, h uint32) []byte {
	out := append([]byte("RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00"), 0, 0, 0, 0)
	for _, side := range []uint32{w - 1, h - 1} {
		out = append(out, byte(side), byte(side>>8), byte(side>>16))
	}
	return out
}

// hugeAlpha is an extended WebP with a compressed alpha plane, which stands before the picture.
func hugeAlpha(w, h uint32) []byte {
	out := hugeWebP(w, h)
	out[20] = 0x10
	out = append(out, "ALPH\x06\x00\x00\x00\x01\x00\x00\x00\x00\x00"...)
	out = append(out, encodedVP8...)
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out
}

const encodedVP8 = "VP8 \x0a\x00\x00\x00\x00\x00\x00\x9d\x01\x2a\x01\x00\x01\x00"

func TestCheck(t *testing.T) {
	t.Parallel()
	webpImage := encoded(t, blob.WebP, 33, 20)
	for name, c := range map[string]struct {
		data   []byte
		format blob.Format
		w, h   int
		err    error
	}{
		"a PNG":                             {encoded(t, blob.PNG, 64, 48), blob.PNG, 64, 48, nil},
		"a JPEG":                            {encoded(t, blob.JPEG, 64, 48), blob.JPEG, 64, 48, nil},
		"a WebP":                            {webpImage, blob.WebP, 33, 20, nil},
		"the largest":                       {hugePNG(3072, 3072), blob.PNG, 3072, 3072, nil},
		"a pixel too wide":                  {hugePNG(3073, 1), blob.PNG, 3073, 1, blob.ErrTooLarge},
		"a PNG of 50,000 × 50,000":          {hugePNG(50_000, 50_000), blob.PNG, 50_000, 50_000, blob.ErrTooLarge},
		"a JPEG of 50,000 × 50,000":         {hugeJPEG(50_000, 50_000), blob.JPEG, 50_000, 50_000, blob.ErrTooLarge},
		"a WebP of 50,000 × 50,000":         {hugeWebP(50_000, 50_000), blob.WebP, 50_000, 50_000, blob.ErrTooLarge},
		"a PNG of two billion a side":       {hugePNG(1<<31-1, 1<<31-1), "", 0, 0, blob.ErrNotImage},
		"a PNG without pixels":              {hugePNG(0, 10), "", 0, 0, blob.ErrNotImage},
		"a WebP with a huge alpha plane":    {hugeAlpha(16_000, 16_000), blob.WebP, 16_000, 16_000, blob.ErrTooLarge},
		"a GIF":                             {encoded(t, "gif", 8, 8), "", 0, 0, blob.ErrNotImage},
		"a web page":                        {[]byte("<!doctype html><script>alert(1)</script>"), "", 0, 0, blob.ErrNotImage},
		"nothing":                           {nil, "", 0, 0, blob.ErrNotImage},
		"a WebP cut off in its header":      {webpImage[:20], "", 0, 0, blob.ErrNotImage},
		"a PNG of which only magic is left": {[]byte("\x89PNG\r\n\x1a\n"), "", 0, 0, blob.ErrNotImage},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			format, w, h, err := blob.Check(c.data)
			if format != c.format || w != c.w || h != c.h || !errors.Is(err, c.err) {
				t.Errorf("Check = %q, %d, %d, %v, want %q, %d, %d, %v", format, w, h, err, c.format, c.w, c.h, c.err)
			}
		})
	}
}

func TestCheckDoesNotDecode(t *testing.T) { //nolint:paralleltest // it measures the whole process's memory
	for name, data := range map[string][]byte{
		"a PNG": hugePNG(50_000, 50_000), "a JPEG": hugeJPEG(50_000, 50_000), "a WebP": hugeWebP(50_000, 50_000),
		"a WebP with alpha": hugeAlpha(16_000, 16_000),
	} {
		const rounds = 100
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range rounds {
			if _, _, _, err := blob.Check(data); !errors.Is(err, blob.ErrTooLarge) {
				t.Fatalf("%s: %v, want ErrTooLarge", name, err)
			}
		}
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / rounds; each > 64<<10 {
			t.Errorf("checking %s takes %d bytes of memory, want at most 64 KiB", name, each)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, format := range []blob.Format{blob.PNG, blob.JPEG, blob.WebP} {
		f.Add(encoded(f, format, 16, 16))
	}
	f.Add(hugePNG(50_000, 50_000))
	f.Add(hugeJPEG(50_000, 50_000))
	f.Add(hugeWebP(50_000, 50_000))
	f.Add(hugeAlpha(16_000, 16_000))
	f.Fuzz(func(t *testing.T, data []byte) {
		format, w, h, err := blob.Check(data)
		if err != nil {
			return
		}
		if format != blob.Sniff(data) || w < 1 || h < 1 || w > blob.MaxSide || h > blob.MaxSide {
			t.Errorf("Check let in %q, %d × %d", format, w, h)
		}
	})
}
