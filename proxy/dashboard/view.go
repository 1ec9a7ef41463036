package dashboard

import (
	"cmp"
	"context"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// view is what a page shows of the ledger: the query of its address.
type view struct {
	Range string // a key of ranges
	Per   ledger.Grouping
	By    ledger.Grouping
	Agent string
	since time.Time
	now   time.Time
}

// timeRange is a choice of how far back to look.
type timeRange struct {
	Key, Text string
	back      time.Duration // 0: everything
	per       ledger.Grouping
}

var ranges = []timeRange{
	{"24h", "24 hours", 24 * time.Hour, ledger.ByHour},
	{"7d", "7 days", 7 * 24 * time.Hour, ledger.ByDay},
	{"30d", "30 days", 30 * 24 * time.Hour, ledger.ByDay},
	{"1y", "1 year", 365 * 24 * time.Hour, ledger.ByMonth},
	{"all", "everything", 0, ledger.ByMonth},
}

// bucketsMax is how many columns a chart has at most; a finer step than that
// becomes a coarser one.
const bucketsMax = 200

// readView reads the address; what it does not say, or says wrong, is the
// default.
func (d *Dashboard) readView(r *http.Request) view {
	q := r.URL.Query()
	v := view{Range: "24h", Per: ledger.ByHour, By: ledger.ByAgent, Agent: q.Get("agent"), now: d.o.Now().UTC()}
	chosen := ranges[0]
	for _, c := range ranges {
		if c.Key == q.Get("range") {
			chosen = c
		}
	}
	v.Range, v.Per = chosen.Key, chosen.per
	if chosen.back > 0 {
		v.since = v.now.Add(-chosen.back)
	}
	if by := ledger.Grouping(q.Get("by")); by == ledger.ByAgent || by == ledger.ByModel || by == ledger.ByRun {
		v.By = by
	}
	if per := ledger.Grouping(q.Get("per")); per == ledger.ByHour || per == ledger.ByDay || per == ledger.ByMonth {
		v.Per = per
	}
	return v
}

// Query is the address's query with some of it changed, in pairs; what becomes
// empty is left out.
func (v view) Query(change ...string) template.URL {
	q := url.Values{"range": {v.Range}, "by": {string(v.By)}, "per": {string(v.Per)}}
	if v.Agent != "" {
		q.Set("agent", v.Agent)
	}
	for i := 0; i+1 < len(change); i += 2 {
		if q.Del(change[i]); change[i+1] != "" {
			q.Set(change[i], change[i+1])
		}
	}
	return template.URL(q.Encode()) //nolint:gosec // encoded
}

// Ranges, Pers and Bys are the choices of the filter.
func (v view) Ranges() []timeRange { return ranges }
func (v view) Pers() []ledger.Grouping {
	return []ledger.Grouping{ledger.ByHour, ledger.ByDay, ledger.ByMonth}
}
func (v view) Bys() []ledger.Grouping {
	return []ledger.Grouping{ledger.ByAgent, ledger.ByModel, ledger.ByRun}
}

// Since is the hour from which on the ledger's sums count.
func (v view) Since() time.Time { return v.since.Truncate(time.Hour) }

func (v view) filter() ledger.SpendFilter {
	return ledger.SpendFilter{By: v.By, Agent: v.Agent, Since: v.since}
}

// kinds are the sums, of the same calls, of every kind of call.
func (v view) kinds() ledger.SpendFilter {
	return ledger.SpendFilter{By: ledger.ByKind, Agent: v.Agent, Since: v.since}
}

// spending is a chart and the table beside it: the same sums.
type spending struct {
	View  view
	Rows  []spendRow
	Sum   ledger.Spend
	Chart chart
	Seq   int64 // changes with the ledger, so that a browser gets the chart anew
}

// tableMax is how many rows the table has; the rest are counted.
const tableMax = 25

// Top and Rest are the rows that are shown, and how many are not.
func (s spending) Top() []spendRow { return s.Rows[:min(len(s.Rows), tableMax)] }
func (s spending) Rest() int       { return max(0, len(s.Rows)-tableMax) }

// RangeText says which time it is of.
func (s spending) RangeText() string {
	for _, r := range ranges {
		if r.Key == s.View.Range && r.back > 0 {
			return "last " + r.Text
		}
	}
	return "all time"
}

type spendRow struct {
	ledger.Spend
	Color int // of the chart; -1: in none
}

// spending reads what v asks for.
func (d *Dashboard) spending(ctx context.Context, v view) (spending, error) {
	f := v.filter()
	first := v.since
	if first.IsZero() {
		f.Per, f.By = ledger.ByMonth, ""
		months, err := d.ledger.Spend(ctx, f)
		if err != nil {
			return spending{}, err
		}
		first = v.now
		if len(months) > 0 {
			first = months[0].Bucket
		}
		f.By = v.By
	}
	if v.Per == ledger.ByHour && v.now.Sub(first) > bucketsMax*time.Hour {
		v.Per = ledger.ByDay
	}
	if v.Per == ledger.ByDay && v.now.Sub(first) > bucketsMax*24*time.Hour {
		v.Per = ledger.ByMonth
	}
	f.Per = v.Per
	spends, err := d.ledger.Spend(ctx, f)
	if err != nil {
		return spending{}, err
	}
	s := spending{View: v, Chart: newChart(spends, v.Per, first, v.now)}
	rows := map[string]*spendRow{}
	for _, one := range spends {
		row := rows[one.Key]
		if row == nil {
			row = &spendRow{Spend: ledger.Spend{Key: one.Key}, Color: -1}
			rows[one.Key] = row
		}
		addSpend(&row.Spend, one)
		addSpend(&s.Sum, one)
	}
	for _, row := range rows {
		if i := slices.Index(s.Chart.keys, row.Key); i >= 0 {
			row.Color = i
		} else if len(s.Chart.keys) > 0 {
			row.Color = len(s.Chart.keys) - 1
		}
		s.Rows = append(s.Rows, *row)
	}
	slices.SortFunc(s.Rows, func(a, b spendRow) int { return cmp.Or(cmp.Compare(b.Cost, a.Cost), cmp.Compare(a.Key, b.Key)) })
	s.Seq, err = d.ledger.End(ctx)
	return s, err
}

func addSpend(to *ledger.Spend, s ledger.Spend) {
	to.Calls += s.Calls
	to.Cost += s.Cost
	to.Input += s.Input
	to.Cached += s.Cached
	to.Output += s.Output
	to.Latency += s.Latency
}

// budgetRow is an agent's or a run's budget with its pace.
type budgetRow struct {
	Agent   ledger.Agent
	Account ledger.Account
	Rate    ledger.Micros // an hour
	Lasts   time.Duration
	Ends    bool // Lasts is known
}

// Short tells whether the budget is gone soon.
func (b budgetRow) Short() bool { return b.Lasts < time.Hour }

// UsedUp tells whether nothing of the budget is left to spend.
func (b budgetRow) UsedUp() bool {
	left, limited := b.Account.Left()
	return limited && left <= 0 && b.Account.Reserved == 0
}

// budgets are the living agents, those that spend first.
func (d *Dashboard) budgets(ctx context.Context) ([]budgetRow, ledger.Burn, error) {
	burn, err := d.ledger.Burn(ctx, ledger.BurnWindow)
	if err != nil {
		return nil, burn, err
	}
	agents, err := d.ledger.Agents(ctx)
	if err != nil {
		return nil, burn, err
	}
	rows := make([]budgetRow, 0, len(agents))
	for _, a := range agents {
		rows = append(rows, newBudgetRow(a, burn))
	}
	slices.SortStableFunc(rows, func(a, b budgetRow) int {
		return cmp.Or(cmp.Compare(b.Rate, a.Rate), cmp.Compare(b.Account.Spent, a.Account.Spent))
	})
	return rows, burn, nil
}

func newBudgetRow(a ledger.Agent, burn ledger.Burn) budgetRow {
	row := budgetRow{Agent: a, Account: a.Account}
	cost := burn.ByAgent[a.ID]
	row.Rate = burn.Rate(cost, a.CreatedAt)
	if left, limited := a.Account.Left(); limited {
		row.Lasts, row.Ends = burn.Lasts(left, cost, a.CreatedAt)
	}
	return row
}

// speed is how fast answers come.
type speed struct {
	Name                 string
	Calls                int64
	P50, P95, P99        time.Duration
	First50, First95     time.Duration
	First99              time.Duration
	FirstKnown, AnyKnown bool
}

// speedsMax is how many models the page tells apart.
const speedsMax = 8

// speeds are the percentiles of all calls, then by model.
func speeds(shapes []ledger.Spend) []speed {
	all := ledger.Spend{Model: "all models"}
	byModel := map[string]*ledger.Spend{}
	for _, s := range shapes {
		all.Add(s)
		m := byModel[s.Model]
		if m == nil {
			m = &ledger.Spend{Model: s.Model}
			byModel[s.Model] = m
		}
		m.Add(s)
	}
	list := []speed{}
	for _, m := range byModel {
		if s := newSpeed(*m); s.AnyKnown {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b speed) int { return cmp.Or(cmp.Compare(b.Calls, a.Calls), strings.Compare(a.Name, b.Name)) })
	one := newSpeed(all)
	if !one.AnyKnown {
		return nil
	}
	return append([]speed{one}, list[:min(len(list), speedsMax)]...)
}

func newSpeed(s ledger.Spend) speed {
	v := speed{Name: s.Model, Calls: s.Calls}
	at := func(percent int64) time.Duration {
		t, ok := ledger.Quantile(ledger.LatencyBounds[:], s.Latencies[:], percent)
		v.AnyKnown = v.AnyKnown || ok
		return t
	}
	first := func(percent int64) time.Duration {
		t, ok := ledger.Quantile(ledger.FirstTokenBounds[:], s.FirstTokens[:], percent)
		v.FirstKnown = v.FirstKnown || ok
		return t
	}
	v.P50, v.P95, v.P99 = at(50), at(95), at(99)
	v.First50, v.First95, v.First99 = first(50), first(95), first(99)
	return v
}
