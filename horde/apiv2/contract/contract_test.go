// SPDX-License-Identifier: AGPL-3.0-or-later

package contract_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"stablemate/horde/apiv2"
	"stablemate/horde/apiv2/apitest"
	"stablemate/internal/pgtest"
	"stablemate/internal/store"
)

var update = flag.Bool("update", false, "write the golden files anew")

// row is one call and what must come back. Texts may hold $names: of what a setup kept, or $asker (a number) and
// $asker_alias (asker#1) for everybody of the cast, $nothing (an ID of nothing) and $image (base64).
type row struct {
	op   string // as the description has it: "GET /v2/users/{user_id}"
	name string // of the golden file; tells the rows of one operation apart
	as   string // who calls: of the cast, nobody, wrong, empty, anonymous, or a $name that holds a key

	plan  apitest.Plan // of the horde, where it must be a special one
	setup func(*stage) // what happens before

	where []string // in the place of the braces of op, in their order
	query string
	body  string
	head  []string // pairs of name and value

	want int      // status
	rc   string   // of a refusal of shape A
	bad  []string // the names of all violations, for shape B; with neither the shape is C
	says string   // part of a refusal's message, in any case

	// loose bodies are read leniently, so that they need not fit the description.
	loose bool
	// hide are fields whose values differ from run to run.
	hide []string
	// check looks at what else should be true.
	check func(*stage, apitest.Answer)
}

// rows is the whole table, file by file.
func rows() []row {
	return slices.Concat(imageRows(), workRows(), userRows(), workerRows(), kudosRows(), statusRows(), teamRows(), messageRows(), styleRows(), collectionRows(), statsRows(),
		accountRows(), primRows(), sharedTextRows(), textRows(), scribeRows(), alchemyRows(), alchemistRows(), guardRows(), rateRows())
}

// stores are where every row plays.
func stores() map[string]func(*testing.T) store.Options {
	return map[string]func(*testing.T) store.Options{
		"SQLite": func(t *testing.T) store.Options {
			t.Helper()
			return store.Options{Engine: store.SQLite, Path: filepath.Join(t.TempDir(), "horde.db")}
		},
		"PostgreSQL": func(t *testing.T) store.Options {
			t.Helper()
			return store.Options{Engine: store.Postgres, URL: pgtest.URL(t)}
		},
	}
}

// TestContract plays every row on both stores.
func TestContract(t *testing.T) {
	t.Parallel()
	doc := description(t)
	byOp := make(map[string][]row)
	for _, r := range rows() {
		byOp[r.op] = append(byOp[r.op], r)
	}
	for name, db := range stores() {
		for op, list := range byOp {
			t.Run(name+"/"+op, func(t *testing.T) {
				t.Parallel()
				var shared *stage // of refusals, which leave nothing behind
				for _, r := range list {
					if r.setup == nil && r.want >= 400 && plain(r.plan) && shared == nil {
						shared = raise(t, db, apitest.Plan{})
					}
					t.Run(r.name, func(t *testing.T) {
						s := shared
						if r.setup != nil || r.want < 400 || !plain(r.plan) {
							r.plan.Options.RateLimits = true
							s = raise(t, db, r.plan)
						}
						s.t = t
						if r.setup != nil {
							r.setup(s)
						}
						play(s, doc, &r, name == "SQLite")
					})
				}
			})
		}
	}
}

// plain reports whether a plan asks for nothing special.
func plain(p apitest.Plan) bool {
	return !p.Sharing && p.Models == nil && !p.NoTransfers && p.Before == nil && p.Wrap == nil && p.Profane == nil &&
		!p.Options.TrustedProxy && p.Options.Addresses == nil && p.Options.Fetch == nil
}

// play makes the call of a row and looks at what comes back.
func play(s *stage, doc *openapi3.T, r *row, write bool) {
	t := s.t
	t.Helper()
	method, path := address(s, r)
	body := s.text(r.body)
	if r.want < 400 && body != "" && !r.loose {
		op := operation(doc, r.op)
		if op == nil || op.RequestBody == nil {
			t.Errorf("no body is described for %s", r.op)
		} else if err := visit(op.RequestBody.Value.Content.Get("application/json").Schema.Value, body); err != nil {
			t.Errorf("the body does not fit its description: %v", err)
		}
	}
	var head []string
	for _, h := range r.head {
		head = append(head, s.text(h))
	}
	head = s.keyOf(r.as, head)
	got := s.Send(t, method, path, body, head...)
	if got.Status != r.want {
		t.Fatalf("%s %s answers %d %s, want %d", method, path, got.Status, got.Body, r.want)
	}
	verify(t, doc, r, got)
	golden(t, r, got, write)
	if r.check != nil {
		r.check(s, got)
	}
	if method == http.MethodGet && got.Status == http.StatusOK {
		again(s, r, path, head, got)
	}
}

func visit(schema *openapi3.Schema, body string) error {
	var v any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		return err
	}
	return schema.VisitJSON(v, openapi3.MultiErrors())
}

