package ledger_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/need"
	"github.com/Auro-rium/aex/v3/ledger"
)

// TestRootLeavesTheOwnersFiles: in a home of somebody else root leaves nothing
// that its owner could not open, whether the ledger is new or older; what that
// owner has put in the way of a file is not given away.
func TestRootLeavesTheOwnersFiles(t *testing.T) {
	ledger.InFile(t)
	need.Root(t, "a file of another user")
	const service = 65534
	precious := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"new": t.TempDir(), "older": fixture(t, "schema1.db.gz")} {
		if err := os.Chown(dir, service, service); err != nil {
			t.Fatal(err)
		}
		if name == "older" {
			if err := os.Chown(filepath.Join(dir, "aex.db"), service, service); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(precious, filepath.Join(dir, "head.lock")); err != nil {
			t.Fatal(err)
		}
		l := open(t, dir)
		if _, err := l.CreateAgent(t.Context(), ledger.NewAgent{Name: "visitor"}); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		found := 0
		if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.Name() == "head.lock" {
				return err
			}
			found++
			if info, err := d.Info(); err != nil || info.Sys().(*syscall.Stat_t).Uid != service {
				t.Errorf("%s: %s is root's (%v)", name, path, err)
			}
			return nil
		}); err != nil || found < 5 {
			t.Errorf("%s: %d files, %v", name, found, err)
		}
	}
	info, err := os.Stat(precious)
	if err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Errorf("a file of root's was given away (%v)", err)
	}
}
