// SPDX-License-Identifier: AGPL-3.0-or-later

package filter

import "regexp/syntax"

// Texts lists what an expression matches in a normalised prompt, if that can be listed.
func Texts(expression string) ([]string, bool) {
	re, err := syntax.Parse(expression, syntax.Perl|syntax.FoldCase)
	if err != nil {
		return nil, false
	}
	some, ok := expand(re)
	out := make([]string, 0, len(some))
	for _, p := range some {
		out = append(out, p.text)
	}
	return out, ok
}

// Exact counts the rules that the automaton decides alone.
func (s *Set) Exact() (n int) {
	for i := range s.rules {
		if s.rules[i].exact {
			n++
		}
	}
	return n
}

// All counts the rules with the house's own.
func (s *Set) All() int { return len(s.rules) }
