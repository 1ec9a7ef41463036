package ledger_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

const largest ledger.Micros = 1_000_000_000_000_000 // that a call or a budget may be

// admit asks for a hold; it fails the test on an error.
func admit(t *testing.T, l *ledger.Ledger, a ledger.Admission) (ledger.Hold, *ledger.Refusal) {
	t.Helper()
	h, no, err := l.Admit(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return h, no
}

// TestAdmissionsThatMakeNoSense are errors of the caller, not refusals, and
// leave nothing reserved.
func TestAdmissionsThatMakeNoSense(t *testing.T) {
	l := open(t, t.TempDir())
	token := agent(t, l, ledger.NewAgent{Name: "x", Budget: micro(1000)})
	share := func(amount ledger.Micros) func(ledger.Micros) ledger.Micros {
		return func(ledger.Micros) ledger.Micros { return amount }
	}
	for name, a := range map[string]ledger.Admission{
		"less than nothing":           {Least: -1, Most: 5},
		"more at least than at most":  {Least: 6, Most: 5},
		"more than any call costs":    {Least: 5, Most: largest + 1},
		"fewer than no tokens":        {LeastTokens: -1},
		"more tokens than at most":    {LeastTokens: 6, Tokens: 5},
		"a share below the least":     {Least: 10, Most: 500, Share: share(9)},
		"a share above the most":      {Least: 10, Most: 500, Share: share(501)},
		"a share above what there is": {Least: 10, Most: 5000, Share: share(1001)},
		"a share below nothing":       {Least: 0, Most: 500, Share: share(-2)},
		"a share that panics":         {Least: 10, Most: 500, Share: func(ledger.Micros) ledger.Micros { panic("no") }},
	} {
		a.Token = token
		if h, no, err := l.Admit(t.Context(), a); !errors.Is(err, ledger.ErrInvalid) || no != nil || h.ID != "" {
			t.Errorf("%s: %+v, %+v, %v", name, h, no, err)
		}
	}
	for name, a := range map[string]ledger.Admission{"the share is all": {Least: 10, Most: 1000, Share: share(1000)}, "nothing": {Least: 0, Most: 0, Share: share(7)}} {
		a.Token = token
		h, no := admit(t, l, a)
		if no != nil || h.Amount != a.Most {
			t.Errorf("%s: %+v, %+v", name, h, no)
		}
	}
	if got, err := l.Agent(t.Context(), "x"); err != nil || got.Account.Reserved != 1000 {
		t.Errorf("%+v, %v", got.Account, err)
	}
	free := agent(t, l, ledger.NewAgent{Name: "free"})
	if h, no := admit(t, l, ledger.Admission{Token: free, Least: largest, Most: largest}); no != nil || h.Amount != largest {
		t.Errorf("the dearest call: %+v, %+v", h, no)
	}
}

// TestWhatIsShort: who asks for all or nothing is told what there is, and what
// there will be when all that is on its way has ended.
func TestWhatIsShort(t *testing.T) {
	l := open(t, t.TempDir())
	token := agent(t, l, ledger.NewAgent{Name: "x", Budget: micro(1000)})
	h, _ := admit(t, l, ledger.Admission{Token: token, Most: 300})
	if _, no := admit(t, l, ledger.Admission{Token: token, Most: 900, Whole: true}); no == nil || no.Cause != ledger.CauseShort || no.Left != 700 || no.Unspent != 1000 {
		t.Errorf("%+v", no)
	}
	if _, err := l.Settle(t.Context(), h.ID, ledger.Settlement{How: ledger.Settled, Cost: 1200}); err != nil {
		t.Fatal(err)
	}
	if _, no := admit(t, l, ledger.Admission{Token: token, Whole: true}); no == nil || no.Cause != ledger.CauseShort || no.Left != 0 || no.Unspent != 0 {
		t.Errorf("a call that costs nothing, beside an overrun: %+v", no)
	}
	slow := agent(t, l, ledger.NewAgent{Name: "slow", Limits: ledger.Limits{TokensPerMinute: 100}})
	if _, no := admit(t, l, ledger.Admission{Token: slow, Most: 5, Tokens: 100, Whole: true}); no != nil {
		t.Errorf("all tokens of the minute: %+v", no)
	}
	if _, no := admit(t, l, ledger.Admission{Token: slow, Most: 5, Tokens: 1, Whole: true}); no == nil || no.Cause != ledger.CauseShort || no.Left != largest {
		t.Errorf("no token of the minute, and no budget: %+v", no)
	}
	wide := agent(t, l, ledger.NewAgent{Name: "wide", Limits: ledger.Limits{RequestsPerMinute: 1}})
	for _, whole := range []bool{true, true} { // a pace of requests is refused by its own cause
		if _, no := admit(t, l, ledger.Admission{Token: wide, Most: 5, Tokens: 5, Whole: whole}); no != nil && no.Cause != ledger.CauseRequests {
			t.Errorf("%+v", no)
		}
	}
}

// TestNothingLeft: a budget of 0 is used up, and not too small for one call; a
// tenth that is left is too small, and less than that is used up.
func TestNothingLeft(t *testing.T) {
	l := open(t, t.TempDir())
	for name, c := range map[string]struct {
		budget int64
		spend  ledger.Micros
		want   ledger.Cause
	}{"none": {0, 0, ledger.CauseExhausted}, "tenth": {100, 90, ledger.CauseTooLarge}, "less": {100, 91, ledger.CauseExhausted}} {
		token := agent(t, l, ledger.NewAgent{Name: name, Budget: micro(c.budget)})
		if c.spend > 0 {
			h, _ := admit(t, l, ledger.Admission{Token: token, Most: c.spend})
			if _, err := l.Settle(t.Context(), h.ID, ledger.Settlement{How: ledger.Settled, Cost: c.spend}); err != nil {
				t.Fatal(err)
			}
		}
		if _, no := admit(t, l, ledger.Admission{Token: token, Most: 50}); no == nil || no.Cause != c.want || no.Name != name || no.Account != ledger.AgentAccount {
			t.Errorf("%s: %+v", name, no)
		}
	}
}

// TestWhoseMoneyItIs: a refusal names the run whose budget it is, also where the
// agent has as little; a run that its agent's overrun has ended is told of that.
func TestWhoseMoneyItIs(t *testing.T) {
	l := open(t, t.TempDir())
	agent(t, l, ledger.NewAgent{Name: "x", Budget: micro(500)})
	opened := func(name string, budget int64) (ledger.TokenHash, string) {
		token := ledger.HashToken(name)
		run, err := l.OpenRun(t.Context(), ledger.NewRun{Agent: "x", Budget: micro(budget), Token: token, Expires: time.Now().Add(time.Hour), Metered: true})
		if err != nil {
			t.Fatal(err)
		}
		return token, string(run.ID)
	}
	refused := func(token ledger.TokenHash, cause ledger.Cause, kind ledger.AccountKind, name string) {
		t.Helper()
		if _, no := admit(t, l, ledger.Admission{Token: token, Most: 600}); no == nil || no.Cause != cause || no.Account != kind || no.Name != name {
			t.Errorf("%+v, want %s of %s %s", no, cause, kind, name)
		}
	}
	small, id := opened("small", 100)
	refused(small, ledger.CauseTooLarge, ledger.RunAccount, id)
	same, id := opened("same", 500)
	refused(same, ledger.CauseTooLarge, ledger.RunAccount, id)
	wide, _ := opened("wide", 1000)
	h, _ := admit(t, l, ledger.Admission{Token: wide, Most: 500})
	if out, err := l.Settle(t.Context(), h.ID, ledger.Settlement{How: ledger.Settled, Cost: 800}); err != nil || out.Overrun != 300 || !out.RunEnds {
		t.Fatalf("%+v, %v", out, err)
	}
	refused(wide, ledger.CauseExhausted, ledger.AgentAccount, "x")
}

// TestSlotsOfOneProcess: calls at the same time are counted as they begin and as
// they end, also where an end is an estimate whose cost may still come.
func TestSlotsOfOneProcess(t *testing.T) {
	l := open(t, t.TempDir())
	a := ledger.Admission{Token: agent(t, l, ledger.NewAgent{Name: "x", Limits: ledger.Limits{Concurrency: 2}}), Most: 100}
	first, _ := admit(t, l, a)
	second, _ := admit(t, l, a)
	full := func(want bool) {
		t.Helper()
		h, no := admit(t, l, a)
		if (no != nil) != want || no != nil && no.Cause != ledger.CauseConcurrency {
			t.Errorf("%+v", no)
		}
		if no == nil {
			if _, err := l.Settle(t.Context(), h.ID, ledger.Settlement{How: ledger.Cancelled}); err != nil {
				t.Fatal(err)
			}
		}
	}
	full(true)
	if _, err := l.Settle(t.Context(), first.ID, ledger.Settlement{How: ledger.Estimated, Cost: 80, Asks: true}); err != nil {
		t.Fatal(err)
	}
	full(false)
	third, _ := admit(t, l, a)
	full(true)
	// The real cost of the first, which takes no slot and gives none back.
	out, err := l.Settle(t.Context(), first.ID, ledger.Settlement{How: ledger.Settled, Cost: 30})
	if err != nil || !out.Late || out.Was != 80 || out.Cost != 30 {
		t.Errorf("late: %+v, %v", out, err)
	}
	full(true)
	for _, h := range []ledger.HoldID{second.ID, third.ID} {
		if _, err := l.Settle(t.Context(), h, ledger.Settlement{How: ledger.Settled, Cost: 1}); err != nil {
			t.Fatal(err)
		}
	}
	full(false)
	if got, err := l.Agent(t.Context(), "x"); err != nil || got.Account.Spent != 32 || got.Account.Reserved != 0 {
		t.Errorf("%+v, %v", got.Account, err)
	}
	verify(t, l)
}

// TestBehindOneThatWaits: a call that would fit does not overtake one that waits
// for the money, and is told when to come again.
func TestBehindOneThatWaits(t *testing.T) {
	l := open(t, t.TempDir())
	token := agent(t, l, ledger.NewAgent{Name: "x", Budget: micro(1000)})
	held, _ := admit(t, l, ledger.Admission{Token: token, Most: 900})
	served := make(chan *ledger.Refusal)
	go func() {
		_, no, err := l.Admit(context.Background(), ledger.Admission{Token: token, Most: 500, Wait: time.Minute})
		if err != nil {
			t.Error(err)
		}
		served <- no
	}()
	ledger.WaitForWaiting(l, 1)
	if _, no := admit(t, l, ledger.Admission{Token: token, Most: 50}); no == nil || no.Cause != ledger.CauseBusy || no.RetryAfter <= 0 || no.Name != "x" {
		t.Errorf("it overtakes: %+v", no)
	}
	if _, err := l.Settle(t.Context(), held.ID, ledger.Settlement{How: ledger.Cancelled}); err != nil {
		t.Fatal(err)
	}
	if no := <-served; no != nil {
		t.Errorf("%+v", no)
	}
}
