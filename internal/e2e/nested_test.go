//go:build linux

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

type runRow struct {
	ID, Agent, Parent, State, Outcome string
	Code                              *int   `json:"exit_code"`
	Spent                             int64  `json:"spent_micro"`
	Reserved                          int64  `json:"reserved_micro"`
	Budget                            *int64 `json:"budget_micro"`
	Calls                             int64
}

// runs are those of the ledger, the newest first.
func (s *stage) runs() (list []runRow) {
	s.t.Helper()
	r := s.do("runs", "-n", "0", "--json")
	var raw []struct {
		runRow
		ID string `json:"run_id"`
	}
	if err := json.Unmarshal([]byte(r.stdout), &raw); err != nil {
		s.t.Fatalf("%v in %s%s", err, r.stdout, r.stderr)
	}
	for _, x := range raw {
		x.runRow.ID = x.ID
		list = append(list, x.runRow)
	}
	return list
}

// inside is the command of a run inside a run.
func inside(outer, inner []string, program ...string) []string {
	args := append([]string{"run"}, outer...)
	args = append(append(args, "--", binary, "run"), inner...)
	return append(append(args, "--"), program...)
}

// However deep, the program's end is aex's, and only the outermost books.
func TestNestedExitCode(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	r := s.do("run", "--agent", "x", "--budget", "0.50", "-q", "--", binary, "run", "-q", "--", binary, "run", "-q", "--", "sh", "-c", "printf out; printf err >&2; exit 9")
	if r.code != 9 || r.stdout != "out" || r.stderr != "err" {
		t.Errorf("exit %d %q %q", r.code, r.stdout, r.stderr)
	}
	if r := s.do(inside([]string{"--agent", "x", "--budget", "0.50", "-q"}, []string{"-q"}, "sh", "-c", "kill -TERM $$")...); r.code != 128+15 {
		t.Errorf("a program ended by TERM: exit %d %s", r.code, r.stderr)
	}
	runs := s.runs()
	if len(runs) != 5 {
		t.Fatalf("%d runs", len(runs))
	}
	for _, x := range runs[2:] {
		if x.State != "ended" || *x.Code != 9 {
			t.Errorf("%+v", x)
		}
	}
	if runs[2].Parent != runs[3].ID || runs[3].Parent != runs[4].ID || runs[4].Parent != "" {
		t.Errorf("the runs do not hang below each other: %+v", runs)
	}
	s.audit()
}

// A call inside is booked to both runs, once at the provider's price; the inner
// end line and report are its own.
func TestNestedBooks(t *testing.T) {
	s := newStage(t, fakeprovider.Options{Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 300}})
	report := filepath.Join(t.TempDir(), "report.json")
	r := s.do(inside([]string{"--agent", "x", "--budget", "0.50", "--price", price}, []string{"--report", report, "--require-metered"}, bot("worker", "3")...)...)
	if r.code != 0 || strings.Count(r.stderr, " of $0.50, 3 calls, ") != 2 {
		t.Errorf("exit %d %s\n%s", r.code, r.stdout, r.stderr)
	}
	runs, bill := s.runs(), billed(t, s.provider)
	if len(runs) != 2 || runs[0].Spent != bill || runs[1].Spent != bill || bill == 0 {
		t.Errorf("a bill of %d is booked as %+v", bill, runs)
	}
	var rep struct {
		Spent  int64  `json:"spent_micro"`
		Inside string `json:"inside_run_id"`
		Agent  string
	}
	readJSON(t, report, &rep)
	if rep.Spent != bill || rep.Inside != runs[1].ID || rep.Agent != "x" {
		t.Errorf("the report says %+v", rep)
	}
	if r := s.do(inside([]string{"--agent", "x", "--budget", "0.50", "-q"}, []string{"--require-metered"}, "true")...); r.code != 122 {
		t.Errorf("--require-metered inside: exit %d %s", r.code, r.stderr)
	}
	s.audit()
}

