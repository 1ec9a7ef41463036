//go:build linux

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// gripLedger takes the lock that every commit needs, until release is called.
func gripLedger(t *testing.T, s *stage) (release func()) {
	t.Helper()
	f, err := os.Open(filepath.Join(s.home, "aex.db.lock"))
	must(t, err)
	must(t, unix.Flock(int(f.Fd()), unix.LOCK_EX))
	once := sync.OnceFunc(func() { f.Close() })
	t.Cleanup(once)
	return once
}

// stepping starts a run whose program makes a call for each line it is given.
func stepping(t *testing.T, s *stage) (aex *exec.Cmd, step func() string, stop func() string) {
	t.Helper()
	aex = s.aex(append([]string{"run", "--agent", "x", "--budget", "1", "--price", price, "--"}, bot("steps")...)...)
	in, err := aex.StdinPipe()
	must(t, err)
	out, err := aex.StdoutPipe()
	must(t, err)
	var errs strings.Builder
	aex.Stderr = &errs
	must(t, aex.Start())
	answers := bufio.NewScanner(out)
	step = func() string {
		_, err := io.WriteString(in, "\n")
		must(t, err)
		answers.Scan()
		return answers.Text()
	}
	stop = func() string {
		must(t, in.Close())
		for answers.Scan() {
		}
		_ = aex.Wait() // its exit code is the test's
		return errs.String()
	}
	return aex, step, stop
}

// While somebody keeps the ledger, calls are refused for now, commands that
// change say who it is, commands that read work; the run lives, and goes on.
func TestHeldLedgerPasses(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	aex, step, stop := stepping(t, s)
	if got := step(); got != "200" {
		t.Fatalf("the first call got %s", got)
	}
	release := gripLedger(t, s)
	var others sync.WaitGroup
	others.Go(func() {
		r := s.do("topup", "x", "1")
		if named := strings.Contains(r.stderr, "process "+strconv.Itoa(os.Getpid())); r.code != 125 || !named || !strings.Contains(r.stderr, "aex: hint: wait for it, or end it") {
			t.Errorf("topup: exit %d\n%s", r.code, r.stderr)
		}
	})
	others.Go(func() {
		r := s.do("run", "--agent", "y", "--budget", "1", "--", "true")
		if r.code != 125 || !strings.Contains(r.stderr, "has held it for 5s") {
			t.Errorf("run: exit %d\n%s", r.code, r.stderr)
		}
	})
	for _, command := range []string{"status", "runs", "audit", "events", "metrics", "report", "agent list", "agent inspect x", "group list"} {
		if r := s.do(strings.Fields(command)...); r.code != 0 {
			t.Errorf("%s: exit %d\n%s", command, r.code, r.stderr)
		}
	}
	if got := step(); got != "503" {
		t.Errorf("a call that cannot be booked got %s", got)
	}
	others.Wait()
	release()
	if got := step(); got != "200" {
		t.Errorf("the call after that got %s", got)
	}
	said := stop()
	if aex.ProcessState.ExitCode() != 0 || strings.Contains(said, "unbooked") {
		t.Errorf("%v\n%s", aex.ProcessState, said)
	}
	s.audit()
}

// A run whose end cannot be booked says so once, and ends when it can.
func TestEndWaitsForTheHolder(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	aex := s.aex(append([]string{"run", "--agent", "x", "--budget", "1", "--price", price, "--"}, bot("steps")...)...)
	in, err := aex.StdinPipe()
	must(t, err)
	out, err := aex.StdoutPipe()
	must(t, err)
	errs, err := aex.StderrPipe()
	must(t, err)
	must(t, aex.Start())
	_, err = io.WriteString(in, "\n")
	must(t, err)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "200\n" {
		t.Fatalf("%q, %v", line, err)
	}
	release := gripLedger(t, s)
	must(t, in.Close())
	said := bufio.NewScanner(errs)
	told := 0
	for said.Scan() {
		if strings.Contains(said.Text(), "what is to be booked waits for it") {
			told++
			release()
		}
	}
	if err := aex.Wait(); err != nil || told != 1 {
		t.Errorf("%v, told %d times", err, told)
	}
	s.audit()
}

