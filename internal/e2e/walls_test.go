//go:build linux

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/creack/pty"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/internal/need"
)

// getLocal asks for a page at a port of loopback, without a proxy.
const getLocal = `exec 7<>/dev/tcp/127.0.0.1/$1 && printf 'GET / HTTP/1.0\r\n\r\n' >&7 && cat <&7`

// A service of this machine is seen inside at its own port when it was named, and a provider never is.
func TestAllowLocal(t *testing.T) {
	needFull(t)
	bash := need.Tool(t, "bash")
	s := newStage(t, fakeprovider.Options{})
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "the database") }))
	defer service.Close()
	port := func(url string) string { return url[strings.LastIndexByte(url, ':')+1:] }
	get := []string{"--", bash, "-c", getLocal, "bash", port(service.URL)}
	if r := s.do(append([]string{"run", "-q", "--budget", "1", "--sandbox", "--allow-local", port(service.URL)}, get...)...); r.code != 0 || !strings.Contains(r.stdout, "the database") {
		t.Errorf("allowed: exit %d, %q %q", r.code, r.stdout, r.stderr)
	}
	if r := s.do(append([]string{"run", "-q", "--budget", "1", "--sandbox"}, get...)...); r.code == 0 || strings.Contains(r.stdout, "the database") {
		t.Errorf("not allowed: exit %d, %q", r.code, r.stdout)
	}
	if r := s.do("run", "--budget", "1", "--sandbox", "--allow-local", port(s.url), "--", "true"); r.code != 125 || !strings.Contains(r.stderr, "a model provider answers there") {
		t.Errorf("a provider: exit %d, %q", r.code, r.stderr)
	}
}

// Descriptors and sockets come in when they are named.
func TestWhatIsPassedOn(t *testing.T) {
	needFull(t)
	bash := need.Tool(t, "bash")
	s := newStage(t, fakeprovider.Options{})
	inside := func(flags, script string) result {
		cmd := s.aex()
		cmd.Path, cmd.Args = bash, []string{bash, "-c", `exec 5<<<five 6<<<six; "$AEX" run -q --budget 1 --sandbox ` + flags + ` -- bash -c '` + script + `'`}
		cmd.Env = append(cmd.Env, "AEX="+binary)
		return finish(t, cmd)
	}
	const show = `cat <&5; cat <&6; ls /proc/self/fd`
	if r := inside("--pass-fd 6", show); strings.Contains(r.stdout, "five") || !strings.Contains(r.stdout, "six") {
		t.Errorf("descriptor 6 was passed: %q %q", r.stdout, r.stderr)
	}
	if r := inside("", show); strings.Contains(r.stdout, "five") || strings.Contains(r.stdout, "six") {
		t.Errorf("none was passed: %q", r.stdout)
	}
	short, err := os.MkdirTemp("/tmp", "aex-p-")
	must(t, err)
	defer os.RemoveAll(short)
	path := filepath.Join(short, "service.sock")
	l, err := net.Listen("unix", path)
	must(t, err)
	defer l.Close()
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			io.WriteString(c, "the service\n")
			c.Close()
		}
	}()
	ask := strings.Join(bot("connect", path), " ")
	if r := inside("--allow-socket "+path, ask); !strings.Contains(r.stdout, "the service") {
		t.Errorf("an allowed socket: %q %q", r.stdout, r.stderr)
	}
	if r := inside("", ask); strings.Contains(r.stdout, "the service") {
		t.Errorf("a socket that was not allowed: %q", r.stdout)
	}
}

// readSocket prints what a unix socket says.
func readSocket(path string) int {
	c, err := net.Dial("unix", path)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer c.Close()
	line, _ := bufio.NewReader(c).ReadString('\n')
	fmt.Print(line)
	return 0
}

