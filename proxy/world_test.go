package proxy

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/watch"
)

// world is a provider, a gateway in front of it and a ledger beneath, all real
// but the provider.
type world struct {
	t        *testing.T
	provider *fakeprovider.Provider
	ledger   *ledger.Ledger
	gateway  *Gateway
	url      string
	upstream string // the provider's
	token    string
	run      ledger.RunID
	agent    string
	home     string
	notices  chan watch.Notice
}

// setup is what a world starts with; the zero value is an agent with $100 and
// a healthy provider.
type setup struct {
	provider fakeprovider.Options
	budget   string // of the run; "": $100
	agent    string // of the agent; "": none
	caps     *policy.Capabilities
	prices   []string
	models   string // models.yaml
	now      func() time.Time
	change   func(*Options)
}

const realKey = "sk-real-key-canary-5b1c"

// wirePrices are what the tests' models cost: in, out.
var wirePrices = []string{"gpt-4o-mini=0.15/0.60", "gpt-4o=2.50/10"}

func newWorld(t *testing.T, s setup) *world {
	t.Helper()
	w := &world{t: t, agent: "atlas", notices: make(chan watch.Notice, 1000)}
	s.provider.Key = realKey
	w.provider = fakeprovider.New(s.provider)
	upstream := httptest.NewServer(w.provider)
	w.home = t.TempDir()
	var err error
	w.ledger, err = ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(w.home, "aex.db"), Home: w.home, Now: s.now})
	must(t, err)
	w.upstream = upstream.URL
	if s.prices == nil {
		s.prices = wirePrices
	}
	o := Options{
		Ledger: w.ledger, Registry: w.registry(s.models, s.prices), Key: func(policy.Provider) string { return realKey },
		Watch: func(n watch.Notice) { w.notices <- n }, Broken: func(err error) { t.Logf("broken: %v", err) }, Logf: t.Logf,
	}
	if s.change != nil {
		s.change(&o)
	}
	w.gateway = New(o)
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
		w.checkAudit()
		must(t, w.ledger.Close())
	})
	return w
}

// registry is one whose providers are all the world's own.
func (w *world) registry(models string, prices []string) *policy.Registry {
	w.t.Helper()
	r, err := policy.NewRegistry(policy.Sources{
		ModelsFile: writeModels(w.t, models, w.upstream), Prices: prices,
		BaseURLs: map[string]string{"openai": w.upstream + "/v1", "anthropic": w.upstream, "google": w.upstream, "groq": w.upstream + "/openai/v1",
			"mistral": w.upstream + "/v1", "openrouter": w.upstream + "/api/v1"},
		HasKey: map[string]bool{"openai": true, "anthropic": true, "google": true, "groq": true, "mistral": true, "openrouter": true},
	})
	must(w.t, err)
	return r
}

// open makes the agent and a run of it.
func (w *world) open(s setup) {
	w.t.Helper()
	caps := policy.Open()
	if s.caps != nil {
		caps = *s.caps
	}
	agent := ledger.NewAgent{Name: w.agent, Capabilities: asJSON(w.t, caps)}
	if s.agent != "" {
		agent.Budget = usd(w.t, s.agent)
	}
	_, err := w.ledger.CreateAgent(w.t.Context(), agent)
	must(w.t, err)
	w.token = strings.Repeat("ab", 32)
	if s.budget == "" {
		s.budget = "100"
	}
	run := ledger.NewRun{Agent: w.agent, Program: "bot", Token: ledger.HashToken(w.token), Expires: time.Now().Add(time.Hour), Metered: true}
	if s.budget != "none" {
		run.Budget = usd(w.t, s.budget)
	}
	r, err := w.ledger.OpenRun(w.t.Context(), run)
	must(w.t, err)
	w.run = r.ID
}

// calls is the provider's bill without the counts of prompts, which cost nothing.
func (w *world) calls() []fakeprovider.Entry { return uncounted(w.provider.Bill()) }

func uncounted(bill []fakeprovider.Entry) []fakeprovider.Entry {
	return slices.DeleteFunc(bill, func(e fakeprovider.Entry) bool { return e.Wire == "count_tokens" })
}

// answered is the bill once n calls are on it to their end.
func (w *world) answered(n int) []fakeprovider.Entry {
	w.t.Helper()
	must(w.t, w.provider.Await(w.t.Context(), func(bill []fakeprovider.Entry) bool {
		calls := uncounted(bill)
		return len(calls) >= n && !slices.ContainsFunc(calls, func(e fakeprovider.Entry) bool { return e.State != fakeprovider.Done })
	}))
	return w.calls()
}

// post sends a call and reads its whole answer; err is the reading's.
func (w *world) post(path, body string, header ...string) (status int, h http.Header, answer string, err error) {
	w.t.Helper()
	return w.postWithin(w.t.Context(), path, body, header...)
}

func (w *world) postWithin(ctx context.Context, path, body string, header ...string) (int, http.Header, string, error) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+path, strings.NewReader(body))
	must(w.t, err)
	req.Header.Set("Authorization", "Bearer "+w.token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, string(answer), err
}

// client keeps no connections: a test's last call has ended when it returns.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}

// booked waits until the gateway has told of n calls, and returns the run.
func (w *world) booked(n int) ledger.Run {
	w.t.Helper()
	for range n {
		select {
		case <-w.notices:
		case <-time.After(30 * time.Second):
			w.t.Fatalf("the gateway did not book %d calls", n)
		}
	}
	r, err := w.ledger.Run(w.t.Context(), string(w.run))
	must(w.t, err)
	return r
}

// billed is what the provider charges in all, each call rounded up once.
func (w *world) billed(prices map[string]fakeprovider.Price) ledger.Micros {
	w.t.Helper()
	var sum int64
	for _, e := range w.provider.Bill() {
		if e.Charged {
			p, ok := prices[e.Model]
			if !ok {
				w.t.Fatalf("no price for %s", e.Model)
			}
			sum += p.Micros(e.Usage) * max(e.Calls, 1)
		}
	}
	return ledger.Micros(sum)
}

func (w *world) checkAudit() {
	w.t.Helper()
	audit, err := w.ledger.Verify(context.Background(), nil)
	must(w.t, err)
	for _, c := range audit.Checks {
		if !c.OK {
			w.t.Errorf("audit: %s: %s", c.Name, c.Detail)
		}
	}
}

// parsePrices reads --price texts for the provider's own bill.
func parsePrices(t *testing.T, specs []string) map[string]fakeprovider.Price {
	t.Helper()
	prices := map[string]fakeprovider.Price{}
	for _, s := range specs {
		model, p, err := fakeprovider.ParsePrice(s)
		must(t, err)
		prices[model] = p
	}
	return prices
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
