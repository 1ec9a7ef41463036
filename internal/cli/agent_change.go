package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
)

// setFlags are the flags of agent set.
type setFlags struct {
	capabilityFlags
	limitFlags
	budget string
	group  string
}

func (a *app) agentSetCommand() *cobra.Command {
	f := &setFlags{}
	cmd := a.jsonFlag(&cobra.Command{
		Use: "set NAME", Short: "change an agent's budget, limits and capabilities",
		Long: `set changes what its flags name and leaves the rest. A budget that is lowered
below what is spent and reserved follows as calls in flight end.`,
		Example: "  aex agent set atlas --budget 20.00 --rpm none\n  aex agent set atlas --budget 5.00/day\n  aex agent set atlas --streaming --no-vision --allowed-models ''",
		Args:    exactly("NAME"),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.setAgent(cmd, f, args[0]) },
	})
	fl := cmd.Flags()
	f.capabilityFlags.register(fl, true)
	f.limitFlags.register(fl)
	fl.Var(&f.rpm, "rpm", "requests a minute, or none")
	fl.StringVar(&f.budget, "budget", "", "dollars (5.00, or 5.00/day, /week, /month), or none")
	fl.StringVar(&f.group, "group", "", "the group that it is in, or none; what it spent stays with its old one")
	a.takes(cmd, map[string]kind{"group": takesGroup, "budget": takesBudget, "window": takesWindow, "allowed-models": takesModels, "denied-models": takesModels, "hosted-tools": oneOfKind("auto", "refuse", "allow")})
	return a.arguments(cmd, false, takesAgent)
}

func (a *app) setAgent(cmd *cobra.Command, f *setFlags, name string) (err error) {
	fl, ctx := cmd.Flags(), cmd.Context()
	if fl.NFlag() == 0 || fl.NFlag() == 1 && a.json {
		return &failure{err: errors.New("nothing to change"), hint: "see: aex agent set --help", code: exitUsage}
	}
	l, ag, err := a.findAgent(ctx, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	var c ledger.AgentChange
	if fl.Changed("budget") {
		b, w, err := parseAgentBudget(f.budget, f.window)
		if err != nil {
			return err
		}
		c.Budget = &b
		if w != "" {
			c.Window = &w
		}
	} else if fl.Changed("window") {
		w, err := parseWindow(f.window)
		if err != nil {
			return err
		}
		c.Window = &w
	}
	limits := ag.Limits
	for flag, to := range map[string]struct{ from, to *int64 }{
		"rpm":                   {&f.rpm.n, &limits.RequestsPerMinute},
		"max-tokens-per-minute": {&f.tpm.n, &limits.TokensPerMinute},
		"max-concurrency":       {&f.concurrency.n, &limits.Concurrency},
	} {
		if fl.Changed(flag) {
			*to.to, c.Limits = *to.from, &limits
		}
	}
	if fl.Changed("group") {
		if f.group == "none" {
			f.group = ""
		} else if _, err := l.Group(ctx, f.group); err != nil {
			return a.groupError(ctx, l, f.group, err)
		}
		c.Group = &f.group
	}
	if c.Capabilities, err = f.changed(cmd, ag); err != nil {
		return err
	}
	if ag, err = l.SetAgent(ctx, name, c); err != nil {
		return a.agentError(ctx, l, name, err)
	}
	if a.json {
		return a.printJSON(viewAgent(ag, nil))
	}
	a.printf("Agent '%s' changed.", printable(name))
	if b, isSet := c.Budget, c.Budget != nil && *c.Budget != nil && ag.Account.Budget != nil; isSet && *ag.Account.Budget > **b {
		a.printf("Budget: %s; it is %s until what is spent and reserved allows less", **b, *ag.Account.Budget)
	}
	return nil
}

// changed is the agent's capabilities with the flags applied; nil when none was given.
func (f *setFlags) changed(cmd *cobra.Command, ag ledger.Agent) (json.RawMessage, error) {
	caps, err := policy.ParseCapabilities(ag.Capabilities)
	if err != nil { // what cannot be read is set anew
		caps = v12Capabilities()
	}
	before, beforeErr := json.Marshal(caps)
	if applyErr := f.apply(cmd.Flags(), &caps); applyErr != nil {
		return nil, applyErr
	}
	after, afterErr := json.Marshal(caps)
	if e := errors.Join(beforeErr, afterErr); e != nil || err == nil && string(before) == string(after) {
		return nil, e
	}
	return after, nil
}

func (a *app) agentPauseCommand(pause bool) *cobra.Command {
	use, short, done := "resume NAME", "let an agent's calls through again", "resumed"
	if pause {
		use, short, done = "pause NAME", "refuse an agent's calls until it is resumed", "paused"
	}
	return a.arguments(a.jsonFlag(&cobra.Command{
		Use: use, Short: short, Args: exactly("NAME"),
		Example: "  aex agent " + strings.TrimSuffix(use, "NAME") + "atlas",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			ctx := cmd.Context()
			l, _, err := a.findAgent(ctx, args[0])
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, l.Close()) }()
			ag, err := l.SetAgent(ctx, args[0], ledger.AgentChange{Paused: &pause})
			if err != nil {
				return a.agentError(ctx, l, args[0], err)
			}
			if a.json {
				return a.printJSON(viewAgent(ag, nil))
			}
			a.printf("Agent '%s' %s.", printable(args[0]), done)
			return nil
		},
	}), false, takesAgent)
}

