//go:build linux

package e2e

import (
	"bufio"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// serve starts aex serve, and returns the URL that it says it serves on.
func (s *stage) serve(args ...string) (url string) {
	s.t.Helper()
	cmd := s.aex(append([]string{"serve", "--port", "0"}, args...)...)
	r, err := cmd.StderrPipe()
	must(s.t, err)
	cmd.Stdout = cmd.Stderr
	must(s.t, cmd.Start())
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if m := regexp.MustCompile(`serving on (http://\S+?),`).FindStringSubmatch(lines.Text()); m != nil {
			url = m[1]
			break
		}
	}
	s.t.Cleanup(func() {
		must(s.t, cmd.Process.Signal(syscall.SIGTERM))
		for lines.Scan() {
		}
		_ = cmd.Wait()
	})
	if url == "" {
		s.t.Fatal("aex serve does not say where it serves")
	}
	return url
}

// The upstream of a run is a shared aex: when the agent's money is gone there,
// the run here ends as if it were its own.
func TestUpstreamIsAnAex(t *testing.T) {
	shared := newStage(t, fakeprovider.Options{Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 300}})
	if r := shared.do("agent", "create", "team", "0.02", "none"); r.code != 0 {
		t.Fatalf("exit %d %s", r.code, r.stderr)
	}
	r := shared.do("agent", "token", "team")
	token := regexp.MustCompile(`[0-9a-f]{32}`).FindString(r.stdout)
	url := shared.serve("--price", price)

	local := newStage(t, fakeprovider.Options{})
	local.env = []string{"OPENAI_API_KEY=" + token, "OPENAI_BASE_URL=" + url + "/v1"}
	report := filepath.Join(t.TempDir(), "report.json")
	args := []string{"run", "--agent", "x", "--budget", "5", "--price", price, "--grace", "100ms", "--report", report, "--"}
	r = local.do(append(args, bot("loop", "2")...)...)
	if r.code != 121 || !strings.Contains(r.stderr, "the budget of the aex upstream is exhausted: $0.0") {
		t.Errorf("exit %d\n%s", r.code, r.stderr)
	}
	var rep struct {
		Spent   int64 `json:"spent_micro"`
		Outcome string
	}
	readJSON(t, report, &rep)
	// What the tree's end cut is booked in full here, and read to its end there.
	if bill := billed(t, shared.provider); rep.Spent < bill || bill == 0 || rep.Outcome != "budget" {
		t.Errorf("a bill of %d is booked here as %+v", bill, rep)
	}

	// refuse ends nobody for that either, and a run inside a run ends with it.
	r = local.do("run", "--agent", "x", "--budget", "5", "--price", price, "--on-exhausted", "refuse", "--", "env", "AEX_E2E_ROLE=stubborn", bot("x")[2], "120", "7")
	if r.code != 7 || !strings.Contains(r.stderr, "budget exhausted") {
		t.Errorf("refuse: exit %d\n%s", r.code, r.stderr)
	}
	r = local.do(inside([]string{"--agent", "x", "--budget", "5", "--price", price, "--grace", "3s"}, []string{"--budget", "1", "--grace", "100ms"}, bot("loop", "1")...)...)
	if r.code != 121 || strings.Count(r.stderr, "exhausted: ") != 2 {
		t.Errorf("nested: exit %d\n%s", r.code, r.stderr)
	}
	local.audit()
}
