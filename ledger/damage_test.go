package ledger_test

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/Auro-rium/aex/v3/ledger"
)

func tryOpen(t *testing.T, dir string) error {
	t.Helper()
	l, err := ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(dir, "aex.db"), Home: dir})
	if err == nil {
		err = l.Close()
	}
	if err != nil && strings.Contains(err.Error(), "\n") {
		t.Errorf("not one line: %v", err)
	}
	return err
}

// copyFiles copies the database's files as an unclean end leaves them.
func copyFiles(t *testing.T, from, to string) {
	t.Helper()
	for _, name := range []string{"aex.db", "aex.db-wal", "head"} {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "head" { // as if it had always been there
			b = bytes.ReplaceAll(b, []byte(from), []byte(to))
		}
		if err := os.WriteFile(filepath.Join(to, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// live returns a directory with the files of a ledger that another process
// has open and has written to, as they are at this moment.
func live(t *testing.T) string {
	t.Helper()
	dir, snap := t.TempDir(), t.TempDir()
	written(t, dir)
	p := startProcess(t, "hold", part{Dir: dir, Token: "token of atlas", Amount: 500}, nil)
	p.line(t)
	l := open(t, dir) // its trail goes further than the head that was closed
	if _, err := l.TopUpAgent(t.Context(), "atlas", 1000); err != nil {
		t.Fatal(err)
	}
	head := filepath.Join(dir, "head")
	before, err := os.ReadFile(head)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(head)
	if err != nil || string(before) == string(after) && !strings.Contains(string(after), " 9 ") {
		t.Fatalf("the head did not move: %s %s %v", before, after, err)
	}
	copyFiles(t, dir, snap)
	return snap
}

// TestHalvedWAL cuts the write-ahead log short: what is lost is told.
func TestHalvedWAL(t *testing.T) {
	ledger.InFile(t)
	dir := live(t)
	wal := filepath.Join(dir, "aex.db-wal")
	st, err := os.Stat(wal)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(wal, st.Size()/2); err != nil {
		t.Fatal(err)
	}
	if err := tryOpen(t, dir); !errors.Is(err, ledger.ErrCorrupt) || !strings.Contains(err.Error(), "lost") {
		t.Fatalf("opened with half of its log: %v", err)
	}
}

// compact leaves no page of the file free.
func compact(t *testing.T, dir string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "aex.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCorruptPages overwrites pages in turn: each time opening or the audit
// must tell, or the page did not matter and everything is right.
func TestCorruptPages(t *testing.T) {
	ledger.InFile(t)
	dir := t.TempDir()
	written(t, dir)
	compact(t, dir) // a page that is free holds nothing that could be missed
	whole, err := os.ReadFile(filepath.Join(dir, "aex.db"))
	if err != nil {
		t.Fatal(err)
	}
	for page := 0; page < len(whole)/4096; page++ {
		b := append([]byte(nil), whole...)
		for i := range 512 {
			b[page*4096+i] ^= 0xa5
		}
		sub := t.TempDir()
		if err := os.WriteFile(filepath.Join(sub, "aex.db"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if tryOpen(t, sub) != nil {
			continue
		}
		if failed, _ := auditFails(t, sub); !failed {
			t.Errorf("page %d is damaged and nobody says so", page+1)
		}
	}
}

// TestFilesThatAreNoLedger: each has one clear line and is left alone.
func TestFilesThatAreNoLedger(t *testing.T) {
	ledger.InFile(t)
	for name, c := range map[string]struct {
		make func(t *testing.T, dir string)
		says string
	}{
		"text": {func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "aex.db"), []byte(strings.Repeat("not a database\n", 99)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "move it away"},
		"another program's": {func(t *testing.T, dir string) {
			raw(t, dir, func(db *sql.DB) { must(t, db, `CREATE TABLE t (a)`) })
		}, "another program's"},
		"newer": {func(t *testing.T, dir string) {
			written(t, dir)
			raw(t, dir, func(db *sql.DB) { must(t, db, `PRAGMA user_version = 999`) })
		}, "update aex"},
		"directory": {func(t *testing.T, dir string) {
			if err := os.Mkdir(filepath.Join(dir, "aex.db"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, "is no file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c.make(t, dir)
			before, _ := os.ReadFile(filepath.Join(dir, "aex.db"))
			err := tryOpen(t, dir)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v", err)
			}
			if name == "newer" && !errors.Is(err, ledger.ErrNewerSchema) {
				t.Error("not ErrNewerSchema")
			}
			if after, _ := os.ReadFile(filepath.Join(dir, "aex.db")); string(after) != string(before) {
				t.Error("the file was changed")
			}
		})
	}
	if _, err := ledger.OpenReadOnly(t.Context(), ledger.Options{Path: filepath.Join(t.TempDir(), "no.db"), Home: t.TempDir()}); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("no ledger: %v", err)
	}
}

// TestReadOnlyPlaces opens as a user who may not write the file, or nothing.
func TestReadOnlyPlaces(t *testing.T) {
	ledger.InFile(t)
	for name, dirMode := range map[string]os.FileMode{"file": 0o777, "file and directory": 0o555} {
		t.Run(name, func(t *testing.T) { readOnlyPlace(t, dirMode) })
	}
}

func readOnlyPlace(t *testing.T, dirMode os.FileMode) {
	var attr *syscall.SysProcAttr
	if os.Getuid() == 0 {
		attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	dir := t.TempDir()
	written(t, dir)
	// The test binary lies where only its owner may go.
	binary := filepath.Join(dir, "test")
	if err := os.Link(os.Args[0], binary); err != nil {
		t.Fatal(err)
	}
	for p := filepath.Dir(dir); p != os.TempDir() && p != "/"; p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		mode := os.FileMode(0o666)
		switch {
		case e.IsDir():
			mode = 0o777
		case e.Name() == "test":
			mode = 0o755
		case e.Name() == "aex.db" || dirMode != 0o777:
			mode = 0o444
		}
		if err := os.Chmod(filepath.Join(dir, e.Name()), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, dirMode); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(dir, 0o700) })
	defer func(was string) { os.Args[0] = was }(os.Args[0])
	os.Args[0] = binary
	got := startProcess(t, "look", part{Dir: dir}, attr).line(t)
	if !strings.Contains(got, "cannot be written") || !strings.Contains(got, "AEX_HOME") {
		t.Errorf("says %q", got)
	}
}

// TestFileGoneWhileInUse: a database that was removed or replaced under a
// running process must stop it, because nobody would ever see what it books.
func TestFileGoneWhileInUse(t *testing.T) {
	ledger.InFile(t)
	for name, do := range map[string]func(dir string) error{
		"directory": func(dir string) (err error) {
			for range 3 { // the head may be written meanwhile, once
				err = os.RemoveAll(dir)
			}
			return err
		},
		"file": func(dir string) error { return os.Remove(filepath.Join(dir, "aex.db")) },
		"replaced": func(dir string) error {
			return errors.Join(os.Rename(filepath.Join(dir, "aex.db"), filepath.Join(dir, "old")), os.WriteFile(filepath.Join(dir, "aex.db"), nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l, err := ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(dir, "aex.db"), Home: dir})
			if err != nil {
				t.Fatal(err)
			}
			h := agent(t, l, ledger.NewAgent{Name: "x"})
			if err := do(dir); err != nil {
				t.Fatal(err)
			}
			if _, _, err := l.Admit(t.Context(), ledger.Admission{Token: h, Most: 5}); !errors.Is(err, ledger.ErrBroken) {
				t.Errorf("admitted into a file that is gone: %v", err)
			}
			<-l.Broken()
			_ = l.Close() // the head cannot be written either; that may be told
		})
	}
}
