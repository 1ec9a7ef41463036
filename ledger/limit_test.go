package ledger_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// clock is a time that tests set.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.at.Store(time.Date(2026, 1, 31, 23, 59, 30, 0, time.UTC).UnixMilli())
	return c
}

func (c *clock) now() time.Time       { return time.UnixMilli(c.at.Load()) }
func (c *clock) step(d time.Duration) { c.at.Add(d.Milliseconds()) }

func openAt(t *testing.T, dir string, c *clock) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), ledger.Options{Path: ledger.Place(dir), Home: dir, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// call admits and settles; it returns the refusal, if any.
func call(t *testing.T, l *ledger.Ledger, a ledger.Admission, used int64) *ledger.Refusal {
	t.Helper()
	h, no, err := l.Admit(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if no == nil {
		if _, err := l.Settle(t.Context(), h.ID, ledger.Settlement{How: ledger.Settled, Usage: ledger.Usage{Input: used}}); err != nil {
			t.Fatal(err)
		}
	}
	return no
}

// TestRequestsOfAMinuteSlide: two processes' worth of ledgers share one true
// window, and RetryAfter is the moment at which the next call goes.
func TestRequestsOfAMinuteSlide(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	l, other := openAt(t, dir, c), openAt(t, dir, c)
	a := ledger.Admission{Token: agent(t, l, ledger.NewAgent{Name: "x", Limits: ledger.Limits{RequestsPerMinute: 3}})}
	for _, x := range []*ledger.Ledger{l, other, l} {
		if no := call(t, x, a, 1); no != nil {
			t.Fatalf("%+v", no)
		}
		c.step(10 * time.Second)
	}
	no := call(t, other, a, 1)
	if no == nil || no.Cause != ledger.CauseRequests || no.Limit != 3 || no.RetryAfter != 30*time.Second {
		t.Fatalf("%+v", no)
	}
	c.step(no.RetryAfter - time.Millisecond)
	if no := call(t, l, a, 1); no == nil || no.RetryAfter != time.Millisecond {
		t.Fatalf("%+v", no)
	}
	c.step(time.Millisecond)
	if no := call(t, l, a, 1); no != nil {
		t.Fatalf("%+v", no)
	}
	// A clock set back a day: what lies in the future counts as now, once.
	c.step(-24 * time.Hour)
	if no := call(t, other, a, 1); no == nil || no.RetryAfter != time.Minute {
		t.Fatalf("%+v", no)
	}
	c.step(time.Minute)
	if no := call(t, l, a, 1); no != nil {
		t.Fatalf("%+v", no)
	}
	verify(t, l)
}

// TestTokensOfAMinute: the ceiling is reserved and corrected by the usage.
func TestTokensOfAMinute(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	l := openAt(t, dir, c)
	token := agent(t, l, ledger.NewAgent{Name: "x", Limits: ledger.Limits{TokensPerMinute: 1000}})
	a := ledger.Admission{Token: token, Tokens: 600}
	if no := call(t, l, a, 100); no != nil {
		t.Fatalf("%+v", no)
	}
	h, no, err := l.Admit(t.Context(), a) // 100 + 600
	if err != nil || no != nil {
		t.Fatal(no, err)
	}
	c.step(5 * time.Second)
	if no := call(t, l, a, 0); no == nil || no.Cause != ledger.CauseTokens || no.RetryAfter != 55*time.Second {
		t.Fatalf("%+v", no)
	}
	if _, err := l.Settle(t.Context(), h.ID, ledger.Settlement{How: ledger.Cancelled}); err != nil {
		t.Fatal(err)
	}
	if no := call(t, l, a, 0); no != nil {
		t.Fatalf("what was not used is not given back: %+v", no)
	}
	a.Tokens = 1001
	if no := call(t, l, a, 0); no == nil || no.RetryAfter != 0 {
		t.Fatalf("a call that never fits: %+v", no)
	}
}

// TestLimitSetLater counts the minute before it was set.
func TestLimitSetLater(t *testing.T) {
	l := openAt(t, t.TempDir(), newClock())
	a := ledger.Admission{Token: agent(t, l, ledger.NewAgent{Name: "x"})}
	for range 2 {
		if no := call(t, l, a, 1); no != nil {
			t.Fatal(no)
		}
	}
	if _, _, err := l.Admit(t.Context(), a); err != nil { // stays open
		t.Fatal(err)
	}
	if _, err := l.SetAgent(t.Context(), "x", ledger.AgentChange{Limits: &ledger.Limits{RequestsPerMinute: 3}}); err != nil {
		t.Fatal(err)
	}
	if no := call(t, l, a, 1); no == nil || no.Cause != ledger.CauseRequests {
		t.Fatalf("%+v", no)
	}
}

// TestRefusalUsesUpNothing: a call that is refused for money has taken no
// request of the minute and no slot.
func TestRefusalUsesUpNothing(t *testing.T) {
	l := openAt(t, t.TempDir(), newClock())
	token := agent(t, l, ledger.NewAgent{Name: "x", Budget: micro(1000), Limits: ledger.Limits{RequestsPerMinute: 1, Concurrency: 1}})
	for range 3 {
		if no := call(t, l, ledger.Admission{Token: token, Least: 2000, Most: 2000}, 0); no == nil || no.Cause != ledger.CauseTooLarge {
			t.Fatalf("%+v", no)
		}
	}
	if no := call(t, l, ledger.Admission{Token: token, Least: 1, Most: 1000}, 0); no != nil {
		t.Fatalf("%+v", no)
	}
}

// TestWaitingIsFirstComeFirstServed: calls that wait for money get it in the
// order they came, also when a later one would fit sooner.
func TestWaitingIsFirstComeFirstServed(t *testing.T) {
	l := open(t, t.TempDir())
	token := agent(t, l, ledger.NewAgent{Name: "x", Budget: micro(1000)})
	admit := func(m ledger.Micros, wait time.Duration) (ledger.Hold, *ledger.Refusal) {
		h, no, err := l.Admit(context.Background(), ledger.Admission{Token: token, Least: m, Most: m, Wait: wait})
		if err != nil {
			t.Error(err)
		}
		return h, no
	}
	first, _ := admit(600, 0)
	second, _ := admit(300, 0)
	if _, no := admit(400, 0); no == nil || no.Cause != ledger.CauseBusy || no.RetryAfter <= 0 {
		t.Fatalf("%+v", no)
	}
	order := make(chan ledger.Hold, 3)
	var wg sync.WaitGroup
	ask := func(m ledger.Micros) {
		wg.Go(func() {
			h, no := admit(m, time.Minute)
			if no != nil {
				t.Errorf("%d: %+v", m, no)
			}
			order <- h
		})
		ledger.WaitForWaiting(l, 1)
	}
	ask(700)
	wg.Go(func() {
		h, no := admit(50, time.Minute) // would fit at once
		if no != nil {
			t.Errorf("%+v", no)
		}
		order <- h
	})
	ledger.WaitForWaiting(l, 2)
	settle := func(id ledger.HoldID) {
		if _, err := l.Settle(context.Background(), id, ledger.Settlement{How: ledger.Cancelled}); err != nil {
			t.Fatal(err)
		}
	}
	settle(second.ID) // 400 are free: not enough for the first in the line
	settle(first.ID)
	wg.Wait()
	got := []ledger.Micros{(<-order).Amount, (<-order).Amount}
	if got[0]+got[1] != 750 {
		t.Fatalf("served %v", got)
	}
	verify(t, l)
}

// TestWaitEndsWithItsContext and by a settlement of another process's ledger.
func TestWaitEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	l, other := open(t, dir), open(t, dir)
	token := agent(t, l, ledger.NewAgent{Name: "x", Budget: micro(1000)})
	h, no, err := other.Admit(t.Context(), ledger.Admission{Token: token, Least: 900, Most: 900})
	if err != nil || no != nil {
		t.Fatal(no, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, _, err := l.Admit(ctx, ledger.Admission{Token: token, Least: 900, Most: 900, Wait: time.Hour})
		ended <- err
	}()
	ledger.WaitForWaiting(l, 1)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	served := make(chan *ledger.Refusal)
	go func() {
		_, no, err := l.Admit(t.Context(), ledger.Admission{Token: token, Least: 900, Most: 900, Wait: time.Hour})
		if err != nil {
			t.Error(err)
		}
		served <- no
	}()
	ledger.WaitForWaiting(l, 1)
	if _, err := other.Settle(t.Context(), h.ID, ledger.Settlement{How: ledger.Settled, Cost: 50}); err != nil {
		t.Fatal(err)
	}
	if no := <-served; no != nil {
		t.Fatalf("%+v", no)
	}
}

// TestDeadOwnersSlotsComeFree: what a dead process held is given back before
// somebody is told to wait for it.
func TestDeadOwnersSlotsComeFree(t *testing.T) {
	ledger.InFile(t)
	dir := t.TempDir()
	l := open(t, dir)
	token := agent(t, l, ledger.NewAgent{Name: "shared", Limits: ledger.Limits{Concurrency: 1}})
	p := startProcess(t, "hold", part{Dir: dir, Token: "token of shared", Amount: 500}, nil)
	p.line(t)
	if no := call(t, l, ledger.Admission{Token: token}, 0); no == nil || no.Cause != ledger.CauseConcurrency {
		t.Fatalf("%+v", no)
	}
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.Wait()
	if no := call(t, l, ledger.Admission{Token: token}, 0); no != nil {
		t.Fatalf("%+v", no)
	}
	if r := l.Recovered(); len(r) != 1 || r[0].Amount != 500 {
		t.Fatalf("%+v", r)
	}
	verify(t, l)
}

// TestMinuteThatFillsUp: a call gets what the minute has left, an edge is within,
// calls of more than a minute ago are gone, also where there were many, and
// corrections are kept for the ledger that opens next.
func TestMinuteThatFillsUp(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	l := openAt(t, dir, c)
	token := agent(t, l, ledger.NewAgent{Name: "x", Limits: ledger.Limits{TokensPerMinute: 1000}})
	ask := func(l *ledger.Ledger, least, tokens int64, want int64) ledger.HoldID {
		t.Helper()
		h, no := admit(t, l, ledger.Admission{Token: token, Tokens: tokens, LeastTokens: least})
		if (no == nil) != (want > 0) || no == nil && h.Tokens != want {
			t.Fatalf("%d of %d tokens: %+v, %+v", least, tokens, h, no)
		}
		return h.ID
	}
	end := func(id ledger.HoldID, s ledger.Settlement) {
		t.Helper()
		if _, err := l.Settle(t.Context(), id, s); err != nil {
			t.Fatal(err)
		}
	}
	first := ask(l, 100, 700, 700)
	c.step(10 * time.Second)
	second := ask(l, 100, 700, 300) // what is left
	ask(l, 1, 700, 0)
	end(first, ledger.Settlement{How: ledger.Settled, Usage: ledger.Usage{Input: 400, Output: 100}})
	third := ask(l, 200, 700, 200)                        // just what was given back
	end(second, ledger.Settlement{How: ledger.Estimated}) // nobody knows: what was reserved stays
	end(third, ledger.Settlement{How: ledger.Estimated, Usage: ledger.Usage{Output: 150}})
	other := openAt(t, dir, c)
	ask(other, 51, 51, 0)
	fourth := ask(other, 50, 50, 50)
	if _, err := other.Settle(t.Context(), fourth, ledger.Settlement{How: ledger.Cancelled}); err != nil {
		t.Fatal(err)
	}
	c.step(50*time.Second - time.Millisecond)
	ask(l, 51, 51, 0) // the first is a minute old in a millisecond
	c.step(time.Millisecond)
	ask(l, 551, 551, 0)
	ask(l, 550, 1000, 550)
	verify(t, l)
}

// TestMinuteOfManyCalls: those that are a minute old leave the file together, and
// the others stay, for every ledger that reads it.
func TestMinuteOfManyCalls(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	l := openAt(t, dir, c)
	token := agent(t, l, ledger.NewAgent{Name: "x", Limits: ledger.Limits{TokensPerMinute: 1000}})
	ask := func(l *ledger.Ledger, tokens int64, fits bool) {
		t.Helper()
		h, no := admit(t, l, ledger.Admission{Token: token, Tokens: tokens})
		if (no == nil) != fits || no == nil && h.Tokens != tokens || no != nil && (no.Cause != ledger.CauseTokens || no.RetryAfter <= 0) {
			t.Fatalf("%d tokens: %+v, %+v", tokens, h, no)
		}
		if fits {
			if _, err := l.Settle(t.Context(), h.ID, ledger.Settlement{How: ledger.Settled, Usage: ledger.Usage{Output: tokens}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 100 {
		ask(l, 10, true)
		c.step(30 * time.Millisecond)
	}
	ask(l, 1, false)
	c.step(time.Minute - 3*time.Second) // the first of the hundred is a minute old
	ask(l, 11, false)
	ask(l, 10, true)
	c.step(2100 * time.Millisecond) // 71 of the hundred are
	ask(l, 701, false)
	third := openAt(t, dir, c)
	ask(third, 701, false)
	ask(third, 700, true)
	c.step(time.Minute)
	ask(l, 1000, true)
	ask(l, 1000, false)
	verify(t, l)
}
