package need

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Each need is missing in a process of its own: where CI is true it fails the
// test, elsewhere it skips it, and either way it is named.
func TestMissing(t *testing.T) {
	needs := map[string]func(t *testing.T){
		"no-such-tool": func(t *testing.T) { Tool(t, "no-such-tool") },
		"--no-flag":    func(t *testing.T) { Unshare(t, "--no-flag") },
	}
	if name := os.Getenv("AEX_NEED"); name != "" {
		needs[name](t)
		return
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "unshare"), []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name := range needs {
		for _, ci := range []string{"", "false", "true"} {
			cmd := exec.Command(os.Args[0], "-test.run=^TestMissing$", "-test.v")
			cmd.Env = []string{"AEX_NEED=" + name, "CI=" + ci, "PATH=" + dir}
			out, err := cmd.CombinedOutput()
			if failed := err != nil; failed != (ci == "true") || !strings.Contains(string(out), "NOT TESTED") || !strings.Contains(string(out), name) {
				t.Errorf("%s, CI=%q: %v\n%s", name, ci, err, out)
			}
		}
	}
}
