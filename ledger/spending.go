package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Grouping is what Spending sums by.
type Grouping string

const (
	ByAgent Grouping = "agent"
	ByModel Grouping = "model"
	ByRun   Grouping = "run"
	ByDay   Grouping = "day"  // UTC, "2026-01-31"
	ByHour  Grouping = "hour" // UTC, "2026-01-31T15:00:00Z"
	ByCause Grouping = "cause"
)

// SpendingFilter picks what Spending sums. Times are taken to the hour.
type SpendingFilter struct {
	By    Grouping
	Agent string
	Since time.Time
	Until time.Time
	Limit int // 0: 1,000
}

// Sums are the sums of one group: Key is the agent's name, the model, the
// run's id, the day, the hour or the cause of refusals.
type Sums struct {
	Key     string
	Calls   int64
	Refused int64
	Cost    Micros
	Input   int64 // tokens
	Cached  int64
	Output  int64
	Latency time.Duration // the average of a call
}

// groupings are the keys and orders of Spending in the tally. Times come
// newest last, everything else dearest first.
var groupings = map[Grouping]struct{ key, where, order string }{
	ByAgent: {`coalesce(a.name, '')`, `TRUE`, `6 DESC, 1`},
	ByModel: {`t.model`, `t.cause = ''`, `6 DESC, 1`},
	ByDay:   {`strftime('%Y-%m-%d', t.hour * 3600, 'unixepoch')`, `TRUE`, `1`},
	ByHour:  {`strftime('%Y-%m-%dT%H:00:00Z', t.hour * 3600, 'unixepoch')`, `TRUE`, `1`},
	ByCause: {`t.cause`, `t.cause <> ''`, `3 DESC, 1`},
}

// Spending sums calls, refusals, cost and tokens. It reads the hourly sums, not
// the trail; by run it reads the runs, which have no token counts.
func (l *Ledger) Spending(ctx context.Context, f SpendingFilter) ([]Sums, error) {
	if f.Limit <= 0 {
		f.Limit = 1000
	}
	sums, err := l.spending(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("summing up by %s: %w", f.By, err)
	}
	return sums, nil
}

func (l *Ledger) spending(ctx context.Context, f SpendingFilter) ([]Sums, error) {
	if f.By == ByRun {
		return l.spendingByRun(ctx, f)
	}
	by, ok := groupings[f.By]
	if !ok {
		return nil, fmt.Errorf("%w: there is no such grouping", ErrInvalid)
	}
	since, until := int64(0), int64(1)<<40
	if !f.Since.IsZero() {
		since = f.Since.UnixMilli() / hourMillis
	}
	if !f.Until.IsZero() {
		until = f.Until.UnixMilli() / hourMillis
	}
	rs, err := l.read.QueryContext(ctx, `SELECT `+by.key+`,
			sum(CASE WHEN t.cause = '' THEN t.calls ELSE 0 END), sum(CASE WHEN t.cause <> '' THEN t.calls ELSE 0 END),
			sum(t.input), sum(t.cached), sum(t.cost_micro), sum(t.output), sum(t.latency_ms)
		FROM tally t LEFT JOIN agent a ON a.id = t.agent_id
		WHERE t.hour BETWEEN ? AND ? AND (? = '' OR a.name = ?) AND `+by.where+`
		GROUP BY 1 ORDER BY `+by.order+` LIMIT ?`, since, until, f.Agent, f.Agent, f.Limit)
	if err != nil {
		return nil, l.explain(err)
	}
	defer rs.Close()
	var all []Sums
	for rs.Next() {
		var s Sums
		var latency int64
		if err := rs.Scan(&s.Key, &s.Calls, &s.Refused, &s.Input, &s.Cached, &s.Cost, &s.Output, &latency); err != nil {
			return nil, l.explain(err)
		}
		if s.Calls > 0 {
			s.Latency = time.Duration(latency/s.Calls) * time.Millisecond
		}
		all = append(all, s)
	}
	return all, l.explain(rs.Err())
}

