// SPDX-License-Identifier: AGPL-3.0-or-later

package commands

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// hasWord reports whether a text has one of the words, or phrases, of a list. Case, accents, widths of letters and what
// stands between words do not count. Words in scripts without blanks are found inside others too.
func hasWord(text string, list []string) bool {
	if len(list) == 0 {
		return false
	}
	folded := fold(text)
	for _, w := range list {
		f := fold(w)
		if f == "  " || f == " " {
			continue
		}
		if unspaced(w) {
			f = strings.TrimSpace(f)
		}
		if strings.Contains(folded, f) {
			return true
		}
	}
	return false
}

// fold writes a text in lower case letters and digits, with single blanks between and around its words.
func fold(s string) string {
	var b strings.Builder
	b.WriteByte(' ')
	blank := true
	for _, r := range norm.NFKD.String(s) {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r):
			b.WriteRune(unicode.ToLower(r))
			blank = false
		case unicode.Is(unicode.Mn, r), unicode.Is(unicode.Cf, r):
			// accents, and what nobody sees
		case !blank:
			b.WriteByte(' ')
			blank = true
		}
	}
	if !blank {
		b.WriteByte(' ')
	}
	return b.String()
}

// unspaced reports whether a word is in a script that puts no blanks between words.
func unspaced(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer)
	})
}
