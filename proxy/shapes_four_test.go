package proxy

import (
	"fmt"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// unspent is what the caller's path has left once its call is booked.
func (w *world) unspent() int64 {
	w.t.Helper()
	path, err := w.ledger.Path(w.t.Context(), ledger.HashToken(w.token))
	must(w.t, err)
	if short := ledger.Shortest(path); short != nil {
		return int64(*short.Budget - short.Spent)
	}
	return 0
}

// TestFourShapesShare: four conversations at once on one agent with $1, each a
// run of its own, end only when what the agent has left is below 1.15 times the
// least hold of each. What all were billed is what was spent.
func TestFourShapesShare(t *testing.T) {
	w := newWorld(t, setup{agent: "1", budget: "none", prices: []string{}})
	four := []shape{claudeShape(true), codexShape(), chatShape(), geminiShape()}
	for i, model := range []string{"claude-sonnet-4-5", "gpt-5", "gpt-4o", "gemini-2.5-pro"} {
		w.provider.SetModel(model, four[i].how)
	}
	var all sync.WaitGroup
	went := make([]talked, len(four))
	for i, s := range four {
		own := *w
		own.token = fmt.Sprintf("%064x", i+1)
		_, err := w.ledger.OpenRun(t.Context(), ledger.NewRun{Agent: w.agent, Program: "bot", Token: ledger.HashToken(own.token), Expires: time.Now().Add(time.Hour), Metered: true})
		must(t, err)
		all.Go(func() { went[i] = s.talk(&own, 1000, own.unspent) })
	}
	all.Wait()
	calls := 0
	for i, k := range went {
		calls += k.calls
		t.Logf("%s: %d calls, $%.4f left when the least hold was $%.4f", four[i].name, k.calls, float64(k.left)/1e6, float64(k.least)/1e6)
		if k.calls == 0 || k.left*100 >= k.least*115 {
			t.Errorf("%s ended with %d micro-dollars left, and %d would do", four[i].name, k.left, k.least)
		}
	}
	w.booked(calls + len(four))
	agent, err := w.ledger.Agent(t.Context(), w.agent)
	must(t, err)
	if bill := w.billed(paysShapes()); agent.Account.Spent != bill || agent.Account.Overrun != 0 {
		t.Errorf("spent %s and overrun %s of a bill of %s", agent.Account.Spent, agent.Account.Overrun, bill)
	}
	t.Logf("%d calls, %d counts, %.1f %% spent", calls, w.provider.Counted(), float64(agent.Account.Spent)/10_000)
}

var thinkingIn = regexp.MustCompile(`"budget_tokens":\d+`)

// TestThinkingSparesTheCache: what a conversation reads and writes in its
// provider's cache costs, when its thinking is lowered to fit, at most 1.2 times
// what it costs where there is money to spare.
func TestThinkingSparesTheCache(t *testing.T) {
	s := claudeShape(true)
	cached := func(budget string, most int) (calls int, micros int64, budgets map[string]bool) {
		w := newWorld(t, setup{budget: budget, prices: []string{}})
		w.provider.Set(s.how)
		calls, budgets = s.talk(w, most, w.unspent).calls, map[string]bool{}
		for _, e := range w.calls() {
			u := e.Usage
			u.Output = 0
			micros += s.price.Micros(u)
			budgets[thinkingIn.FindString(string(e.Body))] = true
		}
		return calls, micros, budgets
	}
	calls, clamped, budgets := cached("0.50", 1000)
	_, free, _ := cached("100", calls)
	t.Logf("%d calls: $%.4f of $%.4f, thinking %d times another", calls, float64(clamped)/1e6, float64(free)/1e6, len(budgets)-1)
	if calls < 10 || len(budgets) < 2 || clamped*10 > free*12 {
		t.Errorf("%d calls, %d budgets of thinking, %d to %d micro-dollars", calls, len(budgets), clamped, free)
	}
}
