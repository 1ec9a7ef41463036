//go:build linux

package e2e

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// holdLedger takes the lock that every commit needs, as an aex that was stopped
// in its turn has it.
func holdLedger(t *testing.T, s *stage) {
	t.Helper()
	f, err := os.Open(filepath.Join(s.home, "aex.db.lock"))
	must(t, err)
	must(t, unix.Flock(int(f.Fd()), unix.LOCK_EX))
	t.Cleanup(func() { f.Close() })
}

// Whatever hangs, a second TERM ends a run, which says what it was at.
func TestSecondTermCutsOffARun(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	aex := s.aex("run", "--agent", "x", "--budget", "0.50", "--grace", "100ms", "--", "sh", "-c", "echo up; exec sleep 1000")
	var errs strings.Builder
	out, err := aex.StdoutPipe()
	must(t, err)
	aex.Stderr = &errs
	must(t, aex.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "up\n" {
		t.Fatalf("%q, %v, %q", line, err, errs.String())
	}
	holdLedger(t, s)
	insist(t, aex)
	if !strings.Contains(errs.String(), "cut off") || !strings.Contains(errs.String(), "in the ledger") || aex.ProcessState.ExitCode() != 125 {
		t.Errorf("%v, %q", aex.ProcessState, errs.String())
	}
}

// The same for a server, which has a call to book.
func TestSecondTermCutsOffAServer(t *testing.T) {
	s := newStage(t, fakeprovider.Options{Behaviour: fakeprovider.Behaviour{Fault: fakeprovider.FaultHangHeaders}})
	if r := s.do("agent", "create", "team", "1.00", "none"); r.code != 0 {
		t.Fatalf("exit %d %s", r.code, r.stderr)
	}
	token := regexp.MustCompile(`[0-9a-f]{32}`).FindString(s.do("agent", "token", "team").stdout)
	aex := s.aex("serve", "--port", "0", "--price", price)
	read, write := io.Pipe() // and no StderrPipe, whose end is lost when the process is waited for meanwhile
	aex.Stderr = write
	must(t, aex.Start())
	lines := bufio.NewScanner(read)
	url := ""
	for url == "" && lines.Scan() {
		if m := regexp.MustCompile(`serving on (http://\S+?),`).FindStringSubmatch(lines.Text()); m != nil {
			url = m[1]
		}
	}
	call, err := http.NewRequest(http.MethodPost, url+"/v1/chat/completions", strings.NewReader(`{"model":"gpt-4o-mini","messages":[{"role":"user","content":"x"}],"max_tokens":5}`))
	must(t, err)
	call.Header.Set("Authorization", "Bearer "+token)
	client := &http.Client{}
	defer client.CloseIdleConnections()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		if resp, err := client.Do(call); err == nil {
			resp.Body.Close()
		}
	}()
	must(t, s.provider.Hung(t.Context(), 1))
	holdLedger(t, s)
	said := make(chan string, 1)
	go func() {
		text := ""
		for lines.Scan() {
			text += lines.Text() + "\n"
		}
		said <- text
	}()
	insist(t, aex)
	must(t, write.Close())
	<-answered
	text := <-said
	if !strings.Contains(text, "cut off") || !strings.Contains(text, "before everything was booked") || aex.ProcessState.ExitCode() != 1 {
		t.Errorf("%v, %q", aex.ProcessState, text)
	}
}

// insist sends TERM again and again, also while the last words are said, and
// waits for the end.
func insist(t *testing.T, aex *exec.Cmd) {
	t.Helper()
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = aex.Wait() // its exit code is the test's
	}()
	for {
		_ = aex.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-over:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}
