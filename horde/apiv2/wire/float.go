// SPDX-License-Identifier: AGPL-3.0-or-later

package wire

import (
	"bytes"
	"math"
	"strconv"
)

// Float is a number that the API always prints with a fraction: 10.0, not 10.
type Float float64

// MarshalJSON prints the number with a fraction. What JSON cannot say (NaN, infinities) becomes 0.0.
func (f Float) MarshalJSON() ([]byte, error) {
	return AppendFloat(make([]byte, 0, 24), float64(f)), nil
}

// AppendFloat appends the number with a fraction.
func AppendFloat(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "0.0"...)
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	at := len(b)
	b = strconv.AppendFloat(b, f, format, -1, 64)
	if !bytes.ContainsAny(b[at:], ".e") {
		b = append(b, ".0"...)
	}
	return b
}
