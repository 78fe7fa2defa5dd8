// SPDX-License-Identifier: AGPL-3.0-or-later

package openapi_test

import (
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"stablemate/horde/apiv2/openapi"
)

func TestTheDocumentIsWholeAndValid(t *testing.T) {
	t.Parallel()
	text, err := openapi.JSON()
	if err != nil {
		t.Fatal(err)
	}
	for what, data := range map[string][]byte{"YAML": openapi.YAML(), "JSON": text} {
		doc, err := openapi3.NewLoader().LoadFromData(data)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if err := doc.Validate(t.Context(), openapi3.DisableExamplesValidation()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		operations, names := 0, make(map[string]bool)
		for path, item := range doc.Paths.Map() {
			for method, op := range item.Operations() {
				operations++
				if names[op.OperationID] {
					t.Errorf("%s: two operations are called %q", what, op.OperationID)
				}
				names[op.OperationID] = true
				if len(op.Tags) != 1 || doc.Tags.Get(op.Tags[0]) == nil || op.Summary == "" {
					t.Errorf("%s: %s %s has the tags %v and the summary %q, want one known tag and a summary", what, method, path, op.Tags, op.Summary)
				}
			}
		}
		if operations != 90 || doc.Paths.Len() != 58 {
			t.Errorf("%s describes %d operations on %d paths, want 90 on 58", what, operations, doc.Paths.Len())
		}
		for _, server := range doc.Servers {
			if !strings.HasPrefix(server.URL, "/") {
				t.Errorf("%s: calls would go to %s, want this server", what, server.URL)
			}
		}
	}
}
