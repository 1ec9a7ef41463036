package proxy

import (
	"context"
	"crypto/sha256"
	"net/http"
	"time"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
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
	inner *innerRun // the caller, where it is a run inside this gateway's

	body    wire.Object
	asked   policy.Call
	caps    []policy.Capabilities // all must allow what is done
	model   policy.Model
	key     string
	ceiling policy.Ceiling
	outCap  int64 // the cap that the agent's policy imposes; 0: none
	hold    ledger.Hold
	edit    wire.Edit
	clamped int64

	read       wire.Reading
	progress   progress
	firstToken time.Duration
	answered   *refusal
}

func (c *call) serve(ctx context.Context) (err error) {
	if err := c.g.local(c.r); err != nil {
		return err
	}
	if err := c.find(); err != nil {
		return err
	}
	if c.route.free == "hello" {
		c.w.WriteHeader(http.StatusOK)
		return nil
	}
	if c.id, c.hash, err = c.g.authenticate(ctx, c.r); err != nil {
		return err
	}
	c.inner = c.g.inner.find(c.id.Run)
	switch {
	case c.route.free != "" && c.route.free != "count_tokens" && c.route.free != "runs":
		return c.serveFree(ctx)
	case c.id.Scope == ledger.ReadOnly: // a count costs nothing, but it calls a model
		return refusef("read_only_token", "this token may read models, budget and usage, not call models")
	case c.route.free != "":
		return c.serveFree(ctx)
	case c.opened != nil:
		return c.serveOpened(ctx)
	}
	if err := c.readCall(); err != nil {
		return err
	}
	if err := c.decide(); err != nil {
		return err
	}
	if err := c.admit(ctx); err != nil {
		return err
	}
	c.forwardAndSettle()
	return nil
}

// find looks the route up in the allow-list.
func (c *call) find() error {
	var ok bool
	if c.route, ok = c.g.find(c.r.Method, c.r.URL.Path); !ok && !c.findOpened() {
		return refusef("endpoint_not_governed", "%s %s is not metered, so it is not passed on; models.yaml can open it under routes:",
			c.r.Method, plain.Clip(c.r.URL.Path, 200))
	}
	return nil
}

// dialect is the wire whose shape the answers to this call have.
func (c *call) dialect() *wire.Wire {
	if c.route.wire != nil {
		return c.route.wire
	}
	return c.g.dialectOf(c.r.URL.Path)
}

// tell informs the watcher of how the call went, and the ledger's trail of a
// refusal that the ledger did not decide itself.
func (c *call) tell() {
	n := Notice{Agent: c.id.Agent, Run: c.id.Run, Model: c.asked.Model, Code: c.answered.Code, Ends: c.answered.ends, Owner: c.answered.owner}
	if c.body.Doc != nil {
		n.Body = sha256.Sum256(c.body.Doc)
	}
	if !c.answered.booked {
		c.trail(c.answered)
	}
	c.g.watch(n)
}

// trail books a refusal for the operator to see.
func (c *call) trail(f *refusal) {
	if c.id.AgentID == "" {
		return
	}
	err := c.g.ledger.Refused(context.WithoutCancel(c.r.Context()), ledger.RefusedCall{
		AgentID: c.id.AgentID, Agent: c.id.Agent, Run: c.id.Run, Code: f.Code, Reason: plain.Text(f.Message, 300),
		Call: ledger.CallInfo{Wire: c.asked.Wire, ModelAsked: plain.Stored(c.asked.Model), Stream: c.asked.Stream},
	})
	if err != nil {
		c.g.o.Logf("booking a refusal: %v", err)
	}
}
