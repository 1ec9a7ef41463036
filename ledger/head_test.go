package ledger_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// TestOldCopy puts an older copy back: the head tells.
func TestOldCopy(t *testing.T) {
	ledger.InFile(t)
	dir := t.TempDir()
	written(t, dir)
	path := filepath.Join(dir, "aex.db")
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l := open(t, dir)
	if _, err := l.TopUpAgent(t.Context(), "atlas", 5); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, old, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := tryOpen(t, dir); !errors.Is(err, ledger.ErrCorrupt) || !strings.Contains(err.Error(), "lost") {
		t.Fatalf("opened an old copy: %v", err)
	}
	if failed, what := auditFails(t, dir); !failed || !strings.HasPrefix(what, "head") {
		t.Fatalf("audit of an old copy: %v %s", failed, what)
	}
	// The next step that the error names.
	if err := os.Remove(filepath.Join(dir, "head")); err != nil {
		t.Fatal(err)
	}
	if err := tryOpen(t, dir); err != nil {
		t.Fatal(err)
	}
}

// TestLostHold: a hold is no event until it ends, and still its loss is told.
func TestLostHold(t *testing.T) {
	ledger.InFile(t)
	dir := t.TempDir()
	written(t, dir)
	path := filepath.Join(dir, "aex.db")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l := open(t, dir)
	if _, no, err := l.Admit(t.Context(), ledger.Admission{Token: ledger.HashToken("token of atlas"), Most: 100}); no != nil || err != nil {
		t.Fatal(no, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, before, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := tryOpen(t, dir); !errors.Is(err, ledger.ErrCorrupt) || !strings.Contains(err.Error(), "holds of 1 calls are lost") {
		t.Fatalf("lost a hold without a word: %v", err)
	}
}

// TestLedgerIsGone: where a ledger was, no new one begins without a word.
func TestLedgerIsGone(t *testing.T) {
	ledger.InFile(t)
	for name, c := range map[string]struct {
		do   func(t *testing.T, dir, path string) error
		says string
	}{
		"removed":     {func(_ *testing.T, _, path string) error { return os.Remove(path) }, "is gone"},
		"empty":       {func(_ *testing.T, _, path string) error { return os.Truncate(path, 0) }, "is gone"},
		"another one": {func(t *testing.T, _, path string) error { return os.Rename(elsewhere(t), path) }, "is another ledger"},
		"of aex 1.2": {func(t *testing.T, dir, path string) error {
			err := os.Remove(path)
			pythonLedger(t, dir)
			return err
		}, "is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			written(t, dir)
			path, head := filepath.Join(dir, "aex.db"), filepath.Join(dir, "head")
			if err := c.do(t, dir, path); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				err := tryOpen(t, dir)
				if !errors.Is(err, ledger.ErrCorrupt) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "remove "+head) {
					t.Fatalf("%v", err)
				}
			}
			if name == "removed" {
				_, err := ledger.OpenReadOnly(t.Context(), ledger.Options{Path: path, Home: dir})
				if !errors.Is(err, ledger.ErrCorrupt) || errors.Is(err, ledger.ErrNotFound) {
					t.Errorf("reading: %v", err)
				}
			}
			// The next step that the error names.
			if err := os.Remove(head); err != nil {
				t.Fatal(err)
			}
			if err := tryOpen(t, dir); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// elsewhere is the file of another ledger.
func elsewhere(t *testing.T) string {
	dir := t.TempDir()
	written(t, dir)
	return filepath.Join(dir, "aex.db")
}

// TestLedgersOfOneHome: a home may serve several ledgers, and they may move.
func TestLedgersOfOneHome(t *testing.T) {
	ledger.InFile(t)
	home := t.TempDir()
	use := func(name string) error {
		l, err := ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(home, name), Home: home})
		if err != nil {
			return err
		}
		_, err = l.CreateAgent(t.Context(), ledger.NewAgent{Name: time.Now().Format("150405.000000000")})
		return errors.Join(err, l.Close())
	}
	for _, name := range []string{"aex.db", "second place.db", "aex.db"} {
		if err := use(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(filepath.Join(home, "aex.db"), filepath.Join(home, "moved.db")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"moved.db", "aex.db", "moved.db", "second place.db"} {
		if err := use(name); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// TestCopiesAreLedgersOfTheirOwn: a backup may be read and written to while its
// original is in use, and neither is taken for the other.
func TestCopiesAreLedgersOfTheirOwn(t *testing.T) {
	ledger.InFile(t)
	dir := t.TempDir()
	written(t, dir)
	l := open(t, dir)
	original, path := filepath.Join(dir, "aex.db"), filepath.Join(dir, "backup.db")
	// A hold is open: beside the copy, its owner seems dead.
	h, no, err := l.Admit(t.Context(), ledger.Admission{Token: ledger.HashToken("token of atlas"), Most: 100})
	if no != nil || err != nil {
		t.Fatal(no, err)
	}
	if err := l.Backup(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if _, err := l.TopUpAgent(t.Context(), "atlas", 5); err != nil {
		t.Fatal(err)
	}
	b, err := ledger.OpenReadOnly(t.Context(), ledger.Options{Path: path, Home: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	verify(t, b)
	w, err := ledger.Open(t.Context(), ledger.Options{Path: path, Home: dir})
	if err != nil {
		t.Fatal(err)
	}
	if len(w.Recovered()) != 1 {
		t.Errorf("recovered %v in the copy", w.Recovered())
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Settle(t.Context(), h.ID, ledger.Settlement{How: ledger.Cancelled}); err != nil {
		t.Fatal(err)
	}
	verify(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := tryOpen(t, dir); err != nil {
		t.Fatal(err)
	}
	// Alone, the copy is what is left of a ledger that had come further.
	if err := errors.Join(os.Remove(original), os.Rename(path, filepath.Join(dir, "other.db"))); err != nil {
		t.Fatal(err)
	}
	_, err = ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(dir, "other.db"), Home: dir})
	if !errors.Is(err, ledger.ErrCorrupt) || !strings.Contains(err.Error(), "last used at "+original) {
		t.Fatalf("%v", err)
	}
}
