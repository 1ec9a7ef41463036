package dashboard

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
)

// groupsMax is how many groups a page lists.
const groupsMax = 50

// groupSorts are the orders of the list of groups; the first is the default.
var groupSorts = []choice{{"tree", "tree"}, {"used", "share used"}, {"burn", "burn"}, {"spent", "spent"}, {"name", "name"}}

// groupRow is a group with the pace at which it spends.
type groupRow struct {
	Group   ledger.Group
	Depth   int           // groups around it
	Rate    ledger.Micros // an hour
	Budgets []groupBudget
	// PausedBy is the group around it that keeps its calls back; "": none does.
	PausedBy string
}

// groupBudget is one budget of a group, with how long it lasts.
type groupBudget struct {
	budgetRow
	Paused bool
}

// Share is the share of the budget that is used: all of one that is used up,
// also where it was nothing.
func (b groupBudget) Share() float64 {
	if b.UsedUp() {
		return max(1, b.Used())
	}
	return b.Used()
}

// Last is the last part of the name, which tells it apart inside its parent.
func (g groupRow) Last() string { return g.Group.Name[strings.LastIndexByte(g.Group.Name, '/')+1:] }

// Indent is how far a row of the tree stands in, in steps that the style has.
func (g groupRow) Indent() int { return min(g.Depth, 6) }

// Used is the largest share of a budget that is spent; -1 without one.
func (g groupRow) Used() float64 {
	most := -1.0
	for _, b := range g.Budgets {
		most = max(most, b.Share())
	}
	return most
}

func newGroupRow(g ledger.Group, burn ledger.Burn) groupRow {
	cost := burn.ByAccount[g.Account.ID]
	row := groupRow{Group: g, Depth: strings.Count(g.Name, "/"), Rate: burn.Rate(cost, g.CreatedAt)}
	for _, acc := range g.Accounts() {
		if left, limited := acc.Left(); limited {
			b := groupBudget{budgetRow{Account: acc, Rate: row.Rate}, g.Paused}
			b.Lasts, b.Ends = burn.Lasts(left, cost, g.CreatedAt)
			row.Budgets = append(row.Budgets, b)
		}
	}
	return row
}

