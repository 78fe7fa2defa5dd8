// SPDX-License-Identifier: AGPL-3.0-or-later

package horde

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// inlineTag is the markup that may stay in a text that people write for others: it only changes how letters look, and
// carries no attributes. Everything else that could be markup is shown as it was typed.
var inlineTag = regexp.MustCompile(`(?i)^</?(b|i|u|s|em|strong|code|small|sub|sup)>`)

// entity is a character reference, which stays as it is: to clean a text twice is to clean it once.
var entity = regexp.MustCompile(`^&(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});`)

// SafeText makes a name or a description fit for web pages: a few inline tags survive where each is closed again in
// order, any other markup is escaped, control and direction-changing characters go, and so does white space around
// it. Cleaning a clean text changes nothing.
func SafeText(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))

	type tag struct {
		name string
		at   int // its piece
	}
	var (
		pieces []string
		open   []tag
		plain  strings.Builder
	)
	flush := func() {
		pieces = append(pieces, plain.String())
		plain.Reset()
	}
	for rest := text; rest != ""; {
		switch rest[0] {
		case '<':
			found := inlineTag.FindString(rest)
			if found == "" {
				plain.WriteString("&lt;")
				rest = rest[1:]
				continue
			}
			rest = rest[len(found):]
			name := strings.ToLower(strings.Trim(found, "</>"))
			flush()
			if found[1] != '/' {
				open = append(open, tag{name, len(pieces)})
				pieces = append(pieces, "&lt;"+name+"&gt;") // until it is closed
				continue
			}
			if n := len(open); n > 0 && open[n-1].name == name {
				pieces[open[n-1].at] = "<" + name + ">"
				pieces = append(pieces, "</"+name+">")
				open = open[:n-1]
				continue
			}
			pieces = append(pieces, "&lt;/"+name+"&gt;")
		case '>':
			plain.WriteString("&gt;")
			rest = rest[1:]
		case '&':
			found := entity.FindString(rest)
			if found == "" {
				plain.WriteString("&amp;")
				found = "&"
			} else {
				plain.WriteString(found)
			}
			rest = rest[len(found):]
		default:
			next := strings.IndexAny(rest, "<>&")
			if next < 0 {
				next = len(rest)
			}
			plain.WriteString(rest[:next])
			rest = rest[next:]
		}
	}
	flush()
	return strings.TrimSpace(strings.Join(slices.DeleteFunc(pieces, func(s string) bool { return s == "" }), ""))
}
