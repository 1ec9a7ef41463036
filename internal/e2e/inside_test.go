//go:build linux

package e2e

import (
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// A program that finds aex in its PATH cannot raise its own budget with it, nor
// step out of its run by dropping the run's variables.
func TestProgramInsideARunChangesNothing(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	if r := s.do("agent", "create", "x", "1.00", "none"); r.code != 0 {
		t.Fatalf("exit %d %s", r.code, r.stderr)
	}
	s.env = append(s.env, "AEX="+binary)
	inside := func(script string) result {
		return s.do("run", "-q", "--agent", "x", "--budget", "0.50", "--", "sh", "-c", script)
	}
	without := "env -u AEX_RUN_ID -u AEX_URL -u AEX_AGENT_TOKEN "
	for _, command := range []string{
		"topup x 5", "agent create y 5 none", "agent set x --budget 5", "agent token x", "agent rotate-token x", "agent pause x",
		"agent resume x", "agent delete x", "env x", "runs stop ffff", "ledger prune --before 1d",
		"models update", "models reload", "serve --port 0", "daemon start", "daemon stop", "init",
	} {
		for _, how := range []string{"", without, "setsid " + without} {
			r := inside(how + `"$AEX" ` + command)
			if r.code == 0 || !strings.Contains(r.stderr, "refused inside a run") {
				t.Errorf("%s%s: exit %d, %q", how, command, r.code, r.stderr)
			}
		}
	}
	r := inside(without + `"$AEX" run --budget 0.90 -- sh -c 'echo "$AEX_RUN_ID"'`)
	if r.code != 0 || !strings.Contains(r.stderr, "less than the $0.90 asked for") {
		t.Errorf("a run below one: exit %d, %q", r.code, r.stderr)
	}
	if r := inside(`exec ` + without + `"$AEX" run --budget 0.90 -- true`); r.code != 125 || !strings.Contains(r.stderr, "this is inside a run") {
		t.Errorf("one that has lost its run: exit %d, %q", r.code, r.stderr)
	}
	s.audit()
}
