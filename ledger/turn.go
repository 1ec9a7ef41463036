package ledger

import (
	"errors"
	"slices"
	"time"
)

// patience is how long this process waits for another one's turn to end. A turn takes
// milliseconds: a process that needs longer was stopped in it, or worse.
const patience = 5 * time.Second

// enter takes the turn if it is free. A broken ledger needs none.
func (w *writer) enter() (entered bool, err error) {
	if w.broken != nil {
		return true, nil
	}
	return w.engine.enter()
}

// takeTurn waits until this process has the turn, and returns the operations
// that still want it. Those whose patience has ended meanwhile are answered.
// What has happened already, a call's cost or a run's end, waits for as long as
// the holder lives. It reports false when nobody is left to take the turn for.
func (w *writer) takeTurn(ops []*op) (left []*op, entered bool, err error) {
	var began time.Time
	for {
		if entered, err = w.enter(); entered || err != nil {
			return ops, entered, err
		}
		if began.IsZero() {
			began = time.Now()
		}
		ops = w.waitOutside(ops, began)
		limit := w.engine.patience(false) // also with refusals that were only counted
		gone := w.l.server != nil && time.Since(began) >= limit
		if len(ops) == 0 && len(w.waiting) == 0 && (!w.closing || len(w.denied) == 0 || gone) {
			return nil, false, nil
		}
	}
}

// waitOutside waits for the turn, or until there is another reason to look again.
func (w *writer) waitOutside(ops []*op, began time.Time) []*op {
	free, pause := w.engine.await()
	told := w.l.patience
	if !w.told {
		told -= time.Since(began)
	}
	pause = min(pause, told)
	for _, o := range slices.Concat(ops, w.waiting) {
		limit := w.engine.patience(o.patient)
		if o.until.IsZero() && limit >= 0 {
			o.until = time.Now().Add(limit)
		}
		if limit >= 0 {
			pause = min(pause, time.Until(o.until))
		}
	}
	timer := time.NewTimer(max(pause, time.Millisecond))
	defer timer.Stop()
	select {
	case err := <-free:
		w.engine.came(err)
	case o := <-w.queue:
		ops = append(ops, o)
	case <-w.poke: // the context of one has ended
	case <-timer.C:
	}
	if time.Since(began) >= w.l.patience && !w.told {
		w.told = true
		if h := (*Holder)(nil); w.l.held != nil && errors.As(w.engine.refusal(), &h) {
			w.l.held(h)
		}
	}
	w.waiting = w.stillWait(w.waiting)
	return w.stillWait(ops)
}

// stillWait answers the operations that do not wait any longer.
func (w *writer) stillWait(ops []*op) []*op {
	var left []*op
	var held error
	for _, o := range ops {
		switch {
		case o.until.IsZero():
			left = append(left, o)
		case o.ctx.Err() != nil && !o.patient:
			w.answer(o, o.ctx.Err())
		case time.Until(o.until) > 0:
			left = append(left, o)
		default:
			if held == nil {
				held = w.engine.refusal()
			}
			w.answer(o, held)
		}
	}
	return left
}

// Rest waits for the turn under way to end, and keeps the next one from beginning
// until wake is called: a process that is about to be stopped must not have a turn.
// It does not wait for a turn that cannot end because another process has the ledger.
func (l *Ledger) Rest() (wake func()) {
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(200 * time.Microsecond) {
		if l.still.TryLock() {
			return l.still.Unlock
		}
	}
	return func() {}
}
