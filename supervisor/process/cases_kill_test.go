//go:build linux

package process

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// daemon is a shell command that leaves a process which has left everything: session, group, parent, descriptors and
// environment, and takes no signal but KILL.
const daemon = `setsid env -i "$SH" -c 'trap "" TERM HUP INT QUIT; exec 0<&- 1>&- 2>&-; while :; do sleep 0.05; done' "$MARK" & `

func withMark(t testing.TB, script string, args ...string) (cmd *exec.Cmd, mark string) {
	mark = marked(t)
	cmd = aexCommand(t, append(args, "bash", "-c", script, mark)...)
	cmd.Env = append(cmd.Env, "MARK="+mark, "SH=/bin/bash")
	return cmd, mark
}

// begin starts it and waits for the line "up".
func begin(t testing.TB, cmd *exec.Cmd) *bufio.Reader {
	t.Helper()
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(pipe)
	if line, err := out.ReadString('\n'); line != "up\n" {
		t.Fatalf("%q, %v", line, err)
	}
	return out
}

func TestCase11_AexIsKilled(t *testing.T) {
	mark := marked(t)
	c := openConsole(t, func(cmd *exec.Cmd, _ *os.File) { cmd.Env = append(cmd.Env, "MARK="+mark, "SH=/bin/bash") }, "bash", "-c",
		`"$AEX" bash -c 'stty raw -echo; `+strings.ReplaceAll(daemon, "'", `'\''`)+` printf "\033[?1049hup"; while :; do sleep 0.05; done' "$MARK" & echo "pid=$!"; wait; read -r _`)
	_ = c.expect("pid=")
	pid, err := strconv.Atoi(strings.TrimSpace(c.expect("\n")))
	if err != nil {
		t.Fatal(err)
	}
	c.expect("up")
	unix.Kill(pid, unix.SIGKILL)
	c.expect("\x1b[?1049l")
	eventually(t, "only the shell is left", func() bool { return len(carriers(mark)) == 0 })
	if after := c.termiosOf(c.slave); after != c.before {
		t.Errorf("the terminal is %+v and was %+v", after, c.before)
	}
}

func TestCase11_AexIsKilledWithoutTerminal(t *testing.T) {
	cmd, mark := withMark(t, daemon+"echo up; while :; do sleep 0.05; done")
	begin(t, cmd)
	cmd.Process.Kill()
	cmd.Wait()
	allGone(t, mark)
}

func TestCase12_TheMonitorIsKilled(t *testing.T) {
	cmd, mark := withMark(t, daemon+"echo up; while :; do sleep 0.05; done")
	out := begin(t, cmd)
	unix.Kill(monitorOf(t, cmd.Process.Pid), unix.SIGKILL)
	io.Copy(io.Discard, out)
	cmd.Wait()
	if cmd.ProcessState.ExitCode() != 125 {
		t.Error(cmd.ProcessState)
	}
	allGone(t, mark)
}

func TestBothAreKilled(t *testing.T) {
	cmd, mark := withMark(t, "echo up; exec -a \"$0\" sleep 1000", "-id", "both"+strconv.Itoa(os.Getpid()))
	begin(t, cmd)
	monitor := monitorOf(t, cmd.Process.Pid)
	stop(t, cmd.Process.Pid) // else it would continue its monitor
	stop(t, monitor)         // so that it cannot see its aex die
	cmd.Process.Kill()
	unix.Kill(monitor, unix.SIGKILL)
	cmd.Wait()
	allGone(t, mark) // by the parent-death signal
}

func TestSweepOfDeadRuns(t *testing.T) {
	needCgroup(t)
	ready := fifo(t)
	id := filepath.Base(filepath.Dir(ready)) + strings.ReplaceAll(marked(t), "/", "")
	cmd, mark := withMark(t, `setsid bash -c 'trap "" TERM; echo ready >"$1"; while :; do sleep 0.05; done' "$MARK" "`+ready+`" & echo up; while :; do sleep 0.05; done`, "-id", id)
	begin(t, cmd)
	await(t, ready)
	own, _ := ownCgroup()
	dir := filepath.Join(own, cgroupPrefix+id)
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	monitor := monitorOf(t, cmd.Process.Pid)
	stop(t, cmd.Process.Pid)
	stop(t, monitor)
	cmd.Process.Kill()
	unix.Kill(monitor, unix.SIGKILL)
	cmd.Wait()
	SweepCgroups(func(other string) bool { return false })
	if len(carriers(mark)) == 0 {
		t.Fatal("nothing was left to be swept")
	}
	SweepCgroups(func(other string) bool { return other == id })
	allGone(t, mark)
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the cgroup is still there: %v", err)
	}
}

func TestCase21_TermToAex(t *testing.T) {
	for _, c := range []struct {
		name, script string
		code         int
	}{
		{"trap", "trap 'exit 33' TERM; echo up; while :; do sleep 0.05; done", 33},
		{"default", "echo up; exec sleep 1000", 143},
		{"ignored", "trap '' TERM; echo up; while :; do sleep 0.05; done", 137},
	} {
		cmd, mark := withMark(t, c.script, "-grace", "300ms")
		out := begin(t, cmd)
		cmd.Process.Signal(unix.SIGTERM)
		io.Copy(io.Discard, out)
		cmd.Wait()
		if code := exitCode(cmd.ProcessState.Sys().(syscall.WaitStatus)); code != c.code {
			t.Errorf("%s: exit %d, want %d", c.name, code, c.code)
		}
		allGone(t, mark)
	}
}

func TestCase22_SecondSignalMeansNow(t *testing.T) {
	cmd, mark := withMark(t, "trap 'echo one' TERM; echo up; while :; do sleep 0.05; done", "-grace", "1h")
	out := begin(t, cmd)
	cmd.Process.Signal(unix.SIGTERM)
	if line, _ := out.ReadString('\n'); line != "one\n" {
		t.Errorf("the first came as %q", line)
	}
	cmd.Process.Signal(unix.SIGTERM)
	io.Copy(io.Discard, out)
	cmd.Wait()
	if cmd.ProcessState.ExitCode() != 137 {
		t.Error(cmd.ProcessState)
	}
	allGone(t, mark)
}
