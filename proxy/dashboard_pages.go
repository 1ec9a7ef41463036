package proxy

import (
	"encoding/json"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/Auro-rium/aex/ledger"
)

// budgetsMax, runsMax and eventsMax are how many of each the overview shows;
// pages of their own show the rest.
const (
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
	Live     []LiveCall
	Causes   []ledger.Sums
	Speeds   []speed
	Runs     []ledger.Run
	Events   []eventRow
	Audit    auditView
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
	o := overview{View: d.readView(r)}
	o.View.Agent = "" // an agent has a page of its own
	var err error
	if o.Spending, err = d.spending(ctx, o.View); err != nil {
		return err
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
	if o.Live, err = d.liveCalls(ctx); err != nil {
		return err
	}
	if o.Causes, err = d.ledger.Spending(ctx, ledger.SpendingFilter{By: ledger.ByCause, Since: o.View.since}); err != nil {
		return err
	}
	shapes, err := d.ledger.Shapes(ctx, o.View.filter())
	if err != nil {
		return err
	}
	o.Speeds = speeds(shapes)
	if o.Runs, err = d.ledger.Runs(ctx, ledger.RunFilter{Limit: runsMax}); err != nil {
		return err
	}
	trail, err := d.ledger.Trail(ctx, ledger.TrailFilter{Limit: eventsMax})
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
	Spending     spending
	Speeds       []speed
	Causes       []ledger.Sums
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
	v := agentView{View: d.readView(r)}
	if r.URL.Query().Get("by") == "" || v.View.By == ledger.ByAgent {
		v.View.By = ledger.ByModel
	}
	burn, err := d.ledger.Burn(ctx, ledger.BurnWindow)
	if err != nil {
		return err
	}
	v.Budget = newBudgetRow(a, burn)
	if v.Spending, err = d.spending(ctx, v.View); err != nil {
		return err
	}
	v.View = v.Spending.View
	shapes, err := d.ledger.Shapes(ctx, v.View.filter())
	if err != nil {
		return err
	}
	v.Speeds = speeds(shapes)
	if v.Causes, err = d.ledger.Spending(ctx, ledger.SpendingFilter{By: ledger.ByCause, Agent: a.Name, Since: v.View.since}); err != nil {
		return err
	}
	if v.Tokens, err = d.ledger.Tokens(ctx, a.Name); err != nil {
		return err
	}
	if v.Runs, err = d.ledger.Runs(ctx, ledger.RunFilter{Agent: a.Name, Limit: runsMax}); err != nil {
		return err
	}
	trail, err := d.ledger.Trail(ctx, ledger.TrailFilter{Agent: a.Name, Limit: 2 * eventsMax})
	if err != nil {
		return err
	}
	v.Events, v.Capabilities = eventRows(trail.Events), cleanJSON(a.Capabilities)
	d.render(w, http.StatusOK, "agent.html", &page{Title: "Agent " + cleanName(a.Name), Session: s, Nav: "", Live: true, Done: doneText(r), Data: v})
	return nil
}

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
	Trail  ledger.TrailPage
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
	shapes, err := d.ledger.Shapes(ctx, ledger.SpendFilter{Run: run.ID})
	if err != nil {
		return err
	}
	v.Speeds = speeds(shapes)
	before, _ := strconv.ParseInt(q.Get("before"), 10, 64) // what is no number starts at the newest
	if v.Trail, err = d.ledger.Trail(ctx, ledger.TrailFilter{Run: run.ID, Before: before, Limit: 100}); err != nil {
		return err
	}
	v.Events = eventRows(v.Trail.Events)
	d.render(w, http.StatusOK, "run.html", &page{Title: "Run " + shortID(run.ID), Session: s, Live: before == 0, Done: doneText(r), Data: v})
	return nil
}

type eventsView struct {
	Filter  ledger.TrailFilter
	Range   string
	Ranges  []timeRange
	Actions []string
	Events  []eventRow
	More    int64
	Query   func(before int64) template.URL
}

// trailActions are the choices of the filter; one that ends in a point is all
// that begin so.
var trailActions = []string{
	"usage.", "usage.commit", "usage.cancel", "usage.overrun", "usage.recovered", "usage.late",
	"budget.deny", "rate.deny", "policy.deny", "access.deny",
	"run.", "run.open", "run.state", "run.topup", "run.end",
	"agent.", "agent.create", "agent.set", "agent.topup", "agent.delete", "token.", "window.open", "adjustment.opening", "checkpoint",
}

func (d *Dashboard) eventsPage(w http.ResponseWriter, r *http.Request, s *session) error {
	q := r.URL.Query()
	v := eventsView{Range: q.Get("range"), Ranges: ranges, Actions: trailActions}
	v.Filter = ledger.TrailFilter{Agent: q.Get("agent"), Action: q.Get("action"), Limit: 100}
	for _, c := range ranges {
		if c.Key == v.Range && c.back > 0 {
			v.Filter.Since = d.o.Now().Add(-c.back)
		}
	}
	if id := strings.TrimSpace(q.Get("run")); id != "" {
		run, err := d.ledger.Run(r.Context(), id)
		if err != nil {
			return err
		}
		v.Filter.Run = run.ID
	}
	v.Filter.Before, _ = strconv.ParseInt(q.Get("before"), 10, 64) // what is no number starts at the newest
	trail, err := d.ledger.Trail(r.Context(), v.Filter)
	if err != nil {
		return err
	}
	v.Events, v.More = eventRows(trail.Events), trail.More
	v.Query = func(before int64) template.URL {
		q.Set("before", strconv.FormatInt(before, 10))
		return template.URL(q.Encode()) //nolint:gosec // encoded
	}
	d.render(w, http.StatusOK, "events.html", &page{Title: "Events", Session: s, Nav: "events", Live: v.Filter.Before == 0, Data: v})
	return nil
}

