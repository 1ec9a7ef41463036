package ledger_test

import (
	"compress/gzip"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/ledger"
)

// fixture unpacks a ledger that an older aex made: three agents, a run within a
// run, calls on two days, refusals, an overrun, and a hold whose owner is dead.
// Times are those of October 30th and 31st, 2026.
func fixture(t *testing.T, name string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	in, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	z, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "aex.db"), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// sums are what a ledger's own tables tell, before and after.
func sums(t *testing.T, dir string, queries ...string) (all []string) {
	t.Helper()
	raw(t, dir, func(db *sql.DB) {
		for _, q := range queries {
			rs, err := db.Query(q)
			if err != nil {
				t.Fatal(q, err)
			}
			for rs.Next() {
				var key string
				var calls, cost int64
				if err := rs.Scan(&key, &calls, &cost); err != nil {
					t.Fatal(err)
				}
				all = append(all, fmt.Sprint(key, " ", calls, "/", cost))
			}
			if err := errors.Join(rs.Err(), rs.Close()); err != nil {
				t.Fatal(err)
			}
		}
	})
	return all
}

// Homes made by an aex before this one open, keep every sum and go on.
func TestOlderLedgersOpen(t *testing.T) {
	ledger.InFile(t)
	for name, byRun := range map[string]string{
		"schema1.db.gz": `SELECT r.id, 0, c.spent_micro + c.overrun_micro FROM run r JOIN account c ON c.id = r.account_id WHERE r.no = 2`,
		"schema2.db.gz": `SELECT r.id, 0, sum(t.cost_micro) FROM call_tally t JOIN run r ON r.no = t.run_no GROUP BY 1 ORDER BY 1`,
	} {
		t.Run(name, func(t *testing.T) {
			unverified := ""
			if name == "schema1.db.gz" { // its events do not say whose an account is
				unverified = "budgets"
			}
			dir := fixture(t, name)
			group := `SELECT %s, sum(calls), sum(cost_micro) FROM tally GROUP BY 1 HAVING sum(calls) <> 0 OR sum(cost_micro) <> 0 ORDER BY 1`
			whole := []string{fmt.Sprintf(group, "hour"), fmt.Sprintf(group, "agent_id"), fmt.Sprintf(group, "model"), fmt.Sprintf(group, "cause")}
			before, runs := sums(t, dir, whole...), sums(t, dir, byRun)
			opened, err := ledger.OpenReadOnly(t.Context(), ledger.Options{Path: filepath.Join(dir, "aex.db"), Home: dir})
			if err == nil || !strings.Contains(err.Error(), "not yet migrated") {
				t.Errorf("read without being migrated: %v %v", opened, err)
			}
			// Opened by somebody for whom its dead are alive, the sums are what they were.
			l := open(t, dir)
			verifyBut(t, l, unverified)
			if r := l.Recovered(); len(r) != 1 || r[0].Amount != 900 {
				t.Errorf("recovered %+v", r)
			}
			a, err := l.Agent(t.Context(), "atlas")
			if err != nil || a.Account.Charged() != 300+1700+40+321+900 || a.Account.Reserved != 0 {
				t.Errorf("atlas %+v, %v", a.Account, err)
			}
			hold, no, err := l.Admit(t.Context(), ledger.Admission{Token: ledger.HashToken("token of atlas"), Most: 100, Call: ledger.CallInfo{ModelAsked: "m"}})
			if err != nil || no != nil {
				t.Fatal(no, err)
			}
			if _, err := l.Settle(t.Context(), hold.ID, ledger.Settlement{How: ledger.Settled, Cost: 70}); err != nil {
				t.Fatal(err)
			}
			verifyBut(t, l, unverified)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			old := ` FROM tally WHERE hour < unixepoch('2026-11-01') / 3600 GROUP BY 1 HAVING sum(calls) <> 0 OR sum(cost_micro) <> 0 ORDER BY 1`
			after := sums(t, dir, `SELECT hour, sum(calls), sum(cost_micro)`+old, `SELECT agent_id, sum(calls), sum(cost_micro)`+old,
				`SELECT model, sum(calls), sum(cost_micro)`+old, `SELECT cause, sum(calls), sum(cost_micro)`+old)
			if !slices.Equal(before, after) {
				t.Errorf("sums before and after:\n%q\n%q", before, after)
			}
			byRunNow := sums(t, dir, `SELECT r.id, 0, sum(t.cost_micro) FROM tally t JOIN run r ON r.no = t.run_no WHERE hour < unixepoch('2026-11-01') / 3600 GROUP BY 1 ORDER BY 1`)
			for _, r := range runs {
				if !slices.Contains(byRunNow, r) {
					t.Errorf("by run: had %q, has %q", runs, byRunNow)
				}
			}
			sameSchema(t, dir)
			copies, err := filepath.Glob(filepath.Join(dir, "aex.db.schema?"))
			if err != nil || len(copies) != 1 {
				t.Errorf("copies of the ledger as it was: %q, %v", copies, err)
			}
		})
	}
}

// sameSchema compares a ledger's tables with those of a new one.
func sameSchema(t *testing.T, dir string) {
	t.Helper()
	fresh := t.TempDir()
	l := open(t, fresh)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	schema := func(dir string) (all []string) {
		raw(t, dir, func(db *sql.DB) {
			rs, err := db.Query(`SELECT type || ' ' || name || ' ' || replace(coalesce(sql, ''), '"', '') FROM sqlite_schema UNION ALL SELECT 'version ' || user_version FROM pragma_user_version ORDER BY 1`)
			if err != nil {
				t.Fatal(err)
			}
			defer rs.Close()
			for rs.Next() {
				var s string
				if err := rs.Scan(&s); err != nil {
					t.Fatal(err)
				}
				all = append(all, s)
			}
		})
		return all
	}
	if migrated, made := schema(dir), schema(fresh); !slices.Equal(migrated, made) {
		t.Errorf("a migrated ledger is\n%s\na new one is\n%s", strings.Join(migrated, "\n"), strings.Join(made, "\n"))
	}
}
