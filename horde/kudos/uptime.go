// SPDX-License-Identifier: AGPL-3.0-or-later

package kudos

// UptimeOther is what a span online is worth for a worker of a kind without a price of its own.
const UptimeOther = 100 * One

// UptimeForms is the same for an alchemist.
const UptimeForms = 40 * One

// maxUptimeContext is the longest context that earns anything.
const maxUptimeContext = 262_144

// UptimeText is what a span online is worth for a worker that writes: more for a longer context and for a model of more
// parameters, which come in billions, 0 when that is not known. Software that nobody vouches for earns less.
//
// Formula (horde rules, uptime reward): 25 + 15 for each 1024 tokens of context; half of it for an unknown model, else
// by parameters/7, at least a quarter, and three tenths without a validated backend.
func UptimeText(context int, params float64, validated bool) Amount {
	base := 25 + 15*float64(min(maxUptimeContext, max(0, context)))/1024
	if params <= 0 {
		return FromFloat(base / 2)
	}
	if !validated {
		base *= 0.3
	}
	return FromFloat(base * max(params/7, 0.25))
}

// UptimeImage is what a span online is worth for a worker that makes images: more for each model it keeps at hand, and
// for taking LoRAs.
func UptimeImage(models int, lora bool) Amount {
	a := Whole(50 + 2*int64(max(0, models)))
	if lora {
		a += 30 * One
	}
	return a
}
