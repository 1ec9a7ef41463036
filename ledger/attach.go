package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// AttachWithin is how long a remote run lives on after its gateway died or let
// it go. Whoever recovers what the dead left ends it then. It counts from when
// that was first seen, so that a machine which was down for an hour does
// not end those runs as it starts.
const AttachWithin = time.Minute

// AttachRun makes this process the owner of an agent's remote run and of the
// runs inside it, whoever had them before: only it accepts their tokens from
// then on. The calls that another gateway has under way are settled by that one.
// A run that is not remote, that is inside another or that is not the agent's is
// ErrNotFound; one that is over is returned as it is.
func (l *Ledger) AttachRun(ctx context.Context, agent string, id RunID) (Run, error) {
	err := l.commitOne(ctx, func(g *commitGroup) error {
		g.recoverDead()
		ag, err := g.agentNamed(agent)
		if err != nil {
			return err
		}
		r, err := g.runNamed(id)
		switch {
		case err != nil:
			return err
		case !r.remote || r.parent != 0 || r.agent != ag.id:
			return fmt.Errorf("run %q: %w", id, ErrNotFound)
		case r.state == RunEnded || r.owner == g.w.l.owner.id():
			return g.err
		}
		g.handOverAll(r, g.w.l.owner.id(), "run.attach")
		return g.err
	})
	if err != nil {
		return Run{}, fmt.Errorf("attaching a run: %w", err)
	}
	return l.Run(ctx, string(id))
}

// ReleaseRun lets a remote run of this process go, with the runs inside it: any
// gateway may attach it within AttachWithin. Its calls must have been settled.
func (l *Ledger) ReleaseRun(ctx context.Context, id RunID) error {
	err := l.commitOne(ctx, func(g *commitGroup) error {
		r, err := g.runNamed(id)
		if err != nil {
			return err
		}
		if r.remote && r.state != RunEnded && r.owner == g.w.l.owner.id() {
			g.handOverAll(r, nobody, "run.adrift")
		}
		return g.err
	})
	if err != nil {
		return fmt.Errorf("letting a run go: %w", err)
	}
	return nil
}

// ErrElsewhere is the end of a run that another gateway has taken over.
var ErrElsewhere = errors.New("another gateway has the run")

// nobody owns the runs that are adrift.
const nobody ownerID = 0

// handOverAll gives a remote run, and those inside it, to an owner.
func (g *commitGroup) handOverAll(r *run, to ownerID, action string) {
	for _, r := range g.withInner(r) {
		g.handOver(r, to, action)
	}
}

func (g *commitGroup) handOver(r *run, to ownerID, action string) {
	if g.err != nil {
		return
	}
	adrift := any(nil)
	if to == nobody {
		adrift = g.at
	}
	g.exec(`UPDATE run SET owner = ?, adrift_at = ? WHERE no = ?`, int64(to), adrift, r.no)
	r.owner = to
	g.event(action, g.agentByID(r.agent), r.id, func(e *line) {})
	g.changed(r)
}

// withInner lists a run and the runs inside it that are not over.
func (g *commitGroup) withInner(r *run) []*run { return g.runsWhere(runsInside+` ORDER BY no`, r.no) }

// endAdrift ends remote runs that no gateway took in time, as many as most, and
// returns how many.
func (g *commitGroup) endAdrift(most int) int {
	// A call that the gateway before has under way is settled first.
	lost := g.runsWhere(`owner = ? AND state <> 'ended' AND adrift_at <= ?
		AND NOT EXISTS (SELECT 1 FROM hold WHERE run_no = run.no AND hold.state = 'open') ORDER BY no LIMIT ?`, int64(nobody), g.at-AttachWithin.Milliseconds(), most)
	for _, r := range lost {
		if g.err == nil {
			g.endRun(r, RunEnd{Outcome: "lost"})
		}
	}
	return len(lost)
}

// RemoteRun finds the remote run that a token is for, open or over. Whoever asks
// twice for the same run to be opened finds it so.
func (l *Ledger) RemoteRun(ctx context.Context, h TokenHash) (Run, error) {
	runs, err := l.runs(ctx, l.read, `r.remote AND r.no = (SELECT run_no FROM token WHERE hash = ?)`, []any{h[:]}, 1)
	switch {
	case err != nil:
		return Run{}, fmt.Errorf("finding the run of a token: %w", err)
	case len(runs) == 0:
		return Run{}, fmt.Errorf("the run of a token: %w", ErrNotFound)
	}
	return runs[0], nil
}

// HasRun tells whether a run is this process's, and its state.
func (l *Ledger) HasRun(ctx context.Context, id RunID) (s RunState, has bool, err error) {
	err = l.read.QueryRowContext(ctx, `SELECT state, owner = ? FROM run WHERE id = ?`, int64(l.owner.id()), string(id)).Scan(&s, &has)
	if err != nil {
		return "", false, fmt.Errorf("looking whose a run is: %w", l.explain(err))
	}
	return s, has, nil
}

// RunsInside lists the runs directly inside a run that are not over.
func (l *Ledger) RunsInside(ctx context.Context, id RunID) ([]Run, error) {
	runs, err := l.runs(ctx, l.read, `p.id = ? AND r.state <> 'ended'`, []any{string(id)}, -1)
	if err != nil {
		return nil, fmt.Errorf("listing the runs inside a run: %w", err)
	}
	return runs, nil
}
