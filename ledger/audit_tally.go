package ledger

import (
	"context"
	"fmt"
)

// tally compares the hourly sums with the trail, and those of every run with
// its account.
func (a *audit) tally(ctx context.Context) (string, error) {
	var billed, doubt Micros
	var denied int64
	err := a.tx.QueryRowContext(ctx, `SELECT coalesce(sum(cost_micro), 0), coalesce(sum(in_doubt_micro), 0), coalesce(sum(CASE WHEN cause <> '' THEN calls END), 0) FROM tally`).Scan(&billed, &doubt, &denied)
	switch {
	case err != nil:
		return "", err
	case billed != a.replay.billed:
		return fmt.Sprintf("the hourly sums say %d, the events %d", billed, a.replay.billed), nil
	case doubt != a.replay.doubt:
		return fmt.Sprintf("the hourly sums say that %d is in doubt, the events %d", doubt, a.replay.doubt), nil
	case denied != a.replay.denied:
		return fmt.Sprintf("the hourly sums say %d refusals, the events %d", denied, a.replay.denied), nil
	}
	// To the account of a run that has others inside, theirs is charged too.
	return a.first(ctx, `SELECT 'run ' || r.id || ' has spent ' || (c.spent_micro + c.overrun_micro) || ', its hourly sums say ' || coalesce(t.cost, 0)
		FROM run r JOIN account c ON c.id = r.account_id
		LEFT JOIN (SELECT run_no, sum(cost_micro + within_micro) AS cost FROM tally GROUP BY run_no) t ON t.run_no = r.no
		WHERE c.spent_micro + c.overrun_micro <> coalesce(t.cost, 0) AND NOT EXISTS (SELECT 1 FROM run n WHERE n.parent = r.no)
		ORDER BY r.no LIMIT 1`)
}
