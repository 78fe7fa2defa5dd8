package diffusion

import "math"

// toHalf rounds to the nearest 16-bit float, ties to even; too large values become infinite.
func toHalf(f float32) uint16 {
	bits := math.Float32bits(f)
	sign := uint16(bits >> 16 & 0x8000)
	bits &= 0x7fffffff
	switch {
	case bits > 0x7f800000: // NaN
		return sign | 0x7e00
	case bits >= 0x47800000: // 65536 and above, infinity included
		return sign | 0x7c00
	case bits < 0x38800000: // subnormal in 16 bits: let the float adder round at 2⁻²⁴
		return sign | uint16(math.Float32bits(math.Float32frombits(bits)+0.5)-math.Float32bits(0.5))
	}
	bits += 0xc8000fff + (bits >> 13 & 1) // rebias the exponent by -112 and round to even
	return sign | uint16(bits>>13)
}

// fromHalf is exact.
func fromHalf(h uint16) float32 {
	const magic = 0x1p+112 // moves the exponent from bias 15 to bias 127
	bits := uint32(h&0x7fff) << 13
	f := math.Float32frombits(bits) * magic
	if h&0x7c00 == 0x7c00 { // infinity or NaN
		f = math.Float32frombits(bits | 0x7f800000)
	}
	return math.Float32frombits(math.Float32bits(f) | uint32(h&0x8000)<<16)
}
