package cli

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

const environmentPage = "../../docs/environment.md"

// TestEnvironmentPage holds docs/environment.md to what aex help environment
// prints. AEX_UPDATE=1 writes it anew.
func TestEnvironmentPage(t *testing.T) {
	want := "# Variables\n\nThis page is what `aex help environment` prints.\n\n" + "```text\n" + environmentText(Commands()) + "```\n"
	if os.Getenv("AEX_UPDATE") != "" {
		noError(t, os.WriteFile(environmentPage, []byte(want), 0o644))
	}
	got, err := os.ReadFile(environmentPage)
	noError(t, err)
	if string(got) != want {
		t.Errorf("docs/environment.md is old; make it anew with: AEX_UPDATE=1 go test ./internal/cli -run TestEnvironmentPage")
	}
}

// TestEveryFlagHasAVariable walks the flags of run and serve.
func TestEveryFlagHasAVariable(t *testing.T) {
	root := Commands()
	text, known := environmentText(root), strings.Join(knownVariables(root), "\n")+"\n"
	for _, name := range []string{"run", "serve"} {
		cmd, _, err := root.Find([]string{name})
		noError(t, err)
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Hidden || f.Name == "help" {
				return
			}
			if v := variableOf(f.Name); !strings.Contains(text, "  "+v+" ") || !strings.Contains(known, v+"\n") {
				t.Errorf("--%s of aex %s has no variable %s", f.Name, name, v)
			}
		})
	}
}

func TestClosest(t *testing.T) {
	names := []string{"run", "runs", "status", "serve", "agent", "env", "events", "report", "models", "metrics", "demo", "doctor", "daemon", "dashboard"}
	for typed, want := range map[string]string{
		"rnu": "run", "run": "run", "rusn": "runs", "man": "", "x": "", "": "", "satus": "status", "statsu": "status", "agnet": "agent", "sevre": "serve",
		"deamon": "daemon", "dash": "dashboard", "modles": "models", "evn": "env", "foo": "", "repotr": "report", "zzzzzz": "",
	} {
		if got := closest(typed, names); got != want {
			t.Errorf("closest(%q) = %q, not %q", typed, got, want)
		}
	}
}