// serveChart draws what the page's own address asks for.
func (d *Dashboard) serveChart(w http.ResponseWriter, r *http.Request, _ *session) error {
	sp, err := d.spending(r.Context(), d.readView(r))
	if err != nil {
		return err
	}
	width, height := 920, 270
	if r.URL.Query().Get("size") == "small" {
		width, height = 400, 230
	}
	svg, err := sp.Chart.svg(sp.View.Per, r.URL.Query().Get("theme") == "dark", width, height)
	if err != nil {
		return err
	}
	h := w.Header()
	// Opened by itself the picture may style itself, and do nothing else.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'")
	h.Set("Content-Type", "image/svg+xml")
	h.Set("Cache-Control", "private, max-age=60")
	_, _ = w.Write(svg) // who is gone needs no picture
	return nil
}

// eventRow is an event as a page shows it.
type eventRow struct {
	ledger.Event
	Kind string // colours the action: "good", "bad", "money", ""
	Text string
	JSON string
}

func eventRows(events []ledger.Event) []eventRow {
	rows := make([]eventRow, 0, len(events))
	for _, e := range events {
		rows = append(rows, eventRow{Event: e, Kind: eventKind(e.Action), Text: eventText(e), JSON: cleanJSON(e.Body)})
	}
	return rows
}

func eventKind(action string) string {
	switch {
	case strings.HasSuffix(action, ".deny"), action == "usage.overrun", action == "agent.delete":
		return "bad"
	case action == "usage.commit":
		return "good"
	case strings.HasSuffix(action, ".topup"), action == "usage.recovered", action == "usage.late":
		return "money"
	}
	return ""
}

// eventText says in a few words what an event is about.
func eventText(e ledger.Event) string {
	var b struct {
		ledger.CallInfo
		Served   string        `json:"model_served"`
		How      string        `json:"how"`
		Ending   string        `json:"ending"`
		Usage    *ledger.Usage `json:"usage"`
		Cause    string        `json:"cause"`
		Reason   string        `json:"reason"`
		Count    int64         `json:"count"`
		From     string        `json:"from"`
		To       string        `json:"to"`
		Outcome  string        `json:"outcome"`
		ExitCode int           `json:"exit_code"`
		Program  string        `json:"program"`
		By       ledger.Micros `json:"by_micro"`
		Paused   bool          `json:"paused"`
		Token    string        `json:"token"`
		Latency  int64         `json:"latency_ms"`
	}
	if json.Unmarshal(e.Body, &b) != nil {
		return ""
	}
	var parts []string
	add := func(s string) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	switch {
	case strings.HasPrefix(e.Action, "usage."):
		add(firstText(b.Served, b.ModelSent, b.ModelAsked))
		if b.Usage != nil {
			add(groupDigits(b.Usage.Total()-b.Usage.Output-b.Usage.AudioOut) + " in, " + groupDigits(b.Usage.Output+b.Usage.AudioOut) + " out")
		}
		if b.How != string(ledger.Settled) {
			add(b.How)
		}
		if b.Ending != "complete" {
			add(b.Ending)
		}
		if b.Latency > 0 {
			add(latencyText(time.Duration(b.Latency) * time.Millisecond))
		}
	case strings.HasSuffix(e.Action, ".deny"):
		add(b.Cause)
		if b.Count > 1 {
			add(groupDigits(b.Count) + " times")
		}
		add(firstText(b.ModelSent, b.ModelAsked))
		add(b.Reason)
	case b.By != 0:
		add("by " + b.By.String())
	case b.To != "":
		add(b.From + " → " + b.To)
	case b.Outcome != "":
		add(b.Outcome + ", exit code " + strconv.Itoa(b.ExitCode))
	default:
		add(b.Program)
		if b.Paused {
			add("paused")
		}
		if strings.HasPrefix(e.Action, "token.") {
			add("token " + b.Token + "…")
		}
	}
	return cleanText(strings.Join(parts, " · "), 400)
}

func firstText(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}

// cleanJSON is a JSON text, one member a line, harmless to show.
func cleanJSON(body []byte) string {
	if len(body) == 0 {
		return ""
	}
	var v any
	decode := json.NewDecoder(strings.NewReader(string(body)))
	decode.UseNumber()
	if decode.Decode(&v) != nil {
		return ""
	}
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return ""
	}
	lines := strings.Split(string(text), "\n")
	for i, l := range lines {
		lines[i] = cleanText(l, 1000)
	}
	return strings.Join(lines, "\n")
}