// again asks twice more: without the body, and for one field alone.
func again(s *stage, r *row, path string, head []string, first apitest.Answer) {
	t := s.t
	t.Helper()
	if got := s.Send(t, http.MethodHead, path, "", head...); got.Status != http.StatusOK || len(got.Body) != 0 ||
		got.Head.Get("Content-Type") != first.Head.Get("Content-Type") {
		t.Errorf("HEAD answers %d %q with %q", got.Status, got.Body, got.Head.Get("Content-Type"))
	}
	if r.op == heartbeat || slices.Contains(head, "X-Fields") {
		return
	}
	var whole map[string]json.RawMessage
	if json.Unmarshal(first.Body, &whole) != nil {
		return // a list
	}
	names := slices.Sorted(maps.Keys(whole))
	if len(names) == 0 {
		return
	}
	name := names[0]
	if first.Head.Get("X-RateLimit-Limit") == "2" {
		s.clock.Advance(time.Second) // two a second are allowed here, and this is the third
	}
	value := whole[name]
	got := s.Send(t, http.MethodGet, path, "", append(head, "X-Fields", name+",nothing_of_that_name")...)
	if want := fmt.Sprintf(`{%q:%s}`, name, value); got.Status != http.StatusOK || !same(want, string(got.Body)) {
		t.Errorf("masked to %s the reply is %d %s, want %s", name, got.Status, got.Body, want)
	}
}

func same(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && cmp.Equal(x, y)
}

var brace = regexp.MustCompile(`\{[^}]*\}`)

// address is where a row's call goes.
func address(s *stage, r *row) (method, path string) {
	s.t.Helper()
	method, path, _ = strings.Cut(r.op, " ")
	at := 0
	path = brace.ReplaceAllStringFunc(path, func(string) string {
		if at == len(r.where) {
			s.t.Fatalf("nothing stands for the braces of %s", r.op)
		}
		at++
		return escaped(s.text(r.where[at-1]))
	})
	if r.query != "" {
		path += "?" + s.text(r.query)
	}
	return method, "/api" + path
}

var (
	uuidForm = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	linkForm = regexp.MustCompile(`http://[^"]*/blob/([^"?]*)\?op=(get|put)&exp=\d+&sig=[-_0-9A-Za-z]+`)
)

// masked hides what differs from run to run: links, hidden fields, and identifiers by the order in which they come.
func masked(text string, hide []string) string {
	text = linkForm.ReplaceAllString(text, "<link to $2 $1>")
	for _, field := range hide {
		text = regexp.MustCompile(`("`+regexp.QuoteMeta(field)+`": )("[^"]*"|[-0-9.e]+|true|false)`).ReplaceAllString(text, `$1"<hidden>"`)
	}
	seen := make(map[string]string)
	return uuidForm.ReplaceAllStringFunc(text, func(id string) string {
		if id == noID {
			return id
		}
		if _, ok := seen[id]; !ok {
			seen[id] = fmt.Sprintf("<id %d>", len(seen)+1)
		}
		return seen[id]
	})
}

// goldenFile is where the reply of a row is kept.
func goldenFile(r *row) string {
	method, path, _ := strings.Cut(r.op, " ")
	folder := strings.NewReplacer("/", "_", "{", "", "}", "").Replace(strings.TrimPrefix(path, "/v2/"))
	return filepath.Join("testdata", "golden", folder+"."+strings.ToLower(method), r.name+".json")
}

// golden compares a reply with its file, or writes it.
func golden(t *testing.T, r *row, got apitest.Answer, write bool) {
	t.Helper()
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, bytes.TrimSpace(got.Body), "", "  "); err != nil {
		t.Errorf("the reply is no JSON: %v: %s", err, got.Body)
		return
	}
	text := fmt.Sprintf("{\n\"status\": %d,\n\"body\": %s\n}\n", got.Status, masked(pretty.String(), r.hide))
	file := goldenFile(r)
	if *update {
		if !write {
			return
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Errorf("%v; run the tests with -update to write it", err)
		return
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("the reply moved (-want +got):\n%s", diff)
	}
}

// TestEveryGoldenFileBelongsToARow finds rows of one name, and files that nothing writes any more.
func TestEveryGoldenFileBelongsToARow(t *testing.T) {
	t.Parallel()
	known := make(map[string]bool)
	for _, r := range rows() {
		file := goldenFile(&r)
		if known[file] {
			t.Errorf("two rows are called %s of %s", r.name, r.op)
		}
		known[file] = true
	}
	files, err := filepath.Glob("testdata/golden/*/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !known[file] {
			t.Errorf("%s belongs to no row", file)
		}
	}
}

