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
