package ledger

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// LatencyBounds and FirstTokenBounds are the upper bounds, in milliseconds, of
// the histograms that the ledger keeps: those which the OpenTelemetry semantic
// conventions for generative AI ask for (gen_ai.client.operation.duration and
// gen_ai.server.time_to_first_token).
var (
	LatencyBounds    = [14]int64{10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240, 20480, 40960, 81920}
	FirstTokenBounds = [16]int64{1, 5, 10, 20, 40, 60, 80, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000}
)

// callKey is a row of call_tally.
type callKey struct {
	hour, run, agent      int64
	model, provider, wire string
}

// callSums are the sums of a row.
type callSums struct {
	tallySums
	firstToken int64 // milliseconds
	latencies  [len(LatencyBounds) + 1]int64
	firsts     [len(FirstTokenBounds) + 1]int64
}

// bucket is the place in a histogram of a duration.
func bucket(bounds []int64, d time.Duration) int {
	i, _ := slices.BinarySearchFunc(bounds, d, func(bound int64, d time.Duration) int {
		return int(time.Duration(bound)*time.Millisecond - d)
	})
	return i
}

// tallyCall adds one booking to the sums of its hour: a call that ended, or the
// difference that a late one makes. s is zero where no provider was heard.
func (g *group) tallyCall(h *hold, s Settlement, sums tallySums) {
	if sums == (tallySums{}) {
		return
	}
	key := callKey{g.at / hourMillis, h.run, h.agent, s.model(h), h.call.Provider, h.call.Wire}
	if g.calls == nil {
		g.calls = make(map[callKey]*callSums)
	}
	t := g.calls[key]
	if t == nil {
		t = new(callSums)
		g.calls[key] = t
	}
	t.tallySums.add(sums)
	if sums.calls > 0 && s.Latency > 0 {
		t.latencies[bucket(LatencyBounds[:], s.Latency)]++
	}
	if sums.calls > 0 && s.FirstToken > 0 {
		t.firstToken += s.FirstToken.Milliseconds()
		t.firsts[bucket(FirstTokenBounds[:], s.FirstToken)]++
	}
}

func (t *tallySums) add(s tallySums) {
	t.calls += s.calls
	t.cost += s.cost
	t.input += s.input
	t.cached += s.cached
	t.output += s.output
	t.latency += s.latency
}

// callColumns are the columns that add up.
var callColumns = func() []string {
	c := []string{"calls", "cost_micro", "input", "cached", "output", "latency_ms", "first_token_ms"}
	for i := range len(LatencyBounds) + 1 {
		c = append(c, "latency_"+strconv.Itoa(i))
	}
	for i := range len(FirstTokenBounds) + 1 {
		c = append(c, "first_token_"+strconv.Itoa(i))
	}
	return c
}()

var addCalls = func() string {
	q := `INSERT INTO call_tally (hour, run_no, agent_id, model, provider, wire, ` + strings.Join(callColumns, ", ") + `)
		VALUES (?, ?, ?, ?, ?, ?` + strings.Repeat(", ?", len(callColumns)) + `) ON CONFLICT DO UPDATE SET `
	for i, c := range callColumns {
		if i > 0 {
			q += ", "
		}
		q += c + " = " + c + " + excluded." + c
	}
	return q
}()

func (g *group) flushCalls() {
	for k, s := range g.calls {
		args := append(make([]any, 0, 48), k.hour, k.run, k.agent, k.model, k.provider, k.wire,
			s.calls, int64(s.cost), s.input, s.cached, s.output, s.latency, s.firstToken)
		for _, n := range s.latencies {
			args = append(args, n)
		}
		for _, n := range s.firsts {
			args = append(args, n)
		}
		g.exec(addCalls, args...)
	}
	clear(g.calls)
}
