// Package metrics tells the sums of a ledger to Prometheus.
package metrics

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// ledgerMetrics are the ledger's sums as Prometheus reads them. They are not
// counted a second time: every scrape asks the ledger, so that they agree with
// what everything else shows, survive a restart, and tell of every process
// that writes the ledger.
//
// Names that begin with gen_ai are those of the OpenTelemetry semantic
// conventions for generative AI, as Prometheus writes them. Labels are models,
// providers and agents' names, never runs, because runs have no end.
type ledgerMetrics struct {
	ledger *ledger.Ledger
	live   func() int

	mu      sync.Mutex
	through time.Time // the hours before it are summed up in settled
	settled map[shapeKey]ledger.Spend
}

type shapeKey struct{ model, provider, wire string }

var (
	genAI = []string{"gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_response_model"}

	metricTokens     = newHistogram("gen_ai_client_token_usage", "Tokens of calls, by type; cached tokens are part of the input.", append(slices.Clip(genAI), "gen_ai_token_type")...)
	metricDuration   = newHistogram("gen_ai_client_operation_duration_seconds", "How long calls took, from the request to the last byte.", genAI...)
	metricFirstToken = newHistogram("gen_ai_server_time_to_first_token_seconds", "How long calls took until the first byte of output.", genAI...)
	metricCalls      = newCounter("aex_calls_total", "Calls that were booked.", genAI...)
	metricCost       = newCounter("aex_cost_usd_total", "What calls have cost, in US dollars; the sixth decimal is the last.", genAI...)

	metricDoubt         = newGauge("aex_in_doubt_usd", "What of the cost of calls is an estimate, because they ended without their usage, in US dollars.", genAI...)
	metricDoubtful      = newGauge("aex_in_doubt_calls", "How many calls that is.", genAI...)
	metricAgentDoubt    = newGauge("aex_agent_in_doubt_usd", "What of the cost of an agent's calls is an estimate, in US dollars.", "agent")
	metricAgentCost     = newCounter("aex_agent_cost_usd_total", "What an agent's calls have cost in all, in US dollars.", "agent")
	metricAgentBudget   = newGauge("aex_agent_budget_usd", "The budget that rules the agent now, in US dollars; absent without one.", "agent", "window")
	metricAgentSpent    = newGauge("aex_agent_spent_usd", "What is spent of that budget.", "agent", "window")
	metricAgentReserved = newGauge("aex_agent_reserved_usd", "What calls on their way hold of that budget.", "agent", "window")
	metricAgentOverrun  = newGauge("aex_agent_overrun_usd", "What was spent beyond that budget.", "agent", "window")
	metricAgentPaused   = newGauge("aex_agent_paused", "1 where the agent is paused.", "agent")

	metricGroupCost     = newCounter("aex_group_cost_usd_total", "What calls have cost in a group, in US dollars, groups inside it included.", "group")
	metricGroupBudget   = newGauge("aex_group_budget_usd", "A budget of a group, in US dollars, by the window that it is for.", "group", "window")
	metricGroupSpent    = newGauge("aex_group_spent_usd", "What is spent of that budget.", "group", "window")
	metricGroupReserved = newGauge("aex_group_reserved_usd", "What calls on their way hold of that budget.", "group", "window")
	metricGroupOverrun  = newGauge("aex_group_overrun_usd", "What calls have cost beyond that budget.", "group", "window")
	metricGroupPaused   = newGauge("aex_group_paused", "1 where the group is paused.", "group")

	metricRefusals  = newCounter("aex_refusals_total", "Calls that were refused, by cause.", "cause")
	metricHolds     = newGauge("aex_holds", "Calls that hold money now.")
	metricReserved  = newGauge("aex_holds_usd", "What they hold, in US dollars.")
	metricLive      = newGauge("aex_live_calls", "Calls on their way through this process.")
	metricRuns      = newGauge("aex_runs", "Runs that have not ended.")
	metricAgents    = newGauge("aex_agents", "Agents.")
	metricEvents    = newCounter("aex_events_total", "Events in the audit trail.")
	metricCommit    = newHistogram("aex_ledger_commit_duration_seconds", "How long this process's commits of the ledger took.")
	metricRecovered = newCounter("aex_recovered_holds_total", "Holds of dead processes that this one booked in full.")
)

