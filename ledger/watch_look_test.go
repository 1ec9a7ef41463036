package ledger

import (
	"fmt"
	"testing"
)

// TestALookAtManyRuns: while nobody changes anything, a look at the runs that are
// watched costs as much for hundreds as for one. What it allocates tells so: the
// state of a run that is read is some of it.
func TestALookAtManyRuns(t *testing.T) {
	const many = 300
	l, _ := openInside(t)
	watch := func(n int) {
		t.Helper()
		r, err := l.OpenRun(t.Context(), NewRun{Agent: "x", Program: "p", Token: HashToken(fmt.Sprint(n))})
		if err != nil {
			t.Fatal(err)
		}
		l.watchers.add(r.ID)
	}
	cost := func() float64 {
		version := l.lookAtRuns(-1)
		return testing.AllocsPerRun(50, func() { version = l.lookAtRuns(version) })
	}
	watch(0)
	one := cost()
	for i := range many {
		watch(i + 1)
	}
	if all := cost(); all > one+many {
		t.Errorf("a look at %d runs, none of which has changed, allocates %.0f times, and %.0f times at one", many+1, all, one)
	}
}
