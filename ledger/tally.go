package ledger

import (
	"slices"
	"strconv"
	"strings"
	"sync"
)

// tallyKey is a row of the tally: the sums of an hour. cause is empty for
// calls, which have the rest, and else what refusals were made for.
type tallyKey struct {
	hour, run, agent, group      int64
	model, provider, wire, cause string
}

// tallySums are the sums of a row. For a cause, calls counts refusals.
type tallySums struct {
	calls                                      int64
	cost                                       Micros
	input, cached, output, latency, firstToken int64
	latencies                                  [len(LatencyBounds) + 1]int64
	firsts                                     [len(FirstTokenBounds) + 1]int64
	doubt                                      doubt
	within                                     Micros // charged by second holds of calls
	twice                                      doubt  // of that, what agents' accounts count twice
}

// doubt is how much of a sum is estimates, and of how many calls.
type doubt struct {
	calls int64
	cost  Micros
}

// doubtOf is what a booking adds to what is in doubt, or takes from it. was is the
// amount that the call was booked with before, if it was.
func doubtOf(s Settlement, h *hold, was, cost Micros) (d doubt) {
	if h.recovered {
		d = doubt{-1, -was}
	}
	if s.How == Estimated {
		d.calls, d.cost = d.calls+1, d.cost+was+cost
	}
	return d
}

// add adds one booking. A difference that a late settlement makes is no call,
// and is not measured again.
func (t *tallySums) add(calls int64, cost Micros, s Settlement) {
	t.calls += calls
	t.cost += cost
	if calls == 0 {
		return
	}
	t.input += s.Usage.Input + s.Usage.AudioIn
	t.cached += s.Usage.CacheRead + s.Usage.CacheWrite5m + s.Usage.CacheWrite1h
	t.output += s.Usage.Output + s.Usage.AudioOut
	if s.Latency > 0 {
		t.latency += s.Latency.Milliseconds()
		t.latencies[bucket(LatencyBounds[:], s.Latency)]++
	}
	if s.FirstToken > 0 {
		t.firstToken += s.FirstToken.Milliseconds()
		t.firsts[bucket(FirstTokenBounds[:], s.FirstToken)]++
	}
}

// tallyRow is the row of the present hour that key names.
func (g *commitGroup) tallyRow(key tallyKey) *tallySums {
	key.hour = g.at / hourMillis
	t := g.tallies[key]
	if t == nil {
		t = new(tallySums)
		g.tallies[key] = t
	}
	return t
}

// tallyCall adds what was booked for a call to the sums of its hour. s is the zero
// value where nobody knows what the provider said.
func (g *commitGroup) tallyCall(h *hold, s Settlement, calls int64, cost Micros, d doubt) {
	if calls == 0 && cost == 0 && d == (doubt{}) {
		return
	}
	key := tallyKey{run: h.run, agent: h.agent, group: h.group, model: s.model(h), provider: h.call.Provider, wire: h.call.Wire}
	row := g.tallyRow(key)
	if h.within != "" {
		g.tallyWithin(row, h, calls, cost)
		return
	}
	row.add(calls, cost, s)
	row.doubt.calls += d.calls
	row.doubt.cost += d.cost
}

// sumColumns are the columns that add up.
var sumColumns = func() []string {
	c := []string{"calls", "cost_micro", "input", "cached", "output", "latency_ms", "first_token_ms", "in_doubt_calls", "in_doubt_micro", "within_micro", "twice_calls", "twice_micro"}
	return append(c, histogramColumns...)
}()

// histogramColumns are the sum columns that count how long calls took.
var histogramColumns = func() (c []string) {
	for i := range len(LatencyBounds) + 1 {
		c = append(c, "latency_"+strconv.Itoa(i))
	}
	for i := range len(FirstTokenBounds) + 1 {
		c = append(c, "first_token_"+strconv.Itoa(i))
	}
	return c
}()

var tallyColumns = append([]string{"hour", "run_no", "agent_id", "group_id", "model", "provider", "wire", "cause"}, sumColumns...)

// addTally adds a row of sums to those of its hour.
var addTally = sync.OnceValue(func() string {
	return `INSERT INTO tally (` + strings.Join(tallyColumns, ", ") + `)
		VALUES (?` + strings.Repeat(", ?", len(tallyColumns)-1) + `)` + addToTally()
})

// addToTally is what becomes of sums whose row is there already.
func addToTally() string {
	sums := make([]string, len(sumColumns))
	for i, c := range sumColumns {
		// Money and counts are exact. What providers report saturates far below
		// where a sum of such rows would overflow, so that no report stops a ledger.
		sum := "tally." + c + " + excluded." + c
		if slices.Contains([]string{"input", "cached", "output"}, c) {
			sum = "CASE WHEN " + sum + " > 1125899906842624 THEN 1125899906842624 ELSE " + sum + " END" // 2^50
		}
		sums[i] = c + " = " + sum
	}
	return ` ON CONFLICT (hour, run_no, agent_id, group_id, model, provider, wire, cause) DO UPDATE SET ` + strings.Join(sums, ", ")
}

func (t *tallySums) values(k tallyKey, args []any) []any {
	args = append(args, k.hour, k.run, k.agent, k.group, k.model, k.provider, k.wire, k.cause,
		t.calls, int64(t.cost), t.input, t.cached, t.output, t.latency, t.firstToken, t.doubt.calls, int64(t.doubt.cost), int64(t.within), t.twice.calls, int64(t.twice.cost))
	for _, n := range t.latencies {
		args = append(args, n)
	}
	for _, n := range t.firsts {
		args = append(args, n)
	}
	return args
}
