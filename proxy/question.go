package proxy

import (
	"context"
	"fmt"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
)

// askEvery is how often it is looked whether a held call of a remote run may go
// on: rarer than beside the user, because there may be many.
const askEvery = time.Second

// holdRemote holds a call of a remote run, whose aex is told and tells the user.
func (g *Gateway) holdRemote(ctx context.Context, in *innerRun, q Question) Answer {
	in.ask(q.Line(ctx, g.ledger) + ", at the gateway")
	defer in.asked()
	late := time.NewTimer(q.Wait)
	defer late.Stop()
	look := time.NewTicker(askEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return Left
		case <-g.draining:
			return Moved
		case <-late.C:
			return Late
		case <-look.C:
			if q.Helped(ctx, g.ledger) {
				return Again
			}
		}
	}
}

// ask counts a held call of the run, and keeps what it waits for.
func (in *innerRun) ask(line string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.held++
	if in.line != line {
		in.line = line
		in.tell()
	}
}

// asked is the end of a hold.
func (in *innerRun) asked() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.held--; in.held == 0 {
		in.line = ""
		in.tell()
	}
}

// tell wakes those who wait for a new state of the run; mu is held.
func (in *innerRun) tell() {
	if in.news != nil {
		close(in.news)
		in.news = nil
	}
}

// awaitNews is closed when a call of the run begins to be held, or ends to.
func (in *innerRun) awaitNews() <-chan struct{} {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.news == nil {
		in.news = make(chan struct{})
	}
	return in.news
}

// Helped tells whether what the call was refused for has changed. It goes by
// the refusal, so that no change between that and now is missed.
func (q Question) Helped(ctx context.Context, l *ledger.Ledger) bool {
	switch q.Refusal.Cause {
	case ledger.CausePaused:
		_, paused, err := l.PausedAt(ctx, q.Agent)
		return err == nil && !paused && free(ctx, l, q.Run, ledger.RunPaused)
	case ledger.CauseTooLarge:
		path, err := l.Path(ctx, q.Token)
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
	return free(ctx, l, q.Run, ledger.RunExhausted)
}

// free tells whether neither a run nor one around it is in a state.
func free(ctx context.Context, l *ledger.Ledger, at ledger.RunID, state ledger.RunState) bool {
	for at != "" {
		run, err := l.Run(ctx, string(at))
		if err != nil || run.State == state {
			return false
		}
		at = run.Parent
	}
	return true
}

// Line says what a call waits for, and the command that lets it go on.
func (q Question) Line(ctx context.Context, l *ledger.Ledger) string {
	no := q.Refusal
	account := no.Of()
	if no.Cause == ledger.CausePaused {
		if by, paused, err := l.PausedAt(ctx, q.Agent); err == nil && paused {
			account = by
		}
		if account.Kind == ledger.GroupAccount {
			return fmt.Sprintf("%s waits: group %s is paused; %s", q.Agent, account.Name, refusal.Resume(account))
		}
		account.Name = q.Agent
		return fmt.Sprintf("%s is paused; %s", q.Agent, refusal.Resume(account))
	}
	if path, err := l.Path(ctx, q.Token); err == nil && no.Cause == ledger.CauseExhausted {
		if least := ledger.Shortest(path); least != nil {
			account = *least
		}
	}
	left := *account.Budget - account.Spent - account.Overrun
	topup := refusal.TopUp(account, max(*account.Budget/2, no.Needed-left, 1))
	who := q.Agent
	if account.Kind == ledger.GroupAccount {
		who = account.Whose()
	}
	if no.Cause == ledger.CauseTooLarge {
		return fmt.Sprintf("%s: the next call can cost %s, and %s of %s is left; %s", who, no.Needed, left, *account.Budget, topup)
	}
	return fmt.Sprintf("%s used its %s; %s", who, *account.Budget, topup)
}
