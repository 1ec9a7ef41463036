package dashboard

import (
	"net/http"
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
	var err error
	if v.Runs, err = d.ledger.Runs(r.Context(), ledger.RunFilter{Agent: v.Agent, Open: v.Open, Limit: v.Limit + 1}); err != nil {
		return err
	}
	if v.More = len(v.Runs) > v.Limit; v.More {
		v.Runs = v.Runs[:v.Limit]
	}
	d.render(w, http.StatusOK, "runs.html", &page{Title: "Runs", Session: s, Nav: "runs", Live: true, Done: doneText(r), Data: v})
	return nil
}

type runView struct {
	Run    ledger.Run
	Took   time.Duration
	Rate   ledger.Micros
	Lasts  time.Duration
	Ends   bool
	Models []ledger.Spend
	Speeds []speed
	Trail  ledger.EventPage
	Events []eventRow
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
	shapes, err := d.ledger.Spend(ctx, ledger.SpendFilter{By: ledger.ByKind, Run: run.ID})
	if err != nil {
		return err
	}
	v.Speeds = speeds(shapes)
	before, _ := strconv.ParseInt(q.Get("before"), 10, 64) // what is no number starts at the newest
	if v.Trail, err = d.ledger.Events(ctx, ledger.EventFilter{Run: run.ID, Before: before, Newest: true, Limit: 100, Scan: ledger.PageScan}); err != nil {
		return err
	}
	v.Events = eventRows(v.Trail.Events)
	d.render(w, http.StatusOK, "run.html", &page{Title: "Run " + shortID(run.ID), Session: s, Live: before == 0, Done: doneText(r), Data: v})
	return nil
}
