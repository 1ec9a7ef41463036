package dashboard

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/Auro-rium/aex/v3/ledger"
)

// agentsMax is how many agents a page lists.
const agentsMax = 50

// agentSorts are the orders of the list of agents; the first is the default.
var agentSorts = []choice{
	{"burn", "burn"}, {"left", "least left"}, {"used", "share used"}, {"spent", "spent"}, {"lasts", "lasts"}, {"activity", "last call"}, {"name", "name"}, {"group", "group"},
}

// agentsView is the page of all agents.
type agentsView struct {
	paging
	Rows []budgetRow
}

func (d *Dashboard) agentsPage(w http.ResponseWriter, r *http.Request, s *session) error {
	rows, _, err := d.budgets(r.Context())
	if err != nil {
		return err
	}
	v := agentsView{paging: newPaging(r, agentSorts, len(rows))}
	low := strings.ToLower(v.Search)
	rows = slices.DeleteFunc(rows, func(b budgetRow) bool {
		in := v.In == "" || b.Agent.In(v.In)
		return !in || !strings.Contains(strings.ToLower(b.Agent.Name), low)
	})
	sortBudgets(rows, v.Sort)
	if asCSV(r) {
		return sendCSV(w, "agents", agentsHeader, agentsCSV(rows))
	}
	first, last := v.cut(len(rows), agentsMax)
	v.Rows = rows[first:last]
	d.render(w, http.StatusOK, "agents.html", &page{Title: "Agents", Session: s, Nav: "agents", Live: true, Data: v})
	return nil
}

// sortBudgets puts agents in order; names decide between equals.
func sortBudgets(rows []budgetRow, by string) {
	slices.SortFunc(rows, func(a, b budgetRow) int {
		order := 0
		switch by {
		case "left":
			order = limitedFirst(a, b)
			if order == 0 {
				order = cmp.Compare(a.Left(), b.Left())
			}
		case "used":
			order = cmp.Compare(b.Used(), a.Used())
		case "spent":
			order = cmp.Compare(b.Account.Charged(), a.Account.Charged())
		case "lasts":
			order = -compareBool(a.Ends, b.Ends)
			if order == 0 && a.Ends {
				order = cmp.Compare(a.Lasts, b.Lasts)
			}
		case "activity":
			order = b.Agent.LastActivity.Compare(a.Agent.LastActivity)
		case "group":
			order = cmp.Or(-compareBool(a.Agent.Group != "", b.Agent.Group != ""), cmp.Compare(a.Agent.Group, b.Agent.Group))
		case "burn":
			order = cmp.Or(cmp.Compare(b.Rate, a.Rate), cmp.Compare(b.Account.Charged(), a.Account.Charged()))
		}
		return cmp.Or(order, cmp.Compare(a.Agent.Name, b.Agent.Name))
	})
}

// limitedFirst puts those without a limit last.
func limitedFirst(a, b budgetRow) int {
	return -compareBool(a.Account.Budget != nil, b.Account.Budget != nil)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// Left is what the budget still allows; 0 without one.
func (b budgetRow) Left() ledger.Micros {
	left, _ := b.Account.Left()
	return left
}

// Used is the share of the budget that is spent, from 0 to 1 and beyond; -1
// without one.
func (b budgetRow) Used() float64 {
	if b.Account.Budget == nil || *b.Account.Budget <= 0 {
		return -1
	}
	return float64(b.Account.Charged()) / float64(*b.Account.Budget)
}

// UsedText is that share for a reader.
func (b budgetRow) UsedText() string {
	if b.Account.Budget == nil {
		return "–"
	}
	return percentText(b.Account.Charged(), *b.Account.Budget)
}

var agentsHeader = []string{"agent", "window", "budget_usd", "spent_usd", "reserved_usd", "overrun_usd", "left_usd", "burn_usd_per_hour", "lasts_seconds", "paused", "last_call_utc", "group"}

func agentsCSV(rows []budgetRow) (table [][]string) {
	for _, b := range rows {
		row := append([]string{b.Agent.Name, string(b.Agent.Window)}, b.csv()...)
		table = append(table, append(row, strconv.FormatBool(b.Agent.Paused), timeCSV(b.Agent.LastActivity), b.Agent.Group))
	}
	return table
}

// csv are the columns of an account: its budget, what became of it, and how
// long the rest lasts.
func (b budgetRow) csv() []string {
	left, lasts := "", ""
	if b.Account.Budget != nil {
		left = usdCSV(b.Left())
	}
	if b.Ends {
		lasts = countCSV(int64(b.Lasts.Seconds()))
	}
	return []string{budgetCSV(b.Account.Budget), usdCSV(b.Account.Spent), usdCSV(b.Account.Reserved), usdCSV(b.Account.Overrun), left, usdCSV(b.Rate), lasts}
}
