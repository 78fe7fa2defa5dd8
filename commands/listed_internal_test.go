// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"strings"
	"testing"
	"unicode/utf8"

	"stablemate/commands/words"
	"stablemate/internal/discord"
)

func TestAListKeepsItsLastLine(t *testing.T) {
	t.Parallel()
	bundle, err := words.Load()
	if err != nil {
		t.Fatal(err)
	}
	w := bundle.For("en")
	for name, c := range map[string]struct {
		items, each, more int
		want              string
	}{
		"one item":                    {1, 10, 0, "head\n" + strings.Repeat("i", 10) + "\nlast"},
		"more than fit":               {10, 300, 0, "\n… and 4 more\nlast"},
		"more than are listed":        {2, 10, 7, "\n… and 7 more\nlast"},
		"both":                        {10, 300, 5, "\n… and 9 more\nlast"},
		"an item larger than all":     {1, 3000, 0, "head\n… and one more\nlast"},
		"no item":                     {0, 0, 0, "head\nlast"},
		"as many as fit to the brink": {2, 994, 0, strings.Repeat("i", 994) + "\nlast"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			items := make([]string, c.items)
			for i := range items {
				items[i] = strings.Repeat("i", c.each)
			}
			got := listed(w, "head", items, c.more, "last")
			if !strings.HasSuffix(got, c.want) || !strings.HasPrefix(got, "head\n") || utf8.RuneCountInString(got) > discord.MaxContent {
				t.Errorf("%d characters end with %q, want %q", utf8.RuneCountInString(got), got[max(len(got)-40, 0):], c.want)
			}
		})
	}
}
