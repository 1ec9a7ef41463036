package ledger

import (
	"context"
	"encoding/json"
	"time"
)

// denialEvery is how often equal refusals of a run make an event.
const denialEvery = time.Second

// denialKey says which refusals are equal.
type denialKey struct {
	agent, run int64
	code       string
	pending    bool // the calls wait for help, and are not refused yet
}

// denial counts refusals that have not been told yet. The first one is told at
// once, those of the following second together.
type denial struct {
	since   time.Time // by the process's own clock
	count   int64
	agent   *agent
	run     *run
	members func(e *line)
}

func denialAction(c Cause) string {
	switch c {
	case CauseBusy, CauseTooLarge, CauseExhausted:
		return "budget.deny"
	case CauseRequests, CauseTokens, CauseTooLong, CauseConcurrency:
		return "rate.deny"
	case CauseToken, CauseReadOnly, CausePaused, CauseRunEnded, CauseCalls:
		return "access.deny"
	}
	return "policy.deny"
}

// deny is the answer to an admission. A caller that is not known leaves no
// trace: strangers must not be able to fill the trail.
func (g *commitGroup) deny(c *caller, a *admitting, no *Refusal) {
	a.refusal = no
	if c == nil || g.err != nil {
		return
	}
	no.Pending = a.MayAsk && no.Cause.helpable()
	g.countRefusal(c, *no, a.Call)
}

// helpable are the causes that somebody can help with while the call waits.
func (c Cause) helpable() bool {
	return c == CauseExhausted || c == CauseTooLarge || c == CausePaused
}

func (g *commitGroup) countRefusal(c *caller, no Refusal, call CallInfo) {
	key := denialKey{agent: c.agent.id, code: string(no.Cause), pending: no.Pending}
	g.count(key, c.agent, c.run, func(e *line) {
		e.text("account", string(no.Account))
		e.text("name", no.Name)
		e.text("window", string(no.Window))
		e.number("budget_micro", int64(no.Budget))
		e.number("spent_micro", int64(no.Spent))
		e.number("reserved_micro", int64(no.Reserved))
		e.number("overrun_micro", int64(no.Overrun))
		e.number("needed_micro", int64(no.Needed))
		e.number("limit", no.Limit)
		e.flag("run_ends", no.RunEnds)
		e.call(call)
	})
}

func (g *commitGroup) count(key denialKey, ag *agent, r *run, members func(e *line)) {
	if r != nil {
		key.run = r.no
	}
	d := g.w.denied[key]
	if d == nil {
		d = new(denial)
		g.w.denied[key] = d
	}
	d.count++
	g.counted = append(g.counted, d)
	d.agent, d.run, d.members = ag, r, members
}

// Stands books a refusal that was pending: nobody helped, and the call is not made.
func (l *Ledger) Stands(ctx context.Context, token TokenHash, no Refusal, call CallInfo) error {
	no.Pending = false
	return l.commitOne(ctx, func(g *commitGroup) error {
		c, _ := g.identify(token)
		if c == nil || g.err != nil {
			return g.err
		}
		g.countRefusal(c, no, call)
		return nil
	})
}

// uncount takes back what a group counted that is not in the file: its
// operations are done again.
func (g *commitGroup) uncount() {
	if g == nil {
		return
	}
	for _, d := range g.counted {
		d.count--
	}
}

// bookDenialsOf has this group book the refusals that a run has had, not
// after their second is over.
func (g *commitGroup) bookDenialsOf(r *run) {
	for key, d := range g.w.denied {
		if key.run == r.no {
			d.since = time.Time{}
		}
	}
}

func (d *denial) due(now time.Time) bool { return now.Sub(d.since) >= denialEvery }

func (w *writer) anyDenialDue() bool {
	now := time.Now()
	for _, d := range w.denied {
		if d.due(now) {
			return true
		}
	}
	return false
}

// flushDenials makes events of the refusals whose second is over, and forgets
// those that did not come again.
func (g *commitGroup) flushDenials() {
	now := time.Now()
	for key, d := range g.w.denied {
		switch {
		case !d.due(now):
		case d.count == 0:
			g.quiet = append(g.quiet, key)
		case key.pending:
			g.event("call.held", d.agent, d.run.name(), func(e *line) {
				e.text("held_for", key.code)
				e.number("count", d.count)
				d.members(e)
			})
			g.told = append(g.told, key)
		default:
			g.event(denialAction(Cause(key.code)), d.agent, d.run.name(), func(e *line) {
				e.text("cause", key.code)
				e.number("count", d.count)
				d.members(e)
			})
			g.tallyRow(tallyKey{run: key.run, agent: key.agent, group: d.agent.group, cause: key.code}).calls += d.count
			if key.run != 0 {
				g.exec(`UPDATE run SET refused = refused + ? WHERE no = ?`, d.count, key.run)
			}
			g.told = append(g.told, key)
		}
	}
}

// settleDenials forgets the counts that a committed group has told.
func (w *writer) settleDenials(g *commitGroup) {
	now := time.Now()
	for _, key := range g.told {
		d := w.denied[key]
		d.count, d.since = 0, now
	}
	for _, key := range g.quiet {
		delete(w.denied, key)
	}
}

// Refusal is what an event tells of a refusal, or of a call that is held, for
// money or because of a pause; ok is false for every other event.
func (e Event) Refusal() (no Refusal, ok bool) {
	if e.Action != "budget.deny" && e.Action != "access.deny" && e.Action != "call.held" {
		return no, false
	}
	var told struct {
		Cause    Cause       `json:"cause"`
		HeldFor  Cause       `json:"held_for"`
		Account  AccountKind `json:"account"`
		Name     string      `json:"name"`
		Window   Window      `json:"window"`
		Budget   Micros      `json:"budget_micro"`
		Spent    Micros      `json:"spent_micro"`
		Reserved Micros      `json:"reserved_micro"`
		Overrun  Micros      `json:"overrun_micro"`
		Needed   Micros      `json:"needed_micro"`
	}
	if json.Unmarshal(e.Body, &told) != nil || told.Account == "" || told.Name == "" || e.Action == "access.deny" && told.Cause != CausePaused {
		return no, false
	}
	return Refusal{
		Cause: told.Cause + told.HeldFor, Account: told.Account, Name: told.Name, Window: told.Window,
		Budget: told.Budget, Spent: told.Spent, Reserved: told.Reserved, Overrun: told.Overrun, Needed: told.Needed,
	}, true
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

// Refused books a refusal that Admit did not decide (policy, route, model).
// Equal ones of a run are coalesced to one event a second.
func (l *Ledger) Refused(ctx context.Context, r RefusedCall) error {
	return l.commitOne(ctx, func(g *commitGroup) error {
		var ag *agent
		var rn *run
		var err error
		if r.Run != "" {
			if rn, err = g.runNamed(r.Run); err != nil {
				return err
			}
			ag = g.agentByID(rn.agent)
		} else if id, ok := agentRow(r.AgentID); ok {
			ag = g.agentByID(id)
		} else if ag, err = g.agentNamed(r.Agent); err != nil {
			return err
		}
		if g.err != nil {
			return g.err
		}
		g.count(denialKey{agent: ag.id, code: r.Code}, ag, rn, func(e *line) {
			e.text("reason", r.Reason)
			e.call(r.Call)
		})
		return nil
	})
}
