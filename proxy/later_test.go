package proxy

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// laterHost is a provider that breaks its streams off, and is asked afterwards
// what they cost. It is reached as a proxy, under the hosts' own names.
type laterHost struct {
	t       *testing.T
	stream  string   // what comes before the break
	answers []string // to what is asked afterwards, the last for ever: a status, a space, a body
	mu      sync.Mutex
	asked   []string // URL and key
}

func (h *laterHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Generation-Id", "gen-head")
		_, _ = w.Write([]byte(h.stream))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, r.URL.String()+" "+r.Header.Get("Authorization"))
	status, body, _ := strings.Cut(h.answers[0], " ")
	if len(h.answers) > 1 {
		h.answers = h.answers[1:]
	}
	var code int
	_, _ = fmt.Sscan(status, &code)
	w.WriteHeader(code)
	_, _ = w.Write([]byte(body))
}

const (
	laterChat     = `data: {"id":"gen-1","provider":"Google","model":"openai/gpt-4o","choices":[{"index":0,"delta":{"content":"Hello"}}]}` + "\n\n"
	laterMessages = "event: message_start\ndata: " + `{"type":"message_start","message":{"id":"gen-2","model":"anthropic/claude-sonnet-4.5","usage":{"input_tokens":9,"output_tokens":1}}}` + "\n\n"
	laterResponse = "event: response.created\ndata: " + `{"type":"response.created","response":{"id":"resp_1","model":"gpt-4o","status":"in_progress","usage":null}}` + "\n\n"
)

var laterModels = `version: 1
providers:
  openrouter: {base_url: "http://openrouter.ai/api/v1", proxy: %[1]q}
  router: {base_url: "http://openrouter.ai/api", type: anthropic, key_env: OPENROUTER_API_KEY, proxy: %[1]q}
  openai: {base_url: "http://api.openai.com/v1", proxy: %[1]q}
models:
  routed: {provider: openrouter, provider_model: openai/gpt-4o}
  claude: {provider: router, provider_model: anthropic/claude-sonnet-4.5}
  stored: {provider: openai, provider_model: gpt-4o}
`

func newLater(t *testing.T, first time.Duration, stream string, answers ...string) (*world, *laterHost) {
	t.Helper()
	h := &laterHost{t: t, stream: stream, answers: answers}
	proxy := httptest.NewServer(h)
	t.Cleanup(proxy.Close)
	return newWorld(t, setup{models: fmt.Sprintf(laterModels, proxy.URL), prices: []string{}, change: func(o *Options) { o.laterFirst = first }}), h
}

const (
	askChat      = `{"model":"routed","stream":true,"max_tokens":500,"messages":[{"role":"user","content":"hi"}]}`
	askMessages  = `{"model":"claude","stream":true,"max_tokens":500,"messages":[{"role":"user","content":"hi"}]}`
	askResponses = `{"model":"stored","stream":true,"max_output_tokens":500,"input":"hi"}`
)

