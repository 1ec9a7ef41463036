package ledger

import (
	"context"
	"errors"
	"fmt"
)

// turnPart is how many runs a turn changes: all others wait for it. Between two
// turns they have theirs.
const turnPart = 250

// Which runs may go on when something has changed, by the number of what did.
const (
	runsOfAgent = `agent_id = ?`
	runsOfGroup = `agent_id IN (WITH RECURSIVE inside (id) AS (SELECT CAST(? AS BIGINT) UNION SELECT c.id FROM agent_group c JOIN inside i ON c.parent = i.id)
		SELECT a.id FROM agent a JOIN inside i ON a.group_id = i.id WHERE a.deleted_at IS NULL)`
	runsInside = `no IN (WITH RECURSIVE inside (no) AS (SELECT CAST(? AS BIGINT) UNION SELECT run.no FROM run JOIN inside ON run.parent = inside.no WHERE run.state <> 'ended')
		SELECT no FROM inside)`
)

// reopening is what a change leaves to be done: exhausted runs that may have room
// again.
type reopening struct {
	which string
	of    int64
	after int64 // the number of the last run that was looked at
}

// thenReopen commits a change, which returns the number of what it changed, and then
// lets exhausted runs go on that have room again, a part a turn, from the change's own
// on. The change stands whatever becomes of those.
func (l *Ledger) thenReopen(ctx context.Context, which string, change func(g *commitGroup) (of int64, err error)) error {
	var next *reopening
	err := l.commitOne(ctx, func(g *commitGroup) error {
		next = nil
		of, err := change(g)
		if err == nil {
			next = g.reopenSome(reopening{which: which, of: of})
		}
		return errors.Join(err, g.err)
	})
	if err != nil {
		return err
	}
	for next != nil {
		from := *next
		err := l.do(context.WithoutCancel(ctx), &op{patient: true, do: func(g *commitGroup) error {
			next = g.reopenSome(from)
			return g.err
		}})
		if err != nil {
			return fmt.Errorf("it is changed, but not all runs that have room again go on: %w", err)
		}
	}
	return nil
}

// reopenSome looks at as many runs as a turn has time for, and returns what is
// left to be done; nil: nothing.
func (g *commitGroup) reopenSome(what reopening) *reopening {
	runs := g.runsWhere(what.which+` AND state = 'exhausted' AND no > ? ORDER BY no LIMIT ?`, what.of, what.after, turnPart)
	accounts := make([]int64, 0, len(runs))
	for _, r := range runs {
		accounts = append(accounts, r.account)
		what.after = r.no
	}
	g.fail(g.w.engine.loadPaths(g, accounts))
	for _, r := range runs {
		g.reopen(r)
	}
	if len(runs) < turnPart {
		return nil
	}
	return &what
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
