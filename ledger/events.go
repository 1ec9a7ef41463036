package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Event is one line of the audit trail. Body is the exact text that is hashed.
type Event struct {
	Seq    int64
	Time   time.Time
	Action string // "usage.commit", "usage.overrun", "usage.late", "budget.deny", "run.open", "agent.create", ...
	Agent  string
	Group  string // that it is of, or that an agent was made in or moved to
	Run    RunID
	Cost   Micros
	Body   json.RawMessage
}

// EventFilter picks events; zero fields do not filter.
type EventFilter struct {
	After  int64 // Seq greater than this
	Before int64 // Seq less than this; 0: no bound
	Agent  string
	Group  string // its own events, agents that came into it, and refusals for want of its money or a pause of it
	Run    RunID
	Action string // or the beginning of one, up to its dot: "usage.", or the end, from its dot: ".deny"
	Since  time.Time
	Until  time.Time
	Limit  int  // 0: 100
	Newest bool // from the newest backwards; else from the oldest on
	Scan   int  // how many events are looked at, at most; 0: all
}

// EventPage is what a search found, in the order of the search.
type EventPage struct {
	Events []Event
	// More is where to go on, as EventFilter.Before of a search for the newest
	// and as After of any other; 0: all was searched.
	More int64
}

// PageScan is an EventFilter.Scan for a page that somebody waits for. The trail
// has no index except its order, because an index would cost time in every call. A search
// goes through it piece by piece instead.
const PageScan = 20_000

// Events searches the trail.
func (l *Ledger) Events(ctx context.Context, f EventFilter) (EventPage, error) {
	page, err := l.events(ctx, f)
	if err != nil {
		return EventPage{}, fmt.Errorf("reading events: %w", err)
	}
	return page, nil
}

func (l *Ledger) events(ctx context.Context, f EventFilter) (EventPage, error) {
	limit := cmp.Or(max(f.Limit, 0), 100)
	low, high, err := l.eventBounds(ctx, f)
	if err != nil || high < low {
		return EventPage{}, err
	}
	order, step, last := `seq`, int64(1), high
	if f.Newest {
		order, step, last = `seq DESC`, -1, low
	}
	if f.Scan > 0 && f.Newest {
		low = max(low, high-int64(f.Scan)+1)
	} else if f.Scan > 0 {
		high = min(high, low+int64(f.Scan)-1)
	}
	rs, err := l.read.QueryContext(ctx, `SELECT seq, body FROM event_log WHERE seq BETWEEN ? AND ? ORDER BY `+order, low, high)
	if err != nil {
		return EventPage{}, l.explain(err)
	}
	defer rs.Close()
	var page EventPage
	at := low - 1 // the last that was looked at
	if f.Newest {
		at = high + 1
	}
	texts := f.texts()
	for len(page.Events) < limit && rs.Next() {
		var body []byte
		if err := rs.Scan(&at, &body); err != nil {
			return page, l.explain(err)
		}
		e, matches, err := f.match(texts, at, body)
		if err != nil {
			return page, err
		}
		if matches {
			page.Events = append(page.Events, e)
		}
	}
	if len(page.Events) < limit { // the whole piece was looked at
		at = high
		if f.Newest {
			at = low
		}
	}
	if (last-at)*step > 0 {
		page.More = at
	}
	return page, l.explain(rs.Err())
}

// eventBounds are the first and the last event that can match.
func (l *Ledger) eventBounds(ctx context.Context, f EventFilter) (low, high int64, err error) {
	// Asked for together, SQLite would read the whole trail for them.
	err = l.read.QueryRowContext(ctx, `SELECT coalesce((SELECT min(seq) FROM event_log), 0), coalesce((SELECT max(seq) FROM event_log), -1)`).Scan(&low, &high)
	if err == nil && f.Run != "" {
		// A late settlement may come after the run's end, so only its beginning counts.
		var opened int64
		err = l.read.QueryRowContext(ctx, `SELECT coalesce(max(first_seq), 0) FROM run WHERE id = ?`, string(f.Run)).Scan(&opened)
		low = max(low, opened)
	}
	if err == nil && !f.Since.IsZero() {
		var from int64
		err = l.read.QueryRowContext(ctx, `SELECT coalesce(min(first_seq), 9223372036854775807) FROM event_hour WHERE hour >= ?`, f.Since.UnixMilli()/hourMillis).Scan(&from)
		low = max(low, from)
	}
	low = max(low, f.After+1)
	if f.Before > 0 {
		high = min(high, f.Before-1)
	}
	return low, high, l.explain(err)
}

// texts are pieces of text that every event has that f picks.
func (f EventFilter) texts() (all []string) {
	action := f.Action
	if strings.HasPrefix(action, ".") {
		action = "" // the text does not begin so
	}
	for member, value := range map[string]string{"action": action, "run": string(f.Run), "agent": f.Agent} {
		if value != "" {
			quoted := string(appendQuoted(nil, value))
			all = append(all, `"`+member+`":`+quoted[:len(quoted)-1])
		}
	}
	if f.Group != "" {
		all = append(all, `:`+string(appendQuoted(nil, f.Group)))
	}
	return all
}

// match reads an event and tells whether it is picked. It does not decode one that cannot
// match.
func (f EventFilter) match(texts []string, seq int64, body []byte) (Event, bool, error) {
	text := string(body)
	for _, t := range texts {
		if !strings.Contains(text, t) {
			return Event{}, false, nil
		}
	}
	var e struct {
		Time   time.Time `json:"time"`
		Action string    `json:"action"`
		Agent  string    `json:"agent"`
		Group  string    `json:"group"`
		Run    RunID     `json:"run"`
		Cost   Micros    `json:"cost_micro"`

		Account AccountKind `json:"account"`
		Name    string      `json:"name"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return Event{}, false, fmt.Errorf("%w: event %d cannot be read: %w", ErrCorrupt, seq, err)
	}
	action := f.Action == "" || e.Action == f.Action || strings.HasSuffix(f.Action, ".") && strings.HasPrefix(e.Action, f.Action) ||
		strings.HasPrefix(f.Action, ".") && strings.HasSuffix(e.Action, f.Action)
	ofGroup := f.Group == "" || e.Group == f.Group || e.Account == GroupAccount && e.Name == f.Group
	if !action || !ofGroup || f.Agent != "" && e.Agent != f.Agent || f.Run != "" && e.Run != f.Run ||
		e.Time.Before(f.Since) || !f.Until.IsZero() && !e.Time.Before(f.Until) {
		return Event{}, false, nil
	}
	return Event{Seq: seq, Time: e.Time, Action: e.Action, Agent: e.Agent, Group: e.Group, Run: e.Run, Cost: e.Cost, Body: json.RawMessage(text)}, true, nil
}

// End is the number of the newest event, 0 where there is none: it changes
// with every change of the ledger but a hold.
func (l *Ledger) End(ctx context.Context) (seq int64, err error) {
	err = l.read.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM event_log`).Scan(&seq)
	return seq, l.explain(err)
}
