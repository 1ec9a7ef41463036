package ledger_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// treeGroup is what a group must be.
type treeGroup struct {
	name    string
	parent  *treeGroup
	paused  bool
	total   *modelAccount
	budgets map[ledger.Window]micros
	windows map[string]*modelAccount
}

type treeAgent struct {
	name  string
	token ledger.TokenHash
	group *treeGroup
	acc   *modelAccount
}

type treeHold struct {
	id     ledger.HoldID
	amount micros
	path   []*modelAccount
}

// treeModel plays the same moves as a real ledger with a tree of groups.
type treeModel struct {
	t      *testing.T
	r      *rand.Rand
	dir    string
	l      *ledger.Ledger
	now    time.Time
	serial int
	groups []*treeGroup
	agents []*treeAgent
	holds  []*treeHold
	gone   []*treeGroup // deleted, with what was spent in them
	did    map[string]int
}

func (m *treeModel) check(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *treeModel) open() {
	l, err := ledger.Open(m.t.Context(), ledger.Options{Path: filepath.Join(m.dir, "aex.db"), Home: m.dir, Now: func() time.Time { return m.now }})
	m.check(err)
	m.l = l
}

func one[T any](r *rand.Rand, from []T) (v T) {
	if len(from) > 0 {
		v = from[r.IntN(len(from))]
	}
	return v
}

var treeWindows = []ledger.Window{ledger.Total, ledger.Daily, ledger.Weekly, ledger.Monthly}

func (m *treeModel) createGroup() {
	g := &treeGroup{parent: one(m.r, append(m.groups, nil, nil)), total: &modelAccount{}, budgets: map[ledger.Window]micros{}, windows: map[string]*modelAccount{}}
	if len(m.groups) == 0 {
		g.parent = nil
	}
	m.serial++
	g.name = fmt.Sprint("g", m.serial)
	if g.parent != nil {
		g.name = g.parent.name + "/" + g.name
	}
	for _, w := range treeWindows {
		if m.r.IntN(4) == 0 {
			g.budgets[w] = micros(m.r.Int64N(300_000))
		}
	}
	if b, ok := g.budgets[ledger.Total]; ok {
		g.total.retarget(&b)
	}
	_, err := m.l.CreateGroup(m.t.Context(), ledger.NewGroup{Name: g.name, Budgets: g.budgets})
	m.check(err)
	m.groups = append(m.groups, g)
	if _, err := m.l.CreateGroup(m.t.Context(), ledger.NewGroup{Name: g.name}); !errors.Is(err, ledger.ErrExists) {
		m.t.Fatalf("made %s twice: %v", g.name, err)
	}
}

func (m *treeModel) createAgent() {
	m.serial++
	a := &treeAgent{name: fmt.Sprint("a", m.serial), group: one(m.r, m.groups), acc: &modelAccount{}}
	a.token = ledger.HashToken(a.name)
	n := ledger.NewAgent{Name: a.name}
	if m.r.IntN(2) == 0 {
		b := micros(m.r.Int64N(100_000))
		n.Budget = &b
		a.acc.retarget(&b)
	}
	if a.group != nil {
		n.Group = a.group.name
	}
	_, err := m.l.CreateAgent(m.t.Context(), n)
	m.check(err)
	m.check(m.l.AddToken(m.t.Context(), ledger.NewToken{Hash: a.token, Agent: a.name, Scope: ledger.Execution}))
	m.agents = append(m.agents, a)
}

func (m *treeModel) move() {
	a := one(m.r, m.agents)
	if a == nil {
		return
	}
	a.group = one(m.r, append(slices.Clone(m.groups), nil))
	name := ""
	if a.group != nil {
		name = a.group.name
	}
	ag, err := m.l.SetAgent(m.t.Context(), a.name, ledger.AgentChange{Group: &name})
	m.check(err)
	if ag.Group != name {
		m.t.Fatalf("%s is in %q, not in %q", a.name, ag.Group, name)
	}
}

// window is the account of a group's window that now lies in.
func (m *treeModel) window(g *treeGroup, w ledger.Window, open bool) *modelAccount {
	if w == ledger.Total {
		return g.total
	}
	start := time.Date(m.now.Year(), m.now.Month(), m.now.Day(), 0, 0, 0, 0, time.UTC)
	switch w {
	case ledger.Weekly:
		for start.Weekday() != time.Monday {
			start = start.AddDate(0, 0, -1)
		}
	case ledger.Monthly:
		start = start.AddDate(0, 0, 1-start.Day())
	}
	key := string(w) + start.Format(time.DateOnly)
	if acc := g.windows[key]; acc != nil || !open {
		return acc
	}
	b := g.budgets[w]
	g.windows[key] = &modelAccount{}
	g.windows[key].retarget(&b)
	return g.windows[key]
}

