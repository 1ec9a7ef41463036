package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"math/bits"
	"time"
)

// Burn is what was spent lately.
type Burn struct {
	Since   time.Time // how far back it looks
	Until   time.Time
	Cost    Micros
	ByAgent map[string]Micros // by Agent.ID
	ByRun   map[RunID]Micros

	ByAccount map[int64]Micros // by Account.ID: of groups what was spent in them, wherever their agents are by now
}

// BurnWindow is how far back every view of the pace of spending looks.
const BurnWindow = 15 * time.Minute

// burnEvents is how many events Burn reads at most. Where its window has more, it looks back
// only as far as these reach.
const burnEvents = 4096

// Burn sums what was booked in the window before now.
func (l *Ledger) Burn(ctx context.Context, window time.Duration) (Burn, error) {
	now := l.now().UTC()
	b := Burn{Since: now.Add(-window), Until: now, ByAgent: make(map[string]Micros), ByRun: make(map[RunID]Micros), ByAccount: make(map[int64]Micros)}
	rs, err := l.read.QueryContext(ctx, `SELECT body FROM event_log ORDER BY seq DESC LIMIT ?`, burnEvents)
	if err != nil {
		return b, fmt.Errorf("reading what was spent lately: %w", l.explain(err))
	}
	defer rs.Close()
	var e struct {
		Time    time.Time `json:"time"`
		AgentID string    `json:"agent_id"`
		Run     RunID     `json:"run"`
		Cost    Micros    `json:"cost_micro"`
		Within  HoldID    `json:"within"`

		Accounts []int64 `json:"accounts"`
	}
	n := 0
	var body []byte
	for rs.Next() {
		if err := rs.Scan(&body); err != nil {
			return b, fmt.Errorf("reading what was spent lately: %w", l.explain(err))
		}
		e.AgentID, e.Run, e.Cost, e.Within, e.Accounts = "", "", 0, "", e.Accounts[:0]
		if err := json.Unmarshal(body, &e); err != nil {
			return b, fmt.Errorf("%w: an event cannot be read: %w", ErrCorrupt, err)
		}
		if e.Time.Before(b.Since) {
			break
		}
		n++
		if e.Within == "" { // else the event of the call's first hold tells of it, too
			b.Cost += e.Cost
		}
		b.ByAgent[e.AgentID] += e.Cost
		if e.Cost != 0 {
			for _, id := range e.Accounts {
				b.ByAccount[id] += e.Cost
			}
		}
		if e.Run != "" {
			b.ByRun[e.Run] += e.Cost
		}
	}
	if n == burnEvents {
		b.Since = e.Time
	}
	return b, l.explain(rs.Err())
}

// Window is how long it looks back. The dashboard's pages ask for it.
func (b Burn) Window() time.Duration { return b.Until.Sub(b.Since) }

// Rate is how much an hour is spent by something that began at start and has spent cost.
func (b Burn) Rate(cost Micros, start time.Time) Micros {
	return Micros(scale(uint64(max(0, cost)), uint64(time.Hour), uint64(b.span(start))))
}

// Lasts is how long the amount left will last at that pace; ok is false where nothing is
// being spent.
func (b Burn) Lasts(left, cost Micros, start time.Time) (d time.Duration, ok bool) {
	if cost <= 0 {
		return 0, false
	}
	return time.Duration(scale(uint64(max(0, left)), uint64(b.span(start)), uint64(cost))), true
}

// span is what the pace is measured over: at least a second.
func (b Burn) span(start time.Time) time.Duration {
	if start.Before(b.Since) {
		start = b.Since
	}
	return max(time.Second, b.Until.Sub(start))
}

// scale is a*b/c, or the largest duration where that is larger.
func scale(a, b, c uint64) uint64 {
	const most = 1<<63 - 1
	hi, lo := bits.Mul64(a, b)
	if hi >= c {
		return most
	}
	q, _ := bits.Div64(hi, lo, c)
	return min(q, most)
}
