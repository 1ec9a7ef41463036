package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
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

// Accounts are those of the group: the one of its whole life, and its windows.
func (g Group) Accounts() []Account { return append([]Account{g.Account}, g.Windows...) }

// Group finds a living group by its name.
func (l *Ledger) Group(ctx context.Context, name string) (Group, error) {
	groups, err := l.groups(ctx, true, ` AND g.name = ?`, name)
	switch {
	case err != nil:
		return Group{}, fmt.Errorf("group %q: %w", name, err)
	case len(groups) == 0:
		return Group{}, fmt.Errorf("group %q: %w", name, ErrNotFound)
	}
	return groups[0], nil
}

// Groups lists the living groups by name: each is followed by those inside it.
func (l *Ledger) Groups(ctx context.Context) ([]Group, error) {
	groups, err := l.groups(ctx, true, ``)
	if err != nil {
		return nil, fmt.Errorf("listing groups: %w", err)
	}
	return groups, nil
}

// GroupsAround are a living group and all around it, itself first, without the
// agents that are in them. There are none around "".
func (l *Ledger) GroupsAround(ctx context.Context, name string) ([]Group, error) {
	if name == "" {
		return nil, nil
	}
	groups, err := l.groups(ctx, false, ` AND g.id IN (
		WITH RECURSIVE around (id, parent) AS (
			SELECT id, parent FROM agent_group WHERE name = ? AND deleted_at IS NULL
			UNION SELECT p.id, p.parent FROM agent_group p JOIN around a ON p.id = a.parent
		) SELECT id FROM around)`, name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("group %q: %w", name, err)
	case len(groups) == 0:
		return nil, fmt.Errorf("group %q: %w", name, ErrNotFound)
	}
	slices.Reverse(groups)
	return groups, nil
}

// groups reads the living groups that where picks, with their windows and, if
// asked for, their agents.
func (l *Ledger) groups(ctx context.Context, agents bool, where string, args ...any) ([]Group, error) {
	from := groupQuery{` WHERE g.deleted_at IS NULL` + where, args, map[int64]*Group{}}
	var groups []*Group
	err := l.eachRow(ctx, `SELECT g.id, g.name, coalesce(p.name, ''), g.paused, g.created_at,
			c.id, c.budget_micro, c.spent_micro, c.reserved_micro, c.overrun_micro
		FROM agent_group g LEFT JOIN agent_group p ON p.id = g.parent
		JOIN account c ON c.group_id = g.id AND c.kind = 'group' AND c."window" = ''`+from.rest, args, func(rs *sql.Rows) error {
		g := new(Group)
		var created int64
		err := rs.Scan(&g.ID, &g.Name, &g.Parent, &g.Paused, &created,
			&g.Account.ID, &g.Account.Budget, &g.Account.Spent, &g.Account.Reserved, &g.Account.Overrun)
		g.CreatedAt, g.Account.Kind, g.Account.Name, g.Account.Window = fromMillis(created), GroupAccount, g.Name, Total
		groups, from.found[g.ID] = append(groups, g), g
		return err
	})
	if err == nil {
		err = l.groupWindows(ctx, from)
	}
	if err == nil && agents {
		err = l.groupAgents(ctx, from)
	}
	// A / comes before all else, so that a group is followed by its own.
	slices.SortFunc(groups, func(a, b *Group) int {
		return cmp.Compare(strings.ReplaceAll(a.Name, "/", "\x00"), strings.ReplaceAll(b.Name, "/", "\x00"))
	})
	all := make([]Group, 0, len(groups))
	for _, g := range groups {
		all = append(all, *g)
	}
	return all, err
}

// groupQuery picks groups. What is read of them goes to those that were found.
type groupQuery struct {
	rest  string // of a query of agent_group g
	args  []any
	found map[int64]*Group
}

func (l *Ledger) groupWindows(ctx context.Context, q groupQuery) error {
	days, err := l.calendar(ctx)
	if err != nil {
		return l.explain(err)
	}
	now := l.now().UTC()
	return l.eachRow(ctx, `SELECT g.id, b."window", b.budget_micro, coalesce(c.id, 0), c.budget_micro,
			coalesce(c.spent_micro, 0), coalesce(c.reserved_micro, 0), coalesce(c.overrun_micro, 0)
		FROM agent_group g JOIN group_budget b ON b.group_id = g.id AND b."window" <> 'total'
		LEFT JOIN account c ON c.group_id = g.id AND c.kind = 'group' AND c."window" = b."window"
			AND c.start_at = CASE b."window" WHEN 'daily' THEN CAST(? AS BIGINT) WHEN 'weekly' THEN CAST(? AS BIGINT) ELSE CAST(? AS BIGINT) END`+q.rest+
		` ORDER BY CASE b."window" WHEN 'daily' THEN 1 WHEN 'weekly' THEN 2 ELSE 3 END`, append(days.starts(now), q.args...), func(rs *sql.Rows) error {
		a := Account{Kind: GroupAccount}
		var of int64
		var budget Micros
		err := rs.Scan(&of, &a.Window, &budget, &a.ID, &a.Budget, &a.Spent, &a.Reserved, &a.Overrun)
		g := q.found[of]
		if err != nil || g == nil { // made since
			return err
		}
		a.Name, a.Start = g.Name, days.start(a.Window, now)
		if a.ID == 0 { // not used yet in this window
			a.Budget = &budget
		}
		g.Windows = append(g.Windows, a)
		return nil
	})
}

func (l *Ledger) groupAgents(ctx context.Context, q groupQuery) error {
	return l.eachRow(ctx, `SELECT g.id, a.name FROM agent_group g JOIN agent a ON a.group_id = g.id AND a.deleted_at IS NULL`+q.rest+` ORDER BY a.name`, q.args, func(rs *sql.Rows) error {
		var of int64
		var name string
		err := rs.Scan(&of, &name)
		if g := q.found[of]; g != nil {
			g.Agents = append(g.Agents, name)
		}
		return err
	})
}

// eachRow reads all rows of a query outside the writer.
func (l *Ledger) eachRow(ctx context.Context, query string, args []any, row func(*sql.Rows) error) error {
	rs, err := l.read.QueryContext(ctx, query, args...)
	if err != nil {
		return l.explain(err)
	}
	defer rs.Close()
	for rs.Next() {
		if err := row(rs); err != nil {
			return l.explain(err)
		}
	}
	return l.explain(rs.Err())
}
