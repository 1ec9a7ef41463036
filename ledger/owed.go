package ledger

import (
	"context"
	"slices"
	"time"
)

// owed is what was left open when the server went away in the middle of a turn. What
// has happened, a call's cost or a run's end, waits until the server is back. What
// is only asked for is answered at once, with the server's absence.
type owed struct {
	g       *commitGroup // whose commit may be there or not; nil: it is not
	decided []*op        // by that group
	more    []*op        // operations that no group has decided
	refused []holdKey    // of that group: the calls were not made
}

// passing tells whether an error may be over when the server is back.
func (w *writer) passing(err error) bool { return w.l.server != nil && passing(err) }

// setAside answers the operations of a turn that did not come to its end, but
// for those that wait.
func (w *writer) setAside(g *commitGroup, ops []*op, err error) {
	before := w.owed
	if before == nil {
		before = new(owed)
		if g != nil && g.committing {
			before.g = g
		} else {
			g.uncount()
		}
		w.owed = before
	}
	for _, o := range ops {
		inDoubt := before.g != nil && before.g == g
		if o.until.IsZero() {
			o.until = time.Now().Add(w.engine.patience(o.patient))
		}
		switch {
		case o.patient && time.Now().After(o.until):
			w.answer(o, err)
			before.forget(o)
		case slices.Contains(before.decided, o) || slices.Contains(before.more, o):
		case o.patient && inDoubt:
			before.decided = append(before.decided, o)
		case o.patient:
			before.more = append(before.more, o)
		default:
			if o.admit != nil && inDoubt && !o.parked && o.admit.refusal == nil {
				if key, ok := parseHoldID(o.admit.hold.ID); ok {
					before.refused = append(before.refused, key)
				}
			}
			w.answer(o, err)
		}
	}
}

func (d *owed) forget(o *op) {
	is := func(other *op) bool { return other == o }
	d.decided, d.more = slices.DeleteFunc(d.decided, is), slices.DeleteFunc(d.more, is)
}

// owedOps are those that still wait for a server, and what has come now.
func (w *writer) owedOps(ops []*op) []*op {
	if w.owed == nil {
		return ops
	}
	return slices.Concat(w.owed.decided, w.owed.more, ops)
}

// settleOwed finds out, in the turn, what became of the group that the server
// went away with. It returns what is still to be done.
func (w *writer) settleOwed(ops []*op) ([]*op, error) {
	o := w.owed
	there := false
	if o.g != nil {
		var err error
		if there, err = o.g.isThere(); err == nil && there {
			err = w.engine.secure()
		}
		if err != nil {
			return ops, err
		}
	}
	w.owed = nil
	if !there {
		o.g.uncount()
		return ops, nil
	}
	w.published(o.g)
	var left []*op
	for _, op := range ops {
		if slices.Contains(o.decided, op) {
			close(op.done)
		} else {
			left = append(left, op)
		}
	}
	for _, key := range o.refused {
		left = append(left, w.cancelling(key))
	}
	return left, nil
}

// cancelling ends a hold whose call was refused because nobody knew of the hold.
func (w *writer) cancelling(key holdKey) *op {
	return &op{patient: true, done: make(chan struct{}), ctx: context.Background(), do: func(g *commitGroup) error {
		_, err := g.settle(key, Settlement{How: Cancelled, Ending: "not_sent"})
		return err
	}}
}

// forgetOwedOps drops operations that have been answered. What became of their group
// is still to be found out.
func (w *writer) forgetOwedOps() {
	if w.owed != nil {
		w.owed.decided, w.owed.more = nil, nil
		if w.owed.g == nil {
			w.owed = nil
		}
	}
}

// payOwed writes what is owed when the ledger closes, for as long as closing waits
// for the server. What cannot be written remains a hold, which another process, or
// the next one to open the ledger, books in full.
func (w *writer) payOwed() {
	for w.owed != nil {
		if w.turn(nil); w.owed == nil || len(w.owed.decided)+len(w.owed.more) == 0 {
			return
		}
		time.Sleep(pollEvery)
	}
}
