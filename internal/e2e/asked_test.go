//go:build linux

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// A server that is asked to end while it begins ends, and that is no failure.
func TestServeIsAskedToEndWhileItBegins(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	keys := filepath.Join(t.TempDir(), "keys")
	must(t, unix.Mkfifo(keys, 0o600))
	cmd := s.server("--env-file", keys)
	var said bytes.Buffer
	cmd.Stderr = &said
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // when it has not ended
	settings, err := os.OpenFile(keys, os.O_WRONLY, 0)
	must(t, err) // it reads its settings now
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	must(t, settings.Close())
	if err := cmd.Wait(); err != nil || strings.Contains(said.String(), "cancel") || strings.Contains(said.String(), "signal") {
		t.Errorf("%v %q", err, said.String())
	}
}

// aex daemon start that is interrupted says so, and leaves no daemon.
func TestDaemonStartIsInterrupted(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	if r := s.do("agent", "create", "team", "1.00", "none"); r.code != 0 {
		t.Fatal(r)
	}
	holdLedger(t, s)
	cmd := s.aex("daemon", "start", "--port", "0")
	var said bytes.Buffer
	cmd.Stderr = &said
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // when it has not ended
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for log := filepath.Join(s.home, "logs", "daemon.log"); ; <-tick.C {
		if _, err := os.Stat(log); err == nil {
			break
		}
	}
	must(t, cmd.Process.Signal(os.Interrupt))
	if cmd.Wait(); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(said.String(), "the daemon did not start: interrupt") {
		t.Errorf("%v %q", cmd.ProcessState, said.String())
	}
	if r := s.do("daemon", "status"); r.code != 1 {
		t.Error(r)
	}
}
