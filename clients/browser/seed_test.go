package browser

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/Auro-rium/aex/v3/ledger"
)

// hostile is an agent's name as an enemy would choose it: all that the rule for
// names lets through.
const hostile = `<script>alert(1)</script>"'=1+1&lt;`

// hostileModel is a model's name of the same kind.
var hostileModel = `<img src=x onerror=alert(2)>`

// hostileGroup is a group's name of that kind.
const hostileGroup = `<b>"'=1+1&lt;`

// agents are those of the seed: name, budget in dollars, weight of its calls,
// group.
var agents = []struct {
	name   string
	budget string
	weight int
	group  string
}{
	{"atlas", "25.00", 10, "acme/search"}, {"researcher", "40.00", 8, "acme/search/crawl"}, {"nightly-review", "6.00", 5, "acme/support"},
	{"support-bot", "15.00", 4, "acme/support"}, {hostile, "2.00", 1, hostileGroup}, {"unlimited", "", 1, ""},
}

// groups are those of the seed, with their budgets in dollars.
var groups = []struct {
	name    string
	budgets map[ledger.Window]string
	paused  bool
}{
	{"acme", map[ledger.Window]string{ledger.Monthly: "5000", ledger.Total: "20000"}, false},
	{"acme/search", map[ledger.Window]string{ledger.Daily: "50", ledger.Weekly: "200", ledger.Monthly: "800"}, false},
	{"acme/search/crawl", map[ledger.Window]string{ledger.Monthly: "25"}, false},
	{"acme/support", nil, false},
	{hostileGroup, map[ledger.Window]string{ledger.Total: "3"}, false},
	{"trial", map[ledger.Window]string{ledger.Total: "0"}, true},
}

// seedGroups makes the groups, and where there are many agents forty teams of
// five units for them.
func (s scene) seedGroups(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	for _, g := range groups {
		budgets := map[ledger.Window]ledger.Micros{}
		for w, b := range g.budgets {
			m, err := ledger.ParseUSD(b)
			must(t, err)
			budgets[w] = m
		}
		_, err := l.CreateGroup(t.Context(), ledger.NewGroup{Name: g.name, Budgets: budgets})
		must(t, err)
		if g.paused {
			_, err := l.SetGroup(t.Context(), g.name, ledger.GroupChange{Paused: &g.paused})
			must(t, err)
		}
	}
	for n := 0; n < s.more; n += 50 {
		team := unitOf(n)[:len("team-00")]
		if n%250 == 0 {
			_, err := l.CreateGroup(t.Context(), ledger.NewGroup{Name: team, Budgets: map[ledger.Window]ledger.Micros{ledger.Monthly: 500_000_000, ledger.Daily: 40_000_000}})
			must(t, err)
		}
		_, err := l.CreateGroup(t.Context(), ledger.NewGroup{Name: unitOf(n), Budgets: map[ledger.Window]ledger.Micros{ledger.Weekly: 90_000_000}})
		must(t, err)
	}
}

// unitOf is the group of an agent whose name is a number.
func unitOf(n int) string { return fmt.Sprintf("team-%02d/unit-%d", n/250, n/50%5) }

var models = []struct {
	name, provider, wire string
	in, out              int64 // pico-dollars a token
}{
	{"gpt-4o-mini", "openai", "chat", 150_000, 600_000},
	{"claude-sonnet-4-5", "anthropic", "messages", 3_000_000, 15_000_000},
	{"gemini-2.5-flash", "google", "gemini", 300_000, 2_500_000},
	{"text-embedding-3-small", "openai", "embeddings", 20_000, 0},
}

// scene is how large the ledger of a world is: its named agents, and more
// whose names are numbers.
type scene struct{ agents, more int }

var (
	usual = scene{agents: 6}
	few   = scene{agents: 3}
	many  = scene{agents: 6, more: 9_994}
)

// fill makes the agents that are numbers, many at a time: the ledger commits
// them together. Every thirtieth has spent something.
func (s scene) fill(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	var all errgroup.Group
	all.SetLimit(200)
	for n := range s.more {
		all.Go(func() error {
			name := fmt.Sprintf("worker-%05d", n)
			budget := ledger.Micros(1_000_000 + int64(n)*7919%20_000_000)
			agent := ledger.NewAgent{Name: name, Budget: &budget, Group: unitOf(n)}
			if n%50 == 7 {
				agent.Budget = nil
			}
			if _, err := l.CreateAgent(ctx, agent); err != nil || n%30 != 0 {
				return err
			}
			return spend(ctx, l, name, ledger.Micros(20_000+int64(n)*104_729%900_000))
		})
	}
	must(t, all.Wait())
}

// spend books one call of an agent.
func spend(ctx context.Context, l *ledger.Ledger, agent string, cost ledger.Micros) error {
	token := ledger.HashToken("of " + agent)
	if err := l.AddToken(ctx, ledger.NewToken{Hash: token, Agent: agent, Scope: ledger.Execution}); err != nil {
		return err
	}
	hold, refused, err := l.Admit(ctx, ledger.Admission{
		Token: token, Least: cost, Most: cost, Share: func(ledger.Micros) ledger.Micros { return cost },
		Call: ledger.CallInfo{Wire: "chat", ModelAsked: "gpt-4o-mini", ModelSent: "gpt-4o-mini", Provider: "openai"},
	})
	if err != nil || refused != nil {
		return err
	}
	_, err = l.Settle(ctx, hold.ID, ledger.Settlement{How: ledger.Settled, Cost: cost, Usage: ledger.Usage{Input: 900, Output: 70}, ModelServed: "gpt-4o-mini", Status: 200, Ending: "complete", Latency: time.Second})
	return err
}

