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
	err := l.commitOne(ctx, func(g *commitGroup) error {
		r, err := g.runNamed(id)
		if err != nil {
			return err
		}
		if r.state == RunEnded || r.state == RunEnding {
			return fmt.Errorf("%w: run %s has ended", ErrInvalid, r.id)
		}
		ag := g.agentByID(r.agent)
		if err := g.topUp(g.account(r.account), by, "run.topup", ag, r.id); err != nil {
			return err
		}
		for _, x := range g.exhaustedRuns(ag.id) {
			if g.inside(x, r) {
				g.reopen(x)
			}
		}
		return g.err
	})
	if err != nil {
		return Run{}, fmt.Errorf("topping up a run: %w", err)
	}
	return l.Run(context.WithoutCancel(ctx), string(id))
}

// inside tells whether x is r or a run inside it.
func (g *commitGroup) inside(x, r *run) bool {
	for x.no != r.no {
		if x.parent == 0 || g.err != nil {
			return false
		}
		x = g.run(x.parent)
	}
	return true
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

// reopen lets an exhausted run go on if every account of its path has room.
func (g *commitGroup) reopen(r *run) {
	if r.state != RunExhausted || g.err != nil {
		return
	}
	c := &caller{agent: g.agentByID(r.agent), run: r}
	g.pathOf(c)
	for _, a := range c.path {
		if a.overrun > 0 || a.limited && a.unreserved() <= 0 {
			return
		}
	}
	g.setRunState(r, RunOpen)
}
