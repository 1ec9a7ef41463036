package ledger_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/ledger"
)

// pythonTwo makes what the Python aex 2.0 leaves when it is killed: the tables
// that tell it from 1.2, half of them still in the write-ahead log.
func pythonTwo(t *testing.T, dir string) {
	t.Helper()
	source := t.TempDir()
	raw(t, source, func(db *sql.DB) {
		db.SetMaxOpenConns(1)
		must(t, db, `PRAGMA journal_mode = WAL`)
		must(t, db, `CREATE TABLE agents (name TEXT PRIMARY KEY, api_token TEXT UNIQUE NOT NULL, budget_micro INTEGER NOT NULL,
			spent_micro INTEGER NOT NULL DEFAULT 0, lifecycle_state TEXT NOT NULL DEFAULT 'READY')`)
		must(t, db, `PRAGMA wal_checkpoint(TRUNCATE)`)
		must(t, db, `CREATE TABLE executions (execution_id TEXT PRIMARY KEY, agent TEXT NOT NULL, state TEXT NOT NULL)`)
		must(t, db, `INSERT INTO agents (name, api_token, budget_micro) VALUES ('atlas', '0123456789abcdef0123456789abcdef', 5000000)`)
		must(t, db, `PRAGMA user_version = 3`)
		for _, name := range []string{"aex.db", "aex.db-wal"} {
			b, err := os.ReadFile(filepath.Join(source, name)) //nolint:gosec // a file of this test
			if err != nil || len(b) == 0 {
				t.Fatalf("%s: %d bytes, %v", name, len(b), err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestLedgerOfPythonTwo: it is refused by name, nothing in it or in its log is
// changed, and nothing is put beside it.
func TestLedgerOfPythonTwo(t *testing.T) {
	ledger.InFile(t)
	dir := t.TempDir()
	pythonTwo(t, dir)
	read := func() string {
		var all strings.Builder
		for _, name := range []string{"aex.db", "aex.db-wal"} {
			b, err := os.ReadFile(filepath.Join(dir, name)) //nolint:gosec // a file of this test
			if err != nil {
				t.Fatal(err)
			}
			all.WriteString(name)
			all.Write(b)
		}
		return all.String()
	}
	before := read()
	check := func(err error) {
		t.Helper()
		if !errors.Is(err, ledger.ErrPythonTwo) || !strings.Contains(err.Error(), "Python aex 2.x") || !strings.Contains(err.Error(), "AEX_HOME") {
			t.Errorf("%v", err)
		}
		if read() != before {
			t.Error("the ledger was changed")
		}
	}
	_, err := ledger.OpenReadOnly(t.Context(), ledger.Options{Path: filepath.Join(dir, "aex.db"), Home: dir})
	check(err)
	check(tryOpen(t, dir))
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains([]string{"aex.db", "aex.db-wal", "aex.db-shm"}, e.Name()) {
			t.Errorf("%s was left beside it", e.Name())
		}
	}
	// Put where another ledger was, it is refused all the same.
	if err := os.Mkdir(filepath.Join(dir, "aex.db.owners"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := tryOpen(t, dir); !errors.Is(err, ledger.ErrPythonTwo) {
		t.Errorf("%v", err)
	}
}

// TestLedgerThatPythonTwoMade: the file that aex 2.0.0 of PyPI leaves after aex
// agent create is as it was, and alone, whoever tries to open it.
func TestLedgerThatPythonTwoMade(t *testing.T) {
	ledger.InFile(t)
	dir := fixture(t, "python2.db.gz")
	path := filepath.Join(dir, "aex.db")
	was, err := os.ReadFile(path) //nolint:gosec // a file of this test
	if err != nil {
		t.Fatal(err)
	}
	for _, try := range []func() error{
		func() error {
			_, err := ledger.OpenReadOnly(t.Context(), ledger.Options{Path: path, Home: dir})
			return err
		},
		func() error { return tryOpen(t, dir) },
	} {
		if err := try(); !errors.Is(err, ledger.ErrPythonTwo) {
			t.Errorf("%v", err)
		}
		is, err := os.ReadFile(path) //nolint:gosec // a file of this test
		if err != nil || string(is) != string(was) {
			t.Errorf("it was changed (%v)", err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Errorf("%v beside it (%v)", entries, err)
		}
	}
}

// TestOlderSchemaIsBackedUp: what an older aex wrote is copied before it is
// changed, and the copy is what there was.
func TestOlderSchemaIsBackedUp(t *testing.T) {
	ledger.InFile(t)
	dir := fixture(t, "schema1.db.gz")
	var was string
	raw(t, dir, func(db *sql.DB) {
		if err := db.QueryRow(`SELECT id FROM ledger`).Scan(&was); err != nil {
			t.Fatal(err)
		}
	})
	if err := tryOpen(t, dir); err != nil {
		t.Fatal(err)
	}
	copied := t.TempDir()
	b, err := os.ReadFile(filepath.Join(dir, "aex.db.schema1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(copied, "aex.db"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	raw(t, copied, func(db *sql.DB) {
		var version int
		var id string
		if err := db.QueryRow(`SELECT user_version, (SELECT id FROM ledger) FROM pragma_user_version`).Scan(&version, &id); err != nil || version != 1 || id != was {
			t.Errorf("the backup: schema %d, ledger %q, %v", version, id, err)
		}
	})
}
