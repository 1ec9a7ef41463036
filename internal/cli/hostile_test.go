package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// hostileServe is aex serve as a process, with an agent and a run of hostile names.
type hostileServe struct {
	t                    *testing.T
	home, url, log       string
	token, operator, run string
	process              *exec.Cmd
}

func newHostileServe(t *testing.T, upstream string) *hostileServe {
	t.Helper()
	s := &hostileServe{t: t, home: t.TempDir(), token: "agents-token-of-the-test"}
	l, err := ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(s.home, "aex.db"), Home: s.home})
	noError(t, err)
	budget := ledger.Micros(50_000_000)
	createAnyway(t, l, s.home, enemy, budget)
	run, err := l.OpenRun(t.Context(), ledger.NewRun{
		Agent: enemy, Program: evil, Token: ledger.HashToken("run's"), Expires: time.Now().Add(time.Hour), Metered: true,
	})
	noError(t, err)
	noError(t, l.AddToken(t.Context(), ledger.NewToken{Hash: ledger.HashToken(s.token), Agent: enemy, Scope: ledger.Execution}))
	t.Cleanup(func() { noError(t, l.Close()) }) // the run is its own
	s.run = string(run.ID)
	env := fmt.Sprintf("OPENAI_API_KEY=sk-a\nANTHROPIC_API_KEY=sk-b\nOPENAI_BASE_URL=%s/v1\nANTHROPIC_BASE_URL=%s\n", upstream, upstream)
	noError(t, os.WriteFile(filepath.Join(s.home, ".env"), []byte(env), 0o600))

	s.log = filepath.Join(s.home, "serve.log")
	file, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	noError(t, err)
	defer file.Close()
	r, w, err := os.Pipe()
	noError(t, err)
	defer r.Close()
	s.process = s.aex("serve", "--port", "0", "--price", "m=1/4", "--log-file", s.log, "--ready-fd", "3")
	s.process.Stderr, s.process.ExtraFiles = file, []*os.File{w}
	noError(t, s.process.Start())
	noError(t, w.Close())
	t.Cleanup(func() { _ = s.process.Process.Kill() }) // mostly it has ended
	var view daemonView
	if err := json.NewDecoder(r).Decode(&view); err != nil {
		text, _ := os.ReadFile(s.log)
		t.Fatalf("%v\n%s", err, text)
	}
	s.url = view.URL
	s.operator, err = operatorToken(s.home)
	noError(t, err)
	return s
}

// aex makes a command with this home and nobody's settings.
func (s *hostileServe) aex(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.t.Context(), "aex", args...)
	cmd.Env = []string{"AEX_HOME=" + s.home, "HOME=" + s.home, "PATH=" + os.Getenv("PATH"), "TERM=dumb"}
	return cmd
}

