// SPDX-License-Identifier: AGPL-3.0-or-later

// Package filter judges prompts of image requests. Rules are regular expressions in two context groups, minors and
// sexual content; a prompt that hits one of them passes, a prompt that hits both does not. A set of rules can also
// rewrite a prompt, so that an innocent one is served instead of refused.
//
// Everything here is pure and immutable once made. Rules are RE2 expressions as Go's regexp reads them, without regard
// to case: there is no look-around, no back-reference and no possessive or atomic group. They see the normalised
// positive part of a prompt: letters, digits and single spaces, never punctuation.
package filter

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// Types of rules. Others between MinType and MaxType are kept but not used.
const (
	MinType = 10
	MaxType = 29

	TypeReplaced = 10 // first group; a replacement substitutes what it finds
	TypeContext  = 11 // first group
	TypeSecond   = 20 // second group
)

// Bounds of a set. Together they keep a check within a few milliseconds whatever the prompt.
const (
	MaxRules       = 2000
	MaxRegex       = 4000    // bytes of an expression
	MaxReplacement = 200     // bytes of a replacement
	MaxNote        = 1000    // bytes of a description
	MaxProgram     = 4000    // instructions of a rule
	MaxPrograms    = 100_000 // instructions of all rules
	MaxMatches     = 50      // fragments a verdict lists
)

// Blocked is the score at which a prompt is refused: both groups were hit.
const Blocked = 2

// Rule is one expression.
type Rule struct {
	ID          int64
	Regex       string
	Type        int // MinType to MaxType
	Description string
	Replacement string // literal text, for rules of TypeReplaced
	Author      string
}

// RuleError names the rule that cannot be used.
type RuleError struct {
	ID     int64
	Reason string
}

// Error is a sentence that is safe to show; it never holds the expression.
func (e *RuleError) Error() string { return fmt.Sprintf("rule %d: %s", e.ID, e.Reason) }

var (
	errEmpty     = errors.New("the expression is empty")
	errTooBroad  = errors.New("the expression matches almost every prompt")
	errNever     = errors.New("the expression can never match: prompts are checked without punctuation and with single spaces")
	errTooLarge  = errors.New("the expression is too large once compiled")
	errSeparator = errors.New("the replacement holds ###, which begins the negative part of a prompt")
	errTooMuch   = errors.New("the rules together are too large once compiled")
)

// compiled is a rule ready to run.
type compiled struct {
	Rule
	re    *regexp.Regexp
	exact bool // the automaton alone decides
	group int
}

// Set is a compiled list of rules. It never changes and may be used by many goroutines; a nil Set has no rules.
type Set struct {
	rules  []compiled // in order of ID; after them the house's own substitutions
	own    int        // how many come from the caller
	scan   automaton
	always []int // rules without a piece of text to look for: the expression has to run
	emoji  []string
	terms  string // negative terms of a replacement
}

// Compile makes a set. An error is a *RuleError, or says that there are too many rules.
func Compile(rules []Rule) (*Set, error) {
	if len(rules) > MaxRules {
		return nil, fmt.Errorf("%d rules, at most %d are allowed", len(rules), MaxRules)
	}
	s := &Set{emoji: defaultEmoji(), terms: defaultTerms()}
	sorted := slices.Clone(rules)
	slices.SortStableFunc(sorted, func(a, b Rule) int { return int(min(1, max(-1, a.ID-b.ID))) })
	s.own = len(sorted)
	sorted = append(sorted, substitutions()...)
	size := 0
	s.scan.init()
	for i, rule := range sorted {
		c, plan, err := compileRule(rule)
		size += plan.size
		if err == nil && size > MaxPrograms {
			err = errTooMuch
		}
		if err != nil {
			return nil, &RuleError{ID: rule.ID, Reason: err.Error()}
		}
		if plan.exact {
			c.exact = s.scan.add(i, plan.pieces, true)
		}
		if !c.exact {
			pieces, ok := required(plan.parsed)
			if !ok || !s.scan.add(i, pieces, false) {
				s.always = append(s.always, i)
			}
		}
		s.rules = append(s.rules, c)
	}
	s.scan.link()
	return s, nil
}

// Check reports why a rule could not be part of a set, or nil.
func Check(rule Rule) error {
	if _, _, err := compileRule(rule); err != nil {
		return &RuleError{ID: rule.ID, Reason: err.Error()}
	}
	return nil
}

// plan is what Compile needs to know about a rule's expression.
type plan struct {
	parsed *syntax.Regexp
	size   int // instructions, about
	pieces []piece
	exact  bool
}

func compileRule(rule Rule) (compiled, plan, error) {
	fail := func(err error) (compiled, plan, error) { return compiled{}, plan{}, err }
	switch {
	case rule.Regex == "":
		return fail(errEmpty)
	case len(rule.Regex) > MaxRegex:
		return fail(fmt.Errorf("the expression has %d bytes, at most %d are allowed", len(rule.Regex), MaxRegex))
	case len(rule.Replacement) > MaxReplacement:
		return fail(fmt.Errorf("the replacement has %d bytes, at most %d are allowed", len(rule.Replacement), MaxReplacement))
	case strings.Contains(rule.Replacement, separator):
		return fail(errSeparator)
	case len(rule.Description) > MaxNote:
		return fail(fmt.Errorf("the description has %d bytes, at most %d are allowed", len(rule.Description), MaxNote))
	case !rule.substitutes() && (rule.Type < MinType || rule.Type > MaxType):
		return fail(fmt.Errorf("the type is %d, it must be between %d and %d", rule.Type, MinType, MaxType))
	}
	parsed, err := syntax.Parse(rule.Regex, syntax.Perl|syntax.FoldCase)
	if err != nil {
		return fail(reason(err))
	}
	p := plan{parsed: parsed, size: sizeOf(parsed)}
	if p.size > MaxProgram {
		return fail(errTooLarge)
	}
	re, err := regexp.Compile("(?i)" + rule.Regex)
	if err != nil {
		return fail(reason(err))
	}
	if slices.ContainsFunc([]string{"", " ", "q", "7", "x q 7"}, re.MatchString) {
		return fail(errTooBroad)
	}
	if p.pieces, p.exact = expand(parsed); p.exact && len(p.pieces) == 0 {
		return fail(errNever)
	}
	return compiled{Rule: rule, re: re, group: groupOf(rule.Type)}, p, nil
}

