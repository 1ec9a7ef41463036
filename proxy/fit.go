package proxy

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// offer is a way to hold a call: what is known of it, and what it can cost then.
type offer struct {
	asked    policy.Call
	ceilings []policy.Ceiling // by how often hosted tools are used, most first
	uses     []int64          // so often; 0: as asked
	taken    int              // which of them the hold is for
	by       string           // what bounds the prompt: byBytes, byPaid ...
	wrong    func() bool      // that bound has turned out wrong; nil: it cannot
	room     int64            // what was unreserved when it was admitted
}

// What bounds a prompt.
const (
	byBytes      = "bytes"
	byPaid       = "paid"
	byCount      = "count"
	byVocabulary = "vocabulary"
)

// maxUses is how many bounds on uses are tried, one by one.
const maxUses = 16

// offer works the ceilings of a call out.
func (c *call) offer(asked policy.Call, by string) (*offer, error) {
	o := &offer{asked: asked, by: by}
	switch by {
	case byPaid, byCount:
		o.wrong = func() bool { return c.g.paid.distrusts(c.counter()) }
	case byVocabulary:
		o.wrong = func() bool { return c.g.paid.misreads(c.counter()) || c.g.paid.distrusts(c.counter()) }
	}
	most := int64(0)
	if asked.HostedRule == policy.HostedAuto && !c.g.o.NoClamp {
		most = asked.Uses()
	}
	for uses := most; ; uses = min(uses-1, maxUses) {
		bounded := asked
		if uses > 0 {
			bounded = asked.WithUses(uses)
		}
		ceiling, err := policy.Bound(bounded, c.model, !c.g.o.NoClamp)
		if err != nil {
			return nil, err
		}
		o.ceilings, o.uses = append(o.ceilings, ceiling), append(o.uses, uses)
		if uses <= 1 {
			return o, nil
		}
	}
}

func (o *offer) ceiling() policy.Ceiling { return o.ceilings[o.taken] }
func (o *offer) stale() bool             { return o.wrong != nil && o.wrong() }
func (o *offer) most() int64             { return o.ceilings[0].MostMicros() }
func (o *offer) least() policy.Ceiling   { return o.ceilings[len(o.ceilings)-1] }

// share is the hold for so much unreserved money: all that is asked, else the
// most uses of hosted tools that half of it pays for, else the fewest.
func (o *offer) share(unreserved ledger.Micros) ledger.Micros {
	room := int64(unreserved)
	if o.room = room; o.stale() { // since it was made: nothing more is let through by it
		return 0
	}
	for i, ceiling := range o.ceilings {
		if i == 0 && ceiling.MostMicros() > room && ceiling.FloorMicros() > room/2 && len(o.ceilings) > 1 {
			continue
		}
		if i > 0 && i < len(o.ceilings)-1 && ceiling.FloorMicros() > room/2 {
			continue
		}
		if share := ceiling.Share(room); share > 0 || i == len(o.ceilings)-1 {
			o.taken = i
			return ledger.Micros(share)
		}
	}
	return 0
}

// admission asks the ledger for the hold of an offer.
func (c *call) admission(o *offer) ledger.Admission {
	least := o.least()
	return ledger.Admission{
		Token:  c.hash,
		Least:  ledger.Micros(least.LeastMicros()),
		Most:   ledger.Micros(o.most()),
		Share:  o.share,
		Tokens: o.ceilings[0].Tokens, LeastTokens: least.LeastTokens(),
		Wait: c.g.o.Wait, Holds: c.mayAsk(), Joint: c.joint(), Joins: c.joins(),
		Call: c.callInfo(),
	}
}

// callInfo is what the ledger keeps of a call.
func (c *call) callInfo() ledger.CallInfo {
	return ledger.CallInfo{
		Wire: c.asked.Wire, ModelAsked: plain.Stored(c.asked.Model), ModelSent: plain.Stored(c.model.Sent),
		Provider: c.model.Provider.Name, Stream: c.asked.Stream, Price: c.model.Price.Version,
	}
}

// fit admits the call by the first offer that all of it fits in: no bound is
// looked for that is not needed. Where none fits, the last, which is the
// cheapest, is clamped, waits or is refused.
func (c *call) fit(ctx context.Context) (ledger.Hold, *ledger.Refusal, error) {
	o := c.loose
	for step, more := 0, c.opened == nil; ; {
		a := c.admission(o)
		a.Whole = more
		hold, refused, err := c.admitSoon(ctx, a)
		switch {
		case err == nil && refused != nil && o.stale():
			o, step = c.loose, 0 // what is known now is less
		case err != nil || refused == nil || refused.Cause != ledger.CauseShort:
			c.offered = o
			c.needs(o, refused)
			return hold, refused, err
		}
		o, step = c.tighter(ctx, o, step, *refused)
		more = step < len(steps)
	}
}

// needs corrects what a call needs where it was refused before it was bounded by
// more than its bytes, because the run is exhausted.
func (c *call) needs(o *offer, refused *ledger.Refusal) {
	if refused == nil || refused.Cause != ledger.CauseExhausted || o != c.loose || c.opened != nil {
		return
	}
	asked := c.standardTier(o.asked)
	asked.Prompt = c.g.paid.bound(c)
	if better := c.better(o, asked, byPaid); better != nil {
		refused.Needed = min(refused.Needed, ledger.Micros(better.least().LeastMicros()))
	}
}

