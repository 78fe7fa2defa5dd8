// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxViolations bounds how many faults of one body are told.
const maxViolations = 50

// kind is the type of a JSON value.
type kind int8

const (
	kindString kind = iota
	kindInteger
	kindNumber
	kindBoolean
	kindArray
	kindObject
)

// schema says what a JSON value must be. Properties it does not know are accepted and ignored; null never is.
type schema struct {
	kind kind

	least, most *float64 // of numbers
	multiple    int      // of integers

	short, long int // of strings, in characters; long 0 means any
	words       []string

	items  *schema
	unique bool
	many   int // items of an array; 0 means any number

	fields   map[string]*schema
	required []string
}

func text() *schema    { return &schema{kind: kindString} }
func integer() *schema { return &schema{kind: kindInteger} }
func number() *schema  { return &schema{kind: kindNumber} }
func truth() *schema   { return &schema{kind: kindBoolean} }

func list(items *schema) *schema { return &schema{kind: kindArray, items: items} }

func oneOf(words ...string) *schema { return &schema{kind: kindString, words: words} }

func shape(fields map[string]*schema, required ...string) *schema {
	return &schema{kind: kindObject, fields: fields, required: required}
}

func (s *schema) between(least, most float64) *schema {
	s.least, s.most = &least, &most
	return s
}

func (s *schema) length(short, long int) *schema {
	s.short, s.long = short, long
	return s
}

func (s *schema) step(n int) *schema {
	s.multiple = n
	return s
}

func (s *schema) atMost(n int) *schema {
	s.many = n
	return s
}

func (s *schema) once() *schema {
	s.unique = true
	return s
}

// check holds a decoded body against the schema and tells all violations at once.
func (s *schema) check(v any) (object, error) {
	bad := make(map[string]string)
	s.visit(v, "", bad)
	if len(bad) > 0 {
		return nil, invalid(bad)
	}
	o, _ := v.(map[string]any) // the schema of a body is an object
	return o, nil
}

func (s *schema) visit(v any, path string, bad map[string]string) {
	if len(bad) >= maxViolations {
		return
	}
	switch s.kind {
	case kindString:
		t, ok := v.(string)
		if !ok {
			bad[path] = show(v) + " is not a string"
			return
		}
		if why := s.faultOfText(t); why != "" {
			bad[path] = why
		}
	case kindInteger, kindNumber:
		n, ok := v.(json.Number)
		if !ok {
			bad[path] = show(v) + " is not " + s.noun()
			return
		}
		if why := s.faultOfNumber(n); why != "" {
			bad[path] = why
		}
	case kindBoolean:
		if _, ok := v.(bool); !ok {
			bad[path] = show(v) + " is not a boolean"
		}
	case kindArray:
		a, ok := v.([]any)
		if !ok {
			bad[path] = show(v) + " is not an array"
			return
		}
		s.visitItems(a, path, bad)
	case kindObject:
		o, ok := v.(map[string]any)
		if !ok {
			bad[path] = show(v) + " is not an object"
			return
		}
		for _, name := range s.required {
			if _, there := o[name]; !there {
				bad[join(path, name)] = "'" + name + "' is required"
			}
		}
		for name, sub := range s.fields {
			if x, there := o[name]; there {
				sub.visit(x, join(path, name), bad)
			}
		}
	}
}

func (s *schema) visitItems(a []any, path string, bad map[string]string) {
	if s.many > 0 && len(a) > s.many {
		bad[path] = itoa(len(a)) + " items, at most " + itoa(s.many) + " are allowed"
		return
	}
	if s.unique {
		seen := make(map[any]bool, len(a))
		for _, x := range a {
			switch x.(type) {
			case string, json.Number, bool:
				if seen[x] {
					bad[path] = show(x) + " is there more than once"
				}
				seen[x] = true
			}
		}
	}
	for i, x := range a {
		s.items.visit(x, join(path, itoa(i)), bad)
	}
}

