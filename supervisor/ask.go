package supervisor

import (
	"context"
	"sync"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/watch"
)

// askEvery is how often the ledger is looked at while a call waits for a
// top-up: other processes make them.
const askEvery = 100 * time.Millisecond

// asking is what the user was asked, for calls that wait.
type asking struct {
	mu    sync.Mutex
	held  int                   // calls
	asked string                // the line that was said last; "": nobody waits
	late  map[ledger.RunID]bool // the runs whose wait for money is over: they end
}

// ask keeps a call waiting, unsent, that money or a pause keeps back, until it may be
// tried again. The program only sees a slow answer.
func (r *session) ask(ctx context.Context, q watch.Question) watch.Answer {
	wait := q.Wait // a run inside this one has its own
	if wait == 0 {
		wait = r.AskTimeout
		if r.OnExhausted != ExhaustedAsk {
			return watch.Unasked
		}
	}
	select {
	case <-r.started:
	case <-r.ctx.Done():
		return watch.Left
	}
	money := q.Refusal.Cause != ledger.CausePaused
	if money && r.asking.over(q.Owner) {
		return watch.Late
	}
	r.hold(ctx, q)
	defer r.release()
	late := time.NewTimer(wait)
	defer late.Stop()
	look := time.NewTicker(askEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return watch.Left
		case <-r.ctx.Done():
			return watch.Left
		case <-late.C:
			if money {
				r.asking.end(q.Owner)
			}
			return watch.Late
		case <-look.C:
			if q.Helped(ctx, r.ledger) {
				return watch.Again
			}
		}
	}
}

// over tells whether the user was asked about a run in vain until its wait ran out. Then
// it ends, and calls that it makes in its grace do not ask again.
func (a *asking) over(run ledger.RunID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.late[run]
}

func (a *asking) end(run ledger.RunID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.late == nil {
		a.late = map[ledger.RunID]bool{}
	}
	a.late[run] = true
}

// hold counts a call that waits, and asks the user unless that was done already.
func (r *session) hold(ctx context.Context, q watch.Question) {
	line := q.Line(ctx, r.ledger)
	r.asking.mu.Lock()
	r.asking.held++
	r.asking.mu.Unlock()
	r.asks(line)
}

// asks tells the user what calls wait for, unless that was said already; "" when none
// waits any more.
func (r *session) asks(line string) {
	r.asking.mu.Lock()
	told := r.asking.asked == line
	r.asking.asked = line
	r.asking.mu.Unlock()
	switch {
	case told || r.Quiet:
	case line == "":
		r.proc.SetTitle(r.report.Program)
	default:
		r.proc.Ring()
		r.proc.SetTitle("aex: " + line)
		r.say("%s", line)
	}
}

func (r *session) release() {
	r.asking.mu.Lock()
	r.asking.held--
	last := r.asking.held == 0
	if last {
		r.asking.asked = ""
	}
	r.asking.mu.Unlock()
	if last && !r.Quiet {
		r.proc.SetTitle(r.report.Program)
	}
}
