package ledger

import "context"

// callTally compares the sums of every run with its account, where all that
// was charged to the account is the run's own.
func (a *audit) callTally(ctx context.Context) (string, error) {
	return a.first(ctx, `SELECT 'run ' || r.id || ' has spent ' || (c.spent_micro + c.overrun_micro) || ', its hourly sums say ' || coalesce(t.cost, 0)
		FROM run r JOIN account c ON c.id = r.account_id
		LEFT JOIN (SELECT run_no, sum(cost_micro) AS cost FROM call_tally GROUP BY run_no) t ON t.run_no = r.no
		WHERE c.spent_micro + c.overrun_micro <> coalesce(t.cost, 0) AND NOT EXISTS (SELECT 1 FROM run n WHERE n.parent = r.no)
		ORDER BY r.no LIMIT 1`)
}
