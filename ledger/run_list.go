package ledger

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"time"
)

// RunFilter picks runs for Runs. Newest first.
type RunFilter struct {
	Agent string
	Open  bool      // only those that have not ended
	State string    // only those in this state, or that ended with this outcome
	Since time.Time // only those that started then or later
	Until time.Time // only those that started before
	Limit int       // 0: 50; below 0: all
}

// Runs lists runs, newest first.
func (l *Ledger) Runs(ctx context.Context, f RunFilter) ([]Run, error) {
	where, args := `TRUE`, []any{}
	if f.Agent != "" {
		where, args = where+` AND a.name = ?`, append(args, f.Agent)
	}
	if f.Open {
		where += ` AND r.state <> 'ended'`
	}
	if f.State != "" {
		where, args = where+` AND CASE r.state WHEN 'ended' THEN r.outcome = ? OR ? = 'ended' ELSE r.state = ? END`, append(args, f.State, f.State, f.State)
	}
	if !f.Since.IsZero() {
		where, args = where+` AND r.started_at >= ?`, append(args, f.Since.UnixMilli())
	}
	if !f.Until.IsZero() {
		where, args = where+` AND r.started_at < ?`, append(args, f.Until.UnixMilli())
	}
	runs, err := l.runs(ctx, l.read, where, args, cmp.Or(f.Limit, 50))
	if err != nil {
		return nil, fmt.Errorf("listing runs: %w", err)
	}
	return runs, nil
}

func selectRuns(where string) string {
	return `SELECT r.id, a.name, a.id, coalesce(p.id, ''), r.state, r.program, r.started_at, coalesce(r.ended_at, 0),
			r.outcome, r.exit_code, c.calls, r.refused, r.metered, r.remote,
			c.id, coalesce(c.parent, 0), c.budget_micro, c.spent_micro, c.reserved_micro, c.overrun_micro
		FROM run r JOIN agent a ON a.id = r.agent_id JOIN account c ON c.id = r.account_id LEFT JOIN run p ON p.no = r.parent
		WHERE ` + where + ` ORDER BY r.no DESC LIMIT ?`
}

func (l *Ledger) runs(ctx context.Context, from *readers, where string, args []any, limit int) ([]Run, error) {
	if limit < 0 {
		limit = math.MaxInt
	}
	rs, err := from.QueryContext(ctx, selectRuns(where), append(args, limit)...)
	if err != nil {
		return nil, l.explain(err)
	}
	defer rs.Close()
	var runs []Run
	for rs.Next() {
		var r Run
		var agentID, started, ended int64
		if err := rs.Scan(&r.ID, &r.Agent, &agentID, &r.Parent, &r.State, &r.Program, &started, &ended,
			&r.Outcome, &r.ExitCode, &r.Calls, &r.Refused, &r.Metered, &r.Remote,
			&r.Account.ID, &r.Account.Parent, &r.Account.Budget, &r.Account.Spent, &r.Account.Reserved, &r.Account.Overrun); err != nil {
			return nil, l.explain(err)
		}
		r.AgentID, r.Started, r.Ended = publicID(agentID), fromMillis(started), fromMillis(ended)
		r.Account.Kind, r.Account.Name = RunAccount, string(r.ID)
		runs = append(runs, r)
	}
	return runs, l.explain(rs.Err())
}

// fromMillis is the time of a column; 0 is the zero time.
func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func orNullText(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return string(b)
}
