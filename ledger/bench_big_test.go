package ledger_test

import (
	"crypto/sha256"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/ledger"
)

// longHistory makes a ledger of so many settled calls, by 50 agents in up to
// 20,000 runs over 90 days, by SQL in one go. What it makes verifies.
func longHistory(b *testing.B, dir string, calls int) {
	b.Helper()
	const agents, cost = 50, 321
	runs := min(20_000, calls/10)
	path := filepath.Join(dir, "aex.db")
	l, err := ledger.Open(b.Context(), ledger.Options{Path: path, Home: dir})
	if err != nil {
		b.Fatal(err)
	}
	for i := range agents {
		agent(b, l, ledger.NewAgent{Name: fmt.Sprint("agent ", i), Budget: usd(b, "1000000")})
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(OFF)&_pragma=journal_mode(OFF)&_pragma=cache_size(-200000)")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	var seq int64
	var id string
	var prev []byte
	if err := db.QueryRow(`SELECT seq, hash, (SELECT id FROM ledger) FROM event_log ORDER BY seq DESC LIMIT 1`).Scan(&seq, &prev, &id); err != nil {
		b.Fatal(err)
	}
	must(b, db, `BEGIN`)
	start := time.Now().UTC().Add(-90 * 24 * time.Hour)
	at := func(i int) time.Time { return start.Add(90 * 24 * time.Hour / time.Duration(calls) * time.Duration(i)) }
	batch := inserts(b, db, `INSERT INTO event_log (seq, body, hash) VALUES `, `(?, ?, ?)`, 200)
	event := func(i int, format string, args ...any) {
		seq++
		body := fmt.Appendf(nil, `{"seq":%d,"ledger":"%s","chain":1,"time":"%s",`, seq, id, at(i).Format("2006-01-02T15:04:05.000Z"))
		body = fmt.Appendf(body, format, args...)
		sum := sha256.Sum256(append(prev, body...))
		prev = sum[:]
		batch.add(seq, string(body), append([]byte(nil), prev...))
	}
	run := func(n int) (no, agent int, id string, account int) {
		return n + 1, n%agents + 1, fmt.Sprintf("%016x", uint64(n+1)*0x9e3779b97f4a7c15), agents + n + 1
	}
	for n := range runs {
		no, ag, id, account := run(n)
		event(0, `"action":"run.open","agent":"agent %d","agent_id":"a%d","run":"%s","budgets":[{"account":%d,"kind":"run","parent":%d,"target_micro":null}],"program":"bot.py"}`, ag-1, ag, id, account, ag)
		must(b, db, `INSERT INTO account (id, agent_id, parent, kind) VALUES (?, ?, ?, 'run')`, account, ag, ag)
		must(b, db, `INSERT INTO run (no, id, agent_id, account_id, owner, state, program, metered, started_at, ended_at, outcome, first_seq)
			VALUES (?, ?, ?, ?, 1, 'ended', 'bot.py', 1, ?, ?, 'exited', ?)`, no, id, ag, account, at(calls/runs*n).UnixMilli(), at(calls/runs*(n+1)).UnixMilli(), seq)
	}
	hour := int64(0)
	for i := range calls {
		_, ag, run, account := run(i * runs / calls)
		event(i, `"action":"usage.commit","agent":"agent %d","agent_id":"a%d","run":"%s","cost_micro":%d,"accounts":[%d,%d],"hold":"abcdefghijklm-%d","held_micro":2000,"held_at":%d,"how":"settled","wire":"chat","model_asked":"gpt-4o-mini","model_sent":"gpt-4o-mini","provider":"openai","stream":true,"price_held":"0.15/0.60 openai 2026-10-01","model_served":"gpt-4o-mini-2024-07-18","price":"0.15/0.60 openai 2026-10-01","usage":{"input":120,"output":40},"status":200,"ending":"complete","request_id":"req_0123456789abcdef","first_token_ms":300,"latency_ms":900}`,
			ag-1, ag, run, cost, account, ag, i+1, at(i).UnixMilli())
		if h := at(i).Unix() / 3600; h != hour {
			hour = h
			must(b, db, `INSERT OR IGNORE INTO event_hour VALUES (?, ?)`, hour, seq)
		}
		if (i+1)*runs/calls != i*runs/calls || i == calls-1 { // the run's last
			n := i + 1 - (i*runs/calls*calls+runs-1)/runs
			must(b, db, `UPDATE account SET spent_micro = spent_micro + ?1 * ?2, calls = calls + ?1 WHERE id IN (?3, ?4)`, n, cost, account, ag)
			must(b, db, `INSERT INTO tally VALUES (?1, ?2, 'gpt-4o-mini-2024-07-18', '', ?3, ?3 * ?4, ?3 * 120, 0, ?3 * 40, ?3 * 900) ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, cost_micro = cost_micro + excluded.cost_micro`, hour, ag, n, cost)
			must(b, db, `INSERT INTO call_tally (hour, run_no, agent_id, model, provider, wire, calls, cost_micro, input, cached, output, latency_ms, first_token_ms)
				VALUES (?1, ?2, ?3, 'gpt-4o-mini-2024-07-18', 'openai', 'chat', ?4, ?4 * ?5, ?4 * 120, 0, ?4 * 40, ?4 * 900, ?4 * 300)`, hour, i*runs/calls+1, ag, n, cost)
		}
	}
	batch.flush()
	must(b, db, `COMMIT`)
	must(b, db, `PRAGMA journal_mode = WAL`)
}

// rowsInto inserts rows in statements of so many.
type rowsInto struct {
	b           *testing.B
	db          *sql.DB
	before, one string
	n           int
	args        []any
	rows        int
	whole       *sql.Stmt
}

func inserts(b *testing.B, db *sql.DB, before, one string, n int) *rowsInto {
	return &rowsInto{b: b, db: db, before: before, one: one, n: n}
}

func (r *rowsInto) text(n int) string {
	return r.before + strings.TrimSuffix(strings.Repeat(r.one+",", n), ",")
}

func (r *rowsInto) add(values ...any) {
	r.args = append(r.args, values...)
	if r.rows++; r.rows < r.n {
		return
	}
	if r.whole == nil {
		var err error
		if r.whole, err = r.db.Prepare(r.text(r.n)); err != nil {
			r.b.Fatal(err)
		}
	}
	if _, err := r.whole.Exec(r.args...); err != nil {
		r.b.Fatal(err)
	}
	r.args, r.rows = r.args[:0], 0
}

func (r *rowsInto) flush() {
	if r.rows > 0 {
		must(r.b, r.db, r.text(r.rows), r.args...)
	}
	if r.whole != nil {
		r.whole.Close()
	}
}

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
	longHistory(b, dir, calls)
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
			l, err := ledger.Open(ctx, ledger.Options{Path: filepath.Join(dir, "aex.db"), Home: dir})
			if err != nil {
				return err
			}
			return l.Close()
		},
		"status":     func() error { _, err := l.Totals(ctx); return err },
		"agent-list": func() error { _, err := l.Agents(ctx); return err },
		"runs":       func() error { _, err := l.Runs(ctx, ledger.RunFilter{}); return err },
		"runs-of-agent": func() error {
			_, err := l.Runs(ctx, ledger.RunFilter{Agent: "agent 7"})
			return err
		},
		"runs-open": func() error { _, err := l.Runs(ctx, ledger.RunFilter{Open: true}); return err },
		"events":    func() error { _, err := l.Events(ctx, ledger.EventFilter{Newest: true}); return err },
		"spend-by-day": func() error {
			_, err := l.Spend(ctx, ledger.SpendFilter{Per: ledger.ByDay, By: ledger.ByModel})
			return err
		},
		"spend-by-run": func() error { _, err := l.Spending(ctx, ledger.SpendingFilter{By: ledger.ByRun}); return err },
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
