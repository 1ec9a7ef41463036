//go:build linux

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	_ "github.com/Auro-rium/aex/v3/internal/cli" // these tests build and start it: a result that go keeps must be of this code
	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// price is $0.60 and $2.40 per million tokens, here and on the provider's bill.
const price = "gpt-4o-mini=0.60/2.40"

func billed(t *testing.T, p *fakeprovider.Provider) int64 {
	t.Helper()
	_, rate, err := fakeprovider.ParsePrice(price)
	must(t, err)
	var sum int64
	for _, e := range p.Bill() {
		if e.Charged {
			sum += rate.Micros(e.Usage) * max(e.Calls, 1)
		}
	}
	return sum
}

func pids(t *testing.T, dir string) (list []int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			list = append(list, pid)
		}
	}
	return list
}

// A runaway is stopped at its budget, with all that it started; what is left
// is less than a call, and the ledger equals the bill.
func TestRunawayIsEnded(t *testing.T) {
	for _, callers := range []string{"1", "20"} {
		t.Run(callers+" callers", func(t *testing.T) {
			s := newStage(t, fakeprovider.Options{Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 300}})
			dir, report := t.TempDir(), filepath.Join(t.TempDir(), "report.json")
			args := append([]string{"run", "--agent", "x", "--budget", "0.50", "--price", price, "--grace", "100ms", "--report", report, "--"}, bot("loop", callers, dir)...)
			r := s.do(args...)
			if r.code != 121 {
				t.Fatalf("exit %d\n%s", r.code, r.stderr)
			}
			bill := billed(t, s.provider)
			if bill > 500_000 || bill < 475_000 {
				t.Errorf("the bill is %d of 500000 micro-dollars: more than 5 %% is left, or it is over", bill)
			}
			var rep struct {
				Spent   int64  `json:"spent_micro"`
				Outcome string `json:"outcome"`
				Ended   []struct{ PID int }
			}
			b, err := os.ReadFile(report)
			must(t, err)
			must(t, json.Unmarshal(b, &rep))
			// A call cut by the end is booked in full; the rest to the micro-dollar.
			if rep.Spent < bill || rep.Spent > 500_000 || rep.Outcome != "budget" {
				t.Errorf("booked %d (%s), billed %d", rep.Spent, rep.Outcome, bill)
			}
			if !strings.Contains(r.stderr, "aex: x: budget exhausted: $0.4") || !strings.Contains(r.stderr, "exit 121)") {
				t.Errorf("the end line is\n%s", r.stderr)
			}
			family := pids(t, dir)
			if len(family) != 2 {
				t.Fatalf("the bot has a family of %d", len(family))
			}
			for _, pid := range family {
				awaitGone(t, pid)
			}
			s.audit()
		})
	}
}

// Two runs share what their agent has, in two processes.
func TestTwoRunsShareOneAgent(t *testing.T) {
	s := newStage(t, fakeprovider.Options{Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 100}})
	if r := s.do("agent", "create", "shared", "0.10", "none"); r.code != 0 {
		t.Fatalf("creating the agent: %d %s", r.code, r.stderr)
	}
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			args := append([]string{"run", "--agent", "shared", "--budget", "0.10", "--price", price, "--grace", "100ms", "--"}, bot("loop", "4")...)
			if r := s.do(args...); r.code != 121 {
				t.Errorf("exit %d\n%s", r.code, r.stderr)
			}
		})
	}
	both.Wait()
	if bill := billed(t, s.provider); bill > 100_000 || bill < 90_000 {
		t.Errorf("two runs of an agent with $0.10 were billed %d micro-dollars", bill)
	}
	s.audit()
}

// start begins a run whose one call hangs at the provider, and returns aex,
// the bot's process and its family.
func startHanging(t *testing.T, s *stage) (aex *exec.Cmd, child int) {
	t.Helper()
	s.provider.Set(fakeprovider.Behaviour{Fault: fakeprovider.FaultHangHeaders})
	mark := filepath.Join(t.TempDir(), "pid")
	aex = s.aex(append([]string{"run", "--agent", "x", "--budget", "0.50", "--price", price, "--"}, bot("once", mark)...)...)
	aex.Stderr = new(strings.Builder)
	must(t, aex.Start())
	must(t, s.provider.Hung(t.Context(), 1))
	b, err := os.ReadFile(mark)
	must(t, err)
	child, err = strconv.Atoi(string(b))
	must(t, err)
	return aex, child
}

