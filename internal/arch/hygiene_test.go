package arch_test

import (
	"bytes"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	// maxFile is the most bytes a file of the repository may have: a clone stays quick.
	maxFile = 24 << 20
	// maxLines is the most lines of a Go file that is not a test: each is one room.
	maxLines = 800
	// maxText is how much of a file is searched for words.
	maxText = 4 << 20
)

// joined writes words in two halves, so that this file does not hold what it looks for.
func joined(halves ...[2]string) string {
	words := make([]string, len(halves))
	for i, h := range halves {
		words[i] = h[0] + h[1]
	}
	return "(" + strings.Join(words, "|") + ")"
}

func TestNoFileSaysWhatItShouldNot(t *testing.T) {
	t.Parallel()
	rules := []struct {
		what  string
		match *regexp.Regexp
		only  string // file name ending; empty: every text
	}{
		{"unfinished work", regexp.MustCompile(`(?i)\b` + joined(
			[2]string{"to", "do"}, [2]string{"fix", "me"}, [2]string{"xx", "x"}, [2]string{"not ", "implemented"},
			[2]string{"coming ", "soon"}, [2]string{"unim", "plemented"}) + `\b`), ".go"},
		{"a path of one machine", regexp.MustCompile(`(^|[^\w.])/(` + "wo" + `rk|` + "fa" + `rm)/[a-z.]`), ""},
		{"the host of a package registry", regexp.MustCompile(joined(
			[2]string{`https?://(registry|proxy|deb|security|files|index|static|repo1?)`, `\.`},
			[2]string{`registry\.`, `npmjs\.org`}, [2]string{`proxy\.`, `golang\.org`}, [2]string{`pypi\.`, `org`},
			[2]string{`pythonhosted\.`, `org`}, [2]string{`crates\.`, `io`}, [2]string{`deb\.`, `debian\.org`},
			[2]string{`repo\.maven\.`, `apache\.org`})), ""},
	}
	walk(t, func(name string) {
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil {
			return // gone since the folder was read
		}
		if info.Size() > maxFile {
			t.Errorf("%s has %d MiB, at most %d", name, info.Size()>>20, maxFile>>20)
		}
		if strings.HasSuffix(name, "go.sum") || strings.HasSuffix(name, ".svg") || info.Size() > maxText {
			return
		}
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil || bytes.IndexByte(data[:min(len(data), 8000)], 0) >= 0 {
			return
		}
		for _, rule := range rules {
			if !strings.HasSuffix(name, rule.only) {
				continue
			}
			if at := rule.match.FindIndex(data); at != nil {
				t.Errorf("%s:%d: %s: %q", name, 1+bytes.Count(data[:at[0]], []byte("\n")), rule.what, data[at[0]:at[1]])
			}
		}
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			if lines := bytes.Count(data, []byte("\n")); lines > maxLines {
				t.Errorf("%s has %d lines, at most %d: is it one room?", name, lines, maxLines)
			}
		}
	})
}

// A test that is skipped proves nothing: what a test needs, make setup installs. Where a developer's machine may lack
// something all the same, the function that skips must look at CI and fail there. Benchmarks may skip.
func TestNoTestIsSkippedInCI(t *testing.T) {
	t.Parallel()
	for _, f := range parse(t) {
		for _, decl := range f.ast.Decls {
			var (
				skips   []ast.Node
				looksAt bool
			)
			ast.Inspect(decl, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.BasicLit:
					looksAt = looksAt || n.Value == `"CI"`
				case *ast.SelectorExpr:
					on, ok := n.X.(*ast.Ident)
					if ok && slices.Contains([]string{"t", "f", "tb"}, on.Name) && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, n.Sel.Name) {
						skips = append(skips, n)
					}
				}
				return true
			})
			for _, skip := range skips {
				if !looksAt {
					t.Errorf("%s: no test may be skipped in CI", f.line(skip))
				}
			}
		}
	}
}

// The top of the tree is what a visitor sees first.
func TestTheTopOfTheTreeIsTidy(t *testing.T) {
	t.Parallel()
	known := []string{
		".ci", ".git", ".gitattributes", ".gitignore", ".golangci.yml", "LICENSE", "Makefile", "README.md", "cmd", "commands",
		"config.toml.example", "docs", "emojikudos", "go.mod", "go.sum", "horde", "inference", "internal", "ratings",
		"bin", "build", "data", "config.toml", // made by use, ignored by git
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(known, e.Name()) {
			t.Errorf("%s does not belong at the top of the tree", e.Name())
		}
	}
}