// What a provider can tell afterwards it is asked for, by the call's own key and
// way, until it knows; the difference is booked and nothing stays in doubt.
func TestCostIsAskedForAfterwards(t *testing.T) {
	generation := `{"data":{"id":"gen-head","total_cost":0.0123451,"native_tokens_prompt":9,"native_tokens_completion":3,"native_tokens_cached":0,"is_byok":%t,"upstream_inference_cost":0.1,"cancelled":true}}`
	for name, c := range map[string]struct {
		path, body, stream string
		answers            []string
		asks               string
		want               ledger.Micros
	}{
		"chat": {"/v1/chat/completions", askChat, laterChat, []string{"404 {}", "500 oh", "200 " + fmt.Sprintf(generation, false)},
			"http://openrouter.ai/api/v1/generation?id=gen-head", 12_346},
		"own key": {"/v1/chat/completions", askChat, laterChat, []string{"200 " + fmt.Sprintf(generation, true)},
			"http://openrouter.ai/api/v1/generation?id=gen-head", 112_346},
		"not worked out yet": {"/v1/chat/completions", askChat, laterChat, []string{`200 {"data":{"id":"gen-head","total_cost":null}}`, "200 " + fmt.Sprintf(generation, false)},
			"http://openrouter.ai/api/v1/generation?id=gen-head", 12_346},
		"messages": {"/v1/messages", askMessages, laterMessages, []string{"200 " + fmt.Sprintf(generation, false)},
			"http://openrouter.ai/api/v1/generation?id=gen-head", 12_346},
		"responses": {"/v1/responses", askResponses, laterResponse, []string{`200 {"id":"resp_1","status":"in_progress","usage":null}`,
			`200 {"id":"resp_1","model":"gpt-4o","status":"incomplete","usage":{"input_tokens":1000,"output_tokens":100,"total_tokens":1100},"output":[]}`},
			"http://api.openai.com/v1/responses/resp_1", 2500 + 1000},
	} {
		t.Run(name, func(t *testing.T) {
			w, h := newLater(t, time.Millisecond, c.stream, c.answers...)
			_, _, _, _ = w.post(c.path, c.body, "Anthropic-Version", "2023-06-01")
			w.booked(1)
			run := w.booked(1) // the difference
			if run.Account.Spent != c.want || run.Calls != 1 {
				t.Errorf("spent %s in %d calls, the bill is %s", run.Account.Spent, run.Calls, c.want)
			}
			spend, err := w.ledger.Spend(t.Context(), ledger.SpendFilter{})
			must(t, err)
			if spend[0].Cost != c.want || spend[0].Doubt != 0 || spend[0].Doubtful != 0 || spend[0].Calls != 1 {
				t.Errorf("the sums say %+v", spend[0])
			}
			late, err := w.ledger.Events(t.Context(), ledger.EventFilter{Action: "usage.late"})
			must(t, err)
			if len(late.Events) != 1 {
				t.Errorf("%d events of a late cost", len(late.Events))
			}
			for _, a := range h.asked {
				if a != c.asks+" Bearer "+realKey {
					t.Errorf("asked %s", a)
				}
			}
			if len(h.asked) < len(c.answers) {
				t.Errorf("asked %d times", len(h.asked))
			}
		})
	}
}

// The last question is asked when the run ends.
func TestCostIsAskedForAtTheEnd(t *testing.T) {
	w, _ := newLater(t, time.Hour, laterChat, `200 {"data":{"total_cost":0.001,"native_tokens_prompt":1,"native_tokens_completion":1}}`)
	_, _, _, _ = w.post("/v1/chat/completions", askChat)
	if run := w.booked(1); run.Account.Spent <= 1000 {
		t.Fatalf("the estimate is %s", run.Account.Spent)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	must(t, w.gateway.Shutdown(ctx))
	if run := w.booked(1); run.Account.Spent != 1000 {
		t.Errorf("spent %s", run.Account.Spent)
	}
}

// What cannot be known is not asked for: a response that is not stored, an answer
// without a name, a key that may not ask.
func TestCostThatCannotBeKnownStaysAnEstimate(t *testing.T) {
	for name, c := range map[string]struct {
		path, body, stream string
		times              int
	}{
		"not stored":                            {"/v1/responses", strings.Replace(askResponses, `"stream"`, `"store":false,"stream"`, 1), laterResponse, 0},
		"no name":                               {"/v1/responses", askResponses, ": nothing\n\n", 0},
		"chat of a host that has no such thing": {"/v1/chat/completions", strings.Replace(askChat, "routed", "stored", 1), laterChat, 0},
		"may not ask":                           {"/v1/chat/completions", askChat, laterChat, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w, h := newLater(t, time.Millisecond, c.stream, "403 {}")
			_, _, _, _ = w.post(c.path, c.body)
			before := w.booked(1)
			w.gateway.later.asking.Wait()
			after, err := w.ledger.Run(t.Context(), string(w.run))
			must(t, err)
			spend, err := w.ledger.Spend(t.Context(), ledger.SpendFilter{})
			must(t, err)
			if len(h.asked) != c.times || after.Account.Spent != before.Account.Spent || spend[0].Doubt != before.Account.Spent || spend[0].Doubtful != 1 {
				t.Errorf("asked %q; spent %s, then %s; in doubt %s", h.asked, before.Account.Spent, after.Account.Spent, spend[0].Doubt)
			}
		})
	}
}
