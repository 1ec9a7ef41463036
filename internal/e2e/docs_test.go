//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// block is a fenced piece of a page.
type block struct {
	page   string
	line   int    // of its fence
	kind   string // what the fence says it is: sh, text, yaml ...
	marker string // of the comment before it, without <!-- and -->
	text   string
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.page, b.line) }

// pages are what people read.
func pages(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("../../docs/*.md")
	must(t, err)
	return append(found, "../../README.md", "../../clients/python/README.md")
}

var fence = regexp.MustCompile("^( *)```(.*)$")

// blocksOf reads a page. Code that is only indented is an error: nobody could
// tell whether it is to be run.
func blocksOf(t *testing.T, page string) []block {
	t.Helper()
	text, err := os.ReadFile(page)
	must(t, err)
	name, err := filepath.Rel("../..", page)
	must(t, err)
	var blocks []block
	var open *block
	marker, before, list := "", "", false
	for i, line := range strings.Split(string(text), "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case open != nil && m != nil && m[2] == "":
			blocks, open, marker = append(blocks, *open), nil, ""
		case open != nil:
			open.text += line + "\n"
		case m != nil:
			open = &block{page: name, line: i + 1, kind: m[2], marker: marker}
		case strings.HasPrefix(line, "<!-- ") && strings.HasSuffix(line, " -->"):
			marker = strings.TrimSuffix(strings.TrimPrefix(line, "<!-- "), " -->")
		case strings.HasPrefix(line, "    ") && before == "" && !list:
			t.Errorf("%s:%d: code that is only indented; put it between ```sh (or ```text) and ```", name, i+1)
		case strings.TrimSpace(line) != "":
			marker = ""
			list = strings.HasPrefix(line, "- ") || list && strings.HasPrefix(line, " ")
		}
		before = strings.TrimSpace(line)
	}
	if open != nil {
		t.Errorf("%s: this fence is not closed", open)
	}
	return blocks
}

// notShell are the kinds of blocks that are no commands.
var notShell = []string{"text", "yaml", "json", "jsonl", "python", "toml", "ini", "dockerfile", "nginx", "sql", "go", "js", "diff"}

// TestPagesRun executes every block of shell of README.md and docs, each page
// in a shell and a home of its own, one block after the other as it is read.
// Above a block may stand
//
//	<!-- run with: A, B -->  what must be there, of the table docFixtures
//	<!-- run by: TARGET -->  what else executes it: .ci/run or a make target
//	<!-- not run: WHY -->    what it needs that no test has
func TestPagesRun(t *testing.T) {
	for _, page := range pages(t) {
		blocks := blocksOf(t, page)
		name, err := filepath.Rel("../..", page)
		must(t, err)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runPage(t, blocks)
		})
	}
}

// runPage runs the blocks of a page that are to be run here.
func runPage(t *testing.T, blocks []block) {
	d := newDesk(t)
	script := "set -eu\n"
	runs := 0
	for _, b := range blocks {
		if slices.Contains(notShell, b.kind) {
			continue
		}
		if b.kind != "sh" {
			t.Errorf("%s: a fence of kind %q; say sh for commands, else one of %s", b, b.kind, strings.Join(notShell, ", "))
			continue
		}
		how, what, _ := strings.Cut(b.marker, ": ")
		text := b.text
		switch how {
		case "":
		case "run with":
			for _, fixture := range strings.Split(what, ", ") {
				text = d.provide(b, fixture, text)
			}
		case "run by":
			checkRunBy(t, b, what)
			continue
		case "not run":
			if len(what) < 10 {
				t.Errorf("%s: say why it is not run", b)
			}
			continue
		default:
			t.Errorf("%s: unknown marker %q", b, b.marker)
			continue
		}
		script += fmt.Sprintf("echo '== %s' >&2\n%s", b, text)
		runs++
	}
	if runs > 0 && !t.Failed() {
		d.run(script)
	}
}

// checkRunBy finds the target that is said to run a block.
func checkRunBy(t *testing.T, b block, what string) {
	t.Helper()
	what, _, _ = strings.Cut(what, ",")
	if what == ".ci/run" {
		text, err := os.ReadFile("../../.ci/run")
		must(t, err)
		for line := range strings.Lines(b.text) {
			command, _, _ := strings.Cut(line, "  #")
			if !strings.Contains(string(text), strings.TrimSpace(command)) {
				t.Errorf("%s: .ci/run does not run %q", b, strings.TrimSpace(command))
			}
		}
		return
	}
	target, ok := strings.CutPrefix(what, "make ")
	text, err := os.ReadFile("../../Makefile")
	must(t, err)
	if !ok || !strings.Contains(string(text), "\n"+target+":") {
		t.Errorf("%s: there is no %q to run it", b, what)
	}
	if target == "dist-check" {
		checkInstalls(t, b)
	}
}

// installs is how a test of clients/package names the line of a page that it runs.
var installs = regexp.MustCompile(`line\(t, "([^"]+)", "([^"]+)"\)`)

// checkInstalls finds the test that runs each line of a block. A command that
// the marker names is tried in another way.
func checkInstalls(t *testing.T, b block) {
	t.Helper()
	files, err := filepath.Glob("../../clients/package/*_test.go")
	must(t, err)
	var tests strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // of the repository
		must(t, err)
		tests.Write(text)
	}
	_, otherwise, _ := strings.Cut(b.marker, ",")
	for line := range strings.Lines(b.text) {
		command := strings.Fields(strings.TrimPrefix(line, "sudo "))[0]
		if !strings.Contains(otherwise, command) && !slices.ContainsFunc(installs.FindAllStringSubmatch(tests.String(), -1), func(m []string) bool {
			return m[1] == b.page && strings.HasPrefix(line, m[2])
		}) {
			t.Errorf("%s: no test of clients/package runs %q", b, strings.TrimSpace(line))
		}
	}
}

// TestOneVersion: every page and file that names the release names the one
// that the Makefile makes.
func TestOneVersion(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	must(t, err)
	m := regexp.MustCompile(`(?m)^VERSION \?= (\d+\.\d+\.\d+)$`).FindSubmatch(makefile)
	if m == nil {
		t.Fatal("the Makefile names no VERSION")
	}
	version := string(m[1])
	named := regexp.MustCompile(`(?:releases/download/v|/aex/v|aex[_-]|version = "|__version__ = "|INSTALL_AEX_VERSION: "|sh -s -- |developed = "|default: ")(\d+\.\d+\.\d+)`)
	for _, file := range append(pages(t), "../../action.yml", "../../ci/gitlab.yml", "../../ci/Jenkinsfile", "../../ci/circleci.yml",
		"../../clients/python/pyproject.toml", "../../clients/python/aex/__init__.py", "../../internal/cli/version.go") {
		text, err := os.ReadFile(file) //nolint:gosec // a file of the repository
		must(t, err)
		for _, m := range named.FindAllSubmatch(text, -1) {
			if string(m[1]) != version {
				t.Errorf("%s: %s, and the release is %s", file, m[0], version)
			}
		}
	}
}
