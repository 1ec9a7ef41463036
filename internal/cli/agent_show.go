package cli

import (
	"context"
	"encoding/json"
	"fmt"
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
	Groups       []standingView  `json:"groups,omitempty"` // that one and those around it, where they are asked for
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
	groups, err := l.GroupsAround(ctx, ag.Group)
	if err != nil {
		return err
	}
	if a.json {
		v := viewAgent(ag, tokens)
		for _, g := range groups {
			v.Groups = append(v.Groups, viewStanding(g))
		}
		return a.printJSON(v)
	}
	zone, _, err := l.Zone(ctx)
	if err != nil {
		return err
	}
	caps, err := policy.ParseCapabilities(ag.Capabilities)
	if err != nil {
		return hinted(fmt.Errorf("agent %s: %w; every call of it is refused", name, err), "set them anew with: aex agent set %s ...", name)
	}
	a.printMoney(ag, groups, zone)
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

func (a *app) printMoney(ag ledger.Agent, groups []ledger.Group, zone ledger.Zone) {
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
	state := map[bool]string{true: "paused", false: "active"}[ag.Paused]
	for i, g := range groups {
		label := map[bool]string{true: "Group:", false: "Inside:"}[i == 0]
		a.printf("  %-22s %s", label, printable(g.Name)+standingText(g))
		if g.Paused && !ag.Paused {
			state = "active, and group " + printable(g.Name) + " is paused: its calls are refused"
		}
	}
	a.printf("  %-22s %s", "RPM Limit:", orNone(ag.Limits.RequestsPerMinute))
	a.printf("  %-22s %s", "State:", state)
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
