// SPDX-License-Identifier: AGPL-3.0-or-later

package emojikudos_test

import (
	"strings"
	"testing"

	"stablemate/emojikudos"
)

func TestKey(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ id, name, want string }{
		"a Unicode emoji":                {"", "🙏", "u:🙏"},
		"a skin tone counts as none":     {"", "🙏🏽", "u:🙏"},
		"a variation selector is no one": {"", "❤\uFE0F", "u:❤"},
		"joined emoji stay joined":       {"", "👩🏿‍🚀", "u:👩‍🚀"},
		"a guild's emoji is its ID":      {"123", "kudos", "c:123"},
		"a renamed one is the same":      {"123", "thanks", "c:123"},
		"nothing":                        {"", "\uFE0F", ""},
	} {
		if got := emojikudos.Key(c.id, c.name); got != c.want {
			t.Errorf("%s: Key(%q, %q) = %q, want %q", name, c.id, c.name, got, c.want)
		}
	}
}

func TestParseEmoji(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"🙏": "u:🙏", " 👍🏻 ": "u:👍", "1️⃣": "u:1\u20e3", "©️": "u:©", "🇦🇹": "u:🇦🇹",
		"kudos:123": "c:123", "<:kudos:123>": "c:123", "<a:kudos:123>": "c:123",
		"": "", "thanks": "", "1": "", "12": "", ":kudos:": "", "kudos:": "", "kudos:x1": "", ":123": "", "<:kudos:123": "", "<🙏": "",
		"🙏🏽\xff": "", strings.Repeat("🙏", 100): "", "🏽": "", "🙏 thanks": "",
	} {
		got, err := emojikudos.ParseEmoji(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("ParseEmoji(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
}

func FuzzParseEmoji(f *testing.F) {
	for _, s := range []string{"🙏", "👩🏿‍🚀", "<:kudos:123>", "kudos:123", "1️⃣", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, err := emojikudos.ParseEmoji(text)
		if err != nil {
			return
		}
		kind, rest, _ := strings.Cut(key, ":")
		switch {
		case rest == "" || len(key) > 80:
			t.Errorf("ParseEmoji(%q) = %q", text, key)
		case kind == "u" && emojikudos.Key("", rest) != key, kind == "c" && emojikudos.Key(rest, "any") != key:
			t.Errorf("ParseEmoji(%q) = %q, which names another emoji", text, key)
		}
	})
}
