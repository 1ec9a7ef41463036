package cli

import (
	"cmp"
	"context"
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
	group        string
	run          string
	since, until timeFlag
	sort         string
	limit        int
	format       string
	csv          bool // --csv: --format csv
}

// reportKeys are what --by takes, one, or two of them with a comma between.
var reportKeys = []string{"agent", "group", "model", "provider", "program", "run", "hour", "day", "month", "none"}

// spendView is one line of the report.
type spendView struct {
	Bucket  *time.Time    `json:"from,omitempty"`
	Key     string        `json:"key"`
	Then    string        `json:"second_key,omitempty"` // --by KEY,KEY
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
		Use: "report", Short: "sum up spending by agent, group, model, provider, program, run and time",
		Long: `report sums up what calls have cost, from sums that are kept by the hour: the hours
that --since and --until lie in count whole. Of a day, week or month, --since
takes the beginning and --until the end. Days and months are those of the
ledger's time zone, as budgets by the day, week and month are: aex ledger timezone.`,
		Example: "  aex report --by model --since 30d\n  aex report --by agent,model --since month\n  aex report --by group,agent --group acme\n  aex report --by run --since last-week --until last-week -n 5\n  aex report --by agent --per month --format csv",
		Args:    none,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.report(cmd.Context(), f) },
	})
	fl := cmd.Flags()
	fl.StringVar(&f.by, "by", "agent", "what to sum up by, or two with a comma between: "+strings.Join(reportKeys, ", "))
	fl.StringVar(&f.per, "per", "none", "steps of time beside it")
	fl.StringVarP(&f.agent, "agent", "a", "", "only this agent")
	fl.StringVar(&f.group, "group", "", "only the agents that were in this group, or in one inside it")
	fl.StringVar(&f.model, "model", "", "only this model")
	fl.StringVar(&f.run, "run", "", "only this run")
	fl.Var(&f.since, "since", "from this hour on: a date, week, month, or how long ago (24h, 30d)")
	fl.Var(&f.until, "until", "up to this hour, or to the end of this day, week or month")
	fl.StringVar(&f.sort, "sort", "", "order: the dearest first (within a step of time), or "+strings.Join(reportOrders, ", "))
	fl.IntVarP(&f.limit, "limit", "n", 0, "how many lines; 0 for all")
	fl.StringVar(&f.format, "format", "table", "how to print it")
	fl.BoolVar(&f.csv, "csv", false, "the same as --format csv")
	a.takes(cmd, map[string]kind{
		"by": {name: "KEY[,KEY]", complete: words(reportKeys...)}, "sort": {name: "ORDER", complete: words(reportOrders...)}, "per": oneOfKind("hour", "day", "month", "none"), "format": oneOfKind("table", "csv", "json"),
		"agent": takesAgent, "group": takesGroup, "model": takesModel, "run": takesRun, "since": takesTime, "until": takesTime,
	})
	return cmd
}

// reportOrders are what --sort takes.
var reportOrders = []string{"cost", "calls", "tokens", "average", "name", "time"}

// filter turns the flags into what the ledger sums, but for the times.
func (f *reportFlags) filter() (ledger.SpendFilter, error) {
	filter := ledger.SpendFilter{Agent: f.agent, Group: f.group, Model: f.model}
	if f.limit < 0 {
		return filter, usageError("--limit is 0 or more, not %d", f.limit)
	}
	if f.sort != "" {
		if _, err := oneOf("--sort", f.sort, reportOrders...); err != nil {
			return filter, err
		}
	}
	for by := range strings.SplitSeq(f.by, ",") {
		by, err := oneOf("--by", strings.TrimSpace(by), reportKeys...)
		if err != nil {
			return filter, err
		}
		switch g := ledger.Grouping(by); {
		case by == "none":
		case g == ledger.ByHour || g == ledger.ByDay || g == ledger.ByMonth: // times are steps, not keys
			if f.per != "none" && f.per != by {
				return filter, usageError("--by %s and --per %s exclude each other", by, f.per)
			}
			f.per = by
		case filter.By == g || filter.Then == g:
			return filter, usageError("--by names %s twice", by)
		case filter.By == "":
			filter.By = g
		case filter.Then == "":
			filter.Then = g
		default:
			return filter, usageError("--by takes two keys at most, and a step of time beside them; %s is one too many", by)
		}
	}
	per, err := oneOf("--per", f.per, "hour", "day", "month", "none")
	if err == nil && per != "none" {
		filter.Per = ledger.Grouping(per)
	}
	return filter, err
}

// order puts the lines into the order of --sort, and tells whether --limit
// leaves some out.
func (f *reportFlags) order(views []spendView) (shown []spendView, more bool) {
	by := map[string]func(x, y spendView) int{
		"cost":    func(x, y spendView) int { return cmp.Compare(y.Cost, x.Cost) },
		"calls":   func(x, y spendView) int { return cmp.Compare(y.Calls, x.Calls) },
		"tokens":  func(x, y spendView) int { return cmp.Compare(y.Input+y.Cached+y.Output, x.Input+x.Cached+x.Output) },
		"average": func(x, y spendView) int { return cmp.Compare(y.Latency, x.Latency) },
		"name":    func(x, y spendView) int { return cmp.Or(cmp.Compare(x.Key, y.Key), cmp.Compare(x.Then, y.Then)) },
	}[f.sort]
	if by != nil { // otherwise the ledger's: time
		slices.SortStableFunc(views, by)
	}
	if f.limit > 0 && len(views) > f.limit {
		return views[:f.limit], true
	}
	return views, false
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
	filter, err := f.filter()
	if err != nil {
		return err
	}
	l, err := a.openToShow(ctx)
	if err != nil {
		return err
	}
	defer l.Close() // reads; the ledger has nothing to lose
	if filter.Since, filter.Until, err = a.between(ctx, l, f.since, f.until); err != nil {
		return err
	}
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
	views, more := f.order(viewSpends(sums, filter.Per != ""))
	if more {
		defer a.cut(len(views), "top lines", "all of them without -n")
	}
	if a.json {
		return a.printJSON(views)
	}
	zone, _, err := l.Zone(ctx)
	if err != nil {
		return err
	}
	return a.printReport(views, filter, zone, f)
}

// viewSpends are sums as they are printed, with their times where they are steps.
func viewSpends(sums []ledger.Spend, steps bool) []spendView {
	views := []spendView{}
	for _, s := range sums {
		v := spendView{Key: s.Key, Then: s.Then, Calls: s.Calls, Cost: s.Cost, Input: s.Input, Cached: s.Cached, Output: s.Output, Doubt: s.Doubt, Doubtful: s.Doubtful}
		if steps {
			at := s.Bucket.UTC()
			v.Bucket = &at
		}
		if s.Calls > 0 {
			v.Latency = s.Latency.Milliseconds() / s.Calls
		}
		views = append(views, v)
	}
	return views
}

// unknownKey is the error for an agent or a model that there never was; what
// there is, and has spent nothing then, is none.
func (a *app) unknownKey(ctx context.Context, l *ledger.Ledger, f *reportFlags) error {
	if f.group != "" {
		if _, err := l.Group(ctx, f.group); err != nil {
			return a.groupError(ctx, l, f.group, err)
		}
	}
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

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
