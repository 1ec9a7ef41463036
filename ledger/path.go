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
	return l.pathFrom(ctx, id.Run, id.Agent, id.AgentID)
}

// RunPath lists the accounts that a call of a run would be charged to.
func (l *Ledger) RunPath(ctx context.Context, r Run) ([]Account, error) {
	return l.pathFrom(ctx, r.ID, r.Agent, r.AgentID)
}

func (l *Ledger) pathFrom(ctx context.Context, at RunID, agent, agentID string) (path []Account, err error) {
	for at != "" {
		r, err := l.Run(ctx, string(at))
		if err != nil {
			return nil, err
		}
		path, at = append(path, r.Account), r.Parent
	}
	ag, groups, err := l.agentAndGroups(ctx, agent)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && ag.ID != agentID: // the agent was deleted; its runs are ending
		return path, nil
	case err != nil:
		return nil, err
	}
	path = append(path, ag.Account)
	for _, g := range groups {
		path = append(path, g.Accounts()...)
	}
	return path, nil
}

// agentAndGroups are an agent, and the group that it is in with all around it.
func (l *Ledger) agentAndGroups(ctx context.Context, name string) (Agent, []Group, error) {
	for {
		ag, err := l.Agent(ctx, name)
		if err != nil {
			return ag, nil, err
		}
		groups, err := l.GroupsAround(ctx, ag.Group)
		if errors.Is(err, ErrNotFound) { // between the two reads it was moved, and its group deleted
			continue
		}
		return ag, groups, err
	}
}

// PausedAt is the account of whatever is paused and keeps an agent's calls back: the agent, or
// a group that it is in. paused is false where nothing is.
func (l *Ledger) PausedAt(ctx context.Context, agent string) (by Account, paused bool, err error) {
	_, by, paused, err = l.AgentPausedAt(ctx, agent)
	return by, paused, err
}

// AgentPausedAt is PausedAt, and the agent as it was read for that.
func (l *Ledger) AgentPausedAt(ctx context.Context, agent string) (ag Agent, by Account, paused bool, err error) {
	ag, groups, err := l.agentAndGroups(ctx, agent)
	if ag.Paused {
		return ag, ag.Account, true, err
	}
	for _, g := range groups {
		if g.Paused {
			return ag, g.Account, true, err
		}
	}
	return ag, Account{}, false, err
}

// accountOf is the account of the agent's current window, or its total one.
func (g *commitGroup) accountOf(ag *agent) Account {
	if ag.window == Total {
		total := g.total(ag.id).public(ag.name)
		total.Window = Total
		return total
	}
	if w := g.windowAccount(ag); w != nil {
		return w.public(ag.name)
	}
	// Not used yet in this window.
	return Account{Kind: WindowAccount, Window: ag.window, Start: g.start(ag.window), Name: ag.name, Budget: ag.budget}
}

// accountsOf are the agent's account and those of its groups, the lowest first. It does not
// open windows that were not used yet.
func (g *commitGroup) accountsOf(ag *agent) []Account {
	all := []Account{g.accountOf(ag)}
	for id := ag.group; id != 0 && g.err == nil; {
		in := g.agentGroup(id)
		total := g.groupTotal(in).public(in.name)
		total.Window = Total
		all = append(all, total)
		for _, w := range []Window{Daily, Weekly, Monthly} {
			budget, has := in.budgets[w]
			if !has {
				continue
			}
			if acc := g.groupWindow(in, w); acc != nil {
				all = append(all, acc.public(in.name))
			} else {
				all = append(all, Account{Kind: GroupAccount, Window: w, Start: g.start(w), Name: in.name, Budget: &budget})
			}
		}
		id = in.parent
	}
	return all
}
