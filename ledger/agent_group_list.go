package ledger

import (
	"context"
	"fmt"
	"time"
)

// Group is a node of the tree that agents are in, with its accounts.
type Group struct {
	ID        int64
	Name      string // the whole path
	Parent    string // "": it is a root
	Paused    bool
	CreatedAt time.Time
	// Account is of the group's whole life; its budget is nil where the group
	// has none for that.
	Account Account
	// Windows are the current ones of those that have a budget.
	Windows []Account
	Agents  []string // that are in it, not those of groups inside it
}

// Group finds a living group by its name.
func (l *Ledger) Group(ctx context.Context, name string) (Group, error) {
	groups, err := l.groups(ctx, ` AND g.name = ?`, name)
	switch {
	case err != nil:
		return Group{}, fmt.Errorf("group %q: %w", name, err)
	case len(groups) == 0:
		return Group{}, fmt.Errorf("group %q: %w", name, ErrNotFound)
	}
	return groups[0], nil
}

// Groups lists the living groups by name: each before those inside it.
func (l *Ledger) Groups(ctx context.Context) ([]Group, error) {
	groups, err := l.groups(ctx, ``)
	if err != nil {
		return nil, fmt.Errorf("listing groups: %w", err)
	}
	return groups, nil
}

func (l *Ledger) groups(ctx context.Context, where string, args ...any) ([]Group, error) {
	rs, err := l.read.QueryContext(ctx, `SELECT g.id, g.name, coalesce(p.name, ''), g.paused, g.created_at,
			c.id, c.budget_micro, c.spent_micro, c.reserved_micro, c.overrun_micro
		FROM agent_group g LEFT JOIN agent_group p ON p.id = g.parent
		JOIN account c ON c.group_id = g.id AND c.kind = 'group' AND c."window" = ''
		WHERE g.deleted_at IS NULL`+where+` ORDER BY g.name`, args...)
	if err != nil {
		return nil, l.explain(err)
	}
	defer rs.Close()
	var groups []Group
	for rs.Next() {
		var g Group
		var created int64
		if err := rs.Scan(&g.ID, &g.Name, &g.Parent, &g.Paused, &created,
			&g.Account.ID, &g.Account.Budget, &g.Account.Spent, &g.Account.Reserved, &g.Account.Overrun); err != nil {
			return nil, l.explain(err)
		}
		g.CreatedAt, g.Account.Kind, g.Account.Name, g.Account.Window = fromMillis(created), GroupAccount, g.Name, Total
		groups = append(groups, g)
	}
	if err := rs.Err(); err != nil {
		return nil, l.explain(err)
	}
	for i := range groups {
		if err := l.fillGroup(ctx, &groups[i]); err != nil {
			return nil, l.explain(err)
		}
	}
	return groups, nil
}

// fillGroup reads the windows and the agents of a group.
func (l *Ledger) fillGroup(ctx context.Context, g *Group) error {
	days, err := l.calendar(ctx)
	if err != nil {
		return err
	}
	now := l.now().UTC()
	rs, err := l.read.QueryContext(ctx, `SELECT b."window", b.budget_micro, coalesce(c.id, 0), c.budget_micro,
			coalesce(c.spent_micro, 0), coalesce(c.reserved_micro, 0), coalesce(c.overrun_micro, 0)
		FROM group_budget b LEFT JOIN account c ON c.group_id = b.group_id AND c.kind = 'group' AND c."window" = b."window"
			AND c.start_at = CASE b."window" WHEN 'daily' THEN ? WHEN 'weekly' THEN ? ELSE ? END
		WHERE b.group_id = ? AND b."window" <> 'total'
		ORDER BY CASE b."window" WHEN 'daily' THEN 1 WHEN 'weekly' THEN 2 ELSE 3 END`,
		append(days.starts(now), g.ID)...)
	if err != nil {
		return err
	}
	defer rs.Close()
	for rs.Next() {
		a := Account{Kind: GroupAccount, Name: g.Name}
		var budget Micros
		if err := rs.Scan(&a.Window, &budget, &a.ID, &a.Budget, &a.Spent, &a.Reserved, &a.Overrun); err != nil {
			return err
		}
		a.Start = days.start(a.Window, now)
		if a.ID == 0 { // not used yet in this window
			a.Budget = &budget
		}
		g.Windows = append(g.Windows, a)
	}
	if err := rs.Err(); err != nil {
		return err
	}
	names, err := l.read.QueryContext(ctx, `SELECT name FROM agent WHERE group_id = ? AND deleted_at IS NULL ORDER BY name`, g.ID)
	if err != nil {
		return err
	}
	defer names.Close()
	for names.Next() {
		var name string
		if err := names.Scan(&name); err != nil {
			return err
		}
		g.Agents = append(g.Agents, name)
	}
	return names.Err()
}
