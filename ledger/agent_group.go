package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// agentGroup is a group of agents as the writer knows it.
type agentGroup struct {
	id      int64
	name    string
	parent  int64 // 0: none
	paused  bool
	deleted bool
	budgets map[Window]Micros
}

// NewGroup is what CreateGroup needs. Name is a path: a group acme/search is in
// acme, which must be there.
type NewGroup struct {
	Name    string
	Budgets map[Window]Micros // for each window that has one
}

// CreateGroup makes a group. ErrExists when a living group has the name.
func (l *Ledger) CreateGroup(ctx context.Context, n NewGroup) (Group, error) {
	if err := l.budgetsAllowed(); err != nil {
		return Group{}, err
	}
	if err := validGroup(n.Name, n.Budgets); err != nil {
		return Group{}, fmt.Errorf("creating group %q: %w", n.Name, err)
	}
	err := l.commitOne(ctx, func(g *commitGroup) error {
		switch _, err := g.groupNamed(n.Name); {
		case g.err != nil:
			return g.err
		case err == nil:
			return ErrExists
		}
		var parent int64
		if i := strings.LastIndexByte(n.Name, '/'); i >= 0 {
			p, err := g.groupNamed(n.Name[:i])
			if err != nil {
				return err
			}
			parent = p.id
		}
		g.createGroup(n, parent)
		return g.err
	})
	if err != nil {
		return Group{}, fmt.Errorf("creating group %q: %w", n.Name, err)
	}
	return l.Group(context.WithoutCancel(ctx), n.Name)
}

func validGroup(name string, budgets map[Window]Micros) error {
	if err := CheckGroupName(name); err != nil {
		return err
	}
	for w, b := range budgets {
		if err := w.check(); err != nil {
			return err
		}
		if err := validBudget(&b); err != nil {
			return err
		}
	}
	return nil
}

func (g *commitGroup) createGroup(n NewGroup, parent int64) {
	a := &agentGroup{name: n.Name, parent: parent, budgets: maps.Clone(n.Budgets)}
	if a.budgets == nil {
		a.budgets = make(map[Window]Micros)
	}
	a.id = g.insert(`INSERT INTO agent_group (name, parent, created_at) VALUES (?, ?, ?)`, "id", n.Name, orNull(parent != 0, parent), g.at)
	for _, w := range slices.Sorted(maps.Keys(a.budgets)) {
		g.exec(`INSERT INTO group_budget (group_id, "window", budget_micro) VALUES (?, ?, ?)`, a.id, string(w), int64(a.budgets[w]))
	}
	acc := &account{group: a.id, kind: GroupAccount}
	if b, ok := a.budgets[Total]; ok {
		acc.retarget(&b)
	}
	g.insertAccount(acc)
	if g.err == nil {
		g.rows.groups[a.id] = a
	}
	g.groupEvent("group.create", a, func(e *line) {
		e.budget(acc)
		a.describe(e)
	})
}

// groupEvent adds an event of a group to the trail.
func (g *commitGroup) groupEvent(action string, a *agentGroup, members func(e *line)) {
	g.event(action, nil, "", func(e *line) {
		e.text("group", a.name)
		e.number("group_id", a.id)
		members(e)
	})
}

// describe adds what a group may spend to an event.
func (a *agentGroup) describe(e *line) {
	for _, w := range slices.Sorted(maps.Keys(a.budgets)) {
		if w != Total {
			e.given(string(w)+"_budget_micro", a.budgets[w])
		}
	}
	e.flag("paused", a.paused)
}

// groupRefuses tells whether a group that the agent is in is paused.
func (g *commitGroup) groupRefuses(ag *agent) *Refusal {
	for id := ag.group; id != 0 && g.err == nil; {
		a := g.agentGroup(id)
		if a.paused {
			return &Refusal{Cause: CausePaused, Account: GroupAccount, Name: a.name}
		}
		id = a.parent
	}
	return nil
}

// groupAccountsOf are the accounts of the agent's group and of all that it is
// in: of each the total one, and that of every window that has a budget, which
// is opened on its first use.
func (g *commitGroup) groupAccountsOf(ag *agent) (ids []int64) {
	depth := 0
	for id := ag.group; id != 0 && g.err == nil; {
		a := g.agentGroup(id)
		ids = append(ids, g.groupTotal(a).id)
		for _, w := range []Window{Daily, Weekly, Monthly} {
			if b, ok := a.budgets[w]; ok && g.err == nil {
				acc := g.groupWindow(a, w)
				if acc == nil && g.err == nil {
					acc = g.openGroupWindow(a, w, b)
				}
				if acc != nil {
					ids = append(ids, acc.id)
				}
			}
		}
		if depth++; depth > pathMax/2 { // a part and a slash for each
			g.fail(fmt.Errorf("%w: group %s is inside itself", ErrCorrupt, a.name))
		}
		id = a.parent
	}
	return ids
}

func (g *commitGroup) openGroupWindow(a *agentGroup, w Window, budget Micros) *account {
	acc := &account{group: a.id, kind: GroupAccount, window: w, start: g.start(w).UnixMilli()}
	acc.retarget(&budget)
	g.insertAccount(acc)
	g.groupEvent("window.open", a, func(e *line) {
		e.text("window", string(w))
		e.text("start", fromMillis(acc.start).Format(timeFormat))
		e.budget(acc)
	})
	return acc
}
