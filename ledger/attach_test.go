package ledger_test

import (
	"errors"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// openRemote opens a remote run of agent x, with a token made of name.
func openRemote(t *testing.T, l *ledger.Ledger, name string, parent ledger.RunID) ledger.Run {
	t.Helper()
	r, err := l.OpenRun(t.Context(), ledger.NewRun{Agent: "x", Parent: parent, Program: "p", Token: ledger.HashToken(name), Expires: time.Now().Add(time.Hour), Metered: true, Remote: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A remote run outlives its gateway: another one takes it over, with the runs
// inside it, and only that one accepts its token.
func TestARemoteRunMovesToAnotherGateway(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	first, second := open(t, dir), open(t, dir)
	if _, err := first.CreateAgent(ctx, ledger.NewAgent{Name: "x"}); err != nil {
		t.Fatal(err)
	}
	outer := openRemote(t, first, "outer", "")
	inner := openRemote(t, first, "inner", outer.ID)
	if _, err := second.Authenticate(ctx, ledger.HashToken("outer")); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("the other gateway knows the token: %v", err)
	}
	if _, err := second.AttachRun(ctx, "y", outer.ID); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("another agent took the run: %v", err)
	}
	moved, err := second.AttachRun(ctx, "x", outer.ID)
	if err != nil || moved.State != ledger.RunOpen {
		t.Fatalf("%+v %v", moved, err)
	}
	for _, token := range []string{"outer", "inner"} {
		if _, err := second.Authenticate(ctx, ledger.HashToken(token)); err != nil {
			t.Errorf("%s: %v", token, err)
		}
		if _, err := first.Authenticate(ctx, ledger.HashToken(token)); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%s is still good where it was: %v", token, err)
		}
	}
	if _, err := first.EndRun(ctx, outer.ID, ledger.RunEnd{Outcome: "lost", Own: true}); !errors.Is(err, ledger.ErrElsewhere) {
		t.Errorf("who lost the run ended it: %v", err)
	}
	if deeper, err := second.RunsInside(ctx, outer.ID); err != nil || len(deeper) != 1 || deeper[0].ID != inner.ID {
		t.Errorf("inside: %+v %v", deeper, err)
	}
	if err := second.ReleaseRun(ctx, outer.ID); err != nil {
		t.Fatal(err)
	}
	if back, err := first.AttachRun(ctx, "x", outer.ID); err != nil || back.State != ledger.RunOpen {
		t.Errorf("%+v %v", back, err)
	}
	if again, err := first.RemoteRun(ctx, ledger.HashToken("outer")); err != nil || again.ID != outer.ID {
		t.Errorf("%+v %v", again, err)
	}
}

// A run that nobody takes in time is over; one whose gateway has just died is
// not, however long the machine was down.
func TestARemoteRunThatNobodyTakes(t *testing.T) {
	ctx := t.Context()
	dir, c := t.TempDir(), newClock()
	first, err := ledger.Open(ctx, ledger.Options{Path: ledger.Place(dir), Home: dir, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.CreateAgent(ctx, ledger.NewAgent{Name: "x"}); err != nil {
		t.Fatal(err)
	}
	remote := openRemote(t, first, "remote", "")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	c.step(time.Hour)
	second := openAt(t, dir, c)
	if r, err := second.Run(ctx, string(remote.ID)); err != nil || r.State != ledger.RunOpen {
		t.Fatalf("at once: %+v %v", r, err)
	}
	c.step(ledger.AttachWithin + time.Second)
	openAt(t, dir, c)
	if r, err := second.Run(ctx, string(remote.ID)); err != nil || r.State != ledger.RunEnded || r.Outcome != "lost" {
		t.Errorf("after a minute: %+v %v", r, err)
	}
	if r, err := second.AttachRun(ctx, "x", remote.ID); err != nil || r.State != ledger.RunEnded {
		t.Errorf("attached when it is over: %+v %v", r, err)
	}
}

// A token that opens runs makes no call, and keeps its limit when it is rotated.
func TestTokensThatOpenRuns(t *testing.T) {
	ctx := t.Context()
	l := open(t, t.TempDir())
	if _, err := l.CreateAgent(ctx, ledger.NewAgent{Name: "x"}); err != nil {
		t.Fatal(err)
	}
	most := ledger.Micros(2_000_000)
	if err := l.AddToken(ctx, ledger.NewToken{Hash: ledger.HashToken("a"), Agent: "x", Scope: ledger.Execution, MaxRun: &most}); !errors.Is(err, ledger.ErrInvalid) {
		t.Errorf("a limit on runs for a token that calls: %v", err)
	}
	if err := l.AddToken(ctx, ledger.NewToken{Hash: ledger.HashToken("a"), Agent: "x", Scope: ledger.Runs, MaxRun: &most}); err != nil {
		t.Fatal(err)
	}
	if _, no, err := l.Admit(ctx, ledger.Admission{Token: ledger.HashToken("a"), Most: 1, Least: 1}); err != nil || no == nil || no.Cause != ledger.CauseReadOnly {
		t.Errorf("%+v %v", no, err)
	}
	if err := l.RotateToken(ctx, ledger.NewToken{Hash: ledger.HashToken("b"), Agent: "x", Scope: ledger.Runs}); err != nil {
		t.Fatal(err)
	}
	id, err := l.Authenticate(ctx, ledger.HashToken("b"))
	if err != nil || id.Scope != ledger.Runs || id.MaxRun == nil || *id.MaxRun != most {
		t.Errorf("%+v %v", id, err)
	}
}

// A run does not end over a call that the gateway before has under way, and one
// that nobody took waits for it, too.
func TestCallsElsewhereKeepARunFromItsEnd(t *testing.T) {
	ctx := t.Context()
	dir, c := t.TempDir(), newClock()
	first, second := openAt(t, dir, c), openAt(t, dir, c)
	if _, err := first.CreateAgent(ctx, ledger.NewAgent{Name: "x"}); err != nil {
		t.Fatal(err)
	}
	remote := openRemote(t, first, "remote", "")
	hold, no, err := first.Admit(ctx, ledger.Admission{Token: ledger.HashToken("remote"), Most: 5, Least: 5})
	if err != nil || no != nil {
		t.Fatal(no, err)
	}
	if _, err := second.AttachRun(ctx, "x", remote.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := second.EndRun(ctx, remote.ID, ledger.RunEnd{Outcome: "lost", Own: true}); !errors.Is(err, ledger.ErrUnsettled) {
		t.Errorf("ended over a call: %v", err)
	}
	for _, tt := range []struct {
		l   *ledger.Ledger
		has bool
	}{{first, false}, {second, true}} {
		if state, has, err := tt.l.HasRun(ctx, remote.ID); state != ledger.RunOpen || has != tt.has || err != nil {
			t.Errorf("%s %v %v, want %v", state, has, err, tt.has)
		}
	}
	if err := second.ReleaseRun(ctx, remote.ID); err != nil {
		t.Fatal(err)
	}
	c.step(ledger.AttachWithin + time.Second)
	third := openAt(t, dir, c)
	if r, err := third.Run(ctx, string(remote.ID)); err != nil || r.State != ledger.RunOpen {
		t.Errorf("%+v %v", r, err)
	}
	if _, err := first.Settle(ctx, hold.ID, ledger.Settlement{How: ledger.Settled, Cost: 3}); err != nil {
		t.Fatal(err)
	}
	openAt(t, dir, c)
	if r, err := third.Run(ctx, string(remote.ID)); err != nil || r.State != ledger.RunEnded || r.Account.Spent != 3 {
		t.Errorf("%+v %v", r, err)
	}
}
