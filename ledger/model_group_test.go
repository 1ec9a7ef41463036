package ledger_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// modelGroup is what a group must be. One that was deleted stays: holds that
// were taken from it settle there.
type modelGroup struct {
	id      int64
	name    string
	parent  *modelGroup
	paused  bool
	total   *modelAccount
	budgets map[ledger.Window]micros
	windows map[modelWindow]*modelAccount
}

type modelWindow struct {
	window ledger.Window
	start  time.Time
}

var groupWindows = []ledger.Window{ledger.Total, ledger.Daily, ledger.Weekly, ledger.Monthly}

// start of a window that now lies in.
func (m *model) start(w ledger.Window) time.Time {
	y, mo, d := m.now.Date()
	day := time.Date(y, mo, d, 0, 0, 0, 0, time.UTC)
	switch w {
	case ledger.Weekly:
		for day.Weekday() != time.Monday {
			day = day.AddDate(0, 0, -1)
		}
	case ledger.Monthly:
		day = day.AddDate(0, 0, 1-d)
	}
	return day
}

// window is the account of a group's current window, made when asked.
func (m *model) window(g *modelGroup, w ledger.Window) *modelAccount {
	if w == ledger.Total {
		return g.total
	}
	key := modelWindow{w, m.start(w)}
	if g.windows[key] == nil {
		g.windows[key] = &modelAccount{kind: ledger.GroupAccount, name: g.name, window: w}
		if b, ok := g.budgets[w]; ok {
			g.windows[key].retarget(&b)
		}
	}
	return g.windows[key]
}

// groupPath are the accounts of the agent's group and of all around it.
func (m *model) groupPath(a *modelAgent) (path []*modelAccount) {
	for g := a.group; g != nil; g = g.parent {
		path = append(path, g.total)
		for _, w := range groupWindows[1:] {
			if _, ok := g.budgets[w]; ok {
				path = append(path, m.window(g, w))
			}
		}
	}
	return path
}

func (g *modelGroup) inside(other *modelGroup) bool {
	for x := g; x != nil; x = x.parent {
		if x == other {
			return true
		}
	}
	return false
}

// pausedGroup is the lowest group of the agent that is paused.
func (a *modelAgent) pausedGroup() *modelGroup {
	for g := a.group; g != nil; g = g.parent {
		if g.paused {
			return g
		}
	}
	return nil
}

func (m *model) createGroup() {
	g := &modelGroup{
		parent: pick(m, append(slices.Clone(m.groups), nil, nil)), budgets: map[ledger.Window]micros{}, windows: map[modelWindow]*modelAccount{},
		name: string(rune('p' + m.r.IntN(3))), // a name comes again, also of one that is deleted
	}
	if g.parent != nil {
		g.name = g.parent.name + "/" + g.name
	}
	for _, w := range groupWindows {
		if m.r.IntN(3) == 0 {
			g.budgets[w] = micros(m.r.Int64N(40_000))
		}
	}
	g.total = &modelAccount{kind: ledger.GroupAccount, name: g.name}
	if b, ok := g.budgets[ledger.Total]; ok {
		g.total.retarget(&b)
	}
	exists := slices.ContainsFunc(m.groups, func(o *modelGroup) bool { return o.name == g.name })
	made, err := m.l.CreateGroup(m.t.Context(), ledger.NewGroup{Name: g.name, Budgets: g.budgets})
	if exists {
		if !errors.Is(err, ledger.ErrExists) {
			m.t.Fatalf("made group %s twice: %v", g.name, err)
		}
		return
	}
	m.check(err)
	g.id = made.ID
	m.groups, m.everyGroup = append(m.groups, g), append(m.everyGroup, g)
}

// moveAgent moves an agent to another group, or out of all.
func (m *model) moveAgent() {
	if a := pick(m, m.agents); a != nil {
		m.moveTo(a, pick(m, append(slices.Clone(m.groups), nil)))
	}
}

func (m *model) moveTo(a *modelAgent, to *modelGroup) {
	if slices.ContainsFunc(m.holds, func(h *modelHold) bool { return h.agent == a && h.group != nil && !h.recovered }) {
		m.did["moved with calls on their way"]++
	}
	a.group = to
	name := ""
	if to != nil {
		name = to.name
	}
	got, err := m.l.SetAgent(m.t.Context(), a.name, ledger.AgentChange{Group: &name})
	m.check(err)
	if got.Group != name {
		m.t.Fatalf("%s is in %q, not in %q", a.name, got.Group, name)
	}
	m.reopen(func(r *modelRun) bool { return r.agent == a })
}

func (m *model) reopenInside(g *modelGroup) {
	m.reopen(func(r *modelRun) bool { return r.agent.group.inside(g) })
}

