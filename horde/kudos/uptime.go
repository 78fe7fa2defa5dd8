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

// UptimeAlchemy is what a span online is worth for an alchemist.
const UptimeAlchemy = 40 * One

// maxUptimeContext is the longest context, in tokens, that earns more for being online.
const maxUptimeContext = 262_144

// UptimeText is what a span online is worth for a worker that writes texts: more for a longer context and for a larger
// model. params is the size of its first model in billions of parameters, 0 when it is not known.
func UptimeText(maxContext int, params float64, validated bool) Amount {
	base := 25 + 15*float64(min(max(0, maxContext), maxUptimeContext))/1024
	switch {
	case params <= 0:
		return FromFloat(base * 0.5)
	case !validated:
		base *= textUnvalidated
	}
	return FromFloat(base * max(params/7, 0.25))
}
