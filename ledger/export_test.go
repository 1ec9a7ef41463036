package ledger

import (
	"context"
	"runtime"
	"time"
)

// What the benchmarks run beside the ledger.
var (
	AddTally   = addTally()
	Histograms = len(histogramColumns)
)

// WaitForWaiting returns when n admissions wait for money.
func WaitForWaiting(l *Ledger, n int) {
	for waiting := -1; waiting < n; runtime.Gosched() {
		_ = l.commitOne(context.Background(), func(g *commitGroup) error {
			waiting = g.w.line
			return nil
		})
	}
}

// ShareCommits turns on or off what sharing.go says it buys: that a settlement
// waits for the next hold.
func ShareCommits(l *Ledger, wait time.Duration) {
	_ = l.commitOne(context.Background(), func(g *commitGroup) error { g.w.lazyWait = wait; return nil })
}

// LazyWait is how long it waits.
const LazyWait = lazyWait

// SettingsChanged is the first change that no event told this process of.
func (l *Ledger) SettingsChanged() error { return l.settings.wereChanged() }
