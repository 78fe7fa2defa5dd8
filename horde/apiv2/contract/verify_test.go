// SPDX-License-Identifier: AGPL-3.0-or-later

package contract_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"stablemate/horde/apiv2/apitest"
	"stablemate/horde/apiv2/openapi"
)

// description loads the API's own description.
func description(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openapi.YAML())
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// operations lists what a document describes: "GET /v2/users".
func operations(doc *openapi3.T) []string {
	var out []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			out = append(out, method+" "+path)
		}
	}
	slices.Sort(out)
	return out
}

func operation(doc *openapi3.T, op string) *openapi3.Operation {
	method, path, _ := strings.Cut(op, " ")
	item := doc.Paths.Value(path)
	if item == nil {
		return nil
	}
	return item.GetOperation(method)
}

// reasons are the codes with which an operation may refuse.
func reasons(op *openapi3.Operation) []string {
	list, _ := op.Extensions["x-rc"].([]any)
	out := make([]string, 0, len(list))
	for _, rc := range list {
		if text, ok := rc.(string); ok {
			out = append(out, text)
		}
	}
	return out
}

// number decodes JSON and leaves numbers as they were printed.
func number(data []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	return v, dec.Decode(&v)
}

// fits holds a value against a schema: as the library does, and more strictly. A key that is not described, a number
// that is described as one with a fraction and printed without, are faults as well.
func fits(t *testing.T, what string, schema *openapi3.Schema, data []byte) {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Errorf("%s is no JSON: %v: %s", what, err, data)
		return
	}
	if err := schema.VisitJSON(v, openapi3.MultiErrors()); err != nil {
		t.Errorf("%s does not fit its description: %v\n%s", what, err, data)
	}
	exact, err := number(data)
	if err != nil {
		t.Errorf("%s is no JSON: %v", what, err)
		return
	}
	strictly(schema, exact, "", func(path, why string) { t.Errorf("%s: %s %s\n%s", what, path, why, data) })
}

func strictly(s *openapi3.Schema, v any, path string, fault func(path, why string)) {
	if s == nil || len(s.AnyOf) > 0 {
		return
	}
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			at := path + "." + name
			switch property := s.Properties[name]; {
			case property != nil:
				strictly(property.Value, v[name], at, fault)
			case s.AdditionalProperties.Schema != nil:
				strictly(s.AdditionalProperties.Schema.Value, v[name], at, fault)
			case len(s.Properties) > 0:
				fault(at, "is not described")
			}
		}
	case []any:
		if s.Items == nil {
			return
		}
		for i, item := range v {
			strictly(s.Items.Value, item, path+"."+strconv.Itoa(i), fault)
		}
	case json.Number:
		if s.Type.Is("number") && !strings.ContainsAny(v.String(), ".e") {
			fault(path, "is printed without a fraction: "+v.String())
		}
	}
}

// verify holds a reply against the description of its operation.
func verify(t *testing.T, doc *openapi3.T, r *row, got apitest.Answer) {
	t.Helper()
	op := operation(doc, r.op)
	if op == nil {
		t.Fatalf("%s is not described", r.op)
	}
	headers(t, got)
	described := op.Responses.Status(got.Status)
	if described == nil {
		t.Errorf("the status %d is not described", got.Status)
		return
	}
	content := described.Value.Content.Get("application/json")
	if content == nil {
		t.Errorf("no JSON is described for %d", got.Status)
		return
	}
	if slices.Contains(r.head, "X-Fields") && got.Status < 300 {
		return // what is required may be missing
	}
	fits(t, "the reply", content.Schema.Value, got.Body)
	if got.Status >= 400 {
		refusal(t, op, r, got)
	}
}

// headers holds what every reply carries.
func headers(t *testing.T, got apitest.Answer) {
	t.Helper()
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "*",
		"Horde-Node":                  "node:7788:1.2.3", "Content-Type": "application/json; charset=utf-8",
	} {
		if have := got.Head.Get(name); have != want {
			t.Errorf("%s is %q, want %q", name, have, want)
		}
	}
	if got.Head.Get("X-Request-Id") == "" {
		t.Error("the reply lacks X-Request-Id")
	}
	if !bytes.HasSuffix(got.Body, []byte("\n")) {
		t.Error("the body does not end with a newline")
	}
	if at := bytes.IndexFunc(got.Body, func(c rune) bool { return c > 126 }); at >= 0 {
		t.Errorf("the body holds %q, which is not ASCII", got.Body[at:min(len(got.Body), at+8)])
	}
}

// refusal holds the shape of an error: A with a code, B with what is wrong where, C with neither.
func refusal(t *testing.T, op *openapi3.Operation, r *row, got apitest.Answer) {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal(got.Body, &body); err != nil {
		return // told already
	}
	keys := slices.Sorted(maps.Keys(body))
	want := []string{"message"}
	switch {
	case r.rc != "":
		want = []string{"message", "rc"}
	case len(r.bad) > 0:
		want = []string{"errors", "message"}
	}
	if !slices.Equal(keys, want) {
		t.Errorf("the refusal has the fields %v, want %v: %s", keys, want, got.Body)
		return
	}
	message, _ := body["message"].(string)
	switch {
	case r.rc != "":
		if body["rc"] != r.rc {
			t.Errorf("rc is %v, want %s: %s", body["rc"], r.rc, got.Body)
		}
		if !slices.Contains(reasons(op), r.rc) {
			t.Errorf("the description does not name %s among the reasons of %s", r.rc, r.op)
		}
	case len(r.bad) > 0:
		bad, _ := body["errors"].(map[string]any)
		if names := slices.Sorted(maps.Keys(bad)); !slices.Equal(names, slices.Sorted(slices.Values(r.bad))) {
			t.Errorf("violations at %v, want %v: %s", names, r.bad, got.Body)
		}
	}
	if message == "" || !strings.Contains(strings.ToLower(message), strings.ToLower(r.says)) {
		t.Errorf("the message is %q, want %q in it", message, r.says)
	}
}
