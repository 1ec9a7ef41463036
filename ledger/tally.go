package ledger

// tallyKey is a row of the tally: sums of an hour, an agent and either a
// model's calls or a cause of refusals.
type tallyKey struct {
	hour, agent  int64
	model, cause string
}

// tallySums are the sums of a row. For a cause, calls counts refusals.
type tallySums struct {
	calls                          int64
	cost                           Micros
	input, cached, output, latency int64
}

func (g *group) tally(agent int64, model, cause string, s tallySums) {
	if s == (tallySums{}) {
		return
	}
	key := tallyKey{g.at / hourMillis, agent, model, cause}
	t := g.tallies[key]
	if t == nil {
		t = new(tallySums)
		g.tallies[key] = t
	}
	t.add(s)
}

const addTally = `INSERT INTO tally (hour, agent_id, model, cause, calls, cost_micro, input, cached, output, latency_ms)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
	calls = calls + excluded.calls, cost_micro = cost_micro + excluded.cost_micro,
	input = input + excluded.input, cached = cached + excluded.cached,
	output = output + excluded.output, latency_ms = latency_ms + excluded.latency_ms`

func (g *group) flushTallies() {
	for k, s := range g.tallies {
		g.exec(addTally, k.hour, k.agent, k.model, k.cause, s.calls, int64(s.cost), s.input, s.cached, s.output, s.latency)
	}
	clear(g.tallies)
}
