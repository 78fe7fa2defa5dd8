package arch_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "stablemate"

// everything stands for every package of the module.
const everything = "*"

// leaves know nothing and may be known by the core.
var leaves = []string{"horde/kudos", "horde/origin", "horde/filter"}

// core is the rules and their leaves.
func core(more ...string) []string { return slices.Concat([]string{"horde"}, leaves, more) }

// table is the import table of docs/architecture: which packages of this module a package's own code may import.
// Packages that only tests use stand in it as well.
func table() map[string][]string {
	engine := core("horde/engine")
	rows := core("emojikudos", "ratings", "commands/chat") // the row types that stores keep
	return map[string][]string{
		"horde/kudos":          nil,
		"horde/origin":         nil,
		"horde/filter":         nil,
		"horde/apiv2/wire":     nil,
		"horde/apiv2/openapi":  nil,
		"commands/chat":        nil,
		"commands/words":       nil,
		"commands/chart":       nil,
		"inference/diffusion":  nil,
		"internal/clock":       nil,
		"internal/contain":     nil,
		"internal/idgen":       nil,
		"internal/config":      nil,
		"internal/discord":     nil,
		"internal/sandbox":     nil,
		"internal/schedule":    nil,
		"internal/documents":   nil,
		"internal/fetch":       nil,
		"internal/arch":        nil,
		"internal/pgtest":      nil,
		"internal/s3test":      nil,
		"internal/browsertest": nil,

		"horde":              leaves,
		"horde/engine":       core(),
		"internal/blob":      core(),
		"internal/ops":       core(),
		"ratings":            engine,
		"emojikudos":         slices.Concat(engine, []string{"internal/contain"}),
		"inference":          engine,
		"inference/onnx":     {"inference/diffusion"},
		"horde/apiv2":        slices.Concat(engine, []string{"horde/apiv2/wire", "horde/apiv2/openapi", "internal/blob", "internal/fetch", "internal/ops", "ratings", "emojikudos"}),
		"horde/apiv2/client": {"horde/apiv2/wire"},
		"internal/webhook":   {"horde/apiv2/wire"},
		"internal/vpn":       {"internal/fetch"},
		"commands":           slices.Concat(engine, []string{"commands/chat", "commands/chart", "commands/words", "emojikudos", "ratings", "internal/contain", "internal/discord"}),
		"internal/web":       {"horde", "horde/engine", "ratings"},
		"internal/store":     rows,
		"internal/app":       {everything},
		"cmd/bot":            {"internal/app", "internal/config"},
		"cmd/server":         {"internal/app", "internal/config"},

		"internal/sandbox/apirules": {"internal/sandbox"},
		"internal/store/storetest":  slices.Concat(rows, []string{"horde/engine", "internal/store"}),
		"internal/sim":              engine,
		"horde/apiv2/apitest": slices.Concat(engine, []string{
			"horde/apiv2", "horde/apiv2/client", "horde/apiv2/wire", "internal/blob", "internal/clock", "internal/idgen", "internal/store", "ratings",
		}),
		"horde/apiv2/contract":    nil,
		"inference/inferencetest": slices.Concat(engine, []string{"inference", "inference/diffusion"}),
	}
}

// fences say which packages, and those below them, may import a third-party module. They bind tests too.
func fences() map[string][]string {
	return map[string][]string{
		"github.com/bwmarrin/discordgo":   {"commands", "internal/discord", "internal/sandbox"},
		"github.com/jackc/pgx":            {"internal/store"},
		"modernc.org/sqlite":              {"internal/store"},
		"github.com/yalue/onnxruntime_go": {"inference/onnx"},
		"github.com/robfig/cron":          {"internal/schedule"},
		"github.com/minio/minio-go":       {"internal/blob"},
	}
}

// file is one Go file of the module.
type file struct {
	path string // slashes, from the root
	pkg  string // folder
	test bool
	ast  *ast.File
	fset *token.FileSet
}

