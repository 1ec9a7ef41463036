package dashboard

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy"
	"github.com/Auro-rium/aex/v3/proxy/watch"
)

// world is a provider, a gateway in front of it and a ledger beneath, all real
// but the provider. The pages show what happens in it.
type world struct {
	t        *testing.T
	provider *fakeprovider.Provider
	ledger   *ledger.Ledger
	gateway  *proxy.Gateway
	url      string
	token    string
	run      ledger.RunID
	agent    string
	notices  chan watch.Notice
}

// setup is what a world starts with.
type setup struct {
	agent     string // budget of the agent; "": none
	budget    string // of its run; "": $100
	behaviour fakeprovider.Behaviour
}

func newWorld(t *testing.T, s setup) *world {
	t.Helper()
	w := &world{t: t, agent: "atlas", token: strings.Repeat("ab", 32), notices: make(chan watch.Notice, 1000)}
	w.provider = fakeprovider.New(fakeprovider.Options{Key: "sk-real", Behaviour: s.behaviour})
	upstream := httptest.NewServer(w.provider)
	home := t.TempDir()
	var err error
	w.ledger, err = ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(home, "aex.db"), Home: home})
	must(t, err)
	registry, err := policy.NewRegistry(policy.Sources{
		Prices:   []string{"gpt-4o-mini=0.15/0.60", "gpt-4o=2.50/10"},
		BaseURLs: map[string]string{"openai": upstream.URL + "/v1"},
		HasKey:   map[string]bool{"openai": true},
	})
	must(t, err)
	w.gateway = proxy.New(proxy.Options{
		Ledger: w.ledger, Registry: registry, Key: func(policy.Provider) string { return "sk-real" },
		Watch: func(n watch.Notice) { w.notices <- n }, Logf: t.Logf,
	})
	front := httptest.NewServer(w.gateway)
	w.url = front.URL
	w.open(s)
	t.Cleanup(func() {
		w.provider.Release()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = w.gateway.Shutdown(ctx)
		front.Close()
		upstream.CloseClientConnections()
		upstream.Close()
		must(t, w.ledger.Close())
	})
	return w
}

// open makes the agent and a run of it.
func (w *world) open(s setup) {
	w.t.Helper()
	agent := ledger.NewAgent{Name: w.agent}
	if s.agent != "" {
		agent.Budget = usd(w.t, s.agent)
	}
	_, err := w.ledger.CreateAgent(w.t.Context(), agent)
	must(w.t, err)
	r, err := w.ledger.OpenRun(w.t.Context(), ledger.NewRun{
		Agent: w.agent, Program: "bot", Token: ledger.HashToken(w.token), Expires: time.Now().Add(time.Hour), Metered: true, Budget: usd(w.t, cmp.Or(s.budget, "100")),
	})
	must(w.t, err)
	w.run = r.ID
}

// postWithin sends a call and reads its whole answer.
func (w *world) postWithin(ctx context.Context, path, body string) (status int, answer string, err error) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+path, strings.NewReader(body))
	must(w.t, err)
	req.Header.Set("Authorization", "Bearer "+w.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(all), err
}

// client keeps no connections: a test's last call has ended when it returns.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// booked waits until the gateway has told of n calls.
func (w *world) booked(n int) {
	w.t.Helper()
	for range n {
		select {
		case <-w.notices:
		case <-time.After(30 * time.Second):
			w.t.Fatalf("the gateway did not book %d calls", n)
		}
	}
}

func usd(t *testing.T, s string) *ledger.Micros {
	t.Helper()
	m, err := ledger.ParseUSD(s)
	must(t, err)
	return &m
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