// scrapes is how many are answered at once.
const scrapes = 4

// Prometheus makes a handler that tells the ledger's sums to Prometheus. It
// lets everybody in: put it behind something that does not. live counts the
// calls on their way through this process; it may be nil.
func Prometheus(l *ledger.Ledger, live func() int) http.Handler {
	m := &ledgerMetrics{ledger: l, live: live, settled: map[shapeKey]ledger.Spend{}}
	room := make(chan struct{}, scrapes)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case room <- struct{}{}:
			defer func() { <-room }()
		default:
			http.Error(w, fmt.Sprintf("%d scrapes are under way; try again", scrapes), http.StatusServiceUnavailable)
			return
		}
		text, err := m.text(r.Context())
		if err != nil {
			http.Error(w, fmt.Sprintf("the ledger cannot be read: %v", err), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", exposed)
		_, _ = io.WriteString(w, text) // who does not listen any more asks again
	})
}

// text asks the ledger.
func (m *ledgerMetrics) text(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var x exposition
	for _, part := range []func(context.Context, *exposition) error{m.calls, m.agents, m.groups, m.whole} {
		if err := part(ctx, &x); err != nil {
			return "", err
		}
	}
	return x.String(), nil
}

// dollars is an amount as Prometheus counts. A float64 keeps micro-dollars
// exactly up to nine billion dollars.
func dollars(m ledger.Micros) float64 { return float64(m) / 1e6 }

// sums are the sums of all calls. The hours that are over are summed up once.
func (m *ledgerMetrics) sums(ctx context.Context) (map[shapeKey]ledger.Spend, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	// Another process's clock may be behind ours: two hours are left open.
	over := time.Now().Add(-2 * time.Hour).Truncate(time.Hour)
	if over.After(m.through) {
		shapes, err := m.ledger.Spend(ctx, ledger.SpendFilter{By: ledger.ByKind, Since: m.through, Until: over.Add(-1)})
		if err != nil {
			return nil, err
		}
		addShapes(m.settled, shapes)
		m.through = over
	}
	shapes, err := m.ledger.Spend(ctx, ledger.SpendFilter{By: ledger.ByKind, Since: m.through})
	if err != nil {
		return nil, err
	}
	sums := make(map[shapeKey]ledger.Spend, len(m.settled))
	for k, s := range m.settled {
		sums[k] = s
	}
	addShapes(sums, shapes)
	return sums, nil
}

func addShapes(to map[shapeKey]ledger.Spend, shapes []ledger.Spend) {
	for _, s := range shapes {
		k := shapeKey{labelText(s.Model), labelText(s.Provider), operation(s.Wire)}
		sum := to[k]
		sum.Add(s)
		to[k] = sum
	}
}

// operation is gen_ai.operation.name for a wire.
func operation(name string) string {
	if name == "" {
		return "unknown"
	}
	if w := wire.Named(name); w != nil {
		return w.Operation
	}
	return wire.Chat.Operation
}

// labelText is a name as a label: valid UTF-8 on one line, of bearable length.
func labelText(s string) string {
	if s == "" {
		return "unknown"
	}
	return plain.Name(s)
}

func (m *ledgerMetrics) calls(ctx context.Context, x *exposition) error {
	sums, err := m.sums(ctx)
	if err != nil {
		return err
	}
	byName := func(a, b shapeKey) int {
		return cmp.Or(cmp.Compare(a.wire, b.wire), cmp.Compare(a.provider, b.provider), cmp.Compare(a.model, b.model))
	}
	for _, k := range slices.SortedFunc(maps.Keys(sums), byName) {
		s := sums[k]
		labels := []string{k.wire, k.provider, k.model}
		x.add(metricCalls, float64(s.Calls), labels...)
		x.add(metricCost, dollars(s.Cost), labels...)
		if s.Doubtful != 0 || s.Doubt != 0 {
			x.add(metricDoubt, dollars(s.Doubt), labels...)
			x.add(metricDoubtful, float64(s.Doubtful), labels...)
		}
		// The ledger keeps no histogram of tokens: these have a sum and a count.
		x.addHistogram(metricTokens, nil, []int64{s.Calls}, float64(s.Input+s.Cached), 1, append(labels, "input")...)
		x.addHistogram(metricTokens, nil, []int64{s.Calls}, float64(s.Output), 1, append(labels, "output")...)
		x.addHistogram(metricDuration, ledger.LatencyBounds[:], s.Latencies[:], s.Latency.Seconds(), 1000, labels...)
		x.addHistogram(metricFirstToken, ledger.FirstTokenBounds[:], s.FirstTokens[:], s.FirstToken.Seconds(), 1000, labels...)
	}
	return nil
}