// Ctrl-Z on a busy run leaves the ledger to others.
func TestStoppedBetweenTurns(t *testing.T) {
	s := newStage(t, fakeprovider.Options{Lean: true})
	bash := exec.Command("bash", "--norc", "--noprofile", "-i")
	bash.Env, bash.Dir = s.environ(), t.TempDir()
	master, err := pty.Start(bash)
	must(t, err)
	t.Cleanup(func() {
		master.Close()
		_ = bash.Process.Kill()
		_ = bash.Wait()
	})
	go io.Copy(io.Discard, master)
	words := append([]string{binary, "run", "--agent", "x", "--budget", "100", "--price", price, "--"}, bot("loop", "8")...)
	typed := func(text string) { _, err := io.WriteString(master, text); must(t, err) }
	typed(strings.Join(words, " ") + "\n")
	for n := range 10 {
		awaitMore(t, s)
		typed("\x1a")
		aex := awaitStoppedChild(t, bash.Process.Pid)
		if r := s.do("agent", "create", "--if-not-exists", "other", "1", "none"); r.code != 0 {
			t.Errorf("while process %s is stopped: exit %d\n%s", aex, r.code, r.stderr)
		}
		typed("fg\n")
		if n == 9 {
			awaitMore(t, s)
			number, err := strconv.Atoi(aex)
			must(t, err)
			must(t, syscall.Kill(number, syscall.SIGTERM))
			awaitGone(t, number)
		}
	}
}

// Ctrl-Z on a busy server does, too.
func TestServerStoppedBetweenTurns(t *testing.T) {
	s := newStage(t, fakeprovider.Options{Lean: true})
	if r := s.do("agent", "create", "team", "100", "none"); r.code != 0 {
		t.Fatalf("exit %d %s", r.code, r.stderr)
	}
	token := regexp.MustCompile(`[0-9a-f]{32}`).FindString(s.do("agent", "token", "team").stdout)
	aex := s.aex("serve", "--port", "0", "--price", price)
	aex.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the kernel drops the stops of an orphaned group
	read, err := aex.StderrPipe()
	must(t, err)
	must(t, aex.Start())
	url := servingAt(t, bufio.NewScanner(read))
	go io.Copy(io.Discard, read)
	loop := exec.Command(bot("loop", "8")[2], "8")
	loop.Env = append(s.environ(), "AEX_E2E_ROLE=loop", "OPENAI_BASE_URL="+url+"/v1", "OPENAI_API_KEY="+token)
	must(t, loop.Start())
	t.Cleanup(func() {
		for _, c := range []*exec.Cmd{loop, aex} {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	})
	for range 10 {
		awaitMore(t, s)
		must(t, aex.Process.Signal(syscall.SIGTSTP))
		awaitStopped(t, aex.Process.Pid)
		if r := s.do("agent", "create", "--if-not-exists", "other", "1", "none"); r.code != 0 {
			t.Errorf("while it is stopped: exit %d\n%s", r.code, r.stderr)
		}
		must(t, aex.Process.Signal(syscall.SIGCONT))
	}
}

// awaitMore waits until another fifty calls were made.
func awaitMore(t *testing.T, s *stage) {
	t.Helper()
	made := func(bill []fakeprovider.Entry) (calls int64) {
		for _, e := range bill {
			calls += max(e.Calls, 1)
		}
		return calls
	}
	before := made(s.provider.Bill())
	must(t, s.provider.Await(t.Context(), func(bill []fakeprovider.Entry) bool { return made(bill) > before+50 }))
}

// servingAt is where a server that has just been started says that it is.
func servingAt(t *testing.T, lines *bufio.Scanner) string {
	t.Helper()
	for lines.Scan() {
		if m := regexp.MustCompile(`serving on (http://\S+?),`).FindStringSubmatch(lines.Text()); m != nil {
			return m[1]
		}
	}
	t.Fatal("the server did not come up")
	return ""
}

// stopped tells whether a process is.
func stopped(pid string) bool {
	stat, _ := os.ReadFile("/proc/" + pid + "/stat") // one that is gone is not
	return strings.Contains(string(stat), ") T ")
}

func awaitStopped(t *testing.T, pid int) {
	t.Helper()
	for !stopped(strconv.Itoa(pid)) {
		must(t, t.Context().Err())
		syscall.Select(0, nil, nil, nil, &syscall.Timeval{Usec: 1_000})
	}
}

// awaitStoppedChild waits until a child of a shell is stopped.
func awaitStoppedChild(t *testing.T, shell int) (pid string) {
	t.Helper()
	for {
		must(t, t.Context().Err())
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", shell))
		must(t, err)
		for _, pid := range strings.Fields(string(children)) {
			if stopped(pid) {
				return pid
			}
		}
		syscall.Select(0, nil, nil, nil, &syscall.Timeval{Usec: 1_000})
	}
}
