//go:build linux

package e2e

import (
	"database/sql"
	"os"
	"os/exec"
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

// What calls are decided by, and is put back before the run ends, does not stay
// unseen either; what aex itself changes meanwhile is no fault.
func TestLedgerChangedAndPutBack(t *testing.T) {
	for name, change := range map[string]struct{ there, back string }{
		"a group's budget": {
			"UPDATE account SET target_micro = 90000000, budget_micro = 90000000 WHERE kind = 'group'",
			"UPDATE account SET target_micro = 5000000, budget_micro = 5000000 WHERE kind = 'group'",
		},
		"a group's daily budget": {
			"INSERT INTO group_budget VALUES (1, 'weekly', 90000000)",
			"DELETE FROM group_budget WHERE \"window\" = 'weekly'",
		},
		"a group's pause":   {"UPDATE agent_group SET paused = 1", "UPDATE agent_group SET paused = 0"},
		"the agent's group": {"UPDATE agent SET group_id = NULL", "UPDATE agent SET group_id = 1"},
		"limits":            {"UPDATE agent SET rpm_limit = 900", "UPDATE agent SET rpm_limit = 700"},
		"the run's budget":  {"UPDATE account SET target_micro = 90000000, budget_micro = 90000000 WHERE kind = 'run'", "UPDATE account SET target_micro = 1000000, budget_micro = 1000000 WHERE kind = 'run'"},
		"the run's calls":   {"UPDATE run SET max_calls = 99", "UPDATE run SET max_calls = 0"},
		"capabilities":      {`UPDATE agent SET capabilities = '{"allow_tools":false}'`, "UPDATE agent SET capabilities = (SELECT capabilities FROM agent_before)"},
		"the run's policy":  {`UPDATE run SET policy = '{"allow_tools":false}'`, "UPDATE run SET policy = NULL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, aex, step, stop := inAGroup(t)
			edit(t, s.home, "CREATE TABLE IF NOT EXISTS agent_before AS SELECT * FROM agent; "+change.there)
			step() // by what is known of the token; it finds out that somebody has written
			step()
			edit(t, s.home, change.back+"; DROP TABLE agent_before")
			step()
			if said := stop(); aex.ProcessState.ExitCode() != 125 || !strings.Contains(said, "no event tells of") {
				t.Errorf("%v\n%s", aex.ProcessState, said)
			}
		})
	}
	t.Run("by aex", func(t *testing.T) {
		t.Parallel()
		s, aex, step, stop := inAGroup(t)
		for _, args := range [][]string{
			{"agent", "set", "x", "--rpm", "600"}, {"agent", "set", "x", "--no-tools"}, {"topup", "x", "1"}, {"group", "set", "team", "--budget", "7"},
			{"group", "set", "team", "--budget", "3/day"}, {"group", "topup", "team", "1/day"}, {"agent", "set", "x", "--budget", "20/day"}, {"agent", "set", "x", "--group", "none"},
		} {
			if r := s.do(args...); r.code != 0 {
				t.Errorf("%q: exit %d\n%s", args, r.code, r.stderr)
			}
			step()
		}
		if said := stop(); aex.ProcessState.ExitCode() != 0 {
			t.Errorf("%v\n%s", aex.ProcessState, said)
		}
		s.audit()
	})
}

// inAGroup is a run of an agent in a group, that has made a call.
func inAGroup(t *testing.T) (s *stage, aex *exec.Cmd, step, stop func() string) {
	t.Helper()
	s = newStage(t, fakeprovider.Options{})
	for _, args := range [][]string{{"group", "create", "team", "--budget", "5"}, {"agent", "create", "x", "10", "700", "--group", "team"}} {
		if r := s.do(args...); r.code != 0 {
			t.Fatalf("%q: exit %d\n%s", args, r.code, r.stderr)
		}
	}
	aex, step, stop = stepping(t, s)
	if got := step(); got != "200" {
		t.Fatalf("the call got %s", got)
	}
	s.settled(t)
	return s, aex, step, stop
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
	db, err := sql.Open("sqlite", "file:"+filepath.Join(home, "aex.db")+"?_pragma=busy_timeout(10000)")
	must(t, err)
	defer db.Close()
	_, err = db.Exec(statements)
	must(t, err)
}
