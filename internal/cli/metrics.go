package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/ledger"
)

// metricsView has v1.2's names. Dollars are written from micro-dollars, exactly.
type metricsView struct {
	TotalAgents      int64          `json:"total_agents"`
	TotalSpent       usd            `json:"total_spent_global_usd"`
	TotalSpentMicro  ledger.Micros  `json:"total_spent_global_micro"`
	InDoubt          usd            `json:"total_in_doubt_usd"` // of what was spent: estimates
	InDoubtMicro     ledger.Micros  `json:"total_in_doubt_micro"`
	InDoubtCalls     int64          `json:"total_in_doubt_calls"`
	ActiveProcesses  int64          `json:"active_processes"`
	TotalRequests    int64          `json:"total_requests"`
	DeniedBudget     int64          `json:"total_denied_budget"`
	DeniedRate       int64          `json:"total_denied_rate_limit"`
	PolicyViolations int64          `json:"total_policy_violations"`
	TopModels        []modelCount   `json:"top_models"`
	Histogram        []hourCount    `json:"usage_histogram"`
	Agents           []agentMetrics `json:"agents"`
	Groups           []groupMetrics `json:"groups"`
}

type modelCount struct {
	Model string `json:"model"`
	Count int64  `json:"count"`
}

type hourCount struct {
	Hour     string `json:"hour"` // UTC, "2026-11-20T15:00:00Z"
	Requests int64  `json:"requests"`
}

type agentMetrics struct {
	Name         string         `json:"name"`
	Spent        usd            `json:"spent_usd"`
	Remaining    *usd           `json:"remaining_usd"`
	Budget       *usd           `json:"budget_usd"`
	Reserved     usd            `json:"reserved_usd"`
	SpentMicro   ledger.Micros  `json:"spent_micro"`
	BudgetMicro  *ledger.Micros `json:"budget_micro"`
	Burn         int64          `json:"burn_rate_micro_per_sec"`
	TTB          *int64         `json:"ttb_seconds"`
	RPM          *int64         `json:"rpm_limit"`
	LastActivity *time.Time     `json:"last_activity"`
}

// usd prints as a decimal number of dollars.
type usd ledger.Micros

func (u usd) MarshalJSON() ([]byte, error) {
	m, sign := int64(u), ""
	if m < 0 {
		m, sign = -m, "-"
	}
	text := fmt.Sprintf("%s%d.%06d", sign, m/1_000_000, m%1_000_000)
	return []byte(strings.TrimSuffix(strings.TrimRight(text, "0"), ".")), nil
}

func asUSD(m *ledger.Micros) *usd {
	if m == nil {
		return nil
	}
	u := usd(*m)
	return &u
}

// burnWindow is what the burn rate looks back on.
const burnWindow = ledger.BurnWindow

// causes of refusals, as v1.2 counted them.
var (
	moneyCauses  = []string{"budget_exceeded", "call_exceeds_budget", "budget_busy", "run_ended", "call_limit"}
	rateCauses   = []string{"rate_limited", "token_rate_limited", "concurrency_limited"}
	policyCauses = []string{"policy_denied", "model_not_allowed", "endpoint_not_governed", "model_not_priced", "read_only_token"}
)

func sumOf(by map[string]int64, causes []string) (n int64) {
	for _, c := range causes {
		n += by[c]
	}
	return n
}

// readMetrics is what GET /metrics and aex metrics tell.
func readMetrics(ctx context.Context, l *ledger.Ledger, now time.Time) (m metricsView, err error) {
	t, err := l.Totals(ctx)
	if err != nil {
		return m, err
	}
	m = metricsView{
		TotalAgents: t.Agents, TotalSpent: usd(t.Spent + t.Overrun), TotalSpentMicro: t.Spent + t.Overrun,
		InDoubt: usd(t.Doubt), InDoubtMicro: t.Doubt, InDoubtCalls: t.Doubtful,
		ActiveProcesses: t.OpenRuns, TotalRequests: t.Calls, DeniedBudget: sumOf(t.ByCause, moneyCauses),
		DeniedRate: sumOf(t.ByCause, rateCauses), PolicyViolations: sumOf(t.ByCause, policyCauses),
		TopModels: []modelCount{}, Agents: []agentMetrics{}, Groups: []groupMetrics{},
	}
	if m.Histogram, err = lastDay(ctx, l, now); err != nil {
		return m, err
	}
	models, err := l.Spend(ctx, ledger.SpendFilter{By: ledger.ByModel})
	if err != nil {
		return m, err
	}
	slices.SortStableFunc(models, func(x, y ledger.Spend) int { return cmp.Compare(y.Calls, x.Calls) })
	for _, s := range models[:min(5, len(models))] {
		m.TopModels = append(m.TopModels, modelCount{s.Key, s.Calls})
	}
	burn, err := l.Burn(ctx, burnWindow)
	if err != nil {
		return m, err
	}
	agents, err := l.Agents(ctx)
	if err != nil {
		return m, err
	}
	for _, ag := range agents {
		m.Agents = append(m.Agents, measure(ag, burn))
	}
	groups, err := l.Groups(ctx)
	for _, g := range groups {
		m.Groups = append(m.Groups, measureGroup(g, burn))
	}
	return m, err
}

