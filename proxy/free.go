package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/inner"
	"github.com/Auro-rium/aex/v3/proxy/oidc"
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
	v, err := c.g.inner.Serve(ctx, c.r, c.caller())
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
	caps, err := c.g.permissions.of(c.id)
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

// serveModels lists the models that the agent may use, or one of them, as the
// API does that was asked.
func (c *call) serveModels() error {
	caps, err := c.permitted()
	if err != nil {
		return err
	}
	list := slices.DeleteFunc(c.g.registry.Load().Models(), func(m policy.Model) bool { return !allowed(caps, m) })
	one := slices.IndexFunc(list, func(m policy.Model) bool { return m.Name == c.route.rest })
	switch c.route.free {
	case "model", "gemini_model":
		switch {
		case one < 0:
			return refusal.New("model_not_allowed", "agent %s has no model %q", c.id.Agent, plain.Clip(c.route.rest, 100))
		case c.route.free == "model":
			return c.answer(listed(list[one]))
		}
		return c.answer(geminiListed(list[one]))
	case "gemini_models":
		models := []geminiModel{}
		for _, m := range list {
			models = append(models, geminiListed(m))
		}
		return c.answer(map[string]any{"models": models})
	}
	data := []listedModel{}
	for _, m := range list {
		data = append(data, listed(m))
	}
	answer := map[string]any{"object": "list", "data": data, "has_more": false, "first_id": nil, "last_id": nil}
	if len(data) > 0 {
		answer["first_id"], answer["last_id"] = data[0].ID, data[len(data)-1].ID
	}
	return c.answer(answer)
}

// listedModel is a model as OpenAI and Anthropic list it: they ask by the same
// path.
type listedModel struct {
	ID        string `json:"id"`
	Object    string `json:"object"`
	Created   int64  `json:"created"`
	OwnedBy   string `json:"owned_by"`
	Type      string `json:"type"`
	Display   string `json:"display_name"`
	CreatedAt string `json:"created_at"`
}

func listed(m policy.Model) listedModel {
	return listedModel{ID: m.Name, Object: "model", OwnedBy: m.Provider.Name, Type: "model", Display: m.Name, CreatedAt: "1970-01-01T00:00:00Z"}
}

// geminiModel is one as Google lists it. Libraries go by its limits.
type geminiModel struct {
	Name    string   `json:"name"`
	Version string   `json:"version"`
	Display string   `json:"displayName"`
	Input   int64    `json:"inputTokenLimit,omitempty"`
	Output  int64    `json:"outputTokenLimit,omitempty"`
	Methods []string `json:"supportedGenerationMethods"`
}

func geminiListed(m policy.Model) geminiModel {
	return geminiModel{Name: "models/" + m.Name, Version: "001", Display: m.Name, Input: m.Context, Output: m.MaxOutput, Methods: []string{"generateContent", "countTokens"}}
}

// Exchanged is a token of an agent, in return for one of a CI.
type Exchanged struct {
	Token   string         `json:"token"`
	Agent   string         `json:"agent"`
	Scope   ledger.Scope   `json:"scope"`
	Expires time.Time      `json:"expires"`
	MaxRun  *ledger.Micros `json:"max_run_micro"`
}

// serveToken exchanges a CI's token for one that opens runs:
//
//	POST /v1/aex/token -> Exchanged
func (c *call) serveToken(ctx context.Context) error {
	c.g.open.Add(-1) // it is no call of a model
	defer c.g.open.Add(1)
	if c.g.o.Exchange == nil {
		return refusal.New("endpoint_not_governed", "no tokens of a CI are exchanged here; oidc: in serve.yaml says whose are")
	}
	rule, subject, err := c.g.o.Exchange(ctx, headerToken(c.r))
	switch {
	case errors.Is(err, oidc.ErrRefused):
		return refusal.New("invalid_token", "%v", err)
	case errors.Is(err, oidc.ErrNoRule):
		return refusal.New("policy_denied", "%v; oidc: in serve.yaml has the rules", err)
	case err != nil:
		return refusal.New("upstream_unreachable", "the token cannot be checked: %v", err)
	case !c.g.exchanged.Add(ledger.HashToken("oidc "+subject), c.g.o.Now()):
		f := refusal.New("rate_limited", "%d tokens were exchanged for this subject in this minute; that is the most", inner.MaxOpenings)
		f.RetryAfter = time.Minute
		return f
	}
	token := ledger.NewSecret(ledger.SecretOfAgent)
	expires := c.g.o.Now().Add(rule.TTL).UTC()
	err = c.g.ledger.AddToken(context.WithoutCancel(ctx), ledger.NewToken{
		Hash: ledger.HashToken(token), Agent: rule.Agent, Scope: ledger.Runs, Expires: expires, MaxRun: rule.MaxRun, For: plain.Text(subject, 200),
	})
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return refusal.New("policy_denied", "the rule for this token names agent %s, and there is none", rule.Agent)
	case err != nil:
		return refusal.Fault(err, "a token of %s cannot be made", rule.Agent)
	}
	c.g.o.Logf("a token of agent %s for %s, until %s", rule.Agent, plain.Text(subject, 200), expires.Format(time.RFC3339))
	return c.answer(Exchanged{Token: token, Agent: rule.Agent, Scope: ledger.Runs, Expires: expires, MaxRun: rule.MaxRun})
}
