//go:build linux

package process

import (
	"bufio"
	"io"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/Auro-rium/aex/v3/internal/need"
)

// prepared starts preparedAex and waits until it is that.
func prepared(t *testing.T, change func(cmd *exec.Cmd)) (*exec.Cmd, io.Writer, *bufio.Reader) {
	t.Helper()
	cmd := aexCommand(t, "echo", "it ran")
	if change != nil {
		change(cmd)
	}
	cmd.Env = append(cmd.Env, "AEX_TEST_MAIN=prepared")
	cmd.Dir = t.TempDir() // for a core file, if one is left after all
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	return cmd, in, begin(t, cmd)
}

// Until a program is there to pass it on to, a signal that asks aex to stop ends it. No core file is left: keys are in
// it.
func TestSignalBeforeTheLaunch(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Setrlimit(unix.RLIMIT_CORE, &limit) })
	unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: limit.Max, Max: limit.Max})
	for _, sig := range stopSignals {
		t.Run(unix.SignalName(sig), func(t *testing.T) {
			cmd, _, lines := prepared(t, nil)
			monitor := monitorOf(t, cmd.Process.Pid)
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if rest, _ := io.ReadAll(lines); len(rest) > 0 {
				t.Errorf("%q", rest)
			}
			cmd.Wait()
			if s := cmd.ProcessState.Sys().(syscall.WaitStatus); !s.Signaled() || s.Signal() != sig || s.CoreDump() {
				t.Errorf("it ended with %v", cmd.ProcessState)
			}
			eventually(t, "its monitor is gone", func() bool {
				p, err := (processTable{}).lookup(monitor)
				return err != nil || !p.alive()
			})
		})
	}
}

// Nor does the kernel spare number 1 that has nothing to pass a signal on to.
func TestSignalToNumberOneBeforeTheLaunch(t *testing.T) {
	unshare := need.Unshare(t, "-pf", "--mount-proc")
	cmd, _, _ := prepared(t, func(cmd *exec.Cmd) {
		cmd.Path, cmd.Args = unshare, []string{"unshare", "-pf", "--mount-proc", cmd.Path, "echo", "it ran"}
	})
	for _, pid := range (processTable{}).children(cmd.Process.Pid) {
		unix.Kill(pid, unix.SIGTERM)
	}
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 143 {
		t.Errorf("it ended with %v", cmd.ProcessState)
	}
}

// What does not end a process does not keep it from launching the program either.
func TestHarmlessSignalBeforeTheLaunch(t *testing.T) {
	cmd, in, lines := prepared(t, nil)
	for _, sig := range []syscall.Signal{unix.SIGWINCH, unix.SIGCHLD, unix.SIGCONT} {
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := in.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	if rest, _ := io.ReadAll(lines); string(rest) != "it ran\n" {
		t.Errorf("%q", rest)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
