package ledger

import (
	"slices"
	"time"
)

// paceWindow is what "a minute" means: the last sixty seconds, sliding.
const paceWindow = int64(time.Minute / time.Millisecond)

// pace is the last minute's calls of one agent, oldest first.
type pace struct{ calls []paced }

type paced struct {
	key    holdKey
	at     int64
	tokens int64
}

func (l Limits) paced() bool { return l.RequestsPerMinute > 0 || l.TokensPerMinute > 0 }

// paceOf reads the agent's last minute. A call later than now counts as now,
// and is so from then on: a clock that was set back must not hold the agent up
// for as long as it had been ahead.
func (g *commitGroup) paceOf(agent int64) *pace {
	p := g.rows.paces[agent]
	if p == nil {
		p = new(pace)
		g.each(`SELECT owner, n, at, tokens FROM pace WHERE agent_id = ?`, []any{agent}, func(scan func(...any) error) error {
			var c paced
			err := scan(&c.key.owner, &c.key.n, &c.at, &c.tokens)
			p.calls = append(p.calls, c)
			return err
		})
		if g.err != nil {
			return p
		}
		slices.SortFunc(p.calls, func(a, b paced) int { return int(a.at - b.at) })
		g.rows.paces[agent] = p
	}
	if n := len(p.calls); n > 0 && p.calls[n-1].at > g.at {
		g.exec(`UPDATE pace SET at = ? WHERE agent_id = ? AND at > ?`, g.at, agent, g.at)
		for i := range p.calls {
			p.calls[i].at = min(p.calls[i].at, g.at)
		}
	}
	old := 0
	for old < len(p.calls) && p.calls[old].at <= g.at-paceWindow {
		old++
	}
	// Old rows go in bulk; the file does not need to lose them at once.
	if old > 0 && (old >= 64 || old == len(p.calls)) {
		g.exec(`DELETE FROM pace WHERE agent_id = ? AND at <= ?`, agent, g.at-paceWindow)
		p.calls = slices.Delete(p.calls, 0, old)
		old = 0
	}
	return &pace{calls: p.calls[old:]}
}

// tooFast refuses a call that is over a limit of its agent's pace.
func (g *commitGroup) tooFast(c *caller, a *admitting) *Refusal {
	lim := c.agent.limits
	no := func(cause Cause, limit int64, retry time.Duration) *Refusal {
		return &Refusal{Cause: cause, Account: AgentAccount, Name: c.agent.name, Limit: limit, RetryAfter: retry}
	}
	if lim.paced() {
		p := g.paceOf(c.agent.id)
		if over := int64(len(p.calls)) - lim.RequestsPerMinute; lim.RequestsPerMinute > 0 && over >= 0 {
			return no(CauseRequests, lim.RequestsPerMinute, p.leaves(over, g.at))
		}
		if lim.TokensPerMinute > 0 {
			if retry, ok := p.roomFor(a.LeastTokens, lim.TokensPerMinute, g.at); !ok {
				slow := no(CauseTokens, lim.TokensPerMinute, retry)
				if a.LeastTokens > lim.TokensPerMinute {
					slow.Cause = CauseTooLong
				}
				slow.Tokens = a.LeastTokens
				return slow
			}
			a.tokens = min(a.Tokens, lim.TokensPerMinute-p.used())
		}
	}
	if lim.Concurrency > 0 && g.openHolds(c.agent.id) >= lim.Concurrency {
		return no(CauseConcurrency, lim.Concurrency, time.Second)
	}
	return nil
}

// fewTokens tells whether the minute has too few tokens left for all of a call.
func (g *commitGroup) fewTokens(c *caller, a *admitting) bool {
	slow := g.tooFast(c, a)
	return slow != nil && (slow.Cause == CauseTokens || slow.Cause == CauseTooLong) || a.tokens < a.Tokens
}

// leaves is how long it takes until the i-th oldest call is a minute old.
func (p *pace) leaves(i, now int64) time.Duration {
	return time.Duration(p.calls[i].at+paceWindow-now) * time.Millisecond
}

// used is how many tokens the minute's calls have used, or may yet use.
func (p *pace) used() (sum int64) {
	for _, c := range p.calls {
		sum += c.tokens
	}
	return sum
}

