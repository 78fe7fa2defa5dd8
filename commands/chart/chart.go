// SPDX-License-Identifier: AGPL-3.0-or-later

// Package chart draws small bar charts as PNG images for chat. They hold numbers, dates and names alone: words stand beside
// them in the reader's language, and in the image's description. The package is pure.
package chart

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// Bounds of a chart.
const (
	Width    = 800 // pixels
	Height   = 360 // pixels, of columns; a chart of rows is as high as its rows need
	MaxBars  = 60  // more are left out
	MaxRows  = 15
	MaxValue = 1_000_000_000_000_000 // more is drawn as this

	margin   = 20
	rowHigh  = 30
	nameWide = 300
	textSize = 15
	ticks    = 5 // lines at most, without the one at zero
)

// Bar is one bar. The label of a column is its time, of a row a name from outside; empty shows none.
type Bar struct {
	Label string
	Value int64
}

// Painter draws charts. It is safe for concurrent use.
type Painter struct{ font *sfnt.Font }

// New reads the built-in font.
func New() (*Painter, error) {
	f, err := opentype.Parse(goregular.TTF)
	if err != nil {
		return nil, fmt.Errorf("read the font of charts: %w", err)
	}
	return &Painter{font: f}, nil
}

// paper is a chart being drawn.
type paper struct {
	img  *image.RGBA
	face font.Face
}

// The colours read well on Discord's dark and light backgrounds alike.
func background() color.Color { return color.RGBA{0x2B, 0x2D, 0x31, 0xFF} }
func ink() color.Color        { return color.RGBA{0xDB, 0xDE, 0xE1, 0xFF} }
func grid() color.Color       { return color.RGBA{0x45, 0x47, 0x4E, 0xFF} }
func bar() color.Color        { return color.RGBA{0x8A, 0x5C, 0xF6, 0xFF} }

func (p *Painter) paper(height int) (*paper, error) {
	face, err := opentype.NewFace(p.font, &opentype.FaceOptions{Size: textSize, DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		return nil, fmt.Errorf("size the font of charts: %w", err)
	}
	img := image.NewRGBA(image.Rect(0, 0, Width, height))
	out := &paper{img: img, face: face}
	out.fill(img.Bounds(), background())
	return out, nil
}

func (p *paper) fill(r image.Rectangle, c color.Color) {
	draw.Draw(p.img, r, image.NewUniform(c), image.Point{}, draw.Src)
}

func (p *paper) wide(text string) int { return font.MeasureString(p.face, text).Ceil() }

// text writes at a baseline. x is its left end, or its right end or middle when align is 1 or 0.5.
func (p *paper) text(x, y int, align float64, text string) {
	x -= int(float64(p.wide(text)) * align)
	d := font.Drawer{Dst: p.img, Src: image.NewUniform(ink()), Face: p.face, Dot: fixed.P(x, y)}
	d.DrawString(text)
}

func (p *paper) png() ([]byte, error) {
	var b bytes.Buffer
	if err := png.Encode(&b, p.img); err != nil {
		return nil, fmt.Errorf("encode a chart: %w", err)
	}
	return b.Bytes(), nil
}

// Columns draws bars beside each other, as time goes by, over a scale.
func (p *Painter) Columns(bars []Bar) ([]byte, error) {
	bars = bars[:min(len(bars), MaxBars)]
	out, err := p.paper(Height)
	if err != nil {
		return nil, err
	}
	step, top := scale(most(bars))
	left := margin
	for v := int64(0); v <= top; v += step {
		left = max(left, margin+out.wide(Short(v))+8)
	}
	field := image.Rect(left, margin, Width-margin, Height-margin-textSize-6)
	for v := int64(0); v <= top; v += step {
		y := field.Max.Y - height(v, top, field.Dy())
		out.fill(image.Rect(field.Min.X, y, field.Max.X, y+1), grid())
		out.text(field.Min.X-8, y+textSize/3, 1, Short(v))
	}
	free := field.Min.X // no label begins before here
	for i, b := range bars {
		from := field.Min.X + i*field.Dx()/len(bars)
		to := field.Min.X + (i+1)*field.Dx()/len(bars)
		gap := max((to-from)/6, 1)
		out.fill(image.Rect(from+gap, field.Max.Y-height(b.Value, top, field.Dy()), to-gap, field.Max.Y), bar())
		label := out.known(b.Label)
		middle, half := (from+to)/2, out.wide(label)/2
		if label == "" || middle-half < free || middle+half > Width-4 {
			continue
		}
		out.text(middle, Height-margin+2, 0.5, label)
		free = middle + half + 12
	}
	return out.png()
}

// Rows draws named bars under each other, the value at the end of each.
func (p *Painter) Rows(bars []Bar) ([]byte, error) {
	bars = bars[:min(len(bars), MaxRows)]
	out, err := p.paper(2*margin + max(len(bars), 1)*rowHigh)
	if err != nil {
		return nil, err
	}
	top, left, longest := most(bars), 0, 0
	names := make([]string, len(bars))
	for i, b := range bars {
		names[i] = out.clip(out.known(b.Label), nameWide)
		left, longest = max(left, out.wide(names[i])), max(longest, out.wide(Short(b.Value)))
	}
	left += margin + 10
	room := Width - margin - left - longest - 8
	for i, b := range bars {
		y := margin + i*rowHigh
		end := left + max(height(b.Value, top, room), 1)
		out.text(left-10, y+rowHigh/2+textSize/3, 1, names[i])
		out.fill(image.Rect(left, y+5, end, y+rowHigh-5), bar())
		out.text(end+8, y+rowHigh/2+textSize/3, 0, Short(b.Value))
	}
	return out.png()
}

// known leaves out what the font has no picture of.
func (p *paper) known(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if _, ok := p.face.GlyphAdvance(r); !ok || !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, text))
}

// clip shortens a text to a width in pixels.
func (p *paper) clip(text string, wide int) string {
	if p.wide(text) <= wide {
		return text
	}
	letters := []rune(text)
	for len(letters) > 0 && p.wide(string(letters)+"…") > wide {
		letters = letters[:len(letters)-1]
	}
	return string(letters) + "…"
}

func most(bars []Bar) int64 {
	top := int64(0)
	for _, b := range bars {
		top = max(top, b.Value)
	}
	return min(top, MaxValue)
}

// height is how many of some pixels a value takes.
func height(value, top int64, pixels int) int {
	if value <= 0 || top <= 0 {
		return 0
	}
	return int(math.Round(float64(min(value, top)) / float64(top) * float64(pixels)))
}

// scale finds round steps for a scale, and its end.
func scale(most int64) (step, top int64) {
	step = 1
	for factor := 0; most > step*ticks; factor++ {
		if factor%3 == 1 {
			step = step / 2 * 5 // 1, 2, 5, 10, 20 …
		} else {
			step *= 2
		}
	}
	return step, max((most+step-1)/step, 1) * step
}

// Short writes a number in few characters: 950, 1.2k, 34M.
func Short(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10)
	}
	v := float64(n)
	for _, unit := range []string{"k", "M", "G", "T"} {
		if v /= 1000; v < 999.5 || unit == "T" {
			digits := 0
			if v < 9.95 {
				digits = 1
			}
			return strings.TrimSuffix(strconv.FormatFloat(v, 'f', digits, 64), ".0") + unit
		}
	}
	return ""
}
