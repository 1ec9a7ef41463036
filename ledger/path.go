package ledger

import (
	"context"
	"errors"
)

// Path lists the accounts that a call with this token would be charged to: the
// run's, the agent's, and those of its groups up to the root. Errors as for Authenticate.
func (l *Ledger) Path(ctx context.Context, h TokenHash) ([]Account, error) {
	id, err := l.Authenticate(ctx, h)
	if err != nil {
		return nil, err
	}
	var path []Account
	for at := id.Run; at != ""; {
		r, err := l.Run(ctx, string(at))
		if err != nil {
			return nil, err
		}
		path, at = append(path, r.Account), r.Parent
	}
	ag, err := l.Agent(ctx, id.Agent)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && ag.ID != id.AgentID: // deleted; its runs are ending
		return path, nil
	case err != nil:
		return nil, err
	}
	path = append(path, ag.Account)
	for name := ag.Group; name != ""; {
		g, err := l.Group(ctx, name)
		if err != nil {
			return nil, err
		}
		path, name = append(append(path, g.Account), g.Windows...), g.Parent
	}
	return path, nil
}
