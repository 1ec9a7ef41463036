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
	"github.com/Auro-rium/aex/v3/policy"
)

// agentView is an agent as --json prints it.
type agentView struct {
	ID           string          `json:"id"`
	Name         string          `json:"name"`
	Budget       *ledger.Micros  `json:"budget_micro"`
	Window       ledger.Window   `json:"window"`
	WindowStart  *time.Time      `json:"window_start,omitempty"` // of the one that is now
	Group        string          `json:"group"`
	Spent        ledger.Micros   `json:"spent_micro"`
	Reserved     ledger.Micros   `json:"reserved_micro"`
	Overrun      ledger.Micros   `json:"overrun_micro"`
	Remaining    *ledger.Micros  `json:"remaining_micro"`
	RPM          *int64          `json:"rpm_limit"`
	TPM          *int64          `json:"max_tokens_per_minute"`
	Concurrency  *int64          `json:"max_concurrency"`
	Paused       bool            `json:"paused"`
	Capabilities json.RawMessage `json:"capabilities"`
	Created      time.Time       `json:"created"`
	LastActivity *time.Time      `json:"last_activity"`
	Tokens       []tokenView     `json:"tokens"`
}

type tokenView struct {
	Hash    string       `json:"hash_prefix,omitempty"`
	Scope   ledger.Scope `json:"scope"`
	Created *time.Time   `json:"created,omitempty"`
	Expires *time.Time   `json:"expires"`
	TTL     int64        `json:"ttl_s,omitempty"`
}

func viewAgent(ag ledger.Agent, tokens []ledger.Token) agentView {
	v := agentView{
		ID: ag.ID, Name: ag.Name, Budget: ag.Budget, Window: ag.Window, Group: ag.Group, Spent: ag.Account.Spent, Reserved: ag.Account.Reserved,
		Overrun: ag.Account.Overrun, RPM: limit(ag.Limits.RequestsPerMinute), TPM: limit(ag.Limits.TokensPerMinute),
		Concurrency: limit(ag.Limits.Concurrency), Paused: ag.Paused, Capabilities: ag.Capabilities, Created: ag.CreatedAt,
		LastActivity: moment(ag.LastActivity), Tokens: []tokenView{},
	}
	if ag.Window != ledger.Total {
		v.WindowStart = moment(ag.Account.Start)
	}
	if left, limited := ag.Account.Left(); limited {
		v.Remaining = &left
	}
	for _, t := range tokens {
		v.Tokens = append(v.Tokens, tokenView{t.Prefix, t.Scope, moment(t.Created), moment(t.Expires), int64(t.TTL.Seconds())})
	}
	return v
}

// limit is nil where there is none.
func limit(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

// moment is nil for a time that never was.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (a *app) agentListCommand() *cobra.Command {
	verbose, sort := false, "name"
	cmd := a.jsonFlag(&cobra.Command{
		Use: "list [PATTERN...]", Short: "list the agents",
		Long:    "list tells of all agents, or of those whose names match a PATTERN: * is anything, ? one letter.",
		Example: "  aex agent list\n  aex agent list 'ci-*' --sort left",
		RunE:    func(cmd *cobra.Command, args []string) error { return a.listAgents(cmd.Context(), args, sort, verbose) },
	})
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "with micro-dollars and what is reserved")
	cmd.Flags().StringVar(&sort, "sort", sort, "order: by name, least left first, or most spent first")
	a.takes(cmd, map[string]kind{"sort": oneOfKind("name", "left", "spent")})
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

