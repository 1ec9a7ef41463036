package cli

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// walk calls visit with every command that people may type.
func walk(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, sub := range cmd.Commands() {
		walk(sub, visit)
	}
}

// surface is every command, with what cobra adds to it when it runs.
func surface() *cobra.Command {
	root := Commands()
	walk(root, func(cmd *cobra.Command) { cmd.InitDefaultHelpFlag() })
	return root
}

// scriptLines are the lines of all scripts that run aex or name it in a file
// that is run, without comments.
func scriptLines(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	var lines []string
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(string(data), "\n") {
			if line = strings.TrimSpace(line); strings.Contains(line, "aex ") && !strings.HasPrefix(line, "#") {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// names tells whether a line runs cmd: its words one after the other, where
// flags may stand between aex and them.
func names(cmd *cobra.Command) *regexp.Regexp {
	words := strings.Fields(cmd.CommandPath())
	return regexp.MustCompile(`\b` + strings.Join(words, `(?: -\S+| \$\S+)*? `) + `(?:$|[^\w-])`)
}

// TestEveryFlagHasAScript proves that no command and no flag is without a
// script that uses it.
func TestEveryFlagHasAScript(t *testing.T) {
	lines := scriptLines(t)
	walk(surface(), func(cmd *cobra.Command) {
		own := names(cmd)
		var uses []string
		for _, line := range lines {
			if own.MatchString(line) {
				uses = append(uses, line)
			}
		}
		if len(uses) == 0 {
			t.Errorf("no script runs %s", cmd.CommandPath())
			return
		}
		if strings.HasPrefix(cmd.CommandPath(), "aex completion ") {
			return // cobra's own, the same for each shell
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name == "help" {
				return
			}
			pattern := `--` + regexp.QuoteMeta(f.Name) + `(?:$|[^\w-])`
			if f.Shorthand != "" {
				pattern += `|(?:^|\s)-` + f.Shorthand + `(?:$|[^-A-Za-z])`
			}
			flag := regexp.MustCompile(pattern)
			for _, line := range uses {
				if flag.MatchString(line) {
					return
				}
			}
			t.Errorf("no script uses %s --%s", cmd.CommandPath(), f.Name)
		})
	})
}

// TestEveryCommandIsDocumented looks for each command in docs/commands.md.
func TestEveryCommandIsDocumented(t *testing.T) {
	data, err := os.ReadFile("../../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(data)
	walk(surface(), func(cmd *cobra.Command) {
		if cmd.Hidden || strings.HasPrefix(cmd.CommandPath(), "aex completion ") {
			return
		}
		words := strings.Fields(cmd.CommandPath())
		last := regexp.QuoteMeta(words[len(words)-1])
		if len(words) == 3 { // "aex daemon start|stop", "`aex agent list`, `inspect NAME`"
			row := regexp.MustCompile("(?m)^.*aex " + words[1] + `\b.*\b` + last + `\b`)
			if !row.MatchString(doc) {
				t.Errorf("docs/commands.md does not tell of %s", cmd.CommandPath())
			}
			return
		}
		if len(words) == 2 && !regexp.MustCompile(`aex `+last+`\b`).MatchString(doc) {
			t.Errorf("docs/commands.md does not tell of %s", cmd.CommandPath())
		}
	})
}

// enums are the flags that take one of a few words.
var enums = map[string]string{
	"aex run": "tty orphans loop-guard on-exhausted die-with-parent adapter", "aex report": "by per format", "aex env": "shell",
	"aex agent create": "window", "aex agent set": "window", "aex models price": "wire",
}

// operands are what a command needs beside its flags.
var operands = map[string][]string{
	"aex run": {"--budget", "1", "--", "true"}, "aex env": {"x"}, "aex agent create": {"y", "5", "30"}, "aex agent set": {"x"}, "aex models price": {"gpt-4o-mini"},
}

// TestNonsenseIsRefused gives every flag that takes no free text what it cannot
// take: the command must fail and name the flag.
func TestNonsenseIsRefused(t *testing.T) {
	home := t.TempDir()
	aex := func(args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, "aex", args...)
		cmd.Dir, cmd.Env = home, append(os.Environ(), "HOME="+home, "AEX_HOME="+home)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := aex("agent", "create", "x", "5", "30"); err != nil {
		t.Fatal(err, out)
	}
	checked := 0
	walk(surface(), func(cmd *cobra.Command) {
		if cmd.DisableFlagParsing { // its arguments are read by another package
			return
		}
		path := cmd.CommandPath()
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			switch f.Value.Type() {
			case "string", "stringArray", "stringSlice":
				if !strings.Contains(" "+enums[path]+" ", " "+f.Name+" ") {
					return
				}
			}
			checked++
			args := append(strings.Fields(path)[1:], "--"+f.Name+"=???nonsense")
			out, err := aex(append(args, operands[path]...)...)
			if err == nil || !strings.Contains(out, "--"+f.Name) || !strings.Contains(out, "aex: hint: ") {
				t.Errorf("%s --%s=???nonsense: %v %s", path, f.Name, err, out)
			}
		})
	})
	if checked < 100 {
		t.Errorf("only %d flags were checked", checked)
	}
}
