package proxy

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

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
	live   func() []LiveCall

	mu      sync.Mutex
	through time.Time // the hours before it are summed up in settled
	settled map[shapeKey]ledger.Spend
}

type shapeKey struct{ model, provider, wire string }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	genAI = []string{"gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_response_model"}

	descTokens     = describe("gen_ai_client_token_usage", "Tokens of calls, by type; cached tokens are part of the input.", append(genAI, "gen_ai_token_type")...)
	descDuration   = describe("gen_ai_client_operation_duration_seconds", "How long calls took, from the request to the last byte.", genAI...)
	descFirstToken = describe("gen_ai_server_time_to_first_token_seconds", "How long calls took until the first byte of output.", genAI...)
	descCalls      = describe("aex_calls_total", "Calls that were booked.", genAI...)
	descCost       = describe("aex_cost_usd_total", "What calls did cost, in US dollars; the sixth decimal is the last.", genAI...)

	descDoubt         = describe("aex_in_doubt_usd", "What of the cost of calls is an estimate, because they ended without their usage, in US dollars.", genAI...)
	descDoubtful      = describe("aex_in_doubt_calls", "How many calls that is.", genAI...)
	descAgentDoubt    = describe("aex_agent_in_doubt_usd", "What of the cost of an agent's calls is an estimate, in US dollars.", "agent")
	descAgentCost     = describe("aex_agent_cost_usd_total", "What an agent's calls did cost in all, in US dollars.", "agent")
	descAgentBudget   = describe("aex_agent_budget_usd", "The budget that rules the agent now, in US dollars; absent without one.", "agent", "window")
	descAgentSpent    = describe("aex_agent_spent_usd", "What is spent of that budget.", "agent", "window")
	descAgentReserved = describe("aex_agent_reserved_usd", "What calls on their way hold of that budget.", "agent", "window")
	descAgentOverrun  = describe("aex_agent_overrun_usd", "What was spent beyond that budget.", "agent", "window")
	descAgentPaused   = describe("aex_agent_paused", "1 where the agent is paused.", "agent")

	descGroupCost     = describe("aex_group_cost_usd_total", "What calls did cost in a group, in US dollars, groups inside it included.", "group")
	descGroupBudget   = describe("aex_group_budget_usd", "A budget of a group, in US dollars, by the window that it is for.", "group", "window")
	descGroupSpent    = describe("aex_group_spent_usd", "What is spent of that budget.", "group", "window")
	descGroupReserved = describe("aex_group_reserved_usd", "What calls on their way hold of that budget.", "group", "window")
	descGroupOverrun  = describe("aex_group_overrun_usd", "What calls did cost beyond that budget.", "group", "window")
	descGroupPaused   = describe("aex_group_paused", "1 where the group is paused.", "group")

	descRefusals  = describe("aex_refusals_total", "Calls that were refused, by cause.", "cause")
	descHolds     = describe("aex_holds", "Calls that hold money now.")
	descReserved  = describe("aex_holds_usd", "What they hold, in US dollars.")
	descLive      = describe("aex_live_calls", "Calls on their way through this process.")
	descRuns      = describe("aex_runs", "Runs that have not ended.")
	descAgents    = describe("aex_agents", "Agents.")
	descEvents    = describe("aex_events_total", "Events in the audit trail.")
	descCommit    = describe("aex_ledger_commit_duration_seconds", "How long this process's commits of the ledger took.")
	descRecovered = describe("aex_recovered_holds_total", "Holds of dead processes that this one booked in full.")
)

// Prometheus makes a handler that tells the ledger's sums to Prometheus. It
// lets everybody in: put it behind something that does not. live may be nil.
func Prometheus(l *ledger.Ledger, live func() []LiveCall) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(&ledgerMetrics{ledger: l, live: live, settled: map[shapeKey]ledger.Spend{}})
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError, MaxRequestsInFlight: 4})
}

