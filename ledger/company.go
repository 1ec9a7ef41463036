package ledger

import (
	"runtime"
	"slices"
	"time"
)

// lazyWait is how long a lazy operation waits for one to share its commit with.
const lazyWait = time.Millisecond

// gather finds who may share the commit. What may wait with the lock in its
// hand does so in attempt.
func (w *writer) gather(first *op) []*op {
	if first == nil {
		return nil
	}
	ops := w.crowd([]*op{first})
	if !w.waits(ops) {
		ops = w.crowd(w.company(ops))
	}
	return ops
}

// waits tells whether operations may wait for company in their transaction:
// nobody waits for them, and no other process for the file.
func (w *writer) waits(ops []*op) bool {
	return len(ops) > 0 && allLazy(ops) && len(w.waiting) == 0 && w.alone >= aloneTurns
}

func allLazy(ops []*op) bool {
	return !slices.ContainsFunc(ops, func(o *op) bool { return !o.lazy })
}

// aloneTurns is after how many turns without another process's commit this one
// has the file for itself, for now: then it may wait with the lock in its hand.
const aloneTurns = 8

// company gathers what comes while only lazy operations are there. A caller
// that settles a call and makes the next one at once pays for one commit, not
// for two; a lazy operation that money is waited for does not wait itself.
func (w *writer) company(ops []*op) []*op {
	if !allLazy(ops) || len(w.waiting) > 0 {
		return ops
	}
	late := time.NewTimer(w.patience)
	defer late.Stop()
	for len(ops) < groupMax {
		select {
		case o := <-w.queue:
			if ops = append(ops, o); !o.lazy {
				return ops
			}
		case <-late.C:
			return ops
		case <-w.quit:
			return ops
		}
	}
	return ops
}

// crowd lets those ask who are about to: the more of them share a commit, the
// less each costs. Where nobody is ready to run it takes no time; where many
// are it takes long, and so may not be done with the lock in the hand.
func (w *writer) crowd(ops []*op) []*op {
	for n := -1; n < len(ops) && len(ops) < groupMax; {
		n = len(ops)
		runtime.Gosched()
		ops = w.queued(ops)
	}
	return ops
}

// queued adds what is queued.
func (w *writer) queued(ops []*op) []*op {
	for len(ops) < groupMax {
		select {
		case o := <-w.queue:
			ops = append(ops, o)
		default:
			return ops
		}
	}
	return ops
}

// inOrder sorts operations: settlements free what admissions wait for, and who
// waits goes before who comes.
func inOrder(ops []*op, waiting ...*op) []*op {
	var first, admissions []*op
	for _, o := range ops {
		if o.admit == nil {
			first = append(first, o)
		} else {
			admissions = append(admissions, o)
		}
	}
	return append(append(first, waiting...), admissions...)
}
