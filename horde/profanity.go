// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	_ "embed" // the list of words
	"strings"
	"unicode"
)

// The words that names and descriptions may not hold, one a line, turned by thirteen letters so that nobody reads them
// by accident. They are never logged or shown.
//
//go:embed profanity.txt
var profanityFile string

// ProfanityList reads the built-in list. What it returns reports whether a text holds one of the words, also when digits
// or signs stand for some letters, and is safe for concurrent use. Only whole words count: innocent ones contain all
// kinds of things.
func ProfanityList() func(text string) bool {
	words := make(map[string]bool)
	for line := range strings.Lines(profanityFile) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			words[strings.Map(thirteenOn, line)] = true
		}
	}
	return func(text string) bool {
		lower := strings.ToLower(text)
		for _, fold := range []func(rune) rune{letters, lettersFromSigns} {
			for word := range strings.FieldsSeq(strings.Map(fold, lower)) {
				if words[word] {
					return true
				}
			}
		}
		return false
	}
}

func thirteenOn(r rune) rune {
	if r >= 'a' && r <= 'z' {
		return 'a' + (r-'a'+13)%26
	}
	return r
}

func letters(r rune) rune {
	if unicode.IsLetter(r) {
		return r
	}
	return ' '
}

func lettersFromSigns(r rune) rune {
	const signs, meant = "013457@$!", "oieastasi"
	if at := strings.IndexRune(signs, r); at >= 0 {
		return rune(meant[at])
	}
	return letters(r)
}

// plainName is SafeText on one line. Names come with every pop, so the plain ones among them pass at once.
func plainName(name string) string {
	if plain(name) {
		return name
	}
	return strings.Join(strings.Fields(SafeText(name)), " ")
}

// plain reports whether a name is of ASCII letters, digits and ordinary signs, with single blanks inside.
func plain(name string) bool {
	blank := true
	for i := range len(name) {
		switch c := name[i]; {
		case c == ' ' && blank, c < ' ', c > '~', c == '<', c == '>', c == '&':
			return false
		default:
			blank = c == ' '
		}
	}
	return !blank
}
