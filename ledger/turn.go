package ledger

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// patience is how long is waited for another process's turn, which takes
// milliseconds, to end. Then it has been stopped in it, or worse.
const patience = 5 * time.Second

// retryBusy is how often a lock is asked for that cannot be waited for.
const retryBusy = 20 * time.Millisecond

// turnLock is aex.db.lock: whose flock it is has the turn. SQLite's own lock
// alone starves processes for seconds.
type turnLock struct {
	file  *os.File
	note  []byte     // of this process, for those who wait
	asked chan error // of a goroutine that waits for the lock; nil: none does
	held  bool
}

func newTurnLock(f *os.File) *turnLock { return &turnLock{file: f, note: ownNote()} }

// try takes the lock if it is free.
func (t *turnLock) try() (held bool, err error) {
	switch {
	case t.held:
		return true, nil
	case t.asked != nil: // the lock is that goroutine's to take
		select {
		case err := <-t.asked:
			t.got(err)
			return t.held, err
		default:
			return false, nil
		}
	}
	if t.held, err = tryLockFile(t.file); t.held {
		sign(t.file, t.note)
	}
	return t.held, err
}

// ask has a goroutine wait for the lock; what it sends goes to got. It lasts as
// long as the lock's holder does.
func (t *turnLock) ask() <-chan error {
	if t.asked == nil {
		asked := make(chan error, 1)
		t.asked = asked
		go func() { asked <- lockFile(t.file) }()
	}
	return t.asked
}

// got takes over the lock that was asked for.
func (t *turnLock) got(err error) {
	t.asked = nil
	if t.held = err == nil; t.held {
		sign(t.file, t.note)
	}
}

// letGo frees a lock that came when nobody wanted it any more.
func (t *turnLock) letGo(err error) {
	t.got(err)
	_ = t.release() // the next turn finds out
}

func (t *turnLock) release() error {
	if !t.held {
		return nil
	}
	t.held = false
	return unlockFile(t.file)
}

func isBusy(err error) bool {
	var se *sqlite.Error
	return errors.As(err, &se) && se.Code()&0xff == sqlite3.SQLITE_BUSY
}

// enter takes the turn if it is free: the lock file, and a transaction that may
// write. A fault of the file itself is left to attempt, which knows what to do.
func (w *writer) enter() (entered bool, err error) {
	if held, err := w.lock.try(); !held || err != nil {
		return false, err
	}
	if w.broken != nil {
		return true, nil
	}
	if w.busy = isBusy(w.beginTransaction()); !w.busy {
		return true, nil
	}
	return false, w.lock.release() // nobody is to wait for this process, which only waits itself
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
		if len(ops) == 0 && len(w.waiting) == 0 && (!w.closing || len(w.denied) == 0) {
			return nil, false, nil
		}
	}
}

// waitOutside waits for the turn until something is to be looked at again.
func (w *writer) waitOutside(ops []*op, began time.Time) []*op {
	pause, free := w.l.patience, (<-chan error)(nil)
	if !w.told {
		pause -= time.Since(began)
	}
	if w.busy {
		pause = retryBusy
	} else {
		free = w.lock.ask()
	}
	for _, o := range slices.Concat(ops, w.waiting) {
		if o.until.IsZero() {
			o.until = time.Now().Add(w.l.patience)
		}
		if !o.patient {
			pause = min(pause, time.Until(o.until))
		}
	}
	timer := time.NewTimer(max(pause, time.Millisecond))
	defer timer.Stop()
	select {
	case err := <-free:
		w.lock.got(err)
	case o := <-w.queue:
		ops = append(ops, o)
	case <-w.poke: // the context of one has ended
	case <-timer.C:
	}
	if time.Since(began) >= w.l.patience && !w.told {
		w.told = true
		if w.l.held != nil {
			w.l.held(w.l.holderOf(w.busy))
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
		case o.patient || o.until.IsZero():
			left = append(left, o)
		case o.ctx.Err() != nil:
			w.answer(o, o.ctx.Err())
		case time.Until(o.until) > 0:
			left = append(left, o)
		default:
			if held == nil {
				held = w.l.holderOf(w.busy)
			}
			w.answer(o, held)
		}
	}
	return left
}

// beginTransaction begins the transaction of a turn.
func (w *writer) beginTransaction() error {
	if w.began {
		return nil
	}
	if id, err := identify(w.l.path); err != nil {
		return err
	} else if id != w.inode {
		return w.replaced()
	}
	err := w.exec("BEGIN IMMEDIATE")
	w.began = err == nil
	return err
}

// takeFirst takes the lock for opening, with the same patience.
func (w *writer) takeFirst(ctx context.Context) error {
	held, err := w.lock.try()
	if held || err != nil {
		return err
	}
	late := time.NewTimer(w.l.patience)
	defer late.Stop()
	select {
	case err := <-w.lock.ask():
		w.lock.got(err)
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-late.C:
		return w.l.holderOf(false)
	}
}

// Rest lets the turn under way end and keeps the next from beginning, until
// wake is called: a process that is about to be stopped must not be in one.
// Where the turn does not end, because somebody else has the ledger, it does
// not wait for that.
func (l *Ledger) Rest() (wake func()) {
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(200 * time.Microsecond) {
		if l.still.TryLock() {
			return l.still.Unlock
		}
	}
	return func() {}
}
