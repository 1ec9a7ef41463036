package proxy

import (
	"context"
	"errors"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/bound"
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
	for refused != nil && c.ask(ctx, refused) { // somebody has helped: a top-up, a pause that is over
		hold, refused, err = c.fit(ctx)
	}
	switch {
	case c.moved:
		return refusal.New("shutting_down", "the gateway is closing; the call, which waits for a top-up, may be made at another one")
	case refused != nil:
		c.stands(ctx, refused)
		f := refusal.Of(refused)
		f.Ends, f.Owner = refused.RunEnds, c.g.inner.Owner(ctx, c.caller(), refused)
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

// fit takes the hold for the first offer of which all fits what is left. Tighter offers
// are only worked out where that is needed. Where all of none fits, the last offer, which
// is the lowest, is clamped, waits or is refused.
func (c *call) fit(ctx context.Context) (ledger.Hold, *ledger.Refusal, error) {
	o := c.loose
	for step, more := 0, c.opened == nil; ; {
		a := c.admission(o)
		a.Whole = more // while there are tighter offers, all of this one or nothing
		hold, refused, err := c.admitSoon(ctx, a)
		switch {
		case err == nil && refused != nil && o.Stale():
			o, step = c.loose, 0 // what the offer went by has turned out wrong: begin again
		case err != nil || refused == nil || refused.Cause != ledger.CauseShort:
			c.offered = o
			c.needs(o, refused)
			return hold, refused, err
		}
		o, step = c.tighter(ctx, o, step, *refused)
		more = step < len(steps)
	}
}

// admission is what the ledger is asked for, to take the hold of an offer.
func (c *call) admission(o *bound.Offer) ledger.Admission {
	least := o.Least()
	return ledger.Admission{
		Token:  c.hash,
		Least:  ledger.Micros(least.LeastMicros()),
		Most:   ledger.Micros(o.Most()),
		Share:  o.Share,
		Tokens: o.Whole().Tokens, LeastTokens: least.LeastTokens(),
		Wait: c.g.o.Wait, MayAsk: c.mayAsk(), Joint: c.joint(), Joins: c.joins(),
		Call: c.callInfo(),
	}
}

// needs corrects the amount that a refusal says the call needs. A call of an exhausted
// run is refused before tighter offers are worked out, so that amount goes by its bytes
// alone.
func (c *call) needs(o *bound.Offer, refused *ledger.Refusal) {
	if refused == nil || refused.Cause != ledger.CauseExhausted || o != c.loose || c.opened != nil {
		return
	}
	asked := c.standardTier(o.Asked)
	asked.Prompt = c.g.paid.Bound(c.known())
	if better := c.better(o, asked, bound.ByPaid); better != nil {
		refused.Needed = min(refused.Needed, ledger.Micros(better.Least().LeastMicros()))
	}
}

// lastByte is how long a call may still be under way here after its client has read the
// last byte of the answer.
const lastByte = 250 * time.Millisecond

// admitSoon admits a call. Where the agent has as many calls under way as it may, it
// waits a moment for one to end: a client that calls again as soon as it has read an
// answer must find its own slot free.
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
