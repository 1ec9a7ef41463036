package proxy

import (
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/ledger"
)

// broken makes a call that does not end as it should, and returns how it is
// booked.
func (w *world) broken(path, body string, how fakeprovider.Behaviour) bookedCall {
	w.t.Helper()
	w.provider.Set(how)
	_, _, _, _ = w.post(path, body, "Anthropic-Version", "2023-06-01")
	w.booked(1)
	calls, err := bookedCalls(w.t.Context(), w.ledger, w.run, 1)
	must(w.t, err)
	if calls[0].How != string(ledger.Estimated) {
		w.t.Fatalf("%s is booked %s", body, calls[0].How)
	}
	return calls[0]
}

// Where a stream breaks before the provider has said what it read, the estimate
// takes the dearest that the input may cost, as the hold did.
func TestEstimateIsAtThePriceOfTheHold(t *testing.T) {
	w := newWorld(t, setup{models: `version: 1
models:
  m: {provider: openai, capabilities: {reasoning: false}, pricing: {input_usd_per_mtok: "3", output_usd_per_mtok: "15", cache_write_5m_usd_per_mtok: "300"}}
`})
	const output = 2000 * 15 // micro-dollars
	c := w.broken("/v1/chat/completions", `{"model":"m","stream":true,"max_tokens":2000,"messages":[{"role":"user","content":"hi"}]}`,
		fakeprovider.Behaviour{Fault: fakeprovider.FaultCut, After: 4, OutputTokens: 12})
	if input := c.Amount - output; c.Cost >= c.Amount || c.Cost < input {
		t.Errorf("%s of %s: the input alone can cost %s", c.Cost, c.Amount, input)
	}
}

// What a provider makes beyond the cap that it was sent goes beyond the hold:
// it is booked as an overrun, not as what the hold was.
func TestBeyondTheCapIsAnOverrun(t *testing.T) {
	w := newWorld(t, setup{budget: "0.01", models: `version: 1
models:
  m: {provider: openai, capabilities: {reasoning: false}, pricing: {input_usd_per_mtok: "1", output_usd_per_mtok: "100"}}
`})
	c := w.broken("/v1/chat/completions", `{"model":"m","stream":true,"max_tokens":20,"messages":[{"role":"user","content":"hi"}]}`,
		fakeprovider.Behaviour{OutputTokens: 4000, IgnoreCap: true})
	run, err := w.ledger.Run(t.Context(), string(w.run))
	must(t, err)
	if c.Ending != "over_cap" || c.Cost <= c.Amount || run.Account.Overrun == 0 || run.Account.Spent+run.Account.Overrun != c.Cost {
		t.Errorf("%s: %s of %s; spent %s, overrun %s", c.Ending, c.Cost, c.Amount, run.Account.Spent, run.Account.Overrun)
	}
}
