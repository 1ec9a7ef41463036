//go:build linux || darwin

package owned_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/need"
	"github.com/Auro-rium/aex/v3/internal/owned"
)

const user = 12345

func whose(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}

// TestRootInAUsersDirectory: what root makes there is the user's; what is there
// already stays whose it is, also behind a link.
func TestRootInAUsersDirectory(t *testing.T) {
	if os.Geteuid() != 0 {
		need.Root(t, "what root makes")
	}
	dir, roots := t.TempDir(), filepath.Join(t.TempDir(), "shadow")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(roots, nil, 0o600))
	must(os.Chown(dir, user, user))
	must(os.Symlink(roots, filepath.Join(dir, "link")))

	must(owned.MkdirAll(filepath.Join(dir, "a", "b"), 0o700))
	must(owned.Write(filepath.Join(dir, "a", "b", "file"), []byte("x"), 0o600))
	f, err := owned.Open(filepath.Join(dir, "link"), os.O_RDWR, 0o600)
	must(err)
	must(f.Close())
	for path, want := range map[string]int{"a": user, "a/b": user, "a/b/file": user} {
		if got := whose(t, filepath.Join(dir, path)); got != want {
			t.Errorf("%s belongs to %d", path, got)
		}
	}
	if got := whose(t, roots); got != 0 {
		t.Errorf("another's file was given to %d", got)
	}
}
