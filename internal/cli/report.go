package cli

import (
	"context"
	"encoding/csv"
	"fmt"
	"slices"
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

// reportKeys are what --by takes.
var reportKeys = []string{"agent", "group", "model", "provider", "program", "run", "hour", "day", "month", "none"}

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

	Doubt    ledger.Micros `json:"in_doubt_micro"` // of the cost: estimates
	Doubtful int64         `json:"in_doubt_calls"`
}

func (a *app) reportCommand() *cobra.Command {
	f := &reportFlags{}
	cmd := a.jsonFlag(&cobra.Command{
		Use: "report", Short: "sum up spending by agent, model, provider, program, run and time",
		Long: `report sums up what calls did cost, from sums that are kept by the hour: the hours
that --since and --until lie in count whole. Days and months are UTC, as an
agent's daily, weekly and monthly budgets are.`,
		Example: "  aex report --by model --since 30d\n  aex report --by day --since 30d\n  aex report --by agent --per month --format csv",
		Args:    none,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.report(cmd.Context(), f) },
	})
	fl := cmd.Flags()
	fl.StringVar(&f.by, "by", "agent", "what to sum up by: "+strings.Join(reportKeys, ", "))
	fl.StringVar(&f.per, "per", "none", "steps of time beside it")
	fl.StringVarP(&f.agent, "agent", "a", "", "only this agent")
	fl.StringVar(&f.model, "model", "", "only this model")
	fl.StringVar(&f.run, "run", "", "only this run")
	fl.Var(&f.since, "since", "from this hour on: a date, or how long ago (24h, 30d)")
	fl.Var(&f.until, "until", "up to this hour")
	fl.StringVar(&f.format, "format", "table", "how to print it")
	fl.BoolVar(&f.csv, "csv", false, "the same as --format csv")
	a.takes(cmd, map[string]kind{
		"by": {name: "KEY", complete: words(reportKeys...)}, "per": oneOfKind("hour", "day", "month", "none"), "format": oneOfKind("table", "csv", "json"),
		"agent": takesAgent, "model": takesModel, "run": takesRun, "since": takesTime, "until": takesTime,
	})
	return cmd
}

// filter turns the flags into what the ledger sums.
func (f *reportFlags) filter(now time.Time) (ledger.SpendFilter, error) {
	filter := ledger.SpendFilter{Agent: f.agent, Model: f.model, Since: f.since.time(now), Until: f.until.time(now)}
	if err := sinceBeforeUntil(f.since, f.until, now); err != nil {
		return filter, err
	}
	by, err := oneOf("--by", f.by, reportKeys...)
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
	l, err := a.openToShow(ctx)
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
	if len(sums) == 0 {
		if err := a.unknownKey(ctx, l, f); err != nil {
			return err
		}
	}
	views := []spendView{}
	for _, s := range sums {
		v := spendView{Key: s.Key, Calls: s.Calls, Cost: s.Cost, Input: s.Input, Cached: s.Cached, Output: s.Output, Doubt: s.Doubt, Doubtful: s.Doubtful}
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

// unknownKey is the error for an agent or a model that there never was; what
// there is, and has spent nothing then, is none.
func (a *app) unknownKey(ctx context.Context, l *ledger.Ledger, f *reportFlags) error {
	for _, k := range []struct {
		by   ledger.Grouping
		name string
	}{{ledger.ByAgent, f.agent}, {ledger.ByModel, f.model}} {
		if k.name == "" {
			continue
		}
		ever, err := l.Spend(ctx, ledger.SpendFilter{By: k.by})
		if err != nil {
			return err
		}
		var names []string
		for _, s := range ever {
			names = append(names, s.Key)
		}
		if slices.Contains(names, k.name) {
			continue
		}
		if k.by == ledger.ByAgent {
			if _, err := l.Agent(ctx, k.name); err != nil {
				return a.agentError(ctx, l, k.name, err)
			}
			continue
		}
		hint := "see what was: aex report --by model"
		if meant := closest(k.name, names); meant != "" {
			hint = "did you mean: " + meant
		}
		return hinted(fmt.Errorf("nothing was ever spent on a model %q", k.name), "%s", hint)
	}
	return nil
}

func (a *app) printReport(views []spendView, filter ledger.SpendFilter, f *reportFlags) error {
	layout := map[ledger.Grouping]string{ledger.ByHour: "2006-01-02 15:00", ledger.ByDay: "2006-01-02", ledger.ByMonth: "2006-01"}[filter.Per]
	var columns []column
	if filter.Per != "" {
		columns = append(columns, left(map[bool]string{true: f.per + "_utc", false: f.per + " (UTC)"}[f.csv]))
	}
	if filter.By != "" {
		columns = append(columns, left(f.by))
	}
	if f.csv {
		columns = append(columns, right("calls"), right("input_tokens"), right("cached_tokens"), right("output_tokens"), right("average_ms"), right("cost_usd"), right("in_doubt_usd"))
	} else {
		columns = append(columns, right("calls"), right("input"), right("cached"), right("output"), right("average"), right("cost"))
	}
	var rows [][]string
	var calls, cost, doubt, doubtful int64
	for _, v := range views {
		var row []string
		if v.Bucket != nil {
			row = append(row, v.Bucket.Format(layout))
		}
		if filter.By != "" {
			row = append(row, orText(v.Key, "(none)"))
		}
		average, price := (time.Duration(v.Latency) * time.Millisecond).String(), v.Cost.String()
		if f.csv {
			average, price = count(v.Latency), perMillion((*int64)(&v.Cost))
		}
		row = append(row, count(v.Calls), count(v.Input), count(v.Cached), count(v.Output), average, price)
		if f.csv {
			row = append(row, perMillion((*int64)(&v.Doubt)))
		}
		rows = append(rows, row)
		calls, cost = calls+v.Calls, cost+int64(v.Cost)
		doubt, doubtful = doubt+int64(v.Doubt), doubtful+v.Doubtful
	}
	if f.csv {
		return a.printCSV(columns, rows)
	}
	if len(rows) == 0 {
		a.printf("nothing was spent then")
		return nil
	}
	a.printTable(columns, rows)
	in := ""
	if doubtful != 0 {
		in = fmt.Sprintf(", %s of it in doubt (%s)", ledger.Micros(doubt), brokeOff(doubtful))
	}
	a.printf("\n%d calls, %s%s", calls, ledger.Micros(cost), in)
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
