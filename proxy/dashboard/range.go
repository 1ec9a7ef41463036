package dashboard

import (
	"html/template"
	"net/http"
	"net/url"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// view is what a page shows of the ledger: the query of its address.
type view struct {
	Range string // a key of ranges
	Per   ledger.Grouping
	By    ledger.Grouping
	Agent string
	Group string // with those inside it
	From  string // of a range of days of its own: the first and the last, "2026-01-31"
	To    string
	since time.Time
	until time.Time // of such a range; zero: now
	now   time.Time
	Days  ledger.Zone // whose days they are

	Grouped bool // there are groups
}

// timeRange is a choice of how far back to look.
type timeRange struct {
	Key, Text string
	back      time.Duration // 0: everything
	per       ledger.Grouping
}

var ranges = []timeRange{
	{"24h", "24 hours", 24 * time.Hour, ledger.ByHour},
	{"7d", "7 days", 7 * 24 * time.Hour, ledger.ByDay},
	{"30d", "30 days", 30 * 24 * time.Hour, ledger.ByDay},
	{"1y", "1 year", 365 * 24 * time.Hour, ledger.ByMonth},
	{"all", "everything", 0, ledger.ByMonth},
}

// bucketsMax is how many columns a chart has at most; a finer step than that
// becomes a coarser one.
const bucketsMax = 200

// readView reads the address; what it does not say, or says wrong, is the
// default.
func (d *Dashboard) readView(r *http.Request) (view, error) {
	q := r.URL.Query()
	v := view{Range: "24h", Per: ledger.ByHour, By: ledger.ByAgent, Agent: q.Get("agent"), Group: q.Get("group"), now: d.o.Now().UTC()}
	var err error
	if v.Days, _, err = d.ledger.Zone(r.Context()); err != nil {
		return v, err
	}
	chosen := ranges[0]
	for _, c := range ranges {
		if c.Key == q.Get("range") {
			chosen = c
		}
	}
	v.Range, v.Per = chosen.Key, chosen.per
	if chosen.back > 0 {
		v.since = v.now.Add(-chosen.back)
	}
	v.readDays(q.Get("from"), q.Get("to"))
	if by := ledger.Grouping(q.Get("by")); by == ledger.ByAgent || by == ledger.ByModel || by == ledger.ByRun || by == ledger.ByGroup {
		v.By = by
	}
	if per := ledger.Grouping(q.Get("per")); per == ledger.ByHour || per == ledger.ByDay || per == ledger.ByMonth {
		v.Per = per
	}
	return v, nil
}

// custom is the key of a range of days of its own.
const custom = "custom"

// readDays takes a range of days, both of them whole and of the ledger's zone.
func (v *view) readDays(from, to string) {
	first, err := time.Parse(time.DateOnly, from)
	last, lastErr := time.Parse(time.DateOnly, to)
	if lastErr != nil {
		last, _ = time.Parse(time.DateOnly, v.now.In(v.Days.Location()).Format(time.DateOnly))
	}
	since := v.Days.Midnight(first.Date())
	if err != nil || last.Before(first) || since.After(v.now) {
		return
	}
	v.Range, v.From, v.To = custom, first.Format(time.DateOnly), last.Format(time.DateOnly)
	v.since, v.until = since, v.Days.Midnight(last.AddDate(0, 0, 1).Date())
	switch span := v.end().Sub(since); {
	case span <= 73*time.Hour:
		v.Per = ledger.ByHour
	case span <= 92*24*time.Hour:
		v.Per = ledger.ByDay
	default:
		v.Per = ledger.ByMonth
	}
}

// end is when the time that is shown ends.
func (v view) end() time.Time {
	if v.until.IsZero() || v.until.After(v.now) {
		return v.now
	}
	return v.until.Add(-time.Millisecond)
}

// before is the time of the same length before the one that is shown; ok is
// false for all of the history.
func (v view) before() (f ledger.SpendFilter, ok bool) {
	if v.since.IsZero() {
		return f, false
	}
	first := v.Since()
	f = v.filter()
	f.Since, f.Until = first.Add(-v.end().Sub(v.since)), first.Add(-time.Millisecond)
	return f, true
}

// Query is the address's query with some of it changed, in pairs; what becomes
// empty is left out.
func (v view) Query(change ...string) template.URL {
	q := url.Values{"range": {v.Range}, "by": {string(v.By)}, "per": {string(v.Per)}}
	if v.Range == custom {
		q.Set("from", v.From)
		q.Set("to", v.To)
	}
	if v.Agent != "" {
		q.Set("agent", v.Agent)
	}
	if v.Group != "" {
		q.Set("group", v.Group)
	}
	for i := 0; i+1 < len(change); i += 2 {
		if q.Del(change[i]); change[i+1] != "" {
			q.Set(change[i], change[i+1])
		}
		if change[i] == "range" {
			q.Del("from")
			q.Del("to")
		}
	}
	return template.URL(q.Encode()) //nolint:gosec // encoded
}

// Ranges, Pers and Bys are the choices of the filter.
func (v view) Ranges() []timeRange { return ranges }
func (v view) Pers() []ledger.Grouping {
	return []ledger.Grouping{ledger.ByHour, ledger.ByDay, ledger.ByMonth}
}
func (v view) Bys() []ledger.Grouping {
	all := []ledger.Grouping{ledger.ByAgent, ledger.ByModel, ledger.ByRun}
	if v.Grouped {
		all = append(all, ledger.ByGroup)
	}
	return all
}

// Since is the hour from which on the ledger's sums count.
func (v view) Since() time.Time { return v.since.Truncate(time.Hour) }

func (v view) filter() ledger.SpendFilter {
	return ledger.SpendFilter{By: v.By, Agent: v.Agent, Group: v.Group, Since: v.since, Until: v.lastHour()}
}

// kinds are the sums, of the same calls, of every kind of call.
func (v view) kinds() ledger.SpendFilter {
	return ledger.SpendFilter{By: ledger.ByKind, Agent: v.Agent, Group: v.Group, Since: v.since, Until: v.lastHour()}
}

// lastHour is the last hour that counts; zero: there is no end.
func (v view) lastHour() time.Time {
	if v.until.IsZero() {
		return time.Time{}
	}
	return v.until.Add(-time.Millisecond)
}
