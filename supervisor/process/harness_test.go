//go:build linux

package process

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// The tests drive a small aex from outside, through real terminals and a real shell. They assert what happened under
// deadlines that only a hang exceeds, and never how long it took.

const deadline = 40 * time.Second

func init() {
	// Whatever a test loses comes to the test binary, where it is found.
	becomeSubreaper()
}

// notInSandbox skips a case that a full sandbox answers otherwise. AEX_TEST_SANDBOX=require runs all others inside one.
func notInSandbox(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("AEX_TEST_SANDBOX") != "" {
		t.Skip("NOT TESTED in a sandbox: " + why)
	}
}

// aexCommand is the small aex with its arguments, for exec.
func aexCommand(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), "AEX_TEST_MAIN=aex", "GORACE=atexit_sleep_ms=0", "AEX="+os.Args[0])
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no controlling terminal, wherever the tests run
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// run runs it with the given input and returns its output, errors and wait status.
func run(t testing.TB, stdin string, args ...string) (stdout, stderr string, status syscall.WaitStatus) {
	t.Helper()
	cmd := aexCommand(t, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// console is a terminal with a session on it: its program is the session's leader.
type console struct {
	t      testing.TB
	master *os.File
	slave  *os.File     // kept open for its settings, unless released
	before unix.Termios // its settings before the program started
	cmd    *exec.Cmd
	exited chan struct{}

	mu     sync.Mutex
	output []byte
	seen   int // expect looks from here
	news   chan struct{}
	paused bool
	wake   *sync.Cond
	eof    chan struct{}
}

// openConsole starts a program on a new terminal of 80x24.
func openConsole(t testing.TB, prepare func(cmd *exec.Cmd, tty *os.File), name string, args ...string) *console {
	t.Helper()
	master, slave, err := openPty()
	if err != nil {
		t.Fatal(err)
	}
	c := &console{t: t, master: master, slave: slave, exited: make(chan struct{}), eof: make(chan struct{}), news: make(chan struct{}, 1)}
	c.wake = sync.NewCond(&c.mu)
	if err := pty.Setsize(slave, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	c.before = c.termiosOf(slave)
	// Descriptor 3 makes the terminal the controlling one, and is nobody's after that.
	c.cmd = exec.Command("sh", append([]string{"-c", `exec 3>&-; exec "$@"`, "sh", name}, args...)...)
	c.cmd.Env = append(os.Environ(), "AEX_TEST_MAIN=aex", "GORACE=atexit_sleep_ms=0", "AEX="+os.Args[0], "TERM=xterm", "PS1=ready> ", "HISTFILE=")
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = slave, slave, slave
	c.cmd.ExtraFiles = []*os.File{slave}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	if prepare != nil {
		prepare(c.cmd, slave)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go c.read()
	go func() {
		c.cmd.Wait()
		close(c.exited)
	}()
	t.Cleanup(c.close)
	return c
}

// shell starts an interactive bash with job control.
func shell(t testing.TB) *console {
	t.Helper()
	c := openConsole(t, nil, "bash", "--norc", "--noprofile", "--noediting", "-i")
	c.expect("ready> ")
	return c
}

func (c *console) read() {
	defer close(c.eof)
	buf := make([]byte, 32<<10)
	for {
		c.mu.Lock()
		for c.paused {
			c.wake.Wait()
		}
		c.mu.Unlock()
		n, err := c.master.Read(buf)
		c.mu.Lock()
		c.output = append(c.output, buf[:n]...)
		c.mu.Unlock()
		select {
		case c.news <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (c *console) pause(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paused = on
	c.wake.Broadcast()
}

func (c *console) send(keys string) {
	c.t.Helper()
	if _, err := c.master.Write([]byte(keys)); err != nil {
		c.t.Fatalf("typing %q: %v", keys, err)
	}
}

func (c *console) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.output)
}

// expect waits until the terminal has shown text since the last expectation, and returns what came before it.
func (c *console) expect(text string) string {
	c.t.Helper()
	before, found := c.find(text)
	if !found {
		c.t.Fatalf("the terminal does not show %q; it shows %q", text, c.text())
	}
	return before
}

// sees waits for text, or for the end of the program.
func (c *console) sees(text string) bool {
	_, found := c.find(text)
	return found
}

// find waits for text until the terminal closes or the time is over.
func (c *console) find(text string) (before string, found bool) {
	limit := time.After(deadline)
	scanned, exited := c.seen, c.exited
	for closed := false; ; {
		c.mu.Lock()
		if at := bytes.Index(c.output[scanned:], []byte(text)); at >= 0 {
			before := string(c.output[c.seen : scanned+at])
			c.seen = scanned + at + len(text)
			c.mu.Unlock()
			return before, true
		}
		scanned = max(c.seen, len(c.output)-len(text))
		c.mu.Unlock()
		if closed {
			return "", false
		}
		select {
		case <-c.news:
		case <-c.eof:
			closed = true
		case <-exited:
			c.slave.Close() // the end of the output comes when nobody has the terminal open
			exited = nil
		case <-limit:
			return "", false
		}
	}
}

// wait waits for the session's leader.
func (c *console) wait() syscall.WaitStatus {
	c.t.Helper()
	select {
	case <-c.exited:
	case <-time.After(deadline):
		c.t.Fatalf("the program on the terminal does not end; it shows %q", c.text())
	}
	c.slave.Close()
	select {
	case <-c.eof:
	case <-time.After(deadline):
		c.t.Fatal("the terminal stays open after its program ended")
	}
	return c.cmd.ProcessState.Sys().(syscall.WaitStatus)
}

func (c *console) termiosOf(tty *os.File) unix.Termios {
	c.t.Helper()
	t, err := getTermios(int(tty.Fd()))
	if err != nil {
		c.t.Fatal(err)
	}
	return *t
}

func (c *console) close() {
	c.pause(false)
	c.cmd.Process.Kill()
	c.slave.Close()
	c.master.Close()
	select {
	case <-c.exited:
	case <-time.After(deadline):
		c.t.Error("the program on the terminal could not be killed")
	}
}
