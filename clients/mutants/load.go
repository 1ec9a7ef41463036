package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// loaded is the package that is changed.
type loaded struct {
	dir, name string
	pattern   string
	fset      *token.FileSet
	info      *types.Info
	files     map[string]*ast.File // base name -> those that are changed
	mutants   []*mutant
	texts     map[string][]byte // changed files, by path
	flags     []string          // of its tests
}

// mutant is one change.
type mutant struct {
	id       int
	pkg      string
	file     string
	function string
	line     int
	text     string // what is changed
	change   string // into what
	killed   bool
	hung     bool
	tried    bool
	tests    int // that get there
}

// key names a change for equivalent.txt, whatever line it is on.
func (m *mutant) key() string {
	return fmt.Sprintf("%s/%s %s: %s -> %s", m.pkg, m.file, m.function, m.text, m.change)
}

// load parses and type-checks a package, and makes the changes of its files:
// of all of them where none is named.
func load(pattern string, files []string) (*loaded, error) {
	exports := map[string]string{}
	var target struct {
		Dir, Name, ImportPath string
		GoFiles               []string
	}
	out, err := command("go", "list", "-export", "-deps", "-json=ImportPath,Export,Dir,Name,GoFiles", pattern).Output()
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", pattern, explained(err))
	}
	for decode := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath, Export, Dir, Name string
			GoFiles                       []string
		}
		if err := decode.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		exports[p.ImportPath] = p.Export
		target.Dir, target.Name, target.ImportPath, target.GoFiles = p.Dir, p.Name, p.ImportPath, p.GoFiles // the last is the one asked for
	}
	p := &loaded{dir: target.Dir, name: target.Name, pattern: pattern, fset: token.NewFileSet(), files: map[string]*ast.File{}, texts: map[string][]byte{}}
	var all []*ast.File
	for _, name := range target.GoFiles {
		f, err := parser.ParseFile(p.fset, filepath.Join(p.dir, name), nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
		if len(files) == 0 || slices.Contains(files, name) {
			p.files[name] = f
		}
	}
	if len(files) > 0 && len(p.files) != len(files) {
		return nil, fmt.Errorf("%s has not all of %q", pattern, files)
	}
	// What rapid found with a change must not be kept for the tests without it.
	imports, err := command("go", "list", "-f", "{{.TestImports}} {{.XTestImports}}", pattern).Output()
	if err != nil {
		return nil, fmt.Errorf("listing the tests of %s: %w", pattern, explained(err))
	}
	if bytes.Contains(imports, []byte("pgregory.net/rapid")) {
		p.flags = []string{"-rapid.nofailfile"}
	}
	lookup := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	p.info = &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
	check := types.Config{Importer: importer.ForCompiler(p.fset, "gc", lookup)}
	if _, err := check.Check(target.ImportPath, p.fset, all, p.info); err != nil {
		return nil, err
	}
	return p, p.change()
}

func command(name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Stderr = os.Stderr
	return c
}

func explained(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return err
}