// groupRows are the living groups, each followed by those inside it.
func (d *Dashboard) groupRows(ctx context.Context, burn ledger.Burn) ([]groupRow, error) {
	groups, err := d.ledger.Groups(ctx)
	if err != nil {
		return nil, err
	}
	rows := make([]groupRow, 0, len(groups))
	paused := map[string]string{} // by group: the one that keeps its calls back
	for _, g := range groups {
		row := newGroupRow(g, burn)
		row.PausedBy = paused[g.Parent]
		if paused[g.Name] = row.PausedBy; g.Paused {
			paused[g.Name] = g.Name
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// scarce are the budgets of groups of which the largest share is used.
func scarce(rows []groupRow, most int) (budgets []groupBudget) {
	for _, r := range rows {
		budgets = append(budgets, r.Budgets...)
	}
	slices.SortStableFunc(budgets, func(a, b groupBudget) int { return cmp.Compare(b.Share(), a.Share()) })
	return budgets[:min(len(budgets), most)]
}

type groupsView struct {
	paging
	Rows []groupRow
}

func (d *Dashboard) groupsPage(w http.ResponseWriter, r *http.Request, s *session) error {
	burn, err := d.ledger.Burn(r.Context(), ledger.BurnWindow)
	if err != nil {
		return err
	}
	rows, err := d.groupRows(r.Context(), burn)
	if err != nil {
		return err
	}
	v := groupsView{paging: newPaging(r, groupSorts, len(rows))}
	if v.Search != "" {
		low := strings.ToLower(v.Search)
		rows = slices.DeleteFunc(rows, func(g groupRow) bool { return !strings.Contains(strings.ToLower(g.Group.Name), low) })
	}
	sortGroups(rows, v.Sort)
	if asCSV(r) {
		return sendCSV(w, "groups", groupsHeader, groupsCSV(rows))
	}
	first, last := v.cut(len(rows), groupsMax)
	v.Rows = rows[first:last]
	d.render(w, http.StatusOK, "groups.html", &page{Title: "Groups", Session: s, Nav: "groups", Live: true, Data: v})
	return nil
}

// Flat tells whether the groups do not stand as a tree.
func (v groupsView) Flat() bool { return v.Sort != groupSorts[0].Key || v.Search != "" }

// sortGroups puts groups in order; they come as a tree.
func sortGroups(rows []groupRow, by string) {
	slices.SortStableFunc(rows, func(a, b groupRow) int {
		switch by {
		case "used":
			return cmp.Compare(b.Used(), a.Used())
		case "burn":
			return cmp.Compare(b.Rate, a.Rate)
		case "spent":
			return cmp.Compare(b.Group.Account.Charged(), a.Group.Account.Charged())
		case "name":
			return cmp.Compare(a.Group.Name, b.Group.Name)
		}
		return 0
	})
}

var groupsHeader = []string{"group", "window", "budget_usd", "spent_usd", "reserved_usd", "overrun_usd", "left_usd", "burn_usd_per_hour", "lasts_seconds", "paused", "agents"}

// groupsCSV has a line for each budget of a group, and one for a group that has
// none.
func groupsCSV(rows []groupRow) (table [][]string) {
	for _, g := range rows {
		budgets := g.Budgets
		if len(budgets) == 0 {
			budgets = []groupBudget{{budgetRow: budgetRow{Account: g.Group.Account, Rate: g.Rate}}}
		}
		for _, b := range budgets {
			row := append([]string{g.Group.Name, string(b.Account.Window)}, b.csv()...)
			table = append(table, append(row, strconv.FormatBool(g.Group.Paused), countCSV(int64(len(g.Group.Agents)))))
		}
	}
	return table
}

type groupView struct {
	View     view
	Row      groupRow
	Around   []string // the groups that it is inside of, the root first
	Inside   []groupRow
	InsideOf int // in all
	Agents   []budgetRow
	Spending spending
	Speeds   []speed
	Causes   []ledger.Spend
	Events   []eventRow
}

func (d *Dashboard) groupPage(w http.ResponseWriter, r *http.Request, s *session) error {
	ctx := r.Context()
	g, err := d.ledger.Group(ctx, r.URL.Query().Get("group"))
	if err != nil {
		return err
	}
	var v groupView
	if v.View, err = d.readView(r); err != nil {
		return err
	}
	v.View.Agent, v.View.Grouped = "", true // an agent has a page of its own
	if v.Spending, err = d.spending(ctx, v.View); err != nil {
		return err
	}
	if asCSV(r) {
		return v.Spending.csv(w)
	}
	v.View = v.Spending.View
	if err := d.fillGroup(ctx, &v, g); err != nil {
		return err
	}
	shapes, err := d.ledger.Spend(ctx, v.View.kinds())
	if err != nil {
		return err
	}
	v.Speeds = speeds(shapes)
	if v.Causes, err = d.ledger.Spend(ctx, ledger.SpendFilter{By: ledger.ByCause, Group: g.Name, Since: v.View.since, Until: v.View.lastHour()}); err != nil {
		return err
	}
	trail, err := d.ledger.Events(ctx, ledger.EventFilter{Group: g.Name, Newest: true, Limit: 20 * eventsMax, Scan: ledger.PageScan})
	if err != nil {
		return err
	}
	// That a day has begun is no news, and would hide what is.
	news := slices.DeleteFunc(trail.Events, func(e ledger.Event) bool { return e.Action == "window.open" })
	v.Events = eventRows(news[:min(len(news), 2*eventsMax)])
	d.render(w, http.StatusOK, "group.html", &page{Title: "Group " + plain.Name(g.Name), Session: s, Nav: "", Live: true, Done: doneText(r), Data: v})
	return nil
}

// fillGroup reads what is around a group and in it.
func (d *Dashboard) fillGroup(ctx context.Context, v *groupView, g ledger.Group) error {
	burn, err := d.ledger.Burn(ctx, ledger.BurnWindow)
	if err != nil {
		return err
	}
	agents, err := d.ledger.AgentsIn(ctx, g.Name)
	if err != nil {
		return err
	}
	rows, err := d.groupRows(ctx, burn)
	if err != nil {
		return err
	}
	v.Row = newGroupRow(g, burn)
	for _, row := range rows {
		switch {
		case row.Group.Name == g.Name:
			v.Row = row
		case strings.HasPrefix(g.Name, row.Group.Name+"/"):
			v.Around = append(v.Around, row.Group.Name)
		case strings.HasPrefix(row.Group.Name, g.Name+"/"):
			row.Depth -= v.Row.Depth + 1
			v.Inside = append(v.Inside, row)
		}
	}
	v.InsideOf = len(v.Inside)
	v.Inside = v.Inside[:min(len(v.Inside), budgetsMax)]
	v.Agents = budgetRows(agents, burn)
	v.Agents = v.Agents[:min(len(v.Agents), budgetsMax)]
	return nil
}

// Lasts is how long the budget lasts that is gone first; ends is false where
// none does.
func (g groupRow) Lasts() (first groupLasts) {
	for _, b := range g.Budgets {
		if b.Ends && (!first.Ends || b.Lasts < first.Span) {
			first = groupLasts{b.Lasts, true}
		}
	}
	return first
}

type groupLasts struct {
	Span time.Duration
	Ends bool
}

// Short tells whether it is soon.
func (l groupLasts) Short() bool { return l.Ends && l.Span < time.Hour }
