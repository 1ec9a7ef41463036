package dashboard

import (
	"net/http"
	"time"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy"
)

// groupBudgetsMax, budgetsMax, runsMax and eventsMax are how many of each the overview shows;
// pages of their own show the rest.
const (
	groupBudgetsMax = 8

	budgetsMax = 20
	runsMax    = 10
	eventsMax  = 8
)

type overview struct {
	View     view
	Totals   ledger.Totals
	Spending spending
	Burn     ledger.Burn
	Rate     ledger.Micros
	Budgets  []budgetRow
	Agents   int // in all
	Live     []proxy.LiveCall
	Causes   []ledger.Spend
	Speeds   []speed
	Runs     []ledger.Run
	Events   []eventRow
	Audit    auditView
	Groups   []groupBudget // those of which the largest share is used
	GroupsOf int           // how many budgets of groups there are
}

// Refused is how many calls were refused in the time that is shown.
func (o overview) Refused() (n int64) {
	for _, c := range o.Causes {
		n += c.Refused
	}
	return n
}

func (d *Dashboard) overview(w http.ResponseWriter, r *http.Request, s *session) error {
	ctx := r.Context()
	var o overview
	var err error
	if o.View, err = d.readView(r); err != nil {
		return err
	}
	o.View.Agent, o.View.Group = "", "" // an agent has a page of its own, and a group, too
	if o.Spending, err = d.spending(ctx, o.View); err != nil {
		return err
	}
	if asCSV(r) {
		return o.Spending.csv(w)
	}
	o.View = o.Spending.View
	if o.Totals, err = d.ledger.Totals(ctx); err != nil {
		return err
	}
	if o.Budgets, o.Burn, err = d.budgets(ctx); err != nil {
		return err
	}
	o.Rate = o.Burn.Rate(o.Burn.Cost, time.Time{})
	o.Agents = len(o.Budgets)
	o.Budgets = o.Budgets[:min(len(o.Budgets), budgetsMax)]
	groups, err := d.groupRows(ctx, o.Burn)
	if err != nil {
		return err
	}
	for _, g := range groups {
		o.GroupsOf += len(g.Budgets)
	}
	o.Groups, o.Spending.View.Grouped = scarce(groups, groupBudgetsMax), len(groups) > 0
	if o.Live, err = d.liveCalls(ctx); err != nil {
		return err
	}
	if o.Causes, err = d.ledger.Spend(ctx, ledger.SpendFilter{By: ledger.ByCause, Since: o.View.since, Until: o.View.lastHour()}); err != nil {
		return err
	}
	shapes, err := d.ledger.Spend(ctx, o.View.kinds())
	if err != nil {
		return err
	}
	o.Speeds = speeds(shapes)
	if o.Runs, err = d.ledger.Runs(ctx, ledger.RunFilter{Limit: runsMax}); err != nil {
		return err
	}
	trail, err := d.ledger.Events(ctx, ledger.EventFilter{Newest: true, Limit: eventsMax, Scan: ledger.PageScan})
	if err != nil {
		return err
	}
	o.Events = eventRows(trail.Events)
	if o.Audit, err = d.auditNow(ctx); err != nil {
		return err
	}
	d.render(w, http.StatusOK, "overview.html", &page{Title: "Overview", Session: s, Nav: "overview", Live: true, Done: doneText(r), Data: o})
	return nil
}

type agentView struct {
	View         view
	Budget       budgetRow
	Groups       []groupBudget // of its group and those around it
	Spending     spending
	Speeds       []speed
	Causes       []ledger.Spend
	Tokens       []ledger.Token
	Runs         []ledger.Run
	Events       []eventRow
	Capabilities string
}

func (d *Dashboard) agentPage(w http.ResponseWriter, r *http.Request, s *session) error {
	ctx := r.Context()
	a, err := d.ledger.Agent(ctx, r.URL.Query().Get("agent"))
	if err != nil {
		return err
	}
	var v agentView
	if v.View, err = d.readView(r); err != nil {
		return err
	}
	if r.URL.Query().Get("by") == "" || v.View.By == ledger.ByAgent {
		v.View.By = ledger.ByModel
	}
	burn, err := d.ledger.Burn(ctx, ledger.BurnWindow)
	if err != nil {
		return err
	}
	v.Budget, v.View.Group = newBudgetRow(a, burn), ""
	around, err := d.ledger.GroupsAround(ctx, a.Group)
	if err != nil {
		return err
	}
	for _, g := range around {
		v.Groups = append(v.Groups, newGroupRow(g, burn).Budgets...)
	}
	v.View.Grouped = a.Group != ""
	if v.Spending, err = d.spending(ctx, v.View); err != nil {
		return err
	}
	if asCSV(r) {
		return v.Spending.csv(w)
	}
	v.View = v.Spending.View
	shapes, err := d.ledger.Spend(ctx, v.View.kinds())
	if err != nil {
		return err
	}
	v.Speeds = speeds(shapes)
	if v.Causes, err = d.ledger.Spend(ctx, ledger.SpendFilter{By: ledger.ByCause, Agent: a.Name, Since: v.View.since, Until: v.View.lastHour()}); err != nil {
		return err
	}
	if v.Tokens, err = d.ledger.Tokens(ctx, a.Name); err != nil {
		return err
	}
	if v.Runs, err = d.ledger.Runs(ctx, ledger.RunFilter{Agent: a.Name, Limit: runsMax}); err != nil {
		return err
	}
	trail, err := d.ledger.Events(ctx, ledger.EventFilter{Agent: a.Name, Newest: true, Limit: 2 * eventsMax, Scan: ledger.PageScan})
	if err != nil {
		return err
	}
	v.Events, v.Capabilities = eventRows(trail.Events), cleanJSON(a.Capabilities)
	d.render(w, http.StatusOK, "agent.html", &page{Title: "Agent " + plain.Name(a.Name), Session: s, Nav: "", Live: true, Done: doneText(r), Data: v})
	return nil
}

// serveChart draws what the page's own address asks for.
func (d *Dashboard) serveChart(w http.ResponseWriter, r *http.Request, _ *session) error {
	v, err := d.readView(r)
	if err != nil {
		return err
	}
	sp, err := d.spending(r.Context(), v)
	if err != nil {
		return err
	}
	width, height := 920, 270
	if r.URL.Query().Get("size") == "small" {
		width, height = 400, 230
	}
	svg := sp.Chart.svg(sp.View.Per, r.URL.Query().Get("theme") == "dark", width, height)
	h := w.Header()
	// Opened by itself the picture may style itself, and do nothing else.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'")
	h.Set("Content-Type", "image/svg+xml")
	h.Set("Cache-Control", "private, max-age=60")
	_, _ = w.Write(svg) // a client that is gone needs no picture
	return nil
}
