package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// TrailFilter picks events for Trail. Zero fields do not filter.
type TrailFilter struct {
	Before int64 // Seq less than this; 0: from the newest
	Agent  string
	Run    RunID
	Action string // or the beginning of one, up to its dot: "usage."
	Since  time.Time
	Limit  int // 0: 50
}

// TrailPage is what a search found, newest first.
type TrailPage struct {
	Events []Event
	// More is where to go on, as TrailFilter.Before; 0: all was searched.
	More int64
}

// trailScan is how many events one Trail looks at. The trail has no index but
// its order, because an index would cost every call; who searches goes back
// piece by piece instead.
const trailScan = 20_000

// Trail searches the trail backwards, and stops after a bounded number of
// events whether it has found enough or not.
func (l *Ledger) Trail(ctx context.Context, f TrailFilter) (TrailPage, error) {
	page, err := l.trail(ctx, f)
	if err != nil {
		return TrailPage{}, fmt.Errorf("searching the trail: %w", err)
	}
	return page, nil
}

func (l *Ledger) trail(ctx context.Context, f TrailFilter) (TrailPage, error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	first, last, err := l.trailBounds(ctx, f)
	if err != nil || last < first {
		return TrailPage{}, err
	}
	low := max(first, last-trailScan+1)
	rs, err := l.read.QueryContext(ctx, `SELECT seq, body FROM event_log WHERE seq BETWEEN ? AND ? ORDER BY seq DESC`, low, last)
	if err != nil {
		return TrailPage{}, l.explain(err)
	}
	defer rs.Close()
	var page TrailPage
	for rs.Next() {
		var seq int64
		var body []byte
		if err := rs.Scan(&seq, &body); err != nil {
			return page, l.explain(err)
		}
		e, matches, err := f.match(seq, body)
		if err != nil {
			return page, err
		}
		if !matches {
			continue
		}
		page.Events = append(page.Events, e)
		if len(page.Events) == f.Limit {
			low = seq
			break
		}
	}
	if low > first {
		page.More = low
	}
	return page, l.explain(rs.Err())
}

// trailBounds are the first and the last event that can match.
func (l *Ledger) trailBounds(ctx context.Context, f TrailFilter) (first, last int64, err error) {
	// Asked for together, SQLite would read the whole trail for them.
	err = l.read.QueryRowContext(ctx, `SELECT coalesce((SELECT min(seq) FROM event_log), 0), coalesce((SELECT max(seq) FROM event_log), -1)`).Scan(&first, &last)
	if err == nil && f.Run != "" {
		// A late settlement may come after the run's end, so only its beginning counts.
		var opened int64
		err = l.read.QueryRowContext(ctx, `SELECT coalesce(max(first_seq), 0) FROM run WHERE id = ?`, string(f.Run)).Scan(&opened)
		first = max(first, opened)
	}
	if err == nil && !f.Since.IsZero() {
		var from int64
		err = l.read.QueryRowContext(ctx, `SELECT coalesce(min(first_seq), 9223372036854775807) FROM event_hour WHERE hour >= ?`, f.Since.UnixMilli()/hourMillis).Scan(&from)
		first = max(first, from)
	}
	if f.Before > 0 {
		last = min(last, f.Before-1)
	}
	return first, last, l.explain(err)
}

// match reads an event and tells whether it is picked. What cannot match is
// not decoded.
func (f TrailFilter) match(seq int64, body []byte) (Event, bool, error) {
	text := string(body)
	for member, value := range map[string]string{"action": f.Action, "run": string(f.Run), "agent": f.Agent} {
		quoted := string(appendQuoted(nil, value))
		if value != "" && !strings.Contains(text, `"`+member+`":`+quoted[:len(quoted)-1]) {
			return Event{}, false, nil
		}
	}
	var e struct {
		Time   time.Time `json:"time"`
		Action string    `json:"action"`
		Agent  string    `json:"agent"`
		Run    RunID     `json:"run"`
		Cost   Micros    `json:"cost_micro"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return Event{}, false, fmt.Errorf("%w: event %d cannot be read: %w", ErrCorrupt, seq, err)
	}
	action := f.Action == "" || e.Action == f.Action || strings.HasSuffix(f.Action, ".") && strings.HasPrefix(e.Action, f.Action)
	if !action || f.Agent != "" && e.Agent != f.Agent || f.Run != "" && e.Run != f.Run || e.Time.Before(f.Since) {
		return Event{}, false, nil
	}
	return Event{Seq: seq, Time: e.Time, Action: e.Action, Agent: e.Agent, Run: e.Run, Cost: e.Cost, Body: json.RawMessage(text)}, true, nil
}

// End is the number of the newest event, 0 where there is none: it changes
// with every change of the ledger but a hold.
func (l *Ledger) End(ctx context.Context) (seq int64, err error) {
	err = l.read.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM event_log`).Scan(&seq)
	return seq, l.explain(err)
}
