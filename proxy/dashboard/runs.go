package dashboard

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

type runsView struct {
	Agent string
	Open  bool
	Limit int
	Runs  []ledger.Run
	More  bool
}

func (d *Dashboard) runsPage(w http.ResponseWriter, r *http.Request, s *session) error {
	q := r.URL.Query()
	v := runsView{Agent: q.Get("agent"), Open: q.Get("open") != "", Limit: 50}
	if n, err := strconv.Atoi(q.Get("limit")); err == nil && n > 0 {
		v.Limit = min(n, 1000)
	}
	filter := ledger.RunFilter{Agent: v.Agent, Open: v.Open, Limit: v.Limit + 1}
	if asCSV(r) {
		filter.Limit = -1
	}
	var err error
	if v.Runs, err = d.ledger.Runs(r.Context(), filter); err != nil {
		return err
	}
	if asCSV(r) {
		return sendCSV(w, "runs", runsHeader, runsCSV(v.Runs))
	}
	if v.More = len(v.Runs) > v.Limit; v.More {
		v.Runs = v.Runs[:v.Limit]
	}
	d.render(w, http.StatusOK, "runs.html", &page{Title: "Runs", Session: s, Nav: "runs", Live: true, Done: doneText(r), Data: v})
	return nil
}

var runsHeader = []string{"run", "agent", "program", "state", "outcome", "exit_code", "started_utc", "ended_utc", "budget_usd", "spent_usd", "reserved_usd", "overrun_usd", "calls", "refused"}

func runsCSV(runs []ledger.Run) (table [][]string) {
	for _, r := range runs {
		code := ""
		if !r.Ended.IsZero() {
			code = strconv.Itoa(r.ExitCode)
		}
		table = append(table, []string{string(r.ID), r.Agent, r.Program, string(r.State), r.Outcome, code, timeCSV(r.Started), timeCSV(r.Ended), budgetCSV(r.Account.Budget),
			usdCSV(r.Account.Spent), usdCSV(r.Account.Reserved), usdCSV(r.Account.Overrun), countCSV(r.Calls), countCSV(r.Refused)})
	}
	return table
}

type runView struct {
	Run    ledger.Run
	Took   time.Duration
	Rate   ledger.Micros
	Lasts  time.Duration
	Ends   bool
	Models []ledger.Spend
	Sum    ledger.Spend // of its own calls
	Speeds []speed
	Trail  ledger.EventPage
	Events []eventRow // that are no calls
	Calls  []callRow
	Asks   bool // the run is out of money and waits for the operator or its end
}

func (d *Dashboard) runPage(w http.ResponseWriter, r *http.Request, s *session) error {
	ctx := r.Context()
	q := r.URL.Query()
	run, err := d.ledger.Run(ctx, q.Get("run"))
	if err != nil {
		return err
	}
	v := runView{Run: run, Took: d.o.Now().Sub(run.Started), Asks: run.State == ledger.RunExhausted}
	if !run.Ended.IsZero() {
		v.Took = run.Ended.Sub(run.Started)
	} else {
		burn, err := d.ledger.Burn(ctx, ledger.BurnWindow)
		if err != nil {
			return err
		}
		cost := burn.ByRun[run.ID]
		v.Rate = burn.Rate(cost, run.Started)
		if left, limited := run.Account.Left(); limited {
			v.Lasts, v.Ends = burn.Lasts(left, cost, run.Started)
		}
	}
	if v.Models, err = d.ledger.Spend(ctx, ledger.SpendFilter{By: ledger.ByModel, Run: run.ID}); err != nil {
		return err
	}
	for _, m := range v.Models {
		addSpend(&v.Sum, m)
	}
	shapes, err := d.ledger.Spend(ctx, ledger.SpendFilter{By: ledger.ByKind, Run: run.ID})
	if err != nil {
		return err
	}
	v.Speeds = speeds(shapes)
	before, _ := strconv.ParseInt(q.Get("before"), 10, 64) // what is no number starts at the newest
	if v.Trail, err = d.ledger.Events(ctx, ledger.EventFilter{Run: run.ID, Before: before, Newest: true, Limit: 80, Scan: ledger.PageScan}); err != nil {
		return err
	}
	end := run.Ended
	if end.IsZero() {
		end = d.o.Now()
	}
	v.Calls = callRows(v.Trail.Events, run.Started, end)
	v.Events = eventRows(slices.DeleteFunc(v.Trail.Events, func(e ledger.Event) bool { _, call := newCallRow(e); return call }))
	d.render(w, http.StatusOK, "run.html", &page{Title: "Run " + shortID(run.ID), Session: s, Live: before == 0, Done: doneText(r), Data: v})
	return nil
}
