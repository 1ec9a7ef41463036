package ledger_test

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

func (m *model) createAgent() {
	m.serial++
	a := &modelAgent{
		name: fmt.Sprintf("a%d", m.r.IntN(6)), budget: m.money(), windows: map[time.Time]*modelAccount{},
		window: pick(m, []ledger.Window{ledger.Total, ledger.Total, ledger.Daily, ledger.Weekly, ledger.Monthly}),
		token:  ledger.HashToken(fmt.Sprint("agent", m.serial)),
	}
	a.total = &modelAccount{kind: ledger.AgentAccount, name: a.name}
	n := ledger.NewAgent{Name: a.name, Budget: a.budget, Window: a.window}
	if a.group = pick(m, m.groups); a.group != nil {
		n.Group = a.group.name
	}
	exists := slices.ContainsFunc(m.agents, func(o *modelAgent) bool { return o.name == a.name })
	_, err := m.l.CreateAgent(m.t.Context(), n)
	if exists {
		if !errors.Is(err, ledger.ErrExists) {
			m.t.Fatalf("made %s twice: %v", a.name, err)
		}
		return
	}
	m.check(err)
	m.check(m.l.AddToken(m.t.Context(), ledger.NewToken{Hash: a.token, Agent: a.name, Scope: ledger.Execution}))
	if a.window == ledger.Total {
		a.total.retarget(a.budget)
	}
	m.agents = append(m.agents, a)
}

func (m *model) check(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// windowOf is the account of the agent's current window, made when asked.
func (m *model) windowOf(a *modelAgent) *modelAccount {
	if a.window == ledger.Total {
		return nil
	}
	start := m.start(a.window)
	if a.windows[start] == nil {
		a.windows[start] = &modelAccount{kind: ledger.WindowAccount, name: a.name, window: a.window}
		a.windows[start].retarget(a.budget)
	}
	return a.windows[start]
}

func (m *model) openRun() {
	a := pick(m, m.agents)
	if a == nil {
		return
	}
	m.serial++
	r := &modelRun{at: m.at, agent: a, state: ledger.RunOpen, token: ledger.HashToken(fmt.Sprint("run", m.serial)), acc: &modelAccount{kind: ledger.RunAccount, parent: a.total}}
	n := ledger.NewRun{Agent: a.name, Budget: m.money(), Program: "bot", Token: r.token, Metered: true}
	if p := pick(m, m.runs); p != nil && p.agent == a && p.at == m.at && !p.lost && p.state != ledger.RunEnding && m.r.IntN(2) == 0 {
		r.parent, r.acc.parent, n.Parent = p, p.acc, p.id
	}
	r.acc.retarget(n.Budget)
	got, err := m.l.OpenRun(m.t.Context(), n)
	m.check(err)
	r.id, r.acc.name = got.ID, string(got.ID)
	m.runs = append(m.runs, r)
}

func (m *model) path(a *modelAgent, r *modelRun) []*modelAccount {
	leaf := a.total
	if r != nil {
		leaf = r.acc
	}
	var p []*modelAccount
	for x := leaf; x != nil; x = x.parent {
		p = append(p, x)
	}
	if w := m.windowOf(a); w != nil {
		p = append(p, w)
	}
	return append(p, m.groupPath(a)...)
}

// expect is the cause of the refusal, or the hold's amount.
func (m *model) expect(a *modelAgent, r *modelRun, least, most micros, share func(micros) micros) (ledger.Cause, micros) {
	if a.pausedGroup() != nil {
		return ledger.CausePaused, 0
	}
	for x := r; x != nil; x = x.parent {
		switch x.state {
		case ledger.RunEnding:
			return ledger.CauseRunEnded, 0
		case ledger.RunPaused:
			return ledger.CausePaused, 0
		case ledger.RunExhausted:
			return ledger.CauseExhausted, 0
		}
	}
	fit := func(of func(*modelAccount) micros) (tight *modelAccount, amount micros) {
		for _, x := range m.path(a, r) {
			if x.limited && (tight == nil || of(x) < of(tight)) {
				tight = x
			}
		}
		switch {
		case tight == nil:
			return nil, most
		case least > of(tight):
			return tight, -1
		case most == 0:
			return tight, 0
		}
		if amount = share(of(tight)); amount == 0 {
			amount = -1
		}
		return tight, amount
	}
	exhausted := func() (ledger.Cause, micros) {
		if r != nil && r.state == ledger.RunOpen {
			m.become(r, ledger.RunExhausted)
		}
		return ledger.CauseExhausted, 0
	}
	for _, x := range m.path(a, r) {
		if x.over > 0 {
			return exhausted()
		}
	}
	if _, amount := fit((*modelAccount).room); amount >= 0 {
		return "", amount
	}
	tight, amount := fit(func(x *modelAccount) micros { return x.budget - x.spent })
	if amount >= 0 {
		return ledger.CauseBusy, 0
	}
	left := tight.budget - tight.spent
	if left == 0 || left*10 < tight.budget || r != nil && r.tooDear == 2 {
		return exhausted()
	}
	if r != nil {
		r.tooDear++
	}
	return ledger.CauseTooLarge, 0
}

func (m *model) admit() {
	a, r := pick(m, m.agents), pick(m, m.runs)
	if a == nil || r != nil && r.lost {
		return
	}
	token := a.token
	if r != nil && m.r.IntN(3) > 0 {
		a, token = r.agent, r.token
	} else {
		r = nil
	}
	most := micros(m.r.Int64N(800))
	if m.r.IntN(10) == 0 {
		most *= 10
	}
	least := micros(0)
	if most > 0 {
		least = 1 + micros(m.r.Int64N(int64(most)))
	}
	share := func(room micros) micros {
		if amount := min(most, max(room/2, min(room, 300))); amount >= least {
			return amount
		}
		return min(least, room)
	}
	was := r != nil && r.exhausted()
	elsewhere := r != nil && r.at != m.at
	var cause ledger.Cause
	var amount micros
	if elsewhere {
		cause = ledger.CauseToken
	} else {
		cause, amount = m.expect(a, r, least, most, share)
	}
	h, no, err := m.l.Admit(m.t.Context(), ledger.Admission{Token: token, Least: least, Most: most, Share: share})
	m.check(err)
	switch {
	case (no == nil) != (cause == "") || no != nil && no.Cause != cause:
		m.t.Fatalf("admit %d to %d: got %+v %+v, want cause %q or %d", least, most, h, no, cause, amount)
	case no == nil && h.Amount != amount:
		m.t.Fatalf("admit %d to %d: held %d, want %d", least, most, h.Amount, amount)
	case elsewhere:
		m.did["refused a run of another gateway"]++
	case no != nil:
		m.refused(a, r, no, least, was)
	default:
		mh := &modelHold{at: m.at, id: h.ID, amount: amount, path: m.path(a, r), agent: a, run: r, group: a.group}
		for _, x := range mh.path {
			x.reserved += amount
		}
		if r != nil {
			r.tooDear = 0
		}
		m.holds = append(m.holds, mh)
	}
}
