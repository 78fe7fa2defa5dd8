// SPDX-License-Identifier: AGPL-3.0-or-later

package inference

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/draw"

	encoder "github.com/deepteams/webp"
	"golang.org/x/image/webp"

	"stablemate/horde"
)

const (
	// WebPQuality is the quality of pictures, of 100.
	WebPQuality = 90
	// maxDecodedPixels bounds what is decoded: the largest picture the horde makes.
	maxDecodedPixels = horde.MaxSide * horde.MaxSide
)

// encodeWebP makes a lossy WebP picture.
func encodeWebP(img *image.RGBA) ([]byte, error) {
	options := encoder.DefaultOptions()
	options.Quality = WebPQuality
	var b bytes.Buffer
	if err := encoder.Encode(&b, img, options); err != nil {
		return nil, fmt.Errorf("encode the picture: %w", err)
	}
	return b.Bytes(), nil
}

// decodeWebP reads a WebP picture; transparent parts become white.
func decodeWebP(data []byte) (*image.RGBA, error) {
	config, err := webp.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if config.Width < 1 || config.Height < 1 || int64(config.Width)*int64(config.Height) > maxDecodedPixels {
		return nil, errors.New("the picture is empty or too large")
	}
	img, err := webp.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	out := image.NewRGBA(image.Rect(0, 0, config.Width, config.Height))
	if coded, ok := img.(*image.YCbCr); ok {
		fromStudio(coded, out)
		return out, nil
	}
	draw.Draw(out, out.Rect, image.White, image.Point{}, draw.Src)
	draw.Draw(out, out.Rect, img, img.Bounds().Min, draw.Over)
	return out, nil
}

// fromStudio converts what a lossy WebP file holds. Its luma goes from 16 to 235 and its chroma from 16 to 240, while
// image.YCbCr takes both for 0 to 255 and would show black as dark grey and white as light grey.
func fromStudio(src *image.YCbCr, dst *image.RGBA) {
	size := dst.Rect.Size()
	for y := range size.Y {
		row := dst.Pix[y*dst.Stride : y*dst.Stride+4*size.X]
		for x := range size.X {
			at := src.COffset(src.Rect.Min.X+x, src.Rect.Min.Y+y)
			// 16-bit fixed point of BT.601.
			luma := 76309 * (int32(src.Y[src.YOffset(src.Rect.Min.X+x, src.Rect.Min.Y+y)]) - 16)
			cb, cr := int32(src.Cb[at])-128, int32(src.Cr[at])-128
			p := row[4*x : 4*x+4 : 4*x+4]
			p[0] = clamp(luma + 104597*cr)
			p[1] = clamp(luma - 25675*cb - 53279*cr)
			p[2] = clamp(luma + 132201*cb)
			p[3] = 255
		}
	}
}

func clamp(v int32) uint8 {
	return uint8(min(max(v+1<<15, 0)>>16, 255))
}
