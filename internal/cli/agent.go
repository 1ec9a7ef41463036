package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
)

func (a *app) agentCommand() *cobra.Command {
	return group("agent", "make, look at and change agents",
		a.outsideOnly(a.agentCreateCommand()), a.agentListCommand(), a.agentInspectCommand(), a.outsideOnly(a.agentSetCommand()),
		a.outsideOnly(a.agentTokenCommand()), a.outsideOnly(a.agentRotateCommand()), a.outsideOnly(a.agentPauseCommand(true)),
		a.outsideOnly(a.agentPauseCommand(false)), a.outsideOnly(a.agentDeleteCommand()))
}

// createFlags are the flags of agent create.
type createFlags struct {
	capabilityFlags
	limitFlags
	ttl         ttlFlag
	scope       scopeFlag
	group       string
	ifNotExists bool
}

func (a *app) agentCreateCommand() *cobra.Command {
	f := &createFlags{scope: scopeFlag{ledger.Execution}}
	cmd := a.jsonFlag(&cobra.Command{
		Use: "create NAME BUDGET RPM", Short: "make an agent, with a token for aex serve",
		Long: `create makes an agent that may spend BUDGET dollars at RPM requests a minute;
either may be none. A budget may be by the day, week or month: 5.00/day. It may stream and use tools, but not send images, audio or
files unless --allow-vision is given. Its token is shown once: aex keeps only a
hash of it.`,
		Example: `  aex agent create atlas 10.00 30
  aex agent create nightly 5.00/day none
  aex agent create crawler none none --group acme/search
  aex agent create atlas 10.00 30 --allowed-models "gpt-4o*" --no-streaming --ttl 24`,
		Args: exactly("NAME", "BUDGET", "RPM"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.createAgent(cmd, f, args) },
	})
	fl := cmd.Flags()
	f.capabilityFlags.register(fl, false)
	f.limitFlags.register(fl)
	fl.Var(&f.ttl, "ttl", "how long the token lives: hours (24, 0.5), 90m, 7d, none")
	fl.Var(&f.scope, "scope", "what the token may do: execution, read-only")
	fl.StringVar(&f.group, "group", "", "the group that it is in")
	fl.BoolVar(&f.ifNotExists, "if-not-exists", false, "leave an agent that exists as it is")
	a.takes(cmd, map[string]kind{"ttl": takesLife, "group": takesGroup, "scope": takesScope, "window": takesWindow, "allowed-models": takesModels, "denied-models": takesModels, "hosted-tools": oneOfKind("auto", "refuse", "allow")})
	return a.arguments(cmd, false, takesText, takesBudget, kind{name: "RPM", complete: words("30", "60", "none")})
}

// v12Capabilities are what agent create gave in v1.2 and gives still.
func v12Capabilities() policy.Capabilities {
	return policy.Capabilities{Streaming: true, Tools: true, FunctionCalling: true}
}

func (a *app) createAgent(cmd *cobra.Command, f *createFlags, args []string) (err error) {
	n, caps, err := f.newAgent(cmd, args)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	l, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	ag, err := l.CreateAgent(ctx, n)
	if errors.Is(err, ledger.ErrExists) && f.ifNotExists {
		return a.existsAlready(ctx, l, n.Name)
	}
	if errors.Is(err, ledger.ErrNotFound) {
		return a.groupError(ctx, l, n.Group, err)
	}
	if err != nil {
		return a.agentError(ctx, l, n.Name, err)
	}
	token, expires, err := a.mint(ctx, ag.Name, f.ttl.d, f.scope.scope, l.AddToken)
	if err != nil {
		return hinted(fmt.Errorf("agent %s was made, but no token: %w", ag.Name, err), "mint one with: aex agent token %s", ag.Name)
	}
	if a.json {
		return a.printJSON(struct {
			agentView
			Token string `json:"token"`
		}{viewAgent(ag, []ledger.Token{{Scope: f.scope.scope, Expires: expires, TTL: f.ttl.d}}), token})
	}
	a.printf("Agent '%s' created.", ag.Name)
	a.printf("Token: %s", token)
	a.printf("Budget: %s", budgetText(ag.Budget, ag.Window))
	if ag.Group != "" {
		a.printf("Group: %s", printable(ag.Group))
	}
	a.printf("Capabilities: %s", capabilityText(caps))
	if !expires.IsZero() {
		a.printf("Token expires: %s", expires.Local().Format(time.RFC3339))
	}
	a.printf("Scope: %s", f.scope.scope)
	if caps.Passthrough {
		a.printf("Passthrough: ENABLED")
	}
	return nil
}

