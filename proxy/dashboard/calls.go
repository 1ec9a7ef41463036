package dashboard

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
)

// callRow is one call of a run, or equal refused ones, on the run's time line.
type callRow struct {
	Seq     int64
	Began   time.Time
	Took    time.Duration
	Model   string
	Asked   string // where another was asked for
	Input   int64
	Output  int64
	Known   bool // the usage
	Cost    ledger.Micros
	Held    ledger.Micros
	Ending  string
	Kind    string // "good", "warn", "bad", "live"
	Notes   []string
	Count   int64 // of equal refusals
	At, Len int64 // place on the time line, in thousandths
}

// callRows makes calls of a run's events, the newest first, and places them
// between the run's beginning and its end.
func callRows(events []ledger.Event, began, ended time.Time) []callRow {
	var rows []callRow
	for _, e := range events {
		if c, ok := newCallRow(e); ok {
			whole := max(ended.Sub(began), time.Millisecond)
			place := func(t time.Duration) int64 { return max(0, min(1000, int64(1000*t/whole))) }
			c.At = place(c.Began.Sub(began))
			c.Len = min(max(4, place(c.Took)), 1000-c.At+4)
			rows = append(rows, c)
		}
	}
	return rows
}

// callEvent is what the event of a call holds.
type callEvent struct {
	ledger.CallInfo
	Served  string        `json:"model_served"`
	How     string        `json:"how"`
	Ending  string        `json:"ending"`
	Usage   *ledger.Usage `json:"usage"`
	Cause   string        `json:"cause"`
	Code    string        `json:"code"`
	Reason  string        `json:"reason"`
	Count   int64         `json:"count"`
	Held    ledger.Micros `json:"held_micro"`
	Needed  ledger.Micros `json:"needed_micro"`
	Latency int64         `json:"latency_ms"`
	Status  int           `json:"status"`
	Clamped int64         `json:"clamped"`
}

func newCallRow(e ledger.Event) (c callRow, ok bool) {
	denied := strings.HasSuffix(e.Action, ".deny")
	if !denied && !strings.HasPrefix(e.Action, "usage.") || e.Action == "usage.overrun" {
		return c, false
	}
	var b callEvent
	if json.Unmarshal(e.Body, &b) != nil {
		return c, false
	}
	took := time.Duration(b.Latency) * time.Millisecond
	c = callRow{
		Seq: e.Seq, Began: e.Time.Add(-took), Took: took, Cost: e.Cost, Held: b.Held, Ending: plain.Name(b.Ending), Kind: "good", Count: max(1, b.Count),
		Model: plain.Name(firstOf(b.Served, b.ModelSent, b.ModelAsked)),
	}
	if b.ModelAsked != "" && plain.Name(b.ModelAsked) != c.Model {
		c.Asked = plain.Name(b.ModelAsked)
	}
	if b.Usage != nil {
		c.Known, c.Output = true, b.Usage.Output+b.Usage.AudioOut
		c.Input = b.Usage.Total() - c.Output
	}
	if no, ok := e.Refusal(); ok {
		b.Reason, b.Needed = refusal.Reason(&no), 0 // the reason has it
	}
	c.annotate(e.Action, &b, denied)
	return c, true
}

// annotate says what was clamped, changed, refused or in doubt, and why.
func (c *callRow) annotate(action string, b *callEvent, denied bool) {
	note := func(format string, args ...any) { c.Notes = append(c.Notes, fmt.Sprintf(format, args...)) }
	switch {
	case denied:
		c.Kind, c.Ending = "bad", "refused"
		note("%s", plain.Name(firstOf(b.Code, b.Cause, action)))
		if b.Reason != "" {
			note("%s", plain.Text(strings.TrimPrefix(b.Reason, "aex: "), 300))
		}
		if b.Needed > 0 {
			note("it could cost %s", b.Needed)
		}
		if b.Count > 1 {
			note("%d times", b.Count)
		}
	case action == "usage.cancel":
		c.Kind = "warn"
		c.Ending = firstOf(c.Ending, "cancelled")
		note("nothing was charged")
		if b.Status >= 400 {
			note("the provider answered %d", b.Status)
		}
	case action == "usage.recovered":
		c.Kind, c.Ending = "warn", "in doubt"
		note("its aex died: booked in full")
	case action == "usage.late":
		c.Kind, c.Ending = "warn", "late"
		note("the difference to what was booked in full")
	case b.How != "" && b.How != string(ledger.Settled):
		c.Kind = "warn"
		note("in doubt: %s, because of %s", b.How, firstOf(c.Ending, "no usage"))
	}
	if b.Clamped > 0 {
		note("output capped to %s tokens to fit the budget", groupDigits(b.Clamped))
	}
	if c.Asked != "" {
		note("asked for %s", c.Asked)
	}
	if !denied && action == "usage.commit" && b.Ending != "complete" && b.Ending != "" && c.Kind == "good" {
		c.Kind = "warn"
	}
}

func firstOf(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}
