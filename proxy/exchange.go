package proxy

import (
	"context"
	"errors"
	"time"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/inner"
	"github.com/Auro-rium/aex/v3/proxy/oidc"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
)

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
