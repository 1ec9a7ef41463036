package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Backup writes a consistent copy of the ledger to a new file, while it is in
// use. It wraps fs.ErrExist when there is a file of that name.
func (l *Ledger) Backup(ctx context.Context, path string) error {
	if l.server != nil {
		return errors.New("a ledger on PostgreSQL is backed up by the server's own means: pg_dump, or a base backup with the write-ahead log (docs/fleet.md)")
	}
	conn, err := l.read.Conn(ctx)
	if err != nil {
		return fmt.Errorf("backing up: %w", l.explain(err))
	}
	defer conn.Close()
	// VACUUM INTO counts as a write, though not to this database.
	if _, err := conn.ExecContext(ctx, `PRAGMA query_only = OFF`); err != nil {
		return fmt.Errorf("backing up: %w", l.explain(err))
	}
	err = copyDatabase(ctx, conn, path)
	if _, again := conn.ExecContext(context.WithoutCancel(ctx), `PRAGMA query_only = ON`); again != nil {
		err = errors.Join(err, again)
	}
	if err != nil {
		return fmt.Errorf("backing up to %s: %w", path, err)
	}
	return nil
}

// Pruned tells what Prune removed.
type Pruned struct {
	Events  int64
	Through int64 // the last event that was removed
}

// Prune folds the events before a time into a checkpoint event, which keeps
// the hash of the last one and the sums of all, so that the chain and the sums
// still prove themselves. It never folds the newest event, and removes nothing
// where the trail does not verify. It goes in steps, each with a checkpoint of its
// own, between which others book. The file does not get smaller; a backup of it
// is. On a server it also removes what gateways may not: tokens of jobs that are
// over.
func (l *Ledger) Prune(ctx context.Context, before time.Time) (Pruned, error) {
	if l.server != nil && !l.mayPrune {
		return Pruned{}, fmt.Errorf("%w: on PostgreSQL only the role aex_owner takes events away (docs/fleet.md)", ErrNotAllowed)
	}
	p, err := l.pruneInSteps(ctx, before, pruneStep)
	if err != nil {
		return p, fmt.Errorf("pruning: %w", err)
	}
	return p, nil
}

// pruneStep is how many events a turn folds: all others wait for it.
const pruneStep = 100_000

func (l *Ledger) pruneInSteps(ctx context.Context, before time.Time, step int64) (all Pruned, err error) {
	var last int64
	if err := l.read.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM event_log`).Scan(&last); err != nil {
		return Pruned{}, l.explain(err)
	}
	for {
		p, err := l.prune(ctx, before, last, step)
		if err != nil || p.Events == 0 {
			return all, err
		}
		all = Pruned{Events: all.Events + p.Events, Through: p.Through}
	}
}

// prune is a step: of the events before a time and before last, as many as most.
func (l *Ledger) prune(ctx context.Context, before time.Time, last, most int64) (Pruned, error) {
	through, s, err := l.foldable(ctx, before, last, most)
	if err != nil || through.seq == 0 {
		return Pruned{}, err
	}
	text, err := json.Marshal(s.fold(through))
	if err != nil {
		return Pruned{}, err
	}
	var p Pruned
	err = l.commitOne(ctx, func(g *commitGroup) error {
		var hash []byte
		if !g.query(`SELECT hash FROM event_log WHERE seq = ?`, []any{through.seq}, &hash) || chainHash(hash) != through.hash {
			return errors.Join(errors.New("the trail has changed meanwhile; try again"), g.err)
		}
		var first int64
		g.query(`SELECT min(seq) FROM event_log`, nil, &first)
		g.event("checkpoint", nil, "", func(e *line) { e.raw("folded", text) })
		g.exec(`DELETE FROM event_log WHERE seq <= ?`, through.seq)
		if l.server != nil { // in a file who mints them does it
			g.exec(forgetJobs, g.at-expiredKept.Milliseconds())
		}
		p = Pruned{Events: through.seq - first + 1, Through: through.seq}
		return g.err
	})
	return p, err
}

// foldable reads the trail up to the first event that is not before t, before last
// and among the first of most, and returns the place and what the trail says there.
// It refuses a trail that is damaged.
func (l *Ledger) foldable(ctx context.Context, t time.Time, last, most int64) (mark, replay, error) {
	none := newReplay()
	tx, err := l.read.snapshot(ctx)
	if err != nil {
		return mark{}, none, l.explain(err)
	}
	defer tx.Rollback() // it has only read
	a := &audit{l: l, tx: tx, replay: none}
	var first int64
	if err := tx.QueryRowContext(ctx, `SELECT coalesce(min(seq), 0) FROM event_log`).Scan(&first); err != nil {
		return mark{}, none, l.explain(err)
	}
	prev, bad, err := a.beginning(ctx, first)
	start := prev.seq
	if err != nil || bad != "" {
		return mark{}, none, errors.Join(damaged(bad), err)
	}
	rs, err := tx.QueryContext(ctx, `SELECT seq, time, body, hash FROM trail WHERE seq < ? ORDER BY seq`, min(last, first+most))
	if err != nil {
		return mark{}, none, l.explain(err)
	}
	defer rs.Close()
	limit := t.UTC().Format(timeFormat)
	for rs.Next() {
		var seq int64
		var at string
		var body, hash []byte
		if err := rs.Scan(&seq, &at, &body, &hash); err != nil {
			return mark{}, none, l.explain(err)
		}
		if at >= limit {
			break
		}
		if bad := a.link(&prev, seq, body, hash); bad != "" {
			return mark{}, none, damaged(bad)
		}
	}
	if prev.seq == start {
		return mark{}, none, l.explain(rs.Err())
	}
	return prev, a.replay, l.explain(rs.Err())
}

func damaged(why string) error {
	if why == "" {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrCorrupt, why)
}