func (m *model) setGroupBudget() {
	g := pick(m, m.groups)
	if g == nil {
		return
	}
	w, b := pick(m, groupWindows), micros(m.r.Int64N(50_000))
	account, budget := m.window(g, w), &b
	if m.r.IntN(4) == 0 {
		budget = nil
		delete(g.budgets, w)
	} else {
		g.budgets[w] = b
	}
	account.retarget(budget)
	_, err := m.l.SetGroup(m.t.Context(), g.name, ledger.GroupChange{Budgets: map[ledger.Window]*micros{w: budget}})
	m.check(err)
	m.reopenInside(g)
}

func (m *model) pauseGroup() {
	g := pick(m, m.groups)
	if g == nil {
		return
	}
	g.paused = !g.paused && m.r.IntN(6) == 0
	_, err := m.l.SetGroup(m.t.Context(), g.name, ledger.GroupChange{Paused: &g.paused})
	m.check(err)
	m.reopenInside(g)
}

func (m *model) topUpGroup() {
	g := pick(m, m.groups)
	if g == nil {
		return
	}
	w, by := pick(m, groupWindows), micros(1+m.r.Int64N(4000))
	_, err := m.l.TopUpGroup(m.t.Context(), g.name, w, by)
	if _, has := g.budgets[w]; !has {
		if !errors.Is(err, ledger.ErrNoBudget) {
			m.t.Fatalf("topped up a budget that %s does not have: %v", g.name, err)
		}
		return
	}
	m.check(err)
	acc := m.window(g, w)
	target := acc.target + by
	acc.retarget(&target)
	if w == ledger.Total {
		g.budgets[w] = target
	}
	m.did["topped up"]++
	m.reopenInside(g)
}

func (m *model) deleteGroup() {
	g := pick(m, m.groups)
	if g == nil {
		return
	}
	if m.r.IntN(2) == 0 {
		for _, a := range m.agents {
			if a.group == g {
				m.moveTo(a, nil)
			}
		}
	}
	full := slices.ContainsFunc(m.agents, func(a *modelAgent) bool { return a.group == g }) ||
		slices.ContainsFunc(m.groups, func(o *modelGroup) bool { return o.parent == g })
	err := m.l.DeleteGroup(m.t.Context(), g.name)
	if full {
		if !errors.Is(err, ledger.ErrNotEmpty) {
			m.t.Fatalf("deleted %s, which is not empty: %v", g.name, err)
		}
		return
	}
	m.check(err)
	m.did["deleted"]++
	if slices.ContainsFunc(m.holds, func(h *modelHold) bool { return h.group == g }) {
		m.did["deleted with calls on their way"]++
	}
	m.groups = slices.DeleteFunc(m.groups, func(o *modelGroup) bool { return o == g })
}

// compareGroup compares a living group and its windows.
func (m *model) compareGroup(g *modelGroup) {
	got, err := m.l.Group(m.t.Context(), g.name)
	m.check(err)
	if got.ID != g.id || got.Paused != g.paused {
		m.t.Fatalf("group %s is %+v", g.name, got)
	}
	m.compare("group "+g.name, got.Account, g.total)
	has := map[ledger.Window]bool{}
	for _, w := range got.Windows {
		has[w.Window] = true
		m.compare("group "+g.name+" "+string(w.Window), w, m.window(g, w.Window))
	}
	for w := range g.budgets {
		if w != ledger.Total && !has[w] {
			m.t.Fatalf("group %s shows no %s window: %+v", g.name, w, got.Windows)
		}
	}
	if extra := len(has) - len(g.budgets); extra > 0 {
		m.t.Fatalf("group %s has the budgets %v, and shows %+v", g.name, g.budgets, got.Windows)
	}
}

// compareSums compares what reports say of groups with what was spent in each
// when its calls were let through.
func (m *model) compareSums() {
	sums, err := m.l.Spend(m.t.Context(), ledger.SpendFilter{By: ledger.ByGroup})
	m.check(err)
	got, want := map[string]micros{}, maps.Clone(m.costs)
	for _, s := range sums {
		got[s.Key] = s.Cost
	}
	for _, all := range []map[string]micros{got, want} {
		maps.DeleteFunc(all, func(_ string, cost micros) bool { return cost == 0 })
	}
	if !maps.Equal(got, want) {
		m.t.Fatalf("by group %v, want %v", got, want)
	}
	for _, g := range m.groups {
		var inside, told micros
		for name, cost := range m.costs {
			if name == g.name || strings.HasPrefix(name, g.name+"/") {
				inside += cost
			}
		}
		of, err := m.l.Spend(m.t.Context(), ledger.SpendFilter{Group: g.name})
		m.check(err)
		for _, s := range of {
			told += s.Cost
		}
		if told != inside {
			m.t.Fatalf("group %s spent %d with those inside, want %d", g.name, told, inside)
		}
	}
}
