package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// GroupChange holds what SetGroup changes; nil fields stay.
type GroupChange struct {
	// Budgets are given to the windows that they name; nil takes one away.
	Budgets map[Window]*Micros
	Paused  *bool
}

// SetGroup changes what a group is allowed.
func (l *Ledger) SetGroup(ctx context.Context, name string, c GroupChange) (Group, error) {
	if err := l.budgetsAllowed(); err != nil {
		return Group{}, err
	}
	for w, b := range c.Budgets {
		if err := w.check(); err != nil {
			return Group{}, fmt.Errorf("changing group %q: %w", name, err)
		}
		if err := validBudget(b); err != nil {
			return Group{}, fmt.Errorf("changing group %q: %w", name, err)
		}
	}
	err := l.thenReopen(ctx, runsOfGroup, func(g *commitGroup) (int64, error) {
		a, err := g.groupNamed(name)
		if err != nil {
			return 0, err
		}
		g.setGroup(a, c)
		return a.id, g.err
	})
	if err != nil {
		return Group{}, fmt.Errorf("changing group %q: %w", name, err)
	}
	return l.Group(context.WithoutCancel(ctx), name)
}

func (g *commitGroup) setGroup(a *agentGroup, c GroupChange) {
	if c.Paused != nil {
		a.paused = *c.Paused
		g.exec(`UPDATE agent_group SET paused = ? WHERE id = ?`, a.paused, a.id)
	}
	for _, w := range slices.Sorted(maps.Keys(c.Budgets)) {
		g.setGroupBudget(a, w, c.Budgets[w])
	}
	g.groupEvent("group.set", a, a.describe)
}

// setGroupBudget gives a window of a group another budget. The account of the
// window that is open follows, with an event of its own.
func (g *commitGroup) setGroupBudget(a *agentGroup, w Window, b *Micros) {
	if b == nil {
		delete(a.budgets, w)
		g.exec(`DELETE FROM group_budget WHERE group_id = ? AND "window" = ?`, a.id, string(w))
	} else {
		a.budgets[w] = *b
		g.exec(`INSERT INTO group_budget (group_id, "window", budget_micro) VALUES (?, ?, ?) ON CONFLICT (group_id, "window") DO UPDATE SET budget_micro = excluded.budget_micro`,
			a.id, string(w), int64(*b))
	}
	if g.err != nil {
		return
	}
	acc := g.currentGroupAccount(a, w)
	if acc == nil {
		return
	}
	acc.retarget(b)
	g.touch(acc)
	g.groupEvent("group.budget", a, func(e *line) { e.budget(acc) })
}

// currentGroupAccount is the account of a group's current window, nil
// when there is none yet, or its total one.
func (g *commitGroup) currentGroupAccount(a *agentGroup, w Window) *account {
	if w == Total {
		return g.groupTotal(a)
	}
	return g.groupWindow(a, w)
}

// TopUpGroup raises the budget of a group's window; what it overran is paid first.
// The window "" stands for the only one that has a budget. It is ErrNoBudget where
// that window has none. A top-up of a day, week or month is for the current one
// alone, not for the later ones.
func (l *Ledger) TopUpGroup(ctx context.Context, name string, w Window, by Micros) (Group, error) {
	if err := l.budgetsAllowed(); err != nil {
		return Group{}, err
	}
	err := l.thenReopen(ctx, runsOfGroup, func(g *commitGroup) (int64, error) {
		a, err := g.groupNamed(name)
		if err != nil {
			return 0, err
		}
		if w == "" && len(a.budgets) == 1 {
			for only := range a.budgets {
				w = only
			}
		}
		b, ok := a.budgets[w]
		if !ok {
			return 0, ErrNoBudget
		}
		if by <= 0 || by > maxAmount { // checked before a window is opened
			return 0, fmt.Errorf("%w: a top-up of %s", ErrInvalid, by)
		}
		acc := g.currentGroupAccount(a, w)
		if acc == nil && g.err == nil {
			acc = g.openGroupWindow(a, w, b)
		}
		if g.err != nil {
			return 0, g.err
		}
		return a.id, g.topUpGroup(a, acc, w, by)
	})
	if err != nil {
		return Group{}, fmt.Errorf("topping up group %q: %w", name, err)
	}
	return l.Group(context.WithoutCancel(ctx), name)
}

func (g *commitGroup) topUpGroup(a *agentGroup, acc *account, w Window, by Micros) error {
	paid, err := acc.topUp(by)
	if err != nil {
		return err
	}
	g.touch(acc)
	g.groupEvent("group.topup", a, func(e *line) {
		e.number("by_micro", int64(by))
		e.number("paid_overrun_micro", int64(paid))
		e.budget(acc)
	})
	if w == Total {
		a.budgets[Total] = acc.target
		g.exec(`UPDATE group_budget SET budget_micro = ? WHERE group_id = ? AND "window" = 'total'`, int64(acc.target), a.id)
	}
	return g.err
}

// DeleteGroup deletes a group. While a living agent or another group is in it, that
// is ErrNotEmpty. What was spent in it stays in the ledger, and holds that were
// taken from it settle there.
func (l *Ledger) DeleteGroup(ctx context.Context, name string) error {
	if err := l.budgetsAllowed(); err != nil {
		return err
	}
	err := l.commitOne(ctx, func(g *commitGroup) error {
		a, err := g.groupNamed(name)
		if err != nil {
			return err
		}
		var agents, groups int
		g.query(`SELECT (SELECT count(*) FROM agent WHERE group_id = ?1 AND deleted_at IS NULL),
			(SELECT count(*) FROM agent_group WHERE parent = ?1 AND deleted_at IS NULL)`, []any{a.id}, &agents, &groups)
		if g.err == nil && agents+groups > 0 {
			return fmt.Errorf("%w: %d agents and %d groups are in it", ErrNotEmpty, agents, groups)
		}
		a.deleted = true
		g.exec(`UPDATE agent_group SET deleted_at = ? WHERE id = ?`, g.at, a.id)
		g.groupEvent("group.delete", a, func(*line) {})
		return g.err
	})
	if err != nil {
		return fmt.Errorf("deleting group %q: %w", name, err)
	}
	return nil
}
