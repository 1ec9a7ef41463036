package ledger_test

import (
	"errors"
	"slices"

	"github.com/Auro-rium/aex/v3/ledger"
)

// exhausted tells whether the run, or one around it, is out of money already.
func (r *modelRun) exhausted() bool {
	for x := r; x != nil; x = x.parent {
		if x.state == ledger.RunExhausted {
			return true
		}
	}
	return false
}

// refused checks that a refusal names an account of the path that has no room,
// with its true figures, or the group that is paused. A run that was exhausted
// before is refused for what has the least left, which may be enough by now.
func (m *model) refused(a *modelAgent, r *modelRun, no *ledger.Refusal, least micros, before bool) {
	switch no.Cause {
	case ledger.CauseRunEnded:
		return
	case ledger.CausePaused:
		if g := a.pausedGroup(); no.Account != ledger.GroupAccount || no.Name != g.name {
			m.t.Fatalf("group %s is paused: %+v", g.name, no)
		}
		m.did["refused for a pause"]++
		return
	}
	path := m.path(a, r)
	if before && !slices.ContainsFunc(path, func(x *modelAccount) bool { return x.limited }) {
		return // the budget that there was is gone
	}
	i := slices.IndexFunc(path, func(x *modelAccount) bool { return x.kind == no.Account && x.name == no.Name && x.window == no.Window })
	if i < 0 {
		m.t.Fatalf("refused for an account that is not on the path: %+v", no)
	}
	acc := path[i]
	if no.Budget != acc.budget || no.Spent != acc.spent || no.Reserved != acc.reserved || no.Overrun != acc.over {
		m.t.Fatalf("refused for %+v, which is %+v", no, *acc)
	}
	if !before && acc.over == 0 && (!acc.limited || acc.room() >= least) {
		m.t.Fatalf("refused %d for %+v, which has room", least, no)
	}
	m.did["refused for "+map[ledger.AccountKind]string{
		ledger.GroupAccount: "a group", ledger.RunAccount: "a run", ledger.AgentAccount: "an agent", ledger.WindowAccount: "a window",
	}[no.Account]]++
}

func (m *model) settle() {
	if len(m.ended) > 0 && m.r.IntN(10) == 0 {
		if _, err := m.l.Settle(m.t.Context(), pick(m, m.ended), ledger.Settlement{How: ledger.Settled, Cost: 1}); !errors.Is(err, ledger.ErrHoldEnded) {
			m.t.Fatalf("settled twice: %v", err)
		}
	}
	h := pick(m, m.holds)
	if h == nil {
		return
	}
	s := ledger.Settlement{How: pick(m, []ledger.How{ledger.Settled, ledger.Settled, ledger.Estimated, ledger.Cancelled})}
	cost := micros(m.r.Int64N(int64(h.amount) + 1))
	if m.r.IntN(8) == 0 {
		cost = h.amount + micros(m.r.Int64N(400))
	}
	s.Cost, s.Asks = cost, s.How == ledger.Estimated && m.r.IntN(2) == 0
	if s.How == ledger.Cancelled {
		cost = 0
	}
	out, err := m.l.Settle(m.t.Context(), h.id, s)
	m.check(err)
	if h.at != m.at {
		m.did["settled at another gateway"]++
	}
	worst, standing := m.charge(h, cost)
	if standing && h.run != nil && h.run.state == ledger.RunOpen {
		m.become(h.run, ledger.RunExhausted)
	}
	if out.Cost != cost || out.Overrun != worst || out.Late != h.recovered || out.RunEnds != (standing && h.run != nil) {
		m.t.Fatalf("settled %d of %d: %+v, want overrun %d", cost, h.amount, out, worst)
	}
	if s.Asks && !h.recovered { // its real cost may still come
		h.recovered, h.amount = true, cost
		return
	}
	m.holds = slices.DeleteFunc(m.holds, func(x *modelHold) bool { return x == h })
	m.ended = append(m.ended, h.id)
}

// charge books what a hold cost where it was taken, or the difference where
// it was booked before. worst is the most that an account could not take.
func (m *model) charge(h *modelHold, cost micros) (worst micros, standing bool) {
	held, more := h.amount, cost
	if h.recovered {
		held, more = 0, cost-h.amount
	}
	if h.group != nil && h.agent.group != h.group {
		m.did["settled elsewhere"]++
		if h.recovered {
			m.did["late elsewhere"]++
		}
	}
	m.spendIn(h.group, more)
	for _, x := range h.path {
		before := x.over
		x.charge(held, more)
		worst = max(worst, x.over-before)
		standing = standing || x.over > 0
	}
	return worst, standing
}

// spendIn keeps what was spent by calls that were let through in a group.
func (m *model) spendIn(g *modelGroup, cost micros) {
	name := ""
	if g != nil {
		name = g.name
	}
	m.costs[name] += cost
}
