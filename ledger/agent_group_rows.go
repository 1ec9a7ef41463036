package ledger

import "fmt"

const groupColumns = `id, name, coalesce(parent, 0), paused, deleted_at IS NOT NULL`

func (a *agentGroup) fields() []any { return []any{&a.id, &a.name, &a.parent, &a.paused, &a.deleted} }

// agentGroup finds a group that a row names.
func (g *commitGroup) agentGroup(id int64) *agentGroup {
	if a := g.rows.groups[id]; a != nil {
		return a
	}
	a := new(agentGroup)
	if !g.query(`SELECT `+groupColumns+` FROM agent_group WHERE id = ?`, []any{id}, a.fields()...) {
		g.fail(fmt.Errorf("%w: group %d is missing", ErrCorrupt, id))
		return a
	}
	return g.keepGroup(a)
}

// groupNamed finds a living group.
func (g *commitGroup) groupNamed(name string) (*agentGroup, error) {
	var id int64
	if !g.query(`SELECT id FROM agent_group WHERE name = ? AND deleted_at IS NULL`, []any{name}, &id) {
		if g.err != nil {
			return nil, g.err
		}
		return nil, fmt.Errorf("group %q: %w", name, ErrNotFound)
	}
	return g.agentGroup(id), g.err
}

// groupFor is the id of the group of a name; 0 for "".
func (g *commitGroup) groupFor(name string) (int64, error) {
	if name == "" {
		return 0, nil
	}
	a, err := g.groupNamed(name)
	if err != nil {
		return 0, err
	}
	return a.id, nil
}

// keepGroup reads the budgets of a group, and keeps it.
func (g *commitGroup) keepGroup(a *agentGroup) *agentGroup {
	a.budgets = make(map[Window]Micros)
	g.each(`SELECT "window", budget_micro FROM group_budget WHERE group_id = ?`, []any{a.id}, func(scan func(...any) error) error {
		var w Window
		var b Micros
		err := scan(&w, &b)
		a.budgets[w] = b
		return err
	})
	if g.err == nil {
		g.rows.groups[a.id] = a
		g.saw("setting of group", a.id, a.setting())
	}
	return a
}

// groupTotal is a group's account for its whole life.
func (g *commitGroup) groupTotal(a *agentGroup) *account {
	acc := g.groupAccount(windowKey{a.id, "", 0})
	if acc == nil {
		g.fail(fmt.Errorf("%w: group %d has no account", ErrCorrupt, a.id))
		return new(account)
	}
	return acc
}

// groupWindow is the account of the group's current window; nil when
// there is none yet.
func (g *commitGroup) groupWindow(a *agentGroup, w Window) *account {
	return g.groupAccount(windowKey{a.id, w, g.start(w).UnixMilli()})
}

func (g *commitGroup) groupAccount(key windowKey) *account {
	if acc := g.rows.groupAccounts[key]; acc != nil {
		return acc
	}
	return g.accountWhere(`group_id = ? AND kind = 'group' AND "window" = ? AND start_at = ?`, key.of, string(key.window), key.start)
}