// An inner budget that is used up ends the inner run only.
func TestNestedBudgetEndsTheInner(t *testing.T) {
	s := newStage(t, fakeprovider.Options{Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 300}})
	inner := strings.Join(append([]string{binary, "run", "--budget", "0.01", "--grace", "100ms", "--"}, bot("loop", "2")...), " ")
	after := strings.Join(bot("worker", "2"), " ")
	r := s.do("run", "--agent", "x", "--budget", "0.50", "--price", price, "--", "sh", "-c", inner+`; echo inner $?; `+after)
	if r.code != 0 || !strings.Contains(r.stdout, "inner 121\ndone 2 calls") {
		t.Errorf("exit %d %s\n%s", r.code, r.stdout, r.stderr)
	}
	runs := s.runs()
	if len(runs) != 2 || runs[0].Outcome != "budget" || runs[0].Spent > 10_000 || runs[1].Outcome != "exited" || runs[1].Spent <= runs[0].Spent {
		t.Errorf("%+v", runs)
	}
	// Passed through, it is the outer's exit code as well.
	r = s.do(inside([]string{"--agent", "x", "--budget", "0.50", "--price", price}, []string{"--budget", "0.01", "--grace", "100ms"}, bot("loop", "1")...)...)
	if r.code != 121 || strings.Count(r.stderr, "budget exhausted") != 1 {
		t.Errorf("exit %d\n%s", r.code, r.stderr)
	}
	s.audit()
}

// When the outer's own budget is the limit, both end.
func TestNestedOuterBudgetEndsBoth(t *testing.T) {
	s := newStage(t, fakeprovider.Options{Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 300}})
	r := s.do(inside([]string{"--agent", "x", "--budget", "0.01", "--price", price, "--grace", "3s"}, []string{"--budget", "5", "--grace", "100ms"}, bot("loop", "2")...)...)
	if r.code != 121 || strings.Count(r.stderr, "budget exhausted") != 2 || !strings.Contains(r.stderr, "that is the limit") {
		t.Errorf("exit %d\n%s", r.code, r.stderr)
	}
	for _, x := range s.runs() {
		if x.Outcome != "budget" || x.Reserved != 0 {
			t.Errorf("%+v", x)
		}
	}
	s.audit()
}

// --max-calls, --idle-timeout and --on-exhausted are the inner run's own.
func TestNestedGuards(t *testing.T) {
	s := newStage(t, fakeprovider.Options{Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 300}})
	outer := []string{"--agent", "x", "--budget", "1", "--price", price, "-q"}
	for _, tt := range []struct {
		name    string
		inner   []string
		program []string
		code    int
		says    string
	}{
		{"max calls", []string{"--max-calls", "3"}, bot("loop", "1"), 122, "--max-calls"},
		{"idle", []string{"--idle-timeout", "300ms"}, []string{"sleep", "60"}, 124, "no call for 300ms"},
		{"timeout", []string{"--timeout", "300ms"}, []string{"sleep", "60"}, 124, "timeout after 300ms"},
		{"refuse", []string{"--budget", "0.01", "--on-exhausted", "refuse"}, bot("stubborn", "120", "7"), 7, "budget exhausted: "},
		{"ask", []string{"--budget", "0.01", "--on-exhausted", "ask", "--ask-timeout", "300ms", "--grace", "100ms"}, bot("loop", "1"), 121, "budget exhausted"},
		{"not found", nil, []string{"no-such-program-anywhere"}, 127, "not found"},
	} {
		if r := s.do(inside(outer, tt.inner, tt.program...)...); r.code != tt.code || !strings.Contains(r.stderr, tt.says) {
			t.Errorf("%s: exit %d\n%s", tt.name, r.code, r.stderr)
		}
	}
	s.audit()
}

// An outer run that asks holds the calls of the inner one, and a top-up lets
// them go on.
func TestNestedAsksOutside(t *testing.T) {
	s := newStage(t, fakeprovider.Options{Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 300}})
	k := s.talk(inside([]string{"--agent", "x", "--budget", "0.01", "--price", price, "--on-exhausted", "ask"}, nil, bot("worker", "14")...)...)
	m := k.await(`; aex topup ([0-9a-f]{4}) `)
	if outer := s.runs()[1]; !strings.HasPrefix(outer.ID, m[1]) || outer.Parent != "" {
		t.Errorf("run %s is to be topped up, not the outer one %s", m[1], outer.ID)
	}
	s.do("topup", m[1], "0.10")
	if code, said := k.end(); code != 0 {
		t.Errorf("exit %d %s\n%s", code, k.out.String(), said)
	}
	s.audit()
}

