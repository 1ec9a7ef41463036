package proxy

import (
	"context"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/watch"
)

// ask keeps a refused call waiting, unsent and without a hold, until somebody has
// helped, and tells whether it may be tried again. Where it may not, refused.RunEnds
// tells whether the refusal ends the run.
func (c *call) ask(ctx context.Context, refused *ledger.Refusal) (again bool) {
	exhausted := refused.Cause == ledger.CauseExhausted
	if !exhausted && refused.Cause != ledger.CauseTooLarge && refused.Cause != ledger.CausePaused {
		return false
	}
	switch c.question(ctx, refused) {
	case watch.Again:
		return true
	case watch.Moved:
		c.moved, refused.RunEnds = true, false
	case watch.Late:
		refused.RunEnds = exhausted || refused.Cause == ledger.CauseTooLarge // nobody is asked a second time
	case watch.Left:
		refused.RunEnds = false
	case watch.Unasked:
		// An inner run ends, too, when the run around it has no money left.
		refused.RunEnds = refused.RunEnds || exhausted && c.inner != nil
	}
	return false
}

// mayAsk tells whether calls of the caller may be kept waiting for help.
func (c *call) mayAsk() bool {
	if !c.canAsk() {
		return false
	}
	for in := c.inner; in != nil; in = c.g.inner.Find(in.Parent) {
		if in.Asks > 0 {
			return true
		}
	}
	return c.g.o.Asks
}

// stands books a refusal that was pending while the call waited for help.
func (c *call) stands(ctx context.Context, refused *ledger.Refusal) {
	if !refused.Pending {
		return
	}
	if err := c.g.ledger.Stands(context.WithoutCancel(ctx), c.hash, *refused, c.callInfo()); err != nil {
		c.g.o.Logf("booking a refusal: %v", err)
	}
}

// canAsk tells whether there is anybody who could be asked for the caller.
func (c *call) canAsk() bool {
	return c.id.Run != "" && (c.g.o.Ask != nil || c.inner != nil && c.inner.Remote)
}

func (c *call) question(ctx context.Context, refused *ledger.Refusal) watch.Answer {
	if !c.canAsk() {
		return watch.Unasked
	}
	q := watch.Question{Agent: c.id.Agent, Run: c.id.Run, Owner: c.g.inner.Owner(ctx, c.caller(), refused), Token: c.hash, Refusal: *refused}
	if in := c.g.inner.Find(q.Owner); in != nil {
		if q.Wait = in.Asks; q.Wait == 0 {
			return watch.Unasked
		}
		if in.Remote {
			return c.g.inner.Hold(ctx, in, q)
		}
	}
	return c.g.o.Ask(ctx, q)
}
