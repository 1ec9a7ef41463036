package ledger

import (
	"context"
	"testing"
	"time"
)

func gatewayAt(t *testing.T, dir string, lease time.Duration) *Ledger {
	t.Helper()
	l, err := Open(t.Context(), Options{Path: Place(dir), Home: t.TempDir(), lease: lease})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, l) })
	return l
}

// TestFleetFencesWhoIsTakenForDead: a gateway that does not beat is taken for
// dead, and its hold is booked in full, once. When it comes back it is another
// owner: its settlement of then books the difference, and its run is over.
func TestFleetFencesWhoIsTakenForDead(t *testing.T) {
	onServer(t)
	dir := t.TempDir()
	stopped, other := gatewayAt(t, dir, time.Hour), gatewayAt(t, dir, time.Second)
	agentOn(t, stopped, "x")
	run := HashToken("run")
	opened, err := stopped.OpenRun(t.Context(), NewRun{Agent: "x", Program: "p", Token: run, Expires: time.Now().Add(time.Hour), Metered: true})
	if err != nil {
		t.Fatal(err)
	}
	h, no, err := stopped.Admit(t.Context(), Admission{Token: run, Least: 1000, Most: 1000})
	if err != nil || no != nil {
		t.Fatal(no, err)
	}
	was := stopped.owner.id()
	wake := stopped.Rest() // as a process does that is stopped
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	over := false
	for state := range other.WatchRun(ctx, opened.ID, RunOpen) {
		if over = state == RunEnded; over {
			break
		}
	}
	if !over {
		t.Fatal("nobody took it for dead")
	}
	wake()
	if _, no, err := stopped.Admit(t.Context(), Admission{Token: run, Least: 1, Most: 1}); err != nil || no == nil {
		t.Errorf("a run of the dead was let through: %+v %v", no, err)
	}
	if out, err := stopped.Settle(t.Context(), h.ID, Settlement{How: Settled, Cost: 7}); err != nil || !out.Late || out.Was != 1000 {
		t.Errorf("%+v %v", out, err)
	}
	if h, no, err := stopped.Admit(t.Context(), Admission{Token: HashToken("x"), Least: 10, Most: 10}); err != nil || no != nil {
		t.Errorf("it does not come back: %+v %v", no, err)
	} else if key, _ := parseHoldID(h.ID); key.owner == was {
		t.Error("it writes as the owner that is dead")
	} else if _, err := stopped.Settle(t.Context(), h.ID, Settlement{How: Settled, Cost: 10}); err != nil {
		t.Error(err)
	}
	if n := len(other.Recovered()); n != 1 {
		t.Errorf("booked %d times", n)
	}
	if a, err := other.Agent(t.Context(), "x"); err != nil || a.Account.Spent != 17 || a.Account.Reserved != 0 {
		t.Errorf("%+v %v", a.Account, err)
	}
	audited(t, other)
}

// TestFleetDoesNotWaitForWhoStopsInATurn: the server throws it out, while it is
// still stopped.
func TestFleetDoesNotWaitForWhoStopsInATurn(t *testing.T) {
	onServer(t)
	dir := t.TempDir()
	stopped, other := gatewayAt(t, dir, time.Hour), gatewayAt(t, dir, time.Hour)
	agentOn(t, other, "x")
	in, goOn := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		first := true
		done <- stopped.commitOne(context.Background(), func(g *commitGroup) error {
			if g.last(); first {
				first = false
				close(in)
				<-goOn
			}
			g.event("test", nil, "", nil)
			return g.err
		})
	}()
	<-in
	began := time.Now()
	h, no, err := other.Admit(t.Context(), Admission{Token: HashToken("x"), Least: 10, Most: 10})
	if err != nil || no != nil {
		t.Errorf("%+v %v", no, err)
	}
	t.Logf("the other one waited %v", time.Since(began))
	if idle := stopped.server.config.RuntimeParams["idle_in_transaction_session_timeout"]; idle != "500ms" {
		t.Errorf("it may be idle in a turn for %s", idle)
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Errorf("what it wanted is not done: %v", err)
	}
	if _, err := other.Settle(t.Context(), h.ID, Settlement{How: Settled, Cost: 10}); err != nil {
		t.Error(err)
	}
	audited(t, other)
}

// TestFleetTakesAnyText: what a client calls its model does not stop a gateway.
func TestFleetTakesAnyText(t *testing.T) {
	onServer(t)
	l := gatewayAt(t, t.TempDir(), time.Hour)
	agentOn(t, l, "x")
	odd := "m\x00\xff\u202e"
	h, no, err := l.Admit(t.Context(), Admission{Token: HashToken("x"), Least: 10, Most: 10, Call: CallInfo{ModelAsked: odd, Wire: odd}})
	if err != nil || no != nil {
		t.Fatal(no, err)
	}
	if _, err := l.Settle(t.Context(), h.ID, Settlement{How: Settled, Cost: 10, ModelServed: odd, RequestID: odd}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.OpenRun(t.Context(), NewRun{Agent: "x", Program: odd, Token: HashToken("r"), Expires: time.Now().Add(time.Hour), Policy: []byte("{\"a\":\"\xff\"}")}); err != nil {
		t.Error(err)
	}
	audited(t, l)
}
