//go:build linux

package process

import (
	"bufio"
	"io"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/Auro-rium/aex/v3/internal/need"
)

// A process that has been kept from forking cannot, unless it is root's; another one that has got its number keeps its limit.
func TestKeptFromForking(t *testing.T) {
	need.Root(t, "another user")
	for name, c := range map[string]struct {
		later uint64 // how much later than it is the process that was listed had begun
		want  string
	}{"the one that was listed": {0, ""}, "another": {1, "forked\n"}} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("sh", "-c", `echo up; read line; (:) && echo forked`)
			cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 64126, Gid: 64126}}
			in, err := cmd.StdinPipe()
			noError(t, err)
			out, err := cmd.StdoutPipe()
			noError(t, err)
			noError(t, cmd.Start())
			lines := bufio.NewReader(out)
			if line, err := lines.ReadString('\n'); line != "up\n" {
				t.Fatal(line, err)
			}
			p, err := processTable{}.lookup(cmd.Process.Pid)
			noError(t, err)
			p.start += c.later
			as(64126, func() { processTable{}.limitForks(p) })
			io.WriteString(in, "\n")
			rest, err := io.ReadAll(lines)
			noError(t, err)
			cmd.Wait()
			if string(rest) != c.want {
				t.Errorf("it said %q, want %q", rest, c.want)
			}
		})
	}
}

// as runs f in a thread of another user, which is not used again.
func as(uid uintptr, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		syscall.RawSyscall(unix.SYS_SETRESGID, uid, uid, uid)
		syscall.RawSyscall(unix.SYS_SETRESUID, uid, uid, uid)
		f()
	}()
	<-done
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
