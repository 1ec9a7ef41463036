package ledger

import (
	"context"
	"fmt"
	"time"
)

// HoldID names a hold, for ever.
type HoldID string

// Admission is a call that asks to be let through.
type Admission struct {
	Token TokenHash // who asks; its agent, its run and their accounts follow from it

	// Least is the smallest hold the call is worth, Most the one that covers
	// everything it asks for. Least <= Most.
	Least, Most Micros
	// Share picks the amount of the hold, given what is neither spent nor reserved on
	// any account of the path. It is called inside the transaction and must be pure.
	// It returns 0 when so little is not worth a call, else an amount between Least
	// and Most that is not above unreserved. Where it is nil, and where nothing on the
	// path has a budget, the amount is Most.
	Share func(unreserved Micros) Micros

	// Tokens is the most that the call can use, LeastTokens the fewest that it is
	// worth (0: Tokens), for tokens a minute: a call gets what the minute has left.
	Tokens, LeastTokens int64
	// Whole asks for everything or nothing: where Most, or Tokens, does not fit
	// what is left now, the answer is CauseShort at once, and nothing is recorded or
	// used up.
	Whole bool
	// Wait is how long to wait for money that calls in flight hold. 0: not.
	Wait time.Duration

	// MayAsk says that where money or a pause keeps the call back, the caller keeps it
	// waiting and asks for help. The refusal is then Pending until Stands says that
	// nobody helped.
	MayAsk bool

	// Joint is the hash of a secret. Where the call goes by way of another aex on this
	// ledger, that one's hold joins this one by the secret. Zero: it goes to a provider.
	Joint TokenHash
	Joins Join // the hold of the aex that the call has come by way of, if it came so

	Call CallInfo // what the hold remembers, so that recovery can tell of it
}

// CallInfo describes a call before it is sent. It never holds content.
type CallInfo struct {
	Wire       string `json:"wire,omitempty"`
	ModelAsked string `json:"model_asked,omitempty"`
	ModelSent  string `json:"model_sent,omitempty"`
	Provider   string `json:"provider,omitempty"`
	Stream     bool   `json:"stream,omitempty"`
	Price      string `json:"price,omitempty"` // the rate used, as text, with its version
}

// Hold is an admitted reservation, durable on disk.
type Hold struct {
	ID     HoldID
	Amount Micros
	Agent  string
	Run    RunID // "" for an agent's token
	At     time.Time
	Tokens int64 // that the minute had left for the call; Admission.Tokens where that fits
	// The tightest budget on the path as the hold left it: for headers.
	Budget, Spent, Reserved Micros
	Limited                 bool // false: no account on the path has a budget
}

// Cause says why a call was refused.
type Cause string

const (
	CauseToken       Cause = "invalid_token"       // unknown, expired or revoked
	CauseReadOnly    Cause = "read_only_token"     // scope is read-only
	CausePaused      Cause = "agent_paused"        // agent or run is paused
	CauseRunEnded    Cause = "run_ended"           // the run is ending or has ended
	CauseRequests    Cause = "rate_limited"        // requests a minute
	CauseTokens      Cause = "token_rate_limited"  // tokens a minute
	CauseTooLong     Cause = "too_many_tokens"     // more tokens than any minute of the agent's has
	CauseConcurrency Cause = "concurrency_limited" // calls at the same time
	CauseCalls       Cause = "call_limit"          // calls a run
	CauseBusy        Cause = "budget_busy"         // calls in flight hold the money
	CauseTooLarge    Cause = "call_exceeds_budget" // this call does not fit; a smaller one may
	CauseExhausted   Cause = "budget_exceeded"     // the budget is used up
	CauseShort       Cause = "short"               // of Admission.Whole: not all of it fits now
)

// Refusal is the answer to a call that may not go. It has used up nothing:
// no money, no request of a minute, no slot.
type Refusal struct {
	Cause      Cause
	Account    AccountKind // whose limit, for money
	Name       string      // of the agent or group, or the run's id, that the limit belongs to
	Window     Window
	Budget     Micros
	Spent      Micros
	Reserved   Micros
	Overrun    Micros
	Needed     Micros        // the least that the call is worth: Admission.Least
	Left       Micros        // of CauseShort: what is unreserved now
	Unspent    Micros        // of CauseShort: what would be unreserved if all open holds ended at no cost
	Limit      int64         // for rates and counts
	Tokens     int64         // for tokens a minute: Admission.LeastTokens
	RetryAfter time.Duration // 0: trying again does not help
	// Pending: the caller keeps the call waiting for help (Admission.MayAsk), and this
	// is no refusal until Stands says so.
	Pending bool
	// RunEnds is set where the ledger has marked the token's run exhausted in
	// the transaction of this refusal.
	RunEnds bool
}