// roomFor tells whether tokens more fit limit, and if not how long it takes
// until they do; 0 when they never will.
func (p *pace) roomFor(tokens, limit, now int64) (retry time.Duration, ok bool) {
	if tokens > limit {
		return 0, false
	}
	sum := tokens + p.used()
	for i := 0; sum > limit && i < len(p.calls); i++ {
		sum -= p.calls[i].tokens
		retry = p.leaves(int64(i), now)
	}
	return retry, retry == 0
}

// pace counts an admitted call.
func (g *commitGroup) pace(ag *agent, h *hold) {
	if !ag.limits.paced() {
		return
	}
	g.paceOf(ag.id)
	p := g.rows.paces[ag.id]
	if p == nil {
		return // the group is lost
	}
	p.calls = append(p.calls, paced{h.key, h.at, h.tokens})
	g.exec(`INSERT INTO pace (agent_id, owner, n, at, tokens) VALUES (?, ?, ?, ?, ?)`, ag.id, int64(h.key.owner), h.key.n, h.at, h.tokens)
}

// correctPace replaces the tokens a call reserved by those it used. Where they
// are not known the reserved ones stay.
func (g *commitGroup) correctPace(h *hold, s Settlement) {
	ag := g.agentByID(h.agent)
	if !ag.limits.paced() || s.How == Estimated && s.Usage == (Usage{}) {
		return
	}
	used := s.Usage.Total()
	g.paceOf(ag.id)
	if p := g.rows.paces[ag.id]; p != nil {
		i := slices.IndexFunc(p.calls, func(c paced) bool { return c.key == h.key })
		if i < 0 || p.calls[i].tokens == used {
			return
		}
		p.calls[i].tokens = used
	}
	g.exec(`UPDATE pace SET tokens = ? WHERE agent_id = ? AND owner = ? AND n = ?`, used, ag.id, int64(h.key.owner), h.key.n)
}

// clocksDiffer is how far the clocks of gateways may be apart, in milliseconds: the
// times of events do not rise where they are.
const clocksDiffer = int64(time.Minute / time.Millisecond)

// startPacing fills the last minute of an agent that has a limit for the first
// time: from its open holds and from the trail.
func (g *commitGroup) startPacing(agent int64) {
	since := g.at - paceWindow
	g.exec(`INSERT INTO pace (agent_id, owner, n, at, tokens)
		SELECT agent_id, owner, n, at, tokens FROM hold WHERE agent_id = ? AND at > ? ON CONFLICT DO NOTHING`, agent, since)
	var calls []paced
	g.each(g.w.l.dialect.endedCalls, []any{g.firstSince(since - clocksDiffer), publicID(agent), since}, func(scan func(...any) error) error {
		var id HoldID
		var c paced
		if err := scan(&id, &c.at, &c.tokens); err != nil {
			return err
		}
		var ok bool
		if c.key, ok = parseHoldID(id); ok {
			calls = append(calls, c)
		}
		return nil
	})
	for _, c := range calls {
		g.exec(`INSERT INTO pace (agent_id, owner, n, at, tokens) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, agent, int64(c.key.owner), c.key.n, c.at, c.tokens)
	}
	delete(g.rows.paces, agent)
}

// firstSince is the first event in the tables that is not older than a time, or
// the place of the next one. It is looked for by halves within its hour: an hour
// may have millions of events, and their times are in their bodies.
func (g *commitGroup) firstSince(at int64) (seq int64) {
	end := g.last().seq - int64(len(g.events)-g.stored.events) + 1
	g.query(`SELECT coalesce(min(first_seq), ?) FROM event_hour WHERE hour >= ?`, []any{end, at / hourMillis}, &seq)
	limit := fromMillis(at).Format(timeFormat)
	for after := end; seq < after && g.err == nil; {
		middle := seq + (after-seq)/2
		var told string
		if g.query(`SELECT time FROM trail WHERE seq = ?`, []any{middle}, &told) && told >= limit {
			after = middle
		} else {
			seq = middle + 1 // one that is not there has been folded
		}
	}
	return seq
}
