//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// What ends a run before its budget does, each with its code and its words.
func TestGuards(t *testing.T) {
	for _, tt := range []struct {
		name   string
		flags  []string
		bot    []string
		answer fakeprovider.Behaviour
		code   int
		says   string
	}{
		{"timeout", []string{"--timeout", "300ms"}, []string{"sleep", "60"}, fakeprovider.Behaviour{}, 124, "timeout after 300ms"},
		{"idle timeout", []string{"--idle-timeout", "300ms"}, []string{"sleep", "60"}, fakeprovider.Behaviour{}, 124, "no call for 300ms"},
		{"max calls", []string{"--max-calls", "5"}, bot("loop", "1"), fakeprovider.Behaviour{}, 122, "--max-calls"},
		{"loop", []string{"--loop-guard", "kill:10"}, bot("loop", "1"), fakeprovider.Behaviour{OutputTokens: -1}, 122, "the same request 10 times"},
		{"a loop of requests without an end", nil, bot("loop", "1"), fakeprovider.Behaviour{Fault: fakeprovider.FaultCleanEnd}, 122, "the same request 100 times"},
		{"unmetered", []string{"--require-metered"}, []string{"true"}, fakeprovider.Behaviour{}, 122, "not metered"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, fakeprovider.Options{Behaviour: tt.answer})
			args := append([]string{"run", "--agent", "x", "--budget", "5", "--price", price}, tt.flags...)
			r := s.do(append(append(args, "--"), tt.bot...)...)
			if r.code != tt.code || !strings.Contains(r.stderr, tt.says) {
				t.Errorf("exit %d\n%s", r.code, r.stderr)
			}
			s.audit()
		})
	}
}

// A program that works is not taken for one that loops.
func TestLoopGuardLetsWorkPass(t *testing.T) {
	s := newStage(t, fakeprovider.Options{Behaviour: fakeprovider.Behaviour{OutputTokens: 20}})
	args := append([]string{"run", "--agent", "x", "--budget", "0.01", "--grace", "100ms", "--price", price, "--"}, bot("loop", "1")...)
	if r := s.do(args...); r.code != 121 {
		t.Errorf("exit %d\n%s", r.code, r.stderr)
	}
}

// The report goes to a file, and a job's summary gets a table.
func TestReports(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	dir := t.TempDir()
	summary, report := filepath.Join(dir, "summary.md"), filepath.Join(dir, "report.json")
	s.env = []string{"GITHUB_STEP_SUMMARY=" + summary}
	mark := filepath.Join(dir, "pid")
	r := s.do(append([]string{"run", "--agent", "a|b", "--budget", "0.50", "--report", report, "--"}, bot("once", mark)...)...)
	if r.code != 0 {
		t.Fatalf("exit %d\n%s", r.code, r.stderr)
	}
	table, err := os.ReadFile(summary)
	must(t, err)
	if !strings.Contains(string(table), `| a\|b | exited | $0.000`) {
		t.Errorf("the summary is\n%s", table)
	}
	if r := s.do("run", "--budget", "1", "--report", filepath.Join(dir, "no", "such", "dir"), "--", "true"); r.code != 125 || !strings.Contains(r.stderr, "report") {
		t.Errorf("a report that cannot be written: exit %d %s", r.code, r.stderr)
	}
}

// No budget anywhere is refused, unless it is what the user says.
func TestNoBudget(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	if r := s.do("run", "--budget", "none", "-q", "--", "true"); r.code != 0 {
		t.Errorf("--budget none: exit %d %s", r.code, r.stderr)
	}
	r := s.do("run", "--", "true")
	if r.code != 125 || !strings.Contains(r.stderr, "no budget") || !strings.Contains(r.stderr, "--budget 0.50") {
		t.Errorf("no budget: exit %d %s", r.code, r.stderr)
	}
}

// An agent that has used its budget starts nothing more.
func TestAgentAtZero(t *testing.T) {
	s := newStage(t, fakeprovider.Options{Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 300}})
	if r := s.do("agent", "create", "poor", "0.01", "none"); r.code != 0 {
		t.Fatalf("exit %d %s", r.code, r.stderr)
	}
	loop := append([]string{"run", "--agent", "poor", "--grace", "100ms", "--price", "gpt-4o-mini=6/0", "--"}, bot("loop", "1")...)
	if r := s.do(loop...); r.code != 121 {
		t.Fatalf("exit %d\n%s", r.code, r.stderr)
	}
	s.audit()
}
