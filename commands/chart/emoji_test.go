// SPDX-License-Identifier: AGPL-3.0-or-later

package chart_test

import (
	"image"
	"testing"

	"stablemate/commands/chart"
)

func TestEmojiAreSmallPicturesWithRoomAround(t *testing.T) {
	t.Parallel()
	p := painter(t)
	seen := map[string]bool{}
	for _, shape := range chart.Shapes() {
		for _, amount := range []int64{1, 5, 10, 50, 100} {
			data, err := p.Emoji(shape, amount)
			img := decode(t, data, err)
			if img.Bounds() != image.Rect(0, 0, chart.EmojiSide, chart.EmojiSide) || len(data) > 64<<10 {
				t.Errorf("%s %d: %v, %d bytes", shape, amount, img.Bounds(), len(data))
			}
			none, full := 0, 0
			for y := range chart.EmojiSide {
				for x := range chart.EmojiSide {
					switch _, _, _, a := img.At(x, y).RGBA(); a {
					case 0:
						none++
					case 0xffff:
						full++
					}
				}
			}
			if all := chart.EmojiSide * chart.EmojiSide; none < all/8 || full < all/4 {
				t.Errorf("%s %d: %d of %d pixels are clear, %d are full", shape, amount, none, all, full)
			}
			if seen[string(data)] {
				t.Errorf("%s %d is the same picture as another", shape, amount)
			}
			seen[string(data)] = true
		}
	}
}
