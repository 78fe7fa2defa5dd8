// SPDX-License-Identifier: AGPL-3.0-or-later

package kudos_test

import (
	"testing"

	"stablemate/horde/kudos"
)

func TestWhatBeingOnlineIsWorth(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		got  kudos.Amount
		want float64
	}{
		"a dreamer without models":           {kudos.UptimeImage(0, false), 50},
		"a dreamer of ten models with LoRAs": {kudos.UptimeImage(10, true), 100},
		"7 billion, 2048 tokens":             {kudos.UptimeText(2048, 7, true), 55},
		"13 billion, 4096 tokens":            {kudos.UptimeText(4096, 13, true), 157.86},
		"70 billion, 8192 tokens":            {kudos.UptimeText(8192, 70, true), 1450},
		"70 billion that nobody vouches for": {kudos.UptimeText(8192, 70, false), 435},
		"one billion":                        {kudos.UptimeText(2048, 1, true), 13.75},
		"an unknown model":                   {kudos.UptimeText(2048, 0, true), 27.5},
		"a context beyond measure":           {kudos.UptimeText(1<<40, 7, true), 3865},
		"no context at all":                  {kudos.UptimeText(-5, 7, true), 25},
	} {
		if c.got != kudos.FromFloat(c.want) {
			t.Errorf("%s earns %s, want %v", what, c.got, c.want)
		}
	}
}
