package proxy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// TestCountOfWhatIsNamed: what a request brings in by an earlier response's name
// is counted by the provider where the window does not fit. Without a count the
// window is held: the model's vocabulary knows nothing of it.
func TestCountOfWhatIsNamed(t *testing.T) {
	for _, counts := range []bool{true, false} {
		w := newWorld(t, setup{budget: "0.20", prices: []string{}})
		status, _, answer, err := w.post("/v1/responses", `{"model":"gpt-5","max_output_tokens":1000,"input":"`+strings.Repeat("word ", 200)+`"}`)
		must(t, err)
		var first struct {
			ID string `json:"id"`
		}
		must(t, json.Unmarshal([]byte(answer), &first))
		if status != 200 || first.ID == "" {
			t.Fatalf("%d %s", status, answer)
		}
		w.booked(1)
		if !counts {
			w.provider.Set(fakeprovider.Behaviour{CountStatus: 404})
		}
		status, h, answer, err := w.post("/v1/responses", `{"model":"gpt-5","max_output_tokens":1000,"previous_response_id":"`+first.ID+`","input":"go on"}`)
		must(t, err)
		run := w.booked(1)
		if want := map[bool]int{true: 200, false: 402}[counts]; status != want || w.provider.Counted() != 1 {
			t.Fatalf("counts %v: %d %s after %d counts: %s", counts, status, h.Get("X-Aex-Code"), w.provider.Counted(), answer)
		}
		if !counts {
			continue
		}
		calls, err := bookedCalls(t.Context(), w.ledger, w.run, 1)
		must(t, err)
		if c := calls[0]; c.Cost > c.Amount || run.Account.Overrun != 0 || c.Usage.Input < 200 {
			t.Errorf("%s of %s for %+v", c.Cost, c.Amount, c.Usage)
		}
	}
}

// TestNamedAndNotCounted: a conversation may grow between its count and the call,
// and Google counts a prompt without what is cached: both hold the window.
func TestNamedAndNotCounted(t *testing.T) {
	for _, c := range []struct{ path, body string }{
		{"/v1/responses", `{"model":"gpt-5","max_output_tokens":1000,"conversation":"conv_1","input":"go on"}`},
		{"/v1beta/models/gemini-2.5-pro:generateContent", `{"cachedContent":"cachedContents/1","contents":[{"parts":[{"text":"go on"}]}],"generationConfig":{"maxOutputTokens":1000}}`},
	} {
		w := newWorld(t, setup{budget: "0.20", prices: []string{}})
		status, _, answer, err := w.post(c.path, c.body)
		must(t, err)
		if status != 402 || w.provider.Counted() != 0 {
			t.Errorf("%s: %d after %d counts: %s", c.path, status, w.provider.Counted(), answer)
		}
	}
}
