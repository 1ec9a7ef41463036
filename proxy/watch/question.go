package watch

import (
	"context"
	"fmt"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
)

// Question is a call that waits, unsent, because money or a pause keeps it back.
type Question struct {
	Agent   string
	Run     ledger.RunID // who calls
	Owner   ledger.RunID // whose limit it is: Run, or one around it
	Token   ledger.TokenHash
	Wait    time.Duration // how long an inner run waits at its own limits; 0: the outermost run decides
	Refusal ledger.Refusal
}

// Answer is what became of a Question.
type Answer int

// The answers. Only Again lets the call go on.
const (
	Unasked Answer = iota // the refusal stands as if there were nobody to ask
	Again                 // something has changed: the call is admitted again
	Late                  // nobody helped in time: the refusal stands, and ends the run if its money is used up
	Moved                 // the gateway closes: the call may be made at another one
	Left                  // the client left or the run ended meanwhile: the refusal ends nothing
)

// Helped tells whether what the call was refused for has changed. It compares with the
// refusal, so that no change since then is missed.
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
