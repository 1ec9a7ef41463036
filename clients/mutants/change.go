package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// others are what an operator is changed into.
var others = map[token.Token][]string{
	token.LSS: {"<=", ">="}, token.LEQ: {"<", ">"}, token.GTR: {">=", "<="}, token.GEQ: {">", "<"},
	token.EQL: {"!="}, token.NEQ: {"=="},
	token.LAND: {"left", "right"}, token.LOR: {"left", "right"},
	token.ADD: {"-"}, token.SUB: {"+"}, token.MUL: {"/"}, token.QUO: {"*"}, token.REM: {"*"},
}

// insertion is text that is put into a file; where several are at one place the
// outer ones come first at a beginning and last at an end.
type insertion struct {
	at, depth int
	end       bool
	text      string
	drop      int // bytes that it replaces
}

// changer changes one file.
type changer struct {
	p        *loaded
	name     string
	source   []byte
	function string
	depth    int
	inserted []insertion
}

func (p *loaded) change() error {
	names := make([]string, 0, len(p.files))
	for name := range p.files {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		source, err := os.ReadFile(filepath.Join(p.dir, name))
		if err != nil {
			return err
		}
		c := &changer{p: p, name: name, source: source}
		for _, d := range p.files[name].Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
				c.function = f.Name.Name
				c.walk(f.Body)
			}
		}
		p.texts[filepath.Join(p.dir, name)] = c.result()
	}
	return nil
}

func (c *changer) walk(n ast.Node) {
	ast.Inspect(n, func(n ast.Node) bool {
		if n == nil {
			c.depth -= 2
			return true
		}
		c.depth += 2
		switch n := n.(type) {
		case *ast.BlockStmt:
			c.statements(n.List)
		case *ast.CaseClause:
			c.statements(n.Body)
		case *ast.BinaryExpr:
			c.binary(n)
		case *ast.UnaryExpr:
			if n.Op == token.NOT && c.variable(n) {
				c.wrap(n, "mutantNot", "without its !")
			}
		case *ast.CallExpr:
			c.extreme(n)
		case *ast.IfStmt:
			if id, ok := n.Cond.(*ast.Ident); ok && c.variable(id) {
				c.wrap(id, "mutantNot", "its opposite")
			} else if call, ok := n.Cond.(*ast.CallExpr); ok {
				c.wrap(call, "mutantNot", "its opposite")
			}
		}
		return true
	})
}

// variable tells whether an expression has a type and no constant value.
func (c *changer) variable(e ast.Expr) bool {
	tv, ok := c.p.info.Types[e]
	return ok && tv.Value == nil && tv.Type != nil
}

func (c *changer) offset(p token.Pos) int { return c.p.fset.Position(p).Offset }

func (c *changer) text(n ast.Node) string {
	return strings.Join(strings.Fields(string(c.source[c.offset(n.Pos()):c.offset(n.End())])), " ")
}

// add notes a change, and returns its number.
func (c *changer) add(n ast.Node, change string) int {
	m := &mutant{id: len(c.p.mutants) + 1, pkg: c.p.name, file: c.name, function: c.function, line: c.p.fset.Position(n.Pos()).Line, text: short(c.text(n)), change: change}
	for n, key := 2, m.key(); slices.ContainsFunc(c.p.mutants, func(o *mutant) bool { return o.key() == m.key() }); n++ {
		m.change = fmt.Sprintf("%s (%d)", change, n)
		_ = key
	}
	c.p.mutants = append(c.p.mutants, m)
	return m.id
}

func short(s string) string {
	if len(s) > 90 {
		return s[:90] + "…"
	}
	return s
}

// wrap puts a call around an expression.
func (c *changer) wrap(e ast.Expr, call, change string) {
	id := c.add(e, change)
	c.put(e.Pos(), false, fmt.Sprintf("%s(%d, ", call, id), 0)
	c.put(e.End(), true, ")", 0)
}

func (c *changer) put(at token.Pos, end bool, text string, drop int) {
	c.inserted = append(c.inserted, insertion{c.offset(at), c.depth, end, text, drop})
}

