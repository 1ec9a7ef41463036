//go:build linux

package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// pipeAt makes a pipe that nobody has open.
func pipeAt(t *testing.T, path string) string {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	must(t, syscall.Mkfifo(path, 0o600))
	return path
}

// fillPipe opens both ends of a pipe, and leaves no room in it.
func fillPipe(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	for {
		if _, err := unix.Write(int(f.Fd()), make([]byte, 4096)); err != nil { // Fd keeps it from blocking no more
			return
		}
	}
}

// Where a file is looked for, a pipe may lie that nobody has at its other end:
// each command comes to its end and names it.
func TestAPipeInPlaceOfAFile(t *testing.T) {
	for name, args := range map[string][]string{
		"named":                   {"run", "--budget", "1", "--env-file", "named", "--", "true"},
		"policy":                  {"run", "--budget", "1", "--policy", "policy", "--", "true"},
		"ca":                      {"run", "--budget", "1", "--ca-file", "ca", "--", "true"},
		"aex.yaml":                {"run", "--budget", "1", "--", "true"},
		"env of a server":         {"serve", "--port", "0", "--env-file", "env of a server"},
		"certificate":             {"serve", "--port", "0", "--tls-cert", "certificate", "--tls-key", "certificate"},
		"home/.env":               {"run", "--budget", "1", "--", "true"},
		"home/head":               {"run", "--budget", "1", "--", "true"},
		"home/config/models.yaml": {"run", "--budget", "1", "--", "true"},
		"home/config/serve.yaml":  {"serve", "--port", "0"},
		"home/operator.token":     {"serve", "--port", "0"},
		"prices":                  {"models", "update", "--from", "prices"},
		"report":                  {"run", "--budget", "1", "--report", "report", "--", "true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, fakeprovider.Options{})
			dir := t.TempDir()
			at := filepath.Join(dir, name)
			if in, ok := strings.CutPrefix(name, "home/"); ok {
				at = filepath.Join(s.home, in)
			}
			pipeAt(t, at)
			aex := s.aex(args...)
			aex.Dir = dir
			r := finish(t, aex)
			if r.code <= 0 || !strings.Contains(r.stderr, filepath.Base(name)) || !strings.Contains(r.stderr, "pipe") && !strings.Contains(r.stderr, "no regular file") {
				t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
			}
		})
	}
}

// A shell's <(...) is such a pipe, and is read.
func TestKeysFromAPipe(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	read, write, err := os.Pipe()
	must(t, err)
	defer read.Close()
	aex := s.aex("run", "--budget", "1", "-v", "--env-file", "/dev/fd/3", "--", "true")
	aex.ExtraFiles = []*os.File{read}
	time.AfterFunc(100*time.Millisecond, func() {
		_, _ = write.WriteString("ANTHROPIC_API_KEY=sk-ant-of-the-pipe\n")
		write.Close()
	})
	if r := finish(t, aex); r.code != 0 || !strings.Contains(r.stderr, "ANTHROPIC_API_KEY for anthropic is from /dev/fd/3") {
		t.Errorf("exit %d\n%s", r.code, r.stderr)
	}
}

// Who has a pipe open and does not read it, or does not write to it, is not
// waited for once aex has been asked twice to end; and what it is to do does not
// wait for ever.
func TestSecondTermAtAPipe(t *testing.T) {
	t.Run("report", func(t *testing.T) {
		s := newStage(t, fakeprovider.Options{})
		path := pipeAt(t, filepath.Join(t.TempDir(), "pipe"))
		fillPipe(t, path)
		if r := s.do("run", "--budget", "1", "--report", path, "--", "true"); r.code != 125 || !strings.Contains(r.stderr, "reader has not read") {
			t.Errorf("exit %d\n%s", r.code, r.stderr)
		}
	})
	t.Run("export", func(t *testing.T) {
		s := newStage(t, fakeprovider.Options{})
		path := pipeAt(t, filepath.Join(t.TempDir(), "pipe"))
		fillPipe(t, path)
		s.do("agent", "create", "team", "1.00", "none")
		if r := s.do("audit", "--export", path); r.code != 1 || !strings.Contains(r.stderr, "reader has not read") {
			t.Errorf("exit %d\n%s", r.code, r.stderr)
		}
	})
	t.Run("standard error", func(t *testing.T) {
		s := newStage(t, fakeprovider.Options{})
		path := pipeAt(t, filepath.Join(t.TempDir(), "pipe"))
		fillPipe(t, path)
		aex := s.aex("run", "--budget", "1", "--", "echo", "up")
		out, err := aex.StdoutPipe()
		must(t, err)
		full, err := os.OpenFile(path, os.O_WRONLY, 0)
		must(t, err)
		defer full.Close()
		aex.Stderr = full
		must(t, aex.Start())
		if _, err := io.ReadFull(out, make([]byte, len("up\n"))); err != nil {
			t.Fatal(err)
		}
		insist(t, aex)
		if code := aex.ProcessState.ExitCode(); code != 125 {
			t.Errorf("exit %d", code)
		}
	})
}

// unread is a server whose standard error is a pipe that is full by now.
func unread(t *testing.T, s *stage) *exec.Cmd {
	t.Helper()
	path := pipeAt(t, filepath.Join(t.TempDir(), "pipe"))
	log, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	t.Cleanup(func() { log.Close() })
	read, ready, err := os.Pipe()
	must(t, err)
	defer read.Close()
	aex := s.aex("serve", "--port", "0", "--ready-fd", "3")
	aex.Stderr, aex.ExtraFiles = log, []*os.File{ready}
	must(t, aex.Start())
	t.Cleanup(func() { _ = aex.Process.Kill() }) // when it has not ended
	must(t, ready.Close())
	if _, err := io.ReadFull(read, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	fillPipe(t, path)
	return aex
}

// Who does not read what a server says holds up neither its work nor its end.
func TestServerThatNobodyReads(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	aex := unread(t, s)
	for range 3 {
		if r := s.do("models", "reload"); r.code != 0 { // it says that it did
			t.Errorf("exit %d\n%s", r.code, r.stderr)
		}
	}
	must(t, aex.Process.Signal(syscall.SIGTERM))
	if err := aex.Wait(); err != nil {
		t.Error(err)
	}
}

// The same for a server.
func TestSecondTermAtAServersPipe(t *testing.T) {
	t.Run("standard error", func(t *testing.T) {
		s := newStage(t, hanging)
		aex := s.server()
		b := serveBusily(t, s, aex, func() {})
		t.Cleanup(func() { b.log.Close() })
		holdLedger(t, s) // the call in flight cannot be booked
		fillPipe(t, fmt.Sprintf("/proc/self/fd/%d", b.log.(*os.File).Fd()))
		insist(t, aex)
		if code := aex.ProcessState.ExitCode(); code != 1 { // no signal takes its last words away, nor does it wait for ever
			t.Errorf("%v", aex.ProcessState)
		}
	})
	t.Run("environment file", func(t *testing.T) {
		s := newStage(t, fakeprovider.Options{})
		path := pipeAt(t, filepath.Join(t.TempDir(), "pipe"))
		aex := s.aex("serve", "--port", "0", "--env-file", path)
		must(t, aex.Start())
		silent, err := os.OpenFile(path, os.O_WRONLY, 0) // it waits until aex reads
		must(t, err)
		defer silent.Close()
		insist(t, aex)
		if !aex.ProcessState.Sys().(syscall.WaitStatus).Signaled() {
			t.Errorf("%v", aex.ProcessState)
		}
	})
}
