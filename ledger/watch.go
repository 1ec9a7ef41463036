package ledger

import (
	"context"
	"sync"
	"time"
)

// watchEvery is how often this process looks whether another one has changed the state
// of a run that is watched. One look is for all runs, and one that takes long is
// followed by a pause ten times as long.
const watchEvery = 100 * time.Millisecond

// watchers are woken by this process's own changes, and by looks.
type watchers struct {
	mu      sync.Mutex
	looking bool // there is a goroutine that looks
	byRun   map[RunID]map[chan struct{}]bool
	seen    map[RunID]RunState // at the last look
}

// add makes a watcher. first tells that nobody looks yet.
func (w *watchers) add(id RunID) (wake chan struct{}, first bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byRun == nil {
		w.byRun = make(map[RunID]map[chan struct{}]bool)
	}
	if w.byRun[id] == nil {
		w.byRun[id] = make(map[chan struct{}]bool)
	}
	wake = make(chan struct{}, 1)
	w.byRun[id][wake] = true
	first, w.looking = !w.looking, true
	return wake, first
}

func (w *watchers) remove(id RunID, wake chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.byRun[id], wake)
	if len(w.byRun[id]) == 0 {
		delete(w.byRun, id)
	}
}

// wanted tells whether anybody watches still; if not, no goroutine looks any more.
func (w *watchers) wanted() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looking = len(w.byRun) > 0
	if !w.looking {
		w.seen = nil
	}
	return w.looking
}

func (w *watchers) wake(id RunID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wakeLocked(id)
}

func (w *watchers) wakeLocked(id RunID) {
	for wake := range w.byRun[id] {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

// saw wakes the watchers of runs whose state has changed since the last look. A run
// that is missing is over.
func (w *watchers) saw(states map[RunID]RunState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := make(map[RunID]RunState, len(w.byRun))
	for id := range w.byRun {
		seen[id] = states[id]
		if before, known := w.seen[id]; !known || before != seen[id] {
			w.wakeLocked(id)
		}
	}
	w.seen = seen
}

// lookForChanges looks for what other processes do to the runs that are
// watched, for as long as any is.
func (l *Ledger) lookForChanges() {
	version := int64(-1)
	tick := time.NewTimer(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-tick.C:
		}
		if !l.watchers.wanted() {
			return
		}
		began := time.Now()
		version = l.lookAtRuns(version)
		tick.Reset(max(watchEvery, 10*time.Since(began))) // what cannot be read is tried again
	}
}

// lookAtRuns looks at all runs if anything has changed since a version, and
// returns the one that it saw.
func (l *Ledger) lookAtRuns(version int64) int64 {
	ctx, stop := l.lookingOnce()
	defer stop()
	var now int64
	err := l.read.QueryRowContext(ctx, `SELECT identity FROM ledger`).Scan(&now)
	if err != nil || now == version {
		return version
	}
	states, err := l.liveRuns(ctx)
	if err != nil {
		return version
	}
	l.watchers.saw(states)
	return now
}

// liveRuns are the states of all runs that are not over.
func (l *Ledger) liveRuns(ctx context.Context) (map[RunID]RunState, error) {
	rows, err := l.read.QueryContext(ctx, `SELECT id, state FROM run WHERE state <> 'ended'`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	states := make(map[RunID]RunState)
	for rows.Next() {
		var id RunID
		var s RunState
		if err := rows.Scan(&id, &s); err != nil {
			return nil, err
		}
		states[id] = s
	}
	return states, rows.Err()
}

// WatchRun tells of every change of the run's state from the one that the
// caller knows, by whichever process, until ctx ends or the ledger is closed:
// how a run learns that it was stopped or topped up elsewhere. A reader that is
// slow gets the newest state. The channel is then closed.
func (l *Ledger) WatchRun(ctx context.Context, id RunID, known RunState) <-chan RunState {
	out := make(chan RunState)
	wake, first := l.watchers.add(id)
	// Something may have changed since the caller looked.
	if first {
		l.running.Go(l.lookForChanges) // its first look finds that; the shortest run is over before it, and opens no reader
	} else {
		l.watchers.wake(id)
	}
	l.running.Go(func() {
		defer close(out)
		defer l.watchers.remove(id, wake)
		for again := (<-chan time.Time)(nil); ; {
			select {
			case <-again:
			case <-ctx.Done():
				return
			case <-l.done:
				return
			case <-wake:
			}
			again = nil
			state := l.runState(ctx, id)
			if state == "" {
				again = time.After(watchEvery)
			}
			if state != known && state != "" {
				select {
				case out <- state:
					known = state
				case <-ctx.Done():
					return
				case <-l.done:
					return
				}
			}
		}
	})
	return out
}

// runState is "" when it cannot be read; the next time it is tried again.
func (l *Ledger) runState(ctx context.Context, id RunID) (s RunState) {
	if err := l.read.QueryRowContext(ctx, `SELECT state FROM run WHERE id = ?`, string(id)).Scan(&s); err != nil {
		return ""
	}
	return s
}
