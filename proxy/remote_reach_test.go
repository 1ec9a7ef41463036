package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/inner"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// everyRoute is a request for each route of the gateway and of its operator.
func everyRoute(run, inner string) []string {
	routes := []string{
		"GET /health", "GET /ready", "GET /metrics", "POST /admin/reload_config", "POST /admin/stop", "GET /admin/", "GET /dashboard", "GET /dashboard/agents",
		"POST /dashboard/act", "GET /", "HEAD /", "HEAD /api/hello", "GET /v1/models", "GET /v1/models/gpt-4o-mini", "GET /v1/aex/budget", "POST /v1/aex/token",
		"GET /v1/aex/runs", "POST /v1/aex/runs", "DELETE /v1/aex/runs", "GET /v1/aex/runs/" + run, "POST /v1/aex/runs/" + run + "/attach", "POST /v1/aex/runs/" + run + "/end",
		"GET /v1/aex/runs/" + inner, "POST /v1/aex/runs/" + inner + "/end", "POST /v1/aex/runs/" + inner + "/attach",
		"POST /v1/files", "GET /v1/responses/resp_1", "DELETE /v1/responses/resp_1", "GET /v1beta/models", "POST /v1/messages/count_tokens",
		"POST /v1beta/models/gemini-2.5-pro:generateContent", "POST /v1beta/models/gemini-2.5-pro:countTokens", "POST /p/groq/v1/chat/completions",
	}
	for _, w := range wire.Served() {
		for _, path := range []string{"/v1/chat/completions", "/v1/responses", "/v1/completions", "/v1/embeddings", "/v1/messages", "/v1/images/generations", "/v1/images/edits", "/v1/audio/transcriptions"} {
			if _, ok := w.Find("POST", path); ok {
				routes = append(routes, "POST "+path)
			}
		}
	}
	return routes
}

// A token that opens runs does that, takes its agent's runs over, and reads its
// agent's balance; of every other route it is refused. So is a run's token of
// what is not its run's.
func TestWhatARunnersTokenReaches(t *testing.T) {
	w := newWorld(t, setup{})
	w.opener()
	must(t, w.ledger.AddToken(t.Context(), ledger.NewToken{Hash: ledger.HashToken("other's"), Agent: w.agent, Scope: ledger.Runs}))
	w.gateway.Front(AdminOptions{Token: "operator's", Reload: nil, Stop: func() { t.Error("stopped") }})
	front := httptest.NewServer(w.gateway.server.Handler)
	t.Cleanup(front.Close)
	w.url = front.URL
	mine := w.openRemote(`{"budget_micro":100000,"token":"` + remoteToken + `"}`)
	other := w.openRemote(`{"budget_micro":100000,"token":"` + strings.Repeat("ef", 32) + `"}`)
	var inner inner.Opened
	_, answer := w.as(t.Context(), remoteToken, "POST", "/v1/aex/runs", `{}`)
	must(t, json.Unmarshal([]byte(answer), &inner))

	anybody := []string{"GET /health", "GET /ready", "HEAD /", "HEAD /api/hello"}
	for _, who := range []struct {
		name, token string
		may         []string
		not         []int // how all else is answered
	}{
		{"of scope runs", runsToken, []string{"POST /v1/aex/runs", "POST /v1/aex/runs/" + string(mine.RunID) + "/attach", "GET /v1/aex/budget"}, []int{400, 401, 403, 404, 405}},
		{"of a run, about another", remoteToken, nil, []int{400, 401, 403, 404, 405}},
		{"nobody's", strings.Repeat("00", 32), nil, []int{401, 403, 404}},
	} {
		routes := everyRoute(string(mine.RunID), string(inner.RunID))
		if who.token == remoteToken { // what is its own to call is tried elsewhere
			routes = []string{"GET /v1/aex/runs/" + string(other.RunID), "POST /v1/aex/runs/" + string(other.RunID) + "/end", "POST /v1/aex/runs/" + string(other.RunID) + "/attach",
				"POST /v1/aex/runs/" + string(mine.RunID) + "/attach", "GET /v1/aex/runs/" + string(w.run), "GET /metrics", "POST /admin/stop", "POST /admin/reload_config", "GET /dashboard", "POST /v1/aex/token"}
		}
		for _, route := range routes {
			method, path, _ := strings.Cut(route, " ")
			status, answer := w.as(t.Context(), who.token, method, path, bodyFor(route))
			switch allowed := slices.Contains(who.may, route) || slices.Contains(anybody, route); {
			case allowed && status != http.StatusOK && status != http.StatusServiceUnavailable: // 503: of /ready, that the test reads it so
				t.Errorf("%s: %s: %d %.200s", who.name, route, status, answer)
			case !allowed && status != 0 && !slices.Contains(who.not, status):
				t.Errorf("%s: %s: %d %.200s", who.name, route, status, answer)
			}
		}
	}
	if calls := w.calls(); len(calls) != 0 {
		t.Errorf("a runner's token made %d calls", len(calls))
	}
}

// bodyFor is what a route takes, or a call.
func bodyFor(route string) string {
	switch {
	case strings.HasSuffix(route, "/attach"):
		return `{}`
	case route == "POST /v1/aex/runs":
		return `{"budget_micro":1000,"token":"` + ledger.NewSecret(ledger.SecretOfRun) + `"}`
	}
	return `{"model":"gpt-4o-mini","messages":[{"role":"user","content":"x"}],"input":"x","max_tokens":5}`
}

// A run's token is of use at the gateway that has the run, and while the run is
// open.
func TestAStolenRunTokenIsOfNoUse(t *testing.T) {
	w := newWorld(t, setup{})
	w.opener()
	run := w.openRemote(`{"budget_micro":100000,"token":"` + remoteToken + `"}`)
	b := w.another(time.Minute)
	call := func(at *world) string {
		status, answer := at.as(t.Context(), remoteToken, "POST", "/v1/chat/completions", hello)
		return fmt.Sprint(status, " ", answer)
	}
	if got := call(b); !strings.HasPrefix(got, "401 ") {
		t.Errorf("at another gateway: %s", got)
	}
	if got := call(w); !strings.HasPrefix(got, "200 ") {
		t.Fatalf("where the run is: %s", got)
	}
	b.attach(run.RunID)
	if got := call(w); !strings.HasPrefix(got, "401 ") {
		t.Errorf("where the run was: %s", got)
	}
	if status, answer := b.as(t.Context(), remoteToken, "POST", "/v1/aex/runs/"+string(run.RunID)+"/end", `{"outcome":"exited"}`); status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	for _, at := range []*world{w, b} {
		if got := call(at); strings.HasPrefix(got, "200 ") {
			t.Errorf("after its run: %s", got)
		}
	}
	if status, answer := b.as(t.Context(), remoteToken, "POST", "/v1/aex/runs", `{}`); status == 200 {
		t.Errorf("a run inside one that is over: %s", answer)
	}
	if n := len(w.calls()); n != 1 {
		t.Errorf("%d calls were made", n)
	}
}