func measure(ag ledger.Agent, burn ledger.Burn) agentMetrics {
	v := agentMetrics{
		Name: ag.Name, Spent: usd(ag.Account.Spent), SpentMicro: ag.Account.Spent, Budget: asUSD(ag.Budget), BudgetMicro: ag.Budget,
		Reserved: usd(ag.Account.Reserved), RPM: limit(ag.Limits.RequestsPerMinute), LastActivity: moment(ag.LastActivity),
	}
	cost := burn.ByAgent[ag.ID]
	v.Burn = int64(burn.Rate(cost, ag.CreatedAt)) / int64(time.Hour/time.Second)
	if left, limited := ag.Account.Left(); limited {
		v.Remaining = asUSD(&left)
		if lasts, ok := burn.Lasts(left, cost, ag.CreatedAt); ok {
			seconds := int64(lasts / time.Second)
			v.TTB = &seconds
		}
	}
	return v
}

// lastDay counts requests in each of the last 24 hours, this one last.
func lastDay(ctx context.Context, l *ledger.Ledger, now time.Time) ([]hourCount, error) {
	this := now.UTC().Truncate(time.Hour)
	first := this.Add(-23 * time.Hour)
	sums, err := l.Spend(ctx, ledger.SpendFilter{Per: ledger.ByHour, Since: first})
	if err != nil {
		return nil, err
	}
	calls := map[time.Time]int64{}
	for _, s := range sums {
		calls[s.Bucket.UTC()] += s.Calls
	}
	hours := make([]hourCount, 0, 24)
	for at := first; !at.After(this); at = at.Add(time.Hour) {
		hours = append(hours, hourCount{at.Format(time.RFC3339), calls[at]})
	}
	return hours, nil
}

func (a *app) metricsCommand() *cobra.Command {
	return a.jsonFlag(&cobra.Command{
		Use: "metrics", Short: "tell what each agent and group spends, how fast, and how long that lasts", Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.metrics(cmd.Context()) },
	})
}

func (a *app) metrics(ctx context.Context) error {
	l, err := a.openToShow(ctx)
	if err != nil {
		return err
	}
	defer l.Close() // reads; the ledger has nothing to lose
	m, err := readMetrics(ctx, l, a.now())
	if err != nil {
		return fmt.Errorf("reading metrics: %w", err)
	}
	if a.json {
		return a.printJSON(m)
	}
	for _, row := range [][2]string{
		{"Total Agents:", count(m.TotalAgents)}, {"Total Spent:", m.TotalSpentMicro.String()},
		{"In Doubt:", m.InDoubtMicro.String()},
		{"Active Processes:", count(m.ActiveProcesses)}, {"Total Requests:", count(m.TotalRequests)},
		{"Budget Denials:", count(m.DeniedBudget)}, {"Rate Limit Denials:", count(m.DeniedRate)},
		{"Policy Violations:", count(m.PolicyViolations)},
	} {
		a.printf("%-19s %s", row[0], row[1])
	}
	if len(m.TopModels) > 0 {
		a.printf("\nTop Models")
		for _, t := range m.TopModels {
			a.printf("  %s: %d", printable(t.Model), t.Count)
		}
	}
	if len(m.Agents) > 0 {
		a.printf("")
		a.printAgentMetrics(m.Agents)
	}
	if len(m.Groups) > 0 {
		a.printf("")
		a.printGroupMetrics(m.Groups)
	}
	return nil
}

func (a *app) printAgentMetrics(agents []agentMetrics) {
	var rows [][]string
	for _, ag := range agents {
		remaining := "no limit"
		if ag.Remaining != nil {
			remaining = ledger.Micros(*ag.Remaining).String()
		}
		rpm := "none"
		if ag.RPM != nil {
			rpm = count(*ag.RPM)
		}
		last := "-"
		if ag.LastActivity != nil {
			last = a.ago(*ag.LastActivity)
		}
		rows = append(rows, []string{ag.Name, ag.SpentMicro.String(), remaining, count(ag.Burn), lasts(ag.TTB), rpm, last})
	}
	a.printTable([]column{left("agent"), right("spent ($)"), right("remaining ($)"), right("burn rate (µ/s)"), right("ttb"),
		right("rpm"), left("last activity")}, rows)
}

// lasts prints seconds as v1.2 did: 3h 20m, 5m 2s, ∞.
func lasts(seconds *int64) string {
	if seconds == nil {
		return "∞"
	}
	s := *seconds
	switch {
	case s >= 10_000*3600:
		return "∞"
	case s >= 3600:
		return strconv.FormatInt(s/3600, 10) + "h " + strconv.FormatInt(s%3600/60, 10) + "m"
	}
	return strconv.FormatInt(s/60, 10) + "m " + strconv.FormatInt(s%60, 10) + "s"
}

var _ json.Marshaler = usd(0)
