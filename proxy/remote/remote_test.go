package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy"
	"github.com/Auro-rium/aex/v3/proxy/inner"
)

// gateway plays a shared gateway: it opens and takes over every run, and
// answers calls of the run that it has by what answer says.
type gateway struct {
	*httptest.Server
	refuses string // every request, with this code
	away    bool   // it is not behind its proxy any more

	mu     sync.Mutex
	has    bool
	asked  []*http.Request
	opened []*http.Request // runs
	answer func(w http.ResponseWriter)
}

func newGateway(t *testing.T) *gateway {
	g := &gateway{answer: func(w http.ResponseWriter) { _, _ = io.WriteString(w, "answered") }}
	g.Server = httptest.NewServer(g)
	t.Cleanup(g.Close)
	return g
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, _ = io.Copy(io.Discard, r.Body)
	reply := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	switch {
	case g.away:
		w.WriteHeader(http.StatusBadGateway)
	case g.refuses != "":
		proxy.Refuse(w, r, g.refuses, "not now")
	case r.URL.Path == "/v1/aex/runs":
		g.has = true
		g.opened = append(g.opened, r)
		reply(inner.Opened{RunID: "abcd", Agent: "x", Token: "inner" + fmt.Sprint(len(g.opened))})
	case strings.HasSuffix(r.URL.Path, "/attach"):
		g.has = true
		reply(inner.Status{State: string(ledger.RunOpen)})
	case !g.has:
		proxy.Refuse(w, r, "invalid_token", "not here")
	case strings.HasPrefix(r.URL.Path, "/v1/aex/runs/"):
		reply(inner.Status{State: string(ledger.RunOpen), Calls: int64(len(g.asked))})
	default:
		g.asked = append(g.asked, r)
		g.answer(w)
	}
}

func (g *gateway) calls() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.asked)
}

// opened is a run that hangs at the first of some gateways, and its relay.
func opened(t *testing.T, within time.Duration, gates ...*gateway) (*Gateways, *httptest.Server) {
	t.Helper()
	var urls []string
	for _, g := range gates {
		urls = append(urls, g.URL)
	}
	g, err := New(Options{URLs: urls, Token: "agent's", Within: within})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	if _, err := g.Open(t.Context(), inner.Request{Program: "p"}); err != nil {
		t.Fatal(err)
	}
	relay := httptest.NewServer(&Relay{Gateways: g, Token: "program's"})
	t.Cleanup(relay.Close)
	return g, relay
}

func call(t *testing.T, at, token string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at+"/v1/messages?key=program%27s", strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", token)
	return http.DefaultClient.Do(req)
}

// The program's token is of use at the relay alone, and the run's never leaves
// it but for the gateway.
func TestTheRelayHasATokenOfItsOwn(t *testing.T) {
	a := newGateway(t)
	g, relay := opened(t, time.Minute, a)
	resp, err := call(t, relay.URL, "program's")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", resp, err)
	}
	got := a.asked[0]
	if got.Header.Get("Authorization") != "Bearer "+g.secret || got.Header.Get("X-Api-Key") != "" || got.URL.Query().Has("key") {
		t.Errorf("sent with %v to %s", got.Header, got.URL)
	}
	if strings.Contains(strings.Join(resp.Header["X-Aex-Code"], ""), g.secret) {
		t.Error("the run's token comes back")
	}
	for _, path := range []string{"/v1/aex/runs/abcd/end", "/v1/aex/runs/abcd"} {
		resp, err := http.Get(relay.URL + path + "?key=program%27s")
		if err != nil || resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %v %v", path, resp, err)
		}
	}
}

