package supervisor

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy"
)

// askEvery is how often the ledger is looked at while a call waits for a
// top-up: other processes make them.
const askEvery = 100 * time.Millisecond

// asking is what the user was asked for.
type asking struct {
	mu    sync.Mutex
	held  int    // calls
	asked string // the line that was said last; "": nobody waits
}

// ask holds a call that money or a pause keeps back until it may be tried
// again, unsent: the program sees nothing but a slow answer.
func (r *session) ask(ctx context.Context, q proxy.Question) proxy.Answer {
	wait := q.Wait // a run inside this one has its own
	if wait == 0 {
		wait = r.AskTimeout
		if r.OnExhausted != ExhaustedAsk {
			return proxy.Unasked
		}
	}
	select {
	case <-r.started:
	case <-r.ctx.Done():
		return proxy.Left
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
			return proxy.Left
		case <-r.ctx.Done():
			return proxy.Left
		case <-late.C:
			return proxy.Late
		case <-look.C:
			if r.helped(ctx, q) {
				return proxy.Again
			}
		}
	}
}

// helped tells whether what the call was refused for has changed. It goes by
// the refusal, so that no change between that and now is missed.
func (r *session) helped(ctx context.Context, q proxy.Question) bool {
	switch q.Refusal.Cause {
	case ledger.CausePaused:
		_, paused, err := r.ledger.PausedAt(ctx, q.Agent)
		return err == nil && !paused && r.free(ctx, q.Run, ledger.RunPaused)
	case ledger.CauseTooLarge:
		path, err := r.ledger.Path(ctx, q.Token)
		if err != nil {
			return false
		}
		for _, a := range path {
			if a.Whose() == q.Refusal.Of().Whose() {
				return a.Budget == nil || *a.Budget > q.Refusal.Budget
			}
		}
		return true // that account is no longer on the path
	}
	return r.free(ctx, q.Run, ledger.RunExhausted)
}

// free tells whether neither a run nor one around it is in a state.
func (r *session) free(ctx context.Context, at ledger.RunID, state ledger.RunState) bool {
	for at != "" {
		run, err := r.ledger.Run(ctx, string(at))
		if err != nil || run.State == state {
			return false
		}
		at = run.Parent
	}
	return true
}

// hold counts a held call, and asks the user unless that was done already.
func (r *session) hold(ctx context.Context, q proxy.Question) {
	line := r.askLine(ctx, q)
	r.asking.mu.Lock()
	r.asking.held++
	told := r.asking.asked == line
	r.asking.asked = line
	r.asking.mu.Unlock()
	if told || r.Quiet {
		return
	}
	r.proc.Ring()
	r.proc.SetTitle("aex: " + line)
	r.say("%s", line)
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

// askLine says what a call waits for, and the command that lets it go on.
func (r *session) askLine(ctx context.Context, q proxy.Question) string {
	no := q.Refusal
	account := no.Of()
	if no.Cause == ledger.CausePaused {
		if by, paused, err := r.ledger.PausedAt(ctx, q.Agent); err == nil && paused {
			account = by
		}
		if account.Kind == ledger.GroupAccount {
			return fmt.Sprintf("%s waits: group %s is paused; %s", q.Agent, account.Name, proxy.Resume(account))
		}
		account.Name = q.Agent
		return fmt.Sprintf("%s is paused; %s", q.Agent, proxy.Resume(account))
	}
	if path, err := r.ledger.Path(ctx, q.Token); err == nil && no.Cause == ledger.CauseExhausted {
		if least := proxy.Shortest(path); least != nil {
			account = *least
		}
	}
	left := *account.Budget - account.Spent - account.Overrun
	topup := proxy.TopUp(account, max(*account.Budget/2, no.Needed-left, 1))
	who := q.Agent
	if account.Kind == ledger.GroupAccount {
		who = account.Whose()
	}
	if no.Cause == ledger.CauseTooLarge {
		return fmt.Sprintf("%s: the next call can cost %s, and %s of %s is left; %s", who, no.Needed, left, *account.Budget, topup)
	}
	return fmt.Sprintf("%s used its %s; %s", who, *account.Budget, topup)
}
