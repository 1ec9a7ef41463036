package ledger_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/Auro-rium/aex/ledger"
)

// open opens a ledger in dir and closes it with the test.
func open(t testing.TB, dir string) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(dir, "aex.db"), Home: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return l
}

func usd(t testing.TB, s string) *ledger.Micros {
	t.Helper()
	m, err := ledger.ParseUSD(s)
	if err != nil {
		t.Fatal(err)
	}
	return &m
}

// agent makes an agent with one token.
func agent(t testing.TB, l *ledger.Ledger, n ledger.NewAgent) ledger.TokenHash {
	t.Helper()
	if _, err := l.CreateAgent(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	h := ledger.HashToken("token of " + n.Name)
	if err := l.AddToken(t.Context(), ledger.NewToken{Hash: h, Agent: n.Name, Scope: ledger.Execution}); err != nil {
		t.Fatal(err)
	}
	return h
}

// verify fails the test unless every check of the audit passes.
func verify(t testing.TB, l *ledger.Ledger) {
	t.Helper()
	a, err := l.Verify(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range a.Checks {
		if !c.OK {
			t.Errorf("audit: %s: %s", c.Name, c.Detail)
		}
	}
}

func TestCallFromHoldToSettlement(t *testing.T) {
	l := open(t, t.TempDir())
	ctx := t.Context()
	agent(t, l, ledger.NewAgent{Name: "atlas", Budget: usd(t, "1")})
	run, err := l.OpenRun(ctx, ledger.NewRun{Agent: "atlas", Budget: usd(t, "0.50"), Program: "bot.py", Token: ledger.HashToken("r"), Expires: time.Now().Add(time.Hour), Metered: true})
	if err != nil {
		t.Fatal(err)
	}
	id, err := l.Authenticate(ctx, ledger.HashToken("r"))
	if err != nil || id.Agent != "atlas" || id.Run != run.ID || id.RunState != ledger.RunOpen {
		t.Fatalf("authenticated as %+v, %v", id, err)
	}
	h, no, err := l.Admit(ctx, ledger.Admission{Token: ledger.HashToken("r"), Least: 100, Most: 200_000, Call: ledger.CallInfo{Wire: "chat", ModelAsked: "m"}})
	if err != nil || no != nil {
		t.Fatal(no, err)
	}
	if h.Amount != 200_000 || h.Run != run.ID || !h.Limited || h.Budget != 500_000 || h.Reserved != 200_000 {
		t.Fatalf("hold %+v", h)
	}
	verify(t, l)
	out, err := l.Settle(ctx, h.ID, ledger.Settlement{How: ledger.Settled, Cost: 123_456, Usage: ledger.Usage{Input: 7, Output: 8}, Status: 200, Latency: 1500 * time.Millisecond})
	if err != nil || out.Cost != 123_456 || out.RunEnds {
		t.Fatalf("settled %+v, %v", out, err)
	}
	verify(t, l)
	r, err := l.EndRun(ctx, run.ID, ledger.RunEnd{Outcome: "exited", Detail: []byte("{\n \"a\": 1}")})
	if err != nil || r.State != ledger.RunEnded || r.Calls != 1 || r.Account.Spent != 123_456 {
		t.Fatalf("ended %+v, %v", r, err)
	}
	a, err := l.Agent(ctx, "atlas")
	if err != nil || a.Account.Spent != 123_456 || a.Account.Reserved != 0 {
		t.Fatalf("agent %+v, %v", a, err)
	}
	ev, err := l.Events(ctx, ledger.EventFilter{Run: run.ID})
	if err != nil || len(ev) != 3 || ev[1].Action != "usage.commit" || ev[1].Cost != 123_456 {
		t.Fatalf("events %+v, %v", ev, err)
	}
	verify(t, l)
}
