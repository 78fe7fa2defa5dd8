// SPDX-License-Identifier: AGPL-3.0-or-later

package inference

import "image"

// DecodeWebP gives tests the colours that were drawn.
func DecodeWebP(data []byte) (*image.RGBA, error) { return decodeWebP(data) }
