// SPDX-License-Identifier: AGPL-3.0-or-later

package contract_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTheTableOfDifferencesNamesEveryOperation holds docs/wire-compat.md against the description.
func TestTheTableOfDifferencesNamesEveryOperation(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/wire-compat.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, line := range regexp.MustCompile("(?m)^\\| (GET|POST|PUT|PATCH|DELETE) \\| `([^`]+)` \\| ([^|]+) \\| ([^|]+) \\|$").FindAllSubmatch(page, -1) {
		listed = append(listed, string(line[1])+" /v2"+string(line[2]))
	}
	slices.Sort(listed)
	if diff := cmp.Diff(operations(description(t)), listed); diff != "" {
		t.Errorf("the table of differences names other operations than the description (-described +in the table):\n%s", diff)
	}
}
