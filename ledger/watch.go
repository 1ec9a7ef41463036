package ledger

import (
	"context"
	"sync"
	"time"
)

// watchEvery is how often the state of a watched run is looked up, for changes
// that other processes make.
const watchEvery = 100 * time.Millisecond

// watchers are woken by this process's own changes.
type watchers struct {
	mu    sync.Mutex
	byRun map[RunID]map[chan struct{}]bool
}

func (w *watchers) add(id RunID) (wake chan struct{}) {
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
	return wake
}

func (w *watchers) remove(id RunID, wake chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.byRun[id], wake)
	if len(w.byRun[id]) == 0 {
		delete(w.byRun, id)
	}
}

func (w *watchers) wake(id RunID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for wake := range w.byRun[id] {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

// WatchRun tells of every change of the run's state from the one that the
// caller knows, by whichever process, until ctx ends or the ledger is closed:
// how a run learns that it was stopped or topped up elsewhere. A reader that is
// slow gets the newest state. The channel is then closed.
func (l *Ledger) WatchRun(ctx context.Context, id RunID, known RunState) <-chan RunState {
	out := make(chan RunState)
	wake := l.watchers.add(id)
	l.running.Go(func() {
		defer close(out)
		defer l.watchers.remove(id, wake)
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-l.done:
				return
			case <-wake:
			case <-tick.C:
			}
			if state := l.runState(ctx, id); state != known && state != "" {
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
