package ledger

import (
	"context"
	"encoding/json"
	"io"
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

func (l *Ledger) Events(ctx context.Context, f EventFilter) ([]Event, error) { panic("contract") }

// Refused books a refusal that Admit did not decide (policy, route, model).
// Equal ones of a run are coalesced to one event a second.
func (l *Ledger) Refused(ctx context.Context, r RefusedCall) error { panic("contract") }

// RefusedCall is a refusal outside the ledger, for the trail.
type RefusedCall struct {
	AgentID string
	Agent   string
	Run     RunID
	Code    string // x-aex-code
	Reason  string // names the rule, never content
	Call    CallInfo
}

// Export writes the trail as JSON lines that prove themselves.
func (l *Ledger) Export(ctx context.Context, w io.Writer) error { panic("contract") }

// Verify checks every invariant and reports the first bad place of each.
// progress may be nil.
func (l *Ledger) Verify(ctx context.Context, progress func(done, all int64)) (Audit, error) {
	panic("contract")
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
