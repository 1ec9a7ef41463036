package proxy

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/bound"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// forward is the fifth step: it makes the call, and leaves in c.ended how that
// went.
func (c *call) forward() {
	c.progress.call = c
	c.g.live.add(&c.progress)
	c.plan()
	c.ended = c.exchange()
}

// plan chooses what is changed in the request, now that the hold says how much
// output it pays for.
func (c *call) plan() {
	e := wire.Edit{Host: c.model.Provider.Host(), Call: &c.asked, OpenAIModel: c.model.OpenAI}
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
	if c.hold.Tokens < c.ceiling.Tokens { // the minute has no more tokens left
		paid = min(paid, c.ceiling.CapOf(c.hold.Tokens))
	}
	if paid < c.ceiling.Asked && c.asked.Stream && c.asked.OutputCap == nil && c.hides() {
		// Where the stream breaks, all of the cap may have been made, unseen, and is
		// booked. A cap that the client did not ask for is not worth half a budget.
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

// planThinking lowers the thinking budget together with the cap. Within a conversation
// it does not rise again: each change costs the conversation's cache.
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

// planOffer writes into the request what the hold's offer relies on: the service tier,
// and how often the provider may use its own tools.
func (c *call) planOffer(e *wire.Edit, o *bound.Offer) {
	if o.Asked.Tier != "" && o.Asked.Tier != c.asked.Tier {
		e.Tier = o.Asked.Tier
		c.changed = append(c.changed, "service tier "+e.Tier)
	}
	if uses := o.Uses(); uses > 0 {
		e.Uses = uses
		c.changed = append(c.changed, fmt.Sprintf("%s at most %d times", c.discreet(strings.Join(hostedNames(c.asked), ", ")), uses))
	}
}

func hostedNames(asked policy.Call) (names []string) {
	for _, t := range asked.Hosted {
		names = append(names, t.Type)
	}
	return names
}

// exchange sends the call and relays its answer. It returns how that ended,
// whatever happened, and never an error beside it.
func (c *call) exchange() ending {
	ctx, cancel := context.WithCancelCause(c.below())
	defer cancel(nil)
	rl := &relay{call: c, meter: c.route.wire.Meter(c.edit), cancel: cancel}
	rl.watched = slices.ContainsFunc(c.policies, func(cp policy.Capabilities) bool {
		return !policy.AllowsToolCall(cp, "") // it denies some tools
	})
	rl.stops.Store(rl.closes())
	rl.byEvent = c.edit.Usage || c.edit.Masked != "" || rl.watched
	// The request upstream does not end with the client's connection: listen decides.
	defer rl.listen()()

	resp, sent, err := c.send(ctx)
	if err != nil {
		left := rl.gone.Load()
		if !left {
			c.refuse(c.unreachable(err))
		}
		if !sent {
			return ending{row: rowNotSent}
		}
		return ending{row: rowNoAnswer, err: err, closed: left}
	}
	defer resp.Body.Close()
	body := decoded(resp)
	kind, charset := contentType(resp)
	rl.reading.Doubt = foreign(resp, charset)
	rl.copyHeader(resp)
	if kind == "text/event-stream" {
		return rl.stream(resp, body)
	}
	return rl.whole(resp, body)
}

// send makes the one request of this hold. sent is false where nothing can
// have reached the provider. The response's body ends when ctx does.
func (c *call) send(ctx context.Context) (resp *http.Response, sent bool, err error) {
	body := c.form // a form is sent as it came
	if body == nil {
		body = wire.Apply(c.body.Doc, c.route.wire.Edit(c.body, c.edit))
	}
	// Before there is a connection, through proxy and TLS, nothing can have been sent.
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	base, path := c.upstreamPath()
	req, err := c.requestAt(httptrace.WithClientTrace(ctx, trace), base, path, body)
	if err != nil {
		return nil, false, err
	}
	transport, err := c.g.upstream.to(c.model.Provider)
	if err != nil {
		return nil, false, err
	}
	c.sent = c.g.o.Now()
	resp, err = roundTrip(transport, req)
	return resp, connected.Load(), err
}
