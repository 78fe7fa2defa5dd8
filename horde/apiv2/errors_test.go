// SPDX-License-Identifier: AGPL-3.0-or-later

package apiv2_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"testing"

	"stablemate/horde"
	"stablemate/horde/apiv2"
)

// codes reads every code that the rules can refuse with: the named ones, and those written where they are used.
func codes(t *testing.T) map[horde.Code]string {
	t.Helper()
	out := make(map[horde.Code]string)
	files, err := filepath.Glob("../*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files of the rules: %v", err)
	}
	fset := token.NewFileSet()
	for _, name := range files {
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		add := func(n ast.Expr) {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			out[horde.Code(text)] = fset.Position(n.Pos()).String()
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				if id, ok := n.Type.(*ast.Ident); ok && id.Name == "Code" {
					add(n.Values[0])
				}
			case *ast.CallExpr:
				if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "refuse" {
					add(n.Args[0])
				}
			}
			return true
		})
	}
	return out
}

func TestEveryRefusalHasItsStatus(t *testing.T) {
	t.Parallel()
	all := codes(t)
	if len(all) < 50 {
		t.Fatalf("found %d codes, looked in the wrong place", len(all))
	}
	for code, where := range all {
		if _, known := apiv2.StatusOf(code); !known {
			t.Errorf("%s refuses with %q, which has no status", where, code)
		}
	}
	for code, want := range map[horde.Code]int{
		"InvalidAPIKey": 401, "RequestNotFound": 404, "TooManyPrompts": 429, "WrongCredentials": 403, "DuplicateGen": 400,
		"KudosUpfront": 403, "MaintenanceMode": 400, "InvalidJobID": 404, "Unheard": 400,
		horde.CodeManySharedKeys: 403, horde.CodeMayNotRate: 403,
	} {
		if got, _ := apiv2.StatusOf(code); got != want {
			t.Errorf("statusOf(%s) = %d, want %d", code, got, want)
		}
	}
}
