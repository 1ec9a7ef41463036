//go:build linux

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// talk is a run whose standard error is read line by line.
type talk struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
	heard []string
	out   strings.Builder
}

func (s *stage) talk(args ...string) *talk {
	s.t.Helper()
	k := &talk{t: s.t, cmd: s.aex(args...)}
	k.cmd.Stdout = &k.out
	r, err := k.cmd.StderrPipe()
	must(s.t, err)
	k.lines = bufio.NewScanner(r)
	must(s.t, k.cmd.Start())
	s.t.Cleanup(func() { _ = k.cmd.Process.Kill() })
	return k
}

// await reads up to the line that pattern matches, and returns its groups.
func (k *talk) await(pattern string) []string {
	k.t.Helper()
	p := regexp.MustCompile(pattern)
	for k.lines.Scan() {
		k.heard = append(k.heard, k.lines.Text())
		if m := p.FindStringSubmatch(k.lines.Text()); m != nil {
			return m
		}
	}
	k.t.Fatalf("no line like %s in\n%s", pattern, strings.Join(k.heard, "\n"))
	return nil
}

// end reads the rest, and returns the exit code and all lines.
func (k *talk) end() (int, string) {
	for k.lines.Scan() {
		k.heard = append(k.heard, k.lines.Text())
	}
	_ = k.cmd.Wait()
	return k.cmd.ProcessState.ExitCode(), strings.Join(k.heard, "\n")
}

// small is a budget that a few calls of worker use up.
var small = []string{"--agent", "x", "--budget", "0.01", "--grace", "5s", "--price", price}

func askArgs(more []string, program ...string) []string {
	args := append([]string{"run"}, small...)
	return append(append(append(args, more...), "--"), program...)
}

// A bot under ask is topped up three times from another process, and finishes
// without having seen an error.
func TestAskIsToppedUp(t *testing.T) {
	s := newStage(t, fakeprovider.Options{Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 300}})
	k := s.talk(askArgs([]string{"--on-exhausted", "ask", "--idle-timeout", "20s"}, bot("worker", "32")...)...)
	for range 3 {
		m := k.await(`^aex: x.*; aex topup ([0-9a-f]{4}) (\d+\.\d+)$`)
		if r := s.do("topup", m[1], "0.01"); r.code != 0 {
			t.Fatalf("topup: exit %d %s", r.code, r.stderr)
		}
	}
	code, said := k.end()
	if code != 0 || !strings.Contains(k.out.String(), "done 32 calls") {
		t.Errorf("exit %d, the bot says %q\n%s", code, k.out.String(), said)
	}
	if n := strings.Count(said, "aex topup"); n != 3 {
		t.Errorf("asked %d times for 3 top-ups\n%s", n, said)
	}
	if !strings.Contains(said, " of $0.04, 32 calls, ") {
		t.Errorf("the end line does not tell of the top-ups:\n%s", said)
	}
	if strings.Contains(said, "refused") {
		t.Errorf("what was let through in the end counts as refused:\n%s", said)
	}
	if bill := billed(t, s.provider); bill > 40_000 || spentOfAll(t, s) != bill {
		t.Errorf("billed %d, booked %d", bill, spentOfAll(t, s))
	}
	s.audit()
}

// An agent's top-up helps as well as a run's.
func TestAskForTheAgentsMoney(t *testing.T) {
	s := newStage(t, fakeprovider.Options{Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 300}})
	if r := s.do("agent", "create", "poor", "0.01", "none"); r.code != 0 {
		t.Fatalf("exit %d %s", r.code, r.stderr)
	}
	args := append([]string{"run", "--agent", "poor", "--on-exhausted", "ask", "--price", price, "--"}, bot("worker", "12")...)
	k := s.talk(args...)
	k.await(`^aex: poor.*; aex topup poor \d`)
	s.do("topup", "poor", "0.50")
	if code, said := k.end(); code != 0 {
		t.Errorf("exit %d %s\n%s", code, k.out.String(), said)
	}
	s.audit()
}

// Without a top-up, ask ends as kill does; with many callers, too.
func TestAskIsNotAnswered(t *testing.T) {
	for _, callers := range []string{"1", "8"} {
		s := newStage(t, fakeprovider.Options{Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 300}})
		r := s.do(askArgs([]string{"--on-exhausted", "ask", "--ask-timeout", "300ms", "--grace", "100ms"}, bot("loop", callers)...)...)
		if r.code != 121 || !strings.Contains(r.stderr, "budget exhausted") || !strings.Contains(r.stderr, "aex topup") {
			t.Errorf("%s callers: exit %d\n%s", callers, r.code, r.stderr)
		}
		if !regexp.MustCompile(`, \d+ refused`).MatchString(r.stderr) {
			t.Errorf("%s callers were refused in the end:\n%s", callers, r.stderr)
		}
		s.audit()
	}
}

// Who was asked until the time ran out is not asked again by what the run calls in its grace.
func TestAskAsksOnce(t *testing.T) {
	s := newStage(t, fakeprovider.Options{Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 300}})
	r := s.do(askArgs([]string{"--on-exhausted", "ask", "--ask-timeout", "300ms", "--grace", "2s"}, bot("loop", "1")...)...)
	if asked := strings.Count(r.stderr, "; aex topup "); r.code != 121 || asked != 1 {
		t.Errorf("exit %d, asked %d times\n%s", r.code, asked, r.stderr)
	}
	s.audit()
}

