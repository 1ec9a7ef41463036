package ledger

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// ByMonth sums by calendar month, UTC: "2026-01".
const ByMonth Grouping = "month"

// SpendFilter picks and groups what Spend sums. Zero fields do not filter.
// Times are taken to the hour: the hours that Since and Until lie in count.
type SpendFilter struct {
	Per   Grouping // ByHour, ByDay, ByMonth, or "": no buckets of time
	By    Grouping // ByAgent, ByModel, ByRun, or "": one sum
	Agent string
	Model string
	Run   RunID
	Since time.Time
	Until time.Time
}

// Spend is the sum of one bucket of time and one key.
type Spend struct {
	Bucket  time.Time // the start of it; zero without Per
	Key     string    // the agent's name, the model or the run's id; "" for what has none
	Calls   int64
	Cost    Micros
	Input   int64 // tokens
	Cached  int64
	Output  int64
	Latency time.Duration // of all calls together
}

var buckets = map[Grouping]string{
	"":      `0`,
	ByHour:  `t.hour`,
	ByDay:   `t.hour / 24 * 24`,
	ByMonth: `CAST(strftime('%s', t.hour * 3600, 'unixepoch', 'start of month') AS INTEGER) / 3600`,
}

var keys = map[Grouping]string{
	"":      `''`,
	ByAgent: `coalesce(a.name, '')`,
	ByModel: `t.model`,
	ByRun:   `coalesce(r.id, '')`,
}

// Spend sums what calls did cost, from the hourly sums: oldest bucket first,
// dearest key first within one. Every view of spending comes from here, so
// that they agree to the micro-dollar.
//
// By run, calls without a run have the key "", and so does what was spent
// before aex kept sums by run.
func (l *Ledger) Spend(ctx context.Context, f SpendFilter) ([]Spend, error) {
	byRun := f.By == ByRun || f.Run != ""
	table := `tally t LEFT JOIN agent a ON a.id = t.agent_id`
	where, args := []string{`t.cause = ''`}, []any{}
	if byRun {
		table = `call_tally t LEFT JOIN agent a ON a.id = t.agent_id LEFT JOIN run r ON r.no = t.run_no`
		where[0] = `TRUE`
	}
	add := func(cond string, arg any) { where, args = append(where, cond), append(args, arg) }
	if f.Run != "" {
		add(`t.run_no = (SELECT no FROM run WHERE id = ?)`, string(f.Run))
	}
	if f.Agent != "" {
		add(`a.name = ?`, f.Agent)
	}
	if f.Model != "" {
		add(`t.model = ?`, f.Model)
	}
	if !f.Since.IsZero() {
		add(`t.hour >= ?`, f.Since.UnixMilli()/hourMillis)
	}
	if !f.Until.IsZero() {
		add(`t.hour <= ?`, f.Until.UnixMilli()/hourMillis)
	}
	bucket, ok := buckets[f.Per]
	key, known := keys[f.By]
	if !ok || !known {
		return nil, fmt.Errorf("%w: spending cannot be summed per %q by %q", ErrInvalid, f.Per, f.By)
	}
	all, err := l.spends(ctx, `SELECT `+bucket+`, `+key+`, sum(t.calls), sum(t.cost_micro), sum(t.input), sum(t.cached), sum(t.output), sum(t.latency_ms)
		FROM `+table+` WHERE `+strings.Join(where, ` AND `)+` GROUP BY 1, 2 HAVING sum(t.calls) <> 0 OR sum(t.cost_micro) <> 0 ORDER BY 1, 4 DESC, 2`, args)
	if err != nil {
		return nil, fmt.Errorf("summing up spending: %w", err)
	}
	if f.By == ByRun && f.Run == "" {
		return l.withoutRun(ctx, f, all)
	}
	return all, nil
}

func (l *Ledger) spends(ctx context.Context, query string, args []any) ([]Spend, error) {
	rs, err := l.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, l.explain(err)
	}
	defer rs.Close()
	var all []Spend
	for rs.Next() {
		var s Spend
		var hour, latency int64
		if err := rs.Scan(&hour, &s.Key, &s.Calls, &s.Cost, &s.Input, &s.Cached, &s.Output, &latency); err != nil {
			return nil, l.explain(err)
		}
		s.Bucket, s.Latency = fromMillis(hour*hourMillis), time.Duration(latency)*time.Millisecond
		all = append(all, s)
	}
	return all, l.explain(rs.Err())
}

// withoutRun adds to the sums of runs what the whole has more than they.
func (l *Ledger) withoutRun(ctx context.Context, f SpendFilter, byRun []Spend) ([]Spend, error) {
	f.By = ""
	whole, err := l.Spend(ctx, f)
	if err != nil {
		return nil, err
	}
	var all []Spend
	for _, w := range whole {
		rest := w
		var none *Spend
		for ; len(byRun) > 0 && !byRun[0].Bucket.After(w.Bucket); byRun = byRun[1:] {
			s := byRun[0]
			rest.Calls -= s.Calls
			rest.Cost -= s.Cost
			rest.Input -= s.Input
			rest.Cached -= s.Cached
			rest.Output -= s.Output
			rest.Latency -= s.Latency
			all = append(all, s)
			if s.Key == "" {
				none = &all[len(all)-1]
			}
		}
		switch {
		case rest.Cost == 0 && rest.Calls <= 0:
		case none != nil:
			none.Calls, none.Cost = none.Calls+rest.Calls, none.Cost+rest.Cost
			none.Input, none.Cached, none.Output = none.Input+rest.Input, none.Cached+rest.Cached, none.Output+rest.Output
			none.Latency += rest.Latency
		default:
			rest.Key = ""
			all = append(all, rest)
		}
	}
	return append(all, byRun...), nil
}

// Charged is all that calls did cost the account: spent and overrun.
func (a Account) Charged() Micros { return a.Spent + a.Overrun }

// Charged is all that calls did cost.
func (t Totals) Charged() Micros { return t.Spent + t.Overrun }
