// SPDX-License-Identifier: AGPL-3.0-or-later

package emojikudos

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxEmojiBytes bounds the text of an emoji. The longest sequences in Unicode have some 35 bytes.
const maxEmojiBytes = 64

// Key names an emoji whatever form it comes in: "c:" and the ID of a guild's own emoji, or "u:" and a Unicode emoji
// without variation selectors and skin tones, so that 👍🏽 counts as 👍. It is empty when there is no emoji left.
func Key(id, name string) string {
	if id != "" {
		return "c:" + id
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case r == '\uFE0E', r == '\uFE0F', r >= '\U0001F3FB' && r <= '\U0001F3FF':
			return -1
		}
		return r
	}, name)
	if name == "" {
		return ""
	}
	return "u:" + name
}

// ParseEmoji reads an emoji as an operator writes it into the configuration, and returns its Key: 🙏, name:id, or the
// <:name:id> that Discord shows after a backslash.
func ParseEmoji(text string) (string, error) {
	key, _, _, err := Parse(text)
	return key, err
}

// Parse is ParseEmoji that also returns how the emoji is written so that chat shows it, and the name of a guild's own.
func Parse(text string) (key, show, name string, err error) {
	bad := fmt.Errorf("%q is no emoji; write one like 🙏, or name:id for an emoji of a guild", text)
	s := strings.TrimSpace(text)
	if len(s) > maxEmojiBytes || !utf8.ValidString(s) {
		return "", "", "", bad
	}
	animated := ""
	if inner, ok := strings.CutPrefix(s, "<"); ok {
		if s, ok = strings.CutSuffix(inner, ">"); !ok {
			return "", "", "", bad
		}
		if strings.HasPrefix(s, "a:") {
			animated = "a"
		}
		s = strings.TrimPrefix(strings.TrimPrefix(s, "a:"), ":")
	}
	if name, id, ok := strings.Cut(s, ":"); ok {
		if !emojiName(name) || id == "" || len(id) > 20 || strings.Trim(id, "0123456789") != "" {
			return "", "", "", bad
		}
		return Key(id, name), "<" + animated + ":" + name + ":" + id + ">", name, nil
	}
	pictures := 0
	key = Key("", s)
	for _, r := range strings.TrimPrefix(key, "u:") {
		switch {
		case r >= 0xA9: // ©, the first picture
			pictures++
		case !strings.ContainsRune("#*0123456789", r): // keycaps such as 1️⃣ begin like this
			return "", "", "", bad
		}
	}
	if pictures == 0 {
		return "", "", "", bad
	}
	return key, s, "", nil
}

// emojiName reports whether a guild's emoji may be called so; nothing else can hide in what chat is shown.
func emojiName(name string) bool {
	for _, r := range name {
		if r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return false
		}
	}
	return name != "" && len(name) <= 32
}
