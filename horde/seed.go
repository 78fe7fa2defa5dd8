// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import "math/big"

// MaxSeedBytes bounds the seed text that counts.
const MaxSeedBytes = 255

// FoldSeed turns a seed text into 32 bits: digits are read as a number, other text as its bytes in
// little-endian order; either is shifted right by 32 bits until it fits.
func FoldSeed(text string) uint32 {
	if len(text) > MaxSeedBytes {
		text = text[:MaxSeedBytes]
	}
	n, ok := new(big.Int).SetString(text, 10)
	if !ok || n.Sign() < 0 {
		b := []byte(text)
		for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
			b[i], b[j] = b[j], b[i]
		}
		n = new(big.Int).SetBytes(b)
	}
	for n.BitLen() > 32 {
		n.Rsh(n, 32)
	}
	return uint32(n.Uint64()) // at most 32 bits, by the loop above
}
