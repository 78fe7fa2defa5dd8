// SPDX-License-Identifier: AGPL-3.0-or-later

package filter

import "slices"

// classes of bytes the automaton tells apart: letters without case, digits, the space, and all the rest.
const (
	classSpace = 36
	classOther = 37
	classes    = 38
	maxNodes   = 60_000 // of the automaton: about 10 MB
)

// pattern is a piece of text that belongs to a rule.
type pattern struct {
	rule, length int
	left, right  bool // it must begin, or end, at a word boundary
	exact        bool // finding it is a match of the rule
	next         *pattern
}

type node struct {
	next   [classes]int32
	out    *pattern
	suffix int32 // the longest proper suffix that ends a pattern, 0 for none
}

// automaton finds many pieces of text in one pass (Aho and Corasick), without regard to case.
type automaton struct {
	class [256]byte
	nodes []node
}

func (a *automaton) init() {
	for i := range a.class {
		a.class[i] = classOther
	}
	for c := range byte(26) {
		a.class['a'+c], a.class['A'+c] = c, c
	}
	for c := range byte(10) {
		a.class['0'+c] = 26 + c
	}
	a.class[' '] = classSpace
	a.nodes = make([]node, 1)
}

// add files the pieces of a rule. It adds none and says false when the automaton would grow too large.
func (a *automaton) add(rule int, pieces []piece, exact bool) bool {
	need := 0
	for _, p := range pieces {
		need += len(p.text)
	}
	if len(a.nodes)+need > maxNodes {
		return false
	}
	for _, p := range pieces {
		at := int32(0)
		for i := range len(p.text) {
			c := a.class[p.text[i]]
			if a.nodes[at].next[c] == 0 {
				a.nodes[at].next[c] = int32(len(a.nodes))
				a.nodes = append(a.nodes, node{})
			}
			at = a.nodes[at].next[c]
		}
		a.nodes[at].out = &pattern{
			rule: rule, length: len(p.text), left: p.left, right: p.right, exact: exact, next: a.nodes[at].out,
		}
	}
	return true
}

// link turns the tree of pieces into an automaton.
func (a *automaton) link() {
	a.nodes = slices.Clip(a.nodes)
	fail := make([]int32, len(a.nodes))
	queue := make([]int32, 0, len(a.nodes))
	for _, child := range a.nodes[0].next {
		if child != 0 {
			queue = append(queue, child)
		}
	}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		back := &a.nodes[fail[at]]
		n := &a.nodes[at]
		if back.out != nil {
			n.suffix = fail[at]
		} else {
			n.suffix = back.suffix
		}
		for c, child := range n.next {
			if child == 0 {
				n.next[c] = back.next[c]
				continue
			}
			fail[child] = back.next[c]
			queue = append(queue, child)
		}
	}
}

// walk calls visit for each piece that ends at each place of the text.
func (a *automaton) walk(text string, visit func(p *pattern, end int)) {
	at := int32(0)
	for i := range len(text) {
		at = a.nodes[at].next[a.class[text[i]]]
		if at == 0 {
			continue
		}
		for n := at; n != 0; n = a.nodes[n].suffix {
			for p := a.nodes[n].out; p != nil; p = p.next {
				visit(p, i+1)
			}
		}
	}
}

// at reports whether the boundaries the pattern asks for are there.
func (p *pattern) at(text string, end int) bool {
	from := end - p.length
	if p.left && !boundary(text, from) {
		return false
	}
	return !p.right || boundary(text, end)
}

// boundary is \b of RE2.
func boundary(text string, at int) bool {
	return (at > 0 && wordByte(text[at-1])) != (at < len(text) && wordByte(text[at]))
}

func wordByte(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '_'
}
