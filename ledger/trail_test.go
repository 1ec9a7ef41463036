package ledger_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// written makes a ledger with some history and closes it.
func written(t testing.TB, dir string) {
	t.Helper()
	l, err := ledger.Open(t.Context(), ledger.Options{Path: ledger.Place(dir), Home: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := agent(t, l, ledger.NewAgent{Name: "atlas", Budget: usd(t, "1"), Capabilities: json.RawMessage("{\n\"allow_tools\": true}")})
	for i := range 5 {
		hold, no, err := l.Admit(t.Context(), ledger.Admission{Token: h, Least: 10, Most: 100})
		if err != nil || no != nil {
			t.Fatal(no, err)
		}
		if _, err := l.Settle(t.Context(), hold.ID, ledger.Settlement{How: ledger.Settled, Cost: ledger.Micros(10 * i), RequestID: "req \"é\""}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.TopUpAgent(t.Context(), "atlas", 77); err != nil {
		t.Fatal(err)
	}
}

// raw runs SQL on a closed ledger, CHECKs off: what somebody with the file can do.
func raw(t testing.TB, dir string, do func(db *sql.DB)) {
	t.Helper()
	db, err := ledger.OpenRaw(dir)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	do(db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func must(t testing.TB, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(ledger.RawText(query), args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// auditFails reports whether the audit of a closed ledger finds something.
func auditFails(t testing.TB, dir string) (failed bool, what string) {
	t.Helper()
	l, err := ledger.OpenReadOnly(t.Context(), ledger.Options{Path: ledger.Place(dir), Home: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := l.Verify(context.Background(), func(done, all int64) {
		if done > all {
			t.Errorf("%d of %d", done, all)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range a.Checks {
		if !c.OK {
			return true, c.Name + ": " + c.Detail
		}
	}
	return false, ""
}

// TestEveryEditOfTheTrailIsFound edits, deletes, inserts, swaps and truncates
// event rows in every place, and bytes of their text in some: in every one with
// AEX_EVERY_BYTE=1.
func TestEveryEditOfTheTrailIsFound(t *testing.T) {
	dir := t.TempDir()
	written(t, dir)
	if failed, what := auditFails(t, dir); failed {
		t.Fatal(what)
	}
	rows, tried := trailRows(t, dir), 0
	try := func(name string, edit func(db *sql.DB)) {
		tried++
		raw(t, dir, edit)
		if failed, _ := auditFails(t, dir); !failed {
			t.Errorf("%s was not found", name)
		}
		raw(t, dir, func(db *sql.DB) {
			must(t, db, `DELETE FROM event_log`)
			for _, r := range rows {
				must(t, db, `INSERT INTO event_log VALUES (?, ?, ?)`, r.seq, string(r.body), r.hash)
			}
		})
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, row := range rows {
		at := r.Perm(len(row.body))
		if os.Getenv("AEX_EVERY_BYTE") == "" {
			at = at[:6]
		}
		for _, at := range at {
			edited, other := bytes.Clone(row.body), byte(' '+r.IntN(95))
			edited[at] ^= 1 << r.IntN(7)
			for how, body := range map[string][]byte{
				"edit":     edited,
				"deletion": slices.Delete(bytes.Clone(row.body), at, at+1),
				// Also of a space, which means nothing in JSON.
				"insertion": slices.Insert(bytes.Clone(row.body), at, other),
				"space":     slices.Insert(bytes.Clone(row.body), at, ' '),
			} {
				if !ledger.Untakable(body) {
					try(fmt.Sprintf("%s of byte %d of event %d", how, at, row.seq), func(db *sql.DB) {
						must(t, db, `UPDATE event_log SET body = ? WHERE seq = ?`, string(body), row.seq)
					})
				}
			}
		}
		editRow(t, row, try)
	}
	// A forger who makes all hashes anew is betrayed by the head.
	try("a forged chain", func(db *sql.DB) {
		prev := make([]byte, 32)
		for _, row := range rows {
			body := strings.Replace(string(row.body), `"by_micro":77`, `"by_micro":78`, 1)
			sum := sha256.Sum256(append(prev, body...))
			prev = sum[:]
			must(t, db, `UPDATE event_log SET body = ?, hash = ? WHERE seq = ?`, body, prev, row.seq)
		}
	})
	if failed, what := auditFails(t, dir); failed {
		t.Fatalf("after %d edits were undone: %s", tried, what)
	}
}

// editRow edits, deletes, inserts and swaps a row as a whole.
func editRow(t *testing.T, row trailRow, try func(name string, edit func(db *sql.DB))) {
	t.Helper()
	try(fmt.Sprint("hash of ", row.seq), func(db *sql.DB) {
		must(t, db, `UPDATE event_log SET hash = zeroblob(32) WHERE seq = ?`, row.seq)
	})
	try(fmt.Sprint("deletion of ", row.seq), func(db *sql.DB) { must(t, db, `DELETE FROM event_log WHERE seq = ?`, row.seq) })
	try(fmt.Sprint("truncation at ", row.seq), func(db *sql.DB) { must(t, db, `DELETE FROM event_log WHERE seq >= ?`, row.seq) })
	try(fmt.Sprint("loss of the beginning up to ", row.seq), func(db *sql.DB) { must(t, db, `DELETE FROM event_log WHERE seq <= ?`, row.seq) })
	try(fmt.Sprint("insertion after ", row.seq), func(db *sql.DB) {
		must(t, db, `UPDATE event_log SET seq = -seq - 1 WHERE seq > ?`, row.seq)
		must(t, db, `INSERT INTO event_log VALUES (? + 1, ?, ?)`, row.seq, string(row.body), row.hash)
		must(t, db, `UPDATE event_log SET seq = -seq WHERE seq < 0`)
	})
	if row.seq > 1 {
		try(fmt.Sprint("swap with ", row.seq), func(db *sql.DB) {
			must(t, db, `UPDATE event_log SET seq = -1 WHERE seq = ?`, row.seq)
			must(t, db, `UPDATE event_log SET seq = ? WHERE seq = ? - 1`, row.seq, row.seq)
			must(t, db, `UPDATE event_log SET seq = ? - 1 WHERE seq = -1`, row.seq)
		})
	}
}

// trailRow is a row of the event log.
type trailRow struct {
	seq        int64
	body, hash []byte
}

func trailRows(t *testing.T, dir string) (rows []trailRow) {
	t.Helper()
	raw(t, dir, func(db *sql.DB) {
		rs, err := db.Query(`SELECT seq, body, hash FROM event_log ORDER BY seq`)
		if err != nil {
			t.Fatal(err)
		}
		defer rs.Close()
		for rs.Next() {
			var r trailRow
			if err := rs.Scan(&r.seq, &r.body, &r.hash); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, r)
		}
	})
	return rows
}

// TestEveryEditOfMoneyIsFound edits accounts, holds and sums by SQL.
func TestEveryEditOfMoneyIsFound(t *testing.T) {
	for _, edit := range []string{
		`UPDATE account SET spent_micro = spent_micro - 1`,
		`UPDATE account SET spent_micro = 0`,
		`UPDATE account SET budget_micro = budget_micro + 1`,
		`UPDATE account SET target_micro = target_micro + 1, budget_micro = budget_micro + 1`,
		`UPDATE account SET target_micro = NULL, budget_micro = NULL`,
		`UPDATE account SET reserved_micro = 1`,
		`UPDATE account SET overrun_micro = 1`,
		`UPDATE account SET spent_micro = spent_micro - 1, overrun_micro = 1`,
		`UPDATE account SET parent = id`,
		`UPDATE account SET calls = calls - 1`,
		`UPDATE account SET calls = calls + 1`,
		`UPDATE account SET agent_id = 2`,
		`UPDATE account SET kind = 'run'`,
		`UPDATE account SET kind = 'window', "window" = 'daily', start_at = 5`,
		`UPDATE account SET start_at = 5`,
		`DELETE FROM account`,
		`INSERT INTO account (agent_id, kind) VALUES (1, 'run')`,
		`INSERT INTO hold (owner, n, state, agent_id, account_id, amount_micro, tokens, at, call) VALUES (1, 1, 'open', 1, 1, 5, 0, 0, '{}')`,
		`UPDATE tally SET cost_micro = 0`,
		`DELETE FROM ledger`,
		`UPDATE ledger SET id = 'other'`,
	} {
		t.Run(edit, func(t *testing.T) {
			dir := t.TempDir()
			written(t, dir)
			raw(t, dir, func(db *sql.DB) { must(t, db, edit) })
			l, err := ledger.OpenReadOnly(t.Context(), ledger.Options{Path: ledger.Place(dir), Home: dir})
			if err != nil {
				return // refused is found
			}
			l.Close()
			if failed, _ := auditFails(t, dir); !failed {
				t.Error("not found")
			}
		})
	}
}

// TestExportVerifies checks the export as docs/audit-format.md tells a reader
// to: with nothing but the lines.
func TestExportVerifies(t *testing.T) {
	dir := t.TempDir()
	written(t, dir)
	l := open(t, dir)
	var out bytes.Buffer
	if err := l.Export(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	prev := make([]byte, 32)
	n := 0
	for lines := bufio.NewScanner(&out); lines.Scan(); n++ {
		line := lines.Text()
		// {"hash":"<64 hex digits>","body":<body>}
		hash, body := line[9:73], line[82:len(line)-1]
		sum := sha256.Sum256(append(prev, body...))
		if hex.EncodeToString(sum[:]) != hash {
			t.Fatalf("line %d does not verify: %s", n+1, line)
		}
		if !json.Valid([]byte(line)) {
			t.Fatalf("line %d is not JSON", n+1)
		}
		prev = sum[:]
	}
	a, err := l.Verify(t.Context(), nil)
	if err != nil || a.Head != hex.EncodeToString(prev) || a.Events != int64(n) {
		t.Fatalf("exported %d lines to %x, audited %+v, %v", n, prev, a, err)
	}
}

func TestPruneKeepsChainAndSums(t *testing.T) {
	dir := t.TempDir()
	written(t, dir)
	l := open(t, dir)
	if p, err := l.Prune(t.Context(), time.Now().Add(-time.Hour)); err != nil || p.Events != 0 {
		t.Fatalf("pruned what is new: %+v %v", p, err)
	}
	for range 2 {
		p, err := l.Prune(t.Context(), time.Now().Add(time.Hour))
		if err != nil || p.Events == 0 {
			t.Fatalf("%+v %v", p, err)
		}
		verify(t, l)
		if _, err := l.TopUpAgent(t.Context(), "atlas", 1); err != nil {
			t.Fatal(err)
		}
		verify(t, l)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	raw(t, dir, func(db *sql.DB) { must(t, db, `UPDATE account SET spent_micro = 0`) })
	if failed, what := auditFails(t, dir); !failed || !strings.Contains(what, "sums") {
		t.Fatalf("an edit after pruning: %v %s", failed, what)
	}
}

func TestBackupIsALedger(t *testing.T) {
	ledger.InFile(t)
	dir, copied := t.TempDir(), t.TempDir()
	written(t, dir)
	l := open(t, dir)
	path := filepath.Join(copied, "aex.db")
	if err := l.Backup(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if err := l.Backup(t.Context(), path); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("overwrote a backup: %v", err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v %v", st.Mode(), err)
	}
	b := open(t, copied)
	verify(t, b)
	if a, err := b.Agent(t.Context(), "atlas"); err != nil || a.Account.Spent != 100 {
		t.Fatalf("%+v %v", a, err)
	}
}
