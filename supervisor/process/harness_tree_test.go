//go:build linux

package process

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// onTerminal runs the small aex as the only program of a terminal.
func onTerminal(t testing.TB, args ...string) *console {
	t.Helper()
	return openConsole(t, nil, os.Args[0], args...)
}

// eventually waits until a condition holds. It is for the process table, which cannot be waited for.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for limit := time.Now().Add(deadline); !holds(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("it did not come about that %s", what)
		}
	}
}

// marked is a mark that the processes of a test carry in their environment or arguments, by which they are found
// wherever they have gone.
func marked(t testing.TB) string {
	return fmt.Sprintf("aextest%d_%s", os.Getpid(), strings.ReplaceAll(filepath.Base(t.TempDir()), "/", "")+strconv.FormatInt(time.Now().UnixNano(), 36))
}

// carriers lists the living processes whose command line holds the mark, apart from shells that only mention it to
// start the test itself.
func carriers(mark string) []int {
	var pids []int
	names, _ := readNames("/proc")
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == os.Getpid() {
			continue
		}
		line, _ := os.ReadFile("/proc/" + name + "/cmdline")
		if bytes.Contains(line, []byte(mark)) {
			if p, err := (processTable{}).lookup(pid); err == nil && p.alive() {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

func allGone(t testing.TB, mark string) {
	t.Helper()
	eventually(t, "all processes of the test are gone", func() bool { return len(carriers(mark)) == 0 })
}

// fifo makes a named pipe for a test to wait on or to fire.
func fifo(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// fire lets the small aex kill for budget.
func fire(t testing.TB, trigger string) {
	t.Helper()
	f, err := os.OpenFile(trigger, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

// await returns what is written to a named pipe until everybody has closed it.
func await(t testing.TB, path string) string {
	t.Helper()
	done := make(chan string, 1)
	go func() {
		text, _ := os.ReadFile(path)
		done <- string(text)
	}()
	select {
	case text := <-done:
		return text
	case <-time.After(deadline):
		t.Fatal("nobody wrote to the pipe")
		return ""
	}
}

func monitorOf(t testing.TB, aex int) int {
	t.Helper()
	var found int
	eventually(t, "aex has a monitor", func() bool {
		for _, pid := range (processTable{}).children(aex) {
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if bytes.Contains(line, []byte(monitorArg)) {
				found = pid
			}
		}
		return found != 0
	})
	return found
}

func exitCode(ws syscall.WaitStatus) int {
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}

// peakMemory is the largest resident set that a process has had since its exec, in KiB.
func peakMemory(t testing.TB, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.Atoi(strings.Fields(value)[0])
			return n
		}
	}
	t.Fatal("no peak memory is known")
	return 0
}

func statusOf(c *console) syscall.WaitStatus { return c.cmd.ProcessState.Sys().(syscall.WaitStatus) }

// listen accepts connections on a loopback port for the time of the test.
func listen(t testing.TB) (port int) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns = append(conns, c)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		for _, c := range conns {
			c.Close()
		}
	})
	return l.Addr().(*net.TCPAddr).Port
}

func stop(t testing.TB, pid int) {
	t.Helper()
	unix.Kill(pid, unix.SIGSTOP)
	eventually(t, "it has stopped", func() bool {
		p, err := (processTable{}).lookup(pid)
		return err != nil || p.state == 'T'
	})
}