func (c *changer) binary(e *ast.BinaryExpr) {
	changes := others[e.Op]
	if changes == nil || !c.variable(e) {
		return
	}
	left, right := c.p.info.Types[e.X], c.p.info.Types[e.Y]
	call := ""
	switch e.Op {
	case token.LAND, token.LOR:
		call = map[token.Token]string{token.LAND: "mutantAnd", token.LOR: "mutantOr"}[e.Op]
	case token.EQL, token.NEQ:
		if left.IsNil() || right.IsNil() || !types.Identical(types.Default(left.Type), types.Default(right.Type)) {
			c.wrap(e, "mutantNot", changes[0])
			return
		}
		call = "mutantEqual"
	default:
		if !number(c.p.info.Types[e.X].Type) || !number(right.Type) {
			return
		}
		call = "mutantCompare"
		if _, compares := map[token.Token]bool{token.ADD: true, token.SUB: true, token.MUL: true, token.QUO: true, token.REM: true}[e.Op]; compares {
			call = "mutantCompute"
		}
	}
	ids := []int{c.add(e, changes[0]), 0}
	if len(changes) > 1 {
		ids[1] = c.add(e, changes[1])
	}
	op := fmt.Sprintf("%q, ", e.Op.String())
	if strings.HasPrefix(call, "mutantAnd") || call == "mutantOr" {
		op = ""
	}
	c.put(e.Pos(), false, fmt.Sprintf("%s(%d, %d, %s", call, ids[0], ids[1], op), 0)
	if op == "" {
		c.put(e.OpPos, false, ", func() bool { return ", len(e.Op.String()))
		c.put(e.End(), true, "})", 0)
		return
	}
	c.put(e.OpPos, false, ", ", len(e.Op.String()))
	c.put(e.End(), true, ")", 0)
}

// typeName is the type of an expression as the file writes it.
func (c *changer) typeName(e ast.Expr) string {
	return types.TypeString(c.p.info.Types[e].Type, func(p *types.Package) string {
		if p.Name() == c.p.name {
			return ""
		}
		return p.Name()
	})
}

func number(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&(types.IsInteger|types.IsFloat) != 0
}

// extreme changes min into max and max into min.
func (c *changer) extreme(e *ast.CallExpr) {
	id, ok := e.Fun.(*ast.Ident)
	if !ok || len(e.Args) != 2 || id.Name != "min" && id.Name != "max" || !c.variable(e) || !number(c.p.info.Types[e].Type) {
		return
	}
	if _, builtin := c.p.info.Uses[id].(*types.Builtin); !builtin {
		return
	}
	other := map[string]string{"min": "max", "max": "min"}[id.Name]
	n := c.add(e, other)
	c.put(id.Pos(), false, fmt.Sprintf("mutantExtreme(%d, %q, ", n, id.Name), len(id.Name)+1)
}

// statements takes away calls and assignments, and turns += into -=.
func (c *changer) statements(list []ast.Stmt) {
	for _, s := range list {
		c.depth += 2
		switch s := s.(type) {
		case *ast.ExprStmt:
			c.without(s)
		case *ast.IncDecStmt:
			c.without(s)
		case *ast.AssignStmt:
			if s.Tok != token.DEFINE {
				c.without(s)
			}
			if opposite := map[token.Token]string{token.ADD_ASSIGN: "-=", token.SUB_ASSIGN: "+="}[s.Tok]; opposite != "" && number(c.p.info.Types[s.Lhs[0]].Type) {
				id := c.add(s, opposite)
				c.depth++ // inside the statement, around the expression
				c.put(s.Rhs[0].Pos(), false, fmt.Sprintf("mutantNegative[%s](%d, ", c.typeName(s.Lhs[0]), id), 0)
				c.put(s.Rhs[0].End(), true, ")", 0)
				c.depth--
			}
		}
		c.depth -= 2
	}
}

func (c *changer) without(s ast.Stmt) {
	id := c.add(s, "nothing")
	c.put(s.Pos(), false, fmt.Sprintf("if !mutantOn(%d) { ", id), 0)
	c.put(s.End(), true, " }", 0)
}

// result is the changed file.
func (c *changer) result() []byte {
	sort.SliceStable(c.inserted, func(i, j int) bool {
		a, b := c.inserted[i], c.inserted[j]
		switch {
		case a.at != b.at:
			return a.at < b.at
		case a.end != b.end:
			return a.end // what ends here comes before what begins here
		case a.end:
			return a.depth > b.depth
		}
		return a.depth < b.depth
	})
	var out bytes.Buffer
	at := 0
	for _, in := range c.inserted {
		out.Write(c.source[at:max(at, in.at)])
		out.WriteString(in.text)
		at = max(at, in.at+in.drop)
	}
	out.Write(c.source[at:])
	return out.Bytes()
}
