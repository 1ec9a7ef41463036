package browser

import (
	"bufio"
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// world is a provider and aex serve over a ledger with a history, each a
// process of its own.
type world struct {
	t        *testing.T
	aex      string
	home     string
	url      string
	provider string
	token    string // of the agent atlas
	env      []string
}

const price = "gpt-4o-mini=0.15/0.60"

func newWorld(t *testing.T, s scene) *world {
	t.Helper()
	w := &world{t: t, home: t.TempDir(), aex: os.Getenv("AEX")}
	if w.aex == "" {
		t.Fatal("AEX names no binary; run this by clients/browser/run")
	}
	seed(t, w.home, s)
	w.env = append(os.Environ(), "AEX_HOME="+w.home, "OPENAI_API_KEY=sk-browser", "HOME="+w.home)
	line := w.start("listening on ", "fake-provider", "--output-tokens", "60", "--delay-chunk", "60ms", "--delay", "150ms")
	w.provider = strings.TrimPrefix(line, "listening on ")
	w.env = append(w.env, "OPENAI_BASE_URL="+w.provider+"/v1")
	line = w.start("serving on ", "serve", "--port", "0", "--price", price)
	_, rest, _ := strings.Cut(line, "serving on ")
	w.url, _, _ = strings.Cut(rest, ",")
	for line := range strings.SplitSeq(w.run("agent", "token", "atlas"), "\n") {
		if _, secret, ok := strings.Cut(line, "Token: "); ok {
			w.token = strings.TrimSpace(secret)
		}
	}
	if w.token == "" {
		t.Fatal("aex agent token printed no token")
	}
	return w
}

// start starts an aex that goes on until the test ends, and returns its first
// line that has the mark.
func (w *world) start(mark string, args ...string) string {
	w.t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(w.t.Context()), w.aex, args...)
	cmd.Env = w.env
	r, out, err := os.Pipe()
	must(w.t, err)
	cmd.Stdout, cmd.Stderr = out, out
	must(w.t, cmd.Start())
	must(w.t, out.Close())
	var reader sync.WaitGroup
	w.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		_ = r.Close()
		reader.Wait() // it logs, and may not do so once the test has ended
	})
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if strings.Contains(lines.Text(), mark) {
			line := lines.Text()
			reader.Go(func() {
				for lines.Scan() {
					w.t.Log(args[0] + ": " + lines.Text())
				}
			})
			return line
		}
	}
	w.t.Fatalf("aex %s ended without saying %q", args[0], mark)
	return ""
}

// run runs an aex command and returns its standard output.
func (w *world) run(args ...string) string {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), w.aex, args...)
	cmd.Env = w.env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		w.t.Fatalf("aex %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String()
}

// link is a one-time link to the dashboard.
func (w *world) link() string { return strings.TrimSpace(w.run("dashboard", "--no-open")) }

// call streams one answer; it returns when the answer has begun, and done is
// closed when it has ended.
func (w *world) call() (done chan struct{}) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(w.t.Context()), http.MethodPost, w.url+"/v1/chat/completions",
		strings.NewReader(`{"model":"gpt-4o-mini","stream":true,"max_tokens":200,"messages":[{"role":"user","content":"tell me"}]}`))
	must(w.t, err)
	req.Header.Set("Authorization", "Bearer "+w.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	must(w.t, err)
	if resp.StatusCode != http.StatusOK {
		w.t.Fatalf("the call was answered %s", resp.Status)
	}
	done = make(chan struct{})
	go func() {
		defer close(done)
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() { //nolint:revive // reads to the end
		}
	}()
	return done
}

// artifacts is where screenshots go.
func artifacts(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("ARTIFACTS")
	if dir == "" {
		dir = t.TempDir()
	}
	must(t, os.MkdirAll(dir, 0o755))
	return dir
}

func save(t *testing.T, name string, data []byte) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(artifacts(t), name), data, 0o644))
}
