package inner

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
)

// openInner opens a run inside the caller's.
func (c *caller) openInner(ctx context.Context) (any, error) {
	if c.Run != nil {
		if !c.Run.Enter() {
			return nil, Refused(c.ID.Run)
		}
		defer c.Run.Leave()
	}
	var ask Request
	if err := c.readInner(&ask); err != nil {
		return nil, err
	}
	if c.runs.below(c.ID.Run) >= maxRuns {
		return nil, refusal.New("rate_limited", "there are %d runs inside this one already", maxRuns)
	}
	n, path, err := c.newRun(ctx, ask)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(path, ledger.Account.UsedUp) {
		return nil, refusal.New("budget_exceeded", "run %.4s has nothing left for a run inside it", c.ID.Run)
	}
	out := Opened{Token: ledger.NewSecret(ledger.SecretOfRun), Parent: c.ID.Run, Agent: c.ID.Agent, Budget: leftOf(path, ask.Budget)}
	n.Parent, n.Budget, n.Token = c.ID.Run, ask.Budget, ledger.HashToken(out.Token)
	in := &Run{Parent: c.ID.Run, Asks: ask.asks(), Remote: c.Run != nil && c.Run.Remote}
	if out.RunID, err = c.openRow(ctx, n, in); err != nil {
		return nil, err
	}
	return out, nil
}

// newRun is the run that the caller asks for, as far as the request says it, with the
// accounts that the run's would hang under.
func (c *caller) newRun(ctx context.Context, ask Request) (n ledger.NewRun, path []ledger.Account, err error) {
	if ask.Budget != nil && *ask.Budget <= 0 {
		return n, nil, refusal.New("invalid_request", "a budget of %s allows no call; give an amount above $0, or none for no limit", *ask.Budget)
	}
	if err := c.agreed(ctx, ask); err != nil {
		return n, nil, err
	}
	rules, err := c.innerPolicy(ctx, ask)
	if err != nil {
		return n, nil, err
	}
	path, err = c.runs.ledger.Path(ctx, c.Hash)
	if err != nil {
		return n, nil, refusal.Unreadable(err)
	}
	return ledger.NewRun{Agent: c.ID.Agent, Program: plain.Stored(c.Discreet(plain.Clip(ask.Program, 1000))), MaxCalls: ask.MaxCalls, Policy: rules, Metered: !ask.Bypasses}, path, nil
}

// openRow opens a run in the ledger, and knows it as in from then on.
func (c *caller) openRow(ctx context.Context, n ledger.NewRun, in *Run) (ledger.RunID, error) {
	in.over, in.extended = make(chan struct{}), time.Now()
	n.Expires = in.extended.Add(tokenLife)
	row, err := c.runs.ledger.OpenRun(ctx, n)
	switch {
	case errors.Is(err, ledger.ErrExists):
		return "", err
	case errors.Is(err, ledger.ErrInvalid), errors.Is(err, ledger.ErrNotFound):
		return "", refusal.New("invalid_request", "a run of %s cannot be opened: %v", c.ID.Agent, err)
	case err != nil:
		return "", refusal.Fault(err, "a run of %s cannot be opened", c.ID.Agent)
	}
	in.ID = row.ID
	c.runs.add(c.runs.ctx, in)
	return row.ID, nil
}

// innerPolicy is what must allow the calls of a run inside the caller's, beside
// the agent: all that must allow the caller's, what the run brings itself, and
// the capabilities of the agent that it names.
func (c *caller) innerPolicy(ctx context.Context, ask Request) (json.RawMessage, error) {
	list, err := Policies(c.ID.RunPolicy)
	if err != nil {
		return nil, err
	}
	if len(ask.Policy) > 0 {
		list = append(list, ask.Policy)
	}
	if ask.Agent != "" && ask.Agent != c.ID.Agent {
		named, by, paused, err := c.runs.ledger.AgentPausedAt(ctx, ask.Agent)
		switch {
		case errors.Is(err, ledger.ErrNotFound): // an agent that is not known adds no rules
		case err != nil:
			return nil, refusal.Unreadable(err)
		case paused:
			return nil, refusal.New("agent_paused", "%s is paused; resume it with: %s", by.Whose(), refusal.Resume(by))
		case len(named.Capabilities) > 0:
			list = append(list, named.Capabilities)
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(list)
	for _, rules := range list {
		_, unread := policy.ParseCapabilities(rules)
		err = errors.Join(err, unread)
	}
	if err != nil {
		return nil, refusal.New("invalid_request", "the policy of the run: %v", err)
	}
	return text, nil
}

// leftOf is the least that is left on a path, and not more than budget.
func leftOf(path []ledger.Account, budget *ledger.Micros) *ledger.Micros {
	if short := ledger.Shortest(path); short != nil {
		left, _ := short.Left()
		if left -= short.Overrun; budget == nil || left < *budget {
			return &left
		}
	}
	return budget
}
