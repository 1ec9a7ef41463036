package bound

import (
	"testing"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// TestOfferGoesStale: an offer by a count lets nothing through once the provider's
// counts are known to be wrong, also where it was made before.
func TestOfferGoesStale(t *testing.T) {
	wrong := false
	o := &Offer{ceilings: []policy.Ceiling{{Input: 1_000_000, Asked: 0}}, uses: []int64{0}, Wrong: func() bool { return wrong }}
	if got := o.Share(100); got != 1 {
		t.Fatalf("a hold of %d", got)
	}
	if wrong = true; o.Share(100) != 0 {
		t.Error("it still lets a call through")
	}
}

// TestNothingIsRememberedToSpare: of a caller with money for very many more such
// calls nothing is kept; of one that is short, what bounds its next call is.
func TestNothingIsRememberedToSpare(t *testing.T) {
	for name, c := range map[string]struct {
		room ledger.Micros
		kept int
	}{"to spare": {1_000_000_000, 0}, "short": {1_000, 1}} {
		price, output := policy.Pico(1_000_000), int64(100)
		model := policy.Model{Name: "m", Sent: "m", MaxOutput: 1000, Price: policy.Price{Rates: policy.Rates{Input: &price, Output: &price}}}
		asked := policy.Call{Wire: policy.Chat, Model: "m", BodyBytes: 40, Messages: 1, Outputs: 1, OutputCap: &output}
		offer, err := New(asked, model, ByBytes, true)
		if err != nil {
			t.Fatal(err)
		}
		offer.Share(c.room)
		doc, err := wire.Parse([]byte(`{"model":"m","messages":[{"role":"user","content":"hi"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		prompt := &Prompt{Buyer: "run 1", Asked: &asked, Model: &model, Body: doc.Object(&err)}
		var paid Paid
		paid.Learn(prompt, Booked{How: ledger.Settled, Cost: 10, Held: 1000, Offer: offer, Loose: offer, Reading: &wire.Reading{Usage: policy.Usage{Input: 20, Output: 5}}, Price: model.Price})
		if len(paid.purses) != c.kept {
			t.Errorf("%s: %d callers are remembered", name, len(paid.purses))
		}
		if tokens := paid.Bound(prompt); (tokens > 0) != (c.kept > 0) {
			t.Errorf("%s: the next call is bounded by %d tokens", name, tokens)
		}
	}
}

// TestFoundAtOnceIsNotAddedUp: calls that are under way at the same time are held alike.
// What their tools brought beyond that is the most of it, not the sum.
func TestFoundAtOnceIsNotAddedUp(t *testing.T) {
	price, output := policy.Pico(1_000_000), int64(100)
	model := policy.Model{Name: "m", Sent: "m", MaxOutput: 1000, Context: 100_000, Price: policy.Price{Rates: policy.Rates{Input: &price, Output: &price}}}
	asked := policy.Call{
		Wire: policy.Chat, Model: "m", BodyBytes: 40, Messages: 1, Outputs: 1, OutputCap: &output,
		Hosted: []policy.HostedTool{{Type: "mcp", Tool: true}}, HostedRule: policy.HostedAuto,
	}
	prompt := &Prompt{Buyer: "run 1", Asked: &asked, Model: &model}
	var paid Paid
	learn := func(over int64) {
		asked.Found = paid.Brought(prompt.counter())
		offer, err := New(asked, model, ByBytes, true)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			usage := policy.Usage{Input: offer.Ceiling().InputTk + over}
			paid.Learn(prompt, Booked{How: ledger.Settled, Cost: 10, Held: 1000, Offer: offer, Loose: offer, Reading: &wire.Reading{Usage: usage}, Price: model.Price})
		}
	}
	for _, want := range []int64{policy.FoundTokens + 5000, policy.FoundTokens + 10_000} {
		if learn(5000); paid.Brought(prompt.counter()) != want {
			t.Errorf("%d tokens are taken to be brought in, want %d", paid.Brought(prompt.counter()), want)
		}
	}
}