// Quiet asks nothing, and holds all the same.
func TestAskQuietly(t *testing.T) {
	s := newStage(t, fakeprovider.Options{Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 300}})
	r := s.do(askArgs([]string{"-q", "--on-exhausted", "ask", "--ask-timeout", "300ms", "--grace", "100ms"}, bot("loop", "1")...)...)
	if r.code != 121 || r.stderr != "" {
		t.Errorf("exit %d\n%s", r.code, r.stderr)
	}
}

// A run that is stopped while it asks ends as stopped.
// The guard of repeats is set so low that it would win if the run learned of its end only by looking.
func TestAskIsStopped(t *testing.T) {
	s := newStage(t, fakeprovider.Options{Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 300}})
	k := s.talk(askArgs([]string{"--on-exhausted", "ask", "--loop-guard", "kill:20"}, bot("loop", "2")...)...)
	m := k.await(`; aex topup ([0-9a-f]{4}) `)
	if r := s.do("runs", "stop", m[1]); r.code != 0 {
		t.Errorf("stop: exit %d %s", r.code, r.stderr)
	}
	if code, said := k.end(); code != 122 || !strings.Contains(said, "stopped by the operator") {
		t.Errorf("exit %d\n%s", code, said)
	}
	s.audit()
}

// A timeout ends a run that asks, as a timeout.
func TestAskTimesOut(t *testing.T) {
	s := newStage(t, fakeprovider.Options{Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 300}})
	r := s.do(askArgs([]string{"--on-exhausted", "ask", "--timeout", "2s"}, bot("loop", "2")...)...)
	if r.code != 124 {
		t.Errorf("exit %d\n%s", r.code, r.stderr)
	}
	s.audit()
}

// A paused agent's calls are held until it is resumed; without ask they are
// refused.
func TestAskWhilePaused(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	args := append([]string{"run", "--agent", "x", "--budget", "1", "--on-exhausted", "ask", "--"}, bot("steps")...)
	cmd := s.aex(args...)
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	errs, err := cmd.StderrPipe()
	must(t, err)
	must(t, cmd.Start())
	answers, said := bufio.NewScanner(out), bufio.NewScanner(errs)
	step := func() { _, err := io.WriteString(in, "\n"); must(t, err) }
	step()
	if answers.Scan(); answers.Text() != "200" {
		t.Fatalf("the first call got %s", answers.Text())
	}
	s.do("agent", "pause", "x")
	step()
	for said.Scan() && !strings.Contains(said.Text(), "aex agent resume x") {
	}
	s.do("agent", "resume", "x")
	if answers.Scan(); answers.Text() != "200" {
		t.Errorf("the paused call got %s", answers.Text())
	}
	must(t, in.Close())
	_, _ = io.Copy(io.Discard, errs)
	must(t, cmd.Wait())

	s.do("agent", "pause", "x")
	r := s.do(append([]string{"run", "--agent", "x", "--budget", "1", "--"}, bot("once", filepath.Join(t.TempDir(), "pid"))...)...)
	if !strings.HasPrefix(r.stdout, "403 ") {
		t.Errorf("without ask, a paused call got %s", r.stdout)
	}
	s.audit()
}

// refuse ends nobody: the program's own exit code stands, and the end line says
// what happened.
func TestRefuseKeepsTheExitCode(t *testing.T) {
	s := newStage(t, fakeprovider.Options{Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 300}})
	report := filepath.Join(t.TempDir(), "report.json")
	r := s.do(askArgs([]string{"--on-exhausted", "refuse", "--report", report}, bot("stubborn", "150", "7")...)...)
	if r.code != 7 || !strings.Contains(r.stderr, "budget exhausted") || !strings.Contains(r.stdout, "refused 150") {
		t.Errorf("exit %d %s\n%s", r.code, r.stdout, r.stderr)
	}
	var rep struct {
		Outcome   string
		Exhausted bool
	}
	readJSON(t, report, &rep)
	if rep.Outcome != "exited" || !rep.Exhausted {
		t.Errorf("the report says %+v", rep)
	}
	s.audit()
}

func readJSON(t *testing.T, file string, v any) {
	t.Helper()
	b, err := os.ReadFile(file)
	must(t, err)
	must(t, json.Unmarshal(b, v))
}

// worker makes N calls one after the other and fails at the first error.
func worker(args []string) int {
	var n int
	_, _ = fmt.Sscan(args[0], &n)
	for i := range n {
		if status, err := call(chatBody(2000, 1024)); status != 200 || err != nil {
			fmt.Println("call", i, "got", status, err)
			return 1
		}
	}
	fmt.Println("done", n, "calls")
	return 0
}

// steps makes a call for each line of its input, and prints the status.
func steps(in io.Reader) int {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		status, _ := call(chatBody(20, 50))
		fmt.Println(status)
	}
	return 0
}

// stubborn goes on until N calls were refused, and exits with CODE.
func stubborn(args []string) int {
	var n, code, refused int
	_, _ = fmt.Sscan(strings.Join(args, " "), &n, &code)
	for refused < n {
		status, err := call(chatBody(2000, 1024))
		if err != nil {
			return 99
		}
		if status == 402 {
			refused++
		}
	}
	fmt.Println("refused", refused)
	return code
}
