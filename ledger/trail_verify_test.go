package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// TestEveryEditIsFoundWithoutAex: docs/verify.py finds in an export what was
// edited, removed, put in, put in another order or cut off, with the head that lies
// outside of the database; so does the audit. Also where all hashes are made anew,
// and where the beginning has been folded.
func TestEveryEditIsFoundWithoutAex(t *testing.T) {
	for _, pruned := range []bool{false, true} {
		t.Run(fmt.Sprintf("pruned %v", pruned), func(t *testing.T) {
			dir := t.TempDir()
			written(t, dir)
			if pruned {
				fold(t, dir)
			}
			trail, head := filepath.Join(t.TempDir(), "trail"), filepath.Join(dir, "head")
			if out, ok := exportAndVerify(t, dir, trail, head); !ok {
				t.Fatal(out)
			}
			rows := trailRows(t, dir)
			try := func(name string, edit func(db *sql.DB)) {
				if name == fmt.Sprint("swap with ", rows[0].seq) {
					return // there is nothing before it, and the lines stay as they are
				}
				raw(t, dir, edit)
				if out, ok := exportAndVerify(t, dir, trail, head); ok {
					t.Errorf("verify.py does not find %s: %s", name, out)
				}
				if failed, _ := auditFails(t, dir); !failed {
					t.Errorf("the audit does not find %s", name)
				}
				putBack(t, dir, rows)
			}
			for _, i := range []int{0, len(rows) / 2, len(rows) - 1} {
				row := rows[i]
				editRow(t, row, try)
				try(fmt.Sprint("a space in ", row.seq), func(db *sql.DB) {
					must(t, db, `UPDATE event_log SET body = body || ' ' WHERE seq = ?`, row.seq)
				})
			}
			try("a forged chain", func(db *sql.DB) { forge(t, db, rows, `"by_micro":77`, `"by_micro":78`) })
			if pruned {
				try("a forged checkpoint", func(db *sql.DB) { forge(t, db, rows, `"billed_micro":100`, `"billed_micro":90`) })
			}
			if out, ok := exportAndVerify(t, dir, trail, head); !ok {
				t.Error(out)
			}
		})
	}
}

// fold prunes a ledger, and adds to it.
func fold(t *testing.T, dir string) {
	t.Helper()
	l, err := ledger.Open(t.Context(), ledger.Options{Path: ledger.Place(dir), Home: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if p, err := l.Prune(t.Context(), time.Now().Add(time.Hour)); err != nil || p.Events == 0 {
		t.Fatalf("%+v %v", p, err)
	}
	if _, err := l.TopUpAgent(t.Context(), "atlas", 77); err != nil {
		t.Fatal(err)
	}
}

func exportAndVerify(t *testing.T, dir, trail, head string) (out string, ok bool) {
	t.Helper()
	l, err := ledger.OpenReadOnly(t.Context(), ledger.Options{Path: ledger.Place(dir), Home: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var lines bytes.Buffer
	if err := l.Export(t.Context(), &lines); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(trail, lines.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return ledger.VerifyPython(t, trail, head)
}

func putBack(t *testing.T, dir string, rows []trailRow) {
	t.Helper()
	raw(t, dir, func(db *sql.DB) {
		must(t, db, `DELETE FROM event_log`)
		for _, r := range rows {
			must(t, db, `INSERT INTO event_log VALUES (?, ?, ?)`, r.seq, string(r.body), r.hash)
		}
	})
}

// forge changes what an event says and makes all hashes from there on anew.
func forge(t *testing.T, db *sql.DB, rows []trailRow, from, to string) {
	t.Helper()
	var prev []byte
	for i, row := range rows {
		body := strings.Replace(string(row.body), from, to, 1)
		if prev == nil && body == string(row.body) {
			continue
		}
		if prev == nil {
			prev = make([]byte, 32)
			if i > 0 {
				prev = rows[i-1].hash
			}
		}
		sum := sha256.Sum256(append(bytes.Clone(prev), body...))
		prev = sum[:]
		must(t, db, `UPDATE event_log SET body = ?, hash = ? WHERE seq = ?`, body, prev, row.seq)
	}
	if prev == nil {
		t.Fatalf("no event has %s", from)
	}
}
