package proxy

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// TestCostIsWithinTheHold: a provider that honours its cap never bills more
// than was held, whatever it charges and whatever is asked. It takes every byte
// of text for a token, adds its hidden tokens, bills pictures by its published
// formula, thinks, caches and serves in any tier that it may.
func TestCostIsWithinTheHold(t *testing.T) {
	const seed = 20261122
	draw := &draw{Rand: rand.New(rand.NewPCG(seed, seed))}
	w := newWorld(t, setup{provider: fakeprovider.Options{BytesPerToken: 1}, change: func(o *Options) { o.noVocabulary = true }})
	tried, clamped := map[string]int{}, 0
	for turn := range 110 {
		models, prices := draw.models()
		w.gateway.SetRegistry(w.registry(models, nil))
		w.fund(fmt.Sprintf("%064x", turn+1), draw.pick("0.004", "0.02", "0.10", "0.50", "3000"))
		for range 6 {
			r := draw.request()
			for len(r.body) > 100_000 && !roomy.MatchString(r.body+r.path) { // longer than a window: a provider refuses it
				r = draw.request()
			}
			c, h := w.within(r, prices)
			switch {
			case c == nil:
				tried["refused"]++
				continue
			case c.How != string(ledger.Settled):
				continue
			}
			tried[r.wire]++
			if h.Get("X-Aex-Clamped-Max-Tokens") != "" {
				clamped++
			}
		}
		run, err := w.ledger.Run(t.Context(), string(w.run))
		must(t, err)
		if run.Account.Overrun != 0 || run.Account.Reserved != 0 {
			t.Fatalf("overrun %s, reserved %s", run.Account.Overrun, run.Account.Reserved)
		}
	}
	for _, w := range wire.All() {
		if tried[w.Name] < 25 {
			t.Errorf("%s was tried %d times", w.Name, tried[w.Name])
		}
	}
	if tried["refused"] < 20 || clamped < 20 {
		t.Errorf("%d calls were refused and %d clamped: the draw does not reach where money is short", tried["refused"], clamped)
	}
}

// within makes a drawn call, and holds what was booked against its hold and the provider's bill; nil: it was refused for
// money.
func (w *world) within(r drawnRequest, prices map[string]fakeprovider.Price) (*bookedCall, http.Header) {
	t := w.t
	t.Helper()
	w.provider.Set(r.how) // not Next: a refused call would leave it to another
	billed := len(w.calls())
	status, h, answer, err := w.post(r.path, r.body, "Anthropic-Version", "2023-06-01")
	must(t, err)
	w.booked(1)
	if status == 402 {
		return nil, h
	}
	if status != 200 {
		t.Fatalf("%s %.300s\nwas answered %d %.300s", r.path, r.body, status, answer)
	}
	calls, err := bookedCalls(t.Context(), w.ledger, w.run, 1)
	must(t, err)
	c, e := calls[0], w.answered(billed + 1)[billed]
	if tier := r.how.ServedTier; c.How == string(ledger.Estimated) && (tier == "flex" || tier == "priority") {
		if c.Cost < c.Amount { // a tier without a price is unclear: at least the hold
			t.Errorf("%s: %s of %s was booked for the tier %s", r.path, c.Cost, c.Amount, tier)
		}
		return &c, h
	}
	if c.How != string(ledger.Settled) || c.Usage != ledger.Usage(e.Usage) {
		t.Errorf("%s: %s, booked %+v of %+v", r.path, c.How, c.Usage, e.Usage)
	}
	if c.Cost > c.Amount {
		t.Errorf("%s %.400s\nwas held at %s and cost %s: %+v, tier %q", r.path, r.body, c.Amount, c.Cost, e.Usage, c.Tier)
	}
	if price, ok := prices[e.Model]; ok && int64(c.Cost) != price.Micros(e.Usage) {
		t.Errorf("%s: booked %s for %+v, exactly %d micro-dollars", r.path, c.Cost, e.Usage, price.Micros(e.Usage))
	}
	return &c, h
}

// roomy are the models that read long prompts.
var roomy = regexp.MustCompile(`drawn|claude-sonnet|gemini-2.5-pro`)

// fund opens another run of the agent, which the next calls are of.
func (w *world) fund(token, budget string) {
	w.t.Helper()
	r, err := w.ledger.OpenRun(w.t.Context(), ledger.NewRun{Agent: w.agent, Program: "bot", Budget: usd(w.t, budget),
		Token: ledger.HashToken(token), Expires: time.Now().Add(time.Hour), Metered: true})
	must(w.t, err)
	w.run, w.token = r.ID, token
}