func (m *ledgerMetrics) agents(ctx context.Context, x *exposition) error {
	spends, err := m.ledger.Spend(ctx, ledger.SpendFilter{By: ledger.ByAgent})
	if err != nil {
		return err
	}
	costs, doubts := map[string]ledger.Micros{}, map[string]ledger.Micros{} // names that look alike are one label
	for _, s := range spends {
		costs[labelText(s.Key)] += s.Cost
		doubts[labelText(s.Key)] += s.Doubt
	}
	for _, name := range slices.Sorted(maps.Keys(costs)) {
		x.add(metricAgentCost, dollars(costs[name]), name)
		x.add(metricAgentDoubt, dollars(doubts[name]), name)
	}
	agents, err := m.ledger.Agents(ctx)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, a := range agents {
		name, window := labelText(a.Name), string(a.Window)
		if seen[name] {
			continue
		}
		seen[name] = true
		if a.Account.Budget != nil {
			x.add(metricAgentBudget, dollars(*a.Account.Budget), name, window)
		}
		x.add(metricAgentSpent, dollars(a.Account.Spent), name, window)
		x.add(metricAgentReserved, dollars(a.Account.Reserved), name, window)
		x.add(metricAgentOverrun, dollars(a.Account.Overrun), name, window)
		paused := 0.0
		if a.Paused {
			paused = 1
		}
		x.add(metricAgentPaused, paused, name)
	}
	return nil
}

func (m *ledgerMetrics) groups(ctx context.Context, x *exposition) error {
	groups, err := m.ledger.Groups(ctx)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, g := range groups {
		name := labelText(g.Name)
		if seen[name] {
			continue // names that look alike are one label
		}
		seen[name] = true
		gauge := func(of *metric, v float64, labels ...string) {
			x.add(of, v, append([]string{name}, labels...)...)
		}
		x.add(metricGroupCost, dollars(g.Account.Charged()), name)
		for _, acc := range g.Accounts() {
			if acc.Budget != nil {
				gauge(metricGroupBudget, dollars(*acc.Budget), string(acc.Window))
				gauge(metricGroupSpent, dollars(acc.Spent), string(acc.Window))
				gauge(metricGroupReserved, dollars(acc.Reserved), string(acc.Window))
				gauge(metricGroupOverrun, dollars(acc.Overrun), string(acc.Window))
			}
		}
		paused := 0.0
		if g.Paused {
			paused = 1
		}
		gauge(metricGroupPaused, paused)
	}
	return nil
}

func (m *ledgerMetrics) whole(ctx context.Context, x *exposition) error {
	t, err := m.ledger.Totals(ctx)
	if err != nil {
		return err
	}
	for _, cause := range slices.Sorted(maps.Keys(t.ByCause)) {
		x.add(metricRefusals, float64(t.ByCause[cause]), labelText(cause))
	}
	holds, held, err := m.ledger.HoldCount(ctx)
	if err != nil {
		return err
	}
	events, err := m.ledger.End(ctx)
	if err != nil {
		return err
	}
	x.add(metricHolds, float64(holds))
	x.add(metricReserved, dollars(held))
	x.add(metricRuns, float64(t.OpenRuns))
	x.add(metricAgents, float64(t.Agents))
	if m.live != nil {
		x.add(metricLive, float64(m.live()))
	}
	x.add(metricEvents, float64(events))
	x.add(metricRecovered, float64(len(m.ledger.Recovered())))
	c := m.ledger.Commits()
	x.addHistogram(metricCommit, ledger.CommitBounds[:], c.Buckets[:], c.Sum.Seconds(), 1_000_000)
	return nil
}
