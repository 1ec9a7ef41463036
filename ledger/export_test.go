package ledger

import (
	"context"
	"runtime"
)

// What the benchmarks run beside the ledger.
var (
	AddTally   = addTally
	Histograms = len(histogramColumns)
)

// WaitForWaiting returns when n admissions wait for money.
func WaitForWaiting(l *Ledger, n int) {
	for waiting := -1; waiting < n; runtime.Gosched() {
		_ = l.commitOne(context.Background(), func(g *group) error {
			waiting = g.w.line
			return nil
		})
	}
}
