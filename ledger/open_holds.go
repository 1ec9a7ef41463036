package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// OpenHold is a call on its way, in whichever process.
type OpenHold struct {
	ID     HoldID
	Agent  string
	Run    RunID
	Amount Micros
	At     time.Time
	Call   CallInfo
}

// OpenHolds lists the calls that hold money now, oldest first.
func (l *Ledger) OpenHolds(ctx context.Context, limit int) ([]OpenHold, error) {
	rs, err := l.read.QueryContext(ctx, `SELECT h.owner, h.n, a.name, coalesce(r.id, ''), h.amount_micro, h.at, h.call
		FROM hold h JOIN agent a ON a.id = h.agent_id LEFT JOIN run r ON r.no = h.run_no
		WHERE h.state = 'open' ORDER BY h.at, h.owner, h.n LIMIT ?`, limit)
	if err != nil {
		return nil, fmt.Errorf("listing open holds: %w", l.explain(err))
	}
	defer rs.Close()
	var holds []OpenHold
	for rs.Next() {
		var h OpenHold
		var k holdKey
		var at int64
		var call []byte
		if err := rs.Scan(&k.owner, &k.n, &h.Agent, &h.Run, &h.Amount, &at, &call); err != nil {
			return nil, fmt.Errorf("listing open holds: %w", l.explain(err))
		}
		if err := json.Unmarshal(call, &h.Call); err != nil {
			return nil, fmt.Errorf("%w: hold %s: %w", ErrCorrupt, k.id(), err)
		}
		h.ID, h.At = k.id(), fromMillis(at)
		holds = append(holds, h)
	}
	return holds, l.explain(rs.Err())
}

// HoldCount is how many calls hold money now, and how much.
func (l *Ledger) HoldCount(ctx context.Context) (n int64, amount Micros, err error) {
	err = l.read.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(amount_micro), 0) FROM hold WHERE state = 'open'`).Scan(&n, &amount)
	return n, amount, l.explain(err)
}
