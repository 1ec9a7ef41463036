package ledger

import (
	"errors"
	"fmt"
	"time"
)

// commitTogether has a group of operations decide and makes the result durable, or
// finds that it cannot: then the ledger is broken and everybody is told. After a
// failed commit it reopens the file and looks whether the group is there before it
// tries again. It returns the operations of the group; with wait it may have added
// some.
func (w *writer) commitTogether(ops []*op, wait bool, lockErr error) (*commitGroup, []*op, error) {
	if w.broken != nil {
		return nil, ops, w.broken
	}
	err := lockErr
	for try := 0; err == nil && try < commitTries; try++ {
		var g *commitGroup
		g, ops, err = w.attempt(ops, wait && try == 0)
		if err == nil {
			g.release()
			return g, ops, nil
		}
		failed := err
		var there bool
		g.release()
		if there, err = w.reopenAndCheck(g); err != nil {
			return g, ops, w.giveUp(errors.Join(failed, err), err)
		}
		if there {
			return g, ops, nil
		}
		g.uncount()
		if try == commitTries-1 {
			err = failed
		}
	}
	return nil, ops, w.giveUp(err, err)
}

// giveUp breaks the ledger for all of an error, unless the last of it may pass.
func (w *writer) giveUp(all, last error) error {
	if w.passing(last) {
		return w.l.explain(last)
	}
	return w.breakWith(all)
}

// breakWith gives up for good: a ledger that cannot tell what it has booked
// must not be served past.
func (w *writer) breakWith(err error) error {
	w.broken = fmt.Errorf("%w: %w", ErrBroken, w.l.explain(err))
	w.owed = nil // those that wait for a server are answered with the rest
	w.l.brokenFor.Do(func() { close(w.l.broken) })
	return w.broken
}

// reopenAndCheck tells whether a group whose commit failed is in the ledger
// nevertheless.
func (w *writer) reopenAndCheck(g *commitGroup) (there bool, err error) {
	w.rows = newRows()
	if err := w.engine.reopen(); err != nil {
		return false, err
	}
	if g == nil || !g.committing {
		return false, nil
	}
	if there, err = g.isThere(); there && err == nil {
		err = w.engine.secure()
	}
	return there, err
}

// replaced reports that the path leads to another file by now.
func (l *Ledger) replaced() error {
	return fmt.Errorf("%s has been replaced by another file while it was in use", l.path)
}

// attempt runs the operations in one transaction and commits it. At the first try
// the transaction has begun already. With wait it writes what they decided, and then
// waits for another operation to share the commit with.
func (w *writer) attempt(ops []*op, wait bool) (*commitGroup, []*op, error) {
	began := time.Now()
	if err := w.engine.begin(); err != nil {
		return nil, ops, err
	}
	g, err := w.begin()
	if err != nil {
		return g, ops, err
	}
	if err := w.engine.load(g, ops); err != nil {
		return g, ops, err
	}
	if err := g.decide(ops); err != nil {
		return g, ops, err
	}
	if wait {
		if err := g.flush(); err != nil {
			return g, ops, err
		}
		came := inOrder(w.queued(w.awaitAnother(nil)))
		ops = append(ops, came...)
		began = time.Now()
		g.readClock()
		if err := g.decide(came); err != nil {
			return g, ops, err
		}
	}
	g.flushDenials()
	if g.err != nil {
		return g, ops, g.err
	}
	if g.empty() {
		return g, ops, w.engine.rollback()
	}
	if err := g.flush(); err != nil {
		return g, ops, err
	}
	g.committing = true
	err = w.commit(w.engine.commit)
	w.commits.add(time.Since(began))
	return g, ops, err
}

// published makes a committed group's effects known inside the process.
func (w *writer) published(g *commitGroup) {
	w.know(g)
	if g.lastEvent.seq > 0 || len(g.newHolds) > 0 {
		w.l.head.advance()
	}
	w.l.own.add(g)
	if g.identity || g.stale {
		w.l.identities.forget()
	}
	for _, c := range g.runChanges {
		w.l.watchers.wake(c.id)
	}
	for run, n := range g.tooLarge {
		if w.tooLarge[run] = n; n == 0 {
			delete(w.tooLarge, run)
		}
	}
	for _, h := range g.ended {
		delete(w.rows.holds, h.key)
	}
	w.l.remember(g.recovered)
	w.settleDenials(g)
	if g.suspects != nil {
		w.suspects = g.suspects
	}
	if len(w.rows.accounts)+len(w.rows.tokens)+len(w.rows.runs) > rowsMax {
		w.rows = newRows()
	}
}
