//go:build linux

package process

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/Auro-rium/aex/v3/internal/need"
)

// asUser has a command run as nobody in particular, from a copy of its program that such a user may read.
func asUser(t *testing.T, cmd *exec.Cmd, args ...string) {
	t.Helper()
	asNumber(t, cmd, "64125", args...)
}

// asNumber does so as the user of a number, for which args are run first.
func asNumber(t *testing.T, cmd *exec.Cmd, user string, args ...string) {
	t.Helper()
	need.Root(t, "another user")
	setpriv := need.Tool(t, "setpriv")
	dir, err := os.MkdirTemp("", "aex")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	program := filepath.Join(dir, "aex")
	text, err := os.ReadFile(cmd.Path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, text, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd.Dir = "/"
	cmd.Args = append(append([]string{"setpriv", "--reuid=" + user, "--regid=" + user, "--clear-groups"}, args...), append([]string{program}, cmd.Args[1:]...)...)
	cmd.Path = setpriv
	for i, entry := range cmd.Env {
		if strings.HasPrefix(entry, "AEX=") {
			cmd.Env[i] = "AEX=" + program
		}
	}
}

// users runs a test as root, where it is that, and as somebody else.
func users(t *testing.T, test func(t *testing.T, prepare func(cmd *exec.Cmd))) {
	t.Run("self", func(t *testing.T) { test(t, func(*exec.Cmd) {}) })
	t.Run("user", func(t *testing.T) { test(t, func(cmd *exec.Cmd) { asUser(t, cmd) }) })
}

// A tree that hops is ended without a cgroup: some processes that wait are beside it, so that there is much to look at.
func TestTreeThatHops(t *testing.T) {
	need.Tool(t, "perl")
	users(t, func(t *testing.T, prepare func(*exec.Cmd)) {
		for range hops() {
			const script = `perl -MPOSIX -e '$end = time + 20; while (time < $end) { exit if fork; setsid }'; echo up; while :; do sleep 0.05; done`
			cmd, _ := withMark(t, script, "-grace", "100ms")
			prepare(cmd)
			gone := witness(t, cmd)
			var errs bytes.Buffer
			cmd.Stderr = &errs
			out := begin(t, cmd)
			cmd.Process.Signal(syscall.SIGTERM)
			io.Copy(io.Discard, out)
			cmd.Wait()
			if errs.Len() > 0 {
				t.Error(errs.String())
			}
			gone()
		}
	})
}

// witness gives all that a command starts a pipe to hold, and returns a check that nobody holds it any more: what hops
// is too quick for a look at the process table.
func witness(t *testing.T, cmd *exec.Cmd) (gone func()) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close() })
	cmd.ExtraFiles = append(cmd.ExtraFiles, write)
	return func() {
		t.Helper()
		write.Close()
		read.SetReadDeadline(time.Now().Add(deadline / 10))
		if _, err := read.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("something of the tree lives on: %v", err)
		}
	}
}

func hops() int {
	if os.Getenv("AEX_TEST_LONG") != "" {
		return 50
	}
	return 5
}

// Whether a tree is empty is for its reaper to say: a look at the process table misses what moves while it looks.
func TestEmptyIsTheReapersWord(t *testing.T) {
	for _, grace := range []time.Duration{0, time.Minute} {
		asked := 0
		f := forest{
			roots: func() ([]int, map[int]bool) { return nil, nil },
			sweep: func(unix.Signal) (swept, bool) {
				asked++
				return swept{Empty: asked > 9, Left: []int{1 << 30}}, true
			},
		}
		if f.end(grace); asked < 10 {
			t.Errorf("grace %s: the reaper was asked %d times", grace, asked)
		}
	}
}

// What the process table hides is ended all the same, and named if it cannot be: here a process that has become root
// below somebody else's aex.
func TestSurvivorIsNamed(t *testing.T) {
	need.Root(t, "another user")
	unshare := need.Unshare(t, "-m")
	for _, mount := range []string{"true", "mount -t proc -o hidepid=2 proc /proc"} {
		cmd, _ := withMark(t, `"$BECOME" --reuid=0 --regid=0 --clear-groups sh -c 'trap "" TERM; echo up; exec 1>&- 2>&-; read -r _ <"$HOLD"' & exec 1>&- 2>&-; wait`, "-grace", "100ms", "-orphans", "leave", "-survivors")
		asUser(t, cmd)
		hold := fifo(t)
		cmd.Env = append(cmd.Env, "HOLD="+hold, "BECOME="+become(t, filepath.Dir(cmd.Args[4])))
		cmd.Path, cmd.Args = unshare, append([]string{"unshare", "-m", "sh", "-c", mount + ` && exec "$@"`, "sh"}, cmd.Args...)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out := begin(t, cmd)
		cmd.Process.Signal(syscall.SIGTERM)
		io.Copy(io.Discard, out)
		cmd.Wait()
		fire(t, hold)
		if !strings.Contains(errs.String(), "it runs as another user") {
			t.Errorf("%s: %q", mount, errs.String())
		}
	}
}

// become is a copy of setpriv that anybody may become root with.
func become(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "become")
	text, err := os.ReadFile(need.Tool(t, "setpriv"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	return path
}
