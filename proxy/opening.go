package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
)

// openInner opens a run inside the caller's.
func (c *call) openInner(ctx context.Context) error {
	if c.inner != nil {
		if !c.inner.enter() {
			return c.runOver()
		}
		defer c.inner.leave()
	}
	var ask InnerRun
	if err := c.readInner(&ask); err != nil {
		return err
	}
	if c.g.inner.below(c.id.Run) >= maxInnerRuns {
		return refusal.New("rate_limited", "there are %d runs inside this one already", maxInnerRuns)
	}
	n, path, err := c.newRun(ctx, ask)
	if err != nil {
		return err
	}
	if left := leftOf(path, nil); left != nil && *left <= 0 {
		return refusal.New("budget_exceeded", "run %.4s has nothing left for a run inside it", c.id.Run)
	}
	out := Opened{Token: ledger.NewSecret(ledger.SecretOfRun), Parent: c.id.Run, Agent: c.id.Agent, Budget: leftOf(path, ask.Budget)}
	n.Parent, n.Budget, n.Token = c.id.Run, ask.Budget, ledger.HashToken(out.Token)
	in := &innerRun{parent: c.id.Run, asks: ask.asks(), remote: c.inner != nil && c.inner.remote}
	if out.RunID, err = c.openRow(ctx, n, in); err != nil {
		return err
	}
	return c.answer(out)
}

// newRun is a run that the caller asks for, as far as it goes by what it asks,
// with the accounts that it would hang under.
func (c *call) newRun(ctx context.Context, ask InnerRun) (n ledger.NewRun, path []ledger.Account, err error) {
	if ask.Budget != nil && *ask.Budget <= 0 {
		return n, nil, refusal.New("invalid_request", "a budget of %s allows no call; give an amount above $0, or none for no limit", *ask.Budget)
	}
	rules, err := c.innerPolicy(ctx, ask)
	if err != nil {
		return n, nil, err
	}
	path, err = c.g.ledger.Path(ctx, c.hash)
	if err != nil {
		return n, nil, refusal.Unreadable(err)
	}
	return ledger.NewRun{Agent: c.id.Agent, Program: plain.Stored(ask.Program), MaxCalls: ask.MaxCalls, Policy: rules, Metered: !ask.Bypasses}, path, nil
}

// openRow opens a run in the ledger, and knows it as in from then on.
func (c *call) openRow(ctx context.Context, n ledger.NewRun, in *innerRun) (ledger.RunID, error) {
	in.over, in.extended = make(chan struct{}), time.Now()
	n.Expires = in.extended.Add(innerTokenLife)
	row, err := c.g.ledger.OpenRun(ctx, n)
	switch {
	case errors.Is(err, ledger.ErrExists):
		return "", err
	case errors.Is(err, ledger.ErrInvalid), errors.Is(err, ledger.ErrNotFound):
		return "", refusal.New("invalid_request", "a run of %s cannot be opened: %v", c.id.Agent, err)
	case err != nil:
		return "", refusal.Fault(err, "a run of %s cannot be opened", c.id.Agent)
	}
	in.id = row.ID
	c.g.inner.add(c.g.ctx, in)
	return row.ID, nil
}

// innerPolicy is what must allow the calls of a run inside the caller's, beside
// the agent: all that must allow the caller's, what the run brings itself, and
// the capabilities of the agent that it names.
func (c *call) innerPolicy(ctx context.Context, ask InnerRun) (json.RawMessage, error) {
	list, err := policies(c.id.RunPolicy)
	if err != nil {
		return nil, err
	}
	if len(ask.Policy) > 0 {
		list = append(list, ask.Policy)
	}
	if ask.Agent != "" && ask.Agent != c.id.Agent {
		named, err := c.g.ledger.Agent(ctx, ask.Agent)
		switch {
		case errors.Is(err, ledger.ErrNotFound): // nothing is known against it
		case err != nil:
			return nil, refusal.Unreadable(err)
		case len(named.Capabilities) > 0:
			list = append(list, named.Capabilities)
		}
		switch by, paused, err := c.g.ledger.PausedAt(ctx, ask.Agent); {
		case err != nil && !errors.Is(err, ledger.ErrNotFound):
			return nil, refusal.Unreadable(err)
		case paused:
			return nil, refusal.New("agent_paused", "%s is paused; resume it with: %s", by.Whose(), refusal.Resume(by))
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(list)
	if err == nil {
		_, err = capabilities(ledger.Identity{RunPolicy: text})
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
