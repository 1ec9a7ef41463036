package proxy

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/bound"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// offer works the ceilings of a call out.
func (c *call) offer(asked policy.Call, by string) (*bound.Offer, error) {
	o, err := bound.New(asked, c.model, by, !c.g.o.NoClamp)
	if err != nil {
		return nil, err
	}
	switch by {
	case bound.ByPaid, bound.ByCount:
		o.Wrong = func() bool { return c.g.paid.Distrusts(c.counter()) }
	case bound.ByVocabulary:
		o.Wrong = func() bool { return c.g.paid.Misreads(c.counter()) || c.g.paid.Distrusts(c.counter()) }
	}
	return o, nil
}

// counter is who counts the call's tokens.
func (c *call) counter() bound.Counter { return bound.CounterOf(c.model) }

// known is what is known of the call's prompt, once it is decided on.
func (c *call) known() *bound.Prompt {
	if c.prompt == nil {
		c.prompt = &bound.Prompt{
			Buyer: owner(c.id), Asked: c.asked, Model: c.model, Body: c.body, Key: c.key, Opened: c.opened != nil,
			Betas: strings.Join(c.r.Header["Anthropic-Beta"], ",") + "|" + strings.Join(c.r.Header["Openai-Beta"], ","),
		}
	}
	return c.prompt
}

// admission asks the ledger for the hold of an offer.
func (c *call) admission(o *bound.Offer) ledger.Admission {
	least := o.Least()
	return ledger.Admission{
		Token:  c.hash,
		Least:  ledger.Micros(least.LeastMicros()),
		Most:   ledger.Micros(o.Most()),
		Share:  o.Share,
		Tokens: o.Whole().Tokens, LeastTokens: least.LeastTokens(),
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
		case err == nil && refused != nil && o.Stale():
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

// steps are the ways to bound a call more tightly, in the order in which they
// are tried, for what is there. Each returns nil where it has nothing better.
var steps = []func(*call, context.Context, *bound.Offer, ledger.Refusal) *bound.Offer{(*call).byPaid, (*call).byCount, (*call).byTier}

// tighter is the next better offer, and the step after the one that made it.
func (c *call) tighter(ctx context.Context, o *bound.Offer, step int, short ledger.Refusal) (*bound.Offer, int) {
	for ; step < len(steps); step++ {
		if better := steps[step](c, ctx, o, short); better != nil {
			return better, step + 1
		}
	}
	return o, step
}

// better is the offer of a call that is known better, if it is lower.
func (c *call) better(o *bound.Offer, asked policy.Call, by string) *bound.Offer {
	n, err := c.offer(asked, by)
	if err != nil || n.Most() >= o.Most() && n.Least().LeastMicros() >= o.Least().LeastMicros() {
		return nil
	}
	return n
}

// byPaid bounds the prompt by what the caller has paid for before.
func (c *call) byPaid(_ context.Context, o *bound.Offer, _ ledger.Refusal) *bound.Offer {
	tokens := c.g.paid.Bound(c.known())
	if tokens == 0 {
		return nil
	}
	asked := o.Asked
	asked.Prompt = tokens
	return c.better(o, asked, bound.ByPaid)
}

// byTier names the standard tier where a dearer one would be held.
func (c *call) byTier(_ context.Context, o *bound.Offer, _ ledger.Refusal) *bound.Offer {
	return c.better(o, c.standardTier(o.Asked), o.By)
}

// standardTier is the call in the standard tier, where that may be asked for
// and the provider keeps to it.
func (c *call) standardTier(asked policy.Call) policy.Call {
	standard := c.model.Provider.Own().Standard
	if standard != "" && (asked.Tier == "" || asked.Tier == "auto") && !c.g.paid.Dearer(c.counter()) {
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
	before := c.g.paid.Thinking(c.known())
	if e.Cap == 0 && before == 0 {
		return
	}
	budget := policy.Thinking(c.asked, c.model, output, before)
	if budget == c.asked.ThinkingCap {
		return
	}
	e.Thinking = budget
	c.g.paid.Think(c.known(), budget)
	c.changed = append(c.changed, fmt.Sprintf("thinking %d", budget))
}

func (c *call) planOffer(e *wire.Edit, o *bound.Offer) {
	if o.Asked.Tier != "" && o.Asked.Tier != c.asked.Tier {
		e.Tier = o.Asked.Tier
		c.changed = append(c.changed, "service tier "+e.Tier)
	}
	if uses := o.Uses(); uses > 0 {
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
