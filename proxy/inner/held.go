package inner

import (
	"context"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/watch"
)

// askEvery is how often a waiting call of a remote run looks whether it may go on: less often
// than at the user's machine, because there may be many.
const askEvery = time.Second

// Hold keeps a call of a remote run waiting. Its aex is told, and tells the user.
func (s *Runs) Hold(ctx context.Context, in *Run, q watch.Question) watch.Answer {
	money := q.Refusal.Cause != ledger.CausePaused
	if money && in.late.Load() {
		return watch.Late
	}
	in.ask(q.Line(ctx, s.ledger) + ", at the gateway")
	defer in.asked()
	late := time.NewTimer(q.Wait)
	defer late.Stop()
	look := time.NewTicker(askEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return watch.Left
		case <-s.draining:
			return watch.Moved
		case <-late.C:
			if money {
				in.late.Store(true)
			}
			return watch.Late
		case <-look.C:
			if q.Helped(ctx, s.ledger) {
				return watch.Again
			}
		}
	}
}

// ask counts a waiting call of the run, and notes what it waits for.
func (in *Run) ask(line string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.held++
	if in.line != line {
		in.line = line
		in.tell()
	}
}

// asked is called when a call does not wait any longer.
func (in *Run) asked() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.held--; in.held == 0 {
		in.line = ""
		in.tell()
	}
}

// tell wakes those who wait for a new state of the run; mu is held.
func (in *Run) tell() {
	if in.news != nil {
		close(in.news)
		in.news = nil
	}
}

// awaitNews is closed when a call of the run begins to wait, or stops waiting.
func (in *Run) awaitNews() <-chan struct{} {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.news == nil {
		in.news = make(chan struct{})
	}
	return in.news
}
