package proxy

import (
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// TestWhatToolsBroughtIsHeldNext: where a provider's own tools put more before the model
// than was held, that is booked, and the next use of them holds it.
func TestWhatToolsBroughtIsHeldNext(t *testing.T) {
	const said = `"messages":[{"role":"user","content":"hello"}]`
	for _, c := range []struct {
		name, path, body string
		searches         int64
		brought          int64
	}{
		{"messages", "/v1/messages", `{"model":"claude-haiku-4-5","max_tokens":100,` + said + `,"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":2}]}`, 2, 400_000},
		{"messages, one of two uses", "/v1/messages", `{"model":"claude-haiku-4-5","max_tokens":100,` + said + `,"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":2}]}`, 1, 180_000},
		{"responses", "/v1/responses", `{"model":"gpt-5","max_output_tokens":100,"input":"hello","max_tool_calls":2,"tools":[{"type":"web_search"}]}`, 2, 900_000},
		{"chat", "/v1/chat/completions", `{"model":"gpt-4o","max_tokens":100,` + said + `,"web_search_options":{}}`, 0, 500_000},
		{"chat, mcp", "/v1/chat/completions", `{"model":"gpt-4o","max_tokens":100,` + said + `,"tools":[{"type":"mcp"}]}`, 0, 500_000},
		{"gemini", "/v1beta/models/gemini-2.5-flash:generateContent", `{"contents":[{"parts":[{"text":"hello"}]}],"generationConfig":{"maxOutputTokens":100},"tools":[{"googleSearch":{}}]}`, 2, 3_000_000},
	} {
		w := newWorld(t, setup{prices: []string{}})
		w.provider.Set(fakeprovider.Behaviour{ToolUseTokens: c.brought, Searches: c.searches})
		for i := range 3 {
			status, _, answer, err := w.post(c.path, c.body, "Anthropic-Version", "2023-06-01")
			must(t, err)
			w.booked(1)
			if status != 200 {
				t.Fatalf("%s: %d %s", c.name, status, answer)
			}
			calls, err := bookedCalls(t.Context(), w.ledger, w.run, i+1)
			must(t, err)
			last := calls[i]
			if beyond := last.Cost > last.Amount; beyond != (i == 0) {
				t.Errorf("%s, call %d: %s of %s, for %+v", c.name, i, last.Cost, last.Amount, last.Usage)
			}
		}
	}
}
