package cli

import (
	"go/ast"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// TestEverySkipSaysWhatIsNotTested: who reads the output of tests finds by one
// word what was not done.
func TestEverySkipSaysWhatIsNotTested(t *testing.T) {
	found := 0
	eachGoFile(t, func(set *token.FileSet, file *ast.File) {
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
	})
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
