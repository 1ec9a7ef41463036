package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

type micros = ledger.Micros

// modelAccount says in few words what an account must be.
type modelAccount struct {
	kind                  ledger.AccountKind
	name                  string
	window                ledger.Window
	parent                *modelAccount
	limited               bool
	target, budget        micros
	spent, reserved, over micros
}

func (a *modelAccount) room() micros { return a.budget - a.spent - a.reserved }

// charge moves a hold out and a cost in, then lets overrun and budget follow.
func (a *modelAccount) charge(hold, cost micros) {
	a.reserved -= hold
	total := a.spent + a.over + cost
	switch {
	case !a.limited:
		a.spent, a.over = total, 0
	case cost < 0:
		a.over = max(0, a.over+cost)
		a.spent = total - a.over
	default:
		a.spent = min(total, max(a.spent, a.budget-a.reserved))
		a.over = total - a.spent
	}
	a.follow()
}

func (a *modelAccount) follow() {
	if a.limited {
		pay := min(a.over, a.room())
		a.spent, a.over = a.spent+pay, a.over-pay
		a.budget = max(a.target, a.spent+a.reserved)
	}
}

func (a *modelAccount) retarget(t *micros) {
	if t == nil {
		*a = modelAccount{kind: a.kind, name: a.name, window: a.window, parent: a.parent, spent: a.spent + a.over, reserved: a.reserved}
		return
	}
	a.limited, a.target = true, *t
	a.budget = max(*t, a.spent+a.reserved)
	a.follow()
}

type modelAgent struct {
	name    string
	token   ledger.TokenHash
	window  ledger.Window
	budget  *micros
	group   *modelGroup
	total   *modelAccount
	windows map[time.Time]*modelAccount
}

type modelRun struct {
	id      ledger.RunID
	agent   *modelAgent
	parent  *modelRun
	token   ledger.TokenHash
	acc     *modelAccount
	state   ledger.RunState
	at      int // the gateway that has it
	tooDear int // calls in a row, as that one counts them
	lost    bool
}

type modelHold struct {
	id        ledger.HoldID
	at        int // the gateway that took it
	amount    micros
	path      []*modelAccount
	agent     *modelAgent
	run       *modelRun
	group     *modelGroup // that the agent was in when it was taken
	recovered bool
}

// model plays the same moves as a real ledger and knows what must come of it.
type model struct {
	t      *testing.T
	r      *rand.Rand
	dir    string
	now    time.Time
	clock  atomic.Int64 // now, for the gateways
	gates  []*ledger.Ledger
	at     int // the gateway whose turn it is
	l      *ledger.Ledger
	agents []*modelAgent
	runs   []*modelRun
	holds  []*modelHold
	ended  []ledger.HoldID
	serial int

	groups     []*modelGroup
	everyGroup []*modelGroup     // also those that were deleted
	costs      map[string]micros // by the name of the group
	did        map[string]int
}

// open opens the ledger at a gateway, which is the one whose turn it is from now on.
func (m *model) open(at int) {
	m.clock.Store(m.now.UnixMilli())
	l, err := ledger.Open(m.t.Context(), ledger.Options{
		Path: ledger.Place(m.dir), Home: filepath.Join(m.dir, strconv.Itoa(at)),
		Now: func() time.Time { return time.UnixMilli(m.clock.Load()).UTC() },
	})
	m.check(err)
	m.gates[at] = l
	m.turnTo(at)
}

func (m *model) turnTo(gate int) { m.at, m.l = gate, m.gates[gate] }

func (m *model) later() {
	m.now = m.now.Add(time.Duration(m.r.Int64N(int64(20 * time.Hour)))).Truncate(time.Millisecond)
	m.clock.Store(m.now.UnixMilli())
}

// become changes a run's state. Only the gateway that has it begins to count anew.
func (m *model) become(r *modelRun, s ledger.RunState) {
	if r.state = s; r.at == m.at {
		r.tooDear = 0
	}
}

func (m *model) money() *micros {
	if m.r.IntN(5) == 0 {
		return nil
	}
	v := micros(m.r.Int64N(5000))
	return &v
}

func pick[T any](m *model, from []T) (v T) {
	if len(from) > 0 {
		v = from[m.r.IntN(len(from))]
	}
	return v
}