// do asks the server.
func (s *hostileServe) do(method, path, token, body string, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	noError(s.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return http.DefaultClient.Do(req)
}

// ask makes a call as a hostile client and returns what comes.
func (s *hostileServe) ask(what string) string {
	path, body := "/v1/chat/completions", fmt.Sprintf(`{"model":"m","max_tokens":50,"messages":[{"role":"user","content":%q}]}`, what)
	if strings.Contains(what, "message") {
		path = "/v1/messages"
	}
	if strings.Contains(what, "stream") {
		body = strings.Replace(body, "{", `{"stream":true,`, 1)
	}
	if strings.Contains(what, "stream") && path != "/v1/messages" {
		body = strings.Replace(body, "{", `{"stream_options":{"include_usage":true},`, 1)
	}
	var header []string
	for _, name := range []string{"User-Agent", "X-Request-Id", "X-Stainless-Lang", "X-Stainless-Retry-Count", "Anthropic-Beta", "Openai-Organization", "X-Client-Request-Id", "Idempotency-Key", "Accept"} {
		header = append(header, name, evilHeader+long)
	}
	resp, err := s.do(http.MethodPost, path, s.token, body, header...)
	noError(s.t, err)
	defer resp.Body.Close()
	got, _ := io.ReadAll(resp.Body) // a stream that is cut fails, as it should
	return string(got)
}

// get reads what the operator may read.
func (s *hostileServe) get(path, accept string) string {
	resp, err := s.do(http.MethodGet, path, s.operator, "", "Accept", accept)
	noError(s.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	noError(s.t, err)
	return string(b)
}

// raw sends bytes that are no proper request, and waits for the end of the answer.
func (s *hostileServe) raw(text string) {
	at, err := url.Parse(s.url)
	noError(s.t, err)
	conn, err := (&net.Dialer{}).DialContext(s.t.Context(), "tcp", at.Host)
	noError(s.t, err)
	defer conn.Close()
	_, _ = io.WriteString(conn, text) // the server may have had enough before the end
	_, _ = io.Copy(io.Discard, conn)
}

// refused makes requests that aex answers itself.
func (s *hostileServe) refused() {
	for _, path := range []string{"/v1/" + url.PathEscape(evil+long), "/dashboard/" + url.PathEscape(evil), "/" + url.PathEscape(evil)} {
		for _, token := range []string{s.token, s.operator, "wrong"} {
			resp, err := s.do(http.MethodPost, path, token, "{}", "User-Agent", evilHeader)
			noError(s.t, err)
			noError(s.t, resp.Body.Close())
		}
	}
	model, err := json.Marshal(evil + long)
	noError(s.t, err)
	resp, err := s.do(http.MethodPost, "/v1/chat/completions", s.token, `{"model":`+string(model)+`,"messages":[]}`)
	noError(s.t, err)
	noError(s.t, resp.Body.Close())
	for _, text := range []string{
		"GET /" + evil + " HTTP/1.1\r\n\r\n",
		"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: \x1b]0;t\x07\u202e\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: " + evilHeader + "\r\nConnection: close\r\n\r\n",
		"\x16\x03\x01" + evil + "\r\n\r\n",
	} {
		s.raw(text)
	}
}

// TestHostileTextIsHarmless lets client and provider write what they can into
// every text that aex reads, and then reads all that aex shows.
func TestHostileTextIsHarmless(t *testing.T) {
	answers := hostileAnswers()
	upstream, waits, release := hostileProvider(t, answers)
	s := newHostileServe(t, upstream)
	for what, a := range answers {
		if got := s.ask(what); got != a.body && what != "control headers" {
			t.Errorf("%s: the provider sent\n%.300q\nand the client got\n%.300q", what, a.body, got)
		}
	}
	s.refused()

	asked := make(chan string, 1)
	go func() { asked <- s.ask("wait") }()
	select {
	case <-waits:
	case got := <-asked:
		t.Fatalf("the call that should wait got %.2000q", got)
	}
	harmlessPage(t, "the live stream", s.liveCalls())
	harmlessPage(t, "the overview of a call", s.get("/dashboard", "text/html"))
	close(release)
	<-asked

	s.lookAtPages()
	events := s.lookAtCommands()
	if n := strings.Count(events, `"usage.commit"`); n < len(answers)/2 {
		t.Errorf("the trail has %d calls:\n%.2000s", n, events)
	}
	if !strings.Contains(events, `\u003cscript`) || !strings.Contains(events, "\ufffd") {
		t.Error("no hostile text is in the trail")
	}
	s.lookAtRun()

	noError(t, s.process.Process.Signal(syscall.SIGTERM))
	noError(t, s.process.Wait())
	text, err := os.ReadFile(s.log)
	noError(t, err)
	harmless(t, "serve's log", string(text))
	for line := range strings.Lines(string(text)) {
		if !regexp.MustCompile(`^(\d{4}-\d\d-\d\dT\S+ aex: |\t)`).MatchString(line) {
			t.Errorf("serve's log has the line %q", line)
		}
	}
}

// liveCalls reads the stream until it tells of a call.
func (s *hostileServe) liveCalls() string {
	resp, err := s.do(http.MethodGet, "/dashboard/stream", s.operator, "")
	noError(s.t, err)
	defer resp.Body.Close()
	var all strings.Builder
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		all.WriteString(lines.Text() + "\n")
		if lines.Text() == "" && strings.Contains(all.String(), "alert(1)") {
			return all.String()
		}
	}
	s.t.Fatalf("the stream ended: %v\n%.1000s", lines.Err(), all.String())
	return ""
}

func (s *hostileServe) lookAtPages() {
	agent := url.QueryEscape(enemy)
	pages := []string{"/nowhere", "/login", "/runs", "/audit", "/agent?agent=" + agent, "/run?run=" + s.run, "/agent?agent=" + url.QueryEscape(evil),
		"/run?run=" + url.QueryEscape(evil), "/act?do=topup-run&run=" + s.run, "/act?do=stop-run&run=" + s.run, "/act?do=pause&agent=" + agent,
		"/act?do=topup&agent=" + agent, "/act?do=" + url.QueryEscape(evil), "/act?do=pause&agent=" + url.QueryEscape(evil)}
	for _, by := range []string{"agent", "model", "run", evil} {
		pages = append(pages, "?range=all&by="+url.QueryEscape(by), "/chart.svg?range=all&by="+url.QueryEscape(by))
	}
	for _, filter := range []string{"", "agent=" + agent, "run=" + s.run, "action=usage.", "action=policy.deny", "action=" + url.QueryEscape(evil), "before=" + url.QueryEscape(evil)} {
		pages = append(pages, "/events?"+filter)
	}
	for _, path := range pages {
		page := s.get("/dashboard"+path, "text/html")
		if page == "" {
			s.t.Errorf("%s is empty", path)
		}
		harmlessPage(s.t, path, page)
	}
	for _, accept := range []string{"application/json", "text/plain"} {
		text := s.get("/metrics", accept)
		harmless(s.t, "/metrics as "+accept, text)
		if !strings.Contains(text, "SUM(1)") {
			s.t.Errorf("/metrics as %s has no hostile model:\n%.1000s", accept, text)
		}
	}
}

// lookAtCommands returns what aex events --json prints.
func (s *hostileServe) lookAtCommands() (events string) {
	for _, args := range [][]string{
		{"events", "--limit", "0"}, {"runs"}, {"runs", "--json"}, {"runs", "show", s.run, "--all"}, {"runs", "show", s.run, "--json"},
		{"status"}, {"status", "--json"}, {"metrics"}, {"metrics", "--json"}, {"agent", "list"}, {"agent", "list", "--json"},
		{"agent", "inspect", enemy}, {"agent", "inspect", enemy, "--json"}, {"audit"}, {"audit", "--json"}, {"models"}, {"daemon", "status"},
	} {
		harmless(s.t, "aex "+strings.Join(args[:min(2, len(args))], " "), output(s.t, s.home, args...))
	}
	if csvs := harmlessReports(s.t, s.home); !strings.Contains(csvs, "'=cmd") || !strings.Contains(csvs, "'@SUM") {
		s.t.Errorf("no hostile name is in the CSV:\n%s", csvs)
	}
	events = output(s.t, s.home, "events", "--limit", "0", "--json")
	harmless(s.t, "aex events --json", events)
	for _, line := range strings.Split(strings.TrimSpace(output(s.t, s.home, "events", "--limit", "0")), "\n") {
		if !regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \S+ [a-z]+`).MatchString(line) || len(line) > 2000 {
			s.t.Errorf("aex events has the line %.2000q", line)
		}
	}
	return events
}

// lookAtRun runs a program of a hostile name that makes hostile calls.
func (s *hostileServe) lookAtRun() {
	shell, err := exec.LookPath("sh")
	noError(s.t, err)
	program := filepath.Join(s.t.TempDir(), "=cmd<b>\u202e\u009b31m\x1b]0;t\x07")
	noError(s.t, os.Symlink(shell, program))
	script := `export AEX_URL=${OPENAI_BASE_URL%/v1} AEX_AGENT_TOKEN=$OPENAI_API_KEY
		for what in "chat" "too many" "broken" "cut stream"; do
			call POST /v1/chat/completions '{"model":"m","max_tokens":50,"messages":[{"role":"user","content":"'"$what"'"}]}' >/dev/null
		done; exit 0`
	cmd := s.aex("run", "-v", "--budget", "1", "--price", "m=1/4", "--", program, "-c", script)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		s.t.Errorf("aex run: %v\n%q", err, stderr.String())
	}
	harmless(s.t, "aex run -v", stderr.String())
	if !strings.Contains(stderr.String(), "4 calls") {
		s.t.Errorf("aex run -v tells %s", stderr.String())
	}
	harmless(s.t, "aex runs", output(s.t, s.home, "runs"))
	harmless(s.t, "aex runs --json", output(s.t, s.home, "runs", "--json"))
	harmless(s.t, "aex events --json", output(s.t, s.home, "events", "--json", "--limit", "0"))
	harmlessPage(s.t, "/runs", s.get("/dashboard/runs", "text/html"))
	harmlessPage(s.t, "/events", s.get("/dashboard/events", "text/html"))
}
