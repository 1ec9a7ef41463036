package ledger

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Shape is what calls of one kind amount to, with the histograms of how long
// they took.
type Shape struct {
	Model, Provider, Wire string
	Calls                 int64
	Cost                  Micros
	Input, Cached, Output int64         // tokens
	Latency, FirstToken   time.Duration // sums
	// Latencies and FirstTokens count calls by LatencyBounds and
	// FirstTokenBounds; the last count is of those above every bound.
	Latencies   [len(LatencyBounds) + 1]int64
	FirstTokens [len(FirstTokenBounds) + 1]int64
}

// Shapes sums the calls of a time by model, provider and wire, from the hourly
// sums. Per, By and Model of the filter are ignored.
func (l *Ledger) Shapes(ctx context.Context, f SpendFilter) ([]Shape, error) {
	where, args := []string{`TRUE`}, []any{}
	add := func(cond string, arg any) { where, args = append(where, cond), append(args, arg) }
	if f.Run != "" {
		add(`t.run_no = (SELECT no FROM run WHERE id = ?)`, string(f.Run))
	}
	if f.Agent != "" {
		add(`t.agent_id IN (SELECT id FROM agent WHERE name = ?)`, f.Agent)
	}
	if !f.Since.IsZero() {
		add(`t.hour >= ?`, f.Since.UnixMilli()/hourMillis)
	}
	if !f.Until.IsZero() {
		add(`t.hour <= ?`, f.Until.UnixMilli()/hourMillis)
	}
	rs, err := l.read.QueryContext(ctx, `SELECT t.model, t.provider, t.wire, sum(t.`+strings.Join(callColumns, `), sum(t.`)+`)
		FROM call_tally t WHERE `+strings.Join(where, ` AND `)+` GROUP BY 1, 2, 3 ORDER BY 5 DESC, 1, 2, 3`, args...)
	if err != nil {
		return nil, fmt.Errorf("summing up calls: %w", l.explain(err))
	}
	defer rs.Close()
	var all []Shape
	for rs.Next() {
		var s Shape
		var latency, first int64
		into := []any{&s.Model, &s.Provider, &s.Wire, &s.Calls, &s.Cost, &s.Input, &s.Cached, &s.Output, &latency, &first}
		for i := range s.Latencies {
			into = append(into, &s.Latencies[i])
		}
		for i := range s.FirstTokens {
			into = append(into, &s.FirstTokens[i])
		}
		if err := rs.Scan(into...); err != nil {
			return nil, fmt.Errorf("summing up calls: %w", l.explain(err))
		}
		s.Latency, s.FirstToken = time.Duration(latency)*time.Millisecond, time.Duration(first)*time.Millisecond
		all = append(all, s)
	}
	return all, l.explain(rs.Err())
}

// Add adds another kind's sums to s.
func (s *Shape) Add(o Shape) {
	s.Calls += o.Calls
	s.Cost += o.Cost
	s.Input += o.Input
	s.Cached += o.Cached
	s.Output += o.Output
	s.Latency += o.Latency
	s.FirstToken += o.FirstToken
	for i, n := range o.Latencies {
		s.Latencies[i] += n
	}
	for i, n := range o.FirstTokens {
		s.FirstTokens[i] += n
	}
}

// Quantile estimates, from a histogram, the duration that the given hundredths
// of the calls stay below; ok is false without any. Between two bounds it goes
// in a straight line, as Prometheus does, and above the last it is the last.
func Quantile(bounds, counts []int64, percent int64) (d time.Duration, ok bool) {
	var all int64
	for _, n := range counts {
		all += n
	}
	if all == 0 {
		return 0, false
	}
	rank := float64(all) * float64(percent) / 100
	var below, low int64
	for i, n := range counts {
		if i == len(bounds) {
			break
		}
		if n > 0 && float64(below+n) >= rank {
			part := (rank - float64(below)) / float64(n)
			return time.Duration((float64(low) + part*float64(bounds[i]-low)) * float64(time.Millisecond)), true
		}
		below += n
		low = bounds[i]
	}
	return time.Duration(low) * time.Millisecond, true
}
