package inner

import (
	"cmp"
	"context"
	"fmt"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
)

// AgentRules is what a policy file says of the agent who pays, beside its
// capabilities: a group that it is in, or in one inside it, and the pace that it
// must not be allowed to exceed.
type AgentRules struct {
	Group             string `json:"group,omitempty"`
	RequestsPerMinute int64  `json:"requests_per_minute,omitempty"`
	TokensPerMinute   int64  `json:"tokens_per_minute,omitempty"`
	Concurrency       int64  `json:"concurrency,omitempty"`
}

// Broken tells in what an agent differs from the rules of a policy file, and the arguments
// of aex agent set that mend it; "" where it does not differ.
func (r AgentRules) Broken(file string, ag ledger.Agent) (how, flags string) {
	if r.Group != "" && !ag.In(r.Group) {
		return fmt.Sprintf("%s says group %s, agent %s is in %s", file, r.Group, ag.Name, cmp.Or(ag.Group, "none")), "--group " + plain.Word(r.Group)
	}
	for _, c := range []struct {
		what, flag string
		has, may   int64
	}{
		{"requests a minute", "rpm", ag.Limits.RequestsPerMinute, r.RequestsPerMinute},
		{"tokens a minute", "max-tokens-per-minute", ag.Limits.TokensPerMinute, r.TokensPerMinute},
		{"calls at a time", "max-concurrency", ag.Limits.Concurrency, r.Concurrency},
	} {
		if policy.Strictest(c.has, c.may) != c.has {
			has := "none"
			if c.has != 0 {
				has = fmt.Sprint(c.has)
			}
			return fmt.Sprintf("%s allows %d %s, agent %s may make %s", file, c.may, c.what, ag.Name, has), fmt.Sprintf("--%s %d", c.flag, c.may)
		}
	}
	return "", ""
}

// agreed refuses a run whose policy file says something about the agent that is not true.
func (c *caller) agreed(ctx context.Context, ask Request) error {
	if ask.Rules == (AgentRules{}) {
		return nil
	}
	ag, err := c.runs.ledger.Agent(ctx, c.ID.Agent)
	if err != nil {
		return refusal.Unreadable(err)
	}
	ask.Rules.Group = c.Discreet(plain.Clip(ask.Rules.Group, 200))
	if how, flags := ask.Rules.Broken("the run's policy", ag); how != "" {
		return refusal.New("policy_denied", "%s; at the gateway: aex agent set %s %s", how, plain.Word(ag.Name), flags)
	}
	return nil
}
