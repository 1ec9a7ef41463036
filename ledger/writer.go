package ledger

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// op is one operation that waits to be committed. do decides and records; it
// may be called again when a commit failed, so it sets its results afresh.
// What do returns is the operation's own answer and changes nothing for the
// others of its group: do checks everything before it records anything.
type op struct {
	do     func(g *commitGroup) error
	err    error
	done   chan struct{}
	ctx    context.Context
	admit  *admitting // an admission, which may wait for money
	hold   holdKey    // that a settlement ends
	parked bool       // do left it waiting
	lazy   bool       // nobody waits for it yet: it may share the next one's commit

	patient bool      // what it books has happened: it waits for the turn as long as it takes
	until   time.Time // where it is not, when its wait for the turn ends; zero: it does not wait yet
}

const (
	groupMax    = 256 // operations a commit takes at most
	rowsMax     = 20_000
	pollEvery   = 50 * time.Millisecond
	commitTries = 3
)

// writer is the one goroutine of the process that writes. One turn of it is: take
// the lock file, fill the group, begin, decide, record, commit, answer.
type writer struct {
	l       *Ledger
	engine  engine
	told    bool // of the holder that is waited for now
	owed    *owed
	closing bool

	queue   chan *op
	poke    chan struct{}
	quit    chan struct{}
	stopped chan struct{}
	begun   atomic.Bool
	once    sync.Once

	rows     *rows
	waiting  []*op // admissions that wait for money, first come first
	line     int   // how many of them the turn began with
	denied   map[denialKey]*denial
	tooLarge map[int64]int // run -> calls in a row that were too large for its budget
	holds    int64         // the last n of our own
	known    mark          // of the trail: durable
	suspects map[holdKey]bool
	broken   error
	commits  commitTimes

	// Tests that need a commit to fail or a wait to last replace these.
	commit   func(commit func() error) error
	lazyWait time.Duration
}

func newWriter(l *Ledger, e engine) *writer {
	return &writer{
		l: l, engine: e,
		queue: make(chan *op, groupMax), poke: make(chan struct{}, 1),
		quit: make(chan struct{}), stopped: make(chan struct{}),
		rows: newRows(), denied: make(map[denialKey]*denial), tooLarge: make(map[int64]int),
		commit: func(commit func() error) error { return commit() }, lazyWait: lazyWait,
	}
}

func (w *writer) start() {
	w.begun.Store(true)
	go w.run()
}

// stop ends the goroutine when it has answered what is queued.
func (w *writer) stop() {
	w.once.Do(func() { close(w.quit) })
	if w.begun.Load() {
		<-w.stopped
	}
}

// do queues an operation and waits for its answer, which comes after the
// commit. ctx ends only the wait for a turn.
func (l *Ledger) do(ctx context.Context, o *op) error {
	if err := l.enqueue(ctx, o); err != nil {
		return err
	}
	return l.await(ctx, o)
}

// enqueue hands an operation to the writer; operations are taken in order.
func (l *Ledger) enqueue(ctx context.Context, o *op) error {
	if l.write == nil {
		return ErrReadOnly
	}
	o.done, o.ctx = make(chan struct{}), ctx
	select {
	case l.write.queue <- o:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.write.stopped:
		return ErrClosed
	}
}

// await returns when the operation is answered, which a context that ends only
// hastens: what was committed is never taken for lost.
func (l *Ledger) await(ctx context.Context, o *op) error {
	w := l.write
	select {
	case <-o.done:
		return o.err
	case <-w.stopped:
	case <-ctx.Done():
		w.prod()
		select {
		case <-o.done:
			return o.err
		case <-w.stopped:
		}
	}
	select {
	case <-o.done: // answered by the last turn
		return o.err
	default:
		return ErrClosed
	}
}

// commitOne is do for an operation that cannot wait for money.
func (l *Ledger) commitOne(ctx context.Context, do func(g *commitGroup) error) error {
	return l.do(ctx, &op{do: do})
}

func (w *writer) prod() {
	select {
	case w.poke <- struct{}{}:
	default:
	}
}

func (w *writer) run() {
	defer close(w.stopped)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(w.rest())
		var first *op
		select {
		case first = <-w.queue:
		case <-w.poke:
		case err := <-w.engine.stray():
			w.engine.came(err)
			_ = w.engine.leave() // the next turn finds out
			continue
		case <-timer.C:
			if !w.due() {
				continue
			}
		case <-w.quit:
			w.last()
			return
		}
		w.turn(w.gather(first))
	}
}

// rest is how long the writer may sleep when nobody asks.
func (w *writer) rest() time.Duration {
	switch {
	case len(w.waiting) > 0:
		return pollEvery + rand.N(pollEvery/5) //nolint:gosec // jitter
	case len(w.denied) > 0, w.owed != nil:
		return time.Second
	}
	return time.Hour
}

// due tells whether a turn without new operations has anything to do.
func (w *writer) due() bool {
	if len(w.denied) > 0 && w.anyDenialDue() || w.owed != nil {
		return true
	}
	now := time.Now()
	for _, o := range w.waiting {
		if !now.Before(o.admit.deadline) || o.ctx.Err() != nil {
			return true
		}
	}
	return len(w.waiting) > 0 && w.engine.changed()
}

// last answers what is still queued when the ledger closes: operations are
// done, admissions that wait are told so, and counts of refusals are written.
func (w *writer) last() {
	w.closing = true
	for _, o := range w.waiting {
		w.answer(o, ErrClosed)
	}
	w.waiting = nil
	for _, d := range w.denied {
		d.since = time.Time{}
	}
	for {
		select {
		case o := <-w.queue:
			w.turn([]*op{o})
			for _, o := range w.waiting {
				w.answer(o, ErrClosed)
			}
			w.waiting = nil
		default:
			if w.anyDenialDue() {
				w.turn(nil)
			}
			w.payOwed()
			return
		}
	}
}

func (w *writer) answer(o *op, err error) {
	o.err = err
	close(o.done)
}

// turn commits one group and answers its operations. Lazy operations that came
// alone wait inside their transaction for another one.
func (w *writer) turn(ops []*op) {
	w.l.still.RLock()
	defer w.l.still.RUnlock()
	ops, entered, lockErr := w.takeTurn(w.owedOps(ops))
	if !entered && lockErr == nil {
		w.forgetOwedOps()
		return
	}
	w.told = false
	if w.owed != nil && lockErr == nil && w.broken == nil {
		var err error
		if ops, err = w.settleOwed(ops); err != nil {
			if err = w.giveUp(err, err); w.broken == nil {
				_ = w.engine.leave() // nothing was written
				w.setAside(nil, ops, err)
				return
			}
		}
	}
	ops = w.queued(ops)
	wait := w.waitsInside(ops)
	group := inOrder(ops, w.waiting...)
	w.line = len(w.waiting)
	w.waiting = nil

	g, group, err := w.commitTogether(group, wait, lockErr)
	if w.broken == nil && w.passing(err) {
		_ = w.engine.leave() // what was not committed is gone, and others have the turn
		w.setAside(g, group, err)
		return
	}
	if lockErr == nil {
		lockErr = w.engine.leave()
	}
	if err == nil && lockErr != nil {
		err = w.breakWith(lockErr)
	}
	if err == nil {
		w.published(g)
	}
	for _, o := range group {
		switch {
		case err != nil:
			w.answer(o, err)
		case o.parked:
			o.until = time.Time{}
			w.waiting = append(w.waiting, o)
		default:
			close(o.done)
		}
	}
}
