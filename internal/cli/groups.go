package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/ledger"
)

// takesGroup is a group's name; takesBudget a group's budget.
var (
	takesGroup  = kind{name: "GROUP", complete: (*app).completeGroups}
	takesBudget = kind{name: "USD[/day|/week|/month]", complete: words("100", "50/day", "800/month", "none")}
)

func (a *app) groupCommand() *cobra.Command {
	return group("group", "make, look at and change groups of agents",
		a.outsideOnly(a.groupCreateCommand()), a.groupListCommand(), a.groupInspectCommand(), a.outsideOnly(a.groupSetCommand()),
		a.outsideOnly(a.groupPauseCommand(true)), a.outsideOnly(a.groupPauseCommand(false)), a.outsideOnly(a.groupTopupCommand()),
		a.outsideOnly(a.groupDeleteCommand()))
}

// periods are how a window of a group's budget is written.
var periods = map[string]ledger.Window{"day": ledger.Daily, "week": ledger.Weekly, "month": ledger.Monthly, "total": ledger.Total}

// periodOf writes a window: "" for the total.
func periodOf(w ledger.Window) string {
	if p := w.Period(); p != "" {
		return "/" + p
	}
	return ""
}

// parseGroupBudget reads an amount and the window that it is for: 100, 50/day,
// none/month.
func parseGroupBudget(s string) (w ledger.Window, b *ledger.Micros, err error) {
	amount, period, has := strings.Cut(s, "/")
	w = ledger.Total
	if has {
		if w, has = periods[period]; !has {
			return w, nil, usageError("--budget %s: a budget is for a day, a week or a month, like 50/day, or for all time, like 100", s)
		}
	}
	b, err = parseBudget(amount)
	return w, b, err
}

// parseGroupBudgets reads budgets of different windows.
func parseGroupBudgets(texts []string) (map[ledger.Window]*ledger.Micros, error) {
	budgets := map[ledger.Window]*ledger.Micros{}
	for _, s := range texts {
		w, b, err := parseGroupBudget(s)
		if err != nil {
			return nil, err
		}
		if _, twice := budgets[w]; twice {
			return nil, usageError("--budget names the %s budget twice", w)
		}
		budgets[w] = b
	}
	return budgets, nil
}

// withGroups opens the ledger to change something of a group.
func (a *app) withGroups(ctx context.Context, name string, do func(l *ledger.Ledger) error) error {
	return a.groupsIn(ctx, name, a.open, do)
}

func (a *app) groupsIn(ctx context.Context, name string, open opener, do func(l *ledger.Ledger) error) (err error) {
	l, err := open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if err := do(l); err != nil {
		return a.groupError(ctx, l, name, err)
	}
	return nil
}

func (a *app) groupCreateCommand() *cobra.Command {
	var texts []string
	cmd := a.jsonFlag(&cobra.Command{
		Use: "create GROUP", Short: "make a group of agents, with budgets of its own",
		Long: `create makes a group. A group named acme/search is inside of acme, which must
be there. A call of an agent is let through only if the agent, its group and
every group around that have room for it.

A budget is dollars for all time, or for each day, week or month; a group
can have one of each.`,
		Example: "  aex group create acme --budget 5000/month\n  aex group create acme/search --budget 800/month --budget 50/day",
		Args:    exactly("GROUP"),
		RunE: func(cmd *cobra.Command, args []string) error {
			budgets, err := parseGroupBudgets(texts)
			if err != nil {
				return err
			}
			if err := checkGroup(args[0]); err != nil {
				return err
			}
			n := ledger.NewGroup{Name: args[0], Budgets: map[ledger.Window]ledger.Micros{}}
			for w, b := range budgets {
				if b != nil {
					n.Budgets[w] = *b
				}
			}
			return a.withGroups(cmd.Context(), n.Name, func(l *ledger.Ledger) error {
				g, err := l.CreateGroup(cmd.Context(), n)
				return a.groupDone(g, "created", err)
			})
		},
	})
	cmd.Flags().StringArrayVar(&texts, "budget", nil, "dollars, for all time or for each day, week or month; may be given for each")
	a.takes(cmd, map[string]kind{"budget": takesBudget})
	return a.arguments(cmd, false, takesText)
}

func (a *app) groupSetCommand() *cobra.Command {
	var texts []string
	cmd := a.jsonFlag(&cobra.Command{
		Use: "set GROUP", Short: "change a group's budgets",
		Long: `set changes the budgets that its flags name and leaves the others. A budget
that is lowered below what is spent and reserved follows as calls in flight end.`,
		Example: "  aex group set acme --budget 6000/month\n  aex group set acme/search --budget none/day",
		Args:    exactly("GROUP"),
		RunE: func(cmd *cobra.Command, args []string) error {
			budgets, err := parseGroupBudgets(texts)
			if err != nil {
				return err
			}
			if len(budgets) == 0 {
				return &failure{err: errors.New("nothing to change"), hint: "see: aex group set --help", code: exitUsage}
			}
			return a.withGroups(cmd.Context(), args[0], func(l *ledger.Ledger) error {
				g, err := l.SetGroup(cmd.Context(), args[0], ledger.GroupChange{Budgets: budgets})
				return a.groupDone(g, "changed", err)
			})
		},
	})
	cmd.Flags().StringArrayVar(&texts, "budget", nil, "dollars or none, for all time or for each day, week or month")
	a.takes(cmd, map[string]kind{"budget": takesBudget})
	return a.arguments(cmd, false, takesGroup)
}

