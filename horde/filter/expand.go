// SPDX-License-Identifier: AGPL-3.0-or-later

package filter

import (
	"regexp/syntax"
	"slices"
	"unicode"
)

const (
	maxPieces  = 1024 // texts an expression is expanded into
	maxPiece   = 64   // bytes of one
	minKeyword = 2    // bytes a text must have to be worth looking for before an expression runs
)

// piece is a text that an expression matches: lower-case letters, digits and spaces.
type piece struct {
	text        string
	left, right bool // a word boundary is needed before, after; equal while text is empty
}

// expand lists all texts an expression matches in a normalised prompt, if they are few. Most rules are words with a
// few endings: for them the automaton takes the place of the expression, and says exactly the same.
func expand(re *syntax.Regexp) ([]piece, bool) {
	switch re.Op {
	case syntax.OpNoMatch:
		return nil, true
	case syntax.OpEmptyMatch:
		return []piece{{}}, true
	case syntax.OpLiteral:
		return expandLiteral(re)
	case syntax.OpCharClass:
		return expandClass(re)
	case syntax.OpWordBoundary:
		return []piece{{left: true, right: true}}, true
	case syntax.OpCapture:
		return expand(re.Sub[0])
	case syntax.OpQuest:
		some, ok := expand(re.Sub[0])
		return join([]piece{{}}, some, ok)
	case syntax.OpStar, syntax.OpPlus:
		some, ok := expand(re.Sub[0])
		if !ok || len(some) != 1 || some[0] != (piece{text: " "}) {
			return nil, false
		}
		if re.Op == syntax.OpStar { // spaces are single, so many of them are one
			some = append(some, piece{})
		}
		return some, true
	case syntax.OpRepeat:
		return expandRepeat(re)
	case syntax.OpConcat:
		out := []piece{{}}
		for _, sub := range re.Sub {
			some, ok := expand(sub)
			if out, ok = product(out, some, ok); !ok {
				return nil, false
			}
		}
		return out, true
	case syntax.OpAlternate:
		var out []piece
		for _, sub := range re.Sub {
			some, ok := expand(sub)
			if out, ok = join(out, some, ok); !ok {
				return nil, false
			}
		}
		return out, true
	default: // anchors of the whole text, \B, any character: left to the expression
		return nil, false
	}
}

func expandLiteral(re *syntax.Regexp) ([]piece, bool) {
	text := make([]byte, 0, len(re.Rune))
	for _, r := range re.Rune {
		switch b, kind := plain(r); {
		case kind == foreign || re.Flags&syntax.FoldCase == 0 && unicode.IsLetter(r):
			return nil, false
		case kind == impossible:
			return nil, true
		default:
			text = append(text, b)
		}
	}
	return []piece{{text: string(text)}}, len(text) <= maxPiece
}

func expandClass(re *syntax.Regexp) ([]piece, bool) {
	var lower, upper [128]bool
	for i := 0; i+1 < len(re.Rune); i += 2 {
		for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
			b, kind := plain(r)
			switch {
			case kind == foreign:
				return nil, false
			case kind == impossible || r > unicode.MaxASCII:
			case unicode.IsUpper(r):
				upper[b] = true
			default:
				lower[b] = true
			}
		}
	}
	var out []piece
	for b := range lower {
		if 'a' <= b && b <= 'z' && lower[b] != upper[b] {
			return nil, false // it minds case
		}
		if lower[b] {
			out = append(out, piece{text: string(rune(b))})
		}
	}
	return out, true
}

func expandRepeat(re *syntax.Regexp) ([]piece, bool) {
	if re.Max < 0 {
		return nil, false
	}
	some, ok := expand(re.Sub[0])
	out, all := []piece{{}}, []piece(nil)
	for i := 0; i <= re.Max; i++ {
		if i >= re.Min {
			if all, ok = join(all, out, ok); !ok {
				return nil, false
			}
		}
		if i == re.Max {
			break
		}
		if out, ok = product(out, some, ok); !ok {
			return nil, false
		}
	}
	return all, ok
}

// required lists texts of which one occurs in everything the expression matches.
func required(re *syntax.Regexp) ([]piece, bool) {
	if some, ok := expand(re); ok {
		return keywords(some)
	}
	switch re.Op {
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0])
		}
	case syntax.OpAlternate:
		var out []piece
		for _, sub := range re.Sub {
			some, ok := required(sub)
			if out, ok = join(out, some, ok); !ok {
				return nil, false
			}
		}
		return out, true
	case syntax.OpConcat:
		return requiredOf(re.Sub)
	default: // nothing is certain to occur
	}
	return nil, false
}

// requiredOf takes the most telling part of a row of expressions.
func requiredOf(subs []*syntax.Regexp) (best []piece, found bool) {
	take := func(some []piece, ok bool) {
		if ok && (!found || shortest(some) > shortest(best)) {
			best, found = some, true
		}
	}
	row := []piece{{}}
	for _, sub := range subs {
		some, ok := expand(sub)
		if longer, fits := product(row, some, ok); fits {
			row = longer
			continue
		}
		take(keywords(row))
		row = []piece{{}}
		take(required(sub))
	}
	take(keywords(row))
	return best, found
}

// keywords drops the boundaries: they are the expression's matter.
func keywords(some []piece) ([]piece, bool) {
	if shortest(some) < minKeyword {
		return nil, false
	}
	out := make([]piece, 0, len(some))
	for _, p := range some {
		out = append(out, piece{text: p.text})
	}
	return dedupe(out), true
}

func shortest(some []piece) int {
	least := maxPiece
	for _, p := range some {
		least = min(least, len(p.text))
	}
	return least
}

func join(a, b []piece, ok bool) ([]piece, bool) {
	if !ok || len(a)+len(b) > maxPieces {
		return nil, false
	}
	return dedupe(append(slices.Clip(a), b...)), true
}

func product(a, b []piece, ok bool) ([]piece, bool) {
	if !ok || len(a)*len(b) > maxPieces {
		return nil, false
	}
	out := make([]piece, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			p, possible := x.then(y)
			if len(p.text) > maxPiece {
				return nil, false
			}
			if possible {
				out = append(out, p)
			}
		}
	}
	return dedupe(out), true
}

// then puts y behind x, if the boundaries allow it.
func (x piece) then(y piece) (piece, bool) {
	switch {
	case x.text == "" && y.text == "":
		need := x.left || y.left
		return piece{left: need, right: need}, true
	case x.text == "":
		return piece{text: y.text, left: x.left || y.left, right: y.right}, true
	case y.text == "":
		return piece{text: x.text, left: x.left, right: x.right || y.right}, true
	case (x.right || y.left) && wordByte(x.text[len(x.text)-1]) == wordByte(y.text[0]):
		return piece{}, false
	}
	return piece{text: x.text + y.text, left: x.left, right: y.right}, true
}

func dedupe(some []piece) []piece {
	seen := make(map[piece]bool, len(some))
	out := some[:0:0]
	for _, p := range some {
		if !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	return out
}

// How a rune of an expression stands to normalised text.
type kind int8

const (
	usual      kind = iota // a letter, digit or space the automaton knows
	impossible             // normalised text never holds it
	foreign                // a letter of another script: left to the expression
)

// plain gives a rune without case.
func plain(r rune) (byte, kind) {
	switch {
	case 'A' <= r && r <= 'Z':
		return byte(r) + 'a' - 'A', usual
	case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == ' ':
		return byte(r), usual
	case r <= unicode.MaxASCII, r == 'ſ', r == '\u212A': // the long s and the kelvin sign fold to ASCII
		return 0, impossible
	}
	return 0, foreign
}