// TestEveryOperationIsCovered names the operations that no row of the table calls with success.
func TestEveryOperationIsCovered(t *testing.T) {
	t.Parallel()
	covered := make(map[string]bool)
	for _, r := range rows() {
		covered[r.op] = covered[r.op] || r.want < 300
	}
	all := operations(description(t))
	if len(all) != 90 {
		t.Errorf("the description has %d operations, want 90", len(all))
	}
	for _, op := range all {
		if !covered[op] {
			t.Errorf("no row calls %s with success", op)
		}
	}
	for op := range covered {
		if !slices.Contains(all, op) {
			t.Errorf("%s is not described", op)
		}
	}
}

// withoutRow lists, by operation, the refusals that no row shows, because something else always refuses before them or
// because this horde has no such thing.
func withoutRow() map[string][]string {
	return map[string][]string{
		"DELETE /v2/workers/{worker_id}": {"AnonForbiddenWorker"},                      // everybody's account owns none: NotModerator
		"PUT /v2/workers/{worker_id}":    {"AnonForbiddenWorker", "TooLongWorkerName"}, // likewise; the schema is as strict
		"POST /v2/styles/image":          {"StylesAnonForbidden"},                      // everybody's account is no customizer
		"POST /v2/interrogate/async":     {"SourceImageSizeExceeded"},                  // addresses are the workers' to fetch
		"POST /v2/styles/text":           {"StylesAnonForbidden", "TokenOverflow"},     // a style says nothing of lengths
		"POST /v2/generate/rate/{id}": { // of an outside service, which this horde does not need
			"AestheticsServerRejected", "AestheticsServerError", "AestheticsServerDown", "AestheticsServerTimeout", "InvalidAestheticAttempt",
		},
		"POST /v2/generate/async": {"BadCFGNumber", "BetaAnonForbidden", "BetaComparisonFault"}, // JSON has no such numbers; a retired model
	}
}

// TestEveryRefusalIsCovered names the refusals of covered operations that no row shows.
func TestEveryRefusalIsCovered(t *testing.T) {
	t.Parallel()
	doc := description(t)
	shown, covered := make(map[string]bool), make(map[string]bool)
	for _, r := range rows() {
		shown[r.op+" "+r.rc] = true
		covered[r.op] = true
	}
	for _, op := range operations(doc) {
		if !covered[op] {
			continue
		}
		given := withoutRow()[op]
		for _, rc := range reasons(operation(doc, op)) {
			switch listed := slices.Contains(given, rc); {
			case !shown[op+" "+rc] && !listed:
				t.Errorf("no row of %s is refused with %s", op, rc)
			case shown[op+" "+rc] && listed:
				t.Errorf("a row of %s is refused with %s: take it out of withoutRow", op, rc)
			}
		}
	}
}

// TestEveryPathAnswersEveryMethod asks each path for what HTTP allows beside the operations.
func TestEveryPathAnswersEveryMethod(t *testing.T) {
	t.Parallel()
	s := raise(t, stores()["SQLite"], apitest.Plan{Options: apiv2.Options{RateLimits: true}})
	doc := description(t)
	plainError := doc.Components.Schemas["FrameworkError"].Value
	for path, item := range doc.Paths.Map() {
		want := []string{http.MethodOptions}
		for method := range item.Operations() {
			want = append(want, method)
			if method == http.MethodGet {
				want = append(want, http.MethodHead)
			}
		}
		slices.Sort(want)
		where := "/api" + brace.ReplaceAllString(path, "x")
		got := s.Send(t, http.MethodOptions, where, "")
		if allow := got.Head.Get("Allow"); got.Status != http.StatusOK || len(got.Body) != 0 || got.Head.Get("X-RateLimit-Limit") != "" ||
			got.Head.Get("Access-Control-Allow-Origin") != "*" || allow != strings.Join(want, ", ") {
			t.Errorf("OPTIONS %s answers %d %q with Allow %q, want %v", path, got.Status, got.Body, allow, want)
		}
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"} {
			if slices.Contains(want, method) {
				continue
			}
			got := s.Send(t, method, where, "")
			if got.Status != http.StatusMethodNotAllowed || got.Head.Get("Allow") == "" {
				t.Errorf("%s %s answers %d %s with Allow %q", method, path, got.Status, got.Body, got.Head.Get("Allow"))
			}
			headers(t, got)
			fits(t, method+" "+path, plainError, got.Body)
		}
	}
}

// TestEveryOperationReadsMasks sends each a mask that cannot be read, which is told before anything else happens.
func TestEveryOperationReadsMasks(t *testing.T) {
	t.Parallel()
	s := raise(t, stores()["SQLite"], apitest.Plan{})
	doc := description(t)
	for _, op := range operations(doc) {
		method, path, _ := strings.Cut(op, " ")
		if op == heartbeat {
			continue
		}
		got := s.Send(t, method, "/api"+brace.ReplaceAllString(path, "x"), "", "X-Fields", "a{b")
		if got.Status != http.StatusBadRequest {
			t.Errorf("%s with half a mask answers %d %s", op, got.Status, got.Body)
			continue
		}
		verify(t, doc, &row{op: op, want: 400, says: "mask"}, got)
	}
}
