// SPDX-License-Identifier: AGPL-3.0-or-later

package filter

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// MaxReplaceable is how many characters the positive part of a prompt may have to be rewritten.
const MaxReplaceable = 7000

// maxReplaced bounds, in bytes, what rewriting may make of a prompt.
const maxReplaced = 4 * MaxReplaceable

// Reasons why a prompt cannot be rewritten.
var (
	ErrTooLong      = errors.New("the prompt is too long to be rewritten")
	ErrNothingLeft  = errors.New("nothing is left of the prompt")
	ErrStillBlocked = errors.New("the prompt is still not acceptable after rewriting")
)

// Options say how far a rewriting goes.
type Options struct {
	// Adults also turns words for young people into words for adults, for models that are meant for nudity and for
	// flagged accounts.
	Adults bool
	// CountTags leaves tags that only count people alone, for the model that needs them.
	CountTags bool
}

// Types of the house's own substitutions.
const (
	typeAlways    = -1
	typeNoTags    = -2 // where count tags are left alone
	typeCountTags = -3 // where they are not
)

func (r *Rule) substitutes() bool { return r.Type < 0 }

// applies reports whether a rule rewrites under some options.
func (r *Rule) applies(o Options) bool {
	switch r.Type {
	case TypeReplaced:
		return true
	case typeAlways:
		return o.Adults
	case typeNoTags:
		return o.Adults && o.CountTags
	case typeCountTags:
		return o.Adults && !o.CountTags
	}
	return false
}

// Young reports whether a prompt speaks of young people: it hits one of the house's own patterns or a rule of
// TypeReplaced. Models that are meant for nudity get such a prompt only rewritten.
func (s *Set) Young(prompt string, o Options) bool {
	if s == nil {
		return false
	}
	o.Adults = true
	positive, _ := Split(prompt)
	for _, f := range s.find(Normalise(positive), len(s.rules)) {
		if s.rules[f.rule].applies(o) {
			return true
		}
	}
	return false
}

// Replace rewrites a prompt: the positive part normalised and substituted, and a negative part that begins with the
// house's own terms. It fails with one of the reasons above; they hold nothing of the prompt.
func (s *Set) Replace(prompt string, o Options) (string, error) {
	positive, negative := Split(prompt)
	if utf8.RuneCountInString(positive) > MaxReplaceable {
		return "", ErrTooLong
	}
	text := Normalise(positive)
	terms := defaultTerms()
	if s != nil {
		terms = s.terms
		var err error
		if text, err = s.substitute(text, o); err != nil {
			return "", err
		}
	}
	if text == "" {
		return "", ErrNothingLeft
	}
	if s.Score(text).Blocked() {
		return "", ErrStillBlocked
	}
	// What the caller added stays behind the house's terms, and cannot begin a positive part again.
	if negative = strings.TrimSpace(negative); negative != "" {
		terms += ", " + negative
	}
	return text + " ### " + terms, nil
}

// substitute applies each rule in order. What one rule wrote, the next one reads.
func (s *Set) substitute(text string, o Options) (string, error) {
	hits := s.hits(text)
	for i := range s.rules {
		c := &s.rules[i]
		if !hits[i] || !c.applies(o) {
			continue
		}
		var after string
		if c.exact {
			after = s.replaceExact(text, i)
		} else {
			after = c.re.ReplaceAllLiteralString(text, c.Replacement)
		}
		if len(after) > maxReplaced {
			return "", ErrTooLong
		}
		if after != text {
			text = strings.Join(strings.Fields(after), " ")
			hits = s.hits(text)
		}
	}
	return text, nil
}

// hits says which rules may match a text; for exact ones it is certain.
func (s *Set) hits(text string) map[int]bool {
	hits := make(map[int]bool)
	for _, i := range s.always {
		hits[i] = true
	}
	s.scan.walk(text, func(p *pattern, end int) {
		if !hits[p.rule] && p.at(text, end) {
			hits[p.rule] = true
		}
	})
	return hits
}

// replaceExact substitutes what an exact rule finds: from the left, the longest first, never overlapping.
func (s *Set) replaceExact(text string, rule int) string {
	var found []span // by end, then each start
	s.scan.walk(text, func(p *pattern, end int) {
		if p.rule != rule || !p.at(text, end) {
			return
		}
		f := span{end - p.length, end}
		inside := len(found) // where those begin that this one, being longer, takes the place of
		for inside > 0 && found[inside-1].from >= f.from {
			inside--
		}
		if inside == 0 || found[inside-1].to <= f.from {
			found = append(found[:inside], f)
		}
	})
	if len(found) == 0 {
		return text
	}
	var b strings.Builder
	at := 0
	for _, f := range found {
		b.WriteString(text[at:f.from])
		b.WriteString(s.rules[rule].Replacement)
		at = f.to
	}
	b.WriteString(text[at:])
	return b.String()
}
