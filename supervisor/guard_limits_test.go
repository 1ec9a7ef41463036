package supervisor

import (
	"errors"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/proxy/watch"
)

// After the refusal that said that the money is gone a program may be refused
// stormLimit times less one; the next one ends the grace.
func TestRefusalStormEndsAtItsLimit(t *testing.T) {
	var stopped error
	g := newGuard(GuardSpec{}, func(err error) { stopped = err }, t.Logf)
	g.noticed(watch.Notice{Code: "budget_exceeded", Ends: true})
	for n := 1; n < stormLimit; n++ {
		g.noticed(notice("budget_exceeded", n))
		if stopped != nil {
			t.Fatalf("ended after %d refusals, of %d", n, stormLimit)
		}
	}
	if g.noticed(notice("budget_exceeded", stormLimit)); !errors.Is(stopped, ErrBudget) {
		t.Errorf("after %d refusals: %v", stormLimit, stopped)
	}
}

// Time that the run was suspended is nobody's use of --timeout.
func TestTimeoutDoesNotCountSuspendedTime(t *testing.T) {
	g := newGuard(GuardSpec{Timeout: time.Minute}, func(error) {}, t.Logf)
	began := time.Now()
	for _, tt := range []struct {
		after, suspended time.Duration
		over             bool
	}{
		{59 * time.Second, 0, false}, {time.Minute, 0, true}, {time.Minute, time.Second, false}, {2 * time.Hour, 2 * time.Hour, false},
		{2*time.Hour + time.Minute, 2 * time.Hour, true},
	} {
		if left := g.left(began, began.Add(tt.after), tt.suspended); (left <= 0) != tt.over {
			t.Errorf("after %s, %s of it suspended, %s are left", tt.after, tt.suspended, left)
		}
	}
}
