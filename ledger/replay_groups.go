package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// groupWas is what the trail says of a group.
type groupWas struct {
	ID      int64             `json:"group_id"`
	Name    string            `json:"group"`
	Paused  bool              `json:"paused,omitempty"`
	Deleted bool              `json:"deleted,omitempty"`
	Budgets map[Window]Micros `json:"budgets,omitempty"` // but for that of all time, which its account has
}

// tree is what the trail says of groups, and of who is in which.
type tree struct {
	groups  map[int64]groupWas
	living  map[string]int64 // by name
	members map[string]int64 // the group of an agent, by Agent.ID
	// unknown: the trail begins with a checkpoint that does not tell of groups.
	unknown bool
}

func newTree() tree {
	return tree{groups: make(map[int64]groupWas), living: make(map[string]int64), members: make(map[string]int64)}
}

func (t *tree) add(e replayedEvent) {
	switch e.Action {
	case "group.create", "group.set":
		was := groupWas{ID: e.GroupID, Name: e.group(), Paused: e.Paused, Budgets: make(map[Window]Micros)}
		for w, b := range map[Window]*Micros{Daily: e.Daily, Weekly: e.Weekly, Monthly: e.Monthly} {
			if b != nil {
				was.Budgets[w] = *b
			}
		}
		t.groups[was.ID], t.living[was.Name] = was, was.ID
	case "group.delete":
		was := t.groups[e.GroupID]
		was.Deleted = true
		t.groups[e.GroupID] = was
		delete(t.living, was.Name)
	case "agent.create", "agent.set":
		if e.Group != nil {
			t.members[e.AgentID] = t.living[*e.Group] // 0 for ""
		}
	case "agent.delete":
		delete(t.members, e.AgentID)
	}
}

func (e replayedEvent) group() string {
	if e.Group == nil {
		return ""
	}
	return *e.Group
}

// foldedTree is what a checkpoint keeps of it.
type foldedTree struct {
	Groups  []groupWas       `json:"groups"`
	Members map[string]int64 `json:"members,omitempty"` // by Agent.ID
}

func (t *tree) fold() *foldedTree {
	if t.unknown {
		return nil
	}
	f := &foldedTree{Groups: slices.Collect(maps.Values(t.groups)), Members: t.members}
	slices.SortFunc(f.Groups, func(a, b groupWas) int { return int(a.ID - b.ID) })
	return f
}

func (t *tree) startFrom(f *foldedTree) {
	if t.unknown = f == nil; t.unknown {
		return
	}
	for _, g := range f.Groups {
		if t.groups[g.ID] = g; !g.Deleted {
			t.living[g.Name] = g.ID
		}
	}
	maps.Copy(t.members, f.Members)
}

// groups checks that every group is what the trail says, and that every agent
// is in the group that it was last moved to.
func (a *audit) groups(ctx context.Context) (string, error) {
	t := &a.replay.tree
	if t.unknown {
		return "", nil
	}
	told := maps.Clone(t.groups)
	bad, err := a.eachRow(ctx, `SELECT g.id, g.name, coalesce(p.name, ''), g.paused, g.deleted_at IS NOT NULL,
			(SELECT budget_micro FROM group_budget b WHERE b.group_id = g.id AND b."window" = 'total') IS NOT DISTINCT FROM c.target_micro
		FROM agent_group g LEFT JOIN agent_group p ON p.id = g.parent
		JOIN account c ON c.group_id = g.id AND c.kind = 'group' AND c."window" = '' ORDER BY g.id`, func(rs *sql.Rows) (string, error) {
		var is groupWas
		var parent string
		var total bool
		if err := rs.Scan(&is.ID, &is.Name, &parent, &is.Paused, &is.Deleted, &total); err != nil {
			return "", err
		}
		was, known := told[is.ID]
		delete(told, is.ID)
		around := is.Name[:max(0, strings.LastIndexByte(is.Name, '/'))]
		switch {
		case !known:
			return fmt.Sprintf("group %d was never made by an event", is.ID), nil
		case was.Name != is.Name || around != parent:
			return fmt.Sprintf("group %d is %q in %q, its events say %q", is.ID, is.Name, parent, was.Name), nil
		case was.Paused != is.Paused || was.Deleted != is.Deleted:
			return fmt.Sprintf("group %d is paused: %t, deleted: %t; its events say %t and %t", is.ID, is.Paused, is.Deleted, was.Paused, was.Deleted), nil
		case !total:
			return fmt.Sprintf("group %d has another budget for all time than its account", is.ID), nil
		}
		return "", nil
	})
	if bad == "" && err == nil {
		for id := range told {
			return fmt.Sprintf("group %d is gone, its events are not", id), nil
		}
		bad, err = a.groupBudgets(ctx)
	}
	if bad == "" && err == nil {
		bad, err = a.members(ctx)
	}
	return bad, err
}

// groupBudgets compares the budgets that later windows will have.
func (a *audit) groupBudgets(ctx context.Context) (string, error) {
	has := map[int64]map[Window]Micros{}
	_, err := a.eachRow(ctx, `SELECT group_id, "window", budget_micro FROM group_budget WHERE "window" <> 'total'`, func(rs *sql.Rows) (string, error) {
		var id int64
		var w Window
		var b Micros
		err := rs.Scan(&id, &w, &b)
		if has[id] == nil {
			has[id] = make(map[Window]Micros)
		}
		has[id][w] = b
		return "", err
	})
	for id, was := range a.replay.tree.groups {
		if !maps.Equal(was.Budgets, has[id]) {
			return fmt.Sprintf("group %d has the budgets %v, its events say %v", id, has[id], was.Budgets), err
		}
	}
	return "", err
}

func (a *audit) members(ctx context.Context) (string, error) {
	return a.eachRow(ctx, `SELECT id, coalesce(group_id, 0) FROM agent WHERE deleted_at IS NULL ORDER BY id`, func(rs *sql.Rows) (string, error) {
		var id, in int64
		err := rs.Scan(&id, &in)
		if was := a.replay.tree.members[publicID(id)]; err == nil && was != in {
			return fmt.Sprintf("agent %s is in group %d, its events say %d", publicID(id), in, was), nil
		}
		return "", err
	})
}

// eachRow calls check for every row; the first complaint wins.
func (a *audit) eachRow(ctx context.Context, query string, check func(*sql.Rows) (string, error)) (string, error) {
	rs, err := a.tx.QueryContext(ctx, query)
	if err != nil {
		return "", err
	}
	defer rs.Close()
	for rs.Next() {
		if bad, err := check(rs); bad != "" || err != nil {
			return bad, err
		}
	}
	return "", rs.Err()
}
