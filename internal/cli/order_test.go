package cli

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// wayOfACall is the order of the files of package proxy: what stands in front,
// the six steps, then what they use. Free routes stand beside the steps, which
// they use like serve does. A file refers to what stands after it, never before.
var wayOfACall = []string{
	"admin", "gateway", "call",
	"free", "relayed", // beside the way
	"authenticate", "read", "decide", "admit", "tighter", "ask", "forward", "relay", "judge", "settle", "later", // the steps
	"refuse", "notice", "live", "request", "joint", "cost", "transport", "discreet", "route", // what they use
}

// handedOn are the types that go from step to step: all know them and their
// fields. Their methods are where their step is, and count.
var handedOn = []string{"Options", "Gateway", "call", "relay"}

// TestReferencesRunOneWay: whoever reads the files of package proxy in this order
// never has to look back.
func TestReferencesRunOneWay(t *testing.T) {
	refs := references(t, "../../proxy")
	for file := range refs.files {
		if !slices.Contains(wayOfACall, file) {
			t.Errorf("proxy/%s.go is new: say in wayOfACall where on the way it stands", file)
		}
	}
	for _, file := range wayOfACall {
		if !refs.files[file] {
			t.Errorf("there is no proxy/%s.go any more", file)
		}
	}
	for _, from := range slices.Sorted(maps.Keys(refs.to)) {
		for _, to := range slices.Sorted(maps.Keys(refs.to[from])) {
			if slices.Index(wayOfACall, to) < slices.Index(wayOfACall, from) {
				t.Errorf("proxy/%s.go refers back to %s.go: %s", from, to, strings.Join(refs.to[from][to], ", "))
			}
		}
	}
}

// between is what the files of a package refer to of each other.
type between struct {
	files map[string]bool
	to    map[string]map[string][]string // names, by the file that uses them and the one that has them
}

// references asks the type checker.
func references(t *testing.T, dir string) between {
	t.Helper()
	b := between{files: map[string]bool{}, to: map[string]map[string][]string{}}
	set := token.NewFileSet()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	noError(t, err)
	var parsed []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		noError(t, err)
		parsed = append(parsed, file)
		b.files[baseOf(name)] = true
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	pkg, err := (&types.Config{Importer: importer.ForCompiler(set, "gc", exported(t, dir))}).Check("proxy", set, parsed, info)
	noError(t, err)
	own := handedFields(pkg)
	for ident, object := range info.Uses {
		from, to := baseOf(set.Position(ident.Pos()).Filename), ""
		if object.Pkg() == pkg {
			to = baseOf(set.Position(object.Pos()).Filename)
		}
		if to == "" || to == from || own[object] {
			continue
		}
		if b.to[from] == nil {
			b.to[from] = map[string][]string{}
		}
		if !slices.Contains(b.to[from][to], object.Name()) {
			b.to[from][to] = append(b.to[from][to], object.Name())
		}
	}
	return b
}

func baseOf(name string) string { return strings.TrimSuffix(filepath.Base(name), ".go") }

// handedFields are the types that are handed on, and their fields.
func handedFields(pkg *types.Package) map[types.Object]bool {
	own := map[types.Object]bool{}
	for _, name := range handedOn {
		object := pkg.Scope().Lookup(name)
		own[object] = true
		fields := object.Type().Underlying().(*types.Struct)
		for i := range fields.NumFields() {
			own[fields.Field(i)] = true
		}
	}
	return own
}

// exported finds what the compiler has written of the packages that are used.
func exported(t *testing.T, dir string) importer.Lookup {
	t.Helper()
	list := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", ".")
	list.Dir = dir
	out, err := list.Output()
	noError(t, err)
	at := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		at[path] = file
	}
	return func(path string) (io.ReadCloser, error) { return os.Open(at[path]) }
}
