//go:build linux

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// soakKinds are what agents are made with, and what may be answered to them;
// "" is an answer of the provider.
var soakKinds = []struct {
	name, budget, rpm string
	flags             []string
	codes             []string
}{
	{"plain", "1000", "none", nil, []string{""}},
	{"short", "0.004", "none", nil, []string{"", "budget_exceeded", "call_exceeds_budget", "budget_busy"}},
	{"paced", "1000", "60", nil, []string{"", "rate_limited"}},
	{"bound", "1000", "none", []string{"--no-streaming", "--max-output-tokens", "12", "--allowed-models", "MODEL"}, []string{"", "policy_denied", "model_not_allowed"}},
	{"narrow", "1000", "none", []string{"--max-concurrency", "3"}, []string{"", "rate_limited"}},
}

const soakAgents, soakClients = 20, 200

// soakAgent is an agent that many clients call as.
type soakAgent struct {
	name, model string
	kind        int
	token       atomic.Pointer[string]
	troubled    string // a code that a disturbance brings about
	good, other atomic.Int64
}

// soak is aex serve under load, and what disturbs it.
type soak struct {
	*stage
	agents []*soakAgent
	front  *httptest.Server // the provider's
	client *http.Client
	at     string // the gateway's address
	server *exec.Cmd
	prices []string
	down   atomic.Int64 // odd: the server is being restarted
	wrong  atomic.Int64
}

// TestSoak: aex serve under 200 clients of 20 agents, with all that an operator
// does meanwhile, and an end and a new beginning in the middle. AEX_SOAK is for
// how many seconds.
func TestSoak(t *testing.T) {
	length := 5 * time.Second
	if n, err := strconv.Atoi(os.Getenv("AEX_SOAK")); err == nil && n > 0 {
		length = time.Duration(n) * time.Second
	}
	s := newSoak(t)
	s.start("0")
	s.load(length/2, func() { s.disturb(length / 2) })
	s.restart()
	before := s.settle()
	s.load(length/2, func() { s.disturb(length / 2) })
	after := s.settle()
	t.Logf("descriptors %d, then %d; resident %d KiB, then %d KiB", before.files, after.files, before.resident, after.resident)
	if after.files > before.files+16 {
		t.Errorf("%d descriptors became %d", before.files, after.files)
	}
	if after.resident > before.resident+256<<10 {
		t.Errorf("%d KiB became %d KiB", before.resident, after.resident)
	}
	s.stop()
	s.check(length)
	s.audit()
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	s := &soak{stage: newStage(t, fakeprovider.Options{}), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: soakClients}}}
	s.provider = fakeprovider.New(fakeprovider.Options{Key: realKey, Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 20, DelayHeaders: 5 * time.Millisecond}})
	s.front = httptest.NewServer(s.provider)
	s.url = s.front.URL
	t.Cleanup(func() { s.front.CloseClientConnections(); s.front.Close() })
	for i := range soakAgents {
		kind := i % len(soakKinds)
		k := soakKinds[kind]
		a := &soakAgent{name: fmt.Sprintf("%s-%d", k.name, i), model: fmt.Sprintf("soak-%02d", i), kind: kind}
		args := []string{"agent", "create", a.name, k.budget, k.rpm}
		for _, f := range k.flags {
			args = append(args, strings.ReplaceAll(f, "MODEL", a.model))
		}
		s.learn(a, s.do(args...))
		s.agents = append(s.agents, a)
		s.prices = append(s.prices, a.model+"=0.60/2.40")
	}
	s.agents[5].troubled, s.agents[10].troubled, s.agents[15].troubled = "invalid_token", "agent_paused", "invalid_token"
	return s
}

var tokenLine = regexp.MustCompile(`Token: ([0-9a-f]{32})`)

func (s *soak) learn(a *soakAgent, r result) {
	s.t.Helper()
	m := tokenLine.FindStringSubmatch(r.stdout)
	if r.code != 0 || m == nil {
		s.t.Fatalf("no token of %s: %d %s%s", a.name, r.code, r.stdout, r.stderr)
	}
	a.token.Store(&m[1])
}