// seed writes five weeks of history into a new ledger, and returns the run that
// is still open.
func seed(t *testing.T, home string, s scene) {
	t.Helper()
	agents := agents[:s.agents]
	now := time.Now().UTC()
	clock := now.Add(-35 * 24 * time.Hour)
	l, err := ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(home, "aex.db"), Home: home, Now: func() time.Time { return clock }})
	must(t, err)
	defer func() { must(t, l.Close()) }()
	random := rand.New(rand.NewPCG(7, 11)) //nolint:gosec // the same figures every time
	n := 0
	s.seedGroups(t, l)
	for _, a := range agents {
		agent := ledger.NewAgent{Name: a.name, Group: a.group}
		if a.budget != "" {
			m, err := ledger.ParseUSD(a.budget)
			must(t, err)
			agent.Budget = &m
		}
		_, err := l.CreateAgent(t.Context(), agent)
		must(t, err)
		token := ledger.HashToken("seed-" + a.name)
		must(t, l.AddToken(t.Context(), ledger.NewToken{Hash: token, Agent: a.name, Scope: ledger.Execution}))
	}
	var weighted []int
	for i, a := range agents {
		for range a.weight {
			weighted = append(weighted, i)
		}
	}
	programs := []string{"python", "claude", "node", "review.sh", "pytest"}
	s.fill(t, l)
	for clock.Before(now.Add(-3 * time.Minute)) {
		busy := clock.Hour() >= 7 && clock.Hour() < 20 && clock.Weekday() != time.Sunday
		step := time.Duration(20+random.IntN(150)) * time.Minute
		if busy {
			step /= 3
		}
		if now.Sub(clock) < 26*time.Hour {
			step /= 6
		}
		clock = clock.Add(step)
		if clock.After(now.Add(-3 * time.Minute)) {
			break
		}
		a := agents[weighted[random.IntN(len(weighted))]]
		n++
		run(t, l, &clock, a.name, programs[random.IntN(len(programs))], n, random)
	}
	clock = now
}

// run makes one run of an agent, with its calls.
func run(t *testing.T, l *ledger.Ledger, clock *time.Time, agent, program string, n int, random *rand.Rand) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	token := ledger.HashToken("run-" + hex.EncodeToString([]byte{byte(n >> 16), byte(n >> 8), byte(n)}))
	budget := ledger.Micros(100_000 + random.Int64N(400_000))
	r, err := l.OpenRun(ctx, ledger.NewRun{Agent: agent, Budget: &budget, Program: program, Token: token, Expires: clock.Add(time.Hour), Metered: true})
	must(t, err)
	end := ledger.RunEnd{Outcome: "exited"}
	for range 1 + random.IntN(9) {
		m := models[random.IntN(len(models))]
		hold, refused, err := l.Admit(ctx, ledger.Admission{
			Token: token, Least: 1000, Most: 120_000,
			Call: ledger.CallInfo{Wire: m.wire, ModelAsked: m.name, ModelSent: m.name, Provider: m.provider, Stream: true},
			Share: func(room ledger.Micros) ledger.Micros {
				if room < 1000 {
					return 0
				}
				return min(room, 120_000)
			},
		})
		must(t, err)
		if refused != nil {
			end = ledger.RunEnd{Outcome: "budget", ExitCode: 121}
			break
		}
		latency := time.Duration(300+random.ExpFloat64()*2500) * time.Millisecond
		*clock = clock.Add(latency)
		u := ledger.Usage{Input: 200 + random.Int64N(9000), CacheRead: random.Int64N(4000), Output: 20 + random.Int64N(1800)}
		cost := ledger.Micros((u.Input*m.in + u.Output*m.out + 999_999) / 1_000_000)
		_, err = l.Settle(ctx, hold.ID, ledger.Settlement{
			How: ledger.Settled, Cost: min(cost, hold.Amount), Usage: u, ModelServed: m.name, Status: 200, Ending: "complete",
			FirstToken: latency / 5, Latency: latency,
		})
		must(t, err)
	}
	switch random.IntN(14) {
	case 0:
		must(t, l.Refused(ctx, ledger.RefusedCall{Agent: agent, Run: r.ID, Code: "model_not_allowed", Reason: "aex: agent may not use model " + hostileModel, Call: ledger.CallInfo{Wire: "chat", ModelAsked: hostileModel + "\x00\x1b[31m"}}))
	case 1:
		end = ledger.RunEnd{Outcome: "exited", ExitCode: 1}
	case 2:
		must(t, l.Refused(ctx, ledger.RefusedCall{Agent: agent, Run: r.ID, Code: "endpoint_not_governed", Reason: "aex: POST /v1/files is not metered"}))
	}
	_, err = l.EndRun(ctx, r.ID, end)
	must(t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
