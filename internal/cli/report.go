package cli

import (
	"context"
	"encoding/csv"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/ledger"
)

type reportFlags struct {
	by, per      string
	agent, model string
	run          string
	since, until sinceFlag
	format       string
	csv          bool // --csv: --format csv
}

// spendView is one line of the report.
type spendView struct {
	Bucket  *time.Time    `json:"from,omitempty"`
	Key     string        `json:"key"`
	Calls   int64         `json:"calls"`
	Cost    ledger.Micros `json:"cost_micro"`
	Input   int64         `json:"input_tokens"`
	Cached  int64         `json:"cached_tokens"`
	Output  int64         `json:"output_tokens"`
	Latency int64         `json:"average_latency_ms"`
}

func (a *app) reportCommand() *cobra.Command {
	f := &reportFlags{}
	cmd := a.jsonFlag(&cobra.Command{
		Use: "report", Short: "sum up spending by agent, model, run and time",
		Example: "  aex report --by model --since 30d\n  aex report --by day --since 30d\n  aex report --by agent --per month --format csv",
		Args:    none,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.report(cmd.Context(), f) },
	})
	fl := cmd.Flags()
	fl.StringVar(&f.by, "by", "agent", "agent, model, run, hour, day, month, none")
	fl.StringVar(&f.per, "per", "none", "hour, day, month, none")
	fl.StringVarP(&f.agent, "agent", "a", "", "only this agent")
	fl.StringVar(&f.model, "model", "", "only this model")
	fl.StringVar(&f.run, "run", "", "only this run")
	fl.Var(&f.since, "since", "from this hour on: a date, or how long ago (24h, 30d)")
	fl.Var(&f.until, "until", "up to this hour")
	fl.StringVar(&f.format, "format", "table", "table, csv, json")
	fl.BoolVar(&f.csv, "csv", false, "the same as --format csv")
	return cmd
}

// filter turns the flags into what the ledger sums.
func (f *reportFlags) filter(now time.Time) (ledger.SpendFilter, error) {
	filter := ledger.SpendFilter{Agent: f.agent, Model: f.model, Since: f.since.time(now), Until: f.until.time(now)}
	if f.since.text != "" && f.until.text != "" && !filter.Since.Before(filter.Until) {
		return filter, usageError("--until %s is not later than --since %s", f.until.text, f.since.text)
	}
	by, err := oneOf("--by", f.by, "agent", "model", "run", "hour", "day", "month", "none")
	if err != nil {
		return filter, err
	}
	if by == "hour" || by == "day" || by == "month" { // times are steps, not keys
		if f.per != "none" && f.per != by {
			return filter, usageError("--by %s and --per %s exclude each other", by, f.per)
		}
		by, f.per = "none", by
	}
	per, err := oneOf("--per", f.per, "hour", "day", "month", "none")
	if err != nil {
		return filter, err
	}
	if by != "none" {
		filter.By = ledger.Grouping(by)
	}
	if per != "none" {
		filter.Per = ledger.Grouping(per)
	}
	return filter, nil
}

func (a *app) report(ctx context.Context, f *reportFlags) error {
	format, err := oneOf("--format", f.format, "table", "csv", "json")
	if err != nil {
		return err
	}
	f.csv, a.json = f.csv || format == "csv", a.json || format == "json"
	if f.csv && a.json {
		return usageError("CSV and JSON exclude each other")
	}
	filter, err := f.filter(a.now())
	if err != nil {
		return err
	}
	l, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer l.Close() // reads; the ledger has nothing to lose
	if f.run != "" {
		r, err := l.Run(ctx, f.run)
		if err != nil {
			return runError(f.run, err)
		}
		filter.Run = r.ID
	}
	sums, err := l.Spend(ctx, filter)
	if err != nil {
		return err
	}
	views := []spendView{}
	for _, s := range sums {
		v := spendView{Key: s.Key, Calls: s.Calls, Cost: s.Cost, Input: s.Input, Cached: s.Cached, Output: s.Output}
		if filter.Per != "" {
			at := s.Bucket.UTC()
			v.Bucket = &at
		}
		if s.Calls > 0 {
			v.Latency = s.Latency.Milliseconds() / s.Calls
		}
		views = append(views, v)
	}
	if a.json {
		return a.printJSON(views)
	}
	return a.printReport(views, filter, f)
}

func (a *app) printReport(views []spendView, filter ledger.SpendFilter, f *reportFlags) error {
	layout := map[ledger.Grouping]string{ledger.ByHour: "2006-01-02 15:00", ledger.ByDay: "2006-01-02", ledger.ByMonth: "2006-01"}[filter.Per]
	var columns []column
	if filter.Per != "" {
		columns = append(columns, left(f.per+" (UTC)"))
	}
	if filter.By != "" {
		columns = append(columns, left(f.by))
	}
	columns = append(columns, right("calls"), right("input"), right("cached"), right("output"), right("average"), right("cost"))
	var rows [][]string
	var calls, cost int64
	for _, v := range views {
		var row []string
		if v.Bucket != nil {
			row = append(row, v.Bucket.Format(layout))
		}
		if filter.By != "" {
			row = append(row, orText(v.Key, "(none)"))
		}
		price := v.Cost.String()
		if f.csv {
			price = perMillion((*int64)(&v.Cost))
		}
		rows = append(rows, append(row, count(v.Calls), count(v.Input), count(v.Cached), count(v.Output),
			(time.Duration(v.Latency)*time.Millisecond).String(), price))
		calls, cost = calls+v.Calls, cost+int64(v.Cost)
	}
	if f.csv {
		return a.printCSV(columns, rows)
	}
	if len(rows) == 0 {
		a.printf("nothing was spent then")
		return nil
	}
	a.printTable(columns, rows)
	a.printf("\n%d calls, %s", calls, ledger.Micros(cost))
	return nil
}

// printCSV keeps a spreadsheet from taking a name for a formula.
func (a *app) printCSV(columns []column, rows [][]string) error {
	w := csv.NewWriter(a.stdout)
	header := make([]string, 0, len(columns))
	for _, c := range columns {
		header = append(header, c.name)
	}
	if err := w.Write(header); err != nil {
		return err
	}
	for _, row := range rows {
		for i, cell := range row {
			cell = printable(cell)
			if strings.ContainsAny(cell[:min(1, len(cell))], "=+-@\t\r") {
				cell = "'" + cell
			}
			row[i] = cell
		}
		if err := w.Write(row); err != nil {
			return fmt.Errorf("writing CSV: %w", err)
		}
	}
	w.Flush()
	return w.Error()
}

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
