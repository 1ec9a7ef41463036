package ledger_test

import (
	"context"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// take admits a call of a token, for 1,000 micro-dollars.
func (h *history) take(token, joint string, joins ledger.Join) ledger.HoldID {
	h.t.Helper()
	a := ledger.Admission{Token: ledger.HashToken(token), Least: 1000, Most: 1000, Joins: joins, Call: ledger.CallInfo{Wire: "chat", ModelAsked: "m", Provider: "openai"}}
	if joint != "" {
		a.Joint = ledger.HashToken(joint)
	}
	hold, no, err := h.Admit(h.t.Context(), a)
	if err != nil || no != nil {
		h.t.Fatal(no, err)
	}
	return hold.ID
}

func (h *history) spent(want map[string]ledger.Micros) {
	h.t.Helper()
	for name, micros := range want {
		a, err := h.Agent(h.t.Context(), name)
		if err != nil || a.Account.Spent+a.Account.Reserved != micros {
			h.t.Errorf("agent %s: %+v, want %d; %v", name, a.Account, micros, err)
		}
	}
}

// Through three aex on one ledger: every account is charged once, and the call is
// one. A secret serves once, and only with its hold.
func TestHoldsOfOneCall(t *testing.T) {
	h := newHistory(t, time.Date(2026, 1, 31, 22, 10, 0, 0, time.UTC))
	for _, name := range []string{"a", "b", "c"} {
		agent(t, h.Ledger, ledger.NewAgent{Name: name, Budget: usd(t, "1")})
		h.run(name, "run of "+name)
	}
	settle := func(id ledger.HoldID, s ledger.Settlement) {
		t.Helper()
		if _, err := h.Settle(t.Context(), id, s); err != nil {
			t.Error(err)
		}
	}
	first := h.take("run of a", "one", ledger.Join{})
	second := h.take("run of b", "two", ledger.Join{Hold: first, Secret: ledger.HashToken("one")})
	// An account that the first charges already: a's.
	third := h.take("token of a", "", ledger.Join{Hold: second, Secret: ledger.HashToken("two")})
	h.spent(map[string]ledger.Micros{"a": 1000, "b": 1000, "c": 0})
	for _, id := range []ledger.HoldID{third, first, second} { // in any order
		settle(id, ledger.Settlement{How: ledger.Settled, Cost: 300})
	}
	h.spent(map[string]ledger.Micros{"a": 300, "b": 300})
	var costs ledger.Micros
	for _, e := range events(t, h.Ledger, ledger.EventFilter{Action: "usage.commit"}) {
		costs += e.Cost
	}
	if costs != 300+300 { // one for the agent, and one for the other's; the third charges nobody
		t.Errorf("the events cost %d", costs)
	}
	total, err := h.Totals(t.Context())
	if err != nil || total.Calls != 1 || total.Spent+total.Overrun != 300 {
		t.Errorf("in all %+v, %v", total, err)
	}

	// What is used up, wrong, unknown or over is charged for in full.
	used := h.take("run of a", "one", ledger.Join{})
	good := ledger.Join{Hold: used, Secret: ledger.HashToken("one")}
	inner := h.take("run of a", "", good)
	h.spent(map[string]ledger.Micros{"a": 300 + 1000})
	for _, bad := range []ledger.Join{good, {Hold: used, Secret: ledger.HashToken("other")}, {Hold: "0-1", Secret: ledger.HashToken("one")}, {Hold: used}} {
		settle(h.take("run of a", "", bad), ledger.Settlement{How: ledger.Settled, Cost: 10})
	}
	h.spent(map[string]ledger.Micros{"a": 300 + 1000 + 40})
	settle(inner, ledger.Settlement{How: ledger.Settled, Cost: 7})
	settle(used, ledger.Settlement{How: ledger.Settled, Cost: 7})
	settle(h.take("run of a", "", good), ledger.Settlement{How: ledger.Settled, Cost: 10}) // the hold is over
	h.spent(map[string]ledger.Micros{"a": 300 + 40 + 7 + 10})

	// Recovered, each hold books its own accounts, and the call is still one.
	outer := h.take("run of c", "one", ledger.Join{})
	h.take("run of b", "", ledger.Join{Hold: outer, Secret: ledger.HashToken("one")})
	for range 2 {
		if _, err := h.Sweep(t.Context(), func(ledger.HoldID) bool { return false }); err != nil {
			t.Fatal(err)
		}
	}
	h.spent(map[string]ledger.Micros{"b": 300 + 1000, "c": 1000})
	if total, err = h.Totals(t.Context()); err != nil || total.Calls != 1+5+1+1 || total.Spent+total.Overrun != 300+40+7+10+1000 || total.Doubt != 1000 {
		t.Errorf("in all %+v, %v", total, err)
	}
}

// Whether a key is a token of the ledger is read once, and again when another
// process has changed what tokens there are.
func TestHasTokenIsReadOnce(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	l, other := open(t, dir), open(t, dir)
	if _, err := l.CreateAgent(ctx, ledger.NewAgent{Name: "x"}); err != nil {
		t.Fatal(err)
	}
	mint := func(l *ledger.Ledger, token string) {
		t.Helper()
		if err := l.AddToken(ctx, ledger.NewToken{Hash: ledger.HashToken(token), Agent: "x", Scope: ledger.Execution}); err != nil {
			t.Fatal(err)
		}
	}
	mint(l, "caller's")
	over, cancel := context.WithCancel(ctx)
	cancel() // nothing can be read with it
	look := func(ctx context.Context, want bool) {
		t.Helper()
		if _, err := l.Authenticate(t.Context(), ledger.HashToken("caller's")); err != nil {
			t.Fatal(err)
		}
		if has, err := l.HasToken(ctx, ledger.HashToken("key")); err != nil || has != want {
			t.Errorf("%v %v, want %v", has, err, want)
		}
	}
	look(ctx, false)
	look(over, false)
	mint(other, "key")
	for has, end := false, time.Now().Add(time.Minute); !has && time.Now().Before(end); { // until it was looked whether somebody else wrote
		_, _ = l.Authenticate(ctx, ledger.HashToken("caller's"))
		has, _ = l.HasToken(ctx, ledger.HashToken("key"))
	}
	look(ctx, true)
	look(ctx, true)
	look(over, true)
	mint(l, "another")
	if _, err := l.HasToken(over, ledger.HashToken("key")); err == nil {
		t.Error("what was found before this process minted a token still holds")
	}
}