// start starts the server and returns when it serves.
func (s *soak) start(port string) {
	s.t.Helper()
	args := []string{"serve", "--port", port}
	for _, p := range s.prices {
		args = append(args, "--price", p)
	}
	cmd := s.aex(args...)
	r, w, err := os.Pipe()
	must(s.t, err)
	cmd.Stdout, cmd.Stderr = w, w
	must(s.t, cmd.Start())
	must(s.t, w.Close())
	s.server = cmd
	s.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = r.Close() })
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if _, rest, ok := strings.Cut(lines.Text(), "serving on "); ok {
			s.at, _, _ = strings.Cut(rest, ",")
			go func() { _, _ = io.Copy(io.Discard, r) }()
			return
		}
		s.t.Log(lines.Text())
	}
	s.t.Fatal("aex serve does not say where it serves")
}

// stop ends the server politely.
func (s *soak) stop() {
	s.t.Helper()
	must(s.t, s.server.Process.Signal(syscall.SIGTERM))
	if err := s.server.Wait(); err != nil {
		s.t.Errorf("aex serve ended with %v", err)
	}
}

// restart ends the server while clients call it, and starts it again at the
// same place.
func (s *soak) restart() {
	s.t.Helper()
	var clients sync.WaitGroup
	ended := make(chan struct{})
	for i := range soakClients {
		clients.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-ended:
					return
				default:
					s.call(s.agents[i%soakAgents], n)
				}
			}
		})
	}
	busy := s.agents[0].good.Load()
	for s.agents[0].good.Load() < busy+20 {
		pause()
	}
	s.down.Add(1)
	s.stop()
	close(ended)
	clients.Wait()
	_, port, _ := strings.Cut(strings.TrimPrefix(s.at, "http://"), ":")
	s.start(port)
	s.down.Add(1)
}

// load calls as every agent until the time is over, beside what meanwhile does.
func (s *soak) load(length time.Duration, meanwhile func()) {
	var clients sync.WaitGroup
	until := time.Now().Add(length)
	for i := range soakClients {
		clients.Go(func() {
			for n := 0; time.Now().Before(until); n++ {
				s.call(s.agents[i%soakAgents], n)
			}
		})
	}
	meanwhile()
	clients.Wait()
}

// call makes one call, and judges the answer.
func (s *soak) call(a *soakAgent, n int) {
	epoch := s.down.Load()
	model, stream, cap := a.model, n%3 == 1, ""
	if n%7 == 3 { // a neighbour's
		model = s.agents[(slices.Index(s.agents, a)+1)%soakAgents].model
	}
	if n%5 == 2 {
		cap = `,"max_tokens":15`
	}
	neighbour := model != a.model
	if neighbour && soakKinds[a.kind].name != "bound" {
		model, neighbour = a.model, false
	}
	body := fmt.Sprintf(`{"model":%q,"stream":%t,"messages":[{"role":"user","content":"soak"}]%s}`, model, stream, cap)
	status, code, answer, err := s.post(*a.token.Load(), body)
	switch {
	case epoch%2 == 1 || s.down.Load() != epoch:
		return // the end of the server may show in any way; it is booked all the same
	case err != nil:
		s.report("%s: %v", a.name, err)
		return
	}
	want := soakKinds[a.kind].codes
	bound := soakKinds[a.kind].name == "bound"
	switch {
	case code != "" && code == a.troubled:
	case bound && neighbour && code != "model_not_allowed",
		bound && !neighbour && stream && code != "policy_denied",
		bound && !neighbour && !stream && code != "",
		!slices.Contains(want, code):
		s.report("%s got %d %q: %.200s", a.name, status, code, answer)
	case code == "" && (status != http.StatusOK || !strings.Contains(answer, `"`+a.model+`"`)):
		s.report("%s got another's answer, or none: %d %.300s", a.name, status, answer)
	case bound && strings.Contains(answer, "w13 "):
		s.report("%s got more than its cap: %.300s", a.name, answer)
	}
	if code == "" {
		a.good.Add(1)
	} else {
		a.other.Add(1)
		pause() // as a client would
	}
}

func (s *soak) post(token, body string) (status int, code, answer string, err error) {
	req, err := http.NewRequest(http.MethodPost, s.at+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return 0, "", "", err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, "", "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header.Get("X-Aex-Code"), string(b), err
}

// report tells of the first wrong answers.
func (s *soak) report(format string, args ...any) {
	if s.wrong.Add(1) <= 10 {
		s.t.Errorf(format, args...)
	} else {
		s.t.Fail()
	}
}
