package blob

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/webp"
)

const (
	// MaxSide is the most pixels an image may have in width or in height.
	MaxSide = 3072
	// MaxPixels is the most pixels an image may have in all. Decoded, each takes four bytes.
	MaxPixels = MaxSide * MaxSide
)

var (
	// ErrTooLong says that an image has more bytes than its reader accepts.
	ErrTooLong = errors.New("the image has too many bytes")
	// ErrNotImage says that the bytes are no WebP, PNG or JPEG image.
	ErrNotImage = errors.New("not a WebP, PNG or JPEG image")
	// ErrTooLarge says that an image has more pixels than its reader accepts.
	ErrTooLarge = errors.New("the image has too many pixels")
)

// Format names an image format as Check tells it: "webp", "png", "jpeg", or empty for anything else.
type Format string

// The formats that are taken.
const (
	WebP Format = "webp"
	PNG  Format = "png"
	JPEG Format = "jpeg"
)

// ContentType returns the media type to serve the format with; bytes of no known format are served as plain bytes.
func (f Format) ContentType() string {
	switch f {
	case WebP, PNG, JPEG:
		return "image/" + string(f)
	default:
		return "application/octet-stream"
	}
}

// sniffBytes is how much of a file Sniff wants.
const sniffBytes = 12

// Sniff tells the format by the first sniffBytes bytes, whatever the file is called.
func Sniff(head []byte) Format {
	switch {
	case len(head) >= sniffBytes && string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP":
		return WebP
	case bytes.HasPrefix(head, []byte("\x89PNG\r\n\x1a\n")):
		return PNG
	case bytes.HasPrefix(head, []byte{0xff, 0xd8, 0xff}):
		return JPEG
	default:
		return ""
	}
}

// Check reads the header of an image, and only that: its cost does not depend on the size the header claims, so a few
// bytes that claim 50,000 × 50,000 pixels cost nothing. It returns ErrNotImage or, beyond MaxSide or MaxPixels,
// ErrTooLarge together with the claimed size. What passes may still turn out broken when decoded.
func Check(data []byte) (format Format, w, h int, err error) {
	return CheckLimits(data, MaxSide, MaxPixels)
}

// CheckLimits is Check with other limits on the longer side and on the pixels in all.
func CheckLimits(data []byte, side, pixels int) (format Format, w, h int, err error) {
	var cfg image.Config
	switch format = Sniff(data); format {
	case WebP:
		cfg, err = webpConfig(data)
	case PNG:
		cfg, err = png.DecodeConfig(bytes.NewReader(data))
	case JPEG:
		cfg, err = jpeg.DecodeConfig(bytes.NewReader(data))
	default:
		return "", 0, 0, ErrNotImage
	}
	if err != nil {
		return "", 0, 0, fmt.Errorf("%w: %s header: %w", ErrNotImage, format, err)
	}
	if cfg.Width < 1 || cfg.Height < 1 {
		return "", 0, 0, fmt.Errorf("%w: it claims %d × %d pixels", ErrNotImage, cfg.Width, cfg.Height)
	}
	if cfg.Width > side || cfg.Height > side || int64(cfg.Width)*int64(cfg.Height) > int64(pixels) {
		return format, cfg.Width, cfg.Height, fmt.Errorf("%w: it claims %d × %d", ErrTooLarge, cfg.Width, cfg.Height)
	}
	return format, cfg.Width, cfg.Height, nil
}

// webpConfig reads the size of a WebP image. The library's own reader unpacks the alpha plane on its way to the size, as
// large as the canvas claims to be; so an extended file (VP8X) is asked for its canvas here. Decoders refuse an extended
// file whose picture has another size than its canvas.
func webpConfig(data []byte) (image.Config, error) {
	const (
		firstChunk = 12 // after "RIFF", length, "WEBP"
		canvas     = 24 // after the chunk's name, length and flags: width and height less one, three bytes each
	)
	if len(data) < canvas+6 {
		return image.Config{}, errors.New("cut off")
	}
	switch string(data[firstChunk : firstChunk+4]) {
	case "VP8X":
		three := func(b []byte) int { return 1 + (int(b[0]) | int(b[1])<<8 | int(b[2])<<16) }
		return image.Config{Width: three(data[canvas:]), Height: three(data[canvas+3:])}, nil
	case "VP8 ", "VP8L":
		return webp.DecodeConfig(bytes.NewReader(data))
	default:
		return image.Config{}, errors.New("unknown beginning")
	}
}
