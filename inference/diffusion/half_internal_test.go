package diffusion

import (
	"math"
	"testing"
)

// TestHalfRoundTrip is inside the package because the conversion is an implementation detail.
func TestHalfRoundTrip(t *testing.T) {
	t.Parallel()
	for bits := range 1 << 16 {
		f := fromHalf(uint16(bits))
		if f != f { // any NaN will do
			if back := toHalf(f); back&0x7c00 != 0x7c00 || back&0x3ff == 0 {
				t.Errorf("NaN %#04x came back as %#04x", bits, back)
			}
			continue
		}
		if back := toHalf(f); back != uint16(bits) {
			t.Errorf("%#04x = %v came back as %#04x", bits, f, back)
		}
	}
	for _, c := range []struct {
		in   float32
		want uint16
	}{
		{1, 0x3c00},
		{-2, 0xc000},
		{65504, 0x7bff},
		{65519.996, 0x7bff},
		{65520, 0x7c00},
		{1e9, 0x7c00},
		{float32(math.Inf(-1)), 0xfc00},
		{0x1p-24, 0x0001},
		{0x1p-25, 0x0000},               // a tie goes to the even neighbour
		{0x1.8p-24, 0x0002},             // so does this one
		{1 + 0x1p-11, 0x3c00},           // halfway between 1 and the next
		{1 + 3*0x1p-11, 0x3c02},         // halfway, upwards
		{0.333251953125, 0x3555},        // 1/3 as a half
		{6.097555160522461e-05, 0x03ff}, // the largest subnormal
	} {
		if got := toHalf(c.in); got != c.want {
			t.Errorf("toHalf(%v) = %#04x, want %#04x", c.in, got, c.want)
		}
	}
}
