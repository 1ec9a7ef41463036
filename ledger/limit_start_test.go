package ledger

import (
	"testing"
	"time"
)

// openBy opens a ledger with an agent x, whose clock is at a time.
func openBy(t *testing.T, at *time.Time) *Ledger {
	t.Helper()
	dir := t.TempDir()
	l, err := Open(t.Context(), Options{Path: Place(dir), Home: dir, Now: func() time.Time { return *at }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, l) })
	agentOn(t, l, "x")
	return l
}

// TestFirstEventSinceATime: where the last minute of a trail begins is found by
// halves, over an hour's end and also where the beginning has been folded.
func TestFirstEventSinceATime(t *testing.T) {
	at := time.Date(2026, 1, 31, 23, 58, 0, 0, time.UTC)
	l := openBy(t, &at)
	var times []int64
	var seqs []int64
	for range 40 {
		at = at.Add(7 * time.Second)
		if _, err := l.TopUpAgent(t.Context(), "x", 1); err != nil {
			t.Fatal(err)
		}
		seq, err := l.End(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		times, seqs = append(times, at.UnixMilli()), append(seqs, seq)
	}
	look := func(from int) {
		t.Helper()
		err := l.commitOne(t.Context(), func(g *commitGroup) error {
			for i, ms := range times[from:] {
				seq := seqs[from+i]
				if here, next := g.firstSince(ms), g.firstSince(ms+1); here != seq || next != seq+1 {
					t.Errorf("since %s it is %d, and after it %d; event %d is of then", fromMillis(ms), here, next, seq)
				}
			}
			return g.err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	look(0)
	at = at.Add(7 * time.Second) // pruning adds an event, too
	if _, err := l.Prune(t.Context(), fromMillis(times[20])); err != nil {
		t.Fatal(err)
	}
	look(20)
}

// TestLimitThatIsSetLaterWithTwoClocks: the clocks of gateways may differ, so that
// the times of a trail do not rise with its events.
func TestLimitThatIsSetLaterWithTwoClocks(t *testing.T) {
	at := time.Date(2026, 1, 31, 23, 58, 0, 0, time.UTC)
	l := openBy(t, &at)
	var held []time.Time
	for i := range 60 {
		ahead := time.Duration(i%2) * 40 * time.Second
		at = at.Add(ahead)
		h, no, err := l.Admit(t.Context(), Admission{Token: HashToken("x"), Least: 10, Most: 10})
		if err != nil || no != nil {
			t.Fatal(no, err)
		}
		if _, err := l.Settle(t.Context(), h.ID, Settlement{How: Settled, Cost: 10}); err != nil {
			t.Fatal(err)
		}
		held = append(held, at)
		at = at.Add(3*time.Second - ahead)
	}
	for ahead := range 41 {
		was, want := at, 0
		at = at.Add(time.Duration(ahead) * time.Second)
		for _, h := range held {
			if h.After(at.Add(-time.Minute)) {
				want++
			}
		}
		var got int
		err := l.commitOne(t.Context(), func(g *commitGroup) error {
			g.exec(`DELETE FROM pace`)
			ag, err := g.agentNamed("x")
			if err != nil {
				return err
			}
			g.startPacing(ag.id)
			g.query(`SELECT count(*) FROM pace`, nil, &got)
			return g.err
		})
		if err != nil || got != want {
			t.Errorf("by a clock that is %d s ahead %d calls are of the last minute, want %d: %v", ahead, got, want, err)
		}
		at = was
	}
}
