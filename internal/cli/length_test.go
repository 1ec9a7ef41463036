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
	checked := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "../.." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		checked++
		checkLengths(t, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked < 500 {
		t.Errorf("only %d files were found: the walk has lost the tree", checked)
	}
}

func checkLengths(t *testing.T, path string) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Error(err)
		return
	}
	if lines := set.File(file.FileStart).LineCount(); lines > fileLines {
		t.Errorf("%s has %d lines, and may have %d", path, lines, fileLines)
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