// kill -9 of aex in mid-call loses no cost and leaves no process.
func TestKilledInMidCall(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	aex, child := startHanging(t, s)
	must(t, aex.Process.Kill())
	_ = aex.Wait()
	awaitGone(t, child)
	r := s.do("status")
	if r.code != 0 || !strings.Contains(r.stderr, "in full") {
		t.Errorf("the next command: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	events := s.do("events", "--json")
	if !strings.Contains(events.stdout, "recovered") {
		t.Errorf("no event is marked recovered:\n%s", events.stdout)
	}
	if spent := spentOfAll(t, s); spent < billed(t, s.provider) || spent == 0 {
		t.Errorf("booked %d of a bill of %d", spent, billed(t, s.provider))
	}
	s.audit()
}

func spentOfAll(t *testing.T, s *stage) (sum int64) {
	t.Helper()
	r := s.do("runs", "--json")
	var runs []struct {
		Spent    int64 `json:"spent_micro"`
		Reserved int64 `json:"reserved_micro"`
	}
	if err := json.Unmarshal([]byte(r.stdout), &runs); err != nil {
		t.Fatalf("%v in %s", err, r.stdout)
	}
	for _, run := range runs {
		sum += run.Spent
		if run.Reserved != 0 {
			t.Errorf("%d is still reserved", run.Reserved)
		}
	}
	return sum
}

// kill -9 of the monitor: aex ends the tree itself, and says 125.
func TestMonitorKilled(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	aex, child := startHanging(t, s)
	monitor := 0
	for p := strconv.Itoa(child); p != "" && p != "1"; p = parent(p) {
		if strings.Contains(cmdline(p), "__monitor") {
			monitor, _ = strconv.Atoi(p)
			break
		}
	}
	if monitor == 0 {
		t.Fatal("the bot has no monitor above it")
	}
	must(t, syscall.Kill(monitor, syscall.SIGKILL))
	_ = aex.Wait()
	if code := aex.ProcessState.ExitCode(); code != 125 {
		t.Errorf("exit %d", code)
	}
	awaitGone(t, child)
	s.audit()
}

// The key is nowhere that a child of the same user can look. Root can look
// everywhere, so that aex and its child are then somebody else.
func TestKeyIsNowhere(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	run := append([]string{"run", "--agent", "x", "--budget", "0.50", "-v", "--"}, bot("grep", reverse(realKey), s.home)...)
	cmd := s.aex(run...)
	if os.Getuid() == 0 {
		const nobody = 65534
		dir := t.TempDir()
		self, aex := filepath.Join(dir, "bot"), filepath.Join(dir, "aex")
		copyFile(t, os.Args[0], self)
		copyFile(t, binary, aex)
		for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
			must(t, os.Chmod(d, 0o755))
		}
		s.home = filepath.Join(t.TempDir(), "home")
		for d := filepath.Dir(s.home); d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
			must(t, os.Chmod(d, 0o755))
		}
		must(t, os.Mkdir(s.home, 0o700))
		must(t, os.Chown(s.home, nobody, nobody))
		cmd = s.aex("run", "--agent", "x", "--budget", "0.50", "-v", "--", "env", "AEX_E2E_ROLE=grep", self, reverse(realKey), s.home)
		cmd.Path, cmd.Dir = aex, "/"
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	r := finish(t, cmd)
	if r.code != 0 || !strings.Contains(r.stdout, "found 0") {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if strings.Contains(r.stdout+r.stderr, realKey) {
		t.Error("aex printed the key")
	}
	if out, _ := exec.Command("grep", "-rlF", realKey, s.home).Output(); len(out) > 0 {
		t.Errorf("the key is in %s", out)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	must(t, err)
	must(t, os.WriteFile(to, b, 0o755))
}

// Every way to begin wrongly has one clear line, a next step and its code.
func TestClearErrors(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	readOnly := filepath.Join(t.TempDir(), "ro")
	must(t, os.Mkdir(readOnly, 0o500))
	program := []string{"--", "true"}
	for _, tt := range []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"no budget", []string{"run", "--agent", "nobody"}, 125, []string{"no such agent", "hint: give a --budget"}},
		{"negative budget", []string{"run", "--budget", "-1"}, 125, []string{"-1", "like 0.50"}},
		{"budget of letters", []string{"run", "--budget", "abc"}, 125, []string{"abc", "like 0.50"}},
		{"budget too fine", []string{"run", "--budget", "0.0000001"}, 125, []string{"six decimal places"}},
		{"budget too large", []string{"run", "--budget", "1e400"}, 125, []string{"1e400"}},
		{"infinite budget", []string{"run", "--budget", "inf"}, 125, []string{"inf"}},
		{"bad price", []string{"run", "--budget", "1", "--price", "m=-1/2"}, 125, []string{"m=-1/2"}},
		{"bad flag", []string{"run", "--nope"}, 125, []string{"nope", "hint"}},
	} {
		r := s.do(append(tt.args, program...)...)
		if r.code != tt.code || r.stdout != "" {
			t.Errorf("%s: exit %d, stdout %q, stderr %s", tt.name, r.code, r.stdout, r.stderr)
		}
		for _, say := range tt.says {
			if !strings.Contains(r.stderr, say) {
				t.Errorf("%s does not say %q: %s", tt.name, say, r.stderr)
			}
		}
	}
	if r := s.do("run", "--budget", "1", "--", "no-such-program-anywhere"); r.code != 127 || !strings.Contains(r.stderr, "not found") {
		t.Errorf("missing program: %d %s", r.code, r.stderr)
	}
	if r := s.do("run", "--budget", "1", "--", "/etc/passwd"); r.code != 126 {
		t.Errorf("no program: %d %s", r.code, r.stderr)
	}
	if r := s.do("run", "--budget", "1"); r.code != 125 {
		t.Errorf("nothing to run: %d %s", r.code, r.stderr)
	}
	if os.Getuid() != 0 { // root may write everywhere
		s.env = []string{"AEX_HOME=" + filepath.Join(readOnly, "home")}
		if r := s.do(append([]string{"run", "--budget", "1"}, program...)...); r.code != 125 || !strings.Contains(r.stderr, "home") {
			t.Errorf("read-only home: %d %s", r.code, r.stderr)
		}
	}
	s.env = []string{"AEX_HOME=/proc/self/nowhere"}
	if r := s.do(append([]string{"run", "--budget", "1"}, program...)...); r.code != 125 || strings.Count(r.stderr, "\n") > 3 {
		t.Errorf("home that cannot be: %d %s", r.code, r.stderr)
	}
}

// Without a key the run goes on, the call is refused with the variable's name,
// and a .env that has it is pointed out.
func TestMissingKey(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	cmd := s.aex(append([]string{"run", "--agent", "x", "--budget", "1", "--"}, bot("once", filepath.Join(t.TempDir(), "pid"))...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(s.home), "AEX_HOME=" + s.home}
	must(t, os.WriteFile(filepath.Join(cmd.Dir, ".env"), []byte("OPENAI_API_KEY="+realKey+"\n"), 0o600))
	r := finish(t, cmd)
	if !strings.Contains(r.stderr, "OPENAI_API_KEY") || !strings.Contains(r.stderr, "--env-file .env") || strings.Contains(r.stderr, realKey) {
		t.Errorf("%s", r.stderr)
	}
	if !strings.HasPrefix(r.stdout, "400 ") {
		t.Errorf("the call without a key got %s", r.stdout)
	}
}

// The program's own end is aex's, whatever it is, and its output is untouched.
func TestTransparent(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	for _, code := range []int{0, 1, 42, 255} {
		r := s.do("run", "--budget", "1", "-q", "--", "sh", "-c", fmt.Sprintf("printf 'a\\0b\\r\\n'; printf err >&2; exit %d", code))
		if r.code != code || r.stdout != "a\x00b\r\n" || r.stderr != "err" {
			t.Errorf("exit %d: got %d %q %q", code, r.code, r.stdout, r.stderr)
		}
	}
	if r := s.do("run", "--budget", "1", "--", "sh", "-c", "kill -TERM $$"); r.code != 128+15 {
		t.Errorf("a child ended by TERM: %d", r.code)
	}
	cmd := s.aex("run", "--budget", "1", "-q", "--", "cat")
	cmd.Stdin = strings.NewReader(strings.Repeat("0123456789abcdef", 1<<16))
	if r := finish(t, cmd); len(r.stdout) != 1<<20 {
		t.Errorf("cat gave %d bytes of %d", len(r.stdout), 1<<20)
	}
}

// One line at the end, on standard error, and nothing at the start.
func TestEndLine(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	mark := filepath.Join(t.TempDir(), "pid")
	run := append([]string{"run", "--agent", "x", "--budget", "0.50", "--price", price, "--"}, bot("once", mark)...)
	s.do(run...)
	r := s.do(run...)
	lines := bufio.NewScanner(strings.NewReader(r.stderr))
	var all []string
	for lines.Scan() {
		all = append(all, lines.Text())
	}
	if len(all) != 1 || !strings.HasPrefix(all[0], "aex: x: $0.000") || !strings.Contains(all[0], " of $0.50, 1 call, ") || !strings.Contains(all[0], "s (run ") {
		t.Errorf("standard error is %q", all)
	}
}
