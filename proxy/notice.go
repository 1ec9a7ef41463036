package proxy

import (
	"context"
	"crypto/sha256"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/inner"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
	"github.com/Auro-rium/aex/v3/proxy/watch"
)

// notify tells the watcher of a refusal, and books it in the ledger's trail where the
// ledger did not decide it itself.
func (c *call) notify() {
	no := c.answered
	n := watch.Notice{Agent: c.id.Agent, Run: c.id.Run, Model: c.modelAsked(), Code: no.Code, Ends: no.Ends, Over: no.Over, Owner: no.Owner, Began: c.began, Money: no.Money, Unmade: true}
	n.Body = c.bodyHash()
	if !no.Booked {
		c.trail(no)
	}
	c.g.watch(n)
}

func (g *Gateway) watch(n watch.Notice) {
	g.inner.Noticed(n)
	if g.o.Watch != nil {
		g.o.Watch(n)
	}
}

// bodyHash lets a watcher tell requests apart; where nobody watches nothing is hashed.
func (c *call) bodyHash() (sum [sha256.Size]byte) {
	if c.body.Doc != nil && c.g.o.Watch != nil {
		sum = sha256.Sum256(c.body.Doc)
	}
	return sum
}

// trail books a refusal for the operator to see.
func (c *call) trail(f *refusal.Refusal) {
	id := c.id
	if id.AgentID == "" {
		id = c.g.o.Alone
	}
	if id.AgentID == "" {
		return
	}
	err := c.g.ledger.Refused(context.WithoutCancel(c.r.Context()), ledger.RefusedCall{
		AgentID: id.AgentID, Agent: id.Agent, Run: id.Run, Code: f.Code, Reason: plain.Text(c.discreet(plain.Clip(f.Message, maxTold)), 300),
		Call: ledger.CallInfo{Wire: c.asked.Wire, ModelAsked: c.modelAsked(), Stream: c.asked.Stream},
	})
	if err != nil {
		c.g.o.Logf("booking a refusal: %v", err)
	}
}

// fail stops the gateway from admitting: what it cannot book it must not make.
func (g *Gateway) fail(err error) {
	g.failed.Store(true)
	g.broken.Do(func() {
		if g.o.Broken != nil {
			g.o.Broken(err)
		}
	})
}

// caller is whoever makes the call, in the form that package inner needs.
func (c *call) caller() inner.Caller {
	return inner.Caller{ID: c.id, Hash: c.hash, Run: c.inner, Rest: c.route.rest, Discreet: c.discreet}
}

// below is the context that the call upstream ends with: the gateway's, or that of the
// run inside.
func (c *call) below() context.Context {
	if c.inner != nil {
		return c.inner.Ctx
	}
	return c.g.ctx
}

// callInfo is what the ledger keeps of a call.
func (c *call) callInfo() ledger.CallInfo {
	return ledger.CallInfo{
		Wire: c.asked.Wire, ModelAsked: c.modelAsked(), ModelSent: plain.Stored(c.modelName(c.model.Sent)),
		Provider: c.model.Provider.Name, Stream: c.asked.Stream, Price: c.model.Price.Version,
	}
}

// settlement is what the ledger is told of how a call ended, as far as the answer says
// it.
func (c *call) settlement(how ledger.How, cost ledger.Micros, row string) ledger.Settlement {
	return ledger.Settlement{
		How: how, Cost: cost, Usage: ledger.Usage(c.reading.Usage), Price: c.model.Price.Version, Ending: row,
		ModelServed: plain.Stored(c.modelName(c.keyless(c.reading.Model))), Tier: plain.Text(c.discreet(c.tier()), 40),
	}
}