// What was let out and refused is booked with its bytes, each kind once, and told once.
func TestNetworkOfARunIsBooked(t *testing.T) {
	needFull(t)
	bash := need.Tool(t, "bash")
	s := newStage(t, fakeprovider.Options{})
	page := strings.Repeat("page", 1000)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, page) }))
	defer site.Close()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(site.URL, "http://"))
	must(t, err)
	const ask = `g=${HTTP_PROXY#http://}; for url in "$@"; do exec 7<>"/dev/tcp/${g/:/\/}"; printf "GET $url HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" >&7; cat <&7; done`
	out := "http://localhost:" + port + "/"
	report := filepath.Join(t.TempDir(), "report.json")
	args := []string{"run", "--budget", "1", "--sandbox=require", "--report", report, "--allow-host", "localhost:" + port, "--allow-host", "127.0.0.1:" + port, "--", bash, "-c", ask, "bash",
		out, out, "http://no.example/", "http://no.example/", "http://no.example/", "http://api.openai.com/"}
	r := s.do(args...)
	if r.code != 0 || strings.Count(r.stdout, page) != 2 {
		t.Fatalf("exit %d, %d pages, %q", r.code, strings.Count(r.stdout, page), r.stderr)
	}
	if n := strings.Count(r.stdout+r.stderr, "sandbox refused 2 hosts: see aex runs show "); n != 1 {
		t.Errorf("refusals were told %d times: %q", n, r.stderr)
	}
	text, err := os.ReadFile(report)
	must(t, err)
	if !strings.Contains(strings.Join(strings.Fields(string(text)), ""), `"hosts":1,"refused_hosts":2`) {
		t.Errorf("the report does not count them: %s", text)
	}
	var booked []string
	for line := range strings.Lines(s.do("events", "--json").stdout) {
		var e struct {
			Action string
		}
		if json.Unmarshal([]byte(line), &e) == nil && strings.HasPrefix(e.Action, "net.") {
			booked = append(booked, line)
		}
	}
	all := strings.Join(booked, "")
	for _, want := range []string{
		`"net.connect"`, `"host":"localhost","port":` + port, `"host":"no.example","port":80,"cause":"host_not_allowed","count":3`, `"host":"api.openai.com","port":80,"cause":"provider_host","count":1`,
	} {
		if !strings.Contains(strings.ReplaceAll(all, `": `, `":`), want) {
			t.Errorf("no %s in %s", want, all)
		}
	}
	var bytes struct {
		Sent     int `json:"sent_bytes"`
		Received int `json:"received_bytes"`
	}
	for _, line := range booked {
		if strings.Contains(line, "net.connect") {
			must(t, json.Unmarshal([]byte(line), &bytes))
		}
	}
	if bytes.Sent == 0 || bytes.Received < 2*len(page) {
		t.Errorf("%+v bytes are booked: %s", bytes, all)
	}
	s.audit()
}

// The sandbox is asked for by a flag, a variable and a policy file; a person is told once a home that there is one.
func TestWaysToAskForASandbox(t *testing.T) {
	needFull(t)
	s := newStage(t, fakeprovider.Options{})
	show := []string{"--", "sh", "-c", `echo "level=$AEX_SANDBOX_LEVEL"`}
	run := func(env string, flags ...string) string {
		cmd := s.aex(slices.Concat([]string{"run", "-q", "--budget", "1"}, flags, show)...)
		cmd.Env = append(cmd.Env, env)
		must(t, os.WriteFile(filepath.Join(cmd.Dir, "sandboxed.yaml"), []byte("version: 1\nsandbox: require\nallow_local: [5432]\n"), 0o600))
		return finish(t, cmd).stdout
	}
	for how, got := range map[string]string{
		"flag": run("", "--sandbox=require"), "variable": run("AEX_SANDBOX=require"), "file": run("", "--policy", "sandboxed.yaml"), "bare flag": run("", "--sandbox"),
	} {
		if got != "level=full\n" {
			t.Errorf("by a %s: %q", how, got)
		}
	}
	for how, got := range map[string]string{"nothing": run(""), "a flag against the variable": run("AEX_SANDBOX=require", "--sandbox=off")} {
		if got != "level=\n" {
			t.Errorf("by %s: %q", how, got)
		}
	}
	hinted := func(flags ...string) bool {
		cmd := s.aex(slices.Concat([]string{"run", "--budget", "1"}, flags, []string{"--", "true"})...)
		master, slave, err := pty.Open()
		must(t, err)
		defer master.Close()
		cmd.Stderr = slave
		must(t, cmd.Run())
		slave.Close()
		text, _ := io.ReadAll(master) // its end is an error
		return strings.Contains(string(text), "aex run --sandbox does (told once)")
	}
	if hinted("--sandbox") || !hinted() || hinted() {
		t.Error("the hint does not come once, with the first run that has no sandbox")
	}
	if r := s.do("run", "--budget", "1", "--sandbox", "--allow-local", strconv.Itoa(1<<17), "--", "true"); r.code == 0 {
		t.Errorf("a port that is none: exit %d", r.code)
	}
}