func (a *app) listAgents(ctx context.Context, patterns []string, sort string, verbose bool) error {
	if sort == "cost" {
		sort = "spent"
	}
	if _, err := oneOf("--sort", sort, "name", "left", "spent"); err != nil {
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
	all := len(agents)
	agents = slices.DeleteFunc(agents, func(ag ledger.Agent) bool { return !policy.Matches(patterns, ag.Name) })
	sortAgents(agents, sort)
	if len(agents) == 0 && all > 0 {
		return hinted(fmt.Errorf("no agent of %d matches %s", all, strings.Join(patterns, " ")), "* is anything, ? one letter: aex agent list 'ci-*'")
	}
	views := []agentView{}
	var rows [][]string
	for _, ag := range agents {
		tokens, err := l.Tokens(ctx, ag.Name)
		if err != nil {
			return err
		}
		views = append(views, viewAgent(ag, tokens))
		rows = append(rows, a.agentRow(ag, tokens, verbose))
	}
	if a.json {
		return a.printJSON(views)
	}
	if len(rows) == 0 {
		a.printf("no agents yet; make one with: aex agent create NAME BUDGET RPM")
		return nil
	}
	unit := "($)"
	if verbose {
		unit = "(µ)"
	}
	columns := []column{left("name"), right("budget " + unit), right("spent " + unit), right("remaining " + unit)}
	if verbose {
		columns = append(columns, right("reserved "+unit), right("overrun "+unit))
	}
	a.printTable(append(columns, right("rpm"), left("scope"), left("caps"), left("last activity")), rows)
	return nil
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
		budget += "/" + map[ledger.Window]string{ledger.Daily: "day", ledger.Weekly: "week", ledger.Monthly: "month"}[ag.Window]
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

func (a *app) agentInspectCommand() *cobra.Command {
	return a.arguments(a.jsonFlag(&cobra.Command{
		Use: "inspect NAME", Short: "tell all of an agent but its tokens", Args: exactly("NAME"),
		Example: "  aex agent inspect atlas",
		RunE:    func(cmd *cobra.Command, args []string) error { return a.inspectAgent(cmd.Context(), args[0]) },
	}), false, takesAgent)
}

func (a *app) inspectAgent(ctx context.Context, name string) error {
	l, ag, err := a.agentIn(ctx, name, a.openToShow)
	if err != nil {
		return err
	}
	defer l.Close() // reads; the ledger has nothing to lose
	tokens, err := l.Tokens(ctx, name)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(viewAgent(ag, tokens))
	}
	zone, _, err := l.Zone(ctx)
	if err != nil {
		return err
	}
	caps, err := policy.ParseCapabilities(ag.Capabilities)
	if err != nil {
		return hinted(fmt.Errorf("agent %s: %w; every call of it is refused", name, err), "set them anew with: aex agent set %s ...", name)
	}
	a.printMoney(ag, zone)
	a.printCapabilities(caps, ag.Limits)
	a.printf("Auth")
	if len(tokens) == 0 {
		a.printf("  %-22s none; mint one with: aex agent token %s", "Tokens:", printable(name))
	}
	for _, t := range tokens {
		expires := "never"
		if !t.Expires.IsZero() {
			expires = instant(t.Expires)
			if t.Expires.Before(a.now()) {
				expires += " (expired)"
			}
		}
		a.printf("  %-22s %s, expires %s, hashed ✅ (%s…)", "Scope:", t.Scope, expires, t.Prefix)
	}
	return nil
}

func (a *app) printMoney(ag ledger.Agent, zone ledger.Zone) {
	both := func(m ledger.Micros) string { return fmt.Sprintf("%s (%d µ)", m, m) }
	a.printf("Agent %s", printable(ag.Name))
	budget, remaining := "none", "no limit"
	if ag.Budget != nil {
		budget = both(*ag.Budget)
	}
	if ag.Window != ledger.Total {
		budget += fmt.Sprintf(", %s, this one since %s %s", ag.Window, ag.Account.Start.In(zone.Location()).Format("2006-01-02 15:04"), zone)
	}
	if left, limited := ag.Account.Left(); limited {
		remaining = both(left)
	}
	a.printf("  %-22s %s", "Budget:", budget)
	a.printf("  %-22s %s", "Spent:", both(ag.Account.Spent))
	a.printf("  %-22s %s", "Reserved:", both(ag.Account.Reserved))
	if ag.Account.Overrun > 0 {
		a.printf("  %-22s %s", "Overrun:", both(ag.Account.Overrun))
	}
	a.printf("  %-22s %s", "Remaining:", remaining)
	if ag.Group != "" {
		a.printf("  %-22s %s", "Group:", printable(ag.Group))
	}
	a.printf("  %-22s %s", "RPM Limit:", orNone(ag.Limits.RequestsPerMinute))
	a.printf("  %-22s %s", "State:", map[bool]string{true: "paused", false: "active"}[ag.Paused])
	a.printf("  %-22s %s", "Last Activity:", a.ago(ag.LastActivity))
}

func (a *app) printCapabilities(c policy.Capabilities, limits ledger.Limits) {
	yes := map[bool]string{true: "✅", false: "❌"}
	list := func(l []string, otherwise string) string {
		if len(l) == 0 {
			return otherwise
		}
		return printable(strings.Join(l, ", "))
	}
	passthrough := yes[c.Passthrough]
	if c.PassthroughOnly {
		passthrough += " required"
	}
	a.printf("Capabilities")
	for _, row := range [][2]string{
		{"Streaming:", yes[c.Streaming]}, {"Tools:", yes[c.Tools]}, {"Function Calling:", yes[c.FunctionCalling]},
		{"Vision:", yes[c.Vision]}, {"Strict Mode:", yes[c.Strict]}, {"Passthrough:", passthrough},
		{"Allowed Models:", list(c.AllowedModels, "all")}, {"Denied Models:", list(c.DeniedModels, "none")},
		{"Max Input Tokens:", orNone(c.MaxInputTokens)}, {"Max Output Tokens:", orNone(c.MaxOutputTokens)},
		{"Max Tok/Request:", orNone(c.MaxTokensPerReq)}, {"Max Tok/Minute:", orNone(limits.TokensPerMinute)},
		{"Max Concurrency:", orNone(limits.Concurrency)},
		{"Allowed Tools:", list(c.AllowedTools, "all")}, {"Denied Tools:", list(c.DeniedTools, "none")},
	} {
		a.printf("  %-22s %s", row[0], row[1])
	}
}