func (f file) line(n ast.Node) string {
	return f.path + ":" + strconv.Itoa(f.fset.Position(n.Pos()).Line)
}

// excused are the lines of Discord's two packages that tell the linter why they ask for the real time.
func (f file) excused() map[int]bool {
	lines := make(map[int]bool)
	if f.pkg != "internal/discord" && f.pkg != "internal/sandbox" {
		return lines
	}
	for _, group := range f.ast.Comments {
		for _, c := range group.List {
			if strings.HasPrefix(c.Text, "//nolint:forbidigo // ") {
				lines[f.fset.Position(c.Pos()).Line] = true
			}
		}
	}
	return lines
}

func (f file) imports(t *testing.T) (paths []string) {
	t.Helper()
	for _, spec := range f.ast.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatalf("%s: %v", f.line(spec), err)
		}
		paths = append(paths, p)
	}
	return paths
}

const root = "../.."

// walk calls visit for every file that belongs to the repository, without build output, caches and nested modules.
func walk(t *testing.T, visit func(name string)) {
	t.Helper()
	skip := []string{".git", "bin", "build", "data", "inference/training/work"}
	skipAnywhere := []string{"node_modules", "__pycache__"}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if slices.Contains(skip, rel) || slices.Contains(skipAnywhere, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if d.Type().IsRegular() && rel != "config.toml" {
			visit(rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// parse reads every Go file of the module, whatever its build tags.
func parse(t *testing.T) (files []file) {
	t.Helper()
	fset := token.NewFileSet()
	walk(t, func(name string) {
		pkg := path.Dir(name)
		if path.Ext(name) != ".go" || strings.Contains("/"+name, "/testdata/") || strings.HasPrefix(name, "internal/tools/") {
			return
		}
		parsed, err := parser.ParseFile(fset, filepath.Join(root, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file{path: name, pkg: pkg, test: strings.HasSuffix(name, "_test.go"), ast: parsed, fset: fset})
	})
	if len(files) < 10 {
		t.Fatalf("found %d Go files, looked in the wrong place", len(files))
	}
	return files
}

func TestPackagesImportOnlyWhatTheirRoomMayKnow(t *testing.T) {
	t.Parallel()
	allowed := table()
	for _, f := range parse(t) {
		may, listed := allowed[f.pkg]
		if !listed {
			t.Errorf("%s: package %s is not in the import table", f.path, f.pkg)
			continue
		}
		if f.test || slices.Contains(may, everything) {
			continue
		}
		for _, imported := range f.imports(t) {
			name, ours := strings.CutPrefix(imported, module+"/")
			if ours && !slices.Contains(may, name) {
				t.Errorf("%s: %s may not import %s", f.path, f.pkg, name)
			}
		}
	}
}

func TestThirdPartiesStayBehindTheirFences(t *testing.T) {
	t.Parallel()
	for _, f := range parse(t) {
		for _, imported := range f.imports(t) {
			for fenced, homes := range fences() {
				if imported != fenced && !strings.HasPrefix(imported, fenced+"/") {
					continue
				}
				home := func(h string) bool { return f.pkg == h || strings.HasPrefix(f.pkg, h+"/") }
				if !slices.ContainsFunc(homes, home) {
					t.Errorf("%s: %s belongs only in %s", f.path, imported, strings.Join(homes, ", "))
				}
			}
		}
	}
}

func TestTheTableHasNoCycle(t *testing.T) {
	t.Parallel()
	allowed := table()
	const walking, done = 1, 2
	state := map[string]int{}
	var visit func(pkg string, trail []string)
	visit = func(pkg string, trail []string) {
		switch state[pkg] {
		case walking:
			t.Errorf("the table allows a circle: %s", strings.Join(append(trail, pkg), " → "))
			return
		case done:
			return
		}
		state[pkg] = walking
		for _, next := range allowed[pkg] {
			if _, listed := allowed[next]; !listed && next != everything {
				t.Errorf("%s may import %s, which is not in the table", pkg, next)
			}
			visit(next, append(trail, pkg))
		}
		state[pkg] = done
	}
	for pkg := range allowed {
		visit(pkg, nil)
	}
}

// The core is a state machine: it starts nothing, waits for nothing and reaches nothing outside.
func TestTheCoreStandsStill(t *testing.T) {
	t.Parallel()
	outside := []string{
		"context", "crypto/rand", "database/sql", "io/fs", "log", "log/slog", "math/rand", "math/rand/v2", "net", "net/http",
		"os", "os/exec", "os/signal", "sync", "sync/atomic", "syscall",
	}
	for _, f := range parse(t) {
		if f.test || f.pkg != "horde" && !slices.Contains(leaves, f.pkg) {
			continue
		}
		for _, imported := range f.imports(t) {
			if strings.Contains(imported, ".") || slices.Contains(outside, imported) {
				t.Errorf("%s: the core may not import %s", f.path, imported)
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if _, starts := n.(*ast.GoStmt); starts {
				t.Errorf("%s: the core may not start a goroutine", f.line(n))
			}
			return true
		})
	}
}

// Tests may read the wall clock, for deadlines; everything else is told the time. The two packages that face Discord's
// wire keep deadlines of the network stack, which knows the real clock only: their lines say so to the linter.
func TestOnlyTheClockTellsTheTime(t *testing.T) {
	t.Parallel()
	for _, f := range parse(t) {
		if f.test || f.pkg == "internal/clock" {
			continue
		}
		excused := f.excused()
		name := ""
		for _, spec := range f.ast.Imports {
			if spec.Path.Value == `"time"` {
				name = "time"
				if spec.Name != nil {
					name = spec.Name.Name
				}
			}
		}
		if name == "" {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := sel.X.(*ast.Ident)
			if ok && pkg.Name == name && slices.Contains([]string{"Now", "Since", "Until"}, sel.Sel.Name) && !excused[f.fset.Position(n.Pos()).Line] {
				t.Errorf("%s: time.%s only in internal/clock; take a clock from whoever builds this", f.line(n), sel.Sel.Name)
			}
			return true
		})
	}
}

func TestNothingRunsBeforeMain(t *testing.T) {
	t.Parallel()
	for _, f := range parse(t) {
		for _, decl := range f.ast.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: no init functions", f.line(fn))
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	said := map[string]bool{}
	for _, f := range parse(t) {
		if !f.test {
			said[f.pkg] = said[f.pkg] || f.ast.Doc != nil
		}
	}
	for pkg, ok := range said {
		if !ok {
			t.Errorf("package %s has no package comment", pkg)
		}
	}
}

// Every setting does something: internal/app, the only reader of the configuration, mentions each field.
func TestEverySettingIsRead(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	var fields []string
	for _, f := range parse(t) {
		switch {
		case f.path == "internal/config/config.go":
			ast.Inspect(f.ast, func(n ast.Node) bool {
				if field, ok := n.(*ast.Field); ok && field.Tag != nil && strings.Contains(field.Tag.Value, "toml:") {
					fields = append(fields, field.Names[0].Name)
				}
				return true
			})
		case !f.test && (f.pkg == "internal/app" || f.pkg == "internal/config" && f.path != "internal/config/validate.go"):
			ast.Inspect(f.ast, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok && (f.pkg == "internal/app" || sel.Sel.Name == "Enabled") {
					used[sel.Sel.Name] = true
				}
				return true
			})
		}
	}
	if len(fields) < 20 {
		t.Fatalf("found %d settings, looked in the wrong place", len(fields))
	}
	if _, err := os.Stat(filepath.Join(root, "internal/app")); err != nil {
		return // nothing can be read before there is a reader
	}
	for _, field := range fields {
		if !used[field] {
			t.Errorf("internal/app never reads the setting %s", field)
		}
	}
}
