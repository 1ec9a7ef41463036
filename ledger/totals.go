package ledger

import (
	"context"
	"fmt"
)

// Totals are sums over the whole ledger or one agent.
type Totals struct {
	Agents, OpenRuns, Calls, Refused int64
	ByCause                          map[string]int64 // refusals by x-aex-code
	Spent, Reserved, Overrun         Micros
	Budget                           Micros // of agents that have one
	Doubt                            Micros // of what was spent: estimates
	Doubtful                         int64  // calls that is
}

// Charged is all that calls have cost. The dashboard's pages ask for it.
func (t Totals) Charged() Micros { return t.Spent + t.Overrun }

// Totals sums up the whole ledger. It does not read the trail.
func (l *Ledger) Totals(ctx context.Context) (Totals, error) {
	var twice doubt
	t := Totals{ByCause: make(map[string]int64)}
	err := l.read.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM agent WHERE deleted_at IS NULL),
			(SELECT count(*) FROM run WHERE state <> 'ended'),
			coalesce(sum(c.calls), 0), coalesce(sum(c.spent_micro), 0), coalesce(sum(c.reserved_micro), 0), coalesce(sum(c.overrun_micro), 0),
			(SELECT coalesce(sum(budget_micro), 0) FROM agent WHERE deleted_at IS NULL)
		FROM account c WHERE c.kind = 'agent'`).
		Scan(&t.Agents, &t.OpenRuns, &t.Calls, &t.Spent, &t.Reserved, &t.Overrun, &t.Budget)
	if err == nil {
		err = l.read.QueryRowContext(ctx, `SELECT coalesce(sum(in_doubt_calls), 0), coalesce(sum(in_doubt_micro), 0), coalesce(sum(twice_calls), 0), coalesce(sum(twice_micro), 0) FROM tally`).
			Scan(&t.Doubtful, &t.Doubt, &twice.calls, &twice.cost)
		// A call by way of another aex on this ledger is charged to two agents, and is one call.
		t.Calls, t.Spent = t.Calls-twice.calls, t.Spent-twice.cost
	}
	if err != nil {
		return Totals{}, fmt.Errorf("summing up: %w", l.explain(err))
	}
	rs, err := l.read.QueryContext(ctx, `SELECT cause, sum(calls) FROM tally WHERE cause <> '' GROUP BY cause`)
	if err != nil {
		return Totals{}, fmt.Errorf("summing up: %w", l.explain(err))
	}
	defer rs.Close()
	for rs.Next() {
		var cause string
		var n int64
		if err := rs.Scan(&cause, &n); err != nil {
			return Totals{}, fmt.Errorf("summing up: %w", l.explain(err))
		}
		t.ByCause[cause] = n
		t.Refused += n
	}
	return t, l.explain(rs.Err())
}
