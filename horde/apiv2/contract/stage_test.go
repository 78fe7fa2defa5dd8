// SPDX-License-Identifier: AGPL-3.0-or-later

package contract_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"stablemate/horde"
	"stablemate/horde/apiv2"
	"stablemate/horde/apiv2/apitest"
	"stablemate/internal/clock"
	"stablemate/internal/store"
)

// Callers that are nobody of the cast.
const (
	nobody    = ""          // sends no key
	wrong     = "wrong"     // sends a key that nobody has
	empty     = "empty"     // sends an empty key
	anonymous = "anonymous" // sends everybody's key
)

const (
	wrongKey = "0123456789012345678901"
	noID     = "00000000-0000-4000-8000-000000000000" // of nothing
)

// actor is an account that every stage can have. Their numbers count from 1 in this order; who is called for is made,
// and everybody before.
type actor struct {
	name  string
	roles horde.Role
	award int64 // whole kudos beside what every account starts with
}

func cast() []actor {
	return []actor{
		{"asker", 0, 1000},
		{"owner", 0, 500},
		{"stranger", 0, 0},
		{"trusted", horde.RoleTrusted, 10_000},
		{"moderator", horde.RoleModerator | horde.RoleTrusted | horde.RolePublicWorkers, 0},
		{"admin", horde.RoleAdmin | horde.RoleModerator | horde.RoleTrusted, 0},
		{"service", horde.RoleService, 10_000},
		{"education", horde.RoleEducation, 1000},
		{"customizer", horde.RoleCustomizer, 1000},
		{"special", horde.RoleSpecial, 1000},
		{"flagged", horde.RoleFlagged, 100},
		{"deleted", horde.RoleDeleted, 0},
	}
}

// stage is a horde in which one row plays, or all that leave nothing behind.
type stage struct {
	*apitest.House
	t     *testing.T
	clock *clock.Fake
	vars  map[string]string // what texts call $name
	there int               // how many of the cast are
}

// raise builds a stage. The clock stands still but for what setups do.
func raise(t *testing.T, db func(*testing.T) store.Options, p apitest.Plan) *stage {
	t.Helper()
	s := &stage{t: t, clock: clock.NewFake(time.Date(2026, 11, 22, 1, 24, 48, 0, time.UTC)), vars: make(map[string]string)}
	p.Clock, p.Store = s.clock, db(t)
	p.Options.Node, p.Options.Version, p.Options.PublicURL = "node:7788", "1.2.3", "http://horde.example"
	s.House = apitest.Build(t, p)
	s.vars["nothing"] = noID
	s.vars["image"] = apitest.Base64(apitest.Picture(t, 64))
	return s
}

// enter makes the accounts of the cast up to the one of that name, and reports whether there is one.
func (s *stage) enter(name string) bool {
	s.t.Helper()
	at := slices.IndexFunc(cast(), func(a actor) bool { return a.name == name })
	for ; s.there <= at; s.there++ {
		a := cast()[s.there]
		id, _ := s.Account(s.t, a.name, a.roles, a.award)
		number := strconv.FormatInt(int64(id), 10)
		s.vars[a.name], s.vars[a.name+"_alias"] = number, a.name+"#"+number
	}
	return at >= 0
}

// everybody makes the whole cast.
func everybody(s *stage) { s.enter(cast()[len(cast())-1].name) }

// text puts values in the place of $names.
func (s *stage) text(text string) string {
	s.t.Helper()
	return os.Expand(text, func(name string) string {
		s.t.Helper()
		s.enter(strings.TrimSuffix(name, "_alias"))
		v, ok := s.vars[name]
		if !ok {
			s.t.Fatalf("$%s was never set", name)
		}
		return v
	})
}

// keyOf adds the header of a caller: one of the cast, one of those that are nobody, or a $name that holds a key.
func (s *stage) keyOf(as string, head []string) []string {
	s.t.Helper()
	switch as {
	case nobody:
		return head
	case wrong:
		return append(head, "apikey", wrongKey)
	case empty:
		return append(head, "apikey", "")
	case anonymous:
		return append(head, "apikey", apiv2.AnonymousKey)
	}
	if strings.HasPrefix(as, "$") {
		return append(head, "apikey", s.text(as))
	}
	if !s.enter(as) {
		s.t.Fatalf("%q is not one of the cast", as)
	}
	return append(head, "apikey", apitest.Key(as))
}

// do makes a call of a setup, which must succeed, a second after what was before. The reply's fields are kept under
// the names that save gives them: "request=id" keeps id as $request, "job=ids.0" the first of a list.
func (s *stage) do(as, op, body string, save ...string) map[string]any {
	s.t.Helper()
	s.clock.Advance(time.Second)
	method, path, _ := strings.Cut(s.text(op), " ")
	got := s.Send(s.t, method, "/api"+path, s.text(body), s.keyOf(as, nil)...)
	if got.Status >= http.StatusBadRequest {
		s.t.Fatalf("setup: %s as %s: %d %s", op, as, got.Status, got.Body)
	}
	var out map[string]any
	dec := json.NewDecoder(bytes.NewReader(got.Body))
	dec.UseNumber()
	if err := dec.Decode(&out); err != nil && len(save) > 0 {
		s.t.Fatalf("setup: %s: %v: %s", op, err, got.Body)
	}
	for _, one := range save {
		name, field, _ := strings.Cut(one, "=")
		field, item, _ := strings.Cut(field, ".")
		v := out[field]
		if list, ok := v.([]any); ok && item == "0" && len(list) > 0 {
			v = list[0]
		}
		switch v := v.(type) {
		case string:
			s.vars[name] = v
		case json.Number:
			s.vars[name] = v.String()
		default:
			s.t.Fatalf("setup: %s: no %s in %s", op, field, got.Body)
		}
	}
	return out
}

// then joins setups to one.
func then(steps ...func(*stage)) func(*stage) {
	return func(s *stage) {
		s.t.Helper()
		for _, step := range steps {
			step(s)
		}
	}
}

// later lets time pass.
func later(d time.Duration) func(*stage) { return func(s *stage) { s.clock.Advance(d) } }

// escaped makes one segment of a path out of any text.
func escaped(text string) string { return url.PathEscape(text) }
