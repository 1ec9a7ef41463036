package ledger_test

import (
	"fmt"
	"testing"

	"github.com/Auro-rium/aex/v3/ledger"
)

// Thousands of watched runs are looked at together (TestALookAtManyRuns), and each
// is told of what another process does to it.
func TestManyRunsAreWatched(t *testing.T) {
	const many = 2000
	ctx := t.Context()
	dir := t.TempDir()
	l, other := open(t, dir), open(t, dir)
	agent(t, l, ledger.NewAgent{Name: "x"})
	runs := make([]ledger.Run, many)
	opened := make(chan error)
	for i := range runs {
		go func() {
			var err error
			runs[i], err = l.OpenRun(ctx, ledger.NewRun{Agent: "x", Program: "p", Token: ledger.HashToken(fmt.Sprint(i))})
			opened <- err
		}()
	}
	for range runs {
		if err := <-opened; err != nil {
			t.Fatal(err)
		}
	}
	states := make([]<-chan ledger.RunState, many)
	for i, r := range runs {
		states[i] = l.WatchRun(ctx, r.ID, ledger.RunOpen)
	}
	end := func(i int) {
		t.Helper()
		if err := other.SetRunState(ctx, runs[i].ID, ledger.RunEnding); err != nil {
			t.Fatal(err)
		}
		if s := <-states[i]; s != ledger.RunEnding {
			t.Errorf("run %d is told of as %s", i, s)
		}
	}
	end(0)
	end(many - 1)
	end(1)
	if _, err := other.EndRun(ctx, runs[2].ID, ledger.RunEnd{Outcome: "exited"}); err != nil {
		t.Fatal(err)
	}
	if s := <-states[2]; s != ledger.RunEnded {
		t.Errorf("a run that has ended is told of as %s", s)
	}
	for i, c := range states[3 : many-1] {
		select {
		case s := <-c:
			t.Errorf("run %d, which nobody changed, is told of as %s", i+3, s)
		default:
		}
	}
}
