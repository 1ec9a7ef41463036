package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
)

// groupView is a group as --json prints it.
type groupView struct {
	standingView
	Parent  string        `json:"parent"`
	Created time.Time     `json:"created"`
	Spent   ledger.Micros `json:"spent_micro"`
	Agents  []string      `json:"agents"`
}

// standingView is what a group is allowed and what is left of it.
type standingView struct {
	Name    string            `json:"name"`
	Paused  bool              `json:"paused"`
	UsedUp  bool              `json:"used_up"`
	Budgets []groupBudgetView `json:"budgets"`
}

type groupBudgetView struct {
	Window    ledger.Window  `json:"window"`
	Start     *time.Time     `json:"start,omitempty"`
	Budget    *ledger.Micros `json:"budget_micro"`
	Spent     ledger.Micros  `json:"spent_micro"`
	Reserved  ledger.Micros  `json:"reserved_micro"`
	Overrun   ledger.Micros  `json:"overrun_micro"`
	Remaining *ledger.Micros `json:"remaining_micro"`
}

func viewGroup(g ledger.Group) groupView {
	v := groupView{standingView: viewStanding(g), Parent: g.Parent, Created: g.CreatedAt, Spent: g.Account.Charged(), Agents: g.Agents}
	if v.Agents == nil {
		v.Agents = []string{}
	}
	return v
}

func viewStanding(g ledger.Group) standingView {
	v := standingView{Name: g.Name, Paused: g.Paused, UsedUp: usedUp(g), Budgets: []groupBudgetView{}}
	for _, acc := range groupAccounts(g) {
		b := groupBudgetView{Window: acc.Window, Start: moment(acc.Start), Budget: acc.Budget, Spent: acc.Spent, Reserved: acc.Reserved, Overrun: acc.Overrun}
		if left, limited := acc.Left(); limited {
			b.Remaining = &left
		}
		v.Budgets = append(v.Budgets, b)
	}
	return v
}

// usedUp tells whether nothing is left of one of a group's budgets.
func usedUp(g ledger.Group) bool {
	return slices.ContainsFunc(groupAccounts(g), ledger.Account.UsedUp)
}

// standingText says in a few words what is left of a group's budgets.
func standingText(g ledger.Group) string {
	var lefts []string
	for _, acc := range groupAccounts(g) {
		lefts = append(lefts, fmt.Sprintf("%s of %s%s left", leftOf(acc), dollars(acc.Budget), periodOf(acc.Window)))
	}
	if len(lefts) == 0 {
		return ""
	}
	return ": " + strings.Join(lefts, ", ")
}

// groupAccounts are the accounts of a group that have a budget.
func groupAccounts(g ledger.Group) (accounts []ledger.Account) {
	if g.Account.Budget != nil {
		accounts = append(accounts, g.Account)
	}
	return append(accounts, g.Windows...)
}

func leftOf(acc ledger.Account) string {
	left, limited := acc.Left()
	if !limited {
		return "any"
	}
	return left.String()
}

func (a *app) groupListCommand() *cobra.Command {
	return a.arguments(a.jsonFlag(&cobra.Command{
		Use: "list", Short: "list the groups", Args: none,
		Example: "  aex group list",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.listGroups(cmd.Context()) },
	}), false)
}

func (a *app) listGroups(ctx context.Context) error {
	l, err := a.openToShow(ctx)
	if err != nil {
		return err
	}
	defer l.Close() // reads; the ledger has nothing to lose
	groups, err := l.Groups(ctx)
	if err != nil {
		return err
	}
	views := []groupView{}
	for _, g := range groups {
		views = append(views, viewGroup(g))
	}
	rows := groupRows(groups)
	if a.json {
		return a.printJSON(views)
	}
	if len(rows) == 0 {
		a.printf("no groups yet; make one with: aex group create NAME --budget 100/month")
		return nil
	}
	a.printTable(groupColumns, rows)
	return nil
}

var groupColumns = []column{left("group"), right("budget"), right("left"), right("spent in all"), right("agents"), left("state")}

// groupRows are groups as a table lists them, each after the one that it is
// inside of.
func groupRows(groups []ledger.Group) (rows [][]string) {
	paused := map[string]string{} // by group: the one that keeps its calls back
	for _, g := range groups {
		if by := paused[g.Parent]; by != "" {
			paused[g.Name] = by
		}
		if g.Paused {
			paused[g.Name] = g.Name
		}
		row := groupRow(g)
		if by := paused[g.Name]; by != "" && !g.Paused {
			row[len(row)-1] = "paused by " + by
		}
		rows = append(rows, row)
	}
	return rows
}

func groupRow(g ledger.Group) []string {
	var budgets, lefts []string
	for _, acc := range groupAccounts(g) {
		budgets = append(budgets, dollars(acc.Budget)+periodOf(acc.Window))
		lefts = append(lefts, leftOf(acc))
	}
	state := "active"
	switch {
	case g.Paused:
		state = "PAUSED"
	case usedUp(g):
		state = "used up"
	}
	return []string{g.Name, orText(strings.Join(budgets, ", "), "none"), orText(strings.Join(lefts, ", "), "-"), g.Account.Charged().String(), count(int64(len(g.Agents))), state}
}

func (a *app) groupInspectCommand() *cobra.Command {
	return a.arguments(a.jsonFlag(&cobra.Command{
		Use: "inspect GROUP", Short: "tell all of a group", Args: exactly("GROUP"),
		Example: "  aex group inspect acme/search",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.groupsIn(cmd.Context(), args[0], a.openToShow, func(l *ledger.Ledger) error {
				g, err := l.Group(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(viewGroup(g))
				}
				all, err := l.Groups(cmd.Context())
				if err != nil {
					return err
				}
				a.printGroup(g, slices.DeleteFunc(all, func(o ledger.Group) bool { return !strings.HasPrefix(o.Name, g.Name+"/") }))
				return nil
			})
		},
	}), false, takesGroup)
}

func (a *app) printGroup(g ledger.Group, inside []ledger.Group) {
	a.printf("Group:   %s", printable(g.Name))
	if g.Parent != "" {
		a.printf("Inside:  %s", printable(g.Parent))
	}
	if g.Paused {
		a.printf("State:   PAUSED; let it go on with: aex group resume %s", plain.Word(printable(g.Name)))
	}
	a.printf("Spent:   %s in all", g.Account.Charged())
	for _, acc := range groupAccounts(g) {
		line := dollars(acc.Budget) + periodOf(acc.Window) + ": " + acc.Spent.String() + " spent, " + acc.Reserved.String() + " reserved, " + leftOf(acc) + " left"
		if acc.Overrun > 0 {
			line += ", " + acc.Overrun.String() + " overrun"
		}
		a.printf("Budget:  %s", line)
	}
	names := make([]string, 0, len(g.Agents))
	for _, n := range g.Agents {
		names = append(names, printable(n))
	}
	a.printf("Agents:  %s", orText(strings.Join(names, ", "), "none"))
	if len(inside) > 0 {
		a.printf("\nInside it:")
		a.printTable(groupColumns, groupRows(inside))
	}
}
