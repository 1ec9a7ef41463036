package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// BenchmarkSharedCommits is a hold and its settlement by callers that make the
// next call 150 µs after one: in turn as the gateway does it, without the wait
// for the next hold, and with a commit for each. The medians.
func BenchmarkSharedCommits(b *testing.B) {
	for _, callers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			l := open(b, b.TempDir())
			h := benchmarkRun(b, l)
			var took [3][]time.Duration
			for range b.N {
				for i, way := range []struct {
					wait  time.Duration
					later bool
				}{{ledger.LazyWait, true}, {0, true}, {0, false}} {
					ledger.ShareCommits(l, way.wait)
					took[i] = append(took[i], pairsOf(b, l, h, callers, way.later))
				}
			}
			for i, name := range []string{"shared-µs/pair", "no-wait-µs/pair", "each-µs/pair"} {
				slices.Sort(took[i])
				b.ReportMetric(float64(took[i][b.N/2].Microseconds()), name)
			}
		})
	}
}

// pairsOf is how long a hold and its settlement take, on average.
func pairsOf(b *testing.B, l *ledger.Ledger, h ledger.TokenHash, callers int, later bool) time.Duration {
	b.Helper()
	const pairs = 256
	var wg sync.WaitGroup
	start := time.Now()
	for range callers {
		wg.Go(func() {
			ctx := context.Background()
			settled := func() (ledger.Outcome, error) { return ledger.Outcome{}, nil }
			for range pairs / callers {
				hold, no, err := l.Admit(ctx, ledger.Admission{Token: h, Least: 100, Most: 2000})
				if _, failed := settled(); err != nil || no != nil || failed != nil {
					b.Error(no, errors.Join(err, failed))
					return
				}
				if settled = l.SettleLater(ctx, hold.ID, ledger.Settlement{How: ledger.Settled, Cost: 321}); !later {
					if _, err := settled(); err != nil {
						b.Error(err)
					}
					settled = func() (ledger.Outcome, error) { return ledger.Outcome{}, nil }
				}
				time.Sleep(150 * time.Microsecond)
			}
			if _, err := settled(); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	return time.Since(start) / pairs
}
