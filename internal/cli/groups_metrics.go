package cli

import (
	"strings"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// groupMetrics is what a group spends, those inside it included, how fast, and
// how long what is left of each of its budgets lasts.
type groupMetrics struct {
	Name       string               `json:"name"`
	Paused     bool                 `json:"paused"`
	Spent      usd                  `json:"spent_usd"`
	SpentMicro ledger.Micros        `json:"spent_micro"`
	Reserved   usd                  `json:"reserved_usd"`
	Burn       int64                `json:"burn_rate_micro_per_sec"`
	TTB        *int64               `json:"ttb_seconds"` // of the budget that is gone first
	Budgets    []groupBudgetMetrics `json:"budgets"`
}

type groupBudgetMetrics struct {
	groupBudgetView
	TTB *int64 `json:"ttb_seconds"`
}

func measureGroup(g ledger.Group, burn ledger.Burn) groupMetrics {
	cost := burn.ByAccount[g.Account.ID]
	v := groupMetrics{
		Name: g.Name, Paused: g.Paused, Spent: usd(g.Account.Charged()), SpentMicro: g.Account.Charged(), Reserved: usd(g.Account.Reserved),
		Burn: int64(burn.Rate(cost, g.CreatedAt)) / int64(time.Hour/time.Second), Budgets: []groupBudgetMetrics{},
	}
	for _, b := range viewStanding(g).Budgets {
		m := groupBudgetMetrics{groupBudgetView: b}
		if lasts, ok := burn.Lasts(*b.Remaining, cost, g.CreatedAt); ok {
			seconds := int64(lasts / time.Second)
			m.TTB = &seconds
			if v.TTB == nil || seconds < *v.TTB {
				v.TTB = m.TTB
			}
		}
		v.Budgets = append(v.Budgets, m)
	}
	return v
}

func (a *app) printGroupMetrics(groups []groupMetrics) {
	var rows [][]string
	for _, g := range groups {
		var lefts []string
		for _, b := range g.Budgets {
			lefts = append(lefts, b.Remaining.String()+periodOf(b.Window))
		}
		rows = append(rows, []string{g.Name, g.SpentMicro.String(), orText(strings.Join(lefts, ", "), "no limit"), count(g.Burn), lasts(g.TTB)})
	}
	a.printTable([]column{left("group"), right("spent ($)"), right("remaining ($)"), right("burn rate (µ/s)"), right("ttb")}, rows)
}