func (s *schema) noun() string {
	if s.kind == kindInteger {
		return "an integer"
	}
	return "a number"
}

func (s *schema) faultOfText(t string) string {
	if s.words != nil {
		if !slices.Contains(s.words, t) {
			return show(t) + " is not one of " + strings.Join(s.words, ", ")
		}
		return ""
	}
	if s.short == 0 && s.long == 0 {
		return ""
	}
	switch n := utf8.RuneCountInString(t); {
	case n < s.short:
		return show(t) + " is too short: at least " + plural(s.short, "character")
	case s.long > 0 && n > s.long:
		return "too long: " + itoa(n) + " characters, at most " + itoa(s.long)
	}
	return ""
}

func (s *schema) faultOfNumber(n json.Number) string {
	f, err := n.Float64()
	if err != nil || math.IsInf(f, 0) {
		return show(n) + " is out of range"
	}
	switch {
	case s.kind == kindInteger && f != math.Trunc(f):
		return n.String() + " is not an integer"
	case s.least != nil && f < *s.least:
		return show(n) + " is less than the minimum of " + plain(*s.least)
	case s.most != nil && f > *s.most:
		return show(n) + " is greater than the maximum of " + plain(*s.most)
	case s.multiple > 0 && math.Mod(f, float64(s.multiple)) != 0:
		return show(n) + " is not a multiple of " + itoa(s.multiple)
	}
	return ""
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return itoa(n) + " " + noun + "s"
}

func plain(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// maxShown is how many characters of a bad value are repeated to its sender.
const maxShown = 40

// show names a bad value in a few characters.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		if utf8.RuneCountInString(v) > maxShown {
			v = string([]rune(v[:min(len(v), 4*maxShown)])[:maxShown]) + "…"
		}
		return "'" + v + "'"
	case json.Number:
		if len(v) > maxShown {
			return v.String()[:maxShown] + "…"
		}
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case []any:
		return "an array"
	default:
		return "an object"
	}
}

// object is a body that was checked. Its readers return the default for what is not there.
type object map[string]any

func (o object) has(name string) bool {
	_, ok := o[name]
	return ok
}

func (o object) text(name, otherwise string) string {
	if s, ok := o[name].(string); ok {
		return s
	}
	return otherwise
}

func (o object) truth(name string, otherwise bool) bool {
	if b, ok := o[name].(bool); ok {
		return b
	}
	return otherwise
}

func (o object) number(name string, otherwise float64) float64 {
	if n, ok := o[name].(json.Number); ok {
		if f, err := n.Float64(); err == nil {
			return f
		}
	}
	return otherwise
}

// integer reads whole numbers, also written like 1.0; what does not fit is held at the ends of int64.
func (o object) integer(name string, otherwise int64) int64 {
	n, ok := o[name].(json.Number)
	if !ok {
		return otherwise
	}
	if i, err := n.Int64(); err == nil {
		return i
	}
	f, err := n.Float64()
	switch {
	case err != nil:
		return otherwise
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}

func (o object) texts(name string) []string {
	a, ok := o[name].([]any)
	if !ok {
		return nil
	}
	out := make([]string, 0, len(a))
	for _, x := range a {
		if s, ok := x.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func (o object) object(name string) object {
	if m, ok := o[name].(map[string]any); ok {
		return m
	}
	return nil
}

func (o object) objects(name string) []object {
	a, ok := o[name].([]any)
	if !ok {
		return nil
	}
	out := make([]object, 0, len(a))
	for _, x := range a {
		if m, ok := x.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// nul reports whether any text inside a value holds a NUL character, which no store keeps.
func nul(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.IndexByte(v, 0) >= 0
	case []any:
		return slices.ContainsFunc(v, nul)
	case map[string]any:
		for _, x := range v {
			if nul(x) {
				return true
			}
		}
	case object:
		return nul(map[string]any(v))
	}
	return false
}
