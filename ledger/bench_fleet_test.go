package ledger_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// BenchmarkFleet is a hold and its settlement by so many callers, each in a run of
// its own, of one agent in one group with a budget each, so that all pairs charge
// the same two accounts: at one gateway with a file, and at four with a server
// where there is one (AEX_TEST_POSTGRES).
func BenchmarkFleet(b *testing.B) {
	for _, callers := range []int{1, 8, 64, 1000} {
		b.Run(fmt.Sprintf("file/callers=%d", callers), func(b *testing.B) {
			benchmarkFleet(b, []string{filepath.Join(b.TempDir(), "aex.db")}, callers)
		})
	}
	for _, callers := range []int{1, 8, 64, 1000} {
		b.Run(fmt.Sprintf("server/callers=%d", callers), func(b *testing.B) {
			if os.Getenv("AEX_TEST_POSTGRES") == "" {
				b.Skip("NOT MEASURED: there is no PostgreSQL server (make postgres POSTGRES=--bench)")
			}
			benchmarkFleet(b, slices.Repeat([]string{ledger.Place(b.TempDir())}, min(4, callers)), callers)
		})
	}
}

// BenchmarkFleetApart is the same where four gateways share nothing but the server:
// each has a ledger, with its turns and its chain, for itself. It bounds what
// chains and turns of their own could win where runs have no account in common.
func BenchmarkFleetApart(b *testing.B) {
	for _, callers := range []int{8, 64, 1000} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			if os.Getenv("AEX_TEST_POSTGRES") == "" {
				b.Skip("NOT MEASURED: there is no PostgreSQL server (make postgres POSTGRES=--bench)")
			}
			places := make([]string, 4)
			for i := range places {
				places[i] = ledger.Place(b.TempDir())
			}
			benchmarkFleet(b, places, callers)
		})
	}
}

// benchmarkFleet has a gateway at each place; a place that is there twice is one
// ledger.
func benchmarkFleet(b *testing.B, places []string, callers int) {
	ctx := context.Background()
	gateways := len(places)
	budget := usd(b, "100000000")
	var gates []*ledger.Ledger
	for i, place := range places {
		l, err := ledger.Open(ctx, ledger.Options{Path: place, Home: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		defer l.Close()
		gates = append(gates, l)
		if slices.Contains(places[:i], place) {
			continue
		}
		if _, err := l.CreateGroup(ctx, ledger.NewGroup{Name: "company", Budgets: map[ledger.Window]ledger.Micros{ledger.Total: *budget}}); err != nil {
			b.Fatal(err)
		}
		agent(b, l, ledger.NewAgent{Name: "team", Group: "company", Budget: budget})
	}
	tokens := make([]ledger.TokenHash, callers)
	for i := range tokens {
		tokens[i] = ledger.HashToken(fmt.Sprint("caller ", i))
		if _, err := gates[i%gateways].OpenRun(ctx, ledger.NewRun{Agent: "team", Program: "bot.py", Token: tokens[i], Metered: true, Budget: budget}); err != nil {
			b.Fatal(err)
		}
	}
	took := make([]time.Duration, 0, b.N)
	var mu sync.Mutex
	var caller atomic.Int64
	slot := sync.Pool{New: func() any { return new(int64(caller.Add(1) - 1)) }}
	together(b, callers, func() error {
		i := slot.Get().(*int64) //nolint:forcetypeassert // nothing else is in it
		defer slot.Put(i)
		start := time.Now()
		err := holdAndSettle(gates[int(*i)%callers%gateways], tokens[int(*i)%callers])
		mu.Lock()
		took = append(took, time.Since(start))
		mu.Unlock()
		return err
	})
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
