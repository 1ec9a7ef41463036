package proxy

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/Auro-rium/aex/v3/ledger"
)

// TestSearchesOfOtherHosts: a search is booked as the host tells of it: by its own
// bill, by what its tools did, or, where nothing tells, at the hold.
func TestSearchesOfOtherHosts(t *testing.T) {
	const head = `{"id":"x","object":"chat.completion","model":"gpt-4o","choices":[{"index":0,"message":{"role":"assistant","content":"hi"`
	const usage = `"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1100`
	const search = `,"tools":[{"type":"web_search"},{"type":"function","function":{"name":"f"}}]`
	for name, c := range map[string]struct {
		rates, fields, answer string
		want                  ledger.Micros
		how                   ledger.How
	}{
		"the host's own bill":     {`{input_usd_per_mtok: "1", output_usd_per_mtok: "10"}`, search, head + `},"finish_reason":"stop"}],"usage":{` + usage + `,"cost":0.0421,"is_byok":false}}`, 42_100, ledger.Settled},
		"what its tools did":      {`{input_usd_per_mtok: "1", output_usd_per_mtok: "10", per_search_usd: "0.005"}`, search, head + `,"executed_tools":[{"index":0,"type":"browser_search"},{"index":1,"type":"browser_search"}]},"finish_reason":"stop"}],"usage":{` + usage + `}}`, 2_000 + 10_000, ledger.Settled},
		"nothing tells":           {`{input_usd_per_mtok: "1", output_usd_per_mtok: "10"}`, search, head + `},"finish_reason":"stop"}],"usage":{` + usage + `}}`, -1, ledger.Estimated},
		"nobody may search":       {`{input_usd_per_mtok: "1", output_usd_per_mtok: "10"}`, ``, head + `},"finish_reason":"stop"}],"usage":{` + usage + `}}`, 2_000, ledger.Settled},
		"what a plugin may bring": {`{input_usd_per_mtok: "1", output_usd_per_mtok: "10"}`, `,"plugins":[{"id":"web"}]`, head + `},"finish_reason":"stop"}],"usage":{` + usage + `,"cost":0.5,"is_byok":false}}`, 500_000, ledger.Settled},
	} {
		t.Run(name, func(t *testing.T) {
			host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(c.answer))
			}))
			defer host.Close()
			// The name stands for a host whose answers carry its bill; the real one is reached through a proxy.
			w := newWorld(t, setup{prices: []string{}, models: `version: 1
providers:
  far: {base_url: "http://openrouter.ai/api/v1", type: openai_compatible, key_env: FAR_KEY, proxy: "` + host.URL + `"}
models:
  m: {provider: far, provider_model: gpt-4o, limits: {context: 128000}, pricing: ` + c.rates + `}
`})
			status, _, answer, err := w.post("/v1/chat/completions", `{"model":"m","max_tokens":1000,"messages":[{"role":"user","content":"hello"}]`+c.fields+`}`)
			must(t, err)
			if status != 200 {
				t.Fatalf("%d %s", status, answer)
			}
			w.booked(1)
			calls, err := bookedCalls(t.Context(), w.ledger, w.run, 1)
			must(t, err)
			got := calls[0]
			if want := c.want; got.How != fmt.Sprint(c.how) || want >= 0 && got.Cost != want || want < 0 && got.Cost != got.Amount {
				t.Errorf("%s booked %s of %s, want %s", got.How, got.Cost, got.Amount, want)
			}
		})
	}
}