// reason says what is wrong with an expression without repeating it.
func reason(err error) error {
	var bad *syntax.Error
	if !errors.As(err, &bad) {
		return errors.New("the expression does not compile")
	}
	switch bad.Code {
	case syntax.ErrInvalidPerlOp:
		return errors.New("the expression does not compile: look-ahead, look-behind and other (?…) groups are not supported (RE2 syntax)")
	case syntax.ErrInvalidEscape:
		return errors.New("the expression does not compile: it has an escape that is not supported, such as a back-reference (RE2 syntax)")
	case syntax.ErrInvalidRepeatOp:
		return errors.New("the expression does not compile: possessive or doubled repetition is not supported (RE2 syntax)")
	default:
		return fmt.Errorf("the expression does not compile: %s", bad.Code)
	}
}

// sizeOf estimates how many instructions an expression becomes, before anything is unrolled.
func sizeOf(re *syntax.Regexp) int {
	size := 1
	switch re.Op {
	case syntax.OpLiteral:
		size = len(re.Rune)
	case syntax.OpCharClass:
		size = 1 + len(re.Rune)/16
	default: // one, and its parts
	}
	for _, sub := range re.Sub {
		size = min(size+sizeOf(sub), MaxProgram+1)
	}
	if re.Op == syntax.OpRepeat {
		size *= max(re.Max, re.Min+1, 1)
	}
	return min(size, MaxProgram+1)
}

func groupOf(typ int) int {
	switch typ {
	case TypeReplaced, TypeContext:
		return 1
	case TypeSecond:
		return 2
	}
	return 0
}

// Len is the number of rules.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return s.own
}

// Expression joins the rules of a type into one, or is empty when there are none.
func (s *Set) Expression(typ int) string {
	if s == nil {
		return ""
	}
	var parts []string
	for i := range s.rules[:s.own] {
		if s.rules[i].Type == typ {
			parts = append(parts, s.rules[i].Regex)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "(" + strings.Join(parts, "|") + ")"
}

// Verdict is what a set says about a prompt.
type Verdict struct {
	Score   int  // number of groups with a hit; Blocked is too many
	First   bool // the first context group was hit
	Second  bool // the second one was
	Matches []string
}

// Blocked reports whether the prompt may not be served as it is.
func (v Verdict) Blocked() bool { return v.Score >= Blocked }

// Score judges the positive part of a prompt. Matches has the first fragment each rule found, at most MaxMatches.
func (s *Set) Score(prompt string) Verdict { return s.ScoreType(prompt, 0) }

// ScoreType is Score with the rules of one type only; type 0 means all.
func (s *Set) ScoreType(prompt string, typ int) Verdict {
	if s == nil {
		return Verdict{}
	}
	positive, _ := Split(prompt)
	var v Verdict
	if typ == 0 || groupOf(typ) == 1 {
		for _, e := range s.emoji {
			if strings.Contains(positive, e) {
				v.First = true
				v.Matches = append(v.Matches, e)
				break
			}
		}
	}
	text := Normalise(positive)
	found := s.find(text, s.own)
	for i := range found {
		c := &s.rules[found[i].rule]
		if typ != 0 && c.Type != typ || c.group == 0 {
			continue
		}
		v.First = v.First || c.group == 1
		v.Second = v.Second || c.group == 2
		if len(v.Matches) < MaxMatches {
			v.Matches = append(v.Matches, text[found[i].from:found[i].to])
		}
	}
	if v.First {
		v.Score++
	}
	if v.Second {
		v.Score++
	}
	return v
}

type finding struct{ rule, from, to int }

// find gives the first match of each of the first limit rules that have one, in order of the rules.
func (s *Set) find(text string, limit int) (out []finding) {
	seen := make(map[int]bool)
	var run []int
	s.scan.walk(text, func(p *pattern, end int) {
		if seen[p.rule] || p.rule >= limit || !p.at(text, end) {
			return
		}
		seen[p.rule] = true
		if p.exact {
			out = append(out, finding{p.rule, end - p.length, end})
		} else {
			run = append(run, p.rule)
		}
	})
	for _, i := range append(run, s.always...) {
		if i >= limit {
			continue
		}
		if at := s.rules[i].re.FindStringIndex(text); at != nil {
			out = append(out, finding{i, at[0], at[1]})
		}
	}
	slices.SortFunc(out, func(a, b finding) int { return a.rule - b.rule })
	return out
}

// separator is what divides a prompt into what to show and what not to.
const separator = "###"

// Split cuts a prompt at the first ###: what to show, and what not to.
func Split(prompt string) (positive, negative string) {
	positive, negative, _ = strings.Cut(prompt, separator)
	return positive, negative
}
