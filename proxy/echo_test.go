package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
)

// TestAProviderThatTellsTheKey: what is kept of an answer does not have the key,
// wherever in it the provider says it.
func TestAProviderThatTellsTheKey(t *testing.T) {
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		w.Header().Set("X-Request-Id", "for "+key)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":%[1]q,"model":%[1]q,"service_tier":%[1]q,"choices":[{"index":0,"message":{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":%[1]q,"arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{%[2]s,%[1]q:5}}`, key, chatTokens)
	}))
	t.Cleanup(there.Close)
	caps := policy.Open()
	caps.AllowedTools = []string{"look"}
	models := fmt.Sprintf("version: 1\nproviders:\n  there: {base_url: %q, type: openai_compatible, key_env: OPENAI_API_KEY}\nmodels:\n  gpt-4o-mini: {provider: there}\n", there.URL)
	for _, c := range []*policy.Capabilities{nil, &caps} {
		w := newWorld(t, setup{models: models, caps: c})
		_, _, answer, err := w.post("/v1/chat/completions", `{"model":"gpt-4o-mini","max_tokens":5,"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"look"}}]}`)
		must(t, err)
		if c != nil && strings.Contains(answer, realKey) {
			t.Errorf("the refusal tells the key: %s", answer)
		}
		w.booked(1)
		page, err := w.ledger.Events(t.Context(), ledger.EventFilter{})
		must(t, err)
		for _, e := range page.Events {
			if strings.Contains(string(e.Body), realKey) {
				t.Errorf("%s: %s", e.Action, e.Body)
			}
		}
	}
}
