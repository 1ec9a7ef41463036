package ledger_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/Auro-rium/aex/ledger"
)

// cpu is the processor time this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// together runs b.N times do by n callers.
func together(b *testing.B, n int, do func() error) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(b.N))
	before := cpu()
	b.ResetTimer()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := do(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pairs/s")
}

func benchmarkRun(b *testing.B, l *ledger.Ledger) ledger.TokenHash {
	b.Helper()
	agent(b, l, ledger.NewAgent{Name: "bench", Budget: usd(b, "1000000")})
	h := ledger.HashToken("bench run")
	if _, err := l.OpenRun(b.Context(), ledger.NewRun{Agent: "bench", Budget: usd(b, "500000"), Program: "bot.py", Token: h, Metered: true}); err != nil {
		b.Fatal(err)
	}
	return h
}

func holdAndSettle(l *ledger.Ledger, h ledger.TokenHash) error {
	ctx := context.Background()
	hold, no, err := l.Admit(ctx, ledger.Admission{Token: h, Least: 100, Most: 2000, Tokens: 500, Wait: time.Minute,
		Share: func(room ledger.Micros) ledger.Micros { return min(room, 2000) },
		Call:  ledger.CallInfo{Wire: "chat", ModelAsked: "gpt-4o-mini", ModelSent: "gpt-4o-mini", Provider: "openai", Stream: true, Price: "0.15/0.60 openai 2026-10-01"}})
	if err != nil || no != nil {
		return fmt.Errorf("refused %+v: %w", no, err)
	}
	_, err = l.Settle(ctx, hold.ID, ledger.Settlement{How: ledger.Settled, Cost: 321, Usage: ledger.Usage{Input: 120, Output: 40},
		ModelServed: "gpt-4o-mini-2024-07-18", Price: "0.15/0.60 openai 2026-10-01", Status: 200, Ending: "complete", RequestID: "req_0123456789abcdef",
		FirstToken: 300 * time.Millisecond, Latency: 900 * time.Millisecond})
	return err
}

// BenchmarkHoldSettle is a hold and its settlement, beside the same statements
// run one transaction each by one caller on the same disk.
func BenchmarkHoldSettle(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			l := open(b, b.TempDir())
			h := benchmarkRun(b, l)
			together(b, callers, func() error { return holdAndSettle(l, h) })
		})
	}
	b.Run("one-transaction-each", func(b *testing.B) {
		dir := b.TempDir()
		func() { // makes the schema and the rows
			l, err := ledger.Open(b.Context(), ledger.Options{Path: filepath.Join(dir, "aex.db"), Home: dir})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			benchmarkRun(b, l)
		}()
		db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "aex.db")+"?_pragma=foreign_keys(1)&_pragma=synchronous(FULL)&_txlock=immediate")
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		db.SetMaxOpenConns(1)
		n, hour := int64(0), time.Now().Unix()/3600
		body := fmt.Sprintf(`{"seq":1,"time":"2026-01-01T00:00:00.000Z","action":"usage.commit","pad":"%0500d"}`, 7)
		hash := make([]byte, 32)
		each := func(stmts ...func(*sql.Tx) error) error {
			tx, err := db.Begin()
			if err != nil {
				return err
			}
			for _, s := range stmts {
				if err := s(tx); err != nil {
					tx.Rollback()
					return err
				}
			}
			return tx.Commit()
		}
		on := func(query string, args ...any) func(*sql.Tx) error {
			return func(tx *sql.Tx) error { _, err := tx.Exec(query, args...); return err }
		}
		together(b, 1, func() error {
			n++
			if err := each(
				on(`INSERT INTO hold (owner, n, state, agent_id, run_no, account_id, amount_micro, tokens, at, call) VALUES (1, ?, 'open', 1, 1, 2, 2000, 500, 1, '{"wire":"chat"}')`, n),
				on(`UPDATE account SET reserved_micro = reserved_micro + 2000, calls = calls + 1, last_at = ? WHERE id = 2`, n),
				on(`UPDATE account SET reserved_micro = reserved_micro + 2000, calls = calls + 1, last_at = ? WHERE id = 1`, n),
			); err != nil {
				return err
			}
			return each(
				on(`DELETE FROM hold WHERE owner = 1 AND n = ?`, n),
				on(`UPDATE account SET reserved_micro = reserved_micro - 2000, spent_micro = spent_micro + 321 WHERE id = 2`),
				on(`UPDATE account SET reserved_micro = reserved_micro - 2000, spent_micro = spent_micro + 321 WHERE id = 1`),
				on(`INSERT INTO event_log (seq, body, hash) VALUES (1000 + ?, ?, ?)`, n, body, hash),
				on(`INSERT INTO tally VALUES (?, 1, 'm', '', 1, 321, 120, 0, 40, 900) ON CONFLICT DO UPDATE SET calls = calls + 1, cost_micro = cost_micro + 321, input = input + 120, output = output + 40, latency_ms = latency_ms + 900`, hour),
			)
		})
	})
}