// Describe sends nothing: which agents and models there are is known only when
// it is asked.
func (m *ledgerMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect asks the ledger.
func (m *ledgerMetrics) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for _, part := range []func(context.Context, chan<- prometheus.Metric) error{m.calls, m.agents, m.groups, m.whole} {
		if err := part(ctx, ch); err != nil {
			ch <- prometheus.NewInvalidMetric(descCalls, err)
			return
		}
	}
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

func (m *ledgerMetrics) calls(ctx context.Context, ch chan<- prometheus.Metric) error {
	sums, err := m.sums(ctx)
	if err != nil {
		return err
	}
	for k, s := range sums {
		labels := []string{k.wire, k.provider, k.model}
		ch <- prometheus.MustNewConstMetric(descCalls, prometheus.CounterValue, float64(s.Calls), labels...)
		ch <- prometheus.MustNewConstMetric(descCost, prometheus.CounterValue, dollars(s.Cost), labels...)
		if s.Doubtful != 0 || s.Doubt != 0 {
			ch <- prometheus.MustNewConstMetric(descDoubt, prometheus.GaugeValue, dollars(s.Doubt), labels...)
			ch <- prometheus.MustNewConstMetric(descDoubtful, prometheus.GaugeValue, float64(s.Doubtful), labels...)
		}
		// The ledger keeps no histogram of tokens: these have a sum and a count.
		ch <- prometheus.MustNewConstHistogram(descTokens, uint64(max(0, s.Calls)), float64(s.Input+s.Cached), nil, append(labels, "input")...)
		ch <- prometheus.MustNewConstHistogram(descTokens, uint64(max(0, s.Calls)), float64(s.Output), nil, append(labels, "output")...)
		ch <- histogram(descDuration, ledger.LatencyBounds[:], s.Latencies[:], s.Latency.Seconds(), 1000, labels...)
		ch <- histogram(descFirstToken, ledger.FirstTokenBounds[:], s.FirstTokens[:], s.FirstToken.Seconds(), 1000, labels...)
	}
	return nil
}

// histogram makes Prometheus' cumulative buckets; a second has unit of bounds.
func histogram(desc *prometheus.Desc, bounds, counts []int64, sum float64, unit int64, labels ...string) prometheus.Metric {
	buckets := make(map[float64]uint64, len(bounds))
	var n uint64
	for i, c := range counts {
		n += uint64(max(0, c))
		if i < len(bounds) {
			buckets[float64(bounds[i])/float64(unit)] = n
		}
	}
	return prometheus.MustNewConstHistogram(desc, n, sum, buckets, labels...)
}

func (m *ledgerMetrics) agents(ctx context.Context, ch chan<- prometheus.Metric) error {
	spends, err := m.ledger.Spend(ctx, ledger.SpendFilter{By: ledger.ByAgent})
	if err != nil {
		return err
	}
	costs, doubts := map[string]ledger.Micros{}, map[string]ledger.Micros{} // names that look alike are one label
	for _, s := range spends {
		costs[labelText(s.Key)] += s.Cost
		doubts[labelText(s.Key)] += s.Doubt
	}
	for name, cost := range costs {
		ch <- prometheus.MustNewConstMetric(descAgentCost, prometheus.CounterValue, dollars(cost), name)
		ch <- prometheus.MustNewConstMetric(descAgentDoubt, prometheus.GaugeValue, dollars(doubts[name]), name)
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
			ch <- prometheus.MustNewConstMetric(descAgentBudget, prometheus.GaugeValue, dollars(*a.Account.Budget), name, window)
		}
		ch <- prometheus.MustNewConstMetric(descAgentSpent, prometheus.GaugeValue, dollars(a.Account.Spent), name, window)
		ch <- prometheus.MustNewConstMetric(descAgentReserved, prometheus.GaugeValue, dollars(a.Account.Reserved), name, window)
		ch <- prometheus.MustNewConstMetric(descAgentOverrun, prometheus.GaugeValue, dollars(a.Account.Overrun), name, window)
		paused := 0.0
		if a.Paused {
			paused = 1
		}
		ch <- prometheus.MustNewConstMetric(descAgentPaused, prometheus.GaugeValue, paused, name)
	}
	return nil
}

func (m *ledgerMetrics) groups(ctx context.Context, ch chan<- prometheus.Metric) error {
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
		gauge := func(desc *prometheus.Desc, v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, append([]string{name}, labels...)...)
		}
		ch <- prometheus.MustNewConstMetric(descGroupCost, prometheus.CounterValue, dollars(g.Account.Charged()), name)
		for _, acc := range g.Accounts() {
			if acc.Budget != nil {
				gauge(descGroupBudget, dollars(*acc.Budget), string(acc.Window))
				gauge(descGroupSpent, dollars(acc.Spent), string(acc.Window))
				gauge(descGroupReserved, dollars(acc.Reserved), string(acc.Window))
				gauge(descGroupOverrun, dollars(acc.Overrun), string(acc.Window))
			}
		}
		paused := 0.0
		if g.Paused {
			paused = 1
		}
		gauge(descGroupPaused, paused)
	}
	return nil
}

func (m *ledgerMetrics) whole(ctx context.Context, ch chan<- prometheus.Metric) error {
	t, err := m.ledger.Totals(ctx)
	if err != nil {
		return err
	}
	for cause, n := range t.ByCause {
		ch <- prometheus.MustNewConstMetric(descRefusals, prometheus.CounterValue, float64(n), labelText(cause))
	}
	holds, held, err := m.ledger.HoldCount(ctx)
	if err != nil {
		return err
	}
	events, err := m.ledger.End(ctx)
	if err != nil {
		return err
	}
	gauge := func(desc *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v)
	}
	gauge(descHolds, float64(holds))
	gauge(descReserved, dollars(held))
	gauge(descRuns, float64(t.OpenRuns))
	gauge(descAgents, float64(t.Agents))
	if m.live != nil {
		gauge(descLive, float64(len(m.live())))
	}
	ch <- prometheus.MustNewConstMetric(descEvents, prometheus.CounterValue, float64(events))
	ch <- prometheus.MustNewConstMetric(descRecovered, prometheus.CounterValue, float64(len(m.ledger.Recovered())))
	c := m.ledger.Commits()
	ch <- histogram(descCommit, ledger.CommitBounds[:], c.Buckets[:], c.Sum.Seconds(), 1_000_000)
	return nil
}
