package ledger

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"
)

// failing replaces the writer's commit. The writer must be idle: the first
// operation that follows sees the change through its queue.
func failing(l *Ledger, how func(try int, commit func() error) error) {
	tries := 0
	_ = l.commitOne(context.Background(), func(g *commitGroup) error {
		g.w.commit = func(commit func() error) error {
			tries++
			return how(tries, commit)
		}
		return nil
	})
}

func openInside(t *testing.T) (*Ledger, TokenHash) {
	t.Helper()
	dir := t.TempDir()
	l, err := Open(t.Context(), Options{Path: Place(dir), Home: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	b := Micros(100_000)
	if _, err := l.CreateAgent(t.Context(), NewAgent{Name: "x", Budget: &b}); err != nil {
		t.Fatal(err)
	}
	h := HashToken("x")
	if err := l.AddToken(t.Context(), NewToken{Agent: "x", Hash: h, Scope: Execution}); err != nil {
		t.Fatal(err)
	}
	return l, h
}

func audited(t *testing.T, l *Ledger) {
	t.Helper()
	a, err := l.Verify(t.Context(), nil)
	if err != nil || !a.OK() {
		t.Errorf("audit: %+v %v", a, err)
	}
}

var errDisk = errors.New("the disk says no")

// TestCommitWithUnknownOutcome fails commits before and after they took
// effect. Whatever the writer is told, it answers by what is in the file.
func TestCommitWithUnknownOutcome(t *testing.T) {
	for name, commit := range map[string]func(try int, commit func() error) error{
		"failed and not there": func(try int, commit func() error) error {
			if try == 1 {
				return errDisk
			}
			return commit()
		},
		"failed and there": func(try int, commit func() error) error {
			err := commit()
			if try == 1 {
				return errors.Join(err, errDisk)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, token := openInside(t)
			failing(l, commit)
			h, no, err := l.Admit(t.Context(), Admission{Token: token, Least: 10, Most: 10})
			if no != nil || err != nil {
				t.Fatal(no, err)
			}
			if a, err := l.Agent(t.Context(), "x"); err != nil || a.Account.Reserved != 10 {
				t.Fatalf("after the hold: %+v %v", a.Account, err)
			}
			failing(l, commit)
			if _, err := l.Settle(t.Context(), h.ID, Settlement{How: Settled, Cost: 7}); err != nil {
				t.Fatal(err)
			}
			failing(l, commit)
			if _, err := l.TopUpAgent(t.Context(), "x", 5); err != nil {
				t.Fatal(err)
			}
			a, err := l.Agent(t.Context(), "x")
			if err != nil || a.Account.Spent != 7 || a.Account.Reserved != 0 || *a.Account.Budget != 100_005 {
				t.Fatalf("at the end: %+v %v", a.Account, err)
			}
			audited(t, l)
		})
	}
}

// TestASettlementSharesTheNextHoldsCommit: it is in the transaction when the
// hold comes, and both are booked once, whatever becomes of the commit.
func TestASettlementSharesTheNextHoldsCommit(t *testing.T) {
	InFile(t)
	for _, c := range []struct {
		name    string
		commits int
		commit  func(try int, commit func() error) error
	}{
		{"it succeeds", 1, func(_ int, commit func() error) error { return commit() }},
		{"it failed and is not there", 2, func(try int, commit func() error) error {
			if try == 1 {
				return errDisk
			}
			return commit()
		}},
		{"it failed and is there", 1, func(_ int, commit func() error) error { return errors.Join(commit(), errDisk) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, token := openInside(t)
			admit := func() Hold {
				t.Helper()
				h, no, err := l.Admit(t.Context(), Admission{Token: token, Least: 10, Most: 10})
				if no != nil || err != nil {
					t.Fatal(no, err)
				}
				return h
			}
			h := admit()
			for range aloneTurns {
				if _, err := l.Settle(t.Context(), admit().ID, Settlement{How: Cancelled}); err != nil {
					t.Fatal(err)
				}
			}
			commits := 0
			failing(l, func(try int, commit func() error) error { commits = try; return c.commit(try, commit) })
			conn := func() (c *sql.Conn) {
				_ = l.commitOne(t.Context(), func(g *commitGroup) error { g.w.lazyWait, c = time.Minute, g.w.engine.(*sqlite).conn; return nil })
				return c
			}
			before := conn()
			begun := nextTransaction(t, l)
			settled := l.SettleLater(t.Context(), h.ID, Settlement{How: Settled, Cost: 7})
			<-begun // without the hold
			next := admit()
			if out, err := settled(); err != nil || out.Cost != 7 {
				t.Fatal(out, err)
			}
			if commits != c.commits {
				t.Errorf("%d commits", commits)
			}
			if again := conn() != before; again != (c.name != "it succeeds") {
				t.Errorf("the file was opened again: %t", again)
			}
			if a, err := l.Agent(t.Context(), "x"); err != nil || a.Account.Spent != 7 || a.Account.Reserved != next.Amount {
				t.Errorf("%+v %v", a.Account, err)
			}
			audited(t, l)
		})
	}
}

// nextTransaction tells when the writer has begun one.
func nextTransaction(t *testing.T, l *Ledger) <-chan bool {
	begun := make(chan bool, 1)
	_ = l.commitOne(t.Context(), func(*commitGroup) error {
		l.now = func() time.Time {
			select {
			case begun <- true:
			default:
			}
			return time.Now()
		}
		return nil
	})
	return begun
}

// TestRefusalsAreCountedOnce, also when the commit of their group failed and
// was done again.
func TestRefusalsAreCountedOnce(t *testing.T) {
	l, _ := openInside(t)
	failing(l, func(try int, commit func() error) error {
		if try == 1 {
			return errDisk
		}
		return commit()
	})
	if err := l.Refused(t.Context(), RefusedCall{Agent: "x", Code: "model_not_allowed"}); err != nil {
		t.Fatal(err)
	}
	if sums, err := l.Totals(t.Context()); err != nil || sums.ByCause["model_not_allowed"] != 1 {
		t.Fatalf("%+v %v", sums, err)
	}
	audited(t, l)
}

// TestNothingIsKeptOfEndedHolds: a process that serves for months must not
// remember every call.
func TestNothingIsKeptOfEndedHolds(t *testing.T) {
	l, token := openInside(t)
	for range 20 {
		h, _, err := l.Admit(t.Context(), Admission{Token: token, Most: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Settle(t.Context(), h.ID, Settlement{How: Settled}); err != nil {
			t.Fatal(err)
		}
	}
	var kept int
	if err := l.commitOne(t.Context(), func(g *commitGroup) error { kept = len(g.rows.holds); return nil }); err != nil {
		t.Fatal(err)
	}
	if kept != 0 {
		t.Fatalf("%d holds that have ended are kept", kept)
	}
}

// TestCommitThatNeverWorks breaks the ledger: every later call is refused, and
// the next process settles what is open.
func TestCommitThatNeverWorks(t *testing.T) {
	InFile(t)
	l, token := openInside(t)
	h, _, err := l.Admit(t.Context(), Admission{Token: token, Least: 10, Most: 10})
	if err != nil {
		t.Fatal(err)
	}
	failing(l, func(int, func() error) error { return errDisk })
	if _, err := l.Settle(t.Context(), h.ID, Settlement{How: Settled, Cost: 7}); !errors.Is(err, ErrBroken) || !errors.Is(err, errDisk) {
		t.Fatalf("settled by a broken ledger: %v", err)
	}
	select {
	case <-l.Broken():
	default:
		t.Fatal("nobody was told")
	}
	if _, _, err := l.Admit(t.Context(), Admission{Token: token, Most: 1}); !errors.Is(err, ErrBroken) {
		t.Fatalf("admitted by a broken ledger: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	next, err := Open(t.Context(), Options{Path: l.path, Home: l.home})
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if r := next.Recovered(); len(r) != 1 || r[0].Hold != h.ID || r[0].Amount != 10 {
		t.Fatalf("recovered %+v", r)
	}
	audited(t, next)
}

// TestOneRefusalHurtsNobodyElse puts a group together whose members fail,
// are refused and succeed.
func TestOneRefusalHurtsNobodyElse(t *testing.T) {
	l, token := openInside(t)
	begun, hold := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = l.commitOne(context.Background(), func(*commitGroup) error { close(begun); <-hold; return nil })
	})
	<-begun
	var settleErr, createErr error
	var no *Refusal
	var got Hold
	wg.Go(func() { _, settleErr = l.Settle(context.Background(), "1-1", Settlement{How: Settled}) })
	wg.Go(func() { _, createErr = l.CreateAgent(context.Background(), NewAgent{Name: "x"}) })
	wg.Go(func() {
		_, no, _ = l.Admit(context.Background(), Admission{Token: token, Least: 200_000, Most: 200_000})
	})
	wg.Go(func() { got, _, _ = l.Admit(context.Background(), Admission{Token: token, Least: 5, Most: 5}) })
	for len(l.write.queue) < 4 {
		runtime.Gosched()
	}
	close(hold)
	wg.Wait()
	if !errors.Is(settleErr, ErrHoldEnded) || !errors.Is(createErr, ErrExists) || no == nil || no.Cause != CauseTooLarge || got.Amount != 5 {
		t.Fatalf("%v, %v, %+v, %+v", settleErr, createErr, no, got)
	}
	audited(t, l)
}

// TestSweepSettlesOrphans: a hold that no call owns in two sweeps in a row is
// booked in full, and its late settlement books the difference.
func TestSweepSettlesOrphans(t *testing.T) {
	l, token := openInside(t)
	mine, _, err := l.Admit(t.Context(), Admission{Token: token, Least: 10, Most: 10})
	if err != nil {
		t.Fatal(err)
	}
	orphan, _, err := l.Admit(t.Context(), Admission{Token: token, Least: 30, Most: 30})
	if err != nil {
		t.Fatal(err)
	}
	owned := func(id HoldID) bool { return id == mine.ID }
	if swept, err := l.Sweep(t.Context(), owned); err != nil || len(swept) != 0 {
		t.Fatalf("swept at first sight: %v %v", swept, err)
	}
	swept, err := l.Sweep(t.Context(), owned)
	if err != nil || len(swept) != 1 || swept[0].Hold != orphan.ID {
		t.Fatalf("swept %v %v", swept, err)
	}
	out, err := l.Settle(t.Context(), orphan.ID, Settlement{How: Settled, Cost: 12})
	if err != nil || !out.Late {
		t.Fatalf("late: %+v %v", out, err)
	}
	if a, err := l.Agent(t.Context(), "x"); err != nil || a.Account.Spent != 12 || a.Account.Reserved != 10 {
		t.Fatalf("%+v %v", a.Account, err)
	}
	if _, err := l.Settle(t.Context(), orphan.ID, Settlement{How: Settled, Cost: 12}); !errors.Is(err, ErrHoldEnded) {
		t.Fatalf("settled twice: %v", err)
	}
	audited(t, l)
}