// Of is the account that refused, with its figures.
func (r *Refusal) Of() Account {
	budget := r.Budget
	return Account{Kind: r.Account, Name: r.Name, Window: r.Window, Budget: &budget, Spent: r.Spent, Reserved: r.Reserved, Overrun: r.Overrun}
}

// Admit lets a call through or refuses it, in one transaction. It looks, in this
// order, at the state of token, agent and run, the calls of the run, every account
// on the path, requests and tokens a minute and concurrency, and then takes the
// hold (its event comes when it ends). When it returns a Hold, the hold
// is on disk. It returns exactly one of Hold, Refusal and error. It waits up
// to a.Wait, first come first served in this process, while Least does not fit
// what is unreserved but would fit what is unspent. A ctx that ends while it
// waits ends the wait; a hold that was committed is never lost: if ctx ended
// meanwhile the hold is still returned.
//
// Money that does not fit what is unspent: CauseTooLarge while at least a tenth
// of that budget is unspent, else CauseExhausted. Three CauseTooLarge of a run
// with nothing admitted between become CauseExhausted. CauseExhausted of a run
// marks it exhausted.
func (l *Ledger) Admit(ctx context.Context, a Admission) (Hold, *Refusal, error) {
	if a.Least < 0 || a.Most < a.Least || a.Most > maxAmount || a.LeastTokens < 0 || a.Tokens < a.LeastTokens {
		return Hold{}, nil, fmt.Errorf("%w: an admission of %d to %d micro-dollars and %d tokens", ErrInvalid, a.Least, a.Most, a.Tokens)
	}
	if a.Share == nil {
		a.Least = a.Most
	}
	if a.LeastTokens == 0 {
		a.LeastTokens = a.Tokens
	}
	w := &admitting{Admission: a, deadline: time.Now().Add(a.Wait)}
	o := &op{admit: w}
	o.do = func(g *commitGroup) error { return g.admit(o) }
	if err := l.do(ctx, o); err != nil {
		return Hold{}, nil, err
	}
	if w.refusal != nil {
		return Hold{}, w.refusal, nil
	}
	return w.hold, nil, nil
}

// admitting is an admission under way.
type admitting struct {
	Admission
	deadline time.Time // by the process's own clock
	hold     Hold
	refusal  *Refusal
	tokens   int64 // that the minute has left for it
}

// caller is who an admission speaks for.
type caller struct {
	agent  *agent
	run    *run // nil: the agent itself
	token  *token
	leaf   int64 // lowest account
	window int64
	groups []int64 // accounts of the agent's groups
	path   []*account
	joins  *hold // the first hold of the same call, which charges the rest of the path; nil: none
}

// admit decides one admission, and records the hold or the refusal.
func (g *commitGroup) admit(o *op) error {
	a := o.admit
	a.hold, a.refusal, a.tokens = Hold{}, nil, a.Tokens
	c, no := g.identify(a.Token)
	if g.err != nil {
		return g.err
	}
	if no != nil {
		if no.Cause == CauseExhausted { // the run's state says it, without any figures
			no = g.usedUp(c, a)
		}
		g.deny(c, a, no)
		return nil
	}
	g.join(c, a)
	amount, no, err := g.afford(c, a)
	if err != nil || g.err != nil {
		return err
	}
	if a.Whole && (no != nil || amount < a.Most || g.fewTokens(c, a)) {
		a.refusal = &Refusal{Cause: CauseShort, Left: least(c.path, unreserved), Unspent: least(c.path, unspent)}
		return g.err
	}
	if final := no != nil && no.Cause != CauseBusy; final {
		g.exhaust(c, no)
		g.deny(c, a, no)
		return nil
	}
	if slow := g.tooFast(c, a); slow != nil {
		if slow.Cause == CauseConcurrency && g.recoverDead() {
			return g.admit(o)
		}
		if o.parked = slow.Cause == CauseConcurrency && g.moreDead; !o.parked {
			g.deny(c, a, slow)
		}
		return nil
	}
	if no == nil {
		no = g.behindOthers(c, a)
	}
	if no != nil {
		if g.recoverDead() {
			return g.admit(o)
		}
		if g.moreDead || time.Now().Before(a.deadline) { // the next turn recovers more
			g.block(c, a)
			o.parked = true
			return nil
		}
		g.deny(c, a, no)
		return nil
	}
	a.hold = g.take(c, a, amount)
	return g.err
}

