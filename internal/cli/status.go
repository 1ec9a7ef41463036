package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/ledger"
)

// statusView is what status prints, for programs.
type statusView struct {
	Home      string           `json:"home"`
	Agents    int64            `json:"agents"`
	Budget    *ledger.Micros   `json:"budget_micro"` // of the agents that have one; null: none has
	Spent     ledger.Micros    `json:"spent_micro"`
	Reserved  ledger.Micros    `json:"reserved_micro"`
	Overrun   ledger.Micros    `json:"overrun_micro"`
	Doubt     ledger.Micros    `json:"in_doubt_micro"` // of what was spent: estimates
	Doubtful  int64            `json:"in_doubt_calls"`
	Unlimited int              `json:"agents_without_limit"`
	Remaining *ledger.Micros   `json:"remaining_micro"` // likewise
	Calls     int64            `json:"calls"`
	Refused   int64            `json:"refused"`
	ByCause   map[string]int64 `json:"refused_by_cause"`
	OpenRuns  int64            `json:"open_runs"`
	Groups    []groupView      `json:"groups"`
	Waiting   []waitingRun     `json:"waiting_runs"` // for a top-up, or for their agent to be resumed
	Daemon    daemonView       `json:"daemon"`
}

// statusGroups is how many groups status lists.
const statusGroups = 20

func (a *app) statusCommand() *cobra.Command {
	return a.jsonFlag(&cobra.Command{
		Use: "status", Short: "sum up what was spent and refused, and what is left of the groups' budgets", Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.status(cmd.Context()) },
	})
}

func (a *app) status(ctx context.Context) error {
	s, err := a.settings()
	if err != nil {
		return err
	}
	l, err := a.openToShow(ctx)
	if err != nil {
		return err
	}
	defer l.Close() // reads; the ledger has nothing to lose
	t, err := l.Totals(ctx)
	if err != nil {
		return fmt.Errorf("summing up: %w", err)
	}
	agents, err := l.Agents(ctx)
	if err != nil {
		return fmt.Errorf("listing agents: %w", err)
	}
	v := statusView{
		Home: s.home, Agents: t.Agents, Spent: t.Spent, Reserved: t.Reserved, Overrun: t.Overrun, Doubt: t.Doubt, Doubtful: t.Doubtful,
		Calls: t.Calls, Refused: t.Refused, ByCause: t.ByCause, OpenRuns: t.OpenRuns, Daemon: a.lookAtDaemon(ctx, s),
	}
	v.Budget, v.Remaining, v.Unlimited = limits(agents)
	groups, err := l.Groups(ctx)
	if err != nil {
		return err
	}
	v.Groups = []groupView{}
	for _, g := range groups {
		v.Groups = append(v.Groups, viewGroup(g))
	}
	if v.Waiting, err = waiting(ctx, l, ""); err != nil {
		return err
	}
	if v.ByCause == nil {
		v.ByCause = map[string]int64{}
	}
	if a.json {
		return a.printJSON(v)
	}
	a.printStatus(v)
	if len(groups) > 0 {
		a.printf("")
		a.printTable(groupColumns, groupRows(groups[:min(len(groups), statusGroups)]))
		if more := len(groups) - statusGroups; more > 0 {
			a.printf("and %d more: aex group list", more)
		}
	}
	a.hintWaiting(v.Waiting)
	return nil
}

func (a *app) printStatus(v statusView) {
	a.printf("Agents:             %d", v.Agents)
	a.printf("Total Budget:       %s", v.limitText(v.Budget))
	a.printf("Total Spent:        %s", v.Spent+v.Overrun)
	if v.Doubtful != 0 {
		a.printf("In Doubt:           %s of the spent (%s)", v.Doubt, brokeOff(v.Doubtful))
	}
	a.printf("Total Reserved:     %s", v.Reserved)
	a.printf("Total Remaining:    %s", v.limitText(v.Remaining))
	if v.Overrun > 0 {
		a.printf("Overrun:            %s of the spent", v.Overrun)
	}
	a.printf("")
	a.printf("Requests Served:    %d", v.Calls)
	a.printf("Budget Denials:     %d", sumOf(v.ByCause, moneyCauses))
	a.printf("Rate Limit Denials: %d", sumOf(v.ByCause, rateCauses))
	a.printf("Policy Violations:  %d", sumOf(v.ByCause, policyCauses))
	for _, cause := range slices.Sorted(maps.Keys(v.ByCause)) {
		a.printf("  %-24s %d", printable(cause), v.ByCause[cause])
	}
	a.printf("Active Runs:        %d", v.OpenRuns)
	a.printf("")
	a.printf("Daemon:             %s", v.Daemon.text())
}

// brokeOff says how many calls ended without their usage.
func brokeOff(calls int64) string {
	if calls == 1 {
		return "1 call broke off"
	}
	return fmt.Sprintf("%d calls broke off", calls)
}

// limits are the sums of all budgets and of what is left of them, and how many
// agents have none; nil where no agent has a budget.
func limits(agents []ledger.Agent) (budget, remaining *ledger.Micros, unlimited int) {
	var all, rest ledger.Micros
	for _, ag := range agents {
		left, limited := ag.Account.Left()
		if !limited || ag.Budget == nil {
			unlimited++
			continue
		}
		all, rest = all+*ag.Budget, rest+left
	}
	if unlimited == len(agents) {
		return nil, nil, unlimited
	}
	return &all, &rest, unlimited
}

// limitText is a sum of budgets for people.
func (v statusView) limitText(sum *ledger.Micros) string {
	switch {
	case v.Agents == 0:
		return "-"
	case sum == nil:
		return "no limit"
	case v.Unlimited > 0:
		return fmt.Sprintf("%s, and %d without a limit", *sum, v.Unlimited)
	}
	return sum.String()
}
