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
		name: fmt.Sprintf("a%d", m.r.IntN(6)), budget: m.money(), windows: map[time.Time]*modelAccount{}, total: &modelAccount{},
		window: pick(m, []ledger.Window{ledger.Total, ledger.Total, ledger.Daily, ledger.Weekly, ledger.Monthly}),
		token:  ledger.HashToken(fmt.Sprint("agent", m.serial)),
	}
	exists := slices.ContainsFunc(m.agents, func(o *modelAgent) bool { return o.name == a.name })
	_, err := m.l.CreateAgent(m.t.Context(), ledger.NewAgent{Name: a.name, Budget: a.budget, Window: a.window})
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
	y, mo, d := m.now.Date()
	var start time.Time
	switch a.window {
	case ledger.Total:
		return nil
	case ledger.Daily:
		start = time.Date(y, mo, d, 0, 0, 0, 0, time.UTC)
	case ledger.Weekly:
		start = time.Date(y, mo, d, 0, 0, 0, 0, time.UTC)
		for start.Weekday() != time.Monday {
			start = start.AddDate(0, 0, -1)
		}
	case ledger.Monthly:
		start = time.Date(y, mo, 1, 0, 0, 0, 0, time.UTC)
	}
	if a.windows[start] == nil {
		a.windows[start] = &modelAccount{}
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
	r := &modelRun{agent: a, state: ledger.RunOpen, token: ledger.HashToken(fmt.Sprint("run", m.serial)), acc: &modelAccount{parent: a.total}}
	n := ledger.NewRun{Agent: a.name, Budget: m.money(), Program: "bot", Token: r.token, Metered: true}
	if p := pick(m, m.runs); p != nil && p.agent == a && !p.lost && p.state != ledger.RunEnding && m.r.IntN(2) == 0 {
		r.parent, r.acc.parent, n.Parent = p, p.acc, p.id
	}
	r.acc.retarget(n.Budget)
	got, err := m.l.OpenRun(m.t.Context(), n)
	m.check(err)
	r.id = got.ID
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
	return p
}

// expect is the cause of the refusal, or the hold's amount.
func (m *model) expect(a *modelAgent, r *modelRun, least, most micros, share func(micros) micros) (ledger.Cause, micros) {
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
			r.state = ledger.RunExhausted
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
	if left == 0 || left*10 < tight.budget || r != nil && r.dear == 2 {
		return exhausted()
	}
	if r != nil {
		r.dear++
	}
	return ledger.CauseTooDear, 0
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
	cause, amount := m.expect(a, r, least, most, share)
	h, no, err := m.l.Admit(m.t.Context(), ledger.Admission{Token: token, Least: least, Most: most, Share: share})
	m.check(err)
	switch {
	case (no == nil) != (cause == "") || no != nil && no.Cause != cause:
		m.t.Fatalf("admit %d to %d: got %+v %+v, want cause %q or %d", least, most, h, no, cause, amount)
	case no == nil && h.Amount != amount:
		m.t.Fatalf("admit %d to %d: held %d, want %d", least, most, h.Amount, amount)
	case no == nil:
		mh := &modelHold{id: h.ID, amount: amount, path: m.path(a, r), run: r}
		for _, x := range mh.path {
			x.reserved += amount
		}
		if r != nil {
			r.dear = 0
		}
		m.holds = append(m.holds, mh)
	}
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
	s.Cost = cost
	if s.How == ledger.Cancelled {
		cost = 0
	}
	out, err := m.l.Settle(m.t.Context(), h.id, s)
	m.check(err)
	before := make([]micros, len(h.path))
	var worst micros
	standing := false
	for i, x := range h.path {
		before[i] = x.over
		if h.recovered {
			x.charge(0, cost-h.amount)
		} else {
			x.charge(h.amount, cost)
		}
		worst = max(worst, x.over-before[i])
		standing = standing || x.over > 0
	}
	if standing && h.run != nil && h.run.state == ledger.RunOpen {
		h.run.state = ledger.RunExhausted
	}
	if out.Cost != cost || out.Overrun != worst || out.Late != h.recovered || out.RunEnds != (standing && h.run != nil) {
		m.t.Fatalf("settled %d of %d: %+v, want overrun %d", cost, h.amount, out, worst)
	}
	m.holds = slices.DeleteFunc(m.holds, func(x *modelHold) bool { return x == h })
	m.ended = append(m.ended, h.id)
}

// reopen lets exhausted runs go on where every account of the path has room.
func (m *model) reopen(only func(*modelRun) bool) {
	for _, r := range m.runs {
		if r.state != ledger.RunExhausted || r.lost || !only(r) {
			continue
		}
		if !slices.ContainsFunc(m.path(r.agent, r), func(x *modelAccount) bool { return x.over > 0 || x.limited && x.room() <= 0 }) {
			r.state, r.dear = ledger.RunOpen, 0
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
		if !errors.Is(err, ledger.ErrInvalid) {
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

// crash is what kill -9 leaves: the owner's lock is free and its holds stay.
func (m *model) crash() {
	m.check(m.l.Close())
	m.open()
	for _, h := range m.holds {
		if h.recovered {
			continue
		}
		h.recovered = true
		for _, x := range h.path {
			x.charge(h.amount, h.amount)
		}
	}
	for _, r := range m.runs {
		r.lost = true
	}
	for _, r := range m.runs {
		m.compareRun(r)
	}
	m.runs = nil
}
