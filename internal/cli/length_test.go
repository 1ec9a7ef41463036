package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// What a reader takes in at once: a file, and a function, tests included.
const (
	fileLines     = 350
	functionLines = 60
)

// TestLengths holds every Go file of the tree to these lengths.
func TestLengths(t *testing.T) {
	eachGoFile(t, func(set *token.FileSet, file *ast.File) { checkLengths(t, set, file) })
}

// eachGoFile reads every Go file of the tree.
func eachGoFile(t *testing.T, look func(*token.FileSet, *ast.File)) {
	t.Helper()
	read := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "../.." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err == nil {
			read++
			look(set, file)
		}
		return err
	})
	noError(t, err)
	if read < 500 {
		t.Errorf("only %d files were found: the walk has lost the tree", read)
	}
}

func checkLengths(t *testing.T, set *token.FileSet, file *ast.File) {
	t.Helper()
	if in := set.File(file.FileStart); in.LineCount() > fileLines {
		t.Errorf("%s has %d lines, and may have %d", in.Name(), in.LineCount(), fileLines)
	}
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if from, to := set.Position(f.Pos()), set.Position(f.End()); to.Line-from.Line+1 > functionLines {
			t.Errorf("%s: %s has %d lines, and may have %d", from, f.Name.Name, to.Line-from.Line+1, functionLines)
		}
	}
}
