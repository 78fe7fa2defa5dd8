// SPDX-License-Identifier: AGPL-3.0-or-later

package kudos

// UptimeOther is what a span online is worth for a worker of a kind without a price of its own.
const UptimeOther = 100 * One

// UptimeImage is what a span online is worth for a worker that makes images: more for each model it keeps at hand, and
// for taking LoRAs.
func UptimeImage(models int, lora bool) Amount {
	a := Whole(50 + 2*int64(max(0, models)))
	if lora {
		a += 30 * One
	}
	return a
}