// steps are the ways to bound a call more tightly, in the order in which they
// are tried, for what is there. Each returns nil where it has nothing better.
var steps = []func(*call, context.Context, *offer, ledger.Refusal) *offer{(*call).byPaid, (*call).byCount, (*call).byTier}

// tighter is the next better offer, and the step after the one that made it.
func (c *call) tighter(ctx context.Context, o *offer, step int, short ledger.Refusal) (*offer, int) {
	for ; step < len(steps); step++ {
		if better := steps[step](c, ctx, o, short); better != nil {
			return better, step + 1
		}
	}
	return o, step
}

// better is the offer of a call that is known better, if it is lower.
func (c *call) better(o *offer, asked policy.Call, by string) *offer {
	n, err := c.offer(asked, by)
	if err != nil || n.most() >= o.most() && n.least().LeastMicros() >= o.least().LeastMicros() {
		return nil
	}
	return n
}

// byPaid bounds the prompt by what the caller has paid for before.
func (c *call) byPaid(_ context.Context, o *offer, _ ledger.Refusal) *offer {
	tokens := c.g.paid.bound(c)
	if tokens == 0 {
		return nil
	}
	asked := o.asked
	asked.Prompt = tokens
	return c.better(o, asked, byPaid)
}

// byTier names the standard tier where a dearer one would be held.
func (c *call) byTier(_ context.Context, o *offer, _ ledger.Refusal) *offer {
	return c.better(o, c.standardTier(o.asked), o.by)
}

// standardTier is the call in the standard tier, where that may be asked for
// and the provider keeps to it.
func (c *call) standardTier(asked policy.Call) policy.Call {
	standard := c.model.Provider.Own().Standard
	if standard != "" && (asked.Tier == "" || asked.Tier == "auto") && !c.g.paid.dearer(c.counter()) {
		asked.Tier = standard
	}
	return asked
}

// plan settles what is changed in the request, now that the hold says how much
// output it pays for.
func (c *call) plan() {
	e := wire.Edit{Provider: c.model.Provider, Call: c.asked, OpenAIModel: c.model.OpenAI}
	if c.model.Sent != c.asked.Model || c.route.deployment != "" && !c.model.Provider.IsAzure() {
		e.Model = c.model.Sent
	}
	if c.model.Aliased {
		e.Masked = cmp.Or(c.asked.Model, c.model.Name) // the default model's, where the client names none
	}
	paid := c.ceiling.Asked
	if c.hold.Limited {
		paid = min(paid, c.ceiling.Cap(int64(c.hold.Amount)))
	}
	if c.hold.Tokens < c.ceiling.Tokens { // all that the minute has left
		paid = min(paid, c.ceiling.CapOf(c.hold.Tokens))
	}
	if paid < c.ceiling.Asked && c.asked.Stream && c.asked.OutputCap == nil && c.hides() {
		// Where it breaks, all of the cap may have been made, unseen: what nobody
		// asked for is not worth the half of a budget.
		paid = min(paid, max(paid/2, c.ceiling.Floor))
	}
	if paid < c.ceiling.Asked {
		c.clamped, e.Cap = paid, paid
	} else if c.outCap > 0 && (c.asked.OutputCap == nil || *c.asked.OutputCap == 0 || *c.asked.OutputCap > c.outCap) {
		e.Cap = c.outCap
	}
	c.planThinking(&e, paid)
	if o := c.offered; o != nil && c.hold.Limited {
		c.planOffer(&e, o)
	}
	e.Usage = c.asked.Stream && !c.model.Provider.NoStreamUsage && !c.model.Provider.Host().NoStreamOpt &&
		c.route.wire.AsksUsage != nil && !c.route.wire.AsksUsage(c.body)
	c.edit = e
}

// planThinking lets the thinking fall with the cap. Within a conversation it
// does not rise again: each change costs the conversation's cache.
func (c *call) planThinking(e *wire.Edit, output int64) {
	if c.asked.ThinkingCap == 0 && !c.asked.ThinkingOpen || c.g.o.NoClamp {
		return
	}
	before := c.g.paid.thinking(c)
	if e.Cap == 0 && before == 0 {
		return
	}
	budget := policy.Thinking(c.asked, c.model, output, before)
	if budget == c.asked.ThinkingCap {
		return
	}
	e.Thinking = budget
	c.g.paid.think(c, budget)
	c.changed = append(c.changed, fmt.Sprintf("thinking %d", budget))
}

func (c *call) planOffer(e *wire.Edit, o *offer) {
	if o.asked.Tier != "" && o.asked.Tier != c.asked.Tier {
		e.Tier = o.asked.Tier
		c.changed = append(c.changed, "service tier "+e.Tier)
	}
	if uses := o.uses[o.taken]; uses > 0 {
		e.Uses = uses
		c.changed = append(c.changed, fmt.Sprintf("%s at most %d times", strings.Join(hostedNames(c.asked), ", "), uses))
	}
}

func hostedNames(asked policy.Call) (names []string) {
	for _, t := range asked.Hosted {
		names = append(names, t.Type)
	}
	return names
}