// newAgent turns the arguments and flags into an agent.
func (f *createFlags) newAgent(cmd *cobra.Command, args []string) (n ledger.NewAgent, caps policy.Capabilities, err error) {
	n.Name = args[0]
	if err := checkName(n.Name); err != nil {
		return n, caps, err
	}
	period := ledger.Window("")
	if n.Budget, period, err = parseAgentBudget(args[1], f.window); err != nil {
		return n, caps, err
	}
	if n.Limits.RequestsPerMinute, err = parseRate(args[2]); err != nil {
		return n, caps, usageError("RPM: %v", err)
	}
	n.Limits.TokensPerMinute, n.Limits.Concurrency = f.tpm.n, f.concurrency.n
	n.Window = cmp.Or(period, ledger.Total)
	if f.group != "none" {
		n.Group = f.group
	}
	caps = v12Capabilities()
	if err := f.apply(cmd.Flags(), &caps); err != nil {
		return n, caps, err
	}
	n.Capabilities, err = json.Marshal(caps)
	return n, caps, err
}

// parseAgentBudget reads dollars, or none, and the time that they are for, where
// it or --window tells: 5.00, 5.00/day.
func parseAgentBudget(s, window string) (b *ledger.Micros, w ledger.Window, err error) {
	if window != "" {
		if w, err = parseWindow(window); err != nil {
			return nil, "", err
		}
	}
	amount, period, has := strings.Cut(s, "/")
	if has {
		of, known := periods[period]
		if !known {
			return nil, "", &failure{err: fmt.Errorf("budget: %q is for no time that there is", s), hint: "write dollars like 5.00, 5.00/day, 5.00/week or 5.00/month", code: exitUsage}
		}
		if window != "" && of != w {
			return nil, "", usageError("a budget of %s and --window %s exclude each other", s, window)
		}
		w = of
	}
	b, err = parseBudget(amount)
	return b, w, err
}

// parseBudget reads dollars, or none.
func parseBudget(s string) (*ledger.Micros, error) {
	if s == "none" {
		return nil, nil
	}
	m, err := ledger.ParseUSD(s)
	if err != nil {
		return nil, &failure{err: fmt.Errorf("budget: %w", err), hint: "write dollars like 5.00, or 5.00/day, or none for no limit", code: exitUsage}
	}
	return &m, nil
}

// existsAlready tells of the agent that --if-not-exists found.
func (a *app) existsAlready(ctx context.Context, l *ledger.Ledger, name string) error {
	ag, err := l.Agent(ctx, name)
	if err != nil {
		return a.agentError(ctx, l, name, err)
	}
	if a.json {
		tokens, err := l.Tokens(ctx, name)
		if err != nil {
			return err
		}
		return a.printJSON(viewAgent(ag, tokens))
	}
	a.printf("Agent '%s' exists already and is left as it is; mint a token with: aex agent token %s", printable(name), printable(name))
	return nil
}

// mint makes a token of 128 bits, as v1.2 did, and stores its hash.
func (a *app) mint(ctx context.Context, agent string, ttl time.Duration, scope ledger.Scope,
	store func(context.Context, ledger.NewToken) error) (token string, expires time.Time, err error) {
	token = ledger.NewSecret(ledger.SecretOfAgent)
	if ttl > 0 {
		expires = a.now().Add(ttl).UTC()
	}
	return token, expires, store(ctx, ledger.NewToken{Hash: ledger.HashToken(token), Agent: agent, Scope: scope, Expires: expires, TTL: ttl})
}

func budgetText(b *ledger.Micros, w ledger.Window) string {
	if b == nil {
		return "none"
	}
	text := fmt.Sprintf("%s (%d micro)", *b, *b)
	if w != ledger.Total && w != "" {
		text += " " + string(w)
	}
	return text
}

// capabilityText names what an agent may do, and its limits.
func capabilityText(c policy.Capabilities) string {
	var parts []string
	for _, p := range []struct {
		on   bool
		name string
	}{
		{c.Streaming, "streaming"}, {c.Tools, "tools"}, {c.FunctionCalling, "function calling"}, {c.Vision, "vision"},
		{c.Strict, "strict"},
	} {
		if p.on {
			parts = append(parts, p.name)
		}
	}
	if len(c.AllowedModels) > 0 {
		parts = append(parts, "models "+strings.Join(c.AllowedModels, " "))
	}
	if len(c.DeniedModels) > 0 {
		parts = append(parts, "no models "+strings.Join(c.DeniedModels, " "))
	}
	if len(c.AllowedTools) > 0 {
		parts = append(parts, "tools "+strings.Join(c.AllowedTools, " "))
	}
	if len(c.DeniedTools) > 0 {
		parts = append(parts, "no tools "+strings.Join(c.DeniedTools, " "))
	}
	if len(parts) == 0 {
		return "text only"
	}
	return printable(strings.Join(parts, ", "))
}
