package proxy

import (
	"context"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// Question is a call that is held, unsent, because money or a pause keeps it
// back.
type Question struct {
	Agent   string
	Run     ledger.RunID // who calls
	Owner   ledger.RunID // whose limit it is: Run, or one around it
	Token   ledger.TokenHash
	Wait    time.Duration // how long an inner run asks for its own limits; 0: the outermost is to know
	Refusal ledger.Refusal
}

// Answer is what became of a Question.
type Answer int

// The answers. Only Again lets the call go on.
const (
	Unasked Answer = iota // the refusal stands as if there were nobody to ask
	Again                 // something has changed: the call is admitted again
	Late                  // nobody helped in time: the refusal stands, and ends the run where it was for its last money
	Moved                 // the gateway closes: the call may be made at another one
	Left                  // the client left or the run ended meanwhile: the refusal ends nothing
)

// ask holds a refused call until it may be tried again. Where it may not, what
// the refusal ends stands in refused.RunEnds.
func (c *call) ask(ctx context.Context, refused *ledger.Refusal) (again bool) {
	exhausted := refused.Cause == ledger.CauseExhausted
	if !exhausted && refused.Cause != ledger.CauseTooLarge && refused.Cause != ledger.CausePaused {
		return false
	}
	switch c.question(ctx, refused) {
	case Again:
		return true
	case Moved:
		c.moved, refused.RunEnds = true, false
	case Late:
		refused.RunEnds = exhausted || refused.Cause == ledger.CauseTooLarge // who asked once does not ask again
	case Left:
		refused.RunEnds = false
	case Unasked:
		// What is refused for a run around it ends an inner run, too.
		refused.RunEnds = refused.RunEnds || exhausted && c.inner != nil
	}
	return false
}

// mayAsk tells whether calls of the caller may be held.
func (c *call) mayAsk() bool {
	if !c.canAsk() {
		return false
	}
	for in := c.inner; in != nil; in = c.g.inner.find(in.parent) {
		if in.asks > 0 {
			return true
		}
	}
	return c.g.o.Asks
}

// stands books a refusal that was told as held.
func (c *call) stands(ctx context.Context, refused *ledger.Refusal) {
	if !refused.Held {
		return
	}
	if err := c.g.ledger.Stands(context.WithoutCancel(ctx), c.hash, *refused, c.callInfo()); err != nil {
		c.g.o.Logf("booking a refusal: %v", err)
	}
}

// canAsk tells whether there is anybody who could be asked for the caller.
func (c *call) canAsk() bool {
	return c.id.Run != "" && (c.g.o.Ask != nil || c.inner != nil && c.inner.remote)
}

func (c *call) question(ctx context.Context, refused *ledger.Refusal) Answer {
	if !c.canAsk() {
		return Unasked
	}
	q := Question{Agent: c.id.Agent, Run: c.id.Run, Owner: c.owner(ctx, refused), Token: c.hash, Refusal: *refused}
	if in := c.g.inner.find(q.Owner); in != nil {
		if q.Wait = in.asks; q.Wait == 0 {
			return Unasked
		}
		if in.remote {
			return c.g.holdRemote(ctx, in, q)
		}
	}
	return c.g.o.Ask(ctx, q)
}

// owner is the run whose limit a refusal is for: the caller, or one around it;
// the outermost where the limit is the agent's.
func (c *call) owner(ctx context.Context, refused *ledger.Refusal) ledger.RunID {
	switch {
	case c.inner == nil:
		return c.id.Run
	case refused.Cause == ledger.CauseExhausted:
		// A run stays exhausted whatever emptied it: the accounts tell.
		return c.shortOf(context.WithoutCancel(ctx))
	case refused.Account == ledger.RunAccount:
		return ledger.RunID(refused.Name)
	}
	return c.g.inner.outermost(c.id.Run)
}

// shortOf is the run on the caller's path whose account has the least left.
func (c *call) shortOf(ctx context.Context) ledger.RunID {
	if c.inner == nil {
		return c.id.Run
	}
	path, err := c.g.ledger.Path(ctx, c.hash)
	if err != nil {
		return c.id.Run
	}
	short := ledger.Shortest(path)
	if short != nil && short.Kind == ledger.RunAccount {
		return ledger.RunID(short.Name)
	}
	return c.g.inner.outermost(c.id.Run)
}
