// SPDX-License-Identifier: AGPL-3.0-or-later

package chart

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"strconv"

	"golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// EmojiSide is the side of an emoji in pixels.
const EmojiSide = 96

// Shape is what an emoji shows behind its number.
type Shape string

// The shapes.
const (
	Heart     Shape = "hearts"
	Star      Shape = "stars"
	Horseshoe Shape = "horseshoes"
)

// Shapes lists the shapes.
func Shapes() []Shape { return []Shape{Heart, Star, Horseshoe} }

// depth tells how far a point is inside of a shape: positive within it, in about the units of the point, which run from -1
// to 1 with y upwards.
func (s Shape) depth(x, y float64) float64 {
	switch s {
	case Star:
		const points, inner = 5, 0.52
		angle := math.Mod(math.Atan2(x, y)+4*math.Pi, 2*math.Pi/points)
		angle = math.Abs(angle - math.Pi/points) // 0 in a valley, most at a tip
		half := math.Pi / points
		// The edge runs from the valley at radius inner to the tip at radius 1.
		tipX, tipY := math.Cos(half), math.Sin(half)
		edgeX, edgeY := tipX-inner, tipY
		length := math.Hypot(edgeX, edgeY)
		r := math.Hypot(x, y) / 0.98
		px, py := r*math.Cos(angle)-inner, r*math.Sin(angle)
		return (edgeX*py - edgeY*px) / length
	case Horseshoe:
		const middle, wide = 0.66, 0.27
		r := math.Hypot(x, y*0.95-0.02)
		if y < 0 { // the legs go down, a little inwards
			r = math.Abs(x) + 0.10*y*y
		}
		return min(wide-math.Abs(r-middle), y+0.92, 0.95-y)
	case Heart:
	}
	x, y = x*1.18, y*1.15+0.12
	f := x*x + y*y - 1
	return -(f*f*f - x*x*y*y*y) * 0.6
}

// colour is what an emoji of so many kudos is filled with: small ones are cool, large ones warm.
func colour(amount int64) color.RGBA {
	switch {
	case amount < 5:
		return color.RGBA{0x3f, 0xa6, 0x6b, 0xff}
	case amount < 10:
		return color.RGBA{0x3b, 0x82, 0xc4, 0xff}
	case amount < 50:
		return color.RGBA{0x7b, 0x5c, 0xd0, 0xff}
	case amount < 100:
		return color.RGBA{0xcf, 0x4a, 0x92, 0xff}
	}
	return color.RGBA{0xe0, 0x6b, 0x2d, 0xff}
}

// Emoji draws a small picture with a number as a PNG, transparent around its shape.
func (p *Painter) Emoji(shape Shape, amount int64) ([]byte, error) {
	img := image.NewNRGBA(image.Rect(0, 0, EmojiSide, EmojiSide))
	fill := colour(amount)
	const fine, edge = 4, 0.09
	for py := range EmojiSide {
		for px := range EmojiSide {
			var inside, rim float64
			for i := range fine * fine {
				x := (float64(px)+(float64(i%fine)+0.5)/fine)/EmojiSide*2 - 1
				y := 1 - (float64(py)+(float64(i/fine)+0.5)/fine)/EmojiSide*2
				if d := shape.depth(x, y); d > 0 {
					inside++
					if d < edge {
						rim++
					}
				}
			}
			if inside == 0 {
				continue
			}
			light := 1.12 - 0.3*float64(py)/EmojiSide - 0.35*rim/inside
			shade := func(c uint8) uint8 { return uint8(min(255, float64(c)*light)) }
			img.SetNRGBA(px, py, color.NRGBA{shade(fill.R), shade(fill.G), shade(fill.B), uint8(255 * inside / (fine * fine))})
		}
	}
	if err := p.number(img, strconv.FormatInt(amount, 10)); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		return nil, fmt.Errorf("encode an emoji: %w", err)
	}
	return out.Bytes(), nil
}

// number writes a number into the middle, white within a dark line, so that it is read on light and on dark.
func (p *Painter) number(img *image.NRGBA, text string) error {
	size := 52.0
	if len(text) > 2 {
		size = 40
	}
	face, err := opentype.NewFace(p.font, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		return fmt.Errorf("read the font of emoji: %w", err)
	}
	defer face.Close() //nolint:errcheck // nothing was opened
	d := font.Drawer{Dst: img, Face: face}
	left := (fixed.I(EmojiSide) - d.MeasureString(text)) / 2
	base := fixed.I(EmojiSide/2) + fixed.Int26_6(size*64*0.36)
	const line = 3
	d.Src = image.NewUniform(color.NRGBA{0x20, 0x18, 0x28, 0xff})
	for dx := -line; dx <= line; dx++ {
		for dy := -line; dy <= line; dy++ {
			if dx*dx+dy*dy <= line*line+1 {
				d.Dot = fixed.Point26_6{X: left + fixed.I(dx), Y: base + fixed.I(dy)}
				d.DrawString(text)
			}
		}
	}
	d.Src = image.White
	for _, dx := range []fixed.Int26_6{-32, 0, 32} { // a little bolder
		d.Dot = fixed.Point26_6{X: left + dx, Y: base}
		d.DrawString(text)
	}
	return nil
}