func (a *app) agentDeleteCommand() *cobra.Command {
	return a.arguments(a.jsonFlag(&cobra.Command{
		Use: "delete NAME", Short: "delete an agent, revoke its tokens and end its runs", Args: exactly("NAME"),
		Example: "  aex agent delete atlas",
		Long:    "delete revokes an agent's tokens and ends its runs. What it spent stays in the ledger.",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			ctx := cmd.Context()
			l, ag, err := a.findAgent(ctx, args[0])
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, l.Close()) }()
			open, err := l.Runs(ctx, ledger.RunFilter{Agent: args[0], Open: true, Limit: 1000})
			if err != nil {
				return fmt.Errorf("listing its runs: %w", err)
			}
			if err := l.DeleteAgent(ctx, args[0]); err != nil {
				return a.agentError(ctx, l, args[0], err)
			}
			if a.json {
				return a.printJSON(map[string]any{"deleted": ag.Name, "id": ag.ID, "ended_runs": len(open)})
			}
			for _, r := range open {
				a.printf("run %.4s is ending", r.ID)
			}
			a.printf("Agent '%s' deleted.", printable(args[0]))
			return nil
		},
	}), false, takesAgent)
}

func (a *app) topupCommand() *cobra.Command {
	return a.arguments(a.jsonFlag(&cobra.Command{
		Use: "topup AGENT|RUN DOLLARS", Short: "give an agent or a run more money",
		Example: "  aex topup atlas 5.00\n  aex topup 7f3a 0.25",
		Args:    exactly("AGENT|RUN", "DOLLARS"),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.topup(cmd.Context(), args[0], args[1]) },
	}), false, takesPayee, takesUSD)
}

// topup raises the budget of an agent of that name, else of a run whose id
// begins so.
func (a *app) topup(ctx context.Context, name, amount string) (err error) {
	by, err := ledger.ParseUSD(amount)
	if err == nil && by == 0 {
		err = errors.New("give more than $0")
	}
	if err != nil {
		return &failure{err: fmt.Errorf("top-up of %q: %w", amount, err), hint: "write dollars like 0.25", code: exitUsage}
	}
	l, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	ag, err := l.Agent(ctx, name)
	if err == nil {
		return a.topupAgent(ctx, l, ag, by)
	}
	if !errors.Is(err, ledger.ErrNotFound) {
		return a.agentError(ctx, l, name, err)
	}
	r, err := l.Run(ctx, name)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		hint := "list them with: aex agent list, aex runs"
		if _, err := l.Group(ctx, name); err == nil {
			hint = fmt.Sprintf("there is a group of that name: aex group topup %s %s", plain.Word(printable(name)), amount)
		}
		return hinted(fmt.Errorf("there is no agent and no run %q", name), "%s", hint)
	case err != nil:
		return runError(name, err)
	case r.State == ledger.RunEnded:
		return hinted(fmt.Errorf("run %.4s has ended", r.ID), "give its agent more: aex topup %s %s", r.Agent, amount)
	case r.Account.Budget == nil:
		return hinted(fmt.Errorf("run %.4s has no budget of its own", r.ID), "give its agent more: aex topup %s %s", r.Agent, amount)
	}
	if r, err = l.TopUpRun(ctx, r.ID, by); err != nil {
		return fmt.Errorf("topping up run %.4s: %w", r.ID, err)
	}
	if a.json {
		return a.printJSON(viewRun(r))
	}
	a.printf("run %.4s has %s of %s spent, and is %s", r.ID, r.Account.Spent, dollars(r.Account.Budget), r.State)
	if owner, err := l.Agent(ctx, r.Agent); err == nil {
		if left, limited := owner.Account.Left(); limited && left < by {
			a.printf("its agent %s has only %s left: aex topup %s %s", printable(r.Agent), left, plain.Word(printable(r.Agent)), amount)
		}
	}
	return nil
}

func (a *app) topupAgent(ctx context.Context, l *ledger.Ledger, ag ledger.Agent, by ledger.Micros) error {
	if ag.Budget == nil {
		return hinted(fmt.Errorf("agent %s has no budget, so there is nothing to top up", ag.Name), "give it one with: aex agent set %s --budget 5.00", ag.Name)
	}
	ag, err := l.TopUpAgent(ctx, ag.Name, by)
	if err != nil {
		return err // it says whose top-up, and of how much
	}
	if a.json {
		return a.printJSON(viewAgent(ag, nil))
	}
	left, _ := ag.Account.Left()
	if ag.Window == ledger.Total {
		a.printf("agent %s has %s of %s left", printable(ag.Name), left, budgetText(ag.Budget, ag.Window))
	} else {
		a.printf("agent %s has %s of %s left; its %s budget stays %s", printable(ag.Name), left, dollars(ag.Account.Budget), ag.Window, *ag.Budget)
	}
	stuck, err := waiting(ctx, l, ag.Name) // a top-up of the agent does not reach a run whose own budget is gone
	a.hintWaiting(stuck)
	return err
}
