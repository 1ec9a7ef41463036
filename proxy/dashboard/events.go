package dashboard

import (
	"encoding/json"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
)

type eventsView struct {
	Filter  ledger.EventFilter
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
	"budget.deny", "rate.deny", "policy.deny", "access.deny", "call.held",
	"run.", "run.open", "run.state", "run.topup", "run.end",
	"agent.", "agent.create", "agent.set", "agent.topup", "agent.delete",
	"group.", "group.create", "group.set", "group.budget", "group.topup", "group.delete", "token.", "window.open", "adjustment.opening", "ledger.zone", "checkpoint",
}

func (d *Dashboard) eventsPage(w http.ResponseWriter, r *http.Request, s *session) error {
	q := r.URL.Query()
	v := eventsView{Range: q.Get("range"), Ranges: ranges, Actions: trailActions}
	v.Filter = ledger.EventFilter{Agent: q.Get("agent"), Group: q.Get("group"), Action: q.Get("action"), Newest: true, Limit: 50, Scan: ledger.PageScan}
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
	trail, err := d.ledger.Events(r.Context(), v.Filter)
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
	case strings.HasSuffix(action, ".deny"), action == "usage.overrun", action == "agent.delete", action == "group.delete":
		return "bad"
	case action == "usage.commit":
		return "good"
	case strings.HasSuffix(action, ".topup"), action == "usage.recovered", action == "usage.late":
		return "money"
	}
	return ""
}

// eventBody is what eventText reads of an event.
type eventBody struct {
	callEvent
	HeldFor  string        `json:"held_for"`
	From     string        `json:"from"`
	To       string        `json:"to"`
	Outcome  string        `json:"outcome"`
	ExitCode int           `json:"exit_code"`
	Program  string        `json:"program"`
	By       ledger.Micros `json:"by_micro"`
	Paused   bool          `json:"paused"`
	Token    string        `json:"token"`
	Window   string        `json:"window"`
}

// eventText says in a few words what an event is about.
func eventText(e ledger.Event) string {
	var b eventBody
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
	case strings.HasSuffix(e.Action, ".deny"), b.HeldFor != "":
		add(b.Cause + b.HeldFor) // an event has one of them
		if b.Count > 1 {
			add(groupDigits(b.Count) + " times")
		}
		add(firstText(b.ModelSent, b.ModelAsked))
		if no, ok := e.Refusal(); ok {
			b.Reason = refusal.Reason(&no)
		}
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
		if e.Agent != "" && e.Group != "" {
			add("group " + e.Group)
		}
		if e.Action == "window.open" {
			add(b.Window)
		}
		if strings.HasPrefix(e.Action, "token.") {
			add("token " + b.Token + "…")
		}
	}
	return plain.Text(strings.Join(parts, " · "), 400)
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
		lines[i] = plain.Text(l, 1000)
	}
	return strings.Join(lines, "\n")
}
