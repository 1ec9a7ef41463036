package dashboard

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// spending is a chart and the table beside it: the same sums.
type spending struct {
	View view
	Rows []spendRow
	Sum  ledger.Spend
	// Before is what the same stretch of time before this one has cost.
	Before    ledger.Micros
	HasBefore bool
	Chart     chart
	Seq       int64 // changes with the ledger, so that a browser gets the chart anew
}

// tableMax is how many rows the table has; the rest are counted.
const tableMax = 25

// csv is the whole table.
func (s spending) csv(w http.ResponseWriter) error {
	header := []string{string(s.View.By), "cost_usd", "cost_before_usd", "calls", "input_tokens", "cached_tokens", "output_tokens"}
	var table [][]string
	for _, r := range s.Rows {
		table = append(table, []string{r.Key, usdCSV(r.Cost), usdCSV(r.Before), countCSV(r.Calls), countCSV(r.Input), countCSV(r.Cached), countCSV(r.Output)})
	}
	return sendCSV(w, "spending", header, table)
}

// Top and Rest are the rows that are shown, and how many are not.
func (s spending) Top() []spendRow { return s.Rows[:min(len(s.Rows), tableMax)] }
func (s spending) Rest() int       { return max(0, len(s.Rows)-tableMax) }

// RangeText says which time it is of.
func (s spending) RangeText() string {
	if v := s.View; v.Range == custom {
		if v.From == v.To {
			return v.From
		}
		return v.From + " to " + v.To
	}
	for _, r := range ranges {
		if r.Key == s.View.Range && r.back > 0 {
			return "last " + r.Text
		}
	}
	return "all time"
}

// Change tells how much more or less it is than in the time before.
func (s spending) Change() string { return changeText(s.Sum.Cost, s.Before) }

// Legend are the keys that the chart tells apart, with its last colour for the
// others.
func (s spending) Legend() []spendRow {
	var named []spendRow
	for _, r := range s.Rows {
		if r.Color >= 0 && s.Chart.keys[r.Color] == r.Key && !(s.Chart.folded && r.Color == len(s.Chart.keys)-1) {
			named = append(named, r)
		}
	}
	return named
}

// othersMax is how many of the others are listed by name.
const othersMax = 100

// Others are those that share the chart's last colour: how many, what they did
// cost together, and the dearest of them.
func (s spending) Others() (o struct {
	Count, More int
	Cost        ledger.Micros
	Rows        []spendRow
}) {
	if !s.Chart.folded {
		return o
	}
	for _, r := range s.Rows {
		if r.Color == len(s.Chart.keys)-1 {
			o.Count++
			o.Cost += r.Cost
			o.Rows = append(o.Rows, r)
		}
	}
	o.Rows = o.Rows[:min(len(o.Rows), othersMax)]
	o.More = o.Count - len(o.Rows)
	return o
}

type spendRow struct {
	ledger.Spend
	Before ledger.Micros // in the time before
	Color  int           // of the chart; -1: in none
}

// Change tells how much more or less it is than in the time before.
func (r spendRow) Change() string { return changeText(r.Cost, r.Before) }

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
	if v.Per == ledger.ByHour && v.end().Sub(first) > bucketsMax*time.Hour {
		v.Per = ledger.ByDay
	}
	if v.Per == ledger.ByDay && v.end().Sub(first) > bucketsMax*24*time.Hour {
		v.Per = ledger.ByMonth
	}
	f.Per = v.Per
	spends, err := d.ledger.Spend(ctx, f)
	if err != nil {
		return spending{}, err
	}
	s := spending{View: v, Chart: newChart(spends, v.Days, v.Per, first, v.end())}
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
	if err := d.addBefore(ctx, &s, rows); err != nil {
		return spending{}, err
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

// addBefore adds what the time before has cost.
func (d *Dashboard) addBefore(ctx context.Context, s *spending, rows map[string]*spendRow) error {
	f, ok := s.View.before()
	if !ok {
		return nil
	}
	before, err := d.ledger.Spend(ctx, f)
	if err != nil {
		return err
	}
	s.HasBefore = true
	for _, one := range before {
		s.Before += one.Cost
		if row := rows[one.Key]; row != nil {
			row.Before += one.Cost
		}
	}
	return nil
}

func addSpend(to *ledger.Spend, s ledger.Spend) {
	to.Calls += s.Calls
	to.Cost += s.Cost
	to.Input += s.Input
	to.Cached += s.Cached
	to.Output += s.Output
	to.Latency += s.Latency
	to.Doubt += s.Doubt
	to.Doubtful += s.Doubtful
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
func (b budgetRow) UsedUp() bool { return b.Account.UsedUp() }

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
	return budgetRows(agents, burn), burn, nil
}

// budgetRows are agents' budgets, those that spend first.
func budgetRows(agents []ledger.Agent, burn ledger.Burn) []budgetRow {
	rows := make([]budgetRow, 0, len(agents))
	for _, a := range agents {
		rows = append(rows, newBudgetRow(a, burn))
	}
	slices.SortStableFunc(rows, func(a, b budgetRow) int {
		return cmp.Or(cmp.Compare(b.Rate, a.Rate), cmp.Compare(b.Account.Spent, a.Account.Spent))
	})
	return rows
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
