package proxy

import (
	"context"
	"crypto/sha256"
	"net/http"
	"time"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/bound"
	"github.com/Auro-rium/aex/v3/proxy/inner"
	"github.com/Auro-rium/aex/v3/proxy/memory"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
	"github.com/Auro-rium/aex/v3/proxy/watch"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// call is one request on its way through the gateway.
type call struct {
	g      *Gateway
	w      http.ResponseWriter
	r      *http.Request
	route  route
	opened *policy.Route // of models.yaml; nil: a route of the allow-list
	began  time.Time

	id    ledger.Identity
	hash  ledger.TokenHash
	inner *inner.Run // the caller, where it is a run inside this gateway's

	memory  memory.Share
	body    wire.Object
	asked   policy.Call
	caps    []policy.Capabilities // all must allow what is done
	model   policy.Model
	key     string
	ceiling policy.Ceiling
	outCap  int64 // the cap that the agent's policy imposes; 0: none
	hold    ledger.Hold
	moved   bool // it was held for a top-up when the gateway closed
	edit    wire.Edit
	clamped int64
	loose   *bound.Offer  // by the request's bytes
	offered *bound.Offer  // the hold is for
	secret  string        // by which an aex upstream joins the hold; "": it is none of this ledger
	form    []byte        // the body as it came, where body says what is in it; nil: body came
	prompt  *bound.Prompt // once it was asked for
	changed []string      // in the request, to bound it: for people

	sent       time.Time // when the request went out
	flows      bool      // an event of a stream came
	reading    wire.Reading
	progress   progress
	firstToken time.Duration
	ended      ending // how forwarding went; until it has, that it panicked
	answered   *refusal.Refusal
}

// serve is the way of a call, in six steps. What costs nothing, and what is
// not read, leaves it after the first.
func (c *call) serve(ctx context.Context) error {
	if err := c.authenticate(ctx); err != nil {
		return err
	}
	switch {
	case c.route.free != "":
		return c.serveFree(ctx)
	case c.opened != nil:
		return c.serveOpened(ctx)
	}
	if err := c.read(ctx); err != nil {
		return err
	}
	if err := c.decide(); err != nil {
		return err
	}
	if err := c.admit(ctx); err != nil {
		return err
	}
	defer c.settle()
	c.forward()
	return nil
}

// dialect is the wire whose shape the answers to this call have.
func (c *call) dialect() *wire.Wire {
	if c.route.wire != nil {
		return c.route.wire
	}
	return c.g.dialectOf(c.r.URL.Path)
}

// notify informs the watcher of how the call went, and the ledger's trail of a
// refusal that the ledger did not decide itself.
func (c *call) notify() {
	no := c.answered
	n := watch.Notice{Agent: c.id.Agent, Run: c.id.Run, Model: c.asked.Model, Code: no.Code, Ends: no.Ends, Over: no.Over, Owner: no.Owner, Began: c.began, Money: no.Money}
	n.Body = c.bodyHash()
	if !no.Booked {
		c.trail(no)
	}
	c.g.watch(n)
}

// bodyHash tells requests apart for a watcher; without one nothing is hashed.
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
		AgentID: id.AgentID, Agent: id.Agent, Run: id.Run, Code: f.Code, Reason: plain.Text(f.Message, 300),
		Call: ledger.CallInfo{Wire: c.asked.Wire, ModelAsked: plain.Stored(c.asked.Model), Stream: c.asked.Stream},
	})
	if err != nil {
		c.g.o.Logf("booking a refusal: %v", err)
	}
}