// identify finds who asks, and refuses those who may not ask at all.
func (g *commitGroup) identify(h TokenHash) (*caller, *Refusal) {
	t := g.token(h)
	if t == nil {
		return nil, &Refusal{Cause: CauseToken}
	}
	c := &caller{agent: g.agentByID(t.agent), token: t}
	if t.run != 0 {
		c.run = g.run(t.run)
	}
	if g.err != nil {
		return nil, nil
	}
	switch {
	case c.run != nil && c.run.owner != g.w.l.owner.id():
		return nil, &Refusal{Cause: CauseToken}
	case c.run == nil && c.agent.deleted:
		return nil, &Refusal{Cause: CauseToken}
	case t.expires != 0 && t.expires <= g.at:
		return c, &Refusal{Cause: CauseToken, Name: c.agent.name}
	case t.scope != Execution:
		return c, &Refusal{Cause: CauseReadOnly, Name: c.agent.name}
	case c.agent.paused:
		return c, &Refusal{Cause: CausePaused, Account: AgentAccount, Name: c.agent.name}
	}
	if no := g.groupRefuses(c.agent); no != nil {
		return c, no
	}
	if c.run != nil {
		if no := g.runRefuses(c.run); no != nil {
			return c, no
		}
	}
	g.pathOf(c)
	return c, nil
}

// runRefuses refuses a call for the state of its run or of a run around it.
func (g *commitGroup) runRefuses(r *run) *Refusal {
	for x := r; ; x = g.run(x.parent) {
		switch x.state {
		case RunEnding, RunEnded:
			return &Refusal{Cause: CauseRunEnded, Account: RunAccount, Name: string(x.id)}
		case RunPaused:
			return &Refusal{Cause: CausePaused, Account: RunAccount, Name: string(x.id)}
		case RunExhausted:
			return &Refusal{Cause: CauseExhausted}
		}
		if x.maxCalls > 0 {
			if n := g.account(x.account).calls; n >= x.maxCalls {
				return &Refusal{Cause: CauseCalls, Account: RunAccount, Name: string(x.id), Limit: x.maxCalls}
			}
		}
		if x.parent == 0 || g.err != nil {
			return nil
		}
	}
}

// pathOf finds the accounts that a call of c is charged to, and opens the
// current window's account on its first use.
func (g *commitGroup) pathOf(c *caller) {
	if c.run != nil {
		c.leaf = c.run.account
	} else {
		c.leaf = g.total(c.agent.id).id
	}
	if c.agent.window != Total && g.err == nil {
		w := g.windowAccount(c.agent)
		if w == nil && g.err == nil {
			w = g.openWindow(c.agent)
		}
		if w != nil {
			c.window = w.id
		}
	}
	c.groups = g.groupAccountsOf(c.agent)
	c.path = g.path(c.leaf, c.window, c.groups)
}

// take records the hold.
func (g *commitGroup) take(c *caller, a *admitting, amount Micros) Hold {
	g.w.holds++
	h := &hold{
		key: holdKey{g.w.l.owner.id(), g.w.holds}, agent: c.agent.id, account: c.leaf, window: c.window,
		group: c.agent.group, groups: c.groups,
		amount: amount, tokens: a.tokens, at: g.at, call: a.Call, joint: a.Joint,
	}
	g.joined(c, h)
	out := Hold{ID: h.key.id(), Amount: amount, Agent: c.agent.name, At: g.now, Tokens: a.tokens}
	if c.run != nil {
		h.run, out.Run = c.run.no, c.run.id
		g.tooLarge[c.run.no] = 0
	}
	for _, acc := range c.path {
		acc.reserve(amount, g.at)
		g.touch(acc)
	}
	g.newHolds = append(g.newHolds, h)
	g.rows.holds[h.key] = h
	if g.rows.open != nil {
		g.rows.open[h.agent]++
	}
	g.pace(c.agent, h)
	if t, _ := tightest(c.path, unreserved); t != nil {
		out.Limited, out.Budget, out.Spent, out.Reserved = true, t.budget, t.spent, t.reserved
	}
	return out
}
