// SPDX-License-Identifier: AGPL-3.0-or-later

package filter

import (
	_ "embed"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// minSpacedOut is how many single letters in a row are taken for a word that was spaced out.
const minSpacedOut = 3

// Normalise brings a text into the form rules are written for: weight markers unwrapped, accents and look-alikes of
// other scripts turned into ASCII, everything but letters and digits made a single space, and spaced-out words glued.
// Letters without a look-alike stay as they are. The result is valid UTF-8, at most four times as long, and stays the
// same when it is normalised again. It takes time in proportion to the text.
func Normalise(text string) string {
	dropped := weightMarkers(text)
	buf := make([]byte, 0, len(text))
	var (
		gap   bool // a space is due before the next letter
		latin = true
	)
	letter := func(r rune) {
		if gap && len(buf) > 0 {
			buf = append(buf, ' ')
		}
		gap, latin = false, r < utf8.RuneSelf
		buf = utf8.AppendRune(buf, r)
	}
	for i, r := range text {
		switch {
		case len(dropped) > 0 && i >= dropped[0].from:
			if i+utf8.RuneLen(r) >= dropped[0].to {
				dropped = dropped[1:]
			}
		case r < utf8.RuneSelf:
			if r != '_' && wordByte(byte(r)) {
				letter(r)
			} else {
				gap = true
			}
		case invisible(r):
		case foldOf(r) != "":
			for _, ascii := range foldOf(r) {
				letter(ascii)
			}
		case unicode.In(r, unicode.Mn, unicode.Me):
			if !latin && !gap { // other scripts spell with marks
				buf = utf8.AppendRune(buf, r)
			}
		case r != utf8.RuneError && unicode.In(r, unicode.L, unicode.N, unicode.Mc):
			letter(r)
		default:
			gap, latin = true, true
		}
	}
	return glue(string(buf))
}

type span struct{ from, to int }

// weightMarkers finds what surrounds the text in (text:1.2), brackets and number, in order.
func weightMarkers(text string) (out []span) {
	if !strings.Contains(text, ":") {
		return nil
	}
	var open []int
	for i := range len(text) {
		switch text[i] {
		case '(':
			open = append(open, i)
		case ')':
			if len(open) == 0 {
				continue
			}
			if from, ok := weight(text[:i]); ok && from > open[len(open)-1] {
				last := open[len(open)-1]
				out = append(out, span{last, last + 1}, span{from, i + 1})
			}
			open = open[:len(open)-1]
		}
	}
	slices.SortFunc(out, func(a, b span) int { return a.from - b.from })
	return out
}

// weight finds where a colon and a number at the end of a text begin. Whole numbers above 2 are no weights: they may be
// ages.
func weight(text string) (int, bool) {
	const longest = 16
	at := strings.LastIndexByte(text[max(0, len(text)-longest):], ':')
	if at < 0 {
		return 0, false
	}
	at += max(0, len(text)-longest)
	whole, fraction, fractional := strings.Cut(strings.Trim(text[at+1:], " "), ".")
	whole = strings.TrimLeft(whole, "+-")
	switch {
	case strings.Trim(whole+fraction, "0123456789") != "" || whole+fraction == "":
		return 0, false
	case len(whole) > 1 || !fractional && whole > "2":
		return 0, false
	}
	return at, true
}

// glue joins runs of single letters.
func glue(text string) string {
	var b strings.Builder
	kept := 0 // bytes of text already written
	for at := 0; at < len(text); {
		letters, end := 0, at
		for end < len(text) {
			next, single := word(text, end)
			if !single {
				break
			}
			letters++
			end = next
		}
		if letters >= minSpacedOut {
			b.WriteString(text[kept:at])
			b.WriteString(strings.ReplaceAll(strings.TrimSuffix(text[at:end], " "), " ", ""))
			kept = end
			if end < len(text) {
				b.WriteByte(' ')
			}
		}
		if end == at {
			end, _ = word(text, at)
		}
		at = end
	}
	if kept == 0 {
		return text
	}
	b.WriteString(text[kept:])
	return b.String()
}

// word finds where the word after the one at a place begins, and whether the one there is a single letter.
func word(text string, at int) (next int, single bool) {
	r, size := utf8.DecodeRuneInString(text[at:])
	end := strings.IndexByte(text[at:], ' ')
	if end < 0 {
		return len(text), unicode.IsLetter(r) && at+size == len(text)
	}
	return at + end + 1, unicode.IsLetter(r) && size == end
}

// invisible runes leave no trace, not even a space: they are put between letters to hide a word.
func invisible(r rune) bool {
	switch r {
	case '\u034f', '\u115f', '\u1160', '\u17b4', '\u17b5', '\u2800', '\u3164', '\uffa0':
		return true
	}
	return unicode.In(r, unicode.Cf, unicode.Variation_Selector)
}

// folds has a line of foldLine bytes for each rune that stands for ASCII letters or digits, in order: the rune in
// five hexadecimal digits, then the letters, padded with blanks. Its test makes it from the Unicode tables and a list of
// look-alikes.
//
//go:embed data/folds.txt
var folds string

const (
	foldRune = 5
	foldLine = 10
	foldLast = 0xfffff
)

// foldOf is what a rune stands for, or empty.
func foldOf(r rune) string {
	if r > foldLast {
		return ""
	}
	low, high := 0, len(folds)/foldLine
	for low < high {
		mid := (low + high) / 2
		line := folds[mid*foldLine : mid*foldLine+foldLine-1]
		switch found := foldKey(line); {
		case found == r:
			return strings.TrimRight(line[foldRune:], " ")
		case found < r:
			low = mid + 1
		default:
			high = mid
		}
	}
	return ""
}

func foldKey(line string) (r rune) {
	for i := range foldRune {
		c := rune(line[i])
		if c >= 'A' {
			c -= 'A' - 10
		} else {
			c -= '0'
		}
		r = r<<4 | c
	}
	return r
}
