package proxy

import (
	"context"
	"errors"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/inner"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
)

// admit is the fourth step: it takes the hold. When it returns nil the hold is
// on disk.
func (c *call) admit(ctx context.Context) (err error) {
	if c.g.failed.Load() {
		return refusal.New("ledger_unavailable", "an earlier call could not be booked; no further call is made")
	}
	if c.inner != nil {
		if !c.inner.Enter() {
			return inner.Refused(c.id.Run)
		}
		defer func() {
			if err != nil {
				c.inner.Leave()
			}
		}()
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(c.inner.Ctx, cancel)()
	}
	c.meetAex(ctx)
	hold, refused, err := c.fit(ctx)
	for refused != nil && c.ask(ctx, refused) {
		hold, refused, err = c.fit(ctx)
	}
	switch {
	case c.moved:
		return refusal.New("shutting_down", "the gateway is closing; the call, which waits for a top-up, may be made at another one")
	case refused != nil:
		c.stands(ctx, refused)
		f := refusal.Of(refused)
		f.Ends, f.Owner = refused.RunEnds, c.owner(ctx, refused)
		return f
	case errors.Is(err, ledger.ErrInvalid):
		return err
	case ctx.Err() != nil && err != nil:
		return refusal.New("shutting_down", "the call was given up while it waited for money in flight")
	case errors.Is(err, ledger.ErrHeld):
		return refusal.Held()
	case err != nil:
		c.g.fail(err)
		return refusal.New("ledger_unavailable", "the call cannot be booked, so it is not made: %v", err)
	}
	c.hold, c.ceiling = hold, c.offered.Ceiling()
	return nil
}

// lastByte is how long a call may still be open for the gateway after its
// client has read the last of it.
const lastByte = 250 * time.Millisecond

// admitSoon admits, and does not count against a client the call that it has
// just read to its end: one that calls again at once finds its own slot free.
func (c *call) admitSoon(ctx context.Context, a ledger.Admission) (ledger.Hold, *ledger.Refusal, error) {
	if c.id.Limits.Concurrency == 0 {
		return c.g.ledger.Admit(ctx, a)
	}
	patience := time.NewTimer(lastByte)
	defer patience.Stop()
	for {
		left := c.g.live.next()
		hold, refused, err := c.g.ledger.Admit(ctx, a)
		if refused == nil || refused.Cause != ledger.CauseConcurrency {
			return hold, refused, err
		}
		select {
		case <-left:
		case <-patience.C:
			return hold, refused, err
		case <-ctx.Done():
			return hold, refused, err
		}
	}
}
