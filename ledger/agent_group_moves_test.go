package ledger_test

import (
	"errors"
	"slices"
	"strings"

	"github.com/Auro-rium/aex/v3/ledger"
)

func (m *treeModel) settle() {
	if len(m.holds) == 0 {
		return
	}
	i := m.r.IntN(len(m.holds))
	h := m.holds[i]
	m.holds = slices.Delete(m.holds, i, i+1)
	s := ledger.Settlement{How: ledger.Settled, Cost: micros(m.r.Int64N(int64(h.amount) + 1))}
	if m.r.IntN(8) == 0 {
		s.Cost = h.amount + micros(m.r.Int64N(500))
	}
	_, err := m.l.Settle(m.t.Context(), h.id, s)
	m.check(err)
	for _, acc := range h.path {
		acc.charge(h.amount, s.Cost)
	}
}

func (m *treeModel) setBudget() {
	g := one(m.r, m.groups)
	if g == nil {
		return
	}
	w, b := one(m.r, treeWindows), micros(m.r.Int64N(400_000))
	budget := &b
	if m.r.IntN(4) == 0 {
		budget = nil
		delete(g.budgets, w)
	} else {
		g.budgets[w] = b
	}
	if acc := m.window(g, w, false); acc != nil {
		acc.retarget(budget)
	}
	_, err := m.l.SetGroup(m.t.Context(), g.name, ledger.GroupChange{Budgets: map[ledger.Window]*micros{w: budget}})
	m.check(err)
}

func (m *treeModel) pause() {
	if g := one(m.r, m.groups); g != nil {
		g.paused = !g.paused && m.r.IntN(8) == 0
		_, err := m.l.SetGroup(m.t.Context(), g.name, ledger.GroupChange{Paused: &g.paused})
		m.check(err)
	}
}

func (m *treeModel) topUp() {
	g := one(m.r, m.groups)
	if g == nil || len(g.budgets) == 0 {
		return
	}
	var has []ledger.Window
	for _, w := range treeWindows {
		if _, ok := g.budgets[w]; ok {
			has = append(has, w)
		}
	}
	w, by := one(m.r, has), micros(1+m.r.Int64N(60_000))
	acc := m.window(g, w, true)
	target := acc.target + by
	acc.retarget(&target)
	if w == ledger.Total {
		g.budgets[w] = target
	}
	_, err := m.l.TopUpGroup(m.t.Context(), g.name, w, by)
	m.check(err)
}

func (m *treeModel) deleteGroup() {
	g := one(m.r, m.groups)
	if g == nil {
		return
	}
	full := slices.ContainsFunc(m.agents, func(a *treeAgent) bool { return a.group == g }) ||
		slices.ContainsFunc(m.groups, func(o *treeGroup) bool { return o.parent == g })
	err := m.l.DeleteGroup(m.t.Context(), g.name)
	if full {
		if !errors.Is(err, ledger.ErrInvalid) || !strings.Contains(err.Error(), "not empty") {
			m.t.Fatalf("deleted %s, which is not empty: %v", g.name, err)
		}
		return
	}
	m.check(err)
	m.did["deleted"]++
	m.gone = append(m.gone, g)
	m.groups = slices.DeleteFunc(m.groups, func(o *treeGroup) bool { return o == g })
}

// crash leaves open holds behind, which the next process settles in full where
// they were taken.
func (m *treeModel) crash() {
	m.check(m.l.Close())
	for _, h := range m.holds {
		for _, acc := range h.path {
			acc.charge(h.amount, h.amount)
		}
	}
	m.holds = nil
	m.open()
}
