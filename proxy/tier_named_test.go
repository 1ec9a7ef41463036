package proxy

import (
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/ledger"
)

// TestTierIsHeldWhereItIsNamed: the standard tier is held where the request can
// name it; on a wire that knows no tiers the dearest is, for any may come.
func TestTierIsHeldWhereItIsNamed(t *testing.T) {
	for _, c := range []struct {
		path, body string
		named      bool
	}{
		{"/v1/chat/completions", `{"model":"gpt-4.1","max_tokens":2000,"messages":[{"role":"user","content":"hello"}]}`, true},
		{"/v1/responses", `{"model":"gpt-4.1","max_output_tokens":2000,"input":"hello"}`, true},
		{"/v1/completions", `{"model":"gpt-4.1","max_tokens":2000,"prompt":"hello"}`, false},
	} {
		// $8 a million in the standard tier, $14 in the dearest: the whole answer fits in the one alone.
		w := newWorld(t, setup{prices: []string{}, budget: "0.018"})
		status, h, answer, err := w.post(c.path, c.body)
		must(t, err)
		w.booked(1)
		if status != 200 {
			t.Fatalf("%s: %d %s", c.path, status, answer)
		}
		calls, err := bookedCalls(t.Context(), w.ledger, w.run, 1)
		must(t, err)
		sent := string(w.calls()[0].Body)
		if strings.Contains(sent, `"service_tier":"default"`) != c.named || strings.Contains(h.Get("X-Aex-Changed"), "service tier") != c.named || (calls[0].Clamped == 0) != c.named {
			t.Errorf("%s: held %s, capped at %d, changed %q, sent %s", c.path, calls[0].Amount, calls[0].Clamped, h.Get("X-Aex-Changed"), sent)
		}
	}
}

// TestTierIsNamedForMoneyAlone: where tokens a minute are short, and money is not, the cap
// falls and the tier stays what the account is set to.
func TestTierIsNamedForMoneyAlone(t *testing.T) {
	w := newWorld(t, setup{prices: []string{}})
	_, err := w.ledger.SetAgent(t.Context(), w.agent, ledger.AgentChange{Limits: &ledger.Limits{TokensPerMinute: 9000}})
	must(t, err)
	status, h, answer, err := w.post("/v1/responses", `{"model":"gpt-5","input":"hello"}`)
	must(t, err)
	w.booked(1)
	if status != 200 || h.Get("X-Aex-Clamped-Max-Tokens") == "" || h.Get("X-Aex-Changed") != "" {
		t.Errorf("%d %s, clamped to %s, changed: %s", status, answer, h.Get("X-Aex-Clamped-Max-Tokens"), h.Get("X-Aex-Changed"))
	}
}