// An inner run is stopped by its id, and the outer one goes on.
func TestNestedStop(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	must(t, syscall.Mkfifo(fifo, 0o600))
	k := s.talk("run", "--agent", "x", "--budget", "1", "--", "sh", "-c", binary+` run -- sh -c 'echo $AEX_RUN_ID > `+fifo+`; sleep 60'; echo inner $?`)
	id, err := os.ReadFile(fifo)
	must(t, err)
	if r := s.do("runs", "stop", strings.TrimSpace(string(id))); r.code != 0 {
		t.Errorf("stop: exit %d %s", r.code, r.stderr)
	}
	if code, said := k.end(); code != 0 || k.out.String() != "inner 122\n" || !strings.Contains(said, "stopped by the operator") {
		t.Errorf("exit %d %s\n%s", code, k.out.String(), said)
	}
	s.audit()
}

// An inner aex that is killed leaves nothing: its program is gone, its run has
// ended with the outer's.
func TestNestedKilled(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	must(t, syscall.Mkfifo(fifo, 0o600))
	k := s.talk("run", "--agent", "x", "--budget", "1", "--", "sh", "-c", binary+` run -- sh -c 'echo $$ > `+fifo+`; sleep 60' & inner=$!; echo $inner >> `+fifo+`; wait $inner; echo inner $?`)
	var pids []int
	for len(pids) < 2 {
		b, err := os.ReadFile(fifo)
		must(t, err)
		for _, f := range strings.Fields(string(b)) {
			pid, err := strconv.Atoi(f)
			must(t, err)
			pids = append(pids, pid)
		}
	}
	program, aex := max(pids[0], pids[1]), min(pids[0], pids[1])
	must(t, syscall.Kill(aex, syscall.SIGKILL))
	if code, said := k.end(); code != 0 || k.out.String() != "inner 137\n" {
		t.Errorf("exit %d %s\n%s", code, k.out.String(), said)
	}
	awaitGone(t, program)
	if runs := s.runs(); len(runs) != 2 || runs[0].Outcome != "lost" || runs[1].Outcome != "exited" {
		t.Errorf("%+v", runs)
	}
	s.audit()
}

// The environment of a run that is over is told of, and none of it is used.
func TestStaleOuter(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	saved := filepath.Join(t.TempDir(), "env")
	if r := s.do("run", "--agent", "x", "--budget", "1", "-q", "--", "sh", "-c", "env > "+saved); r.code != 0 {
		t.Fatalf("exit %d %s", r.code, r.stderr)
	}
	b, err := os.ReadFile(saved)
	must(t, err)
	cmd := s.aex(append([]string{"run", "--agent", "x", "--budget", "1", "--"}, bot("once", filepath.Join(t.TempDir(), "pid"))...)...)
	cmd.Env = append(strings.Split(strings.TrimSpace(string(b)), "\n"), "GROQ_API_KEY=unused")
	must(t, os.WriteFile(filepath.Join(s.home, ".env"), []byte("OPENAI_API_KEY="+realKey+"\nOPENAI_BASE_URL="+s.url+"/v1\n"), 0o600))
	r := finish(t, cmd)
	if r.code != 0 || !strings.Contains(r.stderr, "is over") || !strings.Contains(r.stderr, "stands alone") {
		t.Errorf("exit %d %s\n%s", r.code, r.stdout, r.stderr)
	}
	if runs := s.runs(); len(runs) != 2 || runs[0].Parent != "" {
		t.Errorf("%+v", runs)
	}
}

// What the outer run may not do, a run inside it may not do either.
func TestNestedPolicyHolds(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	must(t, os.WriteFile(policy, []byte("version: 1\nmodels: {allow: [gpt-4o]}\n"), 0o600))
	r := s.do(inside([]string{"--agent", "x", "--budget", "1", "--policy", policy}, []string{"--budget", "0.5"}, bot("once", filepath.Join(t.TempDir(), "pid"))...)...)
	if !strings.HasPrefix(r.stdout, "403 ") {
		t.Errorf("exit %d %s\n%s", r.code, r.stdout, r.stderr)
	}
	// The capabilities of the agent that the inner run names hold as well.
	if r := s.do("agent", "create", "bound", "1", "none", "--allowed-models", "gpt-4o"); r.code != 0 {
		t.Fatalf("exit %d %s", r.code, r.stderr)
	}
	r = s.do(inside([]string{"--agent", "x", "--budget", "1"}, []string{"--agent", "bound"}, bot("once", filepath.Join(t.TempDir(), "pid"))...)...)
	if !strings.HasPrefix(r.stdout, "403 ") || !strings.Contains(r.stderr, "of agent x, who pays") {
		t.Errorf("exit %d %s\n%s", r.code, r.stdout, r.stderr)
	}
	s.audit()
}
