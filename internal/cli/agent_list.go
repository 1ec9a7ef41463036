package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
)

func (a *app) agentListCommand() *cobra.Command {
	verbose, sort, group := false, "name", ""
	cmd := a.jsonFlag(&cobra.Command{
		Use: "list [PATTERN...]", Short: "list the agents",
		Long:    "list tells of all agents, or of those whose names match a PATTERN: * is anything, ? one letter.",
		Example: "  aex agent list\n  aex agent list 'ci-*' --sort left\n  aex agent list --group acme",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.listAgents(cmd.Context(), agentList{args, group, sort, verbose})
		},
	})
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "with micro-dollars and what is reserved")
	cmd.Flags().StringVar(&sort, "sort", sort, "order: by name, least left first, or most spent first")
	cmd.Flags().StringVar(&group, "group", "", "only those in this group, or in one inside it")
	a.takes(cmd, map[string]kind{"group": takesGroup, "sort": oneOfKind("name", "left", "spent")})
	return a.arguments(cmd, true, takesAgent)
}

// sortAgents puts them in order; names decide between equals.
func sortAgents(agents []ledger.Agent, by string) {
	slices.SortStableFunc(agents, func(x, y ledger.Agent) int {
		switch by {
		case "spent":
			return cmp.Or(cmp.Compare(y.Account.Charged(), x.Account.Charged()), cmp.Compare(x.Name, y.Name))
		case "left":
			l, limited := x.Account.Left()
			m, alsoLimited := y.Account.Left()
			if limited != alsoLimited { // who has no limit stands behind
				return map[bool]int{true: -1, false: 1}[limited]
			}
			return cmp.Or(cmp.Compare(l, m), cmp.Compare(x.Name, y.Name))
		}
		return cmp.Compare(x.Name, y.Name)
	})
}

// agentList says which agents are listed, and how.
type agentList struct {
	patterns []string
	group    string // "": of any group, and of none
	sort     string
	verbose  bool
}

// picks tells whether an agent is listed.
func (f agentList) picks(ag ledger.Agent) bool {
	return policy.Matches(f.patterns, ag.Name) && (f.group == "" || ag.In(f.group))
}

// check refuses a group that there is not.
func (f agentList) check(ctx context.Context, a *app, l *ledger.Ledger) error {
	if f.group == "" {
		return nil
	}
	if _, err := l.Group(ctx, f.group); err != nil {
		return a.groupError(ctx, l, f.group, err)
	}
	return nil
}

func (a *app) listAgents(ctx context.Context, f agentList) error {
	if f.sort == "cost" {
		f.sort = "spent"
	}
	if _, err := oneOf("--sort", f.sort, "name", "left", "spent"); err != nil {
		return err
	}
	l, err := a.openToShow(ctx)
	if err != nil {
		return err
	}
	defer l.Close() // reads; the ledger has nothing to lose
	agents, err := l.Agents(ctx)
	if err != nil {
		return fmt.Errorf("listing agents: %w", err)
	}
	if err := f.check(ctx, a, l); err != nil {
		return err
	}
	all := len(agents)
	grouped := slices.ContainsFunc(agents, func(ag ledger.Agent) bool { return ag.Group != "" })
	agents = slices.DeleteFunc(agents, func(ag ledger.Agent) bool { return !f.picks(ag) })
	sortAgents(agents, f.sort)
	if len(agents) == 0 && all > 0 && len(f.patterns) > 0 {
		return hinted(fmt.Errorf("no agent of %d matches %s", all, strings.Join(f.patterns, " ")), "* is anything, ? one letter: aex agent list 'ci-*'")
	}
	views := []agentView{}
	var rows [][]string
	for _, ag := range agents {
		tokens, err := l.Tokens(ctx, ag.Name)
		if err != nil {
			return err
		}
		views = append(views, viewAgent(ag, tokens))
		row := a.agentRow(ag, tokens, f.verbose)
		if grouped {
			row = append(row, orText(ag.Group, "-"))
		}
		rows = append(rows, row)
	}
	if a.json {
		return a.printJSON(views)
	}
	if len(rows) == 0 && all > 0 {
		a.printf("no agent is in group %s; move one there with: aex agent set NAME --group %s", printable(f.group), plain.Word(printable(f.group)))
		return nil
	}
	if len(rows) == 0 {
		a.printf("no agents yet; make one with: aex agent create NAME BUDGET RPM")
		return nil
	}
	a.printTable(f.columns(grouped), rows)
	return nil
}

// columns are those of the list; agents that are in groups have one more.
func (f agentList) columns(grouped bool) []column {
	unit := "($)"
	if f.verbose {
		unit = "(µ)"
	}
	columns := []column{left("name"), right("budget " + unit), right("spent " + unit), right("remaining " + unit)}
	if f.verbose {
		columns = append(columns, right("reserved "+unit), right("overrun "+unit))
	}
	columns = append(columns, right("rpm"), left("scope"), left("caps"), left("last activity"))
	if grouped {
		columns = append(columns, left("group"))
	}
	return columns
}

func (a *app) agentRow(ag ledger.Agent, tokens []ledger.Token, verbose bool) []string {
	money := func(m ledger.Micros) string {
		if verbose {
			return strconv.FormatInt(int64(m), 10)
		}
		return strings.TrimPrefix(m.String(), "$")
	}
	budget, remaining := "none", "-"
	if ag.Budget != nil {
		budget = money(*ag.Budget)
	}
	if left, limited := ag.Account.Left(); limited {
		remaining = money(left)
	}
	if ag.Window != ledger.Total {
		budget += periodOf(ag.Window)
	}
	row := []string{ag.Name, budget, money(ag.Account.Spent), remaining}
	if verbose {
		row = append(row, money(ag.Account.Reserved), money(ag.Account.Overrun))
	}
	return append(row, orNone(ag.Limits.RequestsPerMinute), scopes(tokens), shortCapabilities(ag), a.ago(ag.LastActivity))
}

func orNone(n int64) string {
	if n == 0 {
		return "none"
	}
	return strconv.FormatInt(n, 10)
}

// scopes of an agent's tokens, short: exec, RO, both, or that there is none.
func scopes(tokens []ledger.Token) string {
	var exec, readOnly bool
	for _, t := range tokens {
		exec = exec || t.Scope == ledger.Execution
		readOnly = readOnly || t.Scope == ledger.ReadOnly
	}
	switch {
	case exec && readOnly:
		return "exec, RO"
	case exec:
		return "exec"
	case readOnly:
		return "RO"
	}
	return "—"
}

// shortCapabilities are the marks that v1.2 listed, and paused.
func shortCapabilities(ag ledger.Agent) string {
	c, err := policy.ParseCapabilities(ag.Capabilities)
	if err != nil {
		return "unreadable"
	}
	var marks []string
	for _, m := range []struct {
		on   bool
		mark string
	}{
		{ag.Paused, "PAUSED"}, {!c.Streaming, "!stream"}, {!c.Tools, "!tools"}, {!c.FunctionCalling, "!functions"},
		{c.Vision, "vision"}, {c.Strict, "STRICT"}, {c.Passthrough, "PT"},
	} {
		if m.on {
			marks = append(marks, m.mark)
		}
	}
	if len(marks) == 0 {
		return "—"
	}
	return strings.Join(marks, " ")
}
