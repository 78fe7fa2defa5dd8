// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import "testing"

func TestAVariationIsNotGuidedAsTheFirstImageWas(t *testing.T) {
	t.Parallel()
	earlier := params{Source: "a_src.webp", Mask: "a_msk.webp", Fine: &fine{Mode: "inpainting", Control: "canny", Tiling: true}}
	p := earlier.fresh()
	if p.from == nil || p.from.blob != "a_src.webp" || p.mask == nil || p.Source+p.Mask != "" {
		t.Errorf("the same again begins with %+v and %+v", p.from, p.mask)
	}
	p.begin(&photo{blob: "b.webp"}, 0.5)
	if p.from.blob != "b.webp" || p.mask != nil || p.Fine.Mode+p.Fine.Control != "" || !p.Fine.Tiling {
		t.Errorf("the variation is %+v with %+v", p, p.Fine)
	}
	if earlier.Fine.Mode != "inpainting" {
		t.Error("the earlier request changed")
	}
}
