//go:build linux

package supervisor

import (
	"bufio"
	"io"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// prepared starts preparedAex and waits until it is that.
func prepared(t *testing.T, args ...string) (*exec.Cmd, io.Writer, *bufio.Reader) {
	t.Helper()
	cmd := aexCommand(t, args...)
	cmd.Env = append(cmd.Env, "AEX_TEST_MAIN=prepared")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	return cmd, in, begin(t, cmd)
}

// Until a program is there to pass it on to, a signal does to aex what it does to any program.
func TestSignalBeforeTheLaunch(t *testing.T) {
	for _, sig := range []syscall.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2} {
		t.Run(unix.SignalName(sig), func(t *testing.T) {
			cmd, _, lines := prepared(t, "echo", "it ran")
			monitor := monitorOf(t, cmd.Process.Pid)
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if rest, _ := io.ReadAll(lines); len(rest) > 0 {
				t.Errorf("%q", rest)
			}
			cmd.Wait()
			if s := cmd.ProcessState.Sys().(syscall.WaitStatus); !s.Signaled() || s.Signal() != sig {
				t.Errorf("it ended with %v", cmd.ProcessState)
			}
			eventually(t, "its monitor is gone", func() bool {
				p, err := (processTable{}).lookup(monitor)
				return err != nil || !p.alive()
			})
		})
	}
}

// What does not end a process does not keep it from launching the program either.
func TestHarmlessSignalBeforeTheLaunch(t *testing.T) {
	cmd, in, lines := prepared(t, "echo", "it ran")
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
