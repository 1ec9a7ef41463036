// Package need is what tests cannot do without beyond Go: tools, and rights.
// Where one is missing the test says so and is skipped; in CI, which installs
// the tools by name (make tools), it fails.
package need

import (
	"os"
	"os/exec"
	"testing"
)

// Missing ends a test that cannot be done here.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("NOT TESTED: "+format, args...)
	}
	t.Skipf("NOT TESTED: "+format, args...)
}

// Tool is the path of a program that a test calls.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, "%s is not installed", name)
	}
	return path
}

// Root is for what only root may do.
func Root(t testing.TB, what string) {
	t.Helper()
	if os.Getuid() != 0 {
		Missing(t, "%s needs root", what)
	}
}

// Unshare is the path of unshare(1), which can give a program namespaces of
// these flags: root may not everywhere.
func Unshare(t testing.TB, flags ...string) string {
	t.Helper()
	path := Tool(t, "unshare")
	if out, err := exec.Command(path, append(flags, "true")...).CombinedOutput(); err != nil {
		Missing(t, "unshare %q: %v: %s", flags, err, out)
	}
	return path
}
