package ledger_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// TestTokens: scopes, expiry, rotation, and runs' tokens that only their
// opener accepts.
func TestTokens(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	l, other := openAt(t, dir, c), openAt(t, dir, c)
	ctx := t.Context()
	old := agent(t, l, ledger.NewAgent{Name: "x"})
	if err := l.AddToken(ctx, ledger.NewToken{Hash: old, Agent: "x", Scope: ledger.Execution}); !errors.Is(err, ledger.ErrExists) {
		t.Fatal(err)
	}
	reader := ledger.HashToken("reader")
	if err := l.AddToken(ctx, ledger.NewToken{Hash: reader, Agent: "x", Scope: ledger.ReadOnly, TTL: time.Hour, Expires: c.now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if no := call(t, l, ledger.Admission{Token: reader}, 0); no == nil || no.Cause != ledger.CauseReadOnly {
		t.Fatalf("%+v", no)
	}
	run := ledger.HashToken("run")
	if _, err := l.OpenRun(ctx, ledger.NewRun{Agent: "x", Program: "p", Token: run, Expires: c.now().Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Authenticate(ctx, run); !errors.Is(err, ledger.ErrNotFound) {
		t.Fatalf("another process accepts a run's token: %v", err)
	}
	if no := call(t, other, ledger.Admission{Token: run}, 0); no == nil || no.Cause != ledger.CauseToken {
		t.Fatalf("%+v", no)
	}
	expireAndExtend(t, l, c, run)
	fresh := ledger.HashToken("fresh")
	if err := other.RotateToken(ctx, ledger.NewToken{Hash: fresh, Agent: "x", Scope: ledger.Execution}); err != nil {
		t.Fatal(err)
	}
	for _, h := range []ledger.TokenHash{old, reader} {
		if no := call(t, l, ledger.Admission{Token: h}, 0); no == nil || no.Cause != ledger.CauseToken {
			t.Fatalf("a rotated token: %+v", no)
		}
	}
	id, err := other.Authenticate(ctx, fresh)
	if err != nil {
		t.Fatal(err)
	}
	if want := c.now().Add(time.Hour); !id.Expires.Equal(want) {
		t.Fatalf("rotation did not keep the hour: %v", id.Expires)
	}
	if err := l.DeleteAgent(ctx, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Authenticate(ctx, fresh); !errors.Is(err, ledger.ErrNotFound) {
		t.Fatal(err)
	}
	// A run's token outlives its agent: its calls are told that it has ended.
	if no := call(t, l, ledger.Admission{Token: run}, 0); no == nil || no.Cause != ledger.CauseRunEnded {
		t.Fatalf("%+v", no)
	}
	if id, err := l.Authenticate(ctx, run); err != nil || id.RunState != ledger.RunEnding {
		t.Fatalf("%+v %v", id, err)
	}
}

// expireAndExtend lets a run's token expire, and has it extended.
func expireAndExtend(t *testing.T, l *ledger.Ledger, c *clock, run ledger.TokenHash) {
	t.Helper()
	ctx := t.Context()
	c.step(time.Minute)
	if _, err := l.Authenticate(ctx, run); !errors.Is(err, ledger.ErrExpired) {
		t.Fatal(err)
	}
	if no := call(t, l, ledger.Admission{Token: run}, 0); no == nil || no.Cause != ledger.CauseToken {
		t.Fatalf("%+v", no)
	}
	if err := l.ExtendToken(ctx, run, c.now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if id, err := l.Authenticate(ctx, run); err != nil || id.RunState != ledger.RunOpen {
		t.Fatalf("%+v %v", id, err)
	}
}

// TestExhaustionEndsTheRunAndTopUpReopensIt, by whichever process, and who
// watches the run is told.
func TestExhaustionEndsTheRunAndTopUpReopensIt(t *testing.T) {
	dir := t.TempDir()
	l, other := open(t, dir), open(t, dir)
	ctx := t.Context()
	agent(t, l, ledger.NewAgent{Name: "x", Budget: micro(10_000)})
	token := ledger.HashToken("run")
	run, err := l.OpenRun(ctx, ledger.NewRun{Agent: "x", Budget: micro(1000), Program: "p", Token: token, MaxCalls: 3})
	if err != nil {
		t.Fatal(err)
	}
	watched := l.WatchRun(ctx, run.ID, ledger.RunOpen)
	h, _, err := l.Admit(ctx, ledger.Admission{Token: token, Least: 500, Most: 500})
	if err != nil {
		t.Fatal(err)
	}
	out, err := l.Settle(ctx, h.ID, ledger.Settlement{How: ledger.Settled, Cost: 1200})
	if err != nil || out.Overrun != 200 || !out.RunEnds {
		t.Fatalf("%+v %v", out, err)
	}
	if s := <-watched; s != ledger.RunExhausted {
		t.Fatal(s)
	}
	_, no, err := l.Admit(ctx, ledger.Admission{Token: token, Least: 1, Most: 1})
	if err != nil || no == nil || no.Cause != ledger.CauseExhausted || no.Overrun != 200 || no.RunEnds {
		t.Fatalf("%+v %v", no, err)
	}
	r, err := other.TopUpRun(ctx, run.ID, 300)
	if err != nil || r.State != ledger.RunOpen || r.Account.Overrun != 0 || r.Account.Spent != 1200 {
		t.Fatalf("%+v %v", r, err)
	}
	if s := <-watched; s != ledger.RunOpen {
		t.Fatal(s)
	}
	for i, want := range []ledger.Cause{"", "", ledger.CauseCalls} {
		no := call(t, l, ledger.Admission{Token: token, Least: 1, Most: 1}, 0)
		if no == nil && want != "" || no != nil && no.Cause != want {
			t.Fatalf("call %d: %+v", i, no)
		}
	}
	if ev := events(t, l, ledger.EventFilter{Run: run.ID, Action: "usage.overrun"}); len(ev) != 1 {
		t.Fatalf("%+v %v", ev, err)
	}
	verify(t, l)
}

// TestRefusalsAreCoalesced: a storm of equal refusals is one event a second,
// and none is forgotten.
func TestRefusalsAreCoalesced(t *testing.T) {
	dir := t.TempDir()
	l, err := ledger.Open(t.Context(), ledger.Options{Path: ledger.Place(dir), Home: dir})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	agent(t, l, ledger.NewAgent{Name: "x"})
	run, err := l.OpenRun(ctx, ledger.NewRun{Agent: "x", Program: "p", Token: ledger.HashToken("r")})
	if err != nil {
		t.Fatal(err)
	}
	const storm = 500
	for range storm {
		if err := l.Refused(ctx, ledger.RefusedCall{Agent: "x", Run: run.ID, Code: "model_not_allowed", Reason: "m is not on the list"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir)
	if ev := events(t, l, ledger.EventFilter{Run: run.ID, Action: "policy.deny"}); len(ev) < 2 || len(ev) > 30 {
		t.Fatalf("%d events", len(ev))
	}
	r, err := l.Run(ctx, string(run.ID[:6]))
	if err != nil || r.Refused != storm {
		t.Fatalf("%+v %v", r, err)
	}
	sums, err := l.Totals(ctx)
	if err != nil || sums.ByCause["model_not_allowed"] != storm {
		t.Fatalf("%+v %v", sums, err)
	}
	verify(t, l)
}

// A run that was stopped before anybody watched it is told, too: the first that
// is watched, and one that comes when others have been looked at.
func TestWatchRunTellsOfWhatHasHappened(t *testing.T) {
	l := open(t, t.TempDir())
	ctx := t.Context()
	agent(t, l, ledger.NewAgent{Name: "x"})
	var runs []ledger.Run
	for _, token := range []string{"first", "second"} {
		run, err := l.OpenRun(ctx, ledger.NewRun{Agent: "x", Program: "p", Token: ledger.HashToken(token)})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.SetRunState(ctx, run.ID, ledger.RunEnding); err != nil {
			t.Fatal(err)
		}
		runs = append(runs, run)
	}
	for _, run := range runs {
		if s := <-l.WatchRun(ctx, run.ID, run.State); s != ledger.RunEnding {
			t.Fatal(s)
		}
	}
}

// TestNamesOfAgents: one rule, whoever makes the agent.
func TestNamesOfAgents(t *testing.T) {
	l := open(t, t.TempDir())
	for name, fine := range map[string]bool{
		"atlas": true, "team/atlas": true, "größe": true, "a.b_c-d": true, "…": true,
		"": false, "two words": false, "../x": false, "/x": false, "a//b": false, "a/./b": false, "-x": false, "a\tb": false, "a\u202eb": false, "\xff": false,
		strings.Repeat("x", 101): false,
	} {
		if _, err := l.CreateAgent(t.Context(), ledger.NewAgent{Name: name}); (err == nil) != fine || !fine && !errors.Is(err, ledger.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
