package ledger

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestGatewaysRoleSuffices: with it a gateway does all that a gateway does, and
// gives no budget.
func TestGatewaysRoleSuffices(t *testing.T) {
	onServer(t)
	dir := t.TempDir()
	operator := operatorAt(t, Place(dir))
	address := strings.Replace(Place(dir), "postgres@", userOf(t, Place(dir), "aex_gateway")+"@", 1)
	gate, err := Open(t.Context(), Options{Path: address, Home: t.TempDir(), lease: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, gate)
	callAt(t, gate, "daily")
	run := func(token string, parent RunID) RunID {
		t.Helper()
		r, err := gate.OpenRun(t.Context(), NewRun{Agent: "daily", Parent: parent, Program: "p", Budget: new(Micros(5000)), Token: HashToken(token), Expires: time.Now().Add(time.Hour), Metered: true})
		if err != nil {
			t.Fatal(err)
		}
		callAt(t, gate, token)
		return r.ID
	}
	outer := run("outer", "")
	inner := run("inner", outer)
	if err := gate.ExtendRun(t.Context(), outer, time.Now().Add(2*time.Hour)); err != nil {
		t.Error(err)
	}
	if err := gate.AddToken(t.Context(), NewToken{Agent: "daily", Hash: HashToken("exchanged"), Scope: Runs, Expires: time.Now().Add(time.Hour), For: "repo:acme/search"}); err != nil {
		t.Error(err)
	}
	if _, no, err := gate.Admit(t.Context(), Admission{Token: HashToken("inner"), Least: 1 << 40, Most: 1 << 40}); err != nil || no == nil {
		t.Errorf("%v %v", no, err) // a refusal is counted
	}
	for _, id := range []RunID{inner, outer} {
		if _, err := gate.EndRun(t.Context(), id, RunEnd{Outcome: "exited"}); err != nil {
			t.Error(err)
		}
	}
	if _, no, err := gate.Admit(t.Context(), Admission{Token: HashToken("daily"), Least: 10, Most: 10}); err != nil || no != nil {
		t.Fatal(no, err)
	}
	if _, err := gate.Sweep(t.Context(), func(HoldID) bool { return false }); err != nil {
		t.Error(err)
	}
	if _, err := gate.TopUpAgent(t.Context(), "daily", 1); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("topped up: %v", err)
	}
	if _, err := gate.Prune(t.Context(), time.Now()); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("pruned: %v", err)
	}
	if _, err := operator.TopUpAgent(t.Context(), "daily", 100); err != nil {
		t.Error(err)
	}
	callAt(t, gate, "daily")
	audited(t, gate)
}

// TestServerForgetsTokensOfJobs: what a gateway has minted for jobs that are over
// goes when old events do.
func TestServerForgetsTokensOfJobs(t *testing.T) {
	onServer(t)
	dir := t.TempDir()
	l := gatewayAt(t, dir, time.Hour)
	agentOn(t, l, "x")
	for name, before := range map[string]time.Duration{"long ago": 48 * time.Hour, "just now": time.Minute} {
		if err := l.AddToken(t.Context(), NewToken{Agent: "x", Hash: HashToken(name), Scope: Runs, Expires: time.Now().Add(-before)}); err != nil {
			t.Fatal(err)
		}
	}
	if p, err := l.Prune(t.Context(), time.Now()); err != nil || p.Events == 0 {
		t.Fatalf("%+v %v", p, err)
	}
	var left int
	if err := administrator(t, Place(dir)).QueryRow(`SELECT count(*) FROM token WHERE scope = 'runs'`).Scan(&left); err != nil || left != 1 {
		t.Errorf("%d tokens of jobs are left, %v", left, err)
	}
	callAt(t, l, "x")
}

// operatorAt is a user with the role aex_budget, who has made an agent with all
// kinds of limits.
func operatorAt(t *testing.T, place string) *Ledger {
	t.Helper()
	operator, err := Open(t.Context(), Options{Path: strings.Replace(place, "postgres@", userOf(t, place, "aex_budget")+"@", 1), Home: t.TempDir(), lease: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, operator) })
	if _, err := operator.CreateGroup(t.Context(), NewGroup{Name: "acme", Budgets: map[Window]Micros{Total: 100_000, Daily: 90_000}}); err != nil {
		t.Fatal(err)
	}
	if _, err := operator.CreateAgent(t.Context(), NewAgent{Name: "daily", Window: Daily, Budget: new(Micros(50_000)), Group: "acme", Limits: Limits{RequestsPerMinute: 50, TokensPerMinute: 1 << 20, Concurrency: 50}}); err != nil {
		t.Fatal(err)
	}
	if err := operator.AddToken(t.Context(), NewToken{Agent: "daily", Hash: HashToken("daily"), Scope: Execution}); err != nil {
		t.Fatal(err)
	}
	return operator
}

// callAt is a call from its hold to its settlement.
func callAt(t *testing.T, l *Ledger, token string) {
	t.Helper()
	h, no, err := l.Admit(t.Context(), Admission{Token: HashToken(token), Least: 10, Most: 10})
	if err != nil || no != nil {
		t.Fatal(no, err)
	}
	if _, err := l.Settle(t.Context(), h.ID, Settlement{How: Settled, Cost: 9}); err != nil {
		t.Fatal(err)
	}
}
