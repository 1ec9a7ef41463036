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

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// busyServer is aex serve with a call that hangs at the provider.
type busyServer struct {
	*exec.Cmd
	lines    *bufio.Scanner // of its log, from behind the line that it serves
	log      io.Closer
	answered chan int // the status of the call, once there is one
}

// server is aex serve before it starts.
func (s *stage) server(args ...string) *exec.Cmd {
	return s.aex(append([]string{"serve", "--port", "0", "--price", price}, args...)...)
}

// serveBusily starts one; begin is called as soon as it has been started.
func serveBusily(t *testing.T, s *stage, aex *exec.Cmd, begin func()) *busyServer {
	t.Helper()
	if r := s.do("agent", "create", "team", "1.00", "none"); r.code != 0 {
		t.Fatalf("exit %d %s", r.code, r.stderr)
	}
	token := regexp.MustCompile(`[0-9a-f]{32}`).FindString(s.do("agent", "token", "team").stdout)
	b := &busyServer{Cmd: aex, answered: make(chan int, 1)}
	read, err := b.StderrPipe()
	must(t, err)
	must(t, b.Start())
	t.Cleanup(func() { _ = b.Process.Kill() }) // when it has not ended
	begin()
	b.lines, b.log = bufio.NewScanner(read), read
	url := ""
	for url == "" && b.lines.Scan() {
		if m := regexp.MustCompile(`serving on (http://\S+?),`).FindStringSubmatch(b.lines.Text()); m != nil {
			url = m[1]
		}
	}
	if url == "" {
		t.Fatal("it does not serve")
	}
	call, err := http.NewRequest(http.MethodPost, url+"/v1/chat/completions", strings.NewReader(`{"model":"gpt-4o-mini","messages":[{"role":"user","content":"x"}],"max_tokens":5}`))
	must(t, err)
	call.Header.Set("Authorization", "Bearer "+token)
	client := &http.Client{}
	t.Cleanup(client.CloseIdleConnections)
	go func() {
		resp, err := client.Do(call)
		if err != nil {
			b.answered <- 0
			return
		}
		resp.Body.Close()
		b.answered <- resp.StatusCode
	}()
	must(t, s.provider.Hung(t.Context(), 1))
	return b
}

// await reads the log up to a line that has text.
func (b *busyServer) await(t *testing.T, text string) {
	t.Helper()
	for b.lines.Scan() {
		if strings.Contains(b.lines.Text(), text) {
			return
		}
	}
	t.Fatalf("the log ends without %q", text)
}

// ends sees that the call is answered and the server ends as it should.
func (b *busyServer) ends(t *testing.T, s *stage) {
	t.Helper()
	s.provider.Release()
	if status := <-b.answered; status != http.StatusOK {
		t.Errorf("the call was answered with %d", status)
	}
	for b.lines.Scan() {
	}
	if err := b.Wait(); err != nil {
		t.Error(err)
	}
}

var hanging = fakeprovider.Options{Behaviour: fakeprovider.Behaviour{Fault: fakeprovider.FaultHangHeaders}}

// A hang-up asks a server to read its settings again. One that comes while it opens, or while it waits for its last calls,
// does not end it: the service managers that send one after TERM would cut those calls off.
func TestHangUpDoesNotEndAServer(t *testing.T) {
	s := newStage(t, hanging)
	keys := filepath.Join(t.TempDir(), "keys")
	must(t, syscall.Mkfifo(keys, 0o600))
	aex := s.server("--env-file", keys)
	b := serveBusily(t, s, aex, func() {
		f, err := os.OpenFile(keys, os.O_WRONLY, 0) // returns when aex reads it
		must(t, err)
		must(t, os.Remove(keys))
		must(t, os.WriteFile(keys, nil, 0o600)) // for those who read it later
		must(t, aex.Process.Signal(syscall.SIGHUP))
		must(t, f.Close())
	})
	must(t, b.Process.Signal(syscall.SIGTERM))
	b.await(t, "waiting for 1 calls")
	must(t, b.Process.Signal(syscall.SIGHUP))
	b.ends(t, s)
}

// Nor does who reads its log and leaves.
func TestServerOutlivesTheReaderOfItsLog(t *testing.T) {
	s := newStage(t, hanging)
	b := serveBusily(t, s, s.server(), func() {})
	must(t, b.log.Close())
	must(t, b.Process.Signal(syscall.SIGTERM))
	b.ends(t, s)
}

// A script ignores INT and QUIT for a server that it starts with &: neither ends it, before TERM and while it waits for its last
// calls. Go's runtime takes QUIT over, and would print a page of stacks.
func TestServerIgnoresWhatItsCallerDoes(t *testing.T) {
	s := newStage(t, hanging)
	aex := s.server()
	aex.Path, aex.Args = "/bin/sh", append([]string{"sh", "-c", `trap '' INT QUIT; exec "$@"`, "sh", binary}, aex.Args[1:]...)
	b := serveBusily(t, s, aex, func() {})
	keys := func() {
		must(t, b.Process.Signal(syscall.SIGINT))
		must(t, b.Process.Signal(syscall.SIGQUIT))
	}
	keys()
	must(t, b.Process.Signal(syscall.SIGTERM))
	b.await(t, "waiting for 1 calls")
	keys()
	b.ends(t, s)
}

// What a second TERM cuts off is said.
func TestServerSaysWhatItCutOff(t *testing.T) {
	s := newStage(t, hanging)
	b := serveBusily(t, s, s.server(), func() {})
	must(t, b.Process.Signal(syscall.SIGTERM))
	b.await(t, "waiting for 1 calls")
	must(t, b.Process.Signal(syscall.SIGTERM))
	b.await(t, "1 calls were cut off, and are booked at what they may have cost")
	for b.lines.Scan() {
	}
	if err := b.Wait(); err != nil {
		t.Error(err)
	}
}
