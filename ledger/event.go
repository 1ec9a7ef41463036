package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Event is one line of the audit trail. Body is the exact text that is hashed.
type Event struct {
	Seq    int64
	Time   time.Time
	Action string // "usage.commit", "usage.overrun", "usage.late", "budget.deny", "run.open", "agent.create", ...
	Agent  string
	Run    RunID
	Cost   Micros
	Body   json.RawMessage
}

// EventFilter picks events; zero fields do not filter. Oldest first.
type EventFilter struct {
	After  int64 // Seq greater than this
	Agent  string
	Run    RunID
	Action string
	Since  time.Time
	Until  time.Time
	Limit  int  // 0: 100
	Newest bool // the newest Limit, still oldest first
}

// Events reads the trail.
func (l *Ledger) Events(ctx context.Context, f EventFilter) ([]Event, error) {
	where, args := `seq > ?`, []any{f.After}
	add := func(cond string, arg any) { where, args = where+" AND "+cond, append(args, arg) }
	if f.Agent != "" {
		add(`agent = ?`, f.Agent)
	}
	if f.Run != "" {
		// A run's events lie between its first and, when it has ended, its last.
		where += ` AND seq >= coalesce((SELECT first_seq FROM run WHERE id = ?), 0) AND run = ?`
		args = append(args, string(f.Run), string(f.Run))
	}
	switch f.Action {
	case "":
	case callEvents:
		where += ` AND action IN ('usage.commit', 'usage.cancel', 'usage.recovered', 'usage.late')`
	default:
		add(`action = ?`, f.Action)
	}
	if !f.Since.IsZero() {
		add(`seq >= coalesce((SELECT min(first_seq) FROM event_hour WHERE hour >= ?), 9223372036854775807)`, f.Since.UnixMilli()/hourMillis)
		add(`time >= ?`, f.Since.UTC().Format(timeFormat))
	}
	if !f.Until.IsZero() {
		add(`time < ?`, f.Until.UTC().Format(timeFormat))
	}
	order := `ORDER BY seq`
	if f.Newest {
		order = `ORDER BY seq DESC`
	}
	rs, err := l.read.QueryContext(ctx, `SELECT seq, time, action, coalesce(agent, ''), coalesce(run, ''), cost_micro, body FROM trail WHERE `+where+` `+order+` LIMIT ?`,
		append(args, cmp.Or(max(f.Limit, 0), 100))...)
	if err != nil {
		return nil, fmt.Errorf("reading events: %w", l.explain(err))
	}
	defer rs.Close()
	var events []Event
	for rs.Next() {
		var e Event
		var at, body string
		if err := rs.Scan(&e.Seq, &at, &e.Action, &e.Agent, &e.Run, &e.Cost, &body); err != nil {
			return nil, fmt.Errorf("reading events: %w", l.explain(err))
		}
		e.Body = json.RawMessage(body)
		if e.Time, err = time.Parse(timeFormat, at); err != nil {
			return nil, fmt.Errorf("%w: the time of event %d: %w", ErrCorrupt, e.Seq, err)
		}
		events = append(events, e)
	}
	if f.Newest {
		slices.Reverse(events)
	}
	return events, l.explain(rs.Err())
}

// RefusedCall is a refusal outside the ledger, for the trail.
type RefusedCall struct {
	AgentID string
	Agent   string
	Run     RunID
	Code    string // x-aex-code
	Reason  string // names the rule, never content
	Call    CallInfo
}

// Audit is Verify's result.
type Audit struct {
	Checks []Check `json:"checks"`
	Events int64   `json:"events"`
	Head   string  `json:"head"` // hex of the last hash
}

// Check is one verified property.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"` // the first bad place
}

// OK reports whether every check passed.
func (a Audit) OK() bool {
	for _, c := range a.Checks {
		if !c.OK {
			return false
		}
	}
	return true
}
