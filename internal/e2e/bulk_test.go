//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/creack/pty"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// bulk is how much goes through cat, and what aex and its monitor may take for
// that, in KiB.
func bulk() (size int64, most int) {
	if os.Getenv("AEX_TEST_LONG") != "" {
		return 1 << 30, 64 << 10
	}
	return 32 << 20, 64 << 10
}

// `aex run -- cat` gives back what it is given, byte for byte, through pipes
// and through a terminal, whether or not its reader keeps up.
func TestCase06_CatMovesBulk(t *testing.T) {
	for _, stalls := range []bool{false, true} {
		name := map[bool]string{false: "a steady reader", true: "a reader that stalls"}[stalls]
		t.Run("pipes, "+name, func(t *testing.T) { bulkThroughPipes(t, stalls) })
		t.Run("terminal, "+name, func(t *testing.T) { bulkThroughTerminal(t, stalls) })
	}
}

func bulkThroughPipes(t *testing.T, stalls bool) {
	s := newStage(t, fakeprovider.Options{})
	cmd := s.aex("run", "--budget", "1", "-q", "--", "cat")
	theirIn, in, err := os.Pipe()
	must(t, err)
	out, theirOut, err := os.Pipe()
	must(t, err)
	cmd.Stdin, cmd.Stdout = theirIn, theirOut
	var ends [2]string
	for i, f := range []*os.File{theirIn, theirOut} {
		ends[i], err = os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
		must(t, err)
	}
	must(t, cmd.Start())
	must(t, theirIn.Close())
	must(t, theirOut.Close())
	move(t, in, out, stalls)
	cat := onlyChild(t, onlyChild(t, cmd.Process.Pid))
	for i, end := range ends {
		if got, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", cat, i)); got != end || err != nil {
			t.Errorf("descriptor %d of cat is %s and not the caller's %s: %v", i, got, end, err)
		}
	}
	smallEnough(t, cmd.Process.Pid)
	must(t, in.Close())
	if rest, err := io.Copy(io.Discard, out); rest != 0 || err != nil {
		t.Errorf("%d bytes too many, %v", rest, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func bulkThroughTerminal(t *testing.T, stalls bool) {
	s := newStage(t, fakeprovider.Options{})
	master, slave, err := pty.Open()
	must(t, err)
	defer master.Close()
	cmd := s.aex("run", "--budget", "1", "-q", "--", "sh", "-c", "stty raw -echo; printf up; exec cat")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	must(t, cmd.Start())
	must(t, slave.Close())
	// What else comes is aex's own, and before it: the title's place is taken.
	for seen := ""; !strings.HasSuffix(seen, "up"); {
		b := make([]byte, 1)
		_, err := master.Read(b)
		must(t, err)
		seen += string(b)
	}
	move(t, master, master, stalls)
	smallEnough(t, cmd.Process.Pid)
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	_, _ = io.Copy(io.Discard, master)
	_ = cmd.Wait()
	if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != syscall.SIGTERM {
		t.Errorf("aex ended by %v", cmd.ProcessState)
	}
}

// move writes noise to in and reads it back from out. A reader that stalls does
// so half-way, until the writer gets nowhere.
func move(t *testing.T, in io.Writer, out io.Reader, stalls bool) {
	t.Helper()
	size, _ := bulk()
	var sent atomic.Int64
	done := make(chan error, 1)
	go func() {
		noise, buf := rand.NewChaCha8([32]byte{}), make([]byte, 64<<10)
		for left := size; left > 0; left -= int64(len(buf)) {
			_, _ = noise.Read(buf)
			n, err := in.Write(buf)
			sent.Add(int64(n))
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	noise, want, got := rand.NewChaCha8([32]byte{}), make([]byte, 64<<10), make([]byte, 64<<10)
	for read := int64(0); read < size; read += int64(len(got)) {
		if stalls && read == size/2 {
			awaitStuck(&sent)
		}
		if _, err := io.ReadFull(out, got); err != nil {
			t.Fatalf("after %d bytes: %v", read, err)
		}
		if _, _ = noise.Read(want); !bytes.Equal(got, want) {
			t.Fatalf("the bytes after %d are others", read)
		}
	}
	must(t, <-done)
}

// awaitStuck returns when a count has not changed for many looks.
func awaitStuck(count *atomic.Int64) {
	for same, last := 0, int64(-1); same < 30; same++ {
		if now := count.Load(); now != last {
			same, last = 0, now
		}
		syscall.Select(0, nil, nil, nil, &syscall.Timeval{Usec: 10_000})
	}
}

// smallEnough checks the most that aex and its monitor have had in memory.
func smallEnough(t *testing.T, aex int) {
	t.Helper()
	_, most := bulk()
	for name, pid := range map[string]int{"aex": aex, "the monitor": onlyChild(t, aex)} {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		must(t, err)
		_, rest, _ := strings.Cut(string(status), "VmHWM:")
		peak, err := strconv.Atoi(strings.Fields(rest)[0])
		must(t, err)
		if peak > most {
			t.Errorf("%s took %d KiB", name, peak)
		}
		t.Logf("%s took %d KiB at most", name, peak)
	}
}

// onlyChild is the child of a process.
func onlyChild(t *testing.T, pid int) int {
	t.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	must(t, err)
	for _, list := range lists {
		b, _ := os.ReadFile(list)
		if fields := strings.Fields(string(b)); len(fields) == 1 {
			child, err := strconv.Atoi(fields[0])
			must(t, err)
			return child
		}
	}
	t.Fatalf("process %d has no child", pid)
	return 0
}
