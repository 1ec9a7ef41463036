//go:build linux

package process

import (
	"bufio"
	"io"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A script ignores INT and QUIT for what it starts with &: aex takes no notice of either, before its program is there and
// while it runs. The Go runtime has taken QUIT over, and would print what every goroutine does, and exit.
func TestKeysThatTheCallerIgnores(t *testing.T) {
	ignoring := func(cmd *exec.Cmd) {
		cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", `trap '' INT QUIT; exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
	}
	signal := func(cmd *exec.Cmd) {
		for _, sig := range []syscall.Signal{unix.SIGINT, unix.SIGQUIT} {
			if err := cmd.Process.Signal(sig); err != nil {
				t.Error(err)
			}
		}
	}
	t.Run("before the launch", func(t *testing.T) {
		cmd, in, lines := prepared(t, ignoring)
		signal(cmd)
		io.WriteString(in, "\n")
		rest, _ := io.ReadAll(lines)
		if err := cmd.Wait(); err != nil || string(rest) != "it ran\n" {
			t.Errorf("%v, %q", err, rest)
		}
	})
	t.Run("while the program runs", func(t *testing.T) {
		cmd := aexCommand(t, "sh", "-c", "echo up; read line; echo $line")
		ignoring(cmd)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		if line, err := lines.ReadString('\n'); line != "up\n" {
			t.Fatalf("%q, %v", line, err)
		}
		signal(cmd)
		io.WriteString(in, "it ran\n")
		rest, _ := io.ReadAll(lines)
		if err := cmd.Wait(); err != nil || string(rest) != "it ran\n" {
			t.Errorf("%v, %q", err, rest)
		}
	})
}
