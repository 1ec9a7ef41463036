//go:build linux

// Package e2e drives the built binary from outside, as a user does: real
// processes, real kills, a real ledger; only the provider is a stand-in.
package e2e

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// binary is aex, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	if role := os.Getenv("AEX_E2E_ROLE"); role != "" {
		os.Exit(play(role, os.Args[1:]))
	}
	os.Exit(func() int {
		if binary = os.Getenv("AEX_E2E_BINARY"); binary != "" { // for tests as another user, who cannot build
			return m.Run()
		}
		dir, err := os.MkdirTemp("", "aex-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "aex")
		if out, err := exec.Command("go", "build", "-o", binary, "github.com/Auro-rium/aex/v3").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building aex: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

const realKey = "sk-real-canary-0b9d3f"

// stage is a provider, and a home for aex.
type stage struct {
	t        *testing.T
	home     string
	provider *fakeprovider.Provider
	url      string
	env      []string // more of the environment
	place    string   // of its ledger; "": the file in home
}

func newStage(t *testing.T, o fakeprovider.Options) *stage {
	t.Helper()
	o.Key = realKey
	s := &stage{t: t, home: filepath.Join(t.TempDir(), "home"), provider: fakeprovider.New(o)}
	server := httptest.NewServer(s.provider)
	s.url = server.URL
	t.Cleanup(func() {
		s.provider.Release()
		server.CloseClientConnections()
		server.Close()
	})
	return s
}

// environ is a clean environment with the key, for aex.
func (s *stage) environ() []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(s.home), "AEX_HOME=" + s.home,
		"OPENAI_API_KEY=" + realKey, "OPENAI_BASE_URL=" + s.url + "/v1",
	}, s.env...)
}

// aex is a command of the binary, in a session of its own and without a
// terminal, as in CI.
func (s *stage) aex(args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Env = s.environ()
	cmd.Dir = s.t.TempDir()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// result is how a command ended.
type result struct {
	code           int
	stdout, stderr string
}

// do runs a command to its end.
func (s *stage) do(args ...string) result {
	s.t.Helper()
	return finish(s.t, s.aex(args...))
}

func finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = 10 * time.Second
	stop := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
	defer stop.Stop()
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	code := cmd.ProcessState.ExitCode()
	if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); ws.Signaled() {
		code = 128 + int(ws.Signal())
	}
	return result{code, out.String(), errs.String()}
}

// bot is this test binary in a role, as the program to run.
func bot(role string, args ...string) []string {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return append([]string{"env", "AEX_E2E_ROLE=" + role, self}, args...)
}

// audit fails the test unless the ledger proves itself.
func (s *stage) audit() {
	s.t.Helper()
	if r := s.do("audit"); r.code != 0 {
		s.t.Errorf("audit: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// awaitGone waits until no process has the id.
func awaitGone(t *testing.T, pid int) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for syscall.Kill(pid, 0) == nil {
		if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d still runs", pid)
		}
		syscall.Select(0, nil, nil, nil, &syscall.Timeval{Usec: 10_000})
	}
}
