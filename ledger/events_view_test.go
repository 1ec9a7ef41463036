package ledger_test

import (
	"database/sql"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// The view of v1.2 promises that an agent's events add up to what it has spent:
// those of a deleted agent are not its successor's.
func TestEventsOfADeletedAgent(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	for range 2 {
		if _, err := l.CreateAgent(t.Context(), ledger.NewAgent{Name: "x"}); err != nil {
			t.Fatal(err)
		}
		token := ledger.HashToken(time.Now().String())
		if err := l.AddToken(t.Context(), ledger.NewToken{Hash: token, Agent: "x", Scope: ledger.Execution}); err != nil {
			t.Fatal(err)
		}
		h, no, err := l.Admit(t.Context(), ledger.Admission{Token: token, Least: 1000, Most: 1000})
		if err != nil || no != nil {
			t.Fatalf("%v, %+v", err, no)
		}
		if _, err := l.Settle(t.Context(), h.ID, ledger.Settlement{How: ledger.Settled, Cost: 1000}); err != nil {
			t.Fatal(err)
		}
		if err := l.DeleteAgent(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.CreateAgent(t.Context(), ledger.NewAgent{Name: "x"}); err != nil {
		t.Fatal(err)
	}
	raw(t, dir, func(db *sql.DB) {
		for name, want := range map[string]int64{"x": 0, "x (deleted)": 2000} {
			var cost, spent int64
			if err := db.QueryRow(ledger.RawText(`SELECT coalesce(sum(cost_micro), 0) FROM events WHERE agent = ?`), name).Scan(&cost); err != nil || cost != want {
				t.Errorf("%s: %d, want %d (%v)", name, cost, want, err)
			}
			if err := db.QueryRow(ledger.RawText(`SELECT coalesce(sum(spent_micro), 0) FROM agents WHERE name = ?`), name).Scan(&spent); err != nil || name == "x" && spent != cost {
				t.Errorf("%s has spent %d, its events %d (%v)", name, spent, cost, err)
			}
		}
	})
}