func (a *app) groupPauseCommand(pause bool) *cobra.Command {
	use, short, done := "resume GROUP", "let the calls of a group's agents through again", "resumed"
	if pause {
		use, short, done = "pause GROUP", "refuse the calls of all agents in a group until it is resumed", "paused"
	}
	return a.arguments(a.jsonFlag(&cobra.Command{
		Use: use, Short: short, Args: exactly("GROUP"),
		Example: "  aex group " + strings.TrimSuffix(use, "GROUP") + "acme/search",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withGroups(cmd.Context(), args[0], func(l *ledger.Ledger) error {
				g, err := l.SetGroup(cmd.Context(), args[0], ledger.GroupChange{Paused: &pause})
				return a.groupDone(g, done, err)
			})
		},
	}), false, takesGroup)
}

func (a *app) groupTopupCommand() *cobra.Command {
	return a.arguments(a.jsonFlag(&cobra.Command{
		Use: "topup GROUP DOLLARS[/day|/week|/month|/total]", Short: "give a group more money",
		Long: `topup raises a group's budget; what was overrun is paid first. Of a day's, a
week's or a month's budget the current one gets more, not the later ones. Where
a group has more than one budget, name which: 50/day, or 500/total.`,
		Example: "  aex group topup acme 500\n  aex group topup acme/search 20/day",
		Args:    exactly("GROUP", "DOLLARS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var w ledger.Window
			amount, period, named := strings.Cut(args[1], "/")
			if named {
				if w, named = periods[period]; !named {
					return usageError("top-up of %q: it is for a day, a week or a month, like 50/day", args[1])
				}
			}
			by, err := ledger.ParseUSD(amount)
			if err == nil && by == 0 {
				err = errors.New("give more than $0")
			}
			if err != nil {
				return &failure{err: fmt.Errorf("top-up of %q: %w", args[1], err), hint: "write dollars like 20 or 20/day", code: exitUsage}
			}
			return a.withGroups(cmd.Context(), args[0], func(l *ledger.Ledger) error {
				g, err := l.TopUpGroup(cmd.Context(), args[0], w, by)
				if errors.Is(err, ledger.ErrNoBudget) {
					err = a.topUpError(cmd.Context(), l, args[0], amount)
				}
				return a.groupDone(g, "topped up", err)
			})
		},
	}), false, takesGroup, takesBudget)
}

func (a *app) groupDeleteCommand() *cobra.Command {
	return a.arguments(a.jsonFlag(&cobra.Command{
		Use: "delete GROUP", Short: "delete a group that is empty",
		Long:    "delete takes away a group that no agent and no other group is in. What was spent in it stays in the ledger.",
		Example: "  aex group delete acme/search",
		Args:    exactly("GROUP"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withGroups(cmd.Context(), args[0], func(l *ledger.Ledger) error {
				if err := l.DeleteGroup(cmd.Context(), args[0]); err != nil {
					return err
				}
				if a.json {
					return a.printJSON(map[string]string{"deleted": args[0]})
				}
				a.printf("Group '%s' deleted.", printable(args[0]))
				return nil
			})
		},
	}), false, takesGroup)
}

// groupDone tells of a group that something was done to.
func (a *app) groupDone(g ledger.Group, done string, err error) error {
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(viewGroup(g))
	}
	a.printf("Group '%s' %s.", printable(g.Name), done)
	for _, acc := range groupAccounts(g) {
		a.printf("Budget: %s%s, %s left", dollars(acc.Budget), periodOf(acc.Window), leftOf(acc))
	}
	return nil
}

// completeGroups are the names of the groups.
func (a *app) completeGroups(ctx context.Context, _ string) []string {
	return a.fromLedger(ctx, func(l *ledger.Ledger) (names []string) {
		groups, err := l.Groups(ctx)
		if err != nil {
			return nil
		}
		for _, g := range groups {
			var lefts []string
			for _, acc := range groupAccounts(g) {
				lefts = append(lefts, leftOf(acc)+periodOf(acc.Window))
			}
			about := "no limit"
			if len(lefts) > 0 {
				about = strings.Join(lefts, ", ") + " left"
			}
			if printable(g.Name) == g.Name {
				names = append(names, g.Name+"\t"+about)
			}
		}
		return names
	})
}
