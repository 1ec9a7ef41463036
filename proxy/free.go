package proxy

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/inner"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// serveFree answers what costs nothing.
func (c *call) serveFree(ctx context.Context) error {
	switch c.route.free {
	case freeHello:
		c.w.WriteHeader(http.StatusOK)
		return nil
	case "models", "model", "gemini_models", "gemini_model":
		return c.serveModels()
	case "budget":
		return c.serveBudget(ctx)
	case "runs":
		return c.serveRuns(ctx)
	case freeToken:
		return c.serveToken(ctx)
	case "websocket":
		return refusal.New("websocket_refused", "responses are served over HTTP here, not over a WebSocket: POST /v1/responses")
	case wire.CountTokens:
		return c.serveCount(ctx)
	case wire.Relayed:
		return c.serveRelayed(ctx)
	}
	return refusal.New("endpoint_not_governed", "%s is not served", c.route.free)
}

// serveRuns answers for the runs inside the caller's. It is no call of a model:
// a run is idle while its inner one only waits.
func (c *call) serveRuns(ctx context.Context) error {
	c.g.open.Add(-1)
	defer c.g.open.Add(1)
	v, err := c.g.inner.Serve(ctx, c.r, inner.Caller{ID: c.id, Hash: c.hash, Run: c.inner, Rest: c.route.rest})
	if err != nil || v == nil {
		return err
	}
	return c.answer(v)
}

// allowed tells whether a plain call of the model would pass the policies.
func allowed(caps []policy.Capabilities, m policy.Model) bool {
	for _, cp := range caps {
		if _, denial := policy.Decide(cp, policy.Call{Model: m.Name, Outputs: 1}, m); denial != nil && denial.Code == "model_not_allowed" {
			return false
		}
	}
	return true
}

// serveBudget tells an agent its own balance.
func (c *call) serveBudget(ctx context.Context) error {
	type account struct {
		Kind     string `json:"kind"`
		Name     string `json:"name"`
		Window   string `json:"window,omitempty"`
		Budget   *int64 `json:"budget_micro"`
		Spent    int64  `json:"spent_micro"`
		Reserved int64  `json:"reserved_micro"`
		Overrun  int64  `json:"overrun_micro"`
	}
	accounts, err := c.g.ledger.Path(ctx, c.hash)
	if err != nil {
		return refusal.Unreadable(err)
	}
	list := []account{}
	for _, a := range accounts {
		list = append(list, account{string(a.Kind), a.Name, string(a.Window), (*int64)(a.Budget), int64(a.Spent), int64(a.Reserved), int64(a.Overrun)})
	}
	return c.answer(map[string]any{"agent": c.id.Agent, "run": c.id.Run, "accounts": list})
}

// serveCount relays a token count, which no provider charges for.
func (c *call) serveCount(ctx context.Context) error {
	body, err := c.readBody(ctx)
	if err != nil {
		return err
	}
	doc, err := wire.Parse(body)
	if err != nil {
		return err
	}
	c.body = doc.Object(new(error))
	name := c.body.Get("model").Text()
	if c.asked, err = c.route.wire.Read(c.r, c.body, c.route.rest); err == nil {
		name = c.asked.Model
	}
	if c.model, err = c.g.registry.Load().ResolveAt(c.route.wire.Dialect, name, c.route.at); err != nil {
		return refusal.New("model_not_priced", "%v", err)
	}
	caps, err := capabilities(c.id)
	if err != nil || !allowed(caps, c.model) {
		return refusal.New("model_not_allowed", "agent %s may not use model %q", c.id.Agent, plain.Clip(name, 100))
	}
	if err := c.providerKey(caps); err != nil {
		return err
	}
	return c.relayTo(ctx, c.route.wire.Path(c.model, c.route.rest), wire.Apply(body, c.route.wire.Edit(c.body, wire.Edit{Model: c.model.Sent})))
}

// answer sends v as JSON.
func (c *call) answer(v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(body)
	return nil
}
