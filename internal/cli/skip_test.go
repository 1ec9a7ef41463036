package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestEverySkipSaysWhatIsNotTested: who reads the output of tests finds by one
// word what was not done.
func TestEverySkipSaysWhatIsNotTested(t *testing.T) {
	found := 0
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
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, is := n.(*ast.CallExpr)
			if !is {
				return true
			}
			if of, is := call.Fun.(*ast.SelectorExpr); !is || of.Sel.Name != "Skip" && of.Sel.Name != "Skipf" && of.Sel.Name != "SkipNow" {
				return true
			}
			found++
			if said := firstText(call); !strings.HasPrefix(said, "NOT TESTED") && !strings.HasPrefix(said, "NOT MEASURED") {
				t.Errorf("%s: a skipped test says NOT TESTED, or NOT MEASURED, and why; this one says %q", set.Position(call.Pos()), said)
			}
			return true
		})
		return nil
	})
	noError(t, err)
	if found < 10 {
		t.Errorf("only %d skips were found: the walk has lost the tree", found)
	}
}

// firstText is the first text in the arguments of a call.
func firstText(call *ast.CallExpr) (text string) {
	for _, arg := range call.Args {
		ast.Inspect(arg, func(n ast.Node) bool {
			if lit, is := n.(*ast.BasicLit); is && lit.Kind == token.STRING && text == "" {
				text, _ = strconv.Unquote(lit.Value)
			}
			return text == ""
		})
	}
	return text
}
