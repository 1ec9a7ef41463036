package ledger

import (
	"context"
	"fmt"
)

// TopUpRun raises a run's budget. Where that makes room, it reopens the run and the runs
// inside it.
func (l *Ledger) TopUpRun(ctx context.Context, id RunID, by Micros) (Run, error) {
	if err := l.budgetsAllowed(); err != nil {
		return Run{}, err
	}
	err := l.thenReopen(ctx, runsInside, func(g *commitGroup) (int64, error) {
		r, err := g.runNamed(id)
		if err != nil {
			return 0, err
		}
		if r.state == RunEnded || r.state == RunEnding {
			return 0, fmt.Errorf("%w: run %s has ended", ErrInvalid, r.id)
		}
		ag := g.agentByID(r.agent)
		if err := g.topUp(g.account(r.account), by, "run.topup", ag, r.id); err != nil {
			return 0, err
		}
		return r.no, g.err
	})
	if err != nil {
		return Run{}, fmt.Errorf("topping up a run: %w", err)
	}
	return l.Run(context.WithoutCancel(ctx), string(id))
}

// topUp raises an account's budget; what it overran is paid first.
func (g *commitGroup) topUp(a *account, by Micros, action string, ag *agent, r RunID) error {
	if g.err != nil {
		return g.err
	}
	paid, err := a.topUp(by)
	if err != nil {
		return err
	}
	g.touch(a)
	g.event(action, ag, r, func(e *line) {
		e.number("by_micro", int64(by))
		e.number("paid_overrun_micro", int64(paid))
		e.budget(a)
	})
	return nil
}
