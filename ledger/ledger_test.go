package ledger_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// open opens a ledger in dir and closes it with the test.
func open(t testing.TB, dir string) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), ledger.Options{Path: ledger.Place(dir), Home: dir})
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

// events are what the filter picks.
func events(t testing.TB, l *ledger.Ledger, f ledger.EventFilter) []ledger.Event {
	t.Helper()
	page, err := l.Events(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return page.Events
}

// verify fails the test unless every check of the audit passes.
func verify(t testing.TB, l *ledger.Ledger) {
	t.Helper()
	verifyBut(t, l, "")
}

func verifyBut(t testing.TB, l *ledger.Ledger, unverified string) {
	t.Helper()
	a, err := l.Verify(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range a.Checks {
		if !c.OK && c.Name != unverified {
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
	ev := events(t, l, ledger.EventFilter{Run: run.ID})
	if len(ev) != 3 || ev[1].Action != "usage.commit" || ev[1].Cost != 123_456 {
		t.Fatalf("events %+v", ev)
	}
	verify(t, l)
}

// What EndRun answers is what was there and what the ledger has then, with every
// refusal, told or not, and with an agent that is deleted by now.
func TestEndedRunIsTheOneInTheLedger(t *testing.T) {
	ctx := t.Context()
	for _, deleted := range []bool{false, true} {
		for _, was := range []ledger.RunState{ledger.RunOpen, ledger.RunExhausted} {
			l := open(t, t.TempDir())
			agent(t, l, ledger.NewAgent{Name: "atlas", Budget: usd(t, "1"), Window: ledger.Daily})
			token := ledger.HashToken("r")
			run, err := l.OpenRun(ctx, ledger.NewRun{Agent: "atlas", Budget: usd(t, "0.50"), Program: "bot.py", Token: token, Expires: time.Now().Add(time.Hour), Metered: true})
			if err != nil {
				t.Fatal(err)
			}
			h, no, err := l.Admit(ctx, ledger.Admission{Token: token, Least: 100, Most: 200_000, Call: ledger.CallInfo{Wire: "chat", ModelAsked: "m"}})
			if err != nil || no != nil {
				t.Fatal(no, err)
			}
			for range 3 {
				if err := l.Refused(ctx, ledger.RefusedCall{Agent: "atlas", Run: run.ID, Code: "model_not_allowed", Reason: "m is not on the list"}); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := l.EndRun(ctx, run.ID, ledger.RunEnd{Outcome: "exited"}); !errors.Is(err, ledger.ErrUnsettled) {
				t.Errorf("with a call under way: %v", err)
			}
			if _, err := l.Settle(ctx, h.ID, ledger.Settlement{How: ledger.Settled, Cost: 123_456, Status: 200}); err != nil {
				t.Fatal(err)
			}
			a, err := l.Agent(ctx, "atlas")
			if err != nil {
				t.Fatal(err)
			}
			if was != ledger.RunOpen {
				if err := l.SetRunState(ctx, run.ID, was); err != nil {
					t.Fatal(err)
				}
			}
			if deleted {
				if err := l.DeleteAgent(ctx, "atlas"); err != nil {
					t.Fatal(err)
				}
				was = ledger.RunEnding
			}
			for _, state := range []ledger.RunState{was, ledger.RunEnded} {
				end, err := l.EndRun(ctx, run.ID, ledger.RunEnd{Outcome: "exited", ExitCode: 3})
				if err != nil || end.Was != state || end.Refused != 3 || !reflect.DeepEqual(end.Has, []ledger.Account{a.Account}) {
					t.Errorf("deleted %t: ended %+v, %v; the agent had %+v", deleted, end, err, a.Account)
				}
				r, err := l.Run(ctx, string(run.ID))
				if err != nil || !reflect.DeepEqual(r, end.Run) || r.State != ledger.RunEnded || r.ExitCode != 3 || r.Account.Spent != 123_456 {
					t.Errorf("ended %+v, stored %+v, %v", end.Run, r, err)
				}
			}
			verify(t, l)
		}
	}
}

// What OpenRun answers is what the ledger then has, and May is asked with what
// the agent has, in every kind of window, used or not.
func TestOpenedRunIsTheOneInTheLedger(t *testing.T) {
	ctx := t.Context()
	for _, window := range []ledger.Window{ledger.Total, ledger.Daily, ledger.Monthly} {
		for _, budget := range []*ledger.Micros{nil, usd(t, "1")} {
			if budget == nil && window != ledger.Total {
				continue // a window is of a budget
			}
			l := open(t, t.TempDir())
			agent(t, l, ledger.NewAgent{Name: "atlas", Budget: budget, Window: window})
			for i, asked := range []*ledger.Micros{nil, usd(t, "0.25")} {
				before, err := l.Agent(ctx, "atlas")
				if err != nil {
					t.Fatal(err)
				}
				var had []ledger.Account
				token := ledger.HashToken(string(rune('a' + i)))
				run, err := l.OpenRun(ctx, ledger.NewRun{
					Agent: "atlas", Budget: asked, Program: "bot.py", Token: token, Expires: time.Now().Add(time.Hour), Metered: i == 0,
					May: func(path []ledger.Account) error { had = path; return nil },
				})
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(had, []ledger.Account{before.Account}) {
					t.Errorf("%s: May was asked with %+v, the agent has %+v", window, had, before.Account)
				}
				there, err := l.Run(ctx, string(run.ID))
				if err != nil || !reflect.DeepEqual(run, there) {
					t.Errorf("%s: opened %+v, in the ledger is %+v, %v", window, run, there, err)
				}
				h, no, err := l.Admit(ctx, ledger.Admission{Token: token, Least: 1, Most: 1000, Call: ledger.CallInfo{Wire: "chat", ModelAsked: "m"}})
				if err != nil || no != nil {
					t.Fatal(no, err)
				}
				if _, err := l.Settle(ctx, h.ID, ledger.Settlement{How: ledger.Settled, Cost: 900, Status: 200}); err != nil {
					t.Fatal(err)
				}
			}
			want := errors.New("no")
			if _, err := l.OpenRun(ctx, ledger.NewRun{Agent: "atlas", Token: ledger.HashToken("x"), Expires: time.Now().Add(time.Hour), May: func([]ledger.Account) error { return want }}); err != want {
				t.Errorf("refused with %v", err)
			}
			if runs, err := l.Runs(ctx, ledger.RunFilter{}); err != nil || len(runs) != 2 {
				t.Errorf("%d runs, %v", len(runs), err)
			}
			verify(t, l)
		}
	}
}
