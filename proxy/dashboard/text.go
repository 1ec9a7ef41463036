package dashboard

import (
	"bytes"
	"fmt"
	"html/template"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
)

// page is what every template gets.
type page struct {
	Title   string
	Session *session
	Nav     string // the entry that is current
	Live    bool   // the page follows the ledger
	Version string
	Now     time.Time
	Actions bool   // there are actions, not only commands
	Done    string // what an action before did
	Data    any
}

// render writes a whole page, or the error of making it: never half a page.
func (d *Dashboard) render(w http.ResponseWriter, status int, name string, p *page) {
	p.Version, p.Now, p.Actions = d.o.Version, d.o.Now().UTC(), !d.o.ReadOnly
	var b bytes.Buffer
	if err := d.pages.ExecuteTemplate(&b, name, p); err != nil {
		d.o.Logf("dashboard: %s: %v", name, err)
		http.Error(w, "this page cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a client that is gone needs no page
}

var pageFuncs = template.FuncMap{
	"word":    shellWord,
	"name":    plain.Name,
	"typed":   func(s string) string { return plain.Text(s, 1000) }, // in a field, which shows it
	"short":   shortID,
	"usd":     func(m ledger.Micros) string { return m.String() },
	"cents":   cents,
	"budget":  budgetText,
	"count":   groupDigits,
	"count64": func(n int) string { return groupDigits(int64(n)) },
	"micro":   func(m ledger.Micros) int64 { return int64(m) },
	"limit":   limitValue,
	"ms":      latencyText,
	"span":    spanText,
	"stamp":   stampText,
	"at":      func(t time.Time) template.HTML { return timeTag(t, "stamp", stampText(t)) },
	"iso":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"ago":     agoText,
	"percent": func(part, whole ledger.Micros) string { return percentText(part, whole) },
	"bar":     newBar,
	"dict":    dict,
	"since":   func(t, now time.Time) string { return latencyText(now.Sub(t)) },
	"clock":   func(t time.Time) template.HTML { return timeTag(t, "clock", t.UTC().Format("Jan 2 15:04:05")) },
	"hour":    func(t time.Time) template.HTML { return timeTag(t, "time", t.UTC().Format("15:04:05")) },
	"title":   func(s string) string { return strings.ToUpper(s[:1]) + s[1:] },
	"more":    func(n int) int { return min(1000, 4*n) },
	"actionName": func(a string) string {
		if strings.HasSuffix(a, ".") {
			return a + "… all"
		}
		return a
	},
	"checkName": func(name string) string {
		if text, ok := checkNames[name]; ok {
			return text
		}
		return name
	},
}

func stampText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// timeTag is a point in time that the page's script can show in the reader's
// own zone.
func timeTag(t time.Time, form, text string) template.HTML {
	return template.HTML(`<time datetime="` + t.UTC().Format(time.RFC3339) + `" data-form="` + form + `">` + text + `</time>`) //nolint:gosec // of digits and our own words
}

// checkNames say what an audit's checks find.
var checkNames = map[string]string{
	"file": "The file is whole", "chain": "No event is missing or changed", "head": "The trail was not cut short",
	"sums": "Every account is the sum of its events", "budgets": "No account is over its budget",
	"reserved": "Every reservation has its call", "runs": "Ended runs hold nothing",
	"tally": "Hourly sums agree with the events", "groups": "Groups and their agents are what the events say",
}

// dict makes the argument of a template that needs more than one.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict: a key without a value")
	}
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		k, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: a key that is no text")
		}
		m[k] = pairs[i+1]
	}
	return m, nil
}

func shortID(id ledger.RunID) string { return string(id[:min(len(id), 4)]) }

// cents rounds an amount for a headline; the exact one stands beside it.
func cents(m ledger.Micros) string {
	sign := ""
	if m < 0 {
		sign, m = "-", -m
	}
	if m > 0 && m < 100_000 { // below a dime, two digits
		unit := ledger.Micros(1)
		for m >= 100*unit {
			unit *= 10
		}
		return sign + ((m + unit/2) / unit * unit).String()
	}
	c := (m + 5000) / 10_000
	return fmt.Sprintf("%s$%s.%02d", sign, groupDigits(int64(c/100)), c%100)
}

func budgetText(m *ledger.Micros) string {
	if m == nil {
		return "no limit"
	}
	return m.String()
}

// limitValue orders budgets: no budget counts as the largest.
func limitValue(m *ledger.Micros) int64 {
	if m == nil {
		return math.MaxInt64
	}
	return int64(*m)
}

// groupDigits sets thousands apart.
func groupDigits(n int64) string {
	s := strconv.FormatInt(n, 10)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// latencyText rounds a duration to what a reader can use.
func latencyText(d time.Duration) string {
	switch {
	case d <= 0:
		return "–"
	case d < time.Second:
		return strconv.FormatInt(max(1, d.Round(time.Millisecond).Milliseconds()), 10) + " ms"
	case d < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	}
	return spanText(d)
}

// spanText says how long something takes or lasts, in two units.
func spanText(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	case d < 1000*24*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
	return "years"
}

func agoText(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	if d := now.Sub(t); d >= time.Minute {
		return spanText(d) + " ago"
	}
	return "just now"
}

func percentText(part, whole ledger.Micros) string {
	if whole <= 0 {
		return "–"
	}
	f := 100 * float64(part) / float64(whole)
	if f > 0 && f < 0.1 {
		return "<0.1 %"
	}
	return strconv.FormatFloat(f, 'f', 1, 64) + " %"
}

// changeText says how much more or less an amount is than one before.
func changeText(now, before ledger.Micros) string {
	switch {
	case before == 0 && now == 0:
		return "as before"
	case before == 0:
		return "nothing before"
	case now >= 10*before:
		return fmt.Sprintf("%.0f times as much", float64(now)/float64(before))
	}
	change := 100 * (float64(now) - float64(before)) / float64(before)
	if change > -0.5 && change < 0.5 {
		return "as before"
	}
	return fmt.Sprintf("%+.0f %%", change)
}

// bar is a budget drawn: parts of a thousand.
type bar struct {
	Spent, Reserved, Overrun int64
	Level                    string // "", "warn", "full"
	Text                     string
}

func newBar(a ledger.Account) *bar {
	if a.Budget == nil || *a.Budget <= 0 {
		return nil
	}
	whole := float64(*a.Budget)
	b := &bar{Spent: int64(1000 * float64(a.Spent) / whole), Reserved: int64(1000 * float64(a.Reserved) / whole)}
	b.Spent = min(b.Spent, 1000)
	b.Reserved = min(b.Reserved, 1000-b.Spent)
	switch {
	case a.Overrun > 0 || b.Spent >= 900:
		b.Level = "full"
	case b.Spent >= 700:
		b.Level = "warn"
	}
	b.Text = fmt.Sprintf("%s of %s spent, %s reserved", a.Spent, *a.Budget, a.Reserved)
	if a.Overrun > 0 {
		b.Text += fmt.Sprintf(", %s overrun", a.Overrun)
	}
	return b
}
