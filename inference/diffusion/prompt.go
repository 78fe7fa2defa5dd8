package diffusion

import (
	"math"
	"strconv"
	"strings"
)

const (
	maxPromptBytes = 32 << 10 // what is longer is cut; a window of CLIP holds about 300 bytes
	maxNesting     = 64       // brackets nested deeper are text
	maxWeight      = 10       // weights beyond it are brought back to it
	nestedWeight   = 1.1      // what a bracket without a number multiplies by
	negativeMark   = "###"
)

// Segment is a piece of a prompt with the weight its brackets give it.
type Segment struct {
	Text   string
	Weight float64
}

// SplitPrompt separates what a picture should show from what it should not: the horde keeps both in
// one text with ### between them. Anything behind a second ### is dropped.
func SplitPrompt(prompt string) (positive, negative string) {
	positive, rest, _ := strings.Cut(prompt, negativeMark)
	negative, _, _ = strings.Cut(rest, negativeMark)
	return strings.TrimSpace(positive), strings.TrimSpace(negative)
}

// ParsePrompt reads the brackets of a prompt: "(text)" weighs 1.1 times its surroundings,
// "(text:1.3)" exactly 1.3, and "\(" and "\)" are plain characters. What does not balance is text.
func ParsePrompt(prompt string) []Segment {
	if len(prompt) > maxPromptBytes {
		prompt = strings.ToValidUTF8(prompt[:maxPromptBytes], "")
	}
	p := promptParser{text: prompt, partner: map[int]int{}}
	p.pair()
	p.parse(0, len(prompt), 1, 0)
	return p.out
}

// promptParser finds all partners first, so that each character is then visited once whatever the nesting.
type promptParser struct {
	text    string
	partner map[int]int // opening bracket → its closing one
	out     []Segment
}

func (p *promptParser) pair() {
	var open []int
	for i := 0; i < len(p.text); i++ {
		switch p.text[i] {
		case '\\':
			if i+1 < len(p.text) && (p.text[i+1] == '(' || p.text[i+1] == ')') {
				i++
			}
		case '(':
			open = append(open, i)
		case ')':
			if len(open) > 0 {
				p.partner[open[len(open)-1]] = i
				open = open[:len(open)-1]
			}
		}
	}
}

func (p *promptParser) parse(from, to int, weight float64, depth int) {
	begin := from
	for i := from; i < to; i++ {
		switch p.text[i] {
		case '\\':
			if i+1 < to && (p.text[i+1] == '(' || p.text[i+1] == ')') {
				i++
			}
		case '(':
			end, ok := p.partner[i]
			if !ok { // never closed: the rest is text, brackets and all
				i = to
				continue
			}
			if depth == maxNesting {
				i = end
				continue
			}
			p.emit(begin, i, weight)
			inner, own := end, weight*nestedWeight
			if colon := strings.LastIndexByte(p.text[i+1:end], ':'); colon > 0 {
				number, err := strconv.ParseFloat(strings.TrimSpace(p.text[i+1+colon+1:end]), 64)
				if err == nil && !math.IsNaN(number) && !math.IsInf(number, 0) {
					inner, own = i+1+colon, number
				}
			}
			p.parse(i+1, inner, own, depth+1)
			i, begin = end, end+1
		}
	}
	p.emit(begin, to, weight)
}

func (p *promptParser) emit(from, to int, weight float64) {
	if from >= to {
		return
	}
	text := strings.NewReplacer(`\(`, "(", `\)`, ")").Replace(p.text[from:to])
	p.out = append(p.out, Segment{Text: text, Weight: max(-maxWeight, min(weight, maxWeight))})
}