func (m *model) compareRun(r *modelRun) {
	got, err := m.l.Run(m.t.Context(), string(r.id))
	m.check(err)
	m.compare("run "+string(r.id), got.Account, r.acc)
}

func (m *model) compare(what string, got ledger.Account, want *modelAccount) {
	m.t.Helper()
	same := (got.Budget != nil) == want.limited && (got.Budget == nil || *got.Budget == want.budget)
	if !same || got.Spent != want.spent || got.Reserved != want.reserved || got.Overrun != want.over {
		m.t.Fatalf("%s is %+v, want %+v", what, got, *want)
	}
	if got.Budget != nil && got.Spent+got.Reserved > *got.Budget {
		m.t.Fatalf("%s is over its budget: %+v", what, got)
	}
}

func (m *model) compareAll() {
	for _, r := range m.runs {
		m.compareRun(r)
	}
	for _, a := range m.agents {
		got, err := m.l.Agent(m.t.Context(), a.name)
		m.check(err)
		want := a.total
		if w := m.windowOf(a); w != nil {
			want = w
		}
		m.compare("agent "+a.name, got.Account, want)
	}
	for _, g := range m.groups {
		m.compareGroup(g)
	}
	m.compareSums()
}

// TestModel plays tens of thousands of random moves against the model: runs
// inside runs, agents with windows, a tree of groups with windows that agents
// move about in, crashes and late settlements. No account is ever over its
// budget, and every node's events add up to what it spent. Each move is made at
// one of so many gateways on the same ledger, which one chance says. More with
// AEX_MODEL=<steps of each seed>.
func TestModel(t *testing.T) {
	steps := 2000
	if s, err := strconv.Atoi(os.Getenv("AEX_MODEL")); err == nil {
		steps = s
	}
	for _, gates := range []int{1, 2} {
		for seed := range uint64(4) {
			t.Run(fmt.Sprintf("gateways=%d/seed=%d", gates, seed), func(t *testing.T) {
				t.Parallel()
				playModel(t, gates, seed, steps)
			})
		}
	}
}

func playModel(t *testing.T, gates int, seed uint64, steps int) {
	m := &model{
		t: t, r: rand.New(rand.NewPCG(seed, 7)), dir: t.TempDir(), now: time.Date(2026, 3, 28, 22, 0, 0, 0, time.UTC),
		costs: map[string]micros{}, did: map[string]int{}, gates: make([]*ledger.Ledger, gates),
	}
	for at := range gates {
		m.open(at)
	}
	defer func() {
		for _, l := range m.gates {
			m.check(l.Close())
		}
	}()
	m.play(steps)
	for at := range gates {
		m.turnTo(at)
		m.compareAll()
		m.compareNodes()
	}
	verify(t, m.l)
	must := []string{
		"refused for a group", "refused for a run", "refused for an agent", "refused for a pause", "moved with calls on their way",
		"settled elsewhere", "late elsewhere", "topped up", "deleted", "deleted with calls on their way",
	}
	if gates > 1 {
		must = append(must, "settled at another gateway", "refused a run of another gateway", "crashed with another alive")
	}
	for _, what := range must {
		if m.did[what] == 0 && steps >= 5000 {
			t.Errorf("never %s", what)
		}
	}
	t.Logf("%d groups, %v", len(m.everyGroup), m.did)
}

// play makes random moves.
func (m *model) play(steps int) {
	moves := []struct {
		weight int
		move   func()
	}{
		{400, m.admit}, {300, m.settle}, {40, m.openRun}, {30, m.endRun}, {40, m.topUp}, {30, m.setBudget},
		{20, m.createAgent}, {4, m.deleteAgent}, {4, m.crash}, {20, m.compareAll}, {1, func() { verify(m.t, m.l) }},
		{10, m.later},
		{12, m.createGroup}, {40, m.moveAgent}, {20, m.setGroupBudget}, {20, m.topUpGroup}, {12, m.pauseGroup}, {20, m.deleteGroup},
	}
	all := 0
	for _, mv := range moves {
		all += mv.weight
	}
	for range steps {
		n := m.r.IntN(all)
		if len(m.gates) > 1 {
			m.turnTo(m.r.IntN(len(m.gates)))
		}
		for _, mv := range moves {
			if n -= mv.weight; n < 0 {
				mv.move()
				break
			}
		}
		if m.t.Failed() {
			return
		}
	}
}
