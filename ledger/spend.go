package ledger

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Grouping is what Spend sums by.
type Grouping string

const (
	ByAgent Grouping = "agent"
	ByModel Grouping = "model"
	ByRun   Grouping = "run"

	ByProvider Grouping = "provider"
	ByProgram  Grouping = "program" // that a run started

	ByGroup Grouping = "group"
	ByKind  Grouping = "kind"  // model, provider and wire, with how long calls took
	ByCause Grouping = "cause" // refusals, by x-aex-code
	ByHour  Grouping = "hour"
	ByDay   Grouping = "day"   // of the ledger's zone
	ByMonth Grouping = "month" // likewise
)

// SpendFilter picks and groups what Spend sums. Zero fields do not filter.
// Times are taken to the hour: the hours that Since and Until lie in count.
type SpendFilter struct {
	Per   Grouping // ByHour, ByDay, ByMonth, or "": no buckets of time
	By    Grouping // any other, or "": one sum
	Then  Grouping // beside By, a second one; ByKind and ByCause have none
	Agent string
	Group string // with the groups inside it
	Model string
	Run   RunID
	Since time.Time
	Until time.Time
}

// Spend is the sum of one bucket of time and one key.
type Spend struct {
	Bucket time.Time // the start of it; zero without Per
	Key    string    // agent's name, model, run's id or cause; "" for what has none
	Then   string    // the key of SpendFilter.Then
	// What ByKind groups by.
	Model, Provider, Wire string

	Calls               int64
	Refused             int64 // ByCause; then Calls is 0
	Cost                Micros
	Input               int64 // tokens
	Cached              int64
	Output              int64
	Latency, FirstToken time.Duration // of all calls together

	Doubtful int64  // of the calls, those whose cost is an estimate
	Doubt    Micros // of the cost, what is estimated

	// ByKind: how many calls took up to each of LatencyBounds and
	// FirstTokenBounds; the last count is of those above every bound.
	Latencies   [len(LatencyBounds) + 1]int64
	FirstTokens [len(FirstTokenBounds) + 1]int64
}

// Add adds another sum to s.
func (s *Spend) Add(o Spend) {
	s.Calls += o.Calls
	s.Refused += o.Refused
	s.Cost += o.Cost
	s.Input += o.Input
	s.Cached += o.Cached
	s.Output += o.Output
	s.Latency += o.Latency
	s.FirstToken += o.FirstToken
	s.Doubtful += o.Doubtful
	s.Doubt += o.Doubt
	for i, n := range o.Latencies {
		s.Latencies[i] += n
	}
	for i, n := range o.FirstTokens {
		s.FirstTokens[i] += n
	}
}

var keys = map[Grouping]string{
	"":      `''`,
	ByAgent: `coalesce(a.name, '')`,
	ByModel: `t.model`,
	ByRun:   `coalesce(r.id, '')`,

	ByProvider: `t.provider`,
	ByProgram:  `coalesce(r.program, '')`,

	ByKind:  `''`,
	ByCause: `t.cause`,
	ByGroup: `coalesce(g.name, '')`,
}

// Spend sums what calls have cost, or how many were refused, from the tally:
// oldest bucket first, the largest sum first within one. Every view of spending
// comes from here, so that they agree to the micro-dollar.
//
// By run or program, calls without a run have the key "". So has what was spent before aex
// kept sums by run, also by provider.
func (l *Ledger) Spend(ctx context.Context, f SpendFilter) ([]Spend, error) {
	zone, _, err := l.Zone(ctx)
	if err != nil {
		return nil, err
	}
	query, args, err := f.query(l.dialect, zone, l.now())
	if err != nil {
		return nil, err
	}
	all, err := l.spends(ctx, f, zone, query, args)
	if err != nil {
		return nil, fmt.Errorf("summing up spending: %w", err)
	}
	return all, nil
}

// has tells whether one of its keys is g.
func (f SpendFilter) has(g Grouping) bool { return f.By == g || f.Then == g }

