package proxy

import (
	"context"
	"sync"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
)

// serveRelayed passes on a request that costs nothing, as it is. What is about
// an answer that the provider keeps is for the caller that it was made for.
func (c *call) serveRelayed(ctx context.Context) error {
	at, whose := c.route.at, owner(c.id)
	if id := c.route.id; id != "" {
		from, own := c.g.kept.of(whose, id)
		if !own {
			return refusal.New("response_not_found", "there is no response %q of this run at this gateway", plain.Clip(id, 100))
		}
		at = from
	}
	provider, err := c.g.registry.Load().ProviderAt(c.route.wire.Dialect, at)
	if err != nil {
		return refusal.New("model_not_priced", "%v", err)
	}
	c.model = policy.Model{Provider: provider}
	caps, err := capabilities(c.id)
	if err != nil {
		return refusal.New("policy_denied", "the policy of agent %s cannot be read: %v", c.id.Agent, err)
	}
	if err := c.providerKey(caps); err != nil {
		return err
	}
	body, err := c.readBody(ctx)
	if err != nil {
		return err
	}
	return c.relayTo(ctx, c.route.wire.Path(c.model, c.route.rest), body)
}

// owner is whose answers a caller may ask for again: its run's, or its agent's
// where it is in none.
func owner(id ledger.Identity) string {
	if id.Run != "" {
		return "run " + string(id.Run)
	}
	return "agent " + string(id.AgentID)
}

// keptMax bounds the answers that are remembered; the oldest are forgotten.
const keptMax = 10_000

// keptAnswers remembers which caller an answer was made for that its provider
// keeps, and which provider that is. They are in memory only: a gateway that
// starts anew knows none.
type keptAnswers struct {
	mu    sync.Mutex
	from  map[[2]string]string // owner and id -> provider
	order [][2]string
}

func (k *keptAnswers) note(owner, id, provider string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.from == nil {
		k.from = map[[2]string]string{}
	}
	key := [2]string{owner, id}
	if _, known := k.from[key]; known {
		return
	}
	if len(k.order) >= keptMax {
		delete(k.from, k.order[0])
		k.order = k.order[1:]
	}
	k.from[key], k.order = provider, append(k.order, key)
}

func (k *keptAnswers) of(owner, id string) (provider string, found bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	provider, found = k.from[[2]string{owner, id}]
	return provider, found
}
