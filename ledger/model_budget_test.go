package ledger_test

import (
	"errors"
	"slices"

	"github.com/Auro-rium/aex/v3/ledger"
)

// reopen lets exhausted runs go on where every account of the path has room.
func (m *model) reopen(only func(*modelRun) bool) {
	for _, r := range m.runs {
		if r.state != ledger.RunExhausted || r.lost || !only(r) {
			continue
		}
		if !slices.ContainsFunc(m.path(r.agent, r), func(x *modelAccount) bool { return x.over > 0 || x.limited && x.room() <= 0 }) {
			m.become(r, ledger.RunOpen)
		}
	}
}

func (m *model) topUp() {
	by := micros(1 + m.r.Int64N(1000))
	if r := pick(m, m.runs); r != nil && !r.lost && m.r.IntN(2) == 0 {
		_, err := m.l.TopUpRun(m.t.Context(), r.id, by)
		if !r.acc.limited || r.state == ledger.RunEnding {
			if !errors.Is(err, ledger.ErrInvalid) {
				m.t.Fatalf("topped up what cannot be: %v", err)
			}
			return
		}
		m.check(err)
		by += r.acc.target
		r.acc.retarget(&by)
		m.reopen(func(x *modelRun) bool {
			for x != nil && x != r {
				x = x.parent
			}
			return x == r
		})
		return
	}
	a := pick(m, m.agents)
	if a == nil || a.budget == nil {
		return
	}
	_, err := m.l.TopUpAgent(m.t.Context(), a.name, by)
	m.check(err)
	acc := a.total
	if w := m.windowOf(a); w != nil {
		acc = w
	}
	by += acc.target
	acc.retarget(&by)
	if a.window == ledger.Total {
		a.budget = &by
	}
	m.reopen(func(r *modelRun) bool { return r.agent == a })
}

func (m *model) setBudget() {
	a := pick(m, m.agents)
	if a == nil {
		return
	}
	a.budget = m.money()
	_, err := m.l.SetAgent(m.t.Context(), a.name, ledger.AgentChange{Budget: &a.budget})
	m.check(err)
	if a.window == ledger.Total {
		a.total.retarget(a.budget)
	} else if w := m.windowOf(a); w != nil {
		w.retarget(a.budget)
	}
	m.reopen(func(r *modelRun) bool { return r.agent == a })
}

func (m *model) deleteAgent() {
	a := pick(m, m.agents)
	if a == nil {
		return
	}
	m.check(m.l.DeleteAgent(m.t.Context(), a.name))
	m.agents = slices.DeleteFunc(m.agents, func(x *modelAgent) bool { return x == a })
	for _, r := range m.runs {
		if r.agent == a && !r.lost {
			r.state = ledger.RunEnding
		}
	}
}

func (m *model) endRun() {
	r := pick(m, m.runs)
	if r == nil || r.lost {
		return
	}
	busy := slices.ContainsFunc(m.holds, func(h *modelHold) bool { return h.run == r && !h.recovered })
	_, err := m.l.EndRun(m.t.Context(), r.id, ledger.RunEnd{Outcome: "exited"})
	if busy {
		if !errors.Is(err, ledger.ErrUnsettled) {
			m.t.Fatalf("ended a run with calls in flight: %v", err)
		}
		return
	}
	m.check(err)
	r.state = ledger.RunEnding // nothing is admitted any more, like ended
	if slices.ContainsFunc(m.runs, func(x *modelRun) bool { return x.parent == r && !x.lost }) {
		return // kept for its children
	}
	m.compareRun(r)
	m.runs = slices.DeleteFunc(m.runs, func(x *modelRun) bool { return x == r })
}

// crash is what kill -9 of a gateway leaves: the owner's lock is free and its
// holds stay. Another gateway goes on with what is its own.
func (m *model) crash() {
	m.check(m.l.Close())
	m.open(m.at)
	for _, h := range m.holds {
		if h.recovered || h.at != m.at {
			continue
		}
		h.recovered = true
		m.spendIn(h.group, h.amount)
		for _, x := range h.path {
			x.charge(h.amount, h.amount)
		}
	}
	lost := func(r *modelRun) bool { return r.at == m.at }
	for _, r := range m.runs {
		if lost(r) {
			r.lost = true
			m.compareRun(r)
		}
	}
	if m.runs = slices.DeleteFunc(m.runs, lost); len(m.runs) > 0 {
		m.did["crashed with another alive"]++
	}
}
