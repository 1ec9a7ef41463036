// Package longhistory writes a ledger with many calls, for tests that ask what
// stays quick however long the history is.
package longhistory

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"path/filepath"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// Agents is how many agents the calls are of: "agent-0" to "agent-49". Each has
// a token, of which the secret is "token of agent-0" and so on.
const Agents = 50

// What every call is: one of these models, cost micro-dollars dear.
var models = []string{"gpt-4o-mini-2024-07-18", "gpt-5-2025-08-07", "claude-sonnet-4-5-20250929", "gemini-2.5-flash", "deepseek-chat"}

const cost = 321

// Write makes a ledger in dir of so many settled calls, in up to 20,000 runs
// over 90 days, by SQL in one go. What it makes passes the audit.
func Write(ctx context.Context, dir string, calls int) error {
	path := filepath.Join(dir, "aex.db")
	if err := agents(ctx, path, dir); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(OFF)&_pragma=journal_mode(OFF)&_pragma=cache_size(-200000)")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	w := &writer{ctx: ctx, db: db, calls: calls, runs: min(20_000, max(calls/10, 1)), start: time.Now().UTC().Add(-span)}
	if err := db.QueryRowContext(ctx, `SELECT seq, hash, (SELECT id FROM ledger) FROM event_log ORDER BY seq DESC LIMIT 1`).Scan(&w.seq, &w.prev, &w.id); err != nil {
		return err
	}
	w.exec(`BEGIN`)
	w.events = &rows{w: w, before: `INSERT INTO event_log (seq, body, hash) VALUES `, one: `(?, ?, ?)`, most: 200}
	for n := range w.runs {
		w.run(n)
	}
	for i := range calls {
		w.call(i)
	}
	w.events.flush()
	w.exec(`COMMIT`)
	w.exec(`PRAGMA journal_mode = WAL`)
	return w.err
}

func agents(ctx context.Context, path, home string) error {
	l, err := ledger.Open(ctx, ledger.Options{Path: path, Home: home})
	if err != nil {
		return err
	}
	defer l.Close()
	budget := ledger.Micros(1_000_000_000_000)
	for i := range Agents {
		name := fmt.Sprint("agent-", i)
		if _, err := l.CreateAgent(ctx, ledger.NewAgent{Name: name, Budget: &budget}); err != nil {
			return err
		}
		if err := l.AddToken(ctx, ledger.NewToken{Agent: name, Hash: ledger.HashToken("token of " + name), Scope: ledger.Execution}); err != nil {
			return err
		}
	}
	return nil
}

// span is the time that the history covers.
const span = 90 * 24 * time.Hour

// writer writes rows and keeps its first error.
type writer struct {
	ctx         context.Context
	db          *sql.DB
	err         error
	calls, runs int
	start       time.Time
	events      *rows
	seq, hour   int64
	id          string // of the ledger
	prev        []byte
}

func (w *writer) exec(query string, args ...any) {
	if w.err == nil {
		_, w.err = w.db.ExecContext(w.ctx, query, args...)
	}
}

// at is when a call was made.
func (w *writer) at(call int) time.Time {
	return w.start.Add(span / time.Duration(w.calls) * time.Duration(call))
}

// event adds one to the trail; members are its own.
func (w *writer) event(call int, members string, args ...any) {
	w.seq++
	body := fmt.Appendf(nil, `{"seq":%d,"ledger":"%s","chain":1,"time":"%s",`, w.seq, w.id, w.at(call).Format("2006-01-02T15:04:05.000Z"))
	body = fmt.Appendf(body, members, args...)
	sum := sha256.Sum256(append(w.prev, body...))
	w.prev = sum[:]
	w.events.add(w.seq, string(body), append([]byte(nil), w.prev...))
}

// numbers of the n-th run, its agent and its account.
func runNo(n int) (no, agent int, id string, account int) {
	return n + 1, n%Agents + 1, fmt.Sprintf("%016x", uint64(n+1)*0x9e3779b97f4a7c15), Agents + n + 1
}

func (w *writer) run(n int) {
	no, ag, id, account := runNo(n)
	w.event(0, `"action":"run.open","agent":"agent-%d","agent_id":"a%d","run":"%s","budgets":[{"account":%d,"kind":"run","parent":%d,"target_micro":null}],"program":"bot.py"}`,
		ag-1, ag, id, account, ag)
	w.exec(`INSERT INTO account (id, agent_id, parent, kind) VALUES (?, ?, ?, 'run')`, account, ag, ag)
	each := w.calls / w.runs
	w.exec(`INSERT INTO run (no, id, agent_id, account_id, owner, state, program, metered, started_at, ended_at, outcome, first_seq)
		VALUES (?, ?, ?, ?, 1, 'ended', 'bot.py', 1, ?, ?, 'exited', ?)`, no, id, ag, account, w.at(each*n).UnixMilli(), w.at(each*(n+1)).UnixMilli(), w.seq)
}

// call writes the i-th call, and after a run's last the run's sums.
func (w *writer) call(i int) {
	n := i * w.runs / w.calls
	no, ag, run, account := runNo(n)
	model := models[n%len(models)]
	w.event(i, `"action":"usage.commit","agent":"agent-%d","agent_id":"a%d","run":"%s","cost_micro":%d,"accounts":[%d,%d],"hold":"abcdefghijklm-%d","held_micro":2000,"held_at":%d,"how":"settled","wire":"chat","model_asked":"%s","model_sent":"%s","provider":"openai","stream":true,"price_held":"0.15/0.60 openai 2026-10-01","model_served":"%s","price":"0.15/0.60 openai 2026-10-01","usage":{"input":120,"output":40},"status":200,"ending":"complete","request_id":"req_0123456789abcdef","first_token_ms":300,"latency_ms":900}`,
		ag-1, ag, run, cost, account, ag, i+1, w.at(i).UnixMilli(), model, model, model)
	if h := w.at(i).Unix() / 3600; h != w.hour {
		w.hour = h
		w.exec(`INSERT OR IGNORE INTO event_hour VALUES (?, ?)`, h, w.seq)
	}
	if (i+1)*w.runs/w.calls == n && i < w.calls-1 {
		return
	}
	of := i + 1 - (n*w.calls+w.runs-1)/w.runs // calls of this run
	w.exec(`UPDATE account SET spent_micro = spent_micro + ?1 * ?2, calls = calls + ?1 WHERE id IN (?3, ?4)`, of, cost, account, ag)
	w.exec(`INSERT INTO tally (hour, run_no, agent_id, group_id, model, provider, wire, cause, calls, cost_micro, input, cached, output, latency_ms, first_token_ms)
		VALUES (?1, ?2, ?3, 0, ?6, 'openai', 'chat', '', ?4, ?4 * ?5, ?4 * 120, 0, ?4 * 40, ?4 * 900, ?4 * 300)`, w.hour, no, ag, of, cost, model)
}
