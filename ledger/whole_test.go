package ledger_test

import (
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestWhole: all or nothing, without a trace; then what there is.
func TestWhole(t *testing.T) {
	l := openAt(t, t.TempDir(), newClock())
	agent, token := ledger.NewAgent{Name: "a", Limits: ledger.Limits{TokensPerMinute: 1000}}, ledger.HashToken("t")
	budget := ledger.Micros(1000)
	agent.Budget = &budget
	_, err := l.CreateAgent(t.Context(), agent)
	ok(t, err)
	ok(t, l.AddToken(t.Context(), ledger.NewToken{Hash: token, Agent: "a", Scope: ledger.Execution}))
	half := func(room ledger.Micros) ledger.Micros { return min(room, 1200) }
	a := ledger.Admission{Token: token, Least: 100, Most: 1200, Share: half, Tokens: 1500, LeastTokens: 200, Wait: time.Minute}

	for name, change := range map[string]func(*ledger.Admission){
		"money":  func(a *ledger.Admission) { a.Tokens = 500 },
		"tokens": func(a *ledger.Admission) { a.Most, a.Share = 500, nil },
	} {
		whole := a
		whole.Whole = true
		change(&whole)
		if _, no, err := l.Admit(t.Context(), whole); err != nil || no == nil || no.Cause != ledger.CauseShort {
			t.Errorf("%s: %v %v", name, no, err)
		}
	}
	page, err := l.Events(t.Context(), ledger.EventFilter{Agent: "a"})
	ok(t, err)
	for _, e := range page.Events {
		if e.Action == "budget.deny" || e.Action == "rate.deny" {
			t.Errorf("a call that asked for all left %s", e.Action)
		}
	}
	hold, no, err := l.Admit(t.Context(), a)
	ok(t, err)
	if no != nil || hold.Amount != 1000 || hold.Tokens != 1000 {
		t.Errorf("got %d micro-dollars and %d tokens: %v", hold.Amount, hold.Tokens, no)
	}
}

// TestTokensThatNoMinuteHas: a call of more tokens than any minute has is told
// so for good, not for a while.
func TestTokensThatNoMinuteHas(t *testing.T) {
	l := openAt(t, t.TempDir(), newClock())
	token := ledger.HashToken("t")
	_, err := l.CreateAgent(t.Context(), ledger.NewAgent{Name: "a", Limits: ledger.Limits{TokensPerMinute: 1000}})
	ok(t, err)
	ok(t, l.AddToken(t.Context(), ledger.NewToken{Hash: token, Agent: "a", Scope: ledger.Execution}))
	_, no, err := l.Admit(t.Context(), ledger.Admission{Token: token, Tokens: 5000, LeastTokens: 1001})
	ok(t, err)
	if no == nil || no.Cause != ledger.CauseTooLong || no.Tokens != 1001 {
		t.Errorf("refused: %+v", no)
	}
	_, _, err = l.Admit(t.Context(), ledger.Admission{Token: token, Tokens: 5000, LeastTokens: 900})
	ok(t, err)
	_, no, err = l.Admit(t.Context(), ledger.Admission{Token: token, Tokens: 5000, LeastTokens: 900})
	ok(t, err)
	if no == nil || no.Cause != ledger.CauseTokens || no.RetryAfter == 0 {
		t.Errorf("the second of the minute: %+v", no)
	}
}

// TestExhaustedNamesWhoIsShort: a run without a budget of its own that emptied
// its agent is refused for the agent's money, each time.
func TestExhaustedNamesWhoIsShort(t *testing.T) {
	l := openAt(t, t.TempDir(), newClock())
	budget := ledger.Micros(1000)
	_, err := l.CreateAgent(t.Context(), ledger.NewAgent{Name: "a", Budget: &budget})
	ok(t, err)
	token := ledger.HashToken("t")
	_, err = l.OpenRun(t.Context(), ledger.NewRun{Agent: "a", Token: token, Program: "bot", Expires: time.Now().Add(time.Hour)})
	ok(t, err)
	hold, _, err := l.Admit(t.Context(), ledger.Admission{Token: token, Least: 950, Most: 950})
	ok(t, err)
	_, err = l.Settle(t.Context(), hold.ID, ledger.Settlement{How: ledger.Settled, Cost: 950})
	ok(t, err)
	for range 2 {
		_, no, err := l.Admit(t.Context(), ledger.Admission{Token: token, Least: 400, Most: 400})
		ok(t, err)
		if no == nil || no.Cause != ledger.CauseExhausted || no.Account != ledger.AgentAccount || no.Name != "a" || no.Budget != 1000 || no.Spent != 950 || no.Needed != 400 {
			t.Errorf("refused: %+v", no)
		}
	}
}
