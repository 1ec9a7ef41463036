//go:build linux

package e2e

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// What a program under the same user does to the ledger does not stay unseen:
// its run ends with 125 and says so.
func TestLedgerChangedBehindAex(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, home string){
		"accounts": func(t *testing.T, home string) {
			edit(t, home, "UPDATE account SET spent_micro = 0")
		},
		"accounts and events alike": func(t *testing.T, home string) {
			edit(t, home, "UPDATE account SET spent_micro = 0; DROP TRIGGER IF EXISTS event_log_append_only; UPDATE event_log SET body = replace(body, '\"cost_micro\":', '\"cost_micro\":0')")
		},
		"the run's budget": func(t *testing.T, home string) {
			edit(t, home, "UPDATE account SET target_micro = target_micro + 9000000, budget_micro = budget_micro + 9000000 WHERE kind = 'run'")
		},
		"the agent's budget": func(t *testing.T, home string) {
			edit(t, home, "UPDATE account SET target_micro = 90000000, budget_micro = 90000000 WHERE kind = 'agent'")
		},
		"the log cut off": func(t *testing.T, home string) {
			must(t, os.Truncate(filepath.Join(home, "aex.db-wal"), 0))
		},
		"the home gone": func(t *testing.T, home string) {
			must(t, os.RemoveAll(home))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, fakeprovider.Options{})
			aex, step, stop := stepping(t, s)
			if got := step(); got != "200" {
				t.Fatalf("the call got %s", got)
			}
			s.settled(t)
			change(t, s.home)
			said := stop()
			if aex.ProcessState.ExitCode() != 125 || !strings.Contains(said, "aex: ") {
				t.Errorf("%v\n%s", aex.ProcessState, said)
			}
			if r := s.do("audit"); r.code == 0 {
				t.Errorf("the audit after that passes\n%s", r.stdout)
			}
		})
	}
}

// settled waits until the call that was made is booked.
func (s *stage) settled(t *testing.T) {
	t.Helper()
	for {
		must(t, t.Context().Err())
		if r := s.do("events", "--action", "usage.commit"); strings.Contains(r.stdout, "usage.commit") {
			return
		}
	}
}

// edit writes to a ledger as a program that knows SQLite does.
func edit(t *testing.T, home, statements string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(home, "aex.db"))
	must(t, err)
	defer db.Close()
	_, err = db.Exec(statements)
	must(t, err)
}
