package ledger_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
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

// statements is the baseline: the statements that a hold and its settlement
// run, prepared, one transaction for each, by one caller.
type statements struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	n     int64
	seq   int64
	body  string
}

const (
	benchHold    = `INSERT INTO hold (owner, n, state, agent_id, run_no, account_id, window_id, amount_micro, tokens, at, call) VALUES (1, ?, 'open', 1, 1, 2, NULL, 2000, 500, ?, ?)`
	benchAccount = `UPDATE account SET target_micro = ?, budget_micro = ?, spent_micro = ?, reserved_micro = ?, overrun_micro = 0, calls = ?, last_at = ? WHERE id = ?`
	benchEnd     = `DELETE FROM hold WHERE (owner, n) IN (VALUES (1, ?))`
	benchEvent   = `INSERT INTO event_log (seq, body, hash) VALUES (?, ?, ?)`
)

func newStatements(b *testing.B, dir string) *statements {
	b.Helper()
	l, err := ledger.Open(b.Context(), ledger.Options{Path: ledger.Place(dir), Home: dir})
	if err != nil {
		b.Fatal(err)
	}
	benchmarkRun(b, l)
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "aex.db")+"?_pragma=foreign_keys(1)&_pragma=synchronous(FULL)")
	if err != nil {
		b.Fatal(err)
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close(); db.Close() })
	return &statements{conn: conn, stmts: map[string]*sql.Stmt{}, seq: 1000, body: fmt.Sprintf(`{"seq":1,"time":"2026-01-01T00:00:00.000Z","action":"usage.commit","pad":"%0550d"}`, 7)}
}

func (s *statements) run(query string, args ...any) (err error) {
	stmt := s.stmts[query]
	if stmt == nil {
		if stmt, err = s.conn.PrepareContext(context.Background(), query); err != nil {
			return err
		}
		s.stmts[query] = stmt
	}
	_, err = stmt.Exec(args...)
	return err
}

func (s *statements) hold() error {
	s.n++
	call := `{"wire":"chat","model_asked":"gpt-4o-mini","model_sent":"gpt-4o-mini","provider":"openai","stream":true,"price":"0.15/0.60 openai 2026-10-01"}`
	return errors.Join(s.run(`BEGIN IMMEDIATE`), s.run(benchHold, s.n, s.n, call),
		s.run(benchAccount, 1_000_000_000, 1_000_000_000, s.n*321, 2000, s.n, s.n, 2),
		s.run(benchAccount, 1_000_000_000, 1_000_000_000, s.n*321, 2000, s.n, s.n, 1), s.run(`COMMIT`))
}

func (s *statements) settle() error {
	s.seq++
	hash := sha256.Sum256([]byte(s.body))
	hour := time.Now().Unix() / 3600
	sums := []any{hour, 1, 1, 0, "gpt-4o-mini", "openai", "chat", "", 1, 321, 120, 0, 40, 900, 300}
	for range ledger.Histograms {
		sums = append(sums, 0)
	}
	return errors.Join(s.run(`BEGIN IMMEDIATE`), s.run(benchEnd, s.n),
		s.run(benchAccount, 1_000_000_000, 1_000_000_000, s.n*321, 0, s.n, s.n, 2),
		s.run(benchAccount, 1_000_000_000, 1_000_000_000, s.n*321, 0, s.n, s.n, 1),
		s.run(benchEvent, s.seq, s.body, hash[:]),
		s.run(ledger.AddTally, sums...), s.run(`COMMIT`))
}

// BenchmarkHoldSettle is a hold and its settlement by so many callers, beside
// the same statements in one transaction each by one caller on the same disk.
func BenchmarkHoldSettle(b *testing.B) {
	var alone float64 // nanoseconds
	b.Run("one-transaction-each", func(b *testing.B) {
		s := newStatements(b, b.TempDir())
		together(b, 1, func() error { return errors.Join(s.hold(), s.settle()) })
		alone = float64(b.Elapsed()) / float64(b.N)
	})
	ratio := func(b *testing.B) {
		if alone > 0 {
			b.ReportMetric(alone/(float64(b.Elapsed())/float64(b.N)), "x-one-each")
		}
	}
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			l := open(b, b.TempDir())
			h := benchmarkRun(b, l)
			together(b, callers, func() error { return holdAndSettle(l, h) })
			ratio(b)
		})
	}
	b.Run("processes=8", func(b *testing.B) {
		dir := b.TempDir()
		l := open(b, dir)
		agent(b, l, ledger.NewAgent{Name: "shared", Budget: usd(b, "1000000")})
		var children []*process
		for range 8 {
			children = append(children, startProcess(b, "pairs", part{Dir: dir, Token: "token of shared", Callers: 8, Pairs: (b.N + 7) / 8}, nil))
		}
		for _, p := range children {
			p.line(b)
		}
		b.ResetTimer()
		for _, p := range children {
			p.in.Close()
		}
		var used time.Duration
		for _, p := range children {
			n, err := time.ParseDuration(p.line(b))
			if err != nil {
				b.Fatal(err)
			}
			used += n
		}
		b.StopTimer()
		b.ReportMetric(float64(used.Microseconds())/float64(b.N), "cpu-µs/op")
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pairs/s")
		ratio(b)
	})
}

// pairs does so many holds and settlements and tells the processor time.
func pairs(p part) error {
	l, err := p.open()
	if err != nil {
		return err
	}
	defer l.Close()
	fmt.Println("ready")
	if _, err := io.ReadAll(os.Stdin); err != nil {
		return err
	}
	before := cpu()
	var left atomic.Int64
	left.Store(int64(p.Pairs))
	errs := make(chan error, p.Callers)
	for range p.Callers {
		go func() {
			var err error
			for err == nil && left.Add(-1) >= 0 {
				err = holdAndSettle(l, ledger.HashToken(p.Token))
			}
			errs <- err
		}()
	}
	for range p.Callers {
		err = errors.Join(err, <-errs)
	}
	fmt.Println(cpu() - before)
	return err
}

// inTurn is the median of what two things take that are done in turn, so that both see the
// same disk.
func inTurn(b *testing.B, one, other func() error) (first, second time.Duration) {
	b.Helper()
	took := [2][]time.Duration{}
	for range b.N {
		for i, do := range []func() error{one, other} {
			start := time.Now()
			if err := do(); err != nil {
				b.Fatal(err)
			}
			took[i] = append(took[i], time.Since(start))
		}
	}
	for i := range took {
		slices.Sort(took[i])
	}
	return took[0][b.N/2], took[1][b.N/2]
}

// BenchmarkLoneHold is one hold, by one caller, in turn with the same
// statements in a transaction of their own: the medians, and their ratio.
func BenchmarkLoneHold(b *testing.B) {
	l := open(b, b.TempDir())
	h := benchmarkRun(b, l)
	s := newStatements(b, b.TempDir())
	lone, bare := inTurn(b, func() error { return hold(l, h) }, s.hold)
	b.ReportMetric(float64(lone.Microseconds()), "hold-µs")
	b.ReportMetric(float64(bare.Microseconds()), "statements-µs")
	b.ReportMetric(float64(lone)/float64(bare), "ratio")
}

func hold(l *ledger.Ledger, h ledger.TokenHash) error {
	_, no, err := l.Admit(context.Background(), ledger.Admission{Token: h, Least: 100, Most: 200, Tokens: 500})
	if no != nil {
		err = fmt.Errorf("refused %+v", *no)
	}
	return err
}
