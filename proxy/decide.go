package proxy

import (
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/bound"
	"github.com/Auro-rium/aex/v3/proxy/inner"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// decide is the third step: it finds the model, asks the policies, chooses the key, and
// works out from the request's bytes what the call can cost. It may take a tool out of
// the request; outside the call it changes nothing.
func (c *call) decide() error {
	caps, err := c.permitted()
	if err != nil {
		return err
	}
	c.policies = caps
	c.model, err = c.g.registry.Load().ResolveAt(c.route.wire.Dialect, c.asked.Model, c.route.at)
	switch {
	case err != nil && c.route.wire.Form:
		return refusal.New("model_not_priced", `%v; or %s`, err, opensAt(c.r, `{usd_per_call: "0.04"}`))
	case c.form != nil && c.model.Aliased:
		return refusal.New("invalid_request", "a form is sent as it came: name the model %q in it", c.model.Sent)
	case errors.Is(err, policy.ErrUnpriced), errors.Is(err, policy.ErrUnknownModel):
		return refusal.New("model_not_priced", "%v", err)
	case err != nil:
		return err
	}
	for i, cp := range caps {
		outCap, denial := policy.Decide(cp, c.asked, c.model)
		if denial != nil {
			whose := "agent " + c.id.Agent
			if i > 0 { // not the agent's own, which aex agent inspect shows
				whose = "the policy of the run"
			}
			return refusal.New(denial.Code, "%s: %s (%s)", whose, denial.Reason, denial.Rule)
		}
		if outCap > 0 && (c.outCap == 0 || outCap < c.outCap) {
			c.outCap = outCap
		}
	}
	if err := c.providerKey(caps); err != nil {
		return err
	}
	c.asked = c.asked.Answering(c.model)
	bounded, err := c.hosted(caps)
	if err != nil {
		return err
	}
	if c.outCap > 0 && !c.asked.Fixed && (bounded.OutputCap == nil || *bounded.OutputCap == 0 || *bounded.OutputCap > c.outCap) {
		if c.g.o.NoClamp && bounded.OutputCap != nil {
			return refusal.New("policy_denied", "agent %s: the request asks for a cap of %d output tokens, the limit is %d, and aex is told to lower none (--no-clamp)",
				c.id.Agent, *bounded.OutputCap, c.outCap)
		}
		bounded.OutputCap = &c.outCap
	}
	if c.g.paid.Dearer(c.counter()) {
		bounded.Tier = "" // the provider does not keep to the tier that is asked for
	}
	c.loose, err = c.offer(bounded, bound.ByBytes)
	switch {
	case errors.Is(err, policy.ErrAmount): // no call is of that size
		return refusal.New("invalid_request", "%v", err)
	case err != nil:
		return refusal.New("policy_denied", "%v", err)
	}
	return nil
}

// hosted is the call with its hosted tools as the policies want them. Under auto, tools
// are taken out of the request whose uses no answer counts, though each has a fee.
func (c *call) hosted(caps []policy.Capabilities) (policy.Call, error) {
	bounded := c.asked
	if len(c.asked.Hosted) == 0 {
		return bounded, nil
	}
	rule := policy.HostedRule(caps)
	switch {
	case c.unlimited():
		bounded.HostedRule = policy.HostedAuto // without a limit there is nothing to change
		if rule == policy.HostedAllow {
			bounded.HostedRule = rule
		}
		return bounded, nil
	case rule == policy.HostedRefuse:
		return bounded, nil
	}
	kinds := c.asked.Unmetered(c.model)
	if rule == policy.HostedAuto && len(kinds) > 0 && !wire.Forces(c.body, kinds) { // a model that is made to use one would fail without it
		if err := c.takeOut(kinds); err != nil {
			return bounded, err
		}
		bounded = c.asked
	}
	bounded.HostedRule, bounded.Found = rule, c.g.paid.Brought(c.counter())
	return bounded, nil
}

// takeOut takes tools out of the request, and reads it again.
func (c *call) takeOut(kinds []string) error {
	size := int64(len(c.body.Doc))
	doc, err := wire.Parse(wire.Apply(c.body.Doc, wire.TakeOut(c.body, kinds)))
	if err != nil {
		return err
	}
	c.body = doc.Object(new(error))
	if err := c.readAsked(); err != nil {
		return err
	}
	c.asked = c.asked.Answering(c.model)
	c.asked.BodyBytes = size
	c.changed = append(c.changed, c.discreet(strings.Join(kinds, ", "))+" taken out")
	return nil
}

// unlimited tells whether no account on the caller's path has a budget: then even a
// call without an upper bound may go.
func (c *call) unlimited() bool {
	accounts, err := c.g.ledger.Path(c.r.Context(), c.hash)
	return err == nil && !slices.ContainsFunc(accounts, func(a ledger.Account) bool { return a.Budget != nil })
}

// permitted lists the capabilities that must all allow the call. Where they cannot be read
// nothing is allowed.
func (c *call) permitted() ([]policy.Capabilities, error) {
	caps, err := c.g.permissions.of(c.id)
	if err != nil {
		return nil, refusal.New("policy_denied", "the policy of agent %s cannot be read, so nothing is allowed: %v", c.id.Agent, err)
	}
	return caps, nil
}

// permissions keeps the capabilities that were read from the ledger's texts: nearly
// every call has the same texts as one before it.
type permissions struct {
	mu   sync.Mutex
	read map[[2]string][]policy.Capabilities // by the texts of the agent and of the run
}

const (
	maxPermissions     = 1000    // how many lists are kept
	maxPermissionsText = 4 << 10 // bytes of the texts of one that is kept
)

// of lists the capabilities that must all allow a call. The list is shared: it must not
// be changed.
func (p *permissions) of(id ledger.Identity) ([]policy.Capabilities, error) {
	p.mu.Lock()
	all, known := p.read[[2]string{string(id.Capabilities), string(id.RunPolicy)}]
	p.mu.Unlock()
	if known {
		return all, nil
	}
	all, err := capabilities(id)
	if err != nil || len(id.Capabilities)+len(id.RunPolicy) > maxPermissionsText {
		return all, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.read == nil || len(p.read) >= maxPermissions {
		p.read = make(map[[2]string][]policy.Capabilities)
	}
	p.read[[2]string{string(id.Capabilities), string(id.RunPolicy)}] = all
	return all, nil
}

// capabilities lists those of the agent, then those that the run and the runs around it
// add. All must allow a call.
func capabilities(id ledger.Identity) ([]policy.Capabilities, error) {
	agent, err := policy.ParseCapabilities(id.Capabilities)
	if err != nil {
		return nil, err
	}
	all := []policy.Capabilities{agent}
	list, err := inner.Policies(id.RunPolicy)
	for _, text := range list {
		run, unread := policy.ParseCapabilities(text)
		all, err = append(all, run), errors.Join(err, unread)
	}
	return all, err
}

// providerKey chooses the key to send: the agent's own where its policy lets
// it bring one, else aex's.
func (c *call) providerKey(caps []policy.Capabilities) error {
	own := c.r.Header.Get("X-Aex-Provider-Key")
	for _, cp := range caps {
		if own != "" && !cp.Passthrough && !cp.PassthroughOnly {
			return refusal.New("policy_denied", "agent %s may not bring a provider key of its own (allow_passthrough)", c.id.Agent)
		}
		if own == "" && cp.PassthroughOnly {
			return refusal.New("policy_denied", "agent %s must bring its own provider key in x-aex-provider-key (passthrough_required)", c.id.Agent)
		}
	}
	c.key = own
	p := c.model.Provider
	if c.key == "" && c.g.o.Key != nil {
		c.key = c.g.o.Key(p)
	}
	if c.key == "" && !p.Keyless && !p.Local {
		hint := ""
		if c.g.o.KeyHint != nil {
			hint = c.g.o.KeyHint(p)
		}
		return refusal.New("no_provider_key", "no key for provider %s: set %s where aex runs%s", p.Name, p.KeyEnv, hint)
	}
	return nil
}
