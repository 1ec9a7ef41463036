package ledger_test

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/longhistory"
	"github.com/Auro-rium/aex/v3/ledger"
)

// BenchmarkLongHistory is a hold in a ledger of AEX_BENCH_EVENTS calls (100,000
// where it is not set) in turn with one in an empty ledger, and what commands
// ask such a ledger.
func BenchmarkLongHistory(b *testing.B) {
	calls := 100_000
	if n, err := strconv.ParseFloat(os.Getenv("AEX_BENCH_EVENTS"), 64); err == nil {
		calls = int(n)
	}
	dir := b.TempDir()
	start := time.Now()
	if err := longhistory.Write(b.Context(), dir, calls); err != nil {
		b.Fatal(err)
	}
	b.Logf("%d calls were written in %v", calls, time.Since(start).Round(time.Second))
	l := open(b, dir)
	if calls <= 100_000 {
		verify(b, l)
	}
	b.Run("hold", func(b *testing.B) {
		empty := open(b, b.TempDir())
		none, h := benchmarkRun(b, empty), ledger.HashToken("token of agent 0")
		long, short := inTurn(b, func() error { return hold(l, h) }, func() error { return hold(empty, none) })
		b.ReportMetric(float64(long.Microseconds()), "hold-µs")
		b.ReportMetric(float64(short.Microseconds()), "empty-µs")
		b.ReportMetric(float64(long)/float64(short), "ratio")
	})
	ctx := b.Context()
	for name, ask := range map[string]func() error{
		"open": func() error {
			l, err := ledger.Open(ctx, ledger.Options{Path: ledger.Place(dir), Home: dir})
			if err != nil {
				return err
			}
			return l.Close()
		},
		"status":     func() error { _, err := l.Totals(ctx); return err },
		"agent-list": func() error { _, err := l.Agents(ctx); return err },
		"runs":       func() error { _, err := l.Runs(ctx, ledger.RunFilter{}); return err },
		"runs-of-agent": func() error {
			_, err := l.Runs(ctx, ledger.RunFilter{Agent: "agent-7"})
			return err
		},
		"runs-open": func() error { _, err := l.Runs(ctx, ledger.RunFilter{Open: true}); return err },
		"events":    func() error { _, err := l.Events(ctx, ledger.EventFilter{Newest: true}); return err },
		"spend-by-day": func() error {
			_, err := l.Spend(ctx, ledger.SpendFilter{Per: ledger.ByDay, By: ledger.ByModel})
			return err
		},
		"spend-by-run": func() error { _, err := l.Spend(ctx, ledger.SpendFilter{By: ledger.ByRun}); return err },
		"burn":         func() error { _, err := l.Burn(ctx, ledger.BurnWindow); return err },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := ask(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