func (l *Ledger) spendingByRun(ctx context.Context, f SpendingFilter) ([]Sums, error) {
	until := f.Until
	if until.IsZero() {
		until = time.UnixMilli(1 << 52)
	}
	rs, err := l.read.QueryContext(ctx, `SELECT r.id, c.calls, r.refused, c.spent_micro + c.overrun_micro
		FROM run r JOIN account c ON c.id = r.account_id JOIN agent a ON a.id = r.agent_id
		WHERE r.started_at >= ? AND r.started_at < ? AND (? = '' OR a.name = ?) ORDER BY 4 DESC, r.no DESC LIMIT ?`,
		max(0, f.Since.UnixMilli()), until.UnixMilli(), f.Agent, f.Agent, f.Limit)
	if err != nil {
		return nil, l.explain(err)
	}
	defer rs.Close()
	var all []Sums
	for rs.Next() {
		var s Sums
		if err := rs.Scan(&s.Key, &s.Calls, &s.Refused, &s.Cost); err != nil {
			return nil, l.explain(err)
		}
		all = append(all, s)
	}
	return all, l.explain(rs.Err())
}

// Call is one settled call as its event tells of it.
type Call struct {
	Seq        int64
	Time       time.Time // of the settlement
	Held       time.Time
	Action     string // usage.commit, usage.cancel, usage.recovered, usage.late
	How        string // settled, estimated, cancelled, recovered
	Agent      string
	Run        RunID
	Hold       HoldID
	Amount     Micros // of the hold
	Cost       Micros
	CallInfo          // Price is the rate that was held
	Served     string // model
	Tier       string
	Billed     string // the rate that was billed
	Usage      Usage
	Status     int
	Ending     string
	RequestID  string
	Clamped    int64
	FirstToken time.Duration
	Latency    time.Duration
}

// Calls lists the newest calls that have ended, oldest first, of a run, of an
// agent or of all. f.Action is ignored.
func (l *Ledger) Calls(ctx context.Context, f EventFilter) ([]Call, error) {
	f.Action, f.Newest = callEvents, true
	events, err := l.Events(ctx, f)
	if err != nil {
		return nil, err
	}
	calls := make([]Call, 0, len(events))
	for _, e := range events {
		c, err := parseCall(e)
		if err != nil {
			return nil, fmt.Errorf("%w: event %d: %w", ErrCorrupt, e.Seq, err)
		}
		calls = append(calls, c)
	}
	return calls, nil
}

// callEvents stands for the actions that end a call, in EventFilter.Action.
const callEvents = "usage.*"

func parseCall(e Event) (Call, error) {
	var b struct {
		CallInfo
		How        string `json:"how"`
		Hold       HoldID `json:"hold"`
		Held       Micros `json:"held_micro"`
		HeldAt     int64  `json:"held_at"`
		PriceHeld  string `json:"price_held"`
		Served     string `json:"model_served"`
		Tier       string `json:"tier"`
		Usage      Usage  `json:"usage"`
		Status     int    `json:"status"`
		Ending     string `json:"ending"`
		RequestID  string `json:"request_id"`
		Clamped    int64  `json:"clamped"`
		FirstToken int64  `json:"first_token_ms"`
		Latency    int64  `json:"latency_ms"`
	}
	if err := json.Unmarshal(e.Body, &b); err != nil {
		return Call{}, err
	}
	c := Call{
		Seq: e.Seq, Time: e.Time, Held: fromMillis(b.HeldAt), Action: e.Action, How: b.How, Agent: e.Agent, Run: e.Run,
		Hold: b.Hold, Amount: b.Held, Cost: e.Cost, CallInfo: b.CallInfo, Served: b.Served, Tier: b.Tier, Billed: b.Price,
		Usage: b.Usage, Status: b.Status, Ending: b.Ending, RequestID: b.RequestID, Clamped: b.Clamped,
		FirstToken: time.Duration(b.FirstToken) * time.Millisecond, Latency: time.Duration(b.Latency) * time.Millisecond,
	}
	c.CallInfo.Price = b.PriceHeld
	return c, nil
}

// Percentiles are of the latencies of Count calls.
type Percentiles struct {
	Count              int
	P50, P90, P99, Max time.Duration
}

// latencySample is how many calls Latencies looks at.
const latencySample = 10_000

// Latencies are the percentiles of the newest calls that f picks, ten thousand
// of them at most.
func (l *Ledger) Latencies(ctx context.Context, f EventFilter) (Percentiles, error) {
	if f.Limit <= 0 || f.Limit > latencySample {
		f.Limit = latencySample
	}
	calls, err := l.Calls(ctx, f)
	if err != nil {
		return Percentiles{}, err
	}
	var took []time.Duration
	for _, c := range calls {
		if c.Latency > 0 {
			took = append(took, c.Latency)
		}
	}
	if len(took) == 0 {
		return Percentiles{}, nil
	}
	slices.Sort(took)
	at := func(percent int) time.Duration { return took[(len(took)*percent+99)/100-1] }
	return Percentiles{len(took), at(50), at(90), at(99), took[len(took)-1]}, nil
}
