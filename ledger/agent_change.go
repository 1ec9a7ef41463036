package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// AgentChange holds what SetAgent changes; nil fields stay.
type AgentChange struct {
	Budget       **Micros // lowering commits to max(asked, spent+reserved) and follows as holds end
	Window       *Window
	Limits       *Limits
	Capabilities json.RawMessage
	Paused       *bool
	Group        *string // moves the agent; "" takes it out of its group
}

// SetAgent changes what an agent is allowed.
func (l *Ledger) SetAgent(ctx context.Context, name string, c AgentChange) (Agent, error) {
	if err := l.budgetsAllowed(); err != nil {
		return Agent{}, err
	}
	err := c.valid()
	if err == nil {
		err = l.thenReopen(ctx, runsOfAgent, func(g *commitGroup) (int64, error) {
			ag, err := g.agentNamed(name)
			if err != nil {
				return 0, err
			}
			in := ag.group
			if c.Group != nil {
				if in, err = g.groupFor(*c.Group); err != nil {
					return 0, err
				}
			}
			g.setAgent(ag, c, in)
			return ag.id, g.err
		})
	}
	if err != nil {
		return Agent{}, fmt.Errorf("changing agent %q: %w", name, err)
	}
	return l.Agent(context.WithoutCancel(ctx), name)
}

func (c AgentChange) valid() error {
	errs := []error{validJSON(c.Capabilities)}
	if c.Budget != nil {
		errs = append(errs, validBudget(*c.Budget))
	}
	if c.Limits != nil {
		errs = append(errs, c.Limits.valid())
	}
	if c.Window != nil {
		errs = append(errs, c.Window.check())
	}
	return errors.Join(errs...)
}

func (g *commitGroup) setAgent(ag *agent, c AgentChange, in int64) {
	wasPaced := ag.limits.paced()
	moved := c.Window != nil && *c.Window != ag.window
	if c.Budget != nil {
		ag.budget = *c.Budget
	}
	if c.Window != nil {
		ag.window = *c.Window
	}
	if c.Limits != nil {
		ag.limits = *c.Limits
	}
	if c.Paused != nil {
		ag.paused = *c.Paused
	}
	ag.group = in
	g.exec(`UPDATE agent SET group_id = ?, budget_micro = ?, "window" = ?, rpm_limit = ?, tpm_limit = ?, concurrency_limit = ?, paused = ?,
		capabilities = coalesce(?, capabilities) WHERE id = ?`,
		orNull(in != 0, in), nullMicros(ag.budget), string(ag.window), ag.limits.RequestsPerMinute, ag.limits.TokensPerMinute, ag.limits.Concurrency, ag.paused, orNullText(c.Capabilities), ag.id)
	g.identity = true
	acc := g.retargetAgent(ag, c, moved)
	g.event("agent.set", ag, "", func(e *line) {
		if acc != nil {
			e.budget(acc)
		}
		ag.describe(e)
		if c.Group != nil {
			e.key("group")
			e.b = appendQuoted(e.b, *c.Group)
		}
		e.raw("capabilities", c.Capabilities)
	})
	if !wasPaced && ag.limits.paced() {
		g.startPacing(ag.id)
	}
}

// retargetAgent gives the account that rules the agent's budget. When the
// budget goes over to windows, the total account loses its limit with an event
// of its own.
func (g *commitGroup) retargetAgent(ag *agent, c AgentChange, moved bool) *account {
	if c.Budget == nil && !moved || g.err != nil {
		return nil
	}
	total := g.total(ag.id)
	if ag.window == Total {
		total.retarget(ag.budget)
		g.touch(total)
		return total
	}
	if total.limited {
		total.retarget(nil)
		g.touch(total)
		g.event("agent.set", ag, "", func(e *line) { e.budget(total) })
	}
	w := g.windowAccount(ag)
	if w == nil || g.err != nil {
		return nil
	}
	w.retarget(ag.budget)
	g.touch(w)
	return w
}

// DeleteAgent revokes the agent's tokens and ends its runs; history stays. Runs
// are moved to ending, a part a turn: the process that owns one ends it. Once it has
// begun, it goes on also where ctx ends.
func (l *Ledger) DeleteAgent(ctx context.Context, name string) error {
	if err := l.budgetsAllowed(); err != nil {
		return err
	}
	var id int64 // from the first turn on: another agent may get the name
	for more := true; more; ctx = context.WithoutCancel(ctx) {
		err := l.commitOne(ctx, func(g *commitGroup) error {
			ag, err := g.agentNamed(name)
			if err == nil && id != 0 && ag.id != id {
				err = ErrNotFound
			}
			if err != nil {
				return err
			}
			id = ag.id
			runs := g.runsWhere(`agent_id = ? AND state NOT IN ('ending', 'ended') ORDER BY no LIMIT ?`, ag.id, turnPart)
			for _, r := range runs {
				g.setRunState(r, RunEnding)
			}
			if more = len(runs) == turnPart; !more {
				g.deleteAgent(ag)
			}
			return g.err
		})
		if err != nil {
			return fmt.Errorf("deleting agent %q: %w", name, err)
		}
	}
	return nil
}

func (g *commitGroup) deleteAgent(ag *agent) {
	g.exec(`UPDATE agent SET deleted_at = ? WHERE id = ?`, g.at, ag.id)
	g.revoke(ag.id)
	g.event("agent.delete", ag, "", nil)
	ag.deleted = true
	delete(g.rows.names, ag.name)
}

// TopUpAgent raises the agent's budget; what it overran is paid first. Where
// the budget is a window's, the current window gets more, not the later ones.
func (l *Ledger) TopUpAgent(ctx context.Context, name string, by Micros) (Agent, error) {
	if err := l.budgetsAllowed(); err != nil {
		return Agent{}, err
	}
	err := l.thenReopen(ctx, runsOfAgent, func(g *commitGroup) (int64, error) {
		ag, err := g.agentNamed(name)
		if err != nil {
			return 0, err
		}
		if ag.budget == nil || by <= 0 || by > maxAmount {
			return 0, fmt.Errorf("%w: a top-up of %s, or no budget to top up", ErrInvalid, by)
		}
		acc := g.total(ag.id)
		if ag.window != Total {
			if acc = g.windowAccount(ag); acc == nil && g.err == nil {
				acc = g.openWindow(ag)
			}
		}
		if g.err != nil {
			return 0, g.err
		}
		if err := g.topUp(acc, by, "agent.topup", ag, ""); err != nil {
			return 0, err
		}
		if ag.window == Total {
			budget := acc.target
			ag.budget = &budget
			g.exec(`UPDATE agent SET budget_micro = ? WHERE id = ?`, int64(budget), ag.id)
		}
		return ag.id, g.err
	})
	if err != nil {
		return Agent{}, fmt.Errorf("topping up agent %q: %w", name, err)
	}
	return l.Agent(context.WithoutCancel(ctx), name)
}