// path is what a call of the agent is charged to, with the name of each.
func (m *treeModel) path(a *treeAgent) (accounts []*modelAccount, names []string) {
	accounts, names = append(accounts, a.acc), append(names, "agent "+a.name+" ")
	for g := a.group; g != nil; g = g.parent {
		accounts, names = append(accounts, g.total), append(names, "group "+g.name+" ")
		for _, w := range treeWindows[1:] {
			if _, ok := g.budgets[w]; ok {
				accounts, names = append(accounts, m.window(g, w, true)), append(names, "group "+g.name+" "+string(w))
			}
		}
	}
	return accounts, names
}

func (m *treeModel) admit() {
	a := one(m.r, m.agents)
	if a == nil {
		return
	}
	amount := micros(1 + m.r.Int64N(2500))
	h, no, err := m.l.Admit(m.t.Context(), ledger.Admission{Token: a.token, Least: amount, Most: amount})
	m.check(err)
	for g := a.group; g != nil; g = g.parent {
		if g.paused {
			if no == nil || no.Cause != ledger.CausePaused || no.Name != g.name || no.Account != ledger.GroupAccount {
				m.t.Fatalf("%s is paused: %+v", g.name, no)
			}
			m.did["paused"]++
			return
		}
	}
	path, names := m.path(a)
	var full []string // who has no room
	for i, acc := range path {
		if acc.over > 0 || acc.limited && acc.room() < amount {
			full = append(full, names[i])
		}
	}
	if (no == nil) != (len(full) == 0) {
		m.t.Fatalf("a call of %s for %d: %+v; no room in %q", a.name, amount, no, full)
	}
	if no != nil {
		if who := fmt.Sprint(no.Account, " ", no.Name, " ", no.Window); !slices.Contains(full, who) {
			m.t.Fatalf("refused for %q, but no room is in %q", who, full)
		}
		m.did["refused by "+string(no.Account)]++
		return
	}
	m.did["admitted"]++
	for _, acc := range path {
		acc.reserved += amount
	}
	m.holds = append(m.holds, &treeHold{h.ID, amount, path})
}

func (m *treeModel) compare() {
	same := func(what string, got ledger.Account, want *modelAccount) {
		m.t.Helper()
		if (got.Budget != nil) != want.limited || got.Budget != nil && *got.Budget != want.budget ||
			got.Spent != want.spent || got.Reserved != want.reserved || got.Overrun != want.over {
			m.t.Fatalf("%s is %+v, want %+v", what, got, *want)
		}
	}
	for _, a := range m.agents {
		got, err := m.l.Agent(m.t.Context(), a.name)
		m.check(err)
		same(a.name, got.Account, a.acc)
	}
	for _, g := range m.groups {
		got, err := m.l.Group(m.t.Context(), g.name)
		m.check(err)
		same(g.name, got.Account, g.total)
		windows := map[ledger.Window]bool{}
		for _, w := range got.Windows {
			windows[w.Window] = true
			if acc := m.window(g, w.Window, false); acc != nil {
				same(g.name+" "+string(w.Window), w, acc)
			} else if w.Spent != 0 || *w.Budget != g.budgets[w.Window] {
				m.t.Fatalf("%s: an unused window is %+v", g.name, w)
			}
		}
		for _, w := range treeWindows[1:] {
			if _, ok := g.budgets[w]; ok != windows[w] {
				m.t.Fatalf("%s has the windows %+v", g.name, got.Windows)
			}
		}
	}
}

// TestGroupsAgreeWithTheirModel plays random trees, windows, moves, top-ups and
// calls: no account is ever over its budget, and every node's events add up to
// what it has spent and overrun (verify asks that of all accounts).
func TestGroupsAgreeWithTheirModel(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			m := &treeModel{t: t, r: rand.New(rand.NewPCG(seed, 3)), dir: t.TempDir(), now: time.Date(2026, 3, 28, 22, 0, 0, 0, time.UTC), did: map[string]int{}}
			m.open()
			defer func() { m.check(m.l.Close()) }()
			for range 4 {
				m.createGroup()
				m.createAgent()
			}
			moves := []struct {
				weight int
				move   func()
			}{
				{400, m.admit}, {330, m.settle}, {12, m.createGroup}, {12, m.createAgent}, {40, m.move}, {30, m.setBudget}, {40, m.topUp},
				{15, m.pause}, {10, m.deleteGroup}, {1, m.crash}, {15, m.compare}, {2, func() { verify(t, m.l) }},
				{8, func() { m.now = m.now.Add(time.Duration(m.r.Int64N(int64(20 * time.Hour)))) }},
			}
			all := 0
			for _, mv := range moves {
				all += mv.weight
			}
			for range 2000 {
				n := m.r.IntN(all)
				for _, mv := range moves {
					if n -= mv.weight; n < 0 {
						mv.move()
						break
					}
				}
			}
			m.compare()
			verify(t, m.l)
			t.Logf("%d groups, %d agents: %v", len(m.groups), len(m.agents), m.did)
			for _, what := range []string{"admitted", "paused", "deleted", "refused by group", "refused by agent"} {
				if m.did[what] == 0 {
					t.Errorf("never %s", what)
				}
			}
		})
	}
}
