package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/Auro-rium/aex/v3/ledger"
)

// agentError words why an agent could not be found or changed.
func (a *app) agentError(ctx context.Context, l *ledger.Ledger, name string, err error) error {
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		hint := "list them with: aex agent list; make one with: aex agent create NAME BUDGET RPM"
		if all, listErr := l.Agents(ctx); listErr == nil {
			for _, other := range all {
				if strings.EqualFold(other.Name, name) || strings.HasPrefix(other.Name, name) && name != "" {
					hint = "there is " + other.Name
					break
				}
			}
		}
		return hinted(fmt.Errorf("there is no agent %q", name), "%s", hint)
	case errors.Is(err, ledger.ErrExists):
		return hinted(fmt.Errorf("there is an agent %q already", name), "change it with: aex agent set %s; or add --if-not-exists", name)
	}
	return fmt.Errorf("agent %s: %w", name, err)
}

// findAgent opens the ledger and finds an agent, to change it.
func (a *app) findAgent(ctx context.Context, name string) (*ledger.Ledger, ledger.Agent, error) {
	return a.agentIn(ctx, name, a.open)
}

// agentIn is an agent in a ledger that open opens.
func (a *app) agentIn(ctx context.Context, name string, open opener) (*ledger.Ledger, ledger.Agent, error) {
	l, err := open(ctx)
	if err != nil {
		return nil, ledger.Agent{}, err
	}
	ag, err := l.Agent(ctx, name)
	if err != nil {
		err = a.agentError(ctx, l, name, err)
		return nil, ag, errors.Join(err, l.Close())
	}
	return l, ag, nil
}