func (f SpendFilter) query(d *dialect, zone Zone, now time.Time) (query string, args []any, err error) {
	bucket, ok := zone.buckets(d, now)[f.Per]
	key, known := keys[f.By]
	then, alsoKnown := keys[f.Then]
	if !ok || !known || !alsoKnown || f.Then != "" && (f.By == ByKind || f.By == ByCause || f.Then == ByKind || f.Then == ByCause) {
		return "", nil, fmt.Errorf("%w: spending cannot be summed per %q by %q and %q", ErrInvalid, f.Per, f.By, f.Then)
	}
	where := []string{`t.cause = ''`}
	if f.By == ByCause {
		where[0] = `t.cause <> ''`
	}
	add := func(cond string, arg any) { where, args = append(where, cond), append(args, arg) }
	if f.Run != "" {
		add(`t.run_no = (SELECT no FROM run WHERE id = ?)`, string(f.Run))
	}
	if f.Agent != "" {
		add(`a.name = ?`, f.Agent)
	}
	if f.Group != "" {
		add(`t.group_id IN (SELECT id FROM agent_group WHERE name || '/' LIKE ? ESCAPE '\')`, likeText(f.Group)+`/%`)
	}
	if f.Model != "" {
		add(`t.model = ?`, f.Model)
	}
	if !f.Since.IsZero() {
		add(`t.hour >= ?`, f.Since.UnixMilli()/hourMillis)
	}
	if !f.Until.IsZero() {
		add(`t.hour <= ?`, f.Until.UnixMilli()/hourMillis)
	}
	kind, groups, sums := then+`, '', ''`, `1, 2, 3`, sumColumns[:len(sumColumns)-len(histogramColumns)]
	if f.By == ByKind {
		kind, groups, sums = `t.model, t.provider, t.wire`, `1, 3, 4, 5`, sumColumns
	}
	table := `tally t LEFT JOIN agent a ON a.id = t.agent_id`
	if f.has(ByRun) || f.has(ByProgram) {
		table += ` LEFT JOIN run r ON r.no = t.run_no`
	}
	if f.has(ByGroup) {
		table += ` LEFT JOIN agent_group g ON g.id = t.group_id`
	}
	return `SELECT ` + bucket + `, ` + key + `, ` + kind + `, sum(t.` + strings.Join(sums, `), sum(t.`) + `)
		FROM ` + table + ` WHERE ` + strings.Join(where, ` AND `) + ` GROUP BY ` + groups + `
		HAVING sum(t.calls) <> 0 OR sum(t.cost_micro) <> 0 ORDER BY 1, 7 DESC, 6 DESC, 2, 3, 4, 5`, args, nil
}

func (l *Ledger) spends(ctx context.Context, f SpendFilter, zone Zone, query string, args []any) ([]Spend, error) {
	rs, err := l.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, l.explain(err)
	}
	defer rs.Close()
	var all []Spend
	for rs.Next() {
		var s Spend
		var bucket, latency, first, within, twice, twiceCost int64
		into := []any{&bucket, &s.Key, &s.Model, &s.Provider, &s.Wire, &s.Calls, &s.Cost, &s.Input, &s.Cached, &s.Output, &latency, &first, &s.Doubtful, &s.Doubt, &within, &twice, &twiceCost}
		if f.By == ByKind {
			for i := range s.Latencies {
				into = append(into, &s.Latencies[i])
			}
			for i := range s.FirstTokens {
				into = append(into, &s.FirstTokens[i])
			}
		}
		if err := rs.Scan(into...); err != nil {
			return nil, l.explain(err)
		}
		s.Bucket = zone.bucket(f.Per, bucket)
		s.Latency, s.FirstToken = time.Duration(latency)*time.Millisecond, time.Duration(first)*time.Millisecond
		if f.By != ByKind {
			s.Then, s.Model = s.Model, ""
		}
		if f.By == ByCause {
			s.Calls, s.Refused = 0, s.Calls
		}
		all = append(all, s)
	}
	return all, l.explain(rs.Err())
}

// likeText is a text that LIKE takes as it is, with \ for its escape.
func likeText(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}
