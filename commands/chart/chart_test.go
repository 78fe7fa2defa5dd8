// SPDX-License-Identifier: AGPL-3.0-or-later

package chart_test

import (
	"bytes"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stablemate/commands/chart"
)

func painter(t *testing.T) *chart.Painter {
	t.Helper()
	p, err := chart.New()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// decode reads a picture. With CHARTS set to a folder, it is put there to be looked at.
func decode(t *testing.T, data []byte, err error) image.Image {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("CHARTS"); dir != "" {
		name := filepath.Join(dir, strings.NewReplacer("/", "-", " ", "-").Replace(t.Name())+".png")
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// painted counts the pixels of bars in a part of a picture.
func painted(img image.Image, part image.Rectangle) int {
	n := 0
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			if r, g, b, _ := img.At(x, y).RGBA(); r>>8 == 0x8A && g>>8 == 0x5C && b>>8 == 0xF6 {
				n++
			}
		}
	}
	return n
}

func TestColumns(t *testing.T) {
	t.Parallel()
	many := make([]chart.Bar, 2*chart.MaxBars)
	for i := range many {
		many[i] = chart.Bar{Label: "00:00", Value: int64(i)}
	}
	for name, bars := range map[string][]chart.Bar{
		"nothing at all": nil,
		"only zeros":     {{Label: "a"}, {Label: "b"}},
		"more than fit":  many,
		"huge numbers":   {{Value: 1 << 62}, {Value: 3}},
		"below zero":     {{Value: -5}, {Value: 5}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := painter(t).Columns(bars)
			img := decode(t, data, err)
			if img.Bounds() != image.Rect(0, 0, chart.Width, chart.Height) {
				t.Errorf("the picture is %v", img.Bounds())
			}
		})
	}
	data, err := painter(t).Columns([]chart.Bar{{"01-01", 10}, {"01-02", 5}, {"", 0}, {"01-04", 1}})
	img := decode(t, data, err)
	quarter := func(i int) int {
		return painted(img, image.Rect(40+i*185, 0, 40+(i+1)*185, chart.Height))
	}
	if a, b, c, d := quarter(0), quarter(1), quarter(2), quarter(3); a < 3*b/2 || b < 3*d || c > d || d == 0 {
		t.Errorf("bars of 10, 5, 0 and 1 have %d, %d, %d and %d pixels", a, b, c, d)
	}
}

func TestRows(t *testing.T) {
	t.Parallel()
	for name, bars := range map[string][]chart.Bar{
		"nothing at all":    nil,
		"a very long name":  {{strings.Repeat("long ", 100), 5}},
		"another alphabet":  {{"絵文字 model", 5}, {"tiny\u202e", 2}},
		"more than fit":     make([]chart.Bar, 3*chart.MaxRows),
		"what a horde does": {{"Deliberate", 123_456}, {"stable_diffusion", 2500}, {"tiny", 3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := painter(t).Rows(bars)
			if img := decode(t, data, err); img.Bounds().Dx() != chart.Width || img.Bounds().Dy() > 600 {
				t.Errorf("the picture is %v", img.Bounds())
			}
		})
	}
}

func TestShort(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0", 7: "7", 999: "999", 1000: "1k", 1250: "1.2k", 9949: "9.9k", 9960: "10k", 356_378: "356k", 999_600: "1M", 34_000_000: "34M",
		5_200_000_000: "5.2G", 1 << 62: "4611686T",
	} {
		if got := chart.Short(n); got != want {
			t.Errorf("Short(%d) = %s, want %s", n, got, want)
		}
	}
}
