//go:build linux

package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/need"
	"golang.org/x/sys/unix"
)

// What aex itself must not lose, leave or mistake.

// A run leaves no goroutine and no descriptor of aex's behind, with a terminal of the child's own or without.
func TestCase48_NothingLeaks(t *testing.T) {
	rounds := 5
	if os.Getenv("AEX_TEST_LONG") != "" {
		rounds = 100
	}
	for _, tty := range []TTY{TTYForce, TTYNever} {
		supervised(t, tty) // what the runtime starts once and keeps is there now
		goroutines, descriptors := runtime.NumGoroutine(), openDescriptors(t)
		for round := range rounds {
			supervised(t, tty)
			eventually(t, "its goroutines are gone", func() bool { return runtime.NumGoroutine() <= goroutines })
			if now := openDescriptors(t); now > descriptors {
				t.Fatalf("%s, round %d: %d descriptors, %d before", tty, round, now, descriptors)
			}
		}
	}
}

// supervised is one run in this process, with its output checked.
func supervised(t *testing.T, tty TTY) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	const script = "head -c 20000 /dev/zero | tr '\\0' x; (sleep 1000 &) ; exit 6"
	p, err := Prepare(Command{Argv: []string{"sh", "-c", script}, Env: os.Environ(), TTY: tty, Stdin: null, Stdout: write, Stderr: write}).Launch()
	if err != nil {
		t.Fatal(err)
	}
	text := make(chan int, 1)
	go func() {
		all, _ := io.ReadAll(read)
		text <- len(all)
	}()
	<-p.Done()
	p.End(Ending{})
	err = p.Close()
	write.Close() // the relay's until here
	if n := <-text; n != 20000 || p.Status().Code != 6 || err != nil {
		t.Fatalf("%d bytes, %+v, %v", n, p.Status(), err)
	}
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	names, err := readNames("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// Without pseudo-terminals the child has the caller's terminal itself; where one was demanded, that is a clear error.
func TestCase44_NoPseudoTerminals(t *testing.T) {
	unshare := need.Unshare(t, "-m")
	without := func(args string) *console {
		return openConsole(t, nil, unshare, "-m", "sh", "-c", `mount -t tmpfs none /dev/pts && exec "$AEX" `+args)
	}
	c := without(`sh -c 'test -t 0 && test -t 1 && test -t 2 && echo "on a terminal"; read line; exit 5'`)
	c.expect("on a terminal")
	c.send("\n")
	if code := exitCode(c.wait()); code != 5 {
		t.Errorf("exit %d, %q", code, c.text())
	}
	c = without("-tty=force true")
	if code := exitCode(c.wait()); code != 125 || !strings.HasPrefix(c.text(), "aex: ") || strings.Count(c.text(), "\n") != 1 {
		t.Errorf("exit %d, %q", code, c.text())
	}
}

// The kernel really gives the number of a listed process to another one, which is not signalled.
func TestCase47_NumberThatTheKernelReused(t *testing.T) {
	unshare := need.Unshare(t, "-pf", "--mount-proc")
	cmd := aexCommand(t)
	cmd.Env = append(cmd.Env, "AEX_TEST_MAIN=reuse")
	cmd.Path, cmd.Args = unshare, []string{"unshare", "-pf", "--mount-proc", os.Args[0]}
	if out, err := cmd.CombinedOutput(); string(out) != "spared\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
}

func init() {
	roles["reuse"] = func() int {
		if err := reuse(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println("spared")
		return 0
	}
}

// reuse is the first process of a process namespace, in which it may say what number comes next.
func reuse() error {
	begin := func() (*exec.Cmd, Proc, error) {
		cmd := exec.Command("sleep", "1000")
		if err := cmd.Start(); err != nil {
			return nil, Proc{}, err
		}
		p, err := (processTable{}).lookup(cmd.Process.Pid)
		return cmd, p, err
	}
	end := func(cmd *exec.Cmd) {
		cmd.Process.Kill()
		cmd.Wait()
	}
	first, listed, err := begin()
	if err != nil {
		return err
	}
	end(first)
	for range 1000 {
		if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", fmt.Append(nil, listed.PID-1), 0); err != nil {
			return err
		}
		second, now, err := begin()
		if err != nil {
			return err
		}
		if now.PID != listed.PID || now.start == listed.start { // a thread was quicker, or the clock has not ticked
			end(second)
			continue
		}
		if err := (processTable{}).signal(listed, unix.SIGKILL); err != errGone {
			return fmt.Errorf("signalling a number of another process: %v", err)
		}
		second.Process.Signal(unix.SIGTERM)
		second.Wait()
		if ws := second.ProcessState.Sys().(syscall.WaitStatus); ws.Signal() != unix.SIGTERM {
			return fmt.Errorf("the other process ended by %v", ws.Signal())
		}
		return nil
	}
	return errors.New("the number was never given again")
}

// aex gives the terminal back itself when there is no monitor any more that would.
func TestCase12_TheTerminalIsGivenBackWithoutAMonitor(t *testing.T) {
	c := onTerminal(t, "sh", "-c", `stty raw -echo; printf '\033[?1049hup'; exec sleep 1000`)
	c.expect("up")
	unix.Kill(monitorOf(t, c.cmd.Process.Pid), unix.SIGKILL)
	<-c.exited
	if code := exitCode(statusOf(c)); code != 125 {
		t.Errorf("exit %d, %q", code, c.text())
	}
	if after := c.termiosOf(c.slave); after != c.before {
		t.Errorf("the terminal is %+v and was %+v", after, c.before)
	}
	c.wait()
	if !bytes.Contains([]byte(c.text()), []byte("\x1b[?1049l")) {
		t.Errorf("the screen is not given back: %q", c.text())
	}
}

// What a shell had started before it became aex is no part of the tree, however
// the run goes.
func TestStrangersAreSpared(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
	}{{[]string{"/no/such/program"}, 127}, {[]string{"true"}, 0}, {[]string{"sh", "-c", "kill -KILL $PPID"}, 125}} {
		aex := aexCommand(t, c.args...)
		cmd := exec.Command("bash", append([]string{"-c", `sleep 1000 >/dev/null 2>&1 & echo $!; exec "$0" "$@"`, aex.Path}, c.args...)...)
		cmd.Env = aex.Env
		out, _ := cmd.Output()
		pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
		if err != nil || cmd.ProcessState.ExitCode() != c.code {
			t.Fatalf("%q: %q, %v, %v", c.args, out, cmd.ProcessState, err)
		}
		if p, err := (processTable{}).lookup(pid); err != nil || !p.alive() {
			t.Errorf("%q: the stranger is gone (%v)", c.args, err)
		}
		unix.Kill(pid, unix.SIGKILL)
	}
}
