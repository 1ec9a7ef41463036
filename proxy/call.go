package proxy

import (
	"context"
	"net/http"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/bound"
	"github.com/Auro-rium/aex/v3/proxy/inner"
	"github.com/Auro-rium/aex/v3/proxy/memory"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
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

	memory   memory.Share
	body     wire.Object
	asked    policy.Call
	policies []policy.Capabilities // of the agent, of the run and of the runs around it: all must allow the call
	model    policy.Model
	key      string
	ceiling  policy.Ceiling
	outCap   int64 // the cap that the agent's policy imposes; 0: none
	hold     ledger.Hold
	moved    bool // the gateway closed while it waited for a top-up: it may be made at another one
	edit     wire.Edit
	clamped  int64
	loose    *bound.Offer  // the first offer, which goes by the request's bytes
	offered  *bound.Offer  // the offer that the hold was taken for
	secret   string        // by which an aex upstream joins the hold; "": the upstream is no aex on this ledger
	form     []byte        // the form as it came, where body is a form's content as JSON; nil: the request came as JSON
	prompt   *bound.Prompt // what is known of the prompt; nil until known() is called
	changed  []string      // what was changed in the request to bound its cost, in words for people

	sent       time.Time // when the request went out
	flows      bool      // an event of a stream has come
	reading    wire.Reading
	progress   progress
	firstToken time.Duration
	ended      ending           // how forward went; its row is rowPanic until forward returns
	answered   *refusal.Refusal // what aex answered itself; nil: nothing
}

// serve is the way of a call, in six steps. A request that costs nothing, and one that
// models.yaml prices by the call, is not read: it leaves this way after the first step.
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