// What is neither the program's token nor that of a run inside its own is not
// sent on, wherever it stands: it may be a provider's key.
func TestOtherTokensAreNotSentOn(t *testing.T) {
	a := newGateway(t)
	_, relay := opened(t, time.Minute, a)
	ask := func(method, path string, header ...string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, relay.URL+path, strings.NewReader(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	const real = "sk-real-key"
	for _, header := range [][]string{
		{}, {"Authorization", "Bearer " + real}, {"X-Api-Key", real}, {"Authorization", "Bearer " + real, "X-Api-Key", "program's"},
		{"Authorization", "Bearer inner1"}, {"Authorization", "Bearer inner2"}, {"Authorization", "Bearer agent's"},
	} {
		if code := ask("POST", "/v1/chat/completions", header...); code != http.StatusUnauthorized {
			t.Errorf("%v: %d", header, code)
		}
	}
	if code := ask("GET", "/v1beta/models?key="+real); code != http.StatusUnauthorized {
		t.Errorf("a key in the address: %d", code)
	}
	// What opens is asked with the program's token, and its answer makes one more known.
	if code := ask("POST", "/v1/aex/runs", "Authorization", "Bearer program's"); code != http.StatusOK {
		t.Fatalf("opening a run inside: %d", code)
	}
	if code := ask("POST", "/v1/chat/completions", "X-Api-Key", "inner2", "X-Goog-Api-Key", real, "Cookie", real); code != http.StatusOK {
		t.Errorf("the token of a run inside: %d", code)
	}
	if len(a.asked) != 1 || a.asked[0].Header.Get("Authorization") != "Bearer inner2" {
		t.Fatalf("sent on: %v", a.asked)
	}
	for _, r := range append(a.asked, a.opened...) {
		if text := fmt.Sprint(r.Header, r.URL); strings.Contains(text, real) || strings.Contains(text, "program's") {
			t.Errorf("sent on: %s", text)
		}
	}
}

// A gateway whose ledger is busy is no reason to give up: there is another.
func TestABusyGatewayIsPassedBy(t *testing.T) {
	busy, b := newGateway(t), newGateway(t)
	busy.refuses = "ledger_busy"
	g, _ := opened(t, time.Minute, busy, b)
	if g.URL() != b.URL {
		t.Errorf("the run is at %s", g.URL())
	}
}

// A call that was not sent waits until another gateway has the run.
func TestWhatWasNotSentWaits(t *testing.T) {
	a, b := newGateway(t), newGateway(t)
	g, relay := opened(t, time.Minute, a, b)
	a.CloseClientConnections()
	a.Close()
	resp, err := call(t, relay.URL, "program's")
	if err != nil || resp.StatusCode != http.StatusOK || b.calls() != 1 || g.URL() != b.URL {
		t.Fatalf("%v %v, %d calls at the other", resp, err, b.calls())
	}
	// One that says that it does not have the run any more sent nothing on.
	b.mu.Lock()
	b.has = false
	b.mu.Unlock()
	if resp, err := call(t, relay.URL, "program's"); err != nil || resp.StatusCode != http.StatusOK || b.calls() != 2 {
		t.Fatalf("%v %v, %d calls", resp, err, b.calls())
	}
}

// A call that may have been sent is cut, and never sent again.
func TestWhatWasSentIsCut(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"before the answer": func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"in its middle": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "the beginning")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newGateway(t), newGateway(t)
			a.answer = answer
			_, relay := opened(t, time.Minute, a, b)
			resp, err := call(t, relay.URL, "program's")
			if err == nil {
				if _, err = io.ReadAll(resp.Body); err == nil {
					t.Error("the program takes it for a whole answer")
				}
			}
			if a.calls()+b.calls() != 1 {
				t.Errorf("sent %d and %d times", a.calls(), b.calls())
			}
		})
	}
}

// When nobody takes the run, calls are refused in their dialect and the run is
// told.
func TestNobodyTakesTheRun(t *testing.T) {
	a := newGateway(t)
	g, relay := opened(t, time.Millisecond, a)
	a.CloseClientConnections()
	a.Close()
	resp, err := call(t, relay.URL, "program's")
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("%v %v", resp, err)
	}
	text, _ := io.ReadAll(resp.Body)
	if !strings.Contains(string(text), `"type":"error"`) || !strings.Contains(string(text), "no gateway answers") {
		t.Errorf("%s", text)
	}
	if _, err := g.Status(t.Context(), ""); !errors.Is(err, ErrLost) {
		t.Errorf("%v", err)
	}
}

func TestGatewaysThatATokenIsNotSentTo(t *testing.T) {
	for _, u := range []string{"http://gate.example.com", "gate.example.com", "https://", "https://me:pw@gate.example.com", "ftp://gate.example.com", "https://gate.example.com/a", ""} {
		if g, err := New(Options{URLs: []string{u}}); err == nil {
			g.Close()
			t.Errorf("%q is taken", u)
		}
	}
	for _, u := range []string{"https://gate.example.com", "https://gate.example.com:8443/", "http://localhost:9000", "http://[::1]:9000"} {
		g, err := New(Options{URLs: []string{u}})
		if err != nil {
			t.Errorf("%q: %v", u, err)
			continue
		}
		g.Close()
	}
}
