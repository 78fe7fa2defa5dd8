// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"time"

	"stablemate/horde"
)

// What the tests look at from outside the package.

// StatusOf is statusOf.
func StatusOf(code horde.Code) (int, bool) { return statusOf(code) }

// Routes lists every method and path of the table.
func Routes() []string {
	var out []string
	for path, endpoints := range table() {
		for _, e := range endpoints {
			out = append(out, e.method+" "+path)
		}
	}
	slices.Sort(out)
	return out
}

// Violations holds a body against a schema by its name and returns what is wrong with it.
func Violations(name string, data []byte) (map[string]string, error) {
	all := newSchemas()
	s := map[string]*schema{
		"generate": all.generate,
		"pop":      all.pop,
		"submit":   all.submit,
		"worker":   all.worker,
		"newTeam":  all.newTeam,
		"team":     all.team,
		"message":  all.message,
	}[name]
	v, err := decode(data)
	if err != nil {
		return nil, err
	}
	_, err = s.check(v)
	if he, ok := errors.AsType[*httpError](err); ok {
		return he.body.Errors, nil
	}
	return nil, err
}

// Offer reads a checked pop body the way the door does.
func Offer(data []byte) (horde.Offer, bool) {
	o, ok := checked(newSchemas().pop, data)
	return offerOf(o), ok
}

// NewImage reads a checked generate body the way the door does.
func NewImage(data []byte) (horde.NewImage, error, bool) {
	o, ok := checked(newSchemas().generate, data)
	if !ok {
		return horde.NewImage{}, nil, false
	}
	n, err := newImage(horde.User{}, [1]horde.NewImage{}[0].Origin, "", o)
	return n, err, true
}

func checked(s *schema, data []byte) (object, bool) {
	v, err := decode(data)
	if err != nil {
		return nil, false
	}
	o, err := s.check(v)
	return o, err == nil
}

// Masked puts a JSON text through a field mask.
func Masked(fields, text string) (string, error) {
	m, err := parseMask(fields)
	if err != nil {
		return "", err
	}
	v, err := decode([]byte(text))
	if err != nil {
		return "", err
	}
	out, err := json.Marshal(m.apply(v))
	return string(out), err
}

// ASCII is ascii.
func ASCII(b []byte) []byte { return ascii(b) }

// Coerced reads the fields of a lenient body.
func Coerced(data []byte) (to string, toOK bool, amount int64, amountOK bool) {
	o := object{}
	if v, err := decode(data); err == nil {
		if m, ok := v.(map[string]any); ok {
			o = m
		}
	}
	to, toOK = coerceText(o["username"])
	amount, amountOK = coerceInteger(o, "amount", defaultGift)
	return to, toOK, amount, amountOK
}

// FromBase64 is fromBase64.
func FromBase64(text string) ([]byte, error) { return fromBase64(text) }

// Break adds a path whose handler panics.
func (s *Server) Break(path string) {
	s.mux.Handle(path, &entry{s: s, handle: func(*Server, *call) error { panic("a handler broke") }})
}

// Windows is how many windows remain of a number of callers.
func Windows(callers int) int {
	now := time.Unix(1_800_000_000, 0)
	l := newLimiter(func() time.Time { return now })
	for i := range callers {
		l.hit(windowKey{what: uint64(i)}, byDefault(), now)
	}
	return len(l.windows)
}

// SameWindow reports whether two methods of one path share the window of a limit that counts in some way.
func SameWindow(one, other string, by int) bool {
	n, l := numbers{}, limit{n: 1, span: minute, by: counting(by)}
	return n.of("/x", one, l) == n.of("/x", other, l)
}

// AllViolations holds a body against every schema of the door.
func AllViolations(data []byte) map[string]map[string]string {
	v, err := decode(data)
	if err != nil {
		return nil
	}
	out := make(map[string]map[string]string)
	visitSchemas(reflect.ValueOf(newSchemas()), "", func(name string, s *schema) {
		_, err := s.check(v)
		if he, ok := errors.AsType[*httpError](err); ok {
			out[name] = he.body.Errors
		}
	})
	return out
}

func visitSchemas(v reflect.Value, name string, visit func(string, *schema)) {
	switch {
	case v.Type() == reflect.TypeFor[*schema]():
		if s := (*schema)(v.UnsafePointer()); s != nil {
			visit(name, s)
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			visitSchemas(v.Field(i), name+"."+v.Type().Field(i).Name, visit)
		}
	}
}

// AcceptsGzip is acceptsGzip.
func AcceptsGzip(value string) bool { return acceptsGzip([]string{value}) }

// NamesACall reports whether a trusted proxy may name a call so.
func NamesACall(id string) bool { return plainID(id) }

// Clean is clean.
func Clean(path string) bool { return clean(path) }
