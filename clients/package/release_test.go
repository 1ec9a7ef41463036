//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRelease: make release wants a work tree without changes and the
// version's tag, which may be one of several, and says what is missing.
func TestRelease(t *testing.T) {
	repository, err := filepath.Abs("../..")
	must(t, err)
	clone := filepath.Join(t.TempDir(), "aex")
	release := func(prepare, says string, goesOn bool) {
		t.Helper()
		cmd := exec.Command("sh", "-ec", prepare)
		cmd.Dir, cmd.Env = clone, append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		make := exec.Command("make", "release", "MAKE=echo it would:", "VERSION=3.0.0")
		make.Dir, make.Env = clone, cmd.Env
		out, err := make.CombinedOutput()
		if (err == nil) != goesOn || strings.Contains(string(out), "it would: --no-print-directory dist-check") != goesOn {
			t.Errorf("after %q: %v\n%s", prepare, err, out)
		}
		has(t, string(out), says)
	}
	must(t, exec.Command("git", "clone", "-q", "--no-tags", repository, clone).Run())
	release("true", "HEAD is not tagged v3.0.0", false)
	release("git tag v3.0.0-rc.1", "HEAD is not tagged v3.0.0", false)
	release("git tag v3.0.0", "dist holds aex 3.0.0", true)
	release("git tag v3", "dist holds aex 3.0.0", true)
	release("touch new", "the work tree has changes", false)
	release("git add new && git -c user.name=a -c user.email=a@example.com commit -qm new", "HEAD is not tagged v3.0.0", false)
}
